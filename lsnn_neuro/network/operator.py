"""The kernel as a torch operator: ``OPERATORS.simulate``, differentiable, known to torch.compile.

:func:`simulate` is what the engines call. Spikes are differentiable too, but are unpacked only when they
are needed: the operator gives an empty *carrier* for each population, of the shape of its spikes but
without memory, that takes their gradient back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._ops import ops as torch_operators
from torch.autograd.function import once_differentiable

from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network import kernel
from lsnn_neuro.network.kernel import LANES, Layout, SynapseArrays

TAPE = "compact"
"""Distances to threshold on the tape: 16 bits, or "full" for floats."""
UNIT = 4096
"""A whole share of a state in the kernel's integers."""

NETWORK = (
    "Tensor x, Tensor weight, Tensor numbers, Tensor n_ref, Tensor source, Tensor target, "
    "Tensor delay, Tensor active, Tensor[] start, str layout"
)
LIBRARY: Any = torch.library.Library("lsnn_neuro", "DEF")  # type: ignore[no-untyped-call]
OPERATORS: Any = torch_operators.lsnn_neuro
BELOW_AUTOGRAD: Any = torch._C._AutoDispatchBelowAutograd
LIBRARY.define(f"simulate({NETWORK}, Tensor? back, str tape, int threads) -> Tensor[]")
LIBRARY.define(f"simulate_forward({NETWORK}, str tape, bool learn, int threads) -> Tensor[]")
LIBRARY.define(
    f"simulate_backward({NETWORK}, Tensor[] tape, Tensor? back, Tensor? grad_readout, Tensor? grad_rate, "
    "Tensor[] grad_spikes, int[] spikes_of, bool learn, bool inputs_learn, int threads) -> Tensor[]"
)
LIBRARY.define("unpack(Tensor carrier, Tensor bits, int first) -> Tensor")


@dataclass(frozen=True, kw_only=True, eq=False)
class Tape:
    """What a forward run leaves, tensors.

    - readout: (time, batch, readout); rate: mean spikes per step, (neuron,); state: at the end
    - spikes, inputs, near: 16 bits a number, (block, time, neuron or input)
    - cells: distances to threshold of neurons that are near it, one after the other, n_cells of each block
    - replayed: states before each 16 steps; membrane, current: before each step, where constants learn
    - held: where a membrane stays at its reset, 16 bits a number, if the reset of a population is "hold"

    What was not kept is empty.
    """

    readout: Tensor
    rate: Tensor
    state: Tensor
    spikes: Tensor
    inputs: Tensor
    near: Tensor
    cells: Tensor
    n_cells: Tensor
    replayed: Tensor
    membrane: Tensor
    current: Tensor
    held: Tensor

    @classmethod
    def of(cls, found: list[Tensor]) -> Tape:
        """What the operator gave."""
        return cls(**dict(zip(cls.__dataclass_fields__, found, strict=False)))

    def tensors(self) -> list[Tensor]:
        """In the operator's order."""
        return list(vars(self).values())


@dataclass(frozen=True, kw_only=True, eq=False)
class Arguments:
    """A network as the operator takes it.

    - numbers: of all populations, see :class:`lsnn_neuro.network.kernel.Layout`; floats, also where the
      network is one of integers (decays are shares there too)
    - weight, source, target, delay, active: of all slots of all groups of synapses, (slot,)
    - back: if given, errors pass back through these weights instead, (slot,)
    - start: the kernel's state to start from, and what inputs and neurons had sent, (step, sample, source),
      the newest last; none: at rest
    """

    layout: Layout
    numbers: Tensor
    n_ref: Tensor
    weight: Tensor
    source: Tensor
    target: Tensor
    delay: Tensor
    active: Tensor
    back: Tensor | None = None
    start: tuple[Tensor, ...] = ()

    def native(self) -> Any:
        """The native network."""
        with torch.no_grad():
            return _native(
                self.layout, self.weight, self.numbers, self.n_ref, self.source, self.target,
                self.delay, self.active, integers=self.layout.integer,
            )  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class KernelOutput:
    """What :func:`simulate` gives back.

    - readout: shape (time, batch, readout); rate: mean spikes per step, (neuron,); both differentiable
    - spikes: unpacks the spikes of a population, 0 or 1, shape (time, batch, neuron), differentiable
    - state: where the run ended, as the kernel has it, without what is on its way
    """

    readout: Tensor
    rate: Tensor
    spikes: Callable[[str], Tensor]
    bits: Tensor
    state: Tensor


def simulate(arguments: Arguments, x: Tensor) -> KernelOutput:
    """Run a network on the kernel, differentiably; x: (time, batch, input), bool, int8 or float32."""
    a, layout = arguments, arguments.layout
    found = OPERATORS.simulate(
        x, a.weight, a.numbers, a.n_ref, a.source, a.target, a.delay, a.active, list(a.start), layout.text,
        a.back, TAPE, torch.get_num_threads(),
    )  # fmt: skip
    tape, carriers = Tape.of(found), found[len(Tape.__dataclass_fields__) :]
    places = layout.places()
    names = [p.name for p in layout.populations if p.spiking]

    def spikes(name: str) -> Tensor:
        unpacked: Tensor = OPERATORS.unpack(
            carriers[names.index(name)], tape.spikes, places[name].start
        )
        return unpacked

    return KernelOutput(
        readout=tape.readout, rate=tape.rate, spikes=spikes, bits=tape.spikes, state=tape.state
    )


class _Simulate(torch.autograd.Function):
    """Forward and backward through time."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Any:
        """The operator's arguments and results; the tape is written where gradients are wanted."""
        *network, start, layout, back, tape, threads = arguments
        inputs_learn, weights_learn, learn = ctx.needs_input_grad[:3]
        learns = inputs_learn or weights_learn or learn
        with BELOW_AUTOGRAD():
            found = OPERATORS.simulate_forward(
                *network, start, layout, tape if learns else "none", learn, threads
            )
        kept = Tape.of(found)
        ctx.save_for_backward(*network, back, *kept.tensors(), *start)
        ctx.options = layout, learn, inputs_learn, threads
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(
            *(t for t in kept.tensors() if t is not kept.readout and t is not kept.rate)
        )
        return tuple(found)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad_readout: Any, grad_rate: Any, *grads: Any) -> Any:
        """Gradients of inputs, weights and numbers."""
        *network, back = ctx.saved_tensors[:9]
        kept = ctx.saved_tensors[9 : 9 + len(Tape.__dataclass_fields__)]
        start = ctx.saved_tensors[9 + len(kept) :]
        layout, learn, inputs_learn, threads = ctx.options
        carried = grads[len(Tape.__dataclass_fields__) - 2 :]
        of_spikes = [(i, g.contiguous()) for i, g in enumerate(carried) if g is not None]
        x, weight, numbers = OPERATORS.simulate_backward(
            *network, list(start), layout, list(kept), back,
            None if grad_readout is None else grad_readout.contiguous(), grad_rate,
            [g for _, g in of_spikes], [i for i, _ in of_spikes], learn, inputs_learn, threads,
        )  # fmt: skip
        return x if inputs_learn else None, weight, numbers if learn else None, *[None] * 10


class _Unpack(torch.autograd.Function):
    """The spikes of a population; their gradient goes to its carrier."""

    @staticmethod
    def forward(ctx: Any, carrier: Tensor, bits: Tensor, first: int) -> Tensor:
        """(time, batch, neuron), 0 or 1."""
        with BELOW_AUTOGRAD():
            unpacked: Tensor = OPERATORS.unpack(carrier, bits, first)
        return unpacked

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """As it is."""
        return grad, None, None


def _simulate_autograd(*arguments: Any) -> list[Tensor]:
    if not torch.is_grad_enabled():
        return _simulate(*arguments)
    return list(_Simulate.apply(*arguments))  # type: ignore[no-untyped-call]


def _unpack_autograd(carrier: Tensor, bits: Tensor, first: int) -> Tensor:
    unpacked: Tensor = _Unpack.apply(carrier, bits, first)  # type: ignore[no-untyped-call]
    return unpacked


# --- what the operators compute ---------------------------------------------------------------------------


def _native(
    layout: Layout, weight: Tensor, numbers: Tensor, n_ref: Tensor, source: Tensor, target: Tensor,
    delay: Tensor, active: Tensor, *, integers: bool,
) -> Any:  # fmt: skip
    """The native network of tensors; ``integers``: rounded to them, decays in 1/4096."""
    values, weights = numbers.detach().numpy(), weight.detach().numpy()
    if integers:
        values = values.astype(np.float64)
        for _, columns in layout.split(values):
            for name, column in columns.items():
                if name.startswith("decay"):
                    column *= UNIT
        values, weights = np.rint(values).astype(np.int32), np.rint(weights).astype(np.int32)
    return kernel.build(
        layout, values, n_ref.numpy(),
        SynapseArrays(
            source=source.numpy(), target=target.numpy(), delay=delay.numpy(), weight=weights,
            active=active.numpy(),
        ),
    )  # fmt: skip


def _inputs(x: Tensor) -> Any:
    if x.dtype not in (torch.bool, torch.int8, torch.float32):
        raise NetworkError(f"inputs are {x.dtype}, the kernel takes bool, int8 and float32")
    return x.detach().contiguous().numpy()


def _simulate(*arguments: Any) -> list[Tensor]:
    """Without gradients."""
    *network, layout, _, _, threads = arguments
    found: list[Tensor] = OPERATORS.simulate_forward(*network, layout, "none", False, threads)
    return found


def _simulate_forward(
    x: Tensor, weight: Tensor, numbers: Tensor, n_ref: Tensor, source: Tensor, target: Tensor,
    delay: Tensor, active: Tensor, start: list[Tensor], layout: str, tape: str, learn: bool,
    threads: int,
) -> list[Tensor]:  # fmt: skip
    known = Layout.of_text(layout)
    network = _native(
        known, weight, numbers, n_ref, source, target, delay, active, integers=known.integer
    )
    found = kernel.forward(
        network, _inputs(x), spikes=True, tape=tape, learn=learn, threads=threads,
        state=start[0].numpy().copy() if start else None,
    )  # fmt: skip
    kept = {name: _tensor(array) for name, array in found.items()}
    cells = x.shape[0] * x.shape[1]
    kept["rate"] = (kept.pop("counts").sum(0).double() / cells).float()
    kept["readout"] = kept["readout"].float()
    return [
        kept[name] if name in kept else torch.empty(0) for name in Tape.__dataclass_fields__
    ] + _carriers(x, known)


def _carriers(x: Tensor, layout: Layout) -> list[Tensor]:
    sizes = [p.size for p in layout.populations if p.spiking]
    one = torch.empty((), dtype=torch.float32, device=x.device)
    return [one.clone().expand(x.shape[0], x.shape[1], n) for n in sizes]


def _simulate_backward(
    x: Tensor, weight: Tensor, numbers: Tensor, n_ref: Tensor, source: Tensor, target: Tensor,
    delay: Tensor, active: Tensor, start: list[Tensor], layout: str, tape: list[Tensor],
    back: Tensor | None, grad_readout: Tensor | None, grad_rate: Tensor | None,
    grad_spikes: list[Tensor], spikes_of: list[int], learn: bool, inputs_learn: bool, threads: int,
) -> list[Tensor]:  # fmt: skip
    known = Layout.of_text(layout)
    network = _native(known, weight, numbers, n_ref, source, target, delay, active, integers=False)
    kept = {
        name: _array(name, tensor)
        for name, tensor in zip(Tape.__dataclass_fields__, tape, strict=True)
        if tensor.numel() or name in ("inputs", "replayed")
    }
    of_spikes: list[Any] = [None] * len(known.populations)
    for i, gradient in zip(spikes_of, grad_spikes, strict=True):
        of_spikes[i] = gradient.numpy()
    if grad_readout is None:
        grad_readout = torch.zeros(tape[0].shape)
    grad_rate = (
        torch.zeros(known.n_neurons) if grad_rate is None else grad_rate / (x.shape[0] * x.shape[1])
    )
    found = network.backward(
        _inputs(x), tape=kept, start=start[0].numpy() if start else None,
        past_inputs=start[1].numpy() if start else None,
        past_spikes=start[2].numpy() if start else None,
        grad_readout=grad_readout.numpy(), grad_rate=grad_rate.numpy(), grad_spikes=of_spikes,
        back=None if back is None else back.numpy(), learn=learn, inputs_learn=inputs_learn,
        threads=threads,
    )  # fmt: skip
    return [
        torch.from_numpy(found[name]) if name in found else torch.empty(0)
        for name in ("inputs", "weights", "constants")
    ]


def _unpack(carrier: Tensor, bits: Tensor, first: int) -> Tensor:
    part = bits.numpy()[..., first : first + carrier.shape[2]]
    return torch.from_numpy(kernel.unpack_spikes(part, carrier.shape[1])).float()


def _tensor(array: Any) -> Tensor:
    return torch.from_numpy(array.view(np.int16) if array.dtype == np.uint16 else array)


def _array(name: str, tensor: Tensor) -> Any:
    array = tensor.numpy()
    return array.view(np.uint16) if name in ("spikes", "inputs", "near", "held") else array


# --- what they look like, for torch.compile ---------------------------------------------------------------


def _simulate_shapes(
    x: Tensor, weight: Tensor, numbers: Tensor, n_ref: Tensor, source: Tensor, target: Tensor,
    delay: Tensor, active: Tensor, start: list[Tensor], layout: str, tape: str, learn: bool,
    threads: int,
) -> list[Tensor]:  # fmt: skip
    known = Layout.of_text(layout)
    steps, batch, _ = x.shape
    n, blocks = known.n_neurons, (batch + LANES - 1) // LANES

    def like(*shape: Any, dtype: torch.dtype = torch.float32) -> Tensor:
        return x.new_empty(shape, dtype=dtype)

    short, none = torch.int16, like(0)
    found = [
        like(steps, batch, known.n_readouts), like(n),
        like(blocks, known.end_bytes, dtype=torch.uint8), like(blocks, steps, n, dtype=short),
    ]  # fmt: skip
    if tape == "none":
        return [*found, *(none.clone() for _ in range(8)), *_carriers(x, known)]
    dtype = short if tape == "compact" else torch.float32
    states = [like(blocks, steps + 1, known.n_rows, LANES)] * 2 if learn else [none] * 2
    held = like(blocks, steps, n, dtype=short) if known.holds else none.clone()
    return [
        *found, like(blocks, steps, x.shape[2], dtype=short), like(blocks, steps, n, dtype=short),
        like(blocks, steps * n + 1, LANES, dtype=dtype), like(blocks, dtype=torch.int64),
        like(blocks, (steps + 15) // 16, known.n_replayed, LANES), *(t.clone() for t in states),
        held, *_carriers(x, known),
    ]  # fmt: skip


def _simulate_backward_shapes(
    x: Tensor, weight: Tensor, numbers: Tensor, *others: Any
) -> list[Tensor]:
    learn, inputs_learn = others[-3:-1]
    none = numbers.new_empty(0)
    return [
        x.new_empty(x.shape, dtype=torch.float32) if inputs_learn else none,
        weight.new_empty(weight.shape),
        numbers.new_empty(numbers.shape) if learn else none.clone(),
    ]


def _unpack_shape(carrier: Tensor, bits: Tensor, first: int) -> Tensor:
    return torch.empty(carrier.shape, dtype=torch.float32, device=carrier.device)


# --- and who computes them --------------------------------------------------------------------------------

LIBRARY.impl("simulate", _simulate, "CPU")
LIBRARY.impl("simulate", _simulate_autograd, "Autograd")
LIBRARY.impl("simulate_forward", _simulate_forward, "CPU")
LIBRARY.impl("simulate_backward", _simulate_backward, "CPU")
LIBRARY.impl("unpack", _unpack, "CPU")
LIBRARY.impl("unpack", _unpack_autograd, "Autograd")
_register: Any = getattr(torch.library, "register_fake", None) or torch.library.impl_abstract
for _name, _shapes in (
    ("simulate", _simulate),
    ("simulate_forward", _simulate_shapes),
    ("simulate_backward", _simulate_backward_shapes),
    ("unpack", _unpack_shape),
):
    _register(f"lsnn_neuro::{_name}", lib=LIBRARY)(_shapes)
