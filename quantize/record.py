"""``SpikeRecord``: what a network did, in the same form from every target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lsnn_neuro.errors import NetworkError


@dataclass(frozen=True, kw_only=True, eq=False)
class PopulationSpikes:
    """Spikes of one population: bool, shape (time, sample, neuron)."""

    name: str
    spikes: npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class PopulationState:
    """Integer state of one population at the end of one step, one sample; shape (neuron,).

    - v: membrane after reset; a: adaptation; r: refractory steps left; z: spikes of the step
    """

    name: str
    v: npt.NDArray[np.int32]
    a: npt.NDArray[np.int32]
    r: npt.NDArray[np.int32]
    z: npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class SpikeRecord:
    """Spikes of every population and the readout of a batch of samples.

    Row t belongs to step t of the input on every target; a target that answers later by a fixed
    number of steps takes that offset out before it builds the record.

    - readout: integer state o of the readout, shape (time, sample, output), without bias
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
