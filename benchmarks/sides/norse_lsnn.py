"""norse's recurrent LSNN, all neurons adaptive: as it is, and with its step compiled."""

from __future__ import annotations

from collections.abc import Callable

import torch
from norse.torch import LSNNRecurrent
from paper import CLASSES, NEURONS, WINDOW, load
from torch import Tensor, nn
from torch_training import training_step

DRIVE = 30.0
"""As drawn, its weights are too small for these inputs to make any neuron fire."""


def lsnn(data: str, *, compiled: bool = False) -> Callable[[], float]:
    """Its training step."""
    torch.manual_seed(0)
    batch = load(data)
    layer, readout = LSNNRecurrent(batch.x.shape[2], NEURONS), nn.Linear(NEURONS, CLASSES)
    with torch.no_grad():
        layer.input_weights.mul_(DRIVE)
    if compiled:
        layer.activation = torch.compile(layer.activation, dynamic=False)

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        z, _ = layer(x)
        return readout(z[-WINDOW:].mean(dim=0)), z.mean(dim=(0, 1))

    return training_step(nn.ModuleList([layer, readout]), forward, batch)
