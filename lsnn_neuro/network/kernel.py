"""The native kernel: named in, named out (see ``native/``). Forward and backward through time.

It computes sparse networks, 16 samples side by side, in float32 or in Loihi's integers: spiking
populations side by side, one list of synapses each from inputs, between neurons and onto outputs. What it
can't do (:meth:`lsnn_neuro.network.module.SpikingNetwork.kernel_obstacle` says what of a float network)
runs on :mod:`lsnn_neuro.network.dynamics`, the reference it is checked against. Where the extension could
not be built the loop does all the work, and one warning says so.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro.arrays import Events
from lsnn_neuro.errors import NetworkError

if TYPE_CHECKING:
    from torch import Tensor

    from lsnn_neuro.neurons.neuron import Neuron

LANES = 16
FORMS = {"threshold": 0, "current": 1, "refractory": 2}
"""What the extension calls the form of a neuron (``Neuron.kernel_form``)."""
SWITCH = "LSNN_NEURO_KERNEL"
"""Environment variable: "off" makes everything run on the loop, for comparison."""
KEEP_READOUT, KEEP_SPIKES, KEEP_TAPE, KEEP_MEMBRANE, KEEP_STATES = range(5)
"""What a forward run leaves, each with what stands before it but the last, which is spikes and states."""


def _load() -> ModuleType | None:
    try:
        return import_module("lsnn_neuro._kernel")
    except ImportError:
        warnings.warn(
            "lsnn-neuro's native kernel is not built (was there a C++ compiler at installation?): the "
            "slow NumPy and PyTorch references do the work",
            RuntimeWarning,
            stacklevel=2,
        )
        return None


native = _load()


def available() -> bool:
    """Whether the kernel is here and not switched off."""
    return native is not None and os.environ.get(SWITCH, "on") != "off"


def description() -> str:
    """What computes here, for reports."""
    if native is None:
        return "references (native kernel not built)"
    if not available():
        return f"references ({SWITCH}=off)"
    return f"native kernel ({native.instruction_set()}, {native.threads()} threads)"


@dataclass(frozen=True, kw_only=True, eq=False)
class SynapseList:
    """Synapses compressed by source: start[i] to start[i + 1] leave source i.

    - start: int64 (source + 1,); target, delay: int32 (synapse,); weight: float32 or int32 (synapse,)
    """

    start: npt.NDArray[np.int64]
    target: npt.NDArray[np.int32]
    delay: npt.NDArray[np.int32]
    weight: npt.NDArray[Any]

    @classmethod
    def of(
        cls,
        n_source: int,
        source: npt.NDArray[Any],
        target: npt.NDArray[Any],
        delay: npt.NDArray[Any],
        weight: npt.NDArray[Any],
    ) -> SynapseList:
        """Compress synapses given as parallel arrays that are sorted by source."""
        start = np.zeros(n_source + 1, np.int64)
        np.cumsum(np.bincount(source, minlength=n_source), out=start[1:])
        return cls(
            start=start,
            target=np.ascontiguousarray(target, np.int32),
            delay=np.ascontiguousarray(delay, np.int32),
            weight=np.ascontiguousarray(weight),
        )

    def with_weight(self, weight: npt.NDArray[Any]) -> SynapseList:
        """The same synapses with other weights."""
        return replace(self, weight=np.ascontiguousarray(weight))

    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """As the extension takes them."""
        return self.start, self.target, self.delay, self.weight


@dataclass(frozen=True, kw_only=True, eq=False)
class Columns:
    """The constants of all spiking neurons, side by side, arrays (neuron,).

    Decays are kept shares: 0 to 1, or in integers 0 to 4096. ``step_a`` is what a spike adds to the state a
    (negative where that is a current). ``width`` scales the pseudo-derivative.
    """

    decay_v: Any
    decay_a: Any
    step_a: Any
    vth: Any
    width: Any
    n_ref: Any
    reset_to_zero: Any
    decay_i: Any
    decay_r: Any
    form: Any


LEARNT = ("decay_v", "decay_a", "step_a", "vth", "width")
"""Columns that have gradients, in the extension's order."""


@dataclass(frozen=True, kw_only=True, eq=False)
class KernelNetwork:
    """A network as the kernel runs it: three lists of synapses between inputs, neurons and outputs.

    - decay_out: kept share of each output, like the columns
    - integer: whether all of it is Loihi's integers
    - gamma: dampening of the pseudo-derivative
    - threads: 0 for as many as there are cores; the result is the same with any number
    """

    columns: Columns
    decay_out: Any
    inputs: SynapseList
    recurrent: SynapseList
    readout: SynapseList
    integer: bool
    gamma: float = 0.3
    threads: int = 0

    def arguments(self) -> tuple[Any, ...]:
        """What the extension takes between the inputs and what to keep, in its order."""
        c, dtype = self.columns, np.int32 if self.integer else np.float32

        def number(values: Any) -> npt.NDArray[Any]:
            return np.ascontiguousarray(values, dtype)

        neurons = (
            number(c.decay_v), number(c.decay_a), number(c.step_a), number(c.vth),
            number(self.decay_out), np.ascontiguousarray(1 / c.width, np.float32),
            np.ascontiguousarray(c.n_ref, np.int32),
            np.ascontiguousarray(c.reset_to_zero, np.uint8), number(c.decay_i), number(c.decay_r),
            np.ascontiguousarray(c.form, np.uint8),
        )  # fmt: skip
        lists = (self.inputs, self.recurrent, self.readout)
        longest = max(int(s.delay.max(initial=0)) for s in lists)
        synapses = (s.with_weight(s.weight.astype(dtype, copy=False)).arrays() for s in lists)
        return (neurons, *synapses, len(neurons[0]), len(neurons[4]), longest)


@dataclass(frozen=True, kw_only=True, eq=False)
class KernelRun:
    """What a forward run leaves; None where it was not kept.

    - readout: (time, sample, output)
    - bits: 16 spikes in a number (block, time, neuron), see :func:`unpack_spikes`
    - states: v, a and r after each step of the first sample, (time, neuron, 3); integers only
    """

    readout: npt.NDArray[Any]
    bits: npt.NDArray[np.uint16] | None
    states: npt.NDArray[np.int32] | None


def forward(network: KernelNetwork, inputs: Events, *, keep: int) -> KernelRun:
    """Run samples from rest; inputs are bool, shape (time, sample, input)."""
    readout, bits, *_, states, _ = _forward(network, inputs, network.arguments(), keep)
    return KernelRun(
        readout=_by_sample(readout, inputs.shape[1]),
        bits=bits,
        states=None if states is None else states[0, ..., 0],
    )


def _forward(
    network: KernelNetwork, inputs: Events, arguments: tuple[Any, ...], keep: int
) -> tuple[Any, ...]:
    assert native is not None
    run = native.forward_integer if network.integer else native.forward_float
    x = np.ascontiguousarray(inputs).view(np.uint8)
    result: tuple[Any, ...] = run(x, *arguments, keep, True, network.threads)
    return result


def _by_sample(readout: npt.NDArray[Any], n_samples: int) -> npt.NDArray[Any]:
    """(time, output, block, lane) as (time, sample, output)."""
    return readout.reshape(*readout.shape[:2], -1)[..., :n_samples].transpose(0, 2, 1)


def unpack_spikes(bits: npt.NDArray[np.uint16], n_samples: int) -> npt.NDArray[np.bool_]:
    """Spike bits (block, time, neuron) as bool (time, sample, neuron)."""
    as_bytes = np.ascontiguousarray(bits.transpose(1, 0, 2)[..., None]).view(np.uint8)
    lanes = np.unpackbits(as_bytes, axis=-1, bitorder="little")  # (time, block, neuron, lane)
    trains = lanes.transpose(0, 1, 3, 2).reshape(bits.shape[1], -1, bits.shape[2])
    return trains[:, :n_samples].view(np.bool_)


class KernelSession:
    """A network that runs some steps at a time and keeps its state in between; at rest at the start.

    It computes the very bits that one run over all steps computes.
    """

    def __init__(self, network: KernelNetwork, *, n_samples: int):
        assert native is not None
        self._network, self._arguments = network, network.arguments()
        *_, n, n_outputs, longest = self._arguments
        n_ref = int(np.max(network.columns.n_ref, initial=0))
        size = native.state_bytes(n, n_outputs, longest, n_ref)
        self._state = np.zeros((-(-n_samples // LANES), size), np.uint8)
        self.n_samples, self.n_steps = n_samples, 0

    def step(self, inputs: Events) -> npt.NDArray[Any]:
        """The readout, (step, sample, output), to input spikes of shape (step, sample, input).

        Raises NetworkError over another width, and over graded events: they must not count as spikes.
        """
        assert native is not None
        n_inputs = len(self._network.inputs.start) - 1
        if inputs.ndim != 3 or inputs.shape[2] != n_inputs:
            raise NetworkError(
                f"inputs have shape {inputs.shape}, expected (step, sample, {n_inputs})"
            )
        if inputs.dtype != np.bool_:
            raise NetworkError(
                f"inputs have type {inputs.dtype}, a session on the native kernel takes spikes (bool); "
                f"{SWITCH}=off runs graded events on the loop"
            )
        x = np.ascontiguousarray(inputs).view(np.uint8)
        run = native.forward_integer if self._network.integer else native.forward_float
        readout, *_ = run(
            x,
            *self._arguments,
            KEEP_READOUT,
            True,
            self._network.threads,
            self._state,
            self.n_steps,
        )
        self.n_steps += len(inputs)
        return _by_sample(readout, self.n_samples).copy()


@dataclass(frozen=True, kw_only=True, eq=False)
class LearntTensors:
    """The tensors that a run differentiates: weights in the order of the lists, and columns.

    - feedback: if given, errors pass back through these in place of the readout's weights, (synapse,),
      and not at all through recurrent synapses
    """

    inputs: Tensor
    recurrent: Tensor
    readout: Tensor
    decay_v: Tensor
    decay_a: Tensor
    step_a: Tensor
    vth: Tensor
    width: Tensor
    feedback: Tensor | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class KernelOutput:
    """What :func:`run` gives back.

    - readout: shape (time, batch, output); rate: mean spikes per step, (neuron,); both differentiable
    - spikes: unpacks all spikes, 0 or 1, shape (time, batch, neuron); not differentiable
    """

    readout: Tensor
    rate: Tensor
    spikes: Callable[[], Tensor]


def run(network: KernelNetwork, x: Tensor, learnt: LearntTensors) -> KernelOutput:
    """Run a network on the kernel, differentiably; x holds input spikes, bool, (time, batch, input).

    Of ``network`` everything counts but the weights and the columns in ``learnt``, which hold the numbers
    to compute with (as floats, also where the network is one of integers).
    """
    import torch

    from lsnn_neuro.network.backward import BPTT

    bits: list[npt.NDArray[np.uint16]] = []
    weights = (learnt.inputs, learnt.recurrent, learnt.readout)
    columns = tuple(getattr(learnt, name) for name in LEARNT)
    readout, rate = BPTT.apply(network, x, bits, learnt.feedback, *weights, *columns)  # type: ignore[no-untyped-call]
    n_samples = x.shape[1]
    return KernelOutput(
        readout=readout,
        rate=rate,
        spikes=lambda: torch.from_numpy(unpack_spikes(bits[0], n_samples)),
    )


def with_numbers(network: KernelNetwork, weights: list[Any], columns: list[Any]) -> KernelNetwork:
    """The network with the weights of its three lists and its learnt columns replaced."""
    lists = (network.inputs, network.recurrent, network.readout)
    one, two, three = (s.with_weight(w) for s, w in zip(lists, weights, strict=True))
    new = replace(network.columns, **dict(zip(LEARNT, columns, strict=True)))
    return replace(network, inputs=one, recurrent=two, readout=three, columns=new)


def with_tensors(network: KernelNetwork, learnt: LearntTensors) -> KernelNetwork:
    """The network with the numbers of some tensors."""
    weights = (learnt.inputs, learnt.recurrent, learnt.readout)
    columns = (getattr(learnt, name) for name in LEARNT)
    return with_numbers(
        network, [w.detach().numpy() for w in weights], [c.detach().numpy() for c in columns]
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """A population as the columns have it: constants whose decays are kept shares of ``unit``."""

    form: str
    size: int
    constants: Any
    decay_i: Any = None


def column(parts: Sequence[Part], name: str, *, unit: int = 1) -> list[Any]:
    """The values of a column, population by population; a number where a neuron has no such constant.

    Without a decay_v the membrane keeps all (``unit``); other states that a neuron lacks are 0.
    """
    values = []
    for part in parts:
        value = getattr(part if name == "decay_i" else part.constants, name, None)
        if value is None:
            value = np.full(part.size, unit if name == "decay_v" else 0)
        elif name == "step_a" and part.form == "current":
            value = -value
        values.append(value)
    return values


def fixed_columns(parts: Sequence[Part], *, unit: int = 1) -> dict[str, npt.NDArray[Any]]:
    """The columns that have no gradient, as NumPy arrays."""
    reset = [getattr(part.constants, "reset", "subtract") == "to" for part in parts]
    sizes = [part.size for part in parts]

    def joined(name: str) -> npt.NDArray[Any]:
        return np.concatenate([np.asarray(v) for v in column(parts, name, unit=unit)])

    return {
        "n_ref": joined("n_ref"),
        "decay_i": joined("decay_i"),
        "decay_r": joined("decay_r"),
        "reset_to_zero": np.repeat(reset, sizes),
        "form": np.repeat([FORMS[part.form] for part in parts], sizes),
    }


def obstacle(neuron: type[Neuron], constants: Any) -> str | None:
    """Why the kernel can't run these neurons, whatever else the network holds; None if it can."""
    if neuron.kernel_form is None:
        return f"has no form of {neuron.name!r} neurons"
    if neuron.kernel_form == "refractory":
        return None
    if constants.at_threshold:
        return "does not spike at the threshold"
    if constants.reset == "subtract_constant":
        return "does not subtract a constant"
    if constants.reset == "to" and bool((constants.reset_to != 0).any()):
        return "resets to 0 only"
    return None
