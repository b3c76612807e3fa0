"""The emulator against Lava: zero mismatched spikes, equal readout integers, equal states."""

import itertools
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from on_lava import (
    N_STEPS,
    check,
    emulated,
    lava,
    mismatches,
    refused,
    side_by_side,
    synapses,
)
from random_graphs import random_bias, random_constants, random_graph
from random_networks import (
    EXTREME_EVERY,
    li,
    neurons,
    random_inputs,
    random_network,
)
from random_specs import random_spec

from deploy.lava.neurons.neuron import lava_neurons
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.graph import INPUT
from lsnn_neuro.registry import NEURONS
from quantize.conversion import convert
from quantize.emulator import trace_reference
from quantize.loihi import STATE_MAX
from quantize.network import QuantizedNetwork, QuantizedPopulation, QuantizedProjection

# --- every neuron with everything it can be ------------------------------------------------------------


def variants(kind, size=6):
    """A population of each reset and comparison, with and without a current; biases of some neurons."""
    rng = np.random.default_rng(len(kind))
    choices = itertools.product(
        ("subtract", "subtract_constant", "to", "hold"), (False, True), (False, True)
    )
    for reset, at_threshold, current in choices:
        constants = random_constants(rng, kind, size, drive=400, extreme=False)
        n_ref = np.array([0, 0, 1, 2, 5, 63])
        yield QuantizedPopulation(
            name=f"{reset} {'at' if at_threshold else 'above'} {'current' if current else 'none'}",
            neuron=NEURONS[kind], scale=1.0,
            constants=replace(constants, reset=reset, at_threshold=at_threshold, n_ref=n_ref),
            decay_i=rng.integers(200, 4097, size) if current else None,
            bias=random_bias(rng, size) // 64 * (rng.random(size) < 0.5),
        )  # fmt: skip


@pytest.mark.parametrize("kind", ["lif", "if", "alif", "ahp"])
def test_a_neuron_with_every_reset_comparison_current_and_bias_is_equal_on_lava(kind):
    network = side_by_side(np.random.default_rng(0), list(variants(kind)))
    assert len(network.populations) == 16
    reference, record = check(network, 1, lif="own")
    assert record.target == f"loihi-sim (event synapses, {'LIF' if kind == 'if' else kind.upper()})"
    assert all(p.spikes.any() for p in reference.spikes)
    assert any(not p.spikes.all(axis=0).any() for p in reference.spikes)


def test_readouts_with_current_bias_delays_and_inputs_of_their_own_are_equal_on_lava():
    rng = np.random.default_rng(3)
    pop = neurons("lif", decay_v=[200] * 4, vth=64 * 300)
    readouts = [
        li("plain", [0, 60, 4096]),
        li("current", [10, 300], decay_i=[0, 700]),
        li("biased", [100, 4096], bias=[-300, 4095 << 7]),
        li("both", [100, 0], decay_i=[4096, 40], bias=[7, -9]),
        li("without targets", [1]),
    ]
    projections = [synapses(rng, INPUT, "pop", 5, 4), synapses(rng, "pop", "pop", 4, 4)]
    for p in readouts[:-1]:
        if p.name != "plain":
            projections.append(synapses(rng, INPUT, p.name, 5, p.size, delay=0, exponent=-2))
        projections.append(synapses(rng, "pop", p.name, 4, p.size, delay=62))
    late = synapses(rng, INPUT, "plain", 5, 3, delay=61)
    network = QuantizedNetwork(
        n_inputs=5, populations=(*readouts[:2], pop, *readouts[2:]),
        projections=(*projections, late), outputs=("both", "plain", "pop", "biased", "current"),
    )  # fmt: skip
    for options in ({"synapses": "event"}, {"synapses": "stock"}, {"model": "fused"}):
        inputs = random_inputs(2, network, n_steps=70, n_samples=1)
        reference, record = emulated(network, inputs), lava(**options).run(network, inputs)
        assert reference.readout.shape[2] == 13
        assert mismatches(reference, record) == (0, 0)


def test_an_input_that_arrives_too_late_at_a_readout_is_refused_by_name():
    rng = np.random.default_rng(0)
    far = synapses(rng, INPUT, "readout", 3, 2, delay=0, name="far")
    far = replace(far, delay=np.full(far.n_synapses, 62))
    network = QuantizedNetwork(n_inputs=3, populations=(li("readout", [7, 8]),), projections=(far,))
    said = (
        "projection 'far': has a delay of 62, from inputs straight to a readout Lava takes up to 61"
    )
    assert said in refused(network)
    check(network, 0, model="fused")
    check(
        replace(network, projections=(replace(far, delay=far.delay - 1),)), 0
    )  # nothing spikes here


def test_spiking_outputs_are_recorded_where_the_network_names_them():
    rng = np.random.default_rng(5)
    populations = [
        neurons("lif", n, decay_v=[300] * k, vth=64 * 500) for n, k in (("a", 3), ("b", 2))
    ]
    network = side_by_side(rng, populations, outputs=("b", "a"))
    reference, _ = check(network, 0)
    assert reference.readout.any()
    _, b = reference.spikes
    np.testing.assert_array_equal(reference.readout[..., :2], b.spikes)
    check(network, 0, model="fused")


@pytest.mark.parametrize("kind", ["lif", "if", "alif", "ahp"])
def test_what_acts_without_input_starts_with_the_first_step(kind):
    """A bias above the threshold, and a threshold that is reached at rest."""
    pushed = neurons(kind, "pushed", vth=64 * np.arange(3), bias=[64, 65, 4095 << 7])
    at_rest = neurons(kind, "at rest", vth=[0, 64], at_threshold=True, n_ref=[2, 0])
    network = side_by_side(np.random.default_rng(0), [pushed, at_rest])
    network = replace(network, projections=network.projections[:1])
    reference, _ = check(network, 0, lif="own")
    assert reference.spikes[0].spikes[0, 0].tolist() == [True, True, True]
    assert reference.spikes[1].spikes[:4, 0, 0].tolist() == [True, False, False, True]


def test_exactly_at_the_threshold_a_neuron_does_on_lava_what_it_says():
    populations = [
        neurons(kind, f"{kind} {at}", vth=[640], at_threshold=at, reset="to")
        for kind in ("lif", "if", "alif", "ahp") for at in (False, True)
    ]  # fmt: skip
    populations.append(neurons("resetting-li", "readout", vth=[640]))
    weight = np.array([[10]])
    network = QuantizedNetwork(
        n_inputs=1, populations=tuple(populations), outputs=("readout",),
        projections=tuple(
            QuantizedProjection.of_matrix(p.name, INPUT, p.name, weight, 0 * weight, 0, "excitatory")
            for p in populations
        ),
    )  # fmt: skip
    inputs = np.ones((2, 1, 1), bool)
    record = lava(lif="own").run(network, inputs)
    assert [p.spikes[:, 0, 0].tolist() for p in record.spikes] == [[False, True], [True, True]] * 4
    assert record.readout[:, 0, 0].tolist() == [640, 0]
    assert mismatches(emulated(network, inputs), record) == (0, 0)


# --- random networks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [2, 8, 30, 36])
def test_random_graphs_are_equal_on_lava(seed):
    reference, _ = check(random_graph(seed), seed)
    assert reference.n_spikes > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 220))
def test_many_random_graphs_are_equal_on_lava(seed):
    network = random_graph(seed)
    why = refused(network)
    if why:
        assert "stock ATRLIF" in why or "delay of 62" in why
        return
    check(network, seed, synapses="stock" if seed % 10 == 0 else "event")


FLOAT_GRAPHS = range(175)
"""Seeds of random float graphs. Lava takes at least 100; the others have ATRLIF neurons that differ."""


@pytest.mark.slow
@pytest.mark.parametrize("seed", FLOAT_GRAPHS)
def test_random_float_graphs_once_quantized_are_equal_on_lava(seed):
    network, _ = convert(random_spec(seed))
    why = refused(network)
    if why:
        assert "stock ATRLIF" in why or "delay of 62" in why
        return
    check(network, seed)


@pytest.mark.slow
def test_lava_takes_at_least_a_hundred_of_the_random_float_graphs():
    taken = [seed for seed in FLOAT_GRAPHS if not refused(convert(random_spec(seed))[0])]
    assert len(taken) >= 100


FORMS = [("threshold",), ("current",), ("atrlif",), ("lif", "threshold", "current", "atrlif")]


@pytest.mark.parametrize(
    ("seed", "forms"),
    list(zip([10, 0, 1, 15], FORMS, strict=True)),
    ids=["alif", "ahp", "atrlif", "all"],
)
def test_random_networks_of_lavas_neurons_are_equal_on_lava(seed, forms):
    reference, _ = check(random_network(seed, forms), seed)
    assert reference.n_spikes > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("forms", FORMS, ids=" ".join)
def test_many_random_networks_of_lavas_neurons_are_equal_on_lava(seed, forms):
    network = random_network(seed, forms)
    why = refused(network)
    if why:
        assert "can't run on Lava's stock ATRLIF" in why
        return
    check(network, seed, synapses="stock" if seed % 10 == 0 else "event")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
def test_many_random_lif_networks_are_equal_on_lavas_own_lif(seed):
    network = random_network(seed, ("lif",))
    why = refused(network, lif="stock")
    if why:
        assert "can't run on Lava's stock LIF" in why
        return
    check(network, seed, lif="stock")


def test_most_random_networks_suit_lavas_own_neurons():
    def share(form, **options):
        return np.mean(
            [not refused(random_network(seed, (form,)), **options) for seed in range(60)]
        )

    assert share("lif", lif="stock") > 0.6
    assert share("atrlif") > 0.6


def test_random_networks_reach_the_limits_they_are_meant_to_reach():
    def largest_state(seed):
        network = random_network(seed)
        inputs = random_inputs(seed, network, n_steps=N_STEPS, n_samples=1)[:, 0]
        return max(abs(p["v"]).max() for states in trace_reference(network, inputs) for p in states)

    extreme = [largest_state(seed) for seed in range(EXTREME_EVERY - 1, 30, EXTREME_EVERY)]
    assert STATE_MAX in extreme
    graphs = [random_graph(seed) for seed in range(100, 220)]
    projections = [p for graph in graphs for p in graph.projections]
    assert {p.weight_exp for p in projections} == set(range(-8, 8))
    assert {p.reach for p in projections} >= {0, 3, 61, 62}
    assert {p.sign_mode for p in projections} == {"excitatory", "inhibitory", "mixed"}


@pytest.mark.parametrize("seed", [6, 9, 35])
def test_event_driven_synapses_equal_lavas_own(seed):
    network = random_network(seed)
    assert any(p.reach for p in network.projections)
    inputs = random_inputs(seed, network, n_steps=N_STEPS, n_samples=2)
    stock, event = (lava(synapses=kind).run(network, inputs) for kind in ("stock", "event"))
    assert stock.target != event.target
    assert stock.n_spikes > 0
    assert mismatches(stock, event) == (0, 0)


# --- how it is run -------------------------------------------------------------------------------------


def test_every_population_runs_on_the_first_process_that_can():
    kinds = {
        "stock": neurons("lif", "stock", vth=[64], reset="to"),
        "stock if": neurons("if", "stock if", vth=[64], reset="to"),
        "own": neurons("lif", "own", vth=[64], n_ref=1, reset="to"),
        "own if": neurons("if", "own if", vth=[64]),
        "alif": neurons("alif", "alif", vth=[64]),
        "ahp": neurons("ahp", "ahp", vth=[64]),
        "atrlif": neurons("atrlif", "atrlif", vth=[64], decay_i=[7], at_threshold=True),
    }
    readout = li("readout", [7])
    network = QuantizedNetwork(
        n_inputs=1, populations=(*kinds.values(), readout, li("unread", [7])), projections=(),
        outputs=("readout",),
    )  # fmt: skip
    chosen = {name: lava.label for name, lava in lava_neurons(network, "auto").items()}
    assert chosen == {
        "stock": "stock LIF", "stock if": "stock LIF", "own": "LIF", "own if": "LIF", "alif": "ALIF",
        "ahp": "AHP", "atrlif": "stock ATRLIF", "readout": "LI",
    }  # fmt: skip
    own = {name: lava.label for name, lava in lava_neurons(network, "own").items()}
    assert own == chosen | {"stock": "LIF", "stock if": "LIF"}
    with pytest.raises(
        NetworkError, match="population 'own' can't run on Lava's stock LIF: its n_ref"
    ):
        lava_neurons(network, "stock")


def test_samples_beyond_what_runs_in_parallel_run_in_further_batches_from_rest():
    network = random_network(0)
    inputs = random_inputs(0, network, n_steps=N_STEPS, n_samples=5)
    record = lava(parallel_samples=2).run(network, inputs)
    assert mismatches(emulated(network, inputs), record) == (0, 0)


def test_population_and_readout_without_any_synapse_still_run():
    whole = random_network(13)
    island = whole.spiking[0].name
    network = replace(
        whole, projections=tuple(p for p in whole.projections if island not in (p.source, p.target))
    )
    cut_off = replace(whole, projections=())
    inputs = random_inputs(13, whole, n_steps=10, n_samples=2)
    for case in (network, cut_off):
        assert mismatches(emulated(case, inputs), lava().run(case, inputs)) == (0, 0)


def test_states_at_a_step_are_the_emulators():
    rng = np.random.default_rng(1)
    constants = {k: random_constants(rng, k, 3, drive=400, extreme=False) for k in ("ahp", "alif")}
    populations = [
        neurons("lif", "stock", decay_v=[300] * 3, vth=[64 * 200] * 3, reset="to"),
        neurons("lif", "own", decay_v=[3, 400, 70], vth=[64 * 200] * 3, n_ref=[1, 2, 3]),
        neurons("if", "if", vth=[64 * 200] * 3, n_ref=4),
        *(QuantizedPopulation(name=k, neuron=NEURONS[k], constants=c, scale=1.0)
          for k, c in constants.items()),
        neurons("atrlif", "atrlif", decay_v=[90] * 3, decay_a=[70] * 3, decay_r=[500] * 3,
                step_a=[128] * 3, vth=[64 * 100] * 3, decay_i=[700] * 3, at_threshold=True),
    ]  # fmt: skip
    network = side_by_side(rng, populations, delay=0, exponent=3)
    inputs = random_inputs(10, network, n_steps=20, n_samples=1)[:, 0]
    for options, step in (({}, 0), ({}, 17), ({"model": "fused"}, 17)):
        expected = next(islice(trace_reference(network, inputs), step, None))
        states = lava(**options).states(network, inputs, step)
        assert any(state["v"].any() for state in states)
        for reference, other in zip(expected, states, strict=True):
            assert (reference.name, reference.names) == (other.name, other.names)
            for name in reference.names:
                np.testing.assert_array_equal(
                    reference[name], other[name], f"{reference.name} {name}"
                )
