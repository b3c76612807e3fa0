"""Backpropagation through time on the native kernel, as a torch autograd function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lsnn_neuro import kernel
from lsnn_neuro.kernel import KIND, KernelSession, SynapseList, unpack_spikes
from lsnn_neuro.spec import Adaptation, Neuron


@dataclass(frozen=True, kw_only=True, eq=False)
class Wiring:
    """Where the synapses of a matrix run; sorted by source. Integer tensors of shape (synapse,)."""

    n_source: int
    source: Tensor
    target: Tensor
    delay: Tensor

    @classmethod
    def of(cls, active: Tensor, delay: Tensor) -> Wiring:
        """The wiring of a matrix (target, source) of bool, with its delays."""
        source, target = torch.nonzero(active.T, as_tuple=True)
        return cls(
            n_source=active.shape[1], source=source, target=target, delay=delay[target, source]
        )

    def values(self, matrix: Tensor) -> Tensor:
        """The entries of a matrix at the synapses, shape (synapse,); differentiable."""
        return matrix[self.target, self.source]

    def with_weight(self, weight: npt.NDArray[Any]) -> SynapseList:
        """As the kernel takes it."""
        return SynapseList.of(
            self.n_source, self.source.numpy(), self.target.numpy(), self.delay.numpy(), weight
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Core:
    """What of an LSNN does not learn, for :func:`run`.

    - wirings: of the input, the recurrent and the readout synapses
    - kappa: decay of the readout, 0 to 1
    - kappa_i, kappa_r: ATRLIF's decay of synaptic current and refractory variable
    - integer: compute Loihi's integers; then alpha, rho and all kappas must be multiples of 1/4096,
      and weights, step and vth whole numbers
    - compact: store the distance to threshold in 16 bits instead of 32
    - threads: 0 for as many as there are cores; the result is the same with any number
    """

    wirings: tuple[Wiring, ...]
    n_outputs: int
    kappa: float
    n_ref: int
    reset_to_zero: bool
    gamma: float
    neuron: Neuron = "lif"
    adaptation: Adaptation = "threshold"
    kappa_i: float = 0.0
    kappa_r: float = 0.0
    integer: bool = False
    compact: bool = True
    threads: int = 0

    @property
    def max_delay(self) -> int:
        """Longest delay of any synapse."""
        return max((int(w.delay.max()) for w in self.wirings if len(w.delay)), default=0)


@dataclass(frozen=True, kw_only=True, eq=False)
class CoreOutput:
    """What :func:`run` gives back.

    - readout: shape (time, batch, output); rate: mean spikes per step, (neuron,); both differentiable
    - spikes: unpacks all spikes, 0 or 1, shape (time, batch, neuron)
    """

    readout: Tensor
    rate: Tensor
    spikes: Callable[[], Tensor]


def run(
    core: Core, x: Tensor, weights: tuple[Tensor, ...],
    neurons: tuple[Tensor, ...], feedback: Tensor | None = None,
) -> CoreOutput:  # fmt: skip
    """Run an LSNN core on the kernel.

    ::

        a[t] = rho a[t-1] + step z[t-1]        z[t] = 1 if v[t] > vth + a[t] and not refractory
        v[t] = alpha v[t-1] + sum w x + sum w z - reset
        y[t] = kappa y[t-1] + sum w z[t]

    which is :func:`lsnn_neuro.neurons.step` with a = beta b, step = beta (1 - rho), and (1 - alpha) and
    (1 - kappa) taken into the weights. With adaptation "current", a goes into v instead of the
    threshold and step = -(1 - alpha) beta (1 - rho). ATRLIF neurons
    (:func:`lsnn_neuro.neurons.atrlif_step`) have a = beta b too, and (1 - kappa_i) in the weights.

    - x: input spikes, bool, shape (time, batch, input)
    - weights: input, recurrent, readout, each (synapse,) in the order of the core's wirings
    - neurons: alpha, rho, step, vth and b (the scale of the pseudo-derivative), each (neuron,)
    - feedback: if given, errors pass back through these in place of the readout's weights, (synapse,),
      and not at all through recurrent synapses
    """
    bits: list[npt.NDArray[np.uint16]] = []
    readout, rate = _BPTT.apply(core, x, bits, feedback, *weights, *neurons)  # type: ignore[no-untyped-call]
    n_samples = x.shape[1]
    return CoreOutput(
        readout=readout,
        rate=rate,
        spikes=lambda: torch.from_numpy(unpack_spikes(bits[0], n_samples)).float(),
    )


class _BPTT(torch.autograd.Function):
    """Forward and backward through time; gradients for weights and neuron parameters, not for x."""

    @staticmethod
    def forward(
        ctx: Any, core: Core, x: Tensor, bits: list[Any], feedback: Tensor | None, *learnt: Tensor
    ) -> Any:
        """See :func:`run`."""
        assert kernel.native is not None
        arrays = [_array(t, np.float32) for t in learnt]
        inputs = _array(x, np.bool_).view(np.uint8)
        neurons_learn = any(ctx.needs_input_grad[7:])
        keep = 3 if neurons_learn else 2 if any(ctx.needs_input_grad) else 1
        back = arrays
        if feedback is not None:
            back = [arrays[0], np.zeros_like(arrays[1]), _array(feedback, np.float32), *arrays[3:]]
        forward = kernel.native.forward_integer if core.integer else kernel.native.forward_float
        call = _arguments(core, arrays, whole=core.integer)
        readout, *kept, counts = forward(inputs, *call, keep, core.compact, core.threads)
        bits.append(kept[0])
        ctx.core, ctx.neurons_learn, ctx.kept = core, neurons_learn, tuple(kept)
        ctx.call = (inputs, *_arguments(core, back, whole=False))
        ctx.cells = x.shape[0] * x.shape[1]
        y = torch.from_numpy(readout.reshape(*readout.shape[:2], -1)[..., : x.shape[1]])
        rate = torch.from_numpy((counts.sum(axis=0) / ctx.cells).astype(np.float32))
        return y.transpose(1, 2).float(), rate

    @staticmethod
    def backward(ctx: Any, grad_readout: Tensor, grad_rate: Tensor) -> Any:
        """Gradients of the learnt tensors."""
        assert kernel.native is not None
        steps, batch, outputs = grad_readout.shape
        blocks = -(-batch // kernel.LANES)
        padded = np.zeros((steps, outputs, blocks * kernel.LANES), np.float32)
        padded[..., :batch] = grad_readout.transpose(1, 2).numpy()
        gradients = kernel.native.backward(
            *ctx.call, ctx.kept, padded.reshape(steps, outputs, blocks, kernel.LANES),
            _array(grad_rate / ctx.cells, np.float32),
            ctx.core.gamma, ctx.neurons_learn, ctx.core.threads,
        )  # fmt: skip
        learnt = [torch.from_numpy(g) for g in gradients]
        return (
            None,
            None,
            None,
            None,
            *learnt[:3],
            *(learnt[3:] if ctx.neurons_learn else [None] * 5),
        )


def session(
    core: Core, n_samples: int, weights: tuple[Tensor, ...], neurons: tuple[Tensor, ...]
) -> KernelSession:
    """A float core that runs some steps at a time, with the tensors of :func:`run` as they are now."""
    assert kernel.native is not None
    arrays = [_array(t, np.float32) for t in (*weights, *neurons)]
    return KernelSession(
        kernel.native.forward_float,
        _arguments(core, arrays, whole=False),
        n_samples=n_samples,
        threads=core.threads,
    )


def _arguments(core: Core, learnt: list[npt.NDArray[Any]], *, whole: bool) -> tuple[Any, ...]:
    """What the kernel wants to know after the inputs, as floats or as the integers they stand for."""
    *weights, alpha, rho, step, vth, b = learnt
    n, (dtype, unit) = len(alpha), (np.int32, 4096) if whole else (np.float32, 1)
    kappa = np.full(core.n_outputs, core.kappa, np.float32)
    decays = (alpha, rho, kappa, np.full(n, core.kappa_i), np.full(n, core.kappa_r))
    a, r, k, i, ref = (np.asarray(d * unit, dtype) for d in decays)
    fixed = (1 / b, np.full(n, core.n_ref, np.int32), np.full(n, core.reset_to_zero, np.uint8))
    kind = np.full(n, KIND[core.neuron, core.adaptation], np.uint8)
    synapses = (
        wiring.with_weight(weight.astype(dtype)).arrays()
        for wiring, weight in zip(core.wirings, weights, strict=True)
    )
    neurons = (a, r, step.astype(dtype), vth.astype(dtype), k, *fixed, i, ref, kind)
    return (neurons, *synapses, n, core.n_outputs, core.max_delay)


def _array(tensor: Tensor, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    return np.ascontiguousarray(tensor.detach().numpy(), dtype)
