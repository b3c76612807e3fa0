"""Placing the neurons of a network onto the cores of a chip.

Spiking populations, and last the readouts, are laid out one after the other: a core takes as many neurons as
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

import numpy as np

from deploy.mapping.chips import Chip
from deploy.mapping.filling import CORE_LIMITS, Core, fill, violation_of
from deploy.mapping.links import Ints, Link, links_of
from deploy.mapping.neurons import adapting
from lsnn_neuro.errors import NetworkError
from quantize.design_rules import Violation
from quantize.network import QuantizedNetwork


@dataclass(frozen=True, kw_only=True, eq=False)
class Placement:
    """A network on the cores of one or several chips, numbered through; chip c has the cores from
    ``c * chip.limits.cores`` on.

    - sizes: neurons of every population; spiking: the populations that spike
    """

    chip: Chip
    cores: tuple[Core, ...]
    links: tuple[Link, ...]
    sizes: dict[str, int]
    spiking: frozenset[str]

    @property
    def n_chips(self) -> int:
        """Number of chips in use."""
        return -(-len(self.cores) // self.chip.limits.cores.value)

    def core_of(self, population: str) -> Ints:
        """The core of every neuron of a population, shape (neuron,)."""
        return _core_of(self.cores, population, self.sizes[population])

    def utilization(self, core: Core) -> dict[str, float]:
        """Share of every limit that a core uses, 0 to 1."""
        return {
            limit: getattr(core.usage, limit) / getattr(self.chip.limits, limit).value
            for limit in CORE_LIMITS
        }

    def fullest(self, core: Core) -> tuple[str, float]:
        """The limit that a core uses most of, and the share."""
        return max(self.utilization(core).items(), key=lambda used: used[1])


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
        cores = fill(links, groups, packets, chip)
        if isinstance(cores, Violation):
            return cores
        needed = {name: _cores_reached(links, cores, groups, name) for name in groups}
        if violation := _fan_out(needed, chip):
            return violation
        cores = [_with_output_axons(core, needed) for core in cores]
        limit = chip.limits.output_axons.value
        if all(core.usage.output_axons <= limit for core in cores):
            sizes = {name: len(compartments) for name, compartments in groups.items()}
            return Placement(
                chip=chip, cores=tuple(cores), links=links, sizes=sizes,
                spiking=frozenset(p.name for p in network.spiking),
            )  # fmt: skip
        # some neuron needs more than was thought, so this comes to an end
        packets = {name: np.maximum(packets[name], needed[name]) for name in groups}


def _groups(network: QuantizedNetwork, chip: Chip) -> dict[str, Ints]:
    """Compartments that every neuron takes: population -> shape (neuron,); readouts last."""
    extra = chip.neurons.adaptive_compartments.value - 1
    return {
        p.name: 1 + extra * adapting(p).astype(np.int64)
        for p in (*network.spiking, *network.readouts)
    }


def _fan_in(links: Sequence[Link], groups: dict[str, Ints], chip: Chip) -> Violation | None:
    for name, compartments in groups.items():
        synapses = np.zeros(len(compartments), np.int64)
        for link in links:
            if link.target == name:
                synapses += np.bincount(link.target_index, minlength=len(synapses))
        worst = int(synapses.argmax())
        if synapses[worst] > chip.limits.fan_in.value:
            return violation_of(
                "fan_in", f"{name!r}, neuron {worst}, synapses", synapses[worst], chip
            )
    return None


def _fan_out(needed: dict[str, Ints], chip: Chip) -> Violation | None:
    for name, cores in needed.items():
        worst = int(cores.argmax())
        if cores[worst] > chip.limits.fan_out.value:
            return violation_of("fan_out", f"{name!r}, neuron {worst}, cores", cores[worst], chip)
    return None


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
