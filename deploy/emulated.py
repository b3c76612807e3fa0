"""The target ``emulator``: the integer model itself, in NumPy, in this process."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import islice

import numpy as np

from lsnn_neuro.errors import RecipeError
from quantize.emulator import Spikes, check_inputs, emulate, trace
from quantize.network import QuantizedNetwork
from quantize.record import PopulationSpikes, PopulationState, SpikeRecord


@dataclass(frozen=True)
class EmulatorTarget:
    """Runs a network on the emulator, ``batch`` samples at a time to bound the memory.

    With ``spikes=False`` its records hold the readout alone: enough, and faster, for scoring.
    """

    batch: int = 256
    spikes: bool = True
    name: str = "emulator"

    def __post_init__(self) -> None:
        """Check the batch size."""
        if self.batch < 1:
            raise RecipeError(f"target 'emulator': batch is {self.batch}, must be at least 1")

    def unavailable(self) -> str | None:
        """Always available."""
        return None

    def run(self, network: QuantizedNetwork, inputs: Spikes) -> SpikeRecord:
        """Run a batch of samples from rest; inputs are bool, shape (time, sample, input)."""
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
                for index, population in enumerate(network.populations if self.spikes else ())
            ),
            readout=np.concatenate([part.readout for part in parts], axis=1),
            target=self.name,
            seconds=time.perf_counter() - start,
        )

    def states(
        self, network: QuantizedNetwork, inputs: Spikes, step: int
    ) -> tuple[PopulationState, ...]:
        """States of every population at the end of ``step``; one sample, inputs (time, input)."""
        check_step(inputs, step)
        return next(islice(trace(network, inputs), step, None))


def check_step(inputs: Spikes, step: int) -> None:
    """Refuse a step the input does not reach."""
    if not 0 <= step < len(inputs):
        raise RecipeError(f"step is {step}, the input has steps 0 to {len(inputs) - 1}")
