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
    """Dense weights large enough to make neurons spike, and neurons."""
    dense = nn.Linear(n_in, n)
    with torch.no_grad():
        dense.weight.mul_(10)
    tau = 0.002 * 20 ** torch.rand(n)  # 2 to 40 ms, at steps of 1 ms
    p = LIFBoxParameters(
        tau_mem_inv=1 / tau, v_th=torch.ones(n), v_leak=torch.zeros(n), v_reset=torch.zeros(n),
        alpha=torch.as_tensor(10.0),
    )  # fmt: skip
    return dense, LIFBoxCell(p)


def make(n_inputs: int) -> tuple[nn.Module, Forward, Callable[[], nir.NIRGraph]]:
    """The network, how it runs, how it is exported."""
    p = LIBoxParameters(
        tau_mem_inv=torch.full((CLASSES,), 1 / 0.02), v_leak=torch.zeros(CLASSES)
    )
    network = SequentialState(
        *layer(n_inputs, HIDDEN), *layer(HIDDEN, HIDDEN), nn.Linear(HIDDEN, CLASSES), LIBoxCell(p)
    )
    with torch.no_grad():
        network[4].weight.mul_(10)

    def forward(inputs: torch.Tensor) -> torch.Tensor:
        state, found = None, []
        for x in inputs:
            readout, state = network(x, state)
            found.append(readout)
        return torch.stack(found)

    return network, forward, lambda: to_nir(network, torch.zeros(n_inputs))


if __name__ == "__main__":
    train_and_export(make)
