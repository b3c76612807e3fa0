"""A target with an option, which does not run step by step: the emulator, some samples at a time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from deploy.emulated import Emulator
from deploy.target import Target
from lsnn_neuro.errors import TargetUnavailableError


@dataclass(frozen=True)
class PacedOptions:
    """How many samples run at a time."""

    pace: int = 4


@dataclass(frozen=True)
class PacedTarget(Target):
    """Runs a network on the emulator, ``pace`` samples at a time."""

    name: ClassVar[str] = "paced"
    level: ClassVar[str] = "P2"
    options: PacedOptions = field(default_factory=PacedOptions)

    def unavailable(self):
        """Always available."""
        return None if self.options.pace > 0 else f"its pace is {self.options.pace}"

    def run(self, network, inputs):
        """Run a batch from rest."""
        record = Emulator(batch=self.options.pace).run(network, inputs)
        return replace(record, target=f"paced by {self.options.pace}")

    def session(self, network, n_samples, n_steps):
        """Refused."""
        raise TargetUnavailableError("target 'paced': does not run step by step")

    def states(self, network, inputs, step):
        """The emulator's."""
        return Emulator().states(network, np.asarray(inputs), step)
