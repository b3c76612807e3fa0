"""A recurrent network trained on digits in snnTorch: RLeaky, and a Leaky that never spikes to read it.

Its file says that the readout spikes; whoever reads it must put back ``readout.reset=none``.
"""

from __future__ import annotations

from collections.abc import Callable

import nir
import snntorch as snn
import torch
from drawn_in_snntorch import reset
from snntorch.export_nir import export_to_nir
from snntorch.surrogate import fast_sigmoid
from torch import nn
from training import Forward, train_and_export

HIDDEN, CLASSES = 128, 10


def make(n_inputs: int) -> tuple[nn.Module, Forward, Callable[[], nir.NIRGraph]]:
    """The network, how it runs, how it is exported."""
    network = nn.Sequential()
    neurons = snn.RLeaky(
        0.8 + 0.18 * torch.rand(HIDDEN), linear_features=HIDDEN, init_hidden=True,
        spike_grad=fast_sigmoid(slope=10),
    )  # fmt: skip
    with torch.no_grad():
        neurons.recurrent.weight.mul_(0.5)
    readout = snn.Leaky(
        torch.full((CLASSES,), 0.95), torch.ones(CLASSES), init_hidden=True, output=True,
        reset_mechanism="none",
    )  # fmt: skip
    parts = {
        "fc1": nn.Linear(n_inputs, HIDDEN), "lif1": neurons,
        "fc2": nn.Linear(HIDDEN, CLASSES), "readout": readout,
    }  # fmt: skip
    for name, part in parts.items():
        network.add_module(name, part)

    def forward(inputs: torch.Tensor) -> torch.Tensor:
        reset(network)
        return torch.stack([network(x)[1] for x in inputs])

    def graph() -> nir.NIRGraph:
        reset(network)
        return export_to_nir(network, torch.zeros(1, n_inputs), ignore_dims=[0])

    return network, forward, graph


if __name__ == "__main__":
    train_and_export(make)
