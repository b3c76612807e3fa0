"""LIF and ALIF neurons: one time step of a population."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lsnn_neuro.spec import Reset
from lsnn_neuro.surrogate import spike


@dataclass(frozen=True, kw_only=True, eq=False)
class NeuronParameters:
    """What a step needs to know of the neurons; tensors of shape (neuron,), see :func:`step`."""

    alpha: Tensor
    rho: Tensor
    beta: Tensor
    b0: Tensor
    n_ref: int
    reset: Reset
    gamma: float


@dataclass(frozen=True, kw_only=True, eq=False)
class NeuronState:
    """State after a step; all of shape (batch, neuron). See :func:`step` for the symbols."""

    v: Tensor
    b: Tensor
    z: Tensor
    r: Tensor

    @classmethod
    def at_rest(cls, batch: int, neurons: int, like: Tensor) -> NeuronState:
        """The state before the first step: all zero."""
        zero = torch.zeros(batch, neurons, dtype=like.dtype, device=like.device)
        return cls(v=zero, b=zero, z=zero, r=zero)


def step(state: NeuronState, current: Tensor, p: NeuronParameters) -> NeuronState:
    r"""One time step of leaky integrate-and-fire neurons with an adaptive threshold (ALIF).

    ::

        b[t] = rho b[t-1] + (1 - rho) z[t-1]
        A[t] = b0 + beta b[t]
        v[t] = alpha v[t-1] + (1 - alpha) I[t]
        z[t] = 1 if v[t] > A[t] and r[t-1] = 0, else 0
        v[t] = v[t] - z[t] A[t]      (reset "subtract")   or   (1 - z[t]) v[t]   (reset "zero")
        r[t] = n_ref if z[t] = 1, else max(r[t-1] - 1, 0)

    - I: synaptic current of the step, ``current``, (batch, neuron)
    - v: membrane potential, in units of the threshold's scale
    - b: adaptation, the filtered spike train, 0 to 1
    - A: adapted threshold; b0 its baseline, beta its slope (beta = 0 is a plain LIF neuron)
    - z: spike, 0 or 1
    - r: refractory steps left; v goes on integrating meanwhile
    - alpha = exp(-dt/tau_m), rho = exp(-dt/tau_a)

    Source: Bellec et al. 2018, equations (1) to (3); the membrane is updated before it is compared,
    as on the chip. Gradients flow through v, through b into the adapted threshold, and the resets.
    """
    b = p.rho * state.b + (1 - p.rho) * state.z
    threshold = p.b0 + p.beta * b
    v = p.alpha * state.v + (1 - p.alpha) * current
    z = spike((v - threshold) / p.b0, state.r == 0, p.gamma)
    v = v - z * threshold if p.reset == "subtract" else (1 - z) * v
    with torch.no_grad():
        r = torch.where(z > 0, float(p.n_ref), torch.clamp(state.r - 1, min=0))
    return NeuronState(v=v, b=b, z=z, r=r)
