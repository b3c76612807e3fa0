"""Placing the neurons of a network onto the cores of a chip.

Populations, and last the readout, are laid out one after the other: a core takes as many neurons as
all its limits allow, then the next one begins. A population may be split over cores, and several may
share one. Synapses lie on the core of their target. Neuron and fan-in limits, input axons (one per
source that reaches the core), synapse memory and formats are known while a core is filled. Output
axons (one per neuron and core it sends to) are known only when all targets are placed: so the
network is placed again with what was found, until every core keeps that limit too.

Inputs come from the host and take input axons, but no neurons and no output axons. A neuron that
adapts may take several compartments (Loihi 1: a second one for its current, and a synapse onto it).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from deploy.mapping.chips import Chip
from deploy.mapping.synapse_memory import SynapseFormat, format_of, words
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.spec import READOUT
from quantize.design_rules import Violation
from quantize.loihi import WEIGHT_BITS
from quantize.network import QuantizedNetwork

Ints = npt.NDArray[np.int64]
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
}


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Neurons first to last - 1 of a population (or of the readout) on a core."""

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


@dataclass(frozen=True, kw_only=True, eq=False)
class Link:
    """Synapses of one format: a projection, or adapting neurons' synapses onto themselves.

    - source_index, target_index: shape (synapse,), sorted by target
    - start: where the synapses of every target begin, shape (target + 1,)
    """

    name: str
    source: str
    target: str
    n_source: int
    source_index: npt.NDArray[np.int32]
    target_index: npt.NDArray[np.int32]
    start: Ints
    form: SynapseFormat


@dataclass(frozen=True, kw_only=True, eq=False)
class Placement:
    """A network on the cores of one or several chips, numbered through; chip c has the cores from
    ``c * chip.limits.cores`` on."""

    chip: Chip
    cores: tuple[Core, ...]
    links: tuple[Link, ...]
    sizes: dict[str, int]

    @property
    def n_chips(self) -> int:
        """Number of chips in use."""
        return -(-len(self.cores) // self.chip.limits.cores.value)

    def core_of(self, population: str) -> Ints:
        """The core of every neuron of a population or of the readout, shape (neuron,)."""
        return _core_of(self.cores, population, self.sizes[population])

    def utilization(self, core: Core) -> dict[str, float]:
        """Share of every limit that a core uses, 0 to 1."""
        return {
            limit: getattr(core.usage, limit) / getattr(self.chip.limits, limit).value
            for limit in CORE_LIMITS
        }


def place(network: QuantizedNetwork, chip: Chip) -> Placement:
    """Place a network; raises NetworkError with object, value and limit if it doesn't fit."""
    found = try_to_place(network, chip)
    if isinstance(found, Violation):
        raise NetworkError(f"chip {chip.name!r}: {found}")
    return found


def try_to_place(network: QuantizedNetwork, chip: Chip) -> Placement | Violation:
    """A placement in which no limit is exceeded, or the limit that makes it impossible."""
    links = links_of(network, chip)
    groups = _groups(network, chip)
    if violation := _fan_in(links, groups, chip):
        return violation
    packets = {name: np.zeros(len(c), np.int64) for name, c in groups.items()}
    while True:
        cores = _fill(links, groups, packets, chip)
        if isinstance(cores, Violation):
            return cores
        needed = {name: _cores_reached(links, cores, groups, name) for name in groups}
        if violation := _fan_out(needed, chip):
            return violation
        cores = [_with_output_axons(core, needed) for core in cores]
        limit = chip.limits.output_axons.value
        if all(core.usage.output_axons <= limit for core in cores):
            sizes = {name: len(compartments) for name, compartments in groups.items()}
            return Placement(chip=chip, cores=tuple(cores), links=links, sizes=sizes)
        # some neuron needs more than was thought, so this comes to an end
        packets = {name: np.maximum(packets[name], needed[name]) for name in groups}


def neuron_models(network: QuantizedNetwork, chip: Chip) -> list[Violation]:
    """Neurons that the chip can't be, with what it has instead."""
    has = chip.neurons
    violations = []
    for population in network.populations:
        wanted: list[tuple[str, str, tuple[str, ...], int]] = [
            ("equations", population.neuron, has.models.value, population.size)
        ]
        if population.neuron == "lif":  # ATRLIF has one reset and one adaptation, its own
            adapting = int(np.count_nonzero(population.step_a))
            wanted += [
                ("reset", population.reset, has.resets.value, population.size),
                ("adaptation", population.adaptation, has.adaptations.value, adapting),
            ]
        violations += [
            Violation(
                rule="neuron-model",
                object=f"population {population.name!r}, neurons with {what} {form!r}",
                value=count,
                limit=0,
                remedy=f"{chip.name} has {what} {', '.join(allowed)}",
            )
            for what, form, allowed, count in wanted
            if count and form not in allowed
        ]
    return violations


def links_of(network: QuantizedNetwork, chip: Chip) -> tuple[Link, ...]:
    """All synapses as they are stored on the chip, by format."""
    links = [
        Link(
            name=p.name,
            source=p.source,
            target=p.target,
            n_source=p.n_source,
            source_index=p.source_index,
            target_index=p.target_index,
            start=_starts(p.target_index, p.n_target),
            form=format_of(p, chip),
        )
        for p in network.projections
    ]
    if chip.neurons.adaptive_compartments.value > 1:
        links += [
            Link(
                name=f"{p.name}, adaptation",
                source=p.name,
                target=p.name,
                n_source=p.size,
                source_index=np.flatnonzero(p.step_a).astype(np.int32),
                target_index=np.flatnonzero(p.step_a).astype(np.int32),
                start=_starts(np.flatnonzero(p.step_a), p.size),
                form=SynapseFormat(weight_bits=WEIGHT_BITS, delay_bits=0),
            )
            for p in network.populations
            if p.adaptive
        ]
    return tuple(links)


def _starts(target_index: npt.NDArray[np.integer[Any]], n_target: int) -> Ints:
    return np.searchsorted(target_index, np.arange(n_target + 1, dtype=target_index.dtype))


def _groups(network: QuantizedNetwork, chip: Chip) -> dict[str, Ints]:
    """Compartments that every neuron takes: population -> shape (neuron,); the readout last."""
    extra = chip.neurons.adaptive_compartments.value - 1
    groups = {p.name: 1 + extra * (p.step_a > 0).astype(np.int64) for p in network.populations}
    return groups | {READOUT: np.ones(network.readout.size, np.int64)}


def _fan_in(links: Sequence[Link], groups: dict[str, Ints], chip: Chip) -> Violation | None:
    for name, compartments in groups.items():
        synapses = np.zeros(len(compartments), np.int64)
        for link in links:
            if link.target == name:
                synapses += np.bincount(link.target_index, minlength=len(synapses))
        worst = int(synapses.argmax())
        if synapses[worst] > chip.limits.fan_in.value:
            return _violation(
                "fan_in", f"{name!r}, neuron {worst}, synapses", synapses[worst], chip
            )
    return None


def _fan_out(needed: dict[str, Ints], chip: Chip) -> Violation | None:
    for name, cores in needed.items():
        worst = int(cores.argmax())
        if cores[worst] > chip.limits.fan_out.value:
            return _violation("fan_out", f"{name!r}, neuron {worst}, cores", cores[worst], chip)
    return None


def _violation(limit: str, what: str, value: int, chip: Chip) -> Violation:
    return Violation(
        rule=limit.replace("_", "-"),
        object=what,
        value=int(value),
        limit=getattr(chip.limits, limit).value,
        remedy=REMEDIES[limit],
    )


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


def _fill(
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
                return _violation(bound_by, what, would_use, chip)
            cores.append(filling.core(bound_by))
            if len(cores) == most:
                return _too_large(cores, groups, name, first, most)
            filling = _Filling(links, packets, chip)
    cores.append(filling.core(None))
    return cores


def _too_large(
    cores: list[Core], groups: dict[str, Ints], name: str, first: int, most: int
) -> Violation:
    """All cores of the largest system are full and neurons are left."""
    total = sum(len(c) for c in groups.values())
    placed = sum(s.last - s.first for core in cores for s in core.slices)
    bounds = [core.bound_by or "" for core in cores]
    worst = max(set(bounds), key=bounds.count)
    return Violation(
        rule="cores",
        object=f"network of {total} neurons, full at {name!r}, neuron {first}, cores needed (about)",
        value=int(np.ceil(most * total / placed)),
        limit=most,
        remedy=f"most cores are bound by {worst.replace('_', ' ')}: {REMEDIES[worst]}",
    )


def _core_of(cores: Sequence[Core], population: str, size: int) -> Ints:
    core_of = np.zeros(size, np.int64)
    for index, core in enumerate(cores):
        for part in core.slices:
            if part.population == population:
                core_of[part.first : part.last] = index
    return core_of


def _cores_reached(
    links: Sequence[Link], cores: Sequence[Core], groups: dict[str, Ints], source: str
) -> Ints:
    """How many cores each neuron of a population sends to, shape (neuron,)."""
    pairs = [
        link.source_index.astype(np.int64) * len(cores)
        + _core_of(cores, link.target, len(groups[link.target]))[link.target_index]
        for link in links
        if link.source == source
    ]
    unique = np.unique(np.concatenate([np.zeros(0, np.int64), *pairs]))
    return np.bincount(unique // len(cores), minlength=len(groups[source])).astype(np.int64)


def _with_output_axons(core: Core, needed: dict[str, Ints]) -> Core:
    """A core with the output axons its neurons really need."""
    axons = sum(int(needed[s.population][s.first : s.last].sum()) for s in core.slices)
    return replace(core, usage=replace(core.usage, output_axons=axons))
