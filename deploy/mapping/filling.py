"""Filling cores with neurons, one core after the other, up to the first limit of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deploy.mapping.chips import Chip
from deploy.mapping.links import Ints, Link
from deploy.mapping.synapse_memory import words
from lsnn_neuro.arrays import Events
from quantize.design_rules import Violation
from quantize.network import SPIKES, value_range

Flags = npt.NDArray[np.bool_]

CORE_LIMITS = (
    "compartments", "input_axons", "output_axons", "synapse_words", "synapse_formats",
)  # fmt: skip
"""Limits of a core; names of fields of :class:`Usage` and of a chip's limits."""

REMEDIES = {
    "compartments": "fewer neurons, or fewer that adapt",
    "input_axons": "fewer sources: smaller populations, or lower connectivity",
    "output_axons": "lower recurrent connectivity, so that neurons reach fewer cores",
    "synapse_words": "fewer weight bits, fewer or shorter delays, or lower connectivity",
    "synapse_formats": "merge projections, e.g. excitatory and inhibitory ones into one of mixed sign",
    "fan_in": "lower connectivity",
    "fan_out": "lower recurrent connectivity",
    "cores": "a smaller or sparser network",
    "event_bits": "smaller values, or inputs as spikes",
}


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Neurons first to last - 1 of a population on a core."""

    population: str
    first: int
    last: int


@dataclass(frozen=True, kw_only=True)
class Usage:
    """How much of a core is in use."""

    compartments: int = 0
    input_axons: int = 0
    output_axons: int = 0
    synapse_words: int = 0
    synapse_formats: int = 0


@dataclass(frozen=True, kw_only=True)
class Core:
    """One core in use.

    - slices: the neurons on it; usage: how full it is
    - dense: the formats stored without indices
    - bound_by: the limit that kept the next neuron out; None if there was no next one
    """

    slices: tuple[Slice, ...]
    usage: Usage
    dense: frozenset[str]
    bound_by: str | None


def violation_of(limit: str, what: str, value: int, chip: Chip) -> Violation:
    """A limit of the chip that an object of the network breaks."""
    figure = getattr(chip.limits, limit)
    assumed = f" (the limit of {chip.name} is assumed: {figure.source})" if figure.assumed else ""
    return Violation(
        rule=limit.replace("_", "-"),
        object=what,
        value=int(value),
        limit=figure.value,
        remedy=REMEDIES[limit] + assumed,
    )


def event_widths(inputs: Events, chip: Chip) -> list[Violation]:
    """The violation that an input event carries more bits than the chip's do."""
    low, high = values = value_range(inputs)
    bits = 0 if values == SPIKES else max(high, -low - 1).bit_length() + (low < 0)
    if chip.limits.event_bits is None or bits <= chip.limits.event_bits.value:
        return []
    return [
        violation_of("event_bits", f"inputs from {low} to {high}, bits of an event", bits, chip)
    ]


class _Filling:
    """A core while it is filled."""

    def __init__(self, links: Sequence[Link], packets: dict[str, Ints], chip: Chip):
        self.chip = chip
        self.links = links
        self.packets = packets
        self.slices: list[Slice] = []
        self.usage = Usage()
        self.dense: set[str] = set()
        self.axons = {link.source: np.zeros(link.n_source, np.bool_) for link in links}

    def _with(self, part: Slice, compartments: Ints) -> tuple[Usage, dict[str, Flags], set[str]]:
        """If a slice came on top: usage, the sources that reach the core, and the dense formats."""
        taken = self.usage.compartments + int(compartments[part.first : part.last].sum())
        axons: dict[str, Flags] = {}
        dense = set()
        memory = formats = 0
        for link in self.links:
            if link.target != part.population:
                continue
            low, high = link.start[part.first], link.start[part.last]
            if low == high:
                continue
            count = np.bincount(link.source_index[low:high], minlength=link.n_source)
            size, is_dense = words(count, link.form, part.last - part.first, taken - 1, self.chip)
            memory += size
            formats += 1
            if is_dense:
                dense.add(link.name)
            before = axons.get(link.source, self.axons[link.source])
            axons[link.source] = before | (count > 0)
        reached = self.axons | axons
        usage = Usage(
            compartments=taken,
            input_axons=sum(int(np.count_nonzero(on)) for on in reached.values()),
            output_axons=self.usage.output_axons
            + int(self.packets[part.population][part.first : part.last].sum()),
            synapse_words=self.usage.synapse_words + memory,
            synapse_formats=self.usage.synapse_formats + formats,
        )
        return usage, axons, dense

    def _exceeded(self, usage: Usage) -> str | None:
        """The first limit that a usage exceeds."""
        for limit in CORE_LIMITS:
            if getattr(usage, limit) > getattr(self.chip.limits, limit).value:
                return limit
        return None

    def take(
        self, population: str, first: int, compartments: Ints, guess: int
    ) -> tuple[int, str | None, int]:
        """Add as many neurons from ``first`` on as fit; ``guess`` is about how many that may be.

        Gives the first neuron left over, the limit that kept it out (None if none is left), and how
        much of it the core would have used. All usage grows with the slice, so bisection will do.
        """
        room = self.chip.limits.compartments.value - self.usage.compartments
        fits, fails = first, min(len(compartments), first + room) + 1
        bound_by, would_use = "compartments", self.usage.compartments + 1
        last, bracketed = min(first + guess, fails - 1), False
        while fits + 1 < fails:
            usage, _, _ = self._with(
                Slice(population=population, first=first, last=last), compartments
            )
            exceeded = self._exceeded(usage)
            if exceeded is None:
                fits = last
            else:
                fails, bound_by, would_use = last, exceeded, getattr(usage, exceeded)
                bracketed = True
            last = (fits + fails) // 2 if bracketed else min(2 * last - first, fails - 1)
        if fits > first:
            part = Slice(population=population, first=first, last=fits)
            self.usage, axons, dense = self._with(part, compartments)
            self.axons |= axons
            self.dense |= dense
            self.slices.append(part)
        return fits, None if fits == len(compartments) else bound_by, would_use

    def core(self, bound_by: str | None) -> Core:
        """The core as it is now."""
        return Core(
            slices=tuple(self.slices),
            usage=self.usage,
            dense=frozenset(self.dense),
            bound_by=bound_by,
        )


def fill(
    links: Sequence[Link], groups: dict[str, Ints], packets: dict[str, Ints], chip: Chip
) -> list[Core] | Violation:
    """Cores one after the other; ``packets`` is how many output axons each neuron needs."""
    cores: list[Core] = []
    most = chip.limits.cores.value * chip.limits.chips.value
    filling = _Filling(links, packets, chip)
    for name, compartments in groups.items():
        first, guess = 0, len(compartments)
        while True:
            before = first
            first, bound_by, would_use = filling.take(name, first, compartments, guess)
            guess = max(first - before, 1)
            if bound_by is None:
                break
            if not filling.slices:  # not even alone
                what = f"{name!r}, neuron {first}, {bound_by.replace('_', ' ')}"
                return violation_of(bound_by, what, would_use, chip)
            cores.append(filling.core(bound_by))
            if len(cores) == most:
                return _too_large(cores, groups, name, first, chip)
            filling = _Filling(links, packets, chip)
    cores.append(filling.core(None))
    return cores


def _too_large(
    cores: list[Core], groups: dict[str, Ints], name: str, first: int, chip: Chip
) -> Violation:
    """All cores of the largest system are full and neurons are left."""
    total = sum(len(c) for c in groups.values())
    placed = sum(s.last - s.first for core in cores for s in core.slices)
    bounds = [core.bound_by or "" for core in cores]
    worst = max(set(bounds), key=bounds.count)
    most = len(cores)
    return Violation(
        rule="cores",
        object=f"network of {total} neurons, full at {name!r}, neuron {first}, cores needed (about)",
        value=int(np.ceil(most * total / placed)),
        limit=most,
        remedy=f"most cores are bound by {chip.limits.describe(worst)}: {REMEDIES[worst]}",
    )
