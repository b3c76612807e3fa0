"""What a large network costs: a training step in float and on integers, and its conversion."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from large_network import INPUT_RATE, INPUTS, OUTPUTS, draw, network
from training_step import project_step

from quantize.aware import QuantizationAware
from quantize.conversion import convert


def training(
    neurons: int, synapses: int, batch: int, steps: int, *, integers: bool = False
) -> Callable[[], float]:
    """Forward, backward, Adam and DEEP R; gives the firing rate in Hz."""
    net, rng = network(draw(neurons, synapses)), np.random.default_rng(1)
    x = torch.from_numpy(rng.random((steps, batch, INPUTS)) < INPUT_RATE)
    target = torch.from_numpy(rng.integers(0, OUTPUTS, batch))
    return project_step(net, QuantizationAware(net) if integers else net, x, target)


def conversion(neurons: int, synapses: int) -> Callable[[], float]:
    """From the float network to integers; gives the share of synapses that is left."""
    spec = network(draw(neurons, synapses)).to_spec()
    return lambda: sum(q.n_synapses for q in convert(spec)[0].projections) / spec.n_synapses
