"""``SpikeRecord``: what a network did, in the same form from every target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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


CURRENT = "i"
"""What a probe of the synaptic current is called."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Probe:
    """What was read of a state variable after every step: int32, (time, sample, neuron).

    - variable: one of the neuron's ``states``, or "i", the synaptic current
    - refractory: where a chip's reading is not the state but its refractory time, (time, sample, neuron)
    """

    population: str
    variable: str
    values: npt.NDArray[np.int32]
    refractory: npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Decisions:
    """The class decided for each sample, (sample,), from the readout of the steps [start, stop)."""

    labels: npt.NDArray[np.int64]
    start: int
    stop: int


@dataclass(frozen=True, kw_only=True, eq=False)
class SpikeRecord:
    """Spikes of every spiking population and the readout of a batch of samples.

    Row t belongs to step t of the input on every target; a target that answers later by a fixed
    number of steps takes that offset out before it builds the record.

    - readout: what the network's outputs give in each step, side by side, shape (time, sample, output):
      the integer state of a readout without its offset, the spikes of an output that spikes. Real numbers
      where a float network is compared with its own framework
    - target: what ran, with its variant, for reports
    - seconds: wall-clock time the target needed
    - probes, decisions: what else was read, where it was
    - resets: of each population the steps before which all its states were cleared
    - partial: whether populations may be missing, and the readout (then without outputs), since they were
      not recorded
    """

    spikes: tuple[PopulationSpikes, ...]
    readout: npt.NDArray[Any]
    target: str
    seconds: float
    probes: tuple[Probe, ...] = ()
    decisions: Decisions | None = None
    resets: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    partial: bool = False

    def limited_to(self, other: SpikeRecord) -> SpikeRecord:
        """The record without the populations, and without the readout, that another one does not hold."""
        held = {p.name for p in other.spikes}
        return replace(
            self,
            spikes=tuple(p for p in self.spikes if p.name in held),
            readout=self.readout if other.readout.size else self.readout[:, :, :0],
        )

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
