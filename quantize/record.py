"""``SpikeRecord``: what a network did, in the same form from every target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro.errors import NetworkError
from lsnn_neuro.neurons.neuron import State


@dataclass(frozen=True, kw_only=True, eq=False)
class PopulationSpikes:
    """Spikes of one population: bool, shape (time, sample, neuron)."""

    name: str
    spikes: npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class PopulationState:
    """Integer state of one population at the end of one step, one sample.

    - variables: those of its neuron's ``states``, shape (neuron,): v membrane after the reset, z spikes of
      the step, and what else the neuron has
    """

    name: str
    variables: State

    def __getitem__(self, variable: str) -> npt.NDArray[Any]:
        """A state variable; zeros if the neuron has none of that name."""
        found: npt.NDArray[Any] | None = getattr(self.variables, variable, None)
        return np.zeros(len(self.variables.v), np.int32) if found is None else found

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the state variables."""
        return tuple(vars(self.variables))


@dataclass(frozen=True, kw_only=True, eq=False)
class SpikeRecord:
    """Spikes of every spiking population and the readout of a batch of samples.

    Row t belongs to step t of the input on every target; a target that answers later by a fixed
    number of steps takes that offset out before it builds the record.

    - readout: what the network's outputs give in each step, side by side, shape (time, sample, output):
      the integer state of a readout without its offset, the spikes of an output that spikes
    - target: what ran, with its variant, for reports
    - seconds: wall-clock time the target needed
    """

    spikes: tuple[PopulationSpikes, ...]
    readout: npt.NDArray[np.int32]
    target: str
    seconds: float

    def __post_init__(self) -> None:
        """All arrays must agree in steps and samples."""
        for population in self.spikes:
            if population.spikes.shape[:2] != self.readout.shape[:2]:
                raise NetworkError(
                    f"spike record: population {population.name!r} has (time, sample) "
                    f"{population.spikes.shape[:2]}, the readout {self.readout.shape[:2]}"
                )

    @property
    def n_steps(self) -> int:
        """Number of time steps."""
        return self.readout.shape[0]

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return self.readout.shape[1]

    @property
    def n_spikes(self) -> int:
        """Spikes of all populations, steps and samples."""
        return sum(int(p.spikes.sum()) for p in self.spikes)
