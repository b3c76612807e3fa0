"""Inputs with values from -128 to 127: on Lava, at the limits, step by step, and in an artifact."""

import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from on_lava import N_SAMPLES, emulated, lava, mismatches, refused, side_by_side, synapses
from random_graphs import random_graph
from random_networks import li, neurons, random_events, random_network
from test_lava_start import random_start, startable
from tiny_runs import succeed

from deploy.artifact import load_artifact, write_artifact
from deploy.comparison import compare
from deploy.lava.neurons.neuron import lava_neurons
from deploy.loihi2 import Loihi2
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.graph import INPUT
from quantize.emulator import emulate, trace_reference
from quantize.network import (
    ANY_EVENT,
    Provenance,
    QuantizedNetwork,
    QuantizedProjection,
    value_range,
)

ROOT = Path(__file__).parents[2]
N_STEPS = 80  # beyond the longest delay
MANY = 30
WAYS = [
    {},
    pytest.param({"synapses": "stock"}, marks=pytest.mark.slow),
    pytest.param({"model": "fused"}, marks=pytest.mark.slow),
]


def events(seed, network, n_samples=N_SAMPLES):
    return random_events(seed, network, n_steps=N_STEPS, n_samples=n_samples)


def hangs_on_values(network, inputs):
    """Whether spikes and readouts are others where whatever is sent counts as 1."""
    return all(mismatches(emulated(network, inputs), emulated(network, inputs != 0)))


def equal_on_lava(network, inputs, **options):
    """Run graded inputs on both; the answer must be such that lost values would be noticed."""
    reference, record = emulated(network, inputs), lava(**options).run(network, inputs)
    assert inputs.dtype == np.int8
    assert hangs_on_values(network, inputs)
    assert mismatches(reference, record) == (0, 0)
    return record


# --- random graphs -------------------------------------------------------------------------------------


@cache
def telling(index):
    """Seed of the index-th random graph that Lava can run and whose answer hangs on its input values."""
    seed = telling(index - 1) + 1 if index else 0
    while True:
        network = random_graph(seed, graded=True)
        if not refused(network, ANY_EVENT) and hangs_on_values(network, events(seed, network)):
            return seed
        seed += 1


def graph_is_equal(index, **options):
    network = random_graph(telling(index), graded=True)
    equal_on_lava(network, events(telling(index), network), **options)


@pytest.mark.parametrize(
    ("index", "options"),
    [(0, {}), (1, {"synapses": "stock"}), (2, {"model": "fused"})],
)
def test_a_random_graph_is_equal_on_lava(index, options):
    graph_is_equal(index, **options)


@pytest.mark.slow
@pytest.mark.parametrize("synapses", ["event", "stock"])
@pytest.mark.parametrize("index", range(MANY))
def test_many_random_graphs_are_equal_on_lava(index, synapses):
    graph_is_equal(index, synapses=synapses)


@pytest.mark.slow
@pytest.mark.parametrize("index", range(0, MANY, 3))
def test_many_random_graphs_are_equal_fused(index):
    graph_is_equal(index, model="fused")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
def test_random_networks_of_lavas_own_neurons_are_equal_or_refused(seed):
    network = random_network(seed, ("lif", "atrlif"))
    inputs = events(seed, network)
    if why := refused(network, value_range(inputs)):
        assert beyond_the_current(why) or why == refused(network)
        return
    assert mismatches(emulated(network, inputs), lava().run(network, inputs)) == (0, 0)


@pytest.mark.slow
def test_the_random_graphs_hold_the_whole_of_what_graded_inputs_meet():
    graphs = [random_graph(telling(index), graded=True) for index in range(MANY)]
    into = [q for graph in graphs for q in graph.out_of(INPUT)]
    assert {q.sign_mode for q in into} == {"excitatory", "inhibitory", "mixed"}
    assert min(q.weight_exp for q in into) < -4
    assert max(q.weight_exp for q in into) > 4
    assert {q.reach for q in into} >= {0, 3, 62}
    readouts = {(graph, p.name) for graph in graphs for p in graph.readouts}
    assert any((graph, q.target) in readouts for graph in graphs for q in graph.out_of(INPUT))
    used = {lava.label for g in graphs for lava in lava_neurons(g, "auto", ANY_EVENT).values()}
    assert used >= {"LIF", "ALIF", "AHP", "LI"}


def beyond_the_current(why):
    return "can't run on Lava's stock ATRLIF: its synaptic input can reach" in why


def test_networks_that_values_take_beyond_lavas_currents_are_refused():
    networks = [random_network(seed, ("lif", "atrlif")) for seed in range(30)]
    spikes, graded = ([refused(n, values) for n in networks] for values in ((0, 1), ANY_EVENT))
    assert graded.count("") >= 10
    assert sum(beyond_the_current(b) and not a for a, b in zip(spikes, graded, strict=True)) >= 10
    assert all(b == a or beyond_the_current(b) for a, b in zip(spikes, graded, strict=True))


def test_what_lava_can_not_run_is_said_in_one_line():
    said = [refused(random_graph(seed, graded=True), ANY_EVENT) for seed in range(60)]
    assert said.count("") >= 40
    for why in filter(None, said):
        assert "\n" not in why
        assert why.startswith(("population 'pop", "projection 'input->"))


# --- how it is run -------------------------------------------------------------------------------------


def test_own_stock_and_delayed_connections_carry_values_of_both_signs():
    rng = np.random.default_rng(0)
    fields = {"decay_v": [200] * 4, "vth": [64 * 3000] * 4}
    populations = [
        neurons("lif", "stock", **fields, reset="to"),
        neurons("lif", "own", **fields, n_ref=1),
        neurons("atrlif", "atrlif", **fields, decay_i=[900] * 4, decay_r=[500] * 4, at_threshold=True),
        li("readout", [90] * 3),
    ]  # fmt: skip
    network = side_by_side(
        rng, populations, n_inputs=3, delay=0, exponent=0, outputs=("readout", "own")
    )
    late = synapses(rng, INPUT, "own", 3, 4, delay=62, exponent=-2, name="late")
    direct = synapses(rng, INPUT, "readout", 3, 3, delay=61, exponent=-3, name="late readout")
    network = replace(network, projections=(*network.projections, late, direct))
    inputs = events(0, network)
    for options, kinds in (
        ({}, "event synapses, LIF + stock ATRLIF + stock LIF"),
        ({"synapses": "stock", "lif": "own"}, "stock synapses, LIF + stock ATRLIF"),
    ):
        assert equal_on_lava(network, inputs, **options).target == f"loihi-sim ({kinds})"


def loudest(n):
    """So many inputs of the largest weight onto one neuron."""
    into = QuantizedProjection.of_matrix(
        "in", INPUT, "pop", np.full((1, n), -255), np.zeros((1, n), int), 7, "inhibitory"
    )
    pop = neurons("lif", decay_v=[2000], vth=[64 * 5000])
    return QuantizedNetwork(n_inputs=n, populations=(pop,), projections=(into,), outputs=("pop",))


@pytest.mark.parametrize("options", WAYS)
def test_the_largest_input_that_32_bits_hold_is_equal_on_lava(options):
    network = loudest(8)
    assert network.worst_input("pop", ANY_EVENT) == 8 * 255 * 128 * 128
    inputs = np.zeros((6, 1, 8), np.int8)
    inputs[[0, 2, 3]] = [[[-128]], [[1]], [[127]]]
    record = lava(**options).run(network, inputs)
    assert mismatches(emulated(network, inputs), record) == (0, 0)
    assert record.readout[:, 0, 0].tolist() == [1, 1, 0, 0, 0, 0]


def test_input_values_whose_sum_leaves_32_bits_are_refused_wherever_they_come():
    network = loudest(9)
    inputs = np.full((2, 1, 9), -128, np.int8)
    said = (
        r"'pop': its synaptic input of a step can reach 37601280 with input values from -128 to 1, "
        r"allowed are 33554431.*or smaller values"
    )
    for run in (emulate, lava().run, lava(model="fused").run):
        with pytest.raises(NetworkError, match=said) as caught:
            run(network, inputs)
        assert "\n" not in str(caught.value)
    smaller = inputs // 2 * (inputs < 0)
    assert emulate(network, smaller).n_spikes == emulate(network, inputs != 0).n_spikes + 2


def exactly(weights):
    """Two inputs whose weights are multiples of 4, onto a neuron that Lava's own LIF could be."""
    weight = np.array([weights]) // 4
    into = QuantizedProjection.of_matrix("in", INPUT, "pop", weight, 0 * weight, 2, "inhibitory")
    pop = neurons("lif", decay_v=[300], vth=[64 * 100000], reset="to")
    return QuantizedNetwork(n_inputs=2, populations=(pop,), projections=(into,), outputs=("pop",))


def test_lavas_own_lif_runs_what_its_current_holds_and_ours_the_rest():
    inputs = np.array([[[-128, -128]], [[127, 100]], [[-128, -128]], [[-128, -128]]], np.int8)
    fits, beyond = exactly([-1020, -4]), exactly([-1020, -8])
    assert fits.worst_input("pop", ANY_EVENT) == 2**17
    for network, kind in ((fits, "stock LIF"), (beyond, "LIF")):
        record = lava().run(network, inputs)
        assert record.target == f"loihi-sim (event synapses, {kind})"
        assert mismatches(emulated(network, inputs), record) == (0, 0)
        assert record.readout.any()
    assert lava().run(beyond, inputs != 0).target.endswith("stock LIF)")
    with pytest.raises(
        NetworkError, match=r"stock LIF: its synaptic input can reach 131584.*'own'"
    ):
        lava(lif="stock").run(beyond, inputs)


@pytest.mark.slow
def test_all_batches_of_a_run_have_the_same_processes():
    network = exactly([-1020, -8])
    inputs = np.zeros((4, 3, 2), np.int8)
    inputs[0, 0], inputs[:, 1:] = -128, -100  # only the first sample is beyond Lava's own LIF
    record = lava(parallel_samples=1).run(network, inputs)
    assert record.target == "loihi-sim (event synapses, LIF)"
    assert mismatches(emulated(network, inputs), record) == (0, 0)
    assert record.readout.any()


def test_sums_that_only_a_negative_exponent_makes_small_are_refused_on_lavas_own_synapses():
    n = 2**31 // (255 * 128) + 1
    weight = np.full((1, n), 255)
    into = QuantizedProjection.of_matrix("in", INPUT, "pop", weight, 0 * weight, -8, "excitatory")
    pop = neurons("lif", vth=[64])
    network = QuantizedNetwork(
        n_inputs=n, populations=(pop,), projections=(into,), outputs=("pop",)
    )
    assert refused(network, (-128, 127)) == refused(network, synapses="stock") == ""
    assert refused(network, (-127, 127), synapses="stock") == ""
    assert refused(network, (-128, 127), synapses="stock") == (
        f"projection 'in': its sum of a step can reach {n * 255 * 128} before the exponent, Lava's own "
        "synapses take 2147483647; use synapses='event'"
    )


@pytest.mark.slow
def test_own_processes_start_from_any_state_and_hear_graded_inputs():
    network, rng = startable(), np.random.default_rng(1)
    start, inputs = random_start(rng, network, 3), events(1, network)[:20]
    record = lava(lif="own").run(network, inputs, start)
    assert mismatches(emulated(network, inputs, start), record) == (0, 0)
    assert mismatches(emulated(network, inputs != 0, start), record)[1] > 0


@pytest.mark.parametrize("options", WAYS)
def test_states_at_a_step_are_the_emulators(options):
    network = random_graph(telling(0), graded=True)
    inputs = events(telling(0), network)[:, 0]
    *_, expected = trace_reference(network, inputs[:30])
    *_, without = trace_reference(network, inputs[:30] != 0)
    found = lava(**options).states(network, inputs, 29)
    assert any((a["v"] != b["v"]).any() for a, b in zip(expected, without, strict=True))
    for one, two in zip(expected, found, strict=True):
        for name in one.names:
            np.testing.assert_array_equal(one[name], two[name], f"{one.name} {name}")


# --- step by step --------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", WAYS)
def test_a_session_takes_values_and_spikes(options):
    network = random_graph(telling(1), graded=True)
    inputs = events(telling(1), network, n_samples=2)
    inputs[20:40] = inputs[20:40] != 0
    with lava(**options).session(network, 2, N_STEPS) as session:
        session.step(inputs[:20])
        session.step(inputs[20:40].astype(bool))
        session.step(inputs[40:])
        record = session.record()
    assert mismatches(emulated(network, inputs), record) == (0, 0)
    assert hangs_on_values(network, inputs)


def test_a_session_refuses_values_beyond_the_process_it_began_with():
    network = exactly([-1020, -8])
    with lava().session(network, 1, 5) as session:
        session.step(np.full((1, 1, 2), -100, np.int8))
        said = (
            "'pop': .* began for spikes, and its stock LIF is not exact with input values from -128"
        )
        with pytest.raises(NetworkError, match=said):
            session.step(np.full((1, 1, 2), -128, np.int8))
    with lava(lif="own").session(network, 1, 5) as session:
        session.step(np.full((5, 1, 2), -128, np.int8))
        assert session.record().readout.any()


# --- on a chip -----------------------------------------------------------------------------------------


def test_a_chip_is_refused_graded_inputs_under_a_negative_exponent():
    pop = neurons("lif", vth=[64], reset="to")
    weight = np.array([[2]])
    network = QuantizedNetwork(
        n_inputs=1, populations=(pop,), outputs=("pop",),
        projections=(
            QuantizedProjection.of_matrix("in", INPUT, "pop", weight, 0 * weight, -1, "excitatory"),
        ),
    )  # fmt: skip
    assert Loihi2().model_missing(network) is None
    said = Loihi2().model_missing(network, (0, 2))
    assert said.startswith(
        "graded-exponent: projection 'in', weight_exp under graded inputs has -1"
    )
    beyond = exactly([-1020, -8])
    assert Loihi2().model_missing(beyond) is None
    assert "its synaptic input can reach 131584" in Loihi2().model_missing(beyond, ANY_EVENT)


# --- in an artifact ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    """A network with graded golden samples, for Lava."""
    folder = tmp_path_factory.mktemp("graded") / "artifact"
    network = replace(
        random_graph(telling(2), graded=True), provenance=Provenance(recipe="delayed-xor")
    )
    inputs = events(telling(2), network)
    assert hangs_on_values(network, inputs)
    write_artifact(
        folder, network, target="loihi-sim", inputs=inputs, golden=emulate(network, inputs),
        about={"name": "graded"},
    )  # fmt: skip
    return load_artifact(folder)


def test_golden_values_come_back_and_their_spikes_replay(artifact):
    inputs = events(telling(2), artifact.network)
    assert artifact.inputs.dtype == np.int8
    np.testing.assert_array_equal(artifact.inputs, inputs)
    assert compare(artifact.golden, emulate(artifact.network, artifact.inputs)).exact
    assert not compare(artifact.golden, emulate(artifact.network, artifact.inputs != 0)).exact


def test_parity_of_a_graded_artifact_on_lava(artifact):
    output = succeed("parity", artifact.folder, "--target", "loihi-sim").output
    assert "P2" in output
    assert "golden" in output


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [("run.py",), ("-m", "pytest", "hw_tests", "-q", "--artifact")],
    ids=["script", "hw_tests"],
)
def test_the_artifacts_script_and_the_hardware_tests_pass(artifact, command):
    script = command == ("run.py",)
    done = subprocess.run(
        [sys.executable, str(artifact.folder / "run.py")] if script
        else [sys.executable, *command, str(artifact.folder)],
        capture_output=True, text=True, timeout=280, check=False, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("0 spikes and 0 readout integers differ" if script else "4 passed") in done.stdout
