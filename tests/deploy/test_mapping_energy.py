"""Events counted one by one, and the sums an estimate makes of them."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from placed_networks import chip_with, homes, lsnn, synapses
from random_graphs import random_graph
from random_networks import random_events, random_inputs, random_network

from deploy.mapping.chips import load_chip
from deploy.mapping.energy import estimate
from deploy.mapping.placement import Placement, place, try_to_place
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.graph import INPUT
from quantize.emulator import emulate


def count_one_by_one(network, placement, inputs, record):
    """Events and nanoseconds of all samples, spike by spike."""
    chip, costs, home = placement.chip, placement.chip.costs, homes(placement)
    per_chip = chip.limits.cores.value
    trains = {INPUT: inputs != 0} | {p.name: p.spikes for p in record.spikes}
    entries = {}  # (source, i) -> core -> [sparse, dense]
    dense_done = set()
    for form, source, i, target, j, _ in synapses(network, chip):
        core = home[target, j]
        read = entries.setdefault((source, i), {}).setdefault(core, [0, 0])
        if form not in placement.cores[core].dense:
            read[0] += 1
        elif (form, i, core) not in dense_done:
            dense_done.add((form, i, core))
            read[1] += sum(1 for (p, _), c in home.items() if (p, c) == (target, core))
    counts = dict.fromkeys(("spikes", "packets", "sparse", "dense", "x", "y", "far", "host"), 0)
    n_steps, n_samples, _ = inputs.shape
    n_tiles = len({core // chip.limits.cores_per_tile.value for core in range(
        min(len(placement.cores), per_chip))})  # fmt: skip
    wait = [ns for tiles, ns in costs.synchronization_ns.value if tiles <= n_tiles][-1]
    nanoseconds = 0.0
    for sample in range(n_samples):
        for t in range(n_steps):
            busy = [
                core.usage.compartments
                * (costs.neuron_access_ns.value + costs.neuron_update_ns.value)
                for core in placement.cores
            ]
            for source, train in trains.items():
                for i in np.flatnonzero(train[t, sample]).tolist():
                    start = None if source == INPUT else home[source, i]
                    if start is not None:
                        counts["spikes"] += 1
                        busy[start] += costs.spike_ns.value
                    for core, (sparse, dense) in entries.get((source, i), {}).items():
                        counts["sparse"] += sparse
                        counts["dense"] += dense
                        busy[core] += (
                            costs.packet_in_ns.value
                            + sparse * costs.synaptic_event_sparse_ns.value
                            + dense * costs.synaptic_event_dense_ns.value
                        )
                        if start is None:
                            counts["host"] += 1
                            continue
                        counts["packets"] += 1
                        busy[start] += costs.packet_out_ns.value
                        if start // per_chip != core // per_chip:
                            counts["far"] += 1
                            continue
                        (x0, y0), (x1, y1) = chip.tile(start % per_chip), chip.tile(core % per_chip)
                        counts["x"] += abs(x0 - x1)
                        counts["y"] += abs(y0 - y1)
            nanoseconds += max(busy) + wait
    return {name: count / n_samples for name, count in counts.items()}, nanoseconds / n_samples


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    compartments=st.integers(2, 8),
    cores=st.sampled_from([6, 9, 128]),
    graded=st.booleans(),
)
def test_events_and_latency_are_those_counted_spike_by_spike(seed, compartments, cores, graded):
    network = random_graph(seed, graded=True) if graded else random_network(seed)
    chip = chip_with(compartments=compartments, cores=cores, chips=30)
    placement = try_to_place(network, chip)
    assume(isinstance(placement, Placement))
    draw = random_events if graded else random_inputs
    inputs = draw(seed, network, n_steps=12, n_samples=2)
    record = emulate(network, inputs)
    found = estimate(placement, inputs, record)
    counts, nanoseconds = count_one_by_one(network, placement, inputs, record)
    names = {
        "spikes": "spikes", "packets": "packets", "sparse": "synaptic events, sparse",
        "dense": "synaptic events, dense", "x": "hops east-west", "y": "hops north-south",
    }  # fmt: skip
    for short, name in names.items():
        assert found.count(name) == pytest.approx(counts[short]), name
    assert found.packets_between_chips == pytest.approx(counts["far"])
    assert found.input_packets == pytest.approx(counts["host"])
    assert found.seconds == pytest.approx(nanoseconds * 1e-9)


def test_energy_is_events_times_costs():
    network = lsnn(40, 10)
    inputs = random_inputs(0, network, n_steps=30, n_samples=2)
    record = emulate(network, inputs)
    found = estimate(place(network, load_chip("loihi1")), inputs, record)
    assert found.count("spikes") * 2 == record.n_spikes > 0
    # 20 regular, 20 adaptive in two compartments each, 10 outputs
    assert found.count("neuron updates") == found.count("neuron accesses") == 70 * 30
    by_hand = (
        70 * 30 * (51.2 + 21.6)
        + found.count("spikes") * 69.3
        + found.count("packets") * 111.0
        + found.count("synaptic events, sparse") * 33.6
        + found.count("synaptic events, dense") * 35.5
    )
    assert found.joule == pytest.approx(by_hand * 1e-12)  # one core: no hops
    assert (found.samples, found.steps, found.chip, found.costs_of) == (2, 30, "loihi1", "loihi1")


def test_without_spikes_only_updates_cost():
    network = lsnn(40, 10)
    inputs = np.zeros((10, 1, network.n_inputs), bool)
    found = estimate(place(network, load_chip("loihi2")), inputs, emulate(network, inputs))
    assert found.joule == pytest.approx(50 * 10 * (51.2 + 21.6) * 1e-12)
    assert found.seconds == pytest.approx(10 * (50 * 9.7 + 600) * 1e-9)
    assert found.costs_of == "loihi1"


def test_a_record_without_spikes_or_of_other_inputs_is_refused():
    network = lsnn(40, 10)
    inputs = random_inputs(0, network, n_steps=5, n_samples=2)
    placement = place(network, load_chip("loihi1"))
    with pytest.raises(NetworkError, match=r"lacks the populations .'adaptive', 'regular'."):
        estimate(placement, inputs, emulate(network, inputs, spikes=False))
    with pytest.raises(NetworkError, match=r"\(5, 2\), the inputs \(4, 2\)"):
        estimate(placement, inputs[:4], emulate(network, inputs))
