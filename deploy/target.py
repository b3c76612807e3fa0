"""What every target can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import Any, ClassVar

from deploy.session import TargetSession
from lsnn_neuro.arrays import Events, IntArray
from quantize.network import QuantizedNetwork
from quantize.record import PopulationState, SpikeRecord

FLOAT = "float"
"""In place of a target: the float network, in torch."""
REFERENCE = "reference"
"""The level of what all others are compared with, the emulator."""


class Target(ABC):
    """Something that runs quantized networks. All targets compute the same integers.

    - name: in the table of targets; level: of parity, at which it is compared with the emulator
    - options: a dataclass that users choose by key and value; None if there is nothing to choose
    """

    name: ClassVar[str]
    level: ClassVar[str]
    options: Any = None

    @abstractmethod
    def unavailable(self) -> str | None:
        """Why it can't run on this machine, in one line; None if it can."""

    @abstractmethod
    def run(self, network: QuantizedNetwork, inputs: Events) -> SpikeRecord:
        """Run a batch of samples from rest; inputs are events, shape (time, sample, input).

        Raises TargetUnavailableError if it can't run here, TargetFailedError if it broke down.
        """

    def readout(self, network: QuantizedNetwork, inputs: Events) -> IntArray:
        """The readout of a run alone, where nothing else is needed."""
        return self.run(network, inputs).readout

    @abstractmethod
    def session(
        self, network: QuantizedNetwork, n_samples: int, n_steps: int
    ) -> AbstractContextManager[TargetSession]:
        """The network at rest, to run ``n_steps`` steps, some at a time: for closed loops.

        Raises what ``run`` raises.
        """

    @abstractmethod
    def states(
        self, network: QuantizedNetwork, inputs: Events, step: int
    ) -> tuple[PopulationState, ...]:
        """States of every spiking population at the end of ``step``; one sample, inputs (time, input)."""
