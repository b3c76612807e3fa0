"""The network LSNNs are measured against: an LSTM in the same harness.

The LIF-only baseline needs no code: it is an LSNN with ``adaptive = 0``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lsnn_neuro.network import NetworkOutput
from lsnn_neuro.recipe import LSTMConfig


class LSTM(nn.Module):
    """One layer of LSTM units with a linear readout at every step."""

    def __init__(
        self, config: LSTMConfig, n_inputs: int, n_outputs: int, *, generator: torch.Generator
    ):
        super().__init__()
        self.bin_steps = config.bin_steps
        self.lstm = nn.LSTM(n_inputs, config.units)
        self.readout = nn.Linear(config.units, n_outputs)
        bound = config.units**-0.5  # torch's own initialization, from our generator
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-bound, bound, generator=generator)

    def forward(self, x: Tensor) -> NetworkOutput:
        """Run a batch from rest; ``x`` has shape (time, batch, input).

        With bins, the readout holds in all steps of a bin what it was at the bin's end.
        """
        x = x.to(self.readout.weight.dtype)
        n_steps, bins = len(x), -(-len(x) // self.bin_steps)
        x = nn.functional.pad(x, (0, 0, 0, 0, 0, bins * self.bin_steps - n_steps))
        h, _ = self.lstm(x.reshape(bins, self.bin_steps, *x.shape[1:]).sum(dim=1))
        readout = self.readout(h).repeat_interleave(self.bin_steps, dim=0)
        return NetworkOutput(readout=readout[:n_steps])
