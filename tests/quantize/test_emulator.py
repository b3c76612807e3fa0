"""The emulator against the whole integer model in plain Python integers, and against numbers by hand."""

from collections import Counter

import integer_oracle
import numpy as np
import pytest
from random_graphs import random_graph
from random_networks import FORMS, random_events, random_inputs, random_network

from lsnn_neuro.errors import NetworkError
from lsnn_neuro.registry import NEURONS
from quantize.emulator import Emulator, emulate, emulate_reference, trace

SEEDS = range(30)
GRAPHS = range(100)
STATE_MAX = 2**23 - 1


def assert_follows_the_oracle(network, inputs):
    """Spikes, readout, all states and all synaptic currents of every step and sample."""
    n_steps, n_samples, _ = inputs.shape
    expected = [integer_oracle.run(network, inputs[:, s].tolist()) for s in range(n_samples)]
    emulator = Emulator(network, n_samples)
    for t in range(n_steps):
        emulator.step(inputs[t])
        for s, run in enumerate(expected):
            assert emulator.readout[s].tolist() == run.readout[t]
            for p in network.populations:
                state = emulator.state.populations[p.name]
                for name in p.neuron.states:
                    found = getattr(state, name)[s].tolist()
                    assert found == [cell[name] for cell in run.states[p.name][t]], (
                        p.name,
                        t,
                        name,
                    )
                if p.decay_i is not None:
                    assert emulator.state.currents[p.name][s].tolist() == run.currents[p.name][t]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("forms", [("threshold",), ("current", "atrlif")], ids=" ".join)
def test_networks_that_lava_runs_equal_the_oracle(seed, forms):
    network = random_network(seed, forms)
    assert_follows_the_oracle(network, random_inputs(seed, network, n_steps=15, n_samples=2))


@pytest.mark.parametrize("seed", GRAPHS)
def test_graphs_of_anything_equal_the_oracle(seed):
    network = random_graph(seed)
    assert_follows_the_oracle(network, random_inputs(seed, network, n_steps=15, n_samples=1))


@pytest.mark.parametrize("seed", GRAPHS[:40])
def test_graded_inputs_equal_the_oracle(seed):
    network = random_graph(seed, graded=True)
    events = random_events(seed, network, n_steps=12, n_samples=1)
    assert_follows_the_oracle(network, events)


@pytest.mark.parametrize("seed", GRAPHS[:40])
def test_spikes_and_readout_of_a_record_equal_the_oracle(seed):
    network = random_graph(seed, graded=True)
    events = random_events(seed, network, n_steps=12, n_samples=2)
    record = emulate(network, events)
    for sample in range(2):
        run = integer_oracle.run(network, events[:, sample].tolist())
        assert record.readout[:, sample].tolist() == run.readout
        for p in record.spikes:
            assert p.spikes[:, sample].tolist() == run.spikes[p.name]


def test_the_random_graphs_hold_what_a_network_may_hold():
    networks = [random_graph(seed) for seed in GRAPHS]
    populations = [p for n in networks for p in n.populations]
    constants = [(p, p.constants) for p in populations]
    assert {p.neuron.name for p in populations} == set(NEURONS)
    for kind in NEURONS:
        here = [p for p in populations if p.neuron.name == kind]
        for name, role in NEURONS[kind].Constants.roles().items():
            values = [getattr(p.constants, name) for p in here]
            if role.is_number:  # of each neuron's own
                assert any(np.ptp(v) > 0 for v in values), (kind, name)
            elif role.kind == "choice":
                assert set(values) == set(role.options), (kind, name)
        assert any(p.bias.any() for p in here), kind
        assert any(p.decay_i is not None for p in here), kind
    assert any(int(np.max(c.n_ref)) > 5 for _, c in constants if hasattr(c, "n_ref"))
    assert {len(n.outputs) for n in networks} >= {1, 2, 3}
    assert any(p.spiking for n in networks for p in n.output_populations)
    into_readouts = [q for n in networks for p in n.readouts for q in n.into(p.name)]
    assert any(q.source == "input" for q in into_readouts)
    assert any(q.reach == 62 for q in into_readouts)
    assert any(q.weight_exp < 0 for n in networks for q in n.projections)
    assert any(q.name.endswith("autapses") for n in networks for q in n.projections)


def test_the_random_graphs_spike_and_saturate():
    """Every neuron does both in some of them."""
    spiked, largest = Counter(), Counter()
    for seed in range(150):
        network = random_graph(seed)
        kinds = {p.name: p.neuron.name for p in network.spiking}
        for step in trace(network, random_inputs(seed, network, n_steps=15, n_samples=1)[:, 0]):
            for state in step:
                kind = kinds[state.name]
                spiked[kind] += int(state["z"].sum())
                largest[kind] = max(largest[kind], abs(state["v"]).max())
    assert set(spiked) == {kind for kind in NEURONS if NEURONS[kind].spiking}
    assert min(spiked.values()) > 200
    assert min(largest.values()) >= STATE_MAX


@pytest.mark.parametrize("form", FORMS)
def test_the_networks_that_lava_runs_spike_and_saturate(form):
    records, largest = [], 0
    for seed in SEEDS:
        network = random_network(seed, (form,))
        inputs = random_inputs(seed, network, n_steps=15, n_samples=1)
        records.append(emulate(network, inputs).n_spikes)
        largest = max(
            largest, *(abs(s["v"]).max() for step in trace(network, inputs[:, 0]) for s in step)
        )
    assert sum(n > 0 for n in records) > len(SEEDS) / 2
    assert largest == STATE_MAX


def test_a_batch_equals_its_samples_one_by_one():
    network = random_graph(7)
    inputs = random_inputs(7, network, n_steps=20, n_samples=5)
    together = emulate(network, inputs)
    for sample in range(5):
        alone = emulate(network, inputs[:, [sample]])
        np.testing.assert_array_equal(together.readout[:, [sample]], alone.readout)
        for a, b in zip(together.spikes, alone.spikes, strict=True):
            np.testing.assert_array_equal(a.spikes[:, [sample]], b.spikes)


def test_the_emulator_stepped_by_hand_equals_the_whole_run():
    network = random_graph(3)
    inputs = random_inputs(3, network, n_steps=10, n_samples=3)
    record, emulator = emulate(network, inputs), Emulator(network, 3)
    for t in range(10):
        emulator.step(inputs[t])
        np.testing.assert_array_equal(emulator.readout, record.readout[t])
        for population in record.spikes:
            np.testing.assert_array_equal(emulator.spikes(population.name), population.spikes[t])


@pytest.mark.parametrize("seed", range(10))
def test_a_run_that_goes_on_from_a_state_is_one_run(seed):
    network = random_graph(seed)
    inputs = random_inputs(seed, network, n_steps=20, n_samples=2)
    emulator = Emulator(network, 2)
    for x in inputs[:9]:
        emulator.step(x)
    whole, rest = emulate(network, inputs), emulate(network, inputs[9:], start=emulator.state)
    np.testing.assert_array_equal(rest.readout, whole.readout[9:])
    for a, b in zip(rest.spikes, whole.spikes, strict=True):
        np.testing.assert_array_equal(a.spikes, b.spikes[9:])


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (np.zeros((5, 1, 3), bool), r"\(5, 1, 3\), expected \(time, sample, 8\)"),
        (np.zeros((5, 2), bool), "expected bool or int8"),
        (np.zeros((5, 1, 2), np.uint8), "type uint8"),
        (np.zeros((5, 1, 2)), "type float64"),
        (np.zeros((0, 1, 8), bool), "no step, sample or input"),
        (np.zeros((5, 0, 8), bool), "no step, sample or input"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(inputs, words):
    with pytest.raises(NetworkError, match=words) as caught:
        emulate(random_graph(0), inputs)
    assert "\n" not in str(caught.value)


def test_a_graph_that_the_loop_runs_gives_the_record_of_the_reference():
    network = random_graph(11)
    inputs = random_inputs(11, network, n_steps=10, n_samples=2)
    record = emulate(network, inputs)
    trains, readout = emulate_reference(network, inputs)
    np.testing.assert_array_equal(record.readout, readout)
    for a, b in zip(record.spikes, trains, strict=True):
        np.testing.assert_array_equal(a.spikes, b.spikes)
