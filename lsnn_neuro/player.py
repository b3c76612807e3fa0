"""Players: networks that can be run on a task, wherever they are."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from lsnn_neuro.arrays import Events, FloatArray
from lsnn_neuro.session import Session


class Player(Protocol):
    """A network that a task can run."""

    @property
    def records(self) -> bool:
        """Whether its sessions keep a record of what happened."""

    def run(self, inputs: Events) -> FloatArray:
        """Run a batch from rest; gives the readout, offsets included.

        - inputs: (time, sample, input); returns: (time, sample, output)
        """

    def session(self, n_samples: int, n_steps: int) -> AbstractContextManager[Session]:
        """The network at rest, to run ``n_steps`` steps, some at a time."""


class FloatPlayer:
    """A torch network as a player of tasks: in float, or with the integers as forward pass.

    - network: a module whose forward pass takes (time, sample, input) and gives an object with ``readout``,
      (time, sample, output): ``SpikingNetwork``, ``QuantizationAware`` ...; for closed loops with ``session``
    - device: the torch device it is on
    """

    records = False

    def __init__(self, network: Any, device: Any = "cpu"):
        self._network, self._device = network, device

    def run(self, inputs: Events) -> FloatArray:
        """Run a batch from rest; see :class:`Player`."""
        import torch

        with torch.no_grad():
            readout = self._network(torch.from_numpy(inputs).to(self._device)).readout
        array: FloatArray = readout.cpu().numpy()
        return array

    def session(self, n_samples: int, n_steps: int) -> AbstractContextManager[Session]:
        """The network at rest; see :class:`Player`."""
        return nullcontext(self._network.session(n_samples))
