"""Parity: is it the same network on both sides? Spike by spike, and where they part.

Levels: **P0** float against quantized (how far apart), **P1** quantization-aware forward against the
emulator, **P2** emulator against Lava, **P3** Lava against the chip. From P1 on, exact is the only pass:
zero mismatched spikes and equal readout integers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro.arrays import BoolArray
from lsnn_neuro.errors import TargetFailedError
from quantize.record import PopulationState, SpikeRecord

READOUT = "readout"
"""What a comparison calls the network's outputs, side by side."""

States = Callable[[int, int], tuple[PopulationState, ...]]
"""(sample, step) -> states of every spiking population on one side."""

NeuronStates = Mapping[str, int]
"""State variables of one neuron at the end of a step, by name."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """One side of a level: what it did, and a look inside.

    - states_at: integer states of a sample at the end of a step; None where there are none (float)
    """

    record: SpikeRecord
    states_at: States | None = None


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """The first place where two records part: earliest step, then sample, population, neuron.

    - readout: whether the readout parts, not a spike; then population is "readout", and neuron an output
    - reference_value, other_value: spike or, for the readout, its integer
    - reference, other: the neuron's states on both sides where they could be had, those that both have
    """

    step: int
    sample: int
    population: str
    neuron: int
    reference_value: int
    other_value: int
    readout: bool = False
    reference: NeuronStates | None = None
    other: NeuronStates | None = None


@dataclass(frozen=True, kw_only=True)
class PopulationComparison:
    """One population on both sides, summed over time, samples and neurons.

    - compared: how many (time, sample, neuron) there are
    - spikes, other_spikes: on the reference and on the other side
    - mismatches: how many of them differ
    - distance, norm: squared 2-norms of the filtered difference and of the filtered reference
    """

    name: str
    compared: int
    spikes: int
    other_spikes: int
    mismatches: int
    distance: float
    norm: float

    @property
    def rate_difference(self) -> float:
        """Other minus reference, spikes per neuron and step."""
        return (self.other_spikes - self.spikes) / self.compared

    @property
    def van_rossum(self) -> float:
        """Van Rossum distance relative to the reference's own norm; 0 is equal."""
        if self.norm == 0:
            return 0.0 if self.distance == 0 else float("inf")
        return float(np.sqrt(self.distance / self.norm))


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two records of the same inputs, side by side."""

    reference: str
    other: str
    samples: int
    steps: int
    populations: tuple[PopulationComparison, ...]
    readout_mismatches: int
    first_divergence: Divergence | None

    @property
    def spikes(self) -> int:
        """Spikes on the reference side."""
        return sum(p.spikes for p in self.populations)

    @property
    def other_spikes(self) -> int:
        """Spikes on the other side."""
        return sum(p.other_spikes for p in self.populations)

    @property
    def mismatches(self) -> int:
        """Mismatched spikes of all populations."""
        return sum(p.mismatches for p in self.populations)

    @property
    def exact(self) -> bool:
        """Whether no spike and no readout integer differs."""
        return self.mismatches == 0 and self.readout_mismatches == 0


def compare(reference: SpikeRecord, other: SpikeRecord, *, tau: float = 20.0) -> Comparison:
    """Compare two records, step for step; no alignment is searched for. tau in steps, for van Rossum."""
    shapes = [
        [(p.name, p.spikes.shape) for p in record.spikes] + [(READOUT, record.readout.shape)]
        for record in (reference, other)
    ]
    if shapes[0] != shapes[1]:
        raise TargetFailedError(
            f"{other.target} gave {shapes[1]}, {reference.target} gave {shapes[0]}: not the same network"
        )
    populations = []
    for one, two in zip(reference.spikes, other.spikes, strict=True):
        distance, norm = van_rossum(one.spikes, two.spikes, tau)
        populations.append(
            PopulationComparison(
                name=one.name,
                compared=one.spikes.size,
                spikes=int(one.spikes.sum()),
                other_spikes=int(two.spikes.sum()),
                mismatches=int((one.spikes != two.spikes).sum()),
                distance=distance,
                norm=norm,
            )
        )
    return Comparison(
        reference=reference.target,
        other=other.target,
        samples=reference.n_samples,
        steps=reference.n_steps,
        populations=tuple(populations),
        readout_mismatches=int((reference.readout != other.readout).sum()),
        first_divergence=_first_divergence(reference, other),
    )


def compare_sides(reference: Side, other: Side) -> Comparison:
    """Compare two sides and, where both can be looked into, explain where they part."""
    comparison = compare(reference.record, other.record)
    if reference.states_at is None or other.states_at is None:
        return comparison
    return explain(comparison, reference.states_at, other.states_at)


def compare_levels(sides: Mapping[str, tuple[Side, Side]]) -> dict[str, Comparison]:
    """Compare both sides of every level."""
    return {level: compare_sides(*pair) for level, pair in sides.items()}


def explain(comparison: Comparison, reference: States, other: States) -> Comparison:
    """Add both sides' states of the neuron where the records part."""
    where = comparison.first_divergence
    if where is None or where.readout:
        return comparison
    one, two = (
        next(s for s in states(where.sample, where.step) if s.name == where.population)
        for states in (reference, other)
    )
    names = [name for name in one.names if name in two.names]
    found = [{name: int(side[name][where.neuron]) for name in names} for side in (one, two)]
    return replace(comparison, first_divergence=replace(where, reference=found[0], other=found[1]))


def _first_divergence(reference: SpikeRecord, other: SpikeRecord) -> Divergence | None:
    """Earliest step; within it spikes before the readout they drive, then sample, then neuron."""
    pairs: list[tuple[str, npt.NDArray[Any], npt.NDArray[Any]]] = [
        (one.name, one.spikes, two.spikes)
        for one, two in zip(reference.spikes, other.spikes, strict=True)
    ]
    pairs.append((READOUT, reference.readout, other.readout))
    found: Divergence | None = None
    for name, one, two in pairs:
        differs = one != two  # (time, sample, neuron)
        steps = np.flatnonzero(differs.any(axis=(1, 2)))
        if steps.size and (found is None or steps[0] < found.step):
            step = int(steps[0])
            sample, neuron = (int(i) for i in np.argwhere(differs[step])[0])
            found = Divergence(
                step=step,
                sample=sample,
                population=name,
                neuron=neuron,
                reference_value=int(one[step, sample, neuron]),
                other_value=int(two[step, sample, neuron]),
                readout=one is reference.readout,
            )
    return found


def van_rossum(one: BoolArray, two: BoolArray, tau: float) -> tuple[float, float]:
    """Squared van Rossum distance of two sets of spike trains, and the squared norm of the first.

    Spike trains (time, ...) are filtered by exp(-t/tau), tau in steps; the 2-norm is over time and
    neurons. Source: van Rossum 2001, Neural Computation 13(4), equation 2.2.
    """
    keep = np.exp(-1 / tau)
    difference = np.zeros(one.shape[1:])
    own = np.zeros(one.shape[1:])
    distance = norm = 0.0
    for x, y in zip(one, two, strict=True):
        difference = keep * difference + (x.astype(np.float64) - y)
        own = keep * own + x
        distance += float((difference**2).sum())
        norm += float((own**2).sum())
    return distance, norm


def join(parts: Sequence[Comparison]) -> Comparison:
    """Comparisons of successive batches of samples as one; samples are numbered through."""
    first, *rest = parts
    for part in rest:
        where = first.first_divergence
        if where is None and part.first_divergence is not None:
            there = part.first_divergence
            where = replace(there, sample=there.sample + first.samples)
        first = replace(
            first,
            samples=first.samples + part.samples,
            populations=tuple(
                PopulationComparison(
                    name=p.name,
                    compared=p.compared + q.compared,
                    spikes=p.spikes + q.spikes,
                    other_spikes=p.other_spikes + q.other_spikes,
                    mismatches=p.mismatches + q.mismatches,
                    distance=p.distance + q.distance,
                    norm=p.norm + q.norm,
                )
                for p, q in zip(first.populations, part.populations, strict=True)
            ),
            readout_mismatches=first.readout_mismatches + part.readout_mismatches,
            first_divergence=where,
        )
    return first


def join_levels(parts: Sequence[Mapping[str, Comparison]]) -> dict[str, Comparison]:
    """Join the comparisons of successive batches, level by level."""
    return {level: join([part[level] for part in parts]) for level in parts[0]}
