"""Parity: is it the same network on both sides? Spike by spike, and where they part.

Levels: **P0** float against quantized (how far apart), **P1** quantization-aware forward against the
emulator, **P2** emulator against Lava, **P3** Lava against the chip. From P1 on, exact is the only pass:
zero mismatched spikes and equal readout integers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from deploy.divergence import LABEL, READOUT, Divergence, differing_labels, first_divergence
from lsnn_neuro.arrays import BoolArray
from lsnn_neuro.errors import TargetFailedError
from lsnn_neuro.network.graph import INPUT
from quantize.record import PopulationState, SpikeRecord

States = Callable[[int, int], tuple[PopulationState, ...]]
"""(sample, step) -> states of every spiking population on one side."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """One side of a level: what it did, and a look inside.

    - states_at: integer states of a sample at the end of a step; None where there are none (float)
    """

    record: SpikeRecord
    states_at: States | None = None


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
class ProbeComparison:
    """A state variable of one population on both sides, over time, samples and neurons.

    - compared: how many readings are the state on both sides; mismatches: how many of them differ
    - refractory: how many more are a chip's refractory time in a step with a spike, which say nothing
    """

    population: str
    variable: str
    compared: int
    mismatches: int
    refractory: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two records of the same inputs, side by side.

    - readout_compared: how many readout integers there are
    - probes: what was read of states; labels, label_mismatches: how many decided classes, and differing ones
    - not_recorded: populations, and "readout", that the other side does not hold
    """

    reference: str
    other: str
    samples: int
    steps: int
    populations: tuple[PopulationComparison, ...]
    readout_mismatches: int
    first_divergence: Divergence | None
    readout_compared: int = 0
    probes: tuple[ProbeComparison, ...] = ()
    labels: int = 0
    label_mismatches: int = 0
    not_recorded: tuple[str, ...] = ()

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
    def silent(self) -> tuple[str, ...]:
        """Populations without a spike on either side: of them nothing was compared."""
        return tuple(
            p.name for p in self.populations if p.name != INPUT and not (p.spikes or p.other_spikes)
        )

    @property
    def all_silent(self) -> bool:
        """Whether there are populations, and none of them spikes: equality proves nothing of neurons."""
        neurons = [p for p in self.populations if p.name != INPUT]
        return bool(neurons) and len(self.silent) == len(neurons)

    @property
    def verdict(self) -> str:
        """Whether both sides are the same, in words."""
        if not self.exact:
            return "not exact"
        return "exact, but no neuron spikes" if self.all_silent else "exact"

    @property
    def exact(self) -> bool:
        """Whether no spike, readout integer, state or decided class differs."""
        states = sum(p.mismatches for p in self.probes)
        return not (self.mismatches or self.readout_mismatches or states or self.label_mismatches)

    @property
    def beyond_spikes(self) -> str:
        """What else was compared, and what could not be, in words; "" where it is the whole as usual."""
        said = [
            f"{p.variable} of {p.population}: {p.mismatches:,} of {p.compared:,} states differ"
            + (f", {p.refractory:,} readings are the refractory time" * bool(p.refractory))
            for p in self.probes
        ]
        if self.labels:
            said.append(f"{self.label_mismatches:,} of {self.labels:,} labels differ")
        if self.not_recorded:
            said.append(f"not recorded: {', '.join(self.not_recorded)}")
        return "; ".join(said)


def compare(reference: SpikeRecord, other: SpikeRecord, *, tau: float = 20.0) -> Comparison:
    """Compare two records, step for step; no alignment is searched for. tau in steps, for van Rossum."""
    missing: list[str] = []
    if other.partial:
        whole, reference = reference, reference.limited_to(other)
        held = [p.name for p in reference.spikes]
        missing += [p.name for p in whole.spikes if p.name not in held]
        missing += [READOUT] if reference.readout.size < whole.readout.size else []
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
        first_divergence=first_divergence(reference, other),
        readout_compared=reference.readout.size,
        probes=tuple(
            ProbeComparison(
                population=one.population,
                variable=one.variable,
                compared=int((~two.refractory).sum()),
                mismatches=int(((one.values != two.values) & ~two.refractory).sum()),
                refractory=int(two.refractory.sum()),
            )
            for one, two in zip(reference.probes, other.probes, strict=True)
        ),
        labels=0 if other.decisions is None else len(other.decisions.labels),
        label_mismatches=len(differing_labels(reference, other)),
        not_recorded=tuple(missing),
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
    if where is None or where.readout or where.variable == LABEL:
        return comparison
    one, two = (
        next(s for s in states(where.sample, where.step) if s.name == where.population)
        for states in (reference, other)
    )
    names = [name for name in one.names if name in two.names]
    found = [{name: int(side[name][where.neuron]) for name in names} for side in (one, two)]
    return replace(comparison, first_divergence=replace(where, reference=found[0], other=found[1]))


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
            readout_compared=first.readout_compared + part.readout_compared,
            probes=tuple(
                replace(
                    p,
                    compared=p.compared + q.compared,
                    mismatches=p.mismatches + q.mismatches,
                    refractory=p.refractory + q.refractory,
                )
                for p, q in zip(first.probes, part.probes, strict=True)
            ),
            labels=first.labels + part.labels,
            label_mismatches=first.label_mismatches + part.label_mismatches,
        )
    return first


def join_levels(parts: Sequence[Mapping[str, Comparison]]) -> dict[str, Comparison]:
    """Join the comparisons of successive batches, level by level."""
    return {level: join([part[level] for part in parts]) for level in parts[0]}
