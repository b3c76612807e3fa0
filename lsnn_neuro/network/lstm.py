"""The network LSNNs are compared with: an LSTM behind the same interface.

The LIF-only baseline needs no code: it is an LSNN with ``adaptive = 0``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.config import LSTMConfig
from lsnn_neuro.network.module import NetworkOutput
from lsnn_neuro.session import LocalSession, Spikes

_State = tuple[Tensor, Tensor]


class LSTM(nn.Module):
    """One layer of LSTM units with a linear readout at every step.

    Source of ``forget_bias``: Jozefowicz, Zaremba, Sutskever 2015 (ICML), who found that 1 helps.
    """

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
            forget_gates = slice(config.units, 2 * config.units)  # the second of torch's four
            self.lstm.bias_ih_l0[forget_gates] += config.forget_bias

    def forward(self, x: Tensor) -> NetworkOutput:
        """Run a batch from rest; ``x`` has shape (time, batch, input).

        With bins, the readout holds in all steps of a bin what it was at the bin's end.
        """
        return NetworkOutput(readout=self._run(x, None)[0])

    def session(self, n_samples: int) -> LocalSession:
        """The network, to run some whole bins at a time; no gradients."""
        state: _State | None = None

        @torch.no_grad()
        def run_on(inputs: Spikes) -> npt.NDArray[np.float32]:
            nonlocal state
            if len(inputs) % self.bin_steps:
                raise NetworkError(
                    f"LSTM: {len(inputs)} steps at a time are no whole bins; network.bin_steps = "
                    f"{self.bin_steps} must divide task.steps_per_action"
                )
            x = torch.from_numpy(inputs).to(self.readout.weight.device)
            readout, state = self._run(x, state)
            array: npt.NDArray[np.float32] = readout.cpu().numpy()
            return array

        return LocalSession(run=run_on, bias=np.zeros(1, np.float32))

    def _run(self, x: Tensor, state: _State | None) -> tuple[Tensor, _State]:
        """Readout (time, batch, output) and the state after it, from a state (None: rest)."""
        x = x.to(self.readout.weight.dtype)
        n_steps, bins = len(x), -(-len(x) // self.bin_steps)
        x = nn.functional.pad(x, (0, 0, 0, 0, 0, bins * self.bin_steps - n_steps))
        h, state = self.lstm(x.reshape(bins, self.bin_steps, *x.shape[1:]).sum(dim=1), state)
        readout: Tensor = self.readout(h).repeat_interleave(self.bin_steps, dim=0)
        return readout[:n_steps], state
