"""Energy and latency of an inference: events counted in a spike record, times the cost of each.

    energy  = sum over events of count * cost
    latency = sum over steps of (slowest core of the step + synchronization of the tiles)
    core    = compartments (access + update) + spikes out + packets out + packets in + synaptic events

What a step's spikes cause is counted in that step, whatever the synapses' delays. Every compartment
counts as updated in every step, since leaky states hardly ever rest: an upper bound. Not counted:
static power, the host and its link (input spikes cost what they do on the core they reach, not what
sending them took), hops between chips, congestion, and the start and end of an inference. Method and
costs: SANA-FE (Boyle et al. 2025), whose numbers are those of Davies et al. 2018.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from deploy.mapping.chips import Figure
from deploy.mapping.links import Link
from deploy.mapping.placement import Placement
from lsnn_neuro.arrays import BoolArray, Events
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.graph import INPUT
from quantize.record import SpikeRecord

Floats = npt.NDArray[np.float64]

PICO, NANO = 1e-12, 1e-9

_COUNTED = (
    "spikes", "packets", "packets_in", "sparse", "dense", "east_west", "north_south",
    "between_chips", "input_packets",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Published:
    """A measurement on a chip, to hold an estimate against."""

    what: str
    joule: float
    seconds: float


LOIHI1_LSNN = Published(
    what="LSNN of 140 + 100 neurons for sequential MNIST, measured on Loihi 1 (Intel's module lsnn)",
    joule=0.36e-3,
    seconds=14e-3,
)


@dataclass(frozen=True, kw_only=True)
class Event:
    """One kind of event: how many of them a sample causes, and what one costs in pJ."""

    name: str
    count: float
    cost: Figure[float]

    @property
    def joule(self) -> float:
        """Energy of these events in a sample."""
        return self.count * self.cost.value * PICO


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Energy and latency of one inference, mean over samples.

    - chip: that the network is placed on; costs_of: the chip the costs belong to
    - input_packets, packets_between_chips: counted, but without a cost
    - seconds: latency
    """

    chip: str
    costs_of: str
    samples: int
    steps: int
    events: tuple[Event, ...]
    input_packets: float
    packets_between_chips: float
    seconds: float

    @property
    def joule(self) -> float:
        """Energy of one inference."""
        return sum(event.joule for event in self.events)

    def count(self, name: str) -> float:
        """Events of a kind in one inference."""
        return next(event.count for event in self.events if event.name == name)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Routes:
    """Where the spikes of one source go; what one spike causes, per source neuron.

    - home: core of each neuron, None for the host's inputs
    - packets: to each core, 0 or 1; sparse, dense: entries read there; shape (neuron, core)
    - leaving: packets in all, by the core they leave; shape (neuron, core)
    - east_west, north_south: hops; between_chips: packets to other chips; shape (neuron,)
    """

    home: csr_array
    packets: csr_array
    sparse: csr_array
    dense: csr_array
    leaving: csr_array
    east_west: Floats
    north_south: Floats
    between_chips: Floats


def estimate(placement: Placement, inputs: Events, record: SpikeRecord) -> Estimate:
    """Cost of an inference on a placed network, from inputs (time, sample, input) and record.

    A graded input event costs what a spike does, whatever its value.
    """
    trains = _trains(placement, inputs, record)
    routes = {name: _routes(placement, name, train.shape[2]) for name, train in trains.items()}
    n_steps, n_samples, _ = inputs.shape
    costs = placement.chip.costs
    compartments = np.array([core.usage.compartments for core in placement.cores], np.float64)
    every_step = compartments * (costs.neuron_access_ns.value + costs.neuron_update_ns.value)
    totals = np.zeros(len(_COUNTED))
    nanoseconds = 0.0
    for sample in range(n_samples):
        busy = np.tile(every_step, (n_steps, 1))  # (time, core)
        for name, train in trains.items():
            route = routes[name]
            spikes = csr_array(train[:, sample].astype(np.float64))  # (time, neuron)
            per_core = {
                "spikes": spikes @ route.home,
                "packets": spikes @ route.leaving,
                "packets_in": spikes @ route.packets,
                "sparse": spikes @ route.sparse,
                "dense": spikes @ route.dense,
            }
            for event, nanosecond in (
                ("spikes", costs.spike_ns),
                ("packets", costs.packet_out_ns),
                ("packets_in", costs.packet_in_ns),
                ("sparse", costs.synaptic_event_sparse_ns),
                ("dense", costs.synaptic_event_dense_ns),
            ):
                busy += per_core[event].toarray() * nanosecond.value
            per_neuron = train[:, sample].sum(axis=0)
            far = {
                "east_west": per_neuron @ route.east_west,
                "north_south": per_neuron @ route.north_south,
                "between_chips": per_neuron @ route.between_chips,
                "input_packets": per_core["packets_in"].sum() if name == INPUT else 0,
            }
            counted = {event: count.sum() for event, count in per_core.items()} | far
            totals += [counted[event] for event in _COUNTED]
        nanoseconds += busy.max(axis=1).sum() + n_steps * costs.synchronization(_tiles(placement))
    count = dict(zip(_COUNTED, (float(total) / n_samples for total in totals), strict=True))
    updates = float(compartments.sum()) * n_steps
    events = (
        Event(name="neuron accesses", count=updates, cost=costs.neuron_access_pj),
        Event(name="neuron updates", count=updates, cost=costs.neuron_update_pj),
        Event(name="spikes", count=count["spikes"], cost=costs.spike_pj),
        Event(name="packets", count=count["packets"], cost=costs.packet_pj),
        Event(
            name="synaptic events, sparse",
            count=count["sparse"],
            cost=costs.synaptic_event_sparse_pj,
        ),
        Event(
            name="synaptic events, dense", count=count["dense"], cost=costs.synaptic_event_dense_pj
        ),
        Event(name="hops east-west", count=count["east_west"], cost=costs.hop_east_west_pj),
        Event(name="hops north-south", count=count["north_south"], cost=costs.hop_north_south_pj),
    )
    return Estimate(
        chip=placement.chip.name,
        costs_of=costs.chip,
        samples=n_samples,
        steps=n_steps,
        events=events,
        input_packets=count["input_packets"],
        packets_between_chips=count["between_chips"],
        seconds=float(nanoseconds) / n_samples * NANO,
    )


def _tiles(placement: Placement) -> int:
    """Tiles in use on the fullest chip."""
    limits = placement.chip.limits
    return -(-min(len(placement.cores), limits.cores.value) // limits.cores_per_tile.value)


def _trains(placement: Placement, inputs: Events, record: SpikeRecord) -> dict[str, BoolArray]:
    """Spikes of every source, (time, sample, neuron); refuses a record of something else."""
    trains = {INPUT: inputs != 0} | {p.name: p.spikes for p in record.spikes}
    missing = sorted(placement.spiking - trains.keys())
    if missing or inputs.shape[:2] != record.readout.shape[:2]:
        raise NetworkError(
            f"spike record of {record.target}: has (steps, samples) {record.readout.shape[:2]}, the "
            f"inputs {inputs.shape[:2]}, and lacks the populations {missing}; record all spikes of "
            "these inputs"
        )
    return trains


def _routes(placement: Placement, source: str, n_source: int) -> _Routes:
    n_cores = len(placement.cores)
    links = [link for link in placement.links if link.source == source]
    sparse, dense = _entries(placement, links, n_source)
    packets = csr_array(((sparse + dense) > 0).astype(np.float64))
    nowhere = csr_array((n_source, n_cores))
    if source == INPUT:
        none = np.zeros(n_source)
        return _Routes(
            home=nowhere,
            packets=packets,
            sparse=sparse,
            dense=dense,
            leaving=nowhere,
            east_west=none,
            north_south=none,
            between_chips=none,
        )
    core = placement.core_of(source)
    per_neuron = np.asarray(packets.sum(axis=1), np.float64).ravel()

    def at_home(values: Floats) -> csr_array:
        return csr_array((values, (np.arange(n_source), core)), shape=(n_source, n_cores))

    east_west, north_south, between_chips = _hops(placement, core, packets)
    return _Routes(
        home=at_home(np.ones(n_source)),
        packets=packets,
        sparse=sparse,
        dense=dense,
        leaving=at_home(per_neuron),
        east_west=east_west,
        north_south=north_south,
        between_chips=between_chips,
    )


def _entries(placement: Placement, links: list[Link], n_source: int) -> tuple[csr_array, csr_array]:
    """Entries a spike reads on each core, sparse and dense; shape (neuron, core)."""
    shape = (n_source, len(placement.cores))
    read = {False: csr_array(shape), True: csr_array(shape)}
    for link in links:
        core = placement.core_of(link.target)[link.target_index]
        fan = csr_array((np.ones(len(core)), (link.source_index, core)), shape=shape)
        neurons = [
            sum(part.last - part.first for part in c.slices if part.population == link.target)
            for c in placement.cores
        ]
        is_dense = np.array([link.name in c.dense for c in placement.cores])[fan.indices]
        entries = np.where(is_dense, np.array(neurons)[fan.indices], fan.data)  # dense: read whole
        for kind, matrix in read.items():
            part = csr_array((entries * (is_dense == kind), fan.indices, fan.indptr), shape=shape)
            read[kind] = matrix + part
    return read[False], read[True]


def _hops(
    placement: Placement, home: npt.NDArray[np.int64], packets: csr_array
) -> tuple[Floats, Floats, Floats]:
    """Per neuron: hops east-west and north-south of one spike, and its packets to other chips."""
    cores_per_chip = placement.chip.limits.cores.value
    n_cores = len(placement.cores)
    tiles = np.array([placement.chip.tile(core % cores_per_chip) for core in range(n_cores)])
    chips = np.arange(n_cores) // cores_per_chip
    pairs = packets.tocoo()
    start, end = home[pairs.row], pairs.col
    same = chips[start] == chips[end]
    distance = np.abs(tiles[start] - tiles[end]) * same[:, None]

    def per_neuron(values: npt.NDArray[Any]) -> Floats:
        return np.asarray(np.bincount(pairs.row, values, len(home)), np.float64)

    return per_neuron(distance[:, 0]), per_neuron(distance[:, 1]), per_neuron(~same)
