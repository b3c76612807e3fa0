"""Real numbers with a surrogate gradient: the arithmetic of training, in torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Real:
    """An arithmetic (:class:`lsnn_neuro.neurons.neuron.Arithmetic`) of real numbers."""

    def decay(self, state: Tensor, d: Tensor) -> Tensor:
        """The share d of a state."""
        return state * d

    def saturate(self, state: Tensor) -> Tensor:
        """The state: real numbers have no width."""
        return state

    def wrap(self, state: Tensor) -> Tensor:
        """The state: real numbers have no width."""
        return state

    def spike(self, distance: Tensor, c: Any, allowed: Tensor | None) -> Tensor:
        """Spikes with a pseudo-derivative; see :func:`spike`."""
        if allowed is None:
            allowed = torch.ones_like(distance, dtype=torch.bool)
        return spike(distance / c.width, allowed, c.gamma, at_threshold=c.at_threshold)

    def countdown(self, left: Tensor, z: Tensor, n: Tensor) -> Tensor:
        """n after a spike, else one fewer than before; no gradient."""
        with torch.no_grad():
            return torch.where(z > 0, n, torch.clamp(left - 1, min=0))


class SeveralSpikes(Real):
    """Real numbers, and floor(v / threshold) spikes a step as sinabs and rockpool send; no gradients."""

    def spike(self, distance: Tensor, c: Any, allowed: Tensor | None) -> Tensor:
        """How many thresholds the membrane is above 0."""
        n = torch.clamp(torch.floor(distance / c.vth) + 1, min=0)
        return n if allowed is None else n * allowed


class _Spike(torch.autograd.Function):
    """Heaviside step forward, triangular pseudo-derivative backward."""

    @staticmethod
    def forward(
        ctx: Any, distance: Tensor, allowed: Tensor, gamma: float, at_threshold: bool
    ) -> Tensor:
        """Spike where the scaled distance to threshold is above 0 and a spike is allowed."""
        ctx.save_for_backward(distance, allowed)
        ctx.gamma = gamma
        crossed = distance >= 0 if at_threshold else distance > 0
        return (crossed & allowed).to(distance.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        """Pass gamma * max(0, 1 - |distance|), and nothing while refractory."""
        distance, allowed = ctx.saved_tensors
        slope = ctx.gamma * torch.clamp(1 - distance.abs(), min=0) * allowed
        return grad * slope, None, None, None


def spike(distance: Tensor, allowed: Tensor, gamma: float, *, at_threshold: bool = False) -> Tensor:
    """Spikes z in {0, 1}, with a pseudo-derivative.

    z = 1 if distance > 0 (or >= 0) and allowed, else 0; dz/d(distance) = gamma max(0, 1 - |distance|), 0
    where a spike is not allowed.

    - distance: (v - A) / b0, membrane above the adapted threshold in units of the baseline
      threshold
    - allowed: bool, False while the neuron is refractory
    - gamma: dampening, 0.3 in the paper
    - at_threshold: whether a distance of 0 is already a spike

    Source: Bellec et al. 2018, section 2 and appendix (dampened pseudo-derivative).
    """
    result: Tensor = _Spike.apply(distance, allowed, gamma, at_threshold)  # type: ignore[no-untyped-call]
    return result
