"""What a loss may charge a network for beside its mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def rate_penalty(
    rate: Tensor, target_hz: float = 10.0, *, cost: float = 0.1, dt: float = 1.0
) -> Tensor:
    """The cost of firing rates: cost * sum over neurons (rate - target)^2, rates in kHz.

    Differentiable; with the defaults it is what training with a recipe adds to its loss.

    - rate: spikes per step, shape (neuron,): ``output.rate``; target_hz: in Hz; dt: length of a step, ms
    - returns: a scalar
    """
    penalty: Tensor = cost * ((rate / dt - target_hz / 1000) ** 2).sum()
    return penalty
