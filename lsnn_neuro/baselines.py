"""The network LSNNs are measured against: an LSTM in the same harness.

The LIF-only baseline needs no code: it is an LSNN with ``adaptive = 0``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lsnn_neuro.network import NetworkOutput
from lsnn_neuro.recipe import LSTMConfig
from lsnn_neuro.session import LocalSession, Spikes


class LSTM(nn.Module):
    """One layer of LSTM units with a linear readout at every step."""

    def __init__(
        self, config: LSTMConfig, n_inputs: int, n_outputs: int, *, generator: torch.Generator
    ):
        super().__init__()
        self.lstm = nn.LSTM(n_inputs, config.units)
        self.readout = nn.Linear(config.units, n_outputs)
        bound = config.units**-0.5  # torch's own initialization, from our generator
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-bound, bound, generator=generator)

    def forward(self, x: Tensor) -> NetworkOutput:
        """Run a batch from rest; ``x`` has shape (time, batch, input)."""
        h, _ = self.lstm(x.to(self.readout.weight.dtype))
        return NetworkOutput(readout=self.readout(h))

    def session(self, n_samples: int) -> LocalSession:
        """The network as it is now, to run some steps at a time; no gradients."""
        state: tuple[Tensor, Tensor] | None = None

        @torch.no_grad()
        def run_on(inputs: Spikes) -> npt.NDArray[np.float32]:
            nonlocal state
            x = torch.from_numpy(inputs).to(self.readout.weight)
            h, state = self.lstm(x, state)
            readout: npt.NDArray[np.float32] = self.readout(h).cpu().numpy()
            return readout

        return LocalSession(run=run_on, bias=np.zeros(1, np.float32))
