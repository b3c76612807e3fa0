"""The training step that all torch peers share: loss, backward pass, Adam."""

from __future__ import annotations

from collections.abc import Callable

import torch
from paper import LEARNING_RATE, RATE, RATE_WEIGHT, Batch
from torch import Tensor, nn


def training_step(
    model: nn.Module, forward: Callable[[Tensor], tuple[Tensor, Tensor]], batch: Batch
) -> Callable[[], float]:
    """A step that gives the firing rate in Hz; ``forward``: scores (sample, class), rates (neuron,)."""
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    x, target = torch.from_numpy(batch.x), torch.from_numpy(batch.target)

    def step() -> float:
        scores, rate = forward(x)
        loss = nn.functional.cross_entropy(scores, target)
        loss = loss + RATE_WEIGHT * ((rate - RATE) ** 2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(rate.detach().mean()) * 1000

    return step
