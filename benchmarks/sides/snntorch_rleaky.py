"""snnTorch's recurrent leaky neurons: as they are, and with a step compiled."""

from __future__ import annotations

from collections.abc import Callable

import snntorch
import torch
from paper import ALPHA, CLASSES, NEURONS, WINDOW, load
from torch import Tensor, nn
from torch_training import training_step

DRIVE = 4.0
"""As drawn, the input's weights are too small to make the neurons fire as often as the others."""


def rleaky(data: str, *, compiled: bool = False) -> Callable[[], float]:
    """Its training step; the inputs of all steps go through their weights at once."""
    torch.manual_seed(0)
    batch = load(data)
    into, readout = nn.Linear(batch.x.shape[2], NEURONS), nn.Linear(NEURONS, CLASSES)
    layer = snntorch.RLeaky(beta=ALPHA, linear_features=NEURONS)
    with torch.no_grad():
        into.weight.mul_(DRIVE)
    advance = torch.compile(layer, dynamic=False) if compiled else layer

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        z = v = torch.zeros(x.shape[1], NEURONS)
        spikes = []
        for current in into(x).unbind(0):
            z, v = advance(current, z, v)
            spikes.append(z)
        trains = torch.stack(spikes)
        return readout(trains[-WINDOW:].mean(dim=0)), trains.mean(dim=(0, 1))

    return training_step(nn.ModuleList([into, layer, readout]), forward, batch)
