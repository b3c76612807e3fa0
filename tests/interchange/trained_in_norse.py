"""A network trained on digits in norse: two layers of LIFBoxCell, read by LIBoxCell.

Norse exports no recurrence; what it remembers is in time constants of 2 to 40 steps.
"""

from __future__ import annotations

from collections.abc import Callable

import nir
import torch
from norse.torch import LIBoxCell, LIBoxParameters, LIFBoxCell, LIFBoxParameters, SequentialState
from norse.torch.utils.export_nir import to_nir
from torch import nn
from training import Forward, train_and_export

HIDDEN, CLASSES = 128, 10


def layer(n_in: int, n: int) -> tuple[nn.Linear, LIFBoxCell]:
    """Dense weights, and neurons whose thresholds are as low as the steps that their inputs make."""
    steps = 2 * 20 ** torch.rand(n)  # time constants at 1 ms a step
    p = LIFBoxParameters(
        tau_mem_inv=1000 / steps, v_th=1 / steps, v_leak=torch.zeros(n), v_reset=torch.zeros(n)
    )
    dense = nn.Linear(n_in, n)
    with torch.no_grad():
        dense.weight.mul_(3)  # so that neurons spike before they learn
    return dense, LIFBoxCell(p)


def make(n_inputs: int) -> tuple[nn.Module, Forward, Callable[[], nir.NIRGraph]]:
    """The network, how it runs, how it is exported."""
    tau_inv = torch.full((CLASSES,), 1000 / 20)
    readout = LIBoxCell(LIBoxParameters(tau_mem_inv=tau_inv, v_leak=torch.zeros(CLASSES)))
    network = SequentialState(
        *layer(n_inputs, HIDDEN), *layer(HIDDEN, HIDDEN), nn.Linear(HIDDEN, CLASSES), readout
    )

    def forward(inputs: torch.Tensor) -> torch.Tensor:
        state, found = None, []
        for x in inputs:
            membrane, state = network(x, state)
            found.append(membrane)
        return torch.stack(found)

    return network, forward, lambda: to_nir(network, torch.zeros(n_inputs))


if __name__ == "__main__":
    train_and_export(make, scale=20.0)
