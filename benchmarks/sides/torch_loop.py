"""The LSNN, dense and without delays, as a PyTorch loop that is compiled in chunks of ten steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from paper import (
    ALPHA,
    B0,
    CLASSES,
    GAMMA,
    NEURONS,
    RHO,
    WINDOW,
    adaptation_steps,
    load,
    weights,
)  # fmt: skip
from torch import Tensor, nn
from torch_training import training_step

CHUNK = 10


class Spike(torch.autograd.Function):
    """Heaviside step forward, triangular pseudo-derivative backward."""

    @staticmethod
    def forward(ctx: Any, distance: Tensor) -> Tensor:
        """Spike above the threshold."""
        ctx.save_for_backward(distance)
        return (distance > 0).to(distance.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """Pass gamma max(0, 1 - |distance|)."""
        (distance,) = ctx.saved_tensors
        return grad * (GAMMA * torch.clamp(1 - distance.abs(), min=0))


def chunk(
    currents: Tensor, v: Tensor, a: Tensor, z: Tensor, recurrent: Tensor, step_a: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Some steps of the network: the spikes, and the state after them."""
    spikes = []
    for current in currents.unbind(0):
        a = RHO * a + step_a * z
        v = ALPHA * v + (1 - ALPHA) * (current + z @ recurrent)
        threshold = B0 + a
        z = Spike.apply((v - threshold) / B0)
        v = v - z * threshold
        spikes.append(z)
    return torch.stack(spikes), v, a, z


def loop(data: str, *, compiled: bool = True) -> Callable[[], float]:
    """Its training step; the inputs of all steps go through their weights at once."""
    batch = load(data)
    n_inputs = batch.x.shape[2]
    into = nn.Parameter(torch.from_numpy(weights(n_inputs, NEURONS, 0)))
    recurrent = nn.Parameter(torch.from_numpy(weights(NEURONS, NEURONS, 1)))
    readout, step_a = nn.Linear(NEURONS, CLASSES), torch.from_numpy(adaptation_steps())
    advance = torch.compile(chunk, dynamic=False, fullgraph=True) if compiled else chunk

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        v = a = z = torch.zeros(x.shape[1], NEURONS)
        spikes = []
        for currents in (x @ into).split(CHUNK):
            some, v, a, z = advance(currents, v, a, z, recurrent, step_a)
            spikes.append(some)
        trains = torch.cat(spikes)
        return readout(trains[-WINDOW:].mean(dim=0)), trains.mean(dim=(0, 1))

    model = nn.ParameterList([into, recurrent, *readout.parameters()])
    return training_step(model, forward, batch)
