"""The target ``emulator``: the integer model itself, in this process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import ClassVar

import numpy as np

from deploy.target import REFERENCE, Target
from lsnn_neuro.arrays import Events, IntArray
from lsnn_neuro.errors import RecipeError
from quantize.emulator import EmulatorSession, check_inputs, emulate, trace
from quantize.network import QuantizedNetwork
from quantize.record import PopulationSpikes, PopulationState, SpikeRecord


@dataclass(frozen=True)
class Emulator(Target):
    """Runs a network on the emulator, ``batch`` samples at a time to bound the memory.

    With ``spikes=False`` its records hold the readout alone. RecipeError over a batch below 1.
    """

    name: ClassVar[str] = "emulator"
    level: ClassVar[str] = REFERENCE

    batch: int = 256
    spikes: bool = True

    def __post_init__(self) -> None:
        """Check the batch size."""
        if self.batch < 1:
            raise RecipeError(f"target 'emulator': batch is {self.batch}, must be at least 1")

    def unavailable(self) -> str | None:
        """Always available."""
        return None

    def run(self, network: QuantizedNetwork, inputs: Events) -> SpikeRecord:
        """Run a batch of samples from rest; inputs are events, shape (time, sample, input)."""
        check_inputs(network, inputs)
        start = time.perf_counter()
        parts = [
            emulate(network, inputs[:, first : first + self.batch], spikes=self.spikes)
            for first in range(0, inputs.shape[1], self.batch)
        ]
        return SpikeRecord(
            spikes=tuple(
                PopulationSpikes(
                    name=population.name,
                    spikes=np.concatenate([part.spikes[index].spikes for part in parts], axis=1),
                )
                for index, population in enumerate(network.spiking if self.spikes else ())
            ),
            readout=np.concatenate([part.readout for part in parts], axis=1),
            target=self.name,
            seconds=time.perf_counter() - start,
        )

    def readout(self, network: QuantizedNetwork, inputs: Events) -> IntArray:
        """The readout of a run alone, which is faster."""
        return replace(self, spikes=False).run(network, inputs).readout

    @contextmanager
    def session(
        self, network: QuantizedNetwork, n_samples: int, n_steps: int
    ) -> Iterator[EmulatorSession]:
        """The network at rest, to run ``n_steps`` steps, some at a time."""
        yield EmulatorSession(network, n_samples, record=True)

    def states(
        self, network: QuantizedNetwork, inputs: Events, step: int
    ) -> tuple[PopulationState, ...]:
        """States of every spiking population at the end of ``step``; one sample, inputs (time, input)."""
        check_step(inputs, step)
        return next(islice(trace(network, inputs), step, None))


def check_step(inputs: Events, step: int) -> None:
    """Refuse a step the input does not reach."""
    if not 0 <= step < len(inputs):
        raise RecipeError(f"step is {step}, the input has steps 0 to {len(inputs) - 1}")
