"""The targets a quantized network can run on, and what every target can do."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from deploy.emulated import EmulatorTarget
from deploy.lava.options import LavaOptions
from deploy.lava.target import LoihiSimTarget
from deploy.loihi2 import Loihi2Target
from deploy.session import TargetSession
from lsnn_neuro.arrays import Events
from lsnn_neuro.errors import RecipeError
from quantize.network import QuantizedNetwork
from quantize.record import PopulationState, SpikeRecord

TARGETS = ("emulator", "loihi-sim", "loihi2")
"""Names of all targets, the default first."""


@runtime_checkable
class Target(Protocol):
    """Something that runs quantized networks. All targets compute the same integers."""

    @property
    def name(self) -> str:
        """Its name in :data:`TARGETS`."""

    def unavailable(self) -> str | None:
        """Why it can't run on this machine, in one line; None if it can."""

    def run(self, network: QuantizedNetwork, inputs: Events) -> SpikeRecord:
        """Run a batch of samples from rest; inputs are events, shape (time, sample, input).

        Raises TargetUnavailableError if it can't run here, TargetFailedError if it broke down.
        """

    def session(
        self, network: QuantizedNetwork, n_samples: int, n_steps: int
    ) -> AbstractContextManager[TargetSession]:
        """The network at rest, to run ``n_steps`` steps, some at a time: for closed loops.

        Raises what ``run`` raises.
        """

    def states(
        self, network: QuantizedNetwork, inputs: Events, step: int
    ) -> tuple[PopulationState, ...]:
        """States of every spiking population at the end of ``step``; one sample, inputs (time, input)."""


def get_target(name: str, lava: LavaOptions | None = None) -> Target:
    """The target of this name; ``lava`` are options for those that run on Lava."""
    if name == "emulator":
        return EmulatorTarget()
    if name == "loihi-sim":
        return LoihiSimTarget(lava) if lava else LoihiSimTarget()
    if name == "loihi2":
        return Loihi2Target(lava) if lava else Loihi2Target()
    raise RecipeError(f"target is {name!r}, allowed are {', '.join(TARGETS)}")
