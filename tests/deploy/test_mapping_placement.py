"""Placements never exceed a limit, place every neuron once, and use what they say they use."""

import time
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from placed_networks import chip_with, counted_usage, homes, lsnn, population, projection
from random_graphs import random_graph
from random_networks import READOUT, li, random_network

from deploy.mapping.alternatives import find_alternatives
from deploy.mapping.chips import load_chip
from deploy.mapping.filling import CORE_LIMITS
from deploy.mapping.placement import (
    Placement,
    place,
    try_to_place,
)
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.graph import INPUT
from quantize.network import QuantizedNetwork

SMALL = {
    "compartments": st.integers(2, 20),
    "input_axons": st.integers(8, 40),
    "output_axons": st.integers(4, 40),
    "synapse_words": st.integers(8, 60),
    "synapse_formats": st.integers(4, 16),
}
KINDS = [random_network, random_graph]
small_chips = st.builds(chip_with, st.sampled_from(["loihi1", "loihi2"]), cores=st.integers(1, 128),
                        chips=st.integers(1, 3), **SMALL)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(seed=st.integers(0, 2**32 - 1), chip=small_chips, kind=st.sampled_from(KINDS))
def test_no_limit_is_exceeded_and_every_neuron_is_placed_once(seed, chip, kind):
    network = kind(seed)
    placement = try_to_place(network, chip)
    assume(isinstance(placement, Placement))
    assert homes(placement).keys() == {
        (p.name, j) for p in network.populations for j in range(p.size)
    }
    counted = counted_usage(network, placement)
    assert [asdict(core.usage) for core in placement.cores] == counted
    for usage in counted:
        for limit in CORE_LIMITS:
            assert usage[limit] <= getattr(chip.limits, limit).value
    assert len(placement.cores) <= chip.limits.cores.value * chip.limits.chips.value
    assert placement.n_chips <= chip.limits.chips.value


@settings(deadline=None, max_examples=100)
@given(seed=st.integers(0, 2**32 - 1), chip=small_chips)
def test_a_refusal_names_a_value_above_its_limit(seed, chip):
    refused = try_to_place(random_network(seed), chip)
    assume(not isinstance(refused, Placement))
    assert refused.value > refused.limit
    assert refused.remedy


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), chip=small_chips)
def test_a_core_is_left_only_when_the_next_neuron_exceeds_a_limit(seed, chip):
    """Without the limit of output axons, which is known only at the end, cores are filled up."""
    chip = chip_with(chip.name, **{k: getattr(chip.limits, k).value for k in SMALL} | {
        "output_axons": 10**6})  # fmt: skip
    network = random_network(seed)
    placement = try_to_place(network, chip)
    assume(isinstance(placement, Placement) and len(placement.cores) > 1)
    for core, following in zip(placement.cores, placement.cores[1:], strict=False):
        part = following.slices[0]
        more = type(part)(population=part.population, first=part.first, last=part.first + 1)
        last = core.slices[-1]
        if last.population == more.population:
            parts = (*core.slices[:-1], type(part)(
                population=last.population, first=last.first, last=more.last))  # fmt: skip
        else:
            parts = (*core.slices, more)
        limit = getattr(chip.limits, core.bound_by).value
        stretched = _usage_of(network, placement, core, parts)
        assert stretched[core.bound_by] > limit


def _usage_of(network, placement, core, parts):
    """Usage of a core with other slices; everything else stays on cores of its own."""
    index = placement.cores.index(core)
    rest = [c for i, c in enumerate(placement.cores) if i != index]
    moved = parts[-1]
    rest = [
        replace(c, slices=tuple(
            replace(s, first=max(s.first, moved.last))
            if s.population == moved.population and s.first < moved.last <= s.last
            and s.first >= moved.first else s
            for s in c.slices
        ))
        for c in rest
    ]  # fmt: skip
    cores = (replace(core, slices=parts), *rest)
    return counted_usage(network, replace(placement, cores=cores))[0]


@pytest.mark.parametrize("name", ["loihi1", "loihi2"])
def test_a_network_of_the_papers_size_fits_on_one_core(name):
    placement = place(lsnn(220, 26, delays=9), load_chip(name))
    assert len(placement.cores) == 1
    assert placement.cores[0].bound_by is None
    adaptive = 110 if name == "loihi1" else 0  # a second compartment for each
    assert placement.cores[0].usage.compartments == 230 + adaptive


def test_twenty_thousand_neurons_are_placed_in_seconds():
    network = lsnn(20_000, 20)
    start = time.process_time()
    placement = place(network, load_chip("loihi1"))
    assert time.process_time() - start < 20
    assert placement.n_chips == 1
    assert sum(core.usage.compartments for core in placement.cores) == 30_010
    for core in placement.cores:
        assert max(placement.utilization(core).values()) <= 1


def test_what_one_chip_can_not_hold_goes_onto_several():
    network = lsnn(2000, 20)
    chip = chip_with(compartments=100, cores=8, chips=8)
    placement = place(network, chip)
    assert placement.n_chips == -(-len(placement.cores) // 8) > 1


def test_a_network_too_large_for_all_chips_is_refused_with_value_and_limit():
    with pytest.raises(
        NetworkError,
        match=r"chip 'loihi1': cores: network of 2010 neurons, full at 'regular', neuron 800, .* "
        r"has 21, limit 8; most cores are bound by compartments: fewer neurons",
    ):
        place(lsnn(2000, 20), chip_with(compartments=100, cores=4, chips=2))


def test_a_neuron_that_hears_too_many_is_refused_by_name():
    with pytest.raises(
        NetworkError, match="fan-in: 'regular', neuron 0, synapses has 50, limit 29; lower conn"
    ):
        place(lsnn(100, 40), chip_with(fan_in=29))


def test_a_neuron_that_reaches_too_many_cores_is_refused_by_name():
    with pytest.raises(NetworkError, match=r"fan-out: '\w+', neuron \d+, cores has \d+, limit 2;"):
        place(lsnn(100, 40), chip_with(compartments=10, fan_out=2))


def test_a_neuron_that_does_not_fit_alone_is_refused_with_what_it_needs():
    with pytest.raises(
        NetworkError, match="synapse-words: 'regular', neuron 0, synapse words has 50, limit 49"
    ):
        # each of its 50 sources has a list of its own, one word long
        place(lsnn(100, 40), chip_with(synapse_words=49))


def test_output_axons_split_cores_that_have_room_for_more():
    network = lsnn(400, 40)
    free = place(network, chip_with(compartments=100))
    worst = max(core.usage.output_axons for core in free.cores)
    tight = place(network, chip_with(compartments=100, output_axons=worst // 2))
    assert len(tight.cores) > len(free.cores)
    assert max(core.usage.output_axons for core in tight.cores) <= worst // 2
    assert "output_axons" in {core.bound_by for core in tight.cores}


def test_populations_share_a_core_and_the_readout_is_placed_too():
    placement = place(lsnn(220, 26), load_chip("loihi2"))
    assert [s.population for s in placement.cores[0].slices] == ["regular", "adaptive", READOUT]


def test_full_connectivity_is_stored_densely():
    rng = np.random.default_rng(0)
    network = QuantizedNetwork(
        n_inputs=100, populations=(population("pop", 100), li(READOUT, [200])),
        projections=(projection(INPUT, "pop", 100, 100, 100, rng),),
    )  # fmt: skip
    (core,) = place(network, load_chip("loihi1")).cores
    assert core.dense == {"input->pop"}
    assert core.usage.synapse_words == 100 * 14  # 10 + 64 * 8 bits, then 10 + 36 * 8
    assert [asdict(core.usage)] == counted_usage(network, place(network, load_chip("loihi1")))


@pytest.mark.parametrize("size", [63, 64, 65, 66])
def test_the_index_is_just_wide_enough_for_the_last_compartment(size):
    rng = np.random.default_rng(size)
    network = QuantizedNetwork(
        n_inputs=100, populations=(population("pop", size), li(READOUT, [200])),
        projections=(projection(INPUT, "pop", 100, size, 20, rng),),
    )  # fmt: skip
    placement = place(network, load_chip("loihi1"))
    assert [asdict(core.usage) for core in placement.cores] == counted_usage(network, placement)


def test_fewer_bits_and_no_delays_take_fewer_cores():
    chip = chip_with(synapse_words=1000)
    found = {a.change: a.cores for a in find_alternatives(lsnn(400, 60, delays=15), chip)}
    assert found["4-bit weights"] < found["6-bit weights"] <= found["as it is"]
    assert found["no delays"] < found["as it is"]
    assert found["as it is"] == len(place(lsnn(400, 60, delays=15), chip).cores)


def test_mixed_signs_take_fewer_formats():
    for seed in range(50):
        network = random_network(seed)
        found = {
            a.change: a.cores for a in find_alternatives(network, chip_with(synapse_formats=3))
        }
        mixed = found.get("mixed signs, one format a projection")
        if found["as it is"] is None and mixed is not None:
            return
    pytest.fail("no network was saved by merging its projections")
