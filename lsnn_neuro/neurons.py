"""LIF, ALIF and ATRLIF neurons: one time step of a population."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lsnn_neuro.spec import Adaptation, Neuron, Reset
from lsnn_neuro.surrogate import spike


@dataclass(frozen=True, kw_only=True, eq=False)
class NeuronParameters:
    """What a step needs to know of the neurons; tensors of shape (neuron,).

    See :func:`step` and :func:`atrlif_step` for the symbols.
    """

    alpha: Tensor
    rho: Tensor
    beta: Tensor
    b0: Tensor
    n_ref: int
    reset: Reset
    gamma: float
    neuron: Neuron = "lif"
    adaptation: Adaptation = "threshold"
    kappa_i: float = 0.0
    kappa_r: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class NeuronState:
    """State after a step; all of shape (batch, neuron).

    See :func:`step` for the symbols; i, and another meaning of r: :func:`atrlif_step`.
    """

    v: Tensor
    b: Tensor
    z: Tensor
    r: Tensor
    i: Tensor

    @classmethod
    def at_rest(cls, batch: int, neurons: int, like: Tensor) -> NeuronState:
        """The state before the first step: all zero."""
        zero = torch.zeros(batch, neurons, dtype=like.dtype, device=like.device)
        return cls(v=zero, b=zero, z=zero, r=zero, i=zero)


def advance(state: NeuronState, current: Tensor, p: NeuronParameters) -> NeuronState:
    """One time step of whichever neurons these are; current of shape (batch, neuron)."""
    return (atrlif_step if p.neuron == "atrlif" else step)(state, current, p)


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

    With ``adaptation="current"`` the threshold stays, and b drives an after-hyperpolarizing current.
    In the same units, so that it lowers the membrane by beta b where the other raises the threshold
    by as much::

        A[t] = b0
        v[t] = alpha v[t-1] + (1 - alpha) (I[t] - beta b[t])

    Source: Bellec et al. 2018, equations (1) to (3); the membrane is updated before it is compared,
    as on the chip. The current is the form of the LSNN published for Loihi 1 (Intel, 2021).
    Gradients flow through v, through b into the adapted threshold or the current, and the resets.
    """
    b = p.rho * state.b + (1 - p.rho) * state.z
    if p.adaptation == "current":
        threshold, current = p.b0, current - p.beta * b
    else:
        threshold = p.b0 + p.beta * b
    v = p.alpha * state.v + (1 - p.alpha) * current
    z = spike((v - threshold) / p.b0, state.r == 0, p.gamma)
    v = v - z * threshold if p.reset == "subtract" else (1 - z) * v
    with torch.no_grad():
        r = torch.where(z > 0, float(p.n_ref), torch.clamp(state.r - 1, min=0))
    return NeuronState(v=v, b=b, z=z, r=r, i=state.i)


def atrlif_step(state: NeuronState, current: Tensor, p: NeuronParameters) -> NeuronState:
    r"""One time step of adaptive-threshold-and-refractoriness leaky integrate-and-fire neurons (ATRLIF).

    ::

        i[t] = kappa_i i[t-1] + (1 - kappa_i) I[t]
        v[t] = alpha v[t-1] + (1 - alpha) i[t]
        b[t] = rho b[t-1]             A[t] = b0 + beta b[t]
        r[t] = kappa_r r[t-1]
        z[t] = 1 if v[t] - r[t] >= A[t], else 0
        r[t] = r[t] + 2 z[t] A[t]     b[t] = b[t] + (1 - rho) z[t]

    - i: synaptic current, low-pass filtered; kappa_i = exp(-dt/tau_i), or 0 without a filter
    - r: refractory variable, which a spike raises by twice the adapted threshold and which is
      subtracted from the membrane; v itself is never reset. kappa_r = exp(-dt/tau_r)
    - all else as in :func:`step`

    Source: the process ATRLIF of lava-nc 0.10.0 and ``slayer.neuron.alif`` of lava-dl 0.6.0, with
    their theta = A, theta_step = beta (1 - rho), and gains so that a constant I gives v = I.
    Gradients flow through all of it.
    """
    i = p.kappa_i * state.i + (1 - p.kappa_i) * current
    v = p.alpha * state.v + (1 - p.alpha) * i
    b, r = p.rho * state.b, p.kappa_r * state.r
    threshold = p.b0 + p.beta * b
    distance = (v - r - threshold) / p.b0
    allowed = torch.ones_like(distance, dtype=torch.bool)
    z = spike(distance, allowed, p.gamma, at_threshold=True)
    return NeuronState(v=v, b=b + (1 - p.rho) * z, z=z, r=r + 2 * z * threshold, i=i)
