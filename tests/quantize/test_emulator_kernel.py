"""The integer model on the native kernel against the loop: the very same integers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import random_graph
from random_networks import li, neurons, random_events, random_inputs

import deploy
from lsnn_neuro.network import kernel
from lsnn_neuro.network.dynamics import at_rest
from lsnn_neuro.registry import NEURONS
from quantize.emulator import emulate, emulate_reference, trace_reference
from quantize.emulator_kernel import KernelEmulator, kernel_obstacle
from quantize.network import QuantizedNetwork, QuantizedProjection

pytestmark = pytest.mark.skipif(not kernel.available(), reason="native kernel not built")

N_STEPS = 25
TRAINED = Path(__file__).parents[1] / "frozen" / "checkpoints" / "delayed-xor.safetensors"
seeds = st.integers(0, 2**32)


def assert_equal(found, expected):
    (trains, readout), (reference, reference_readout) = found, expected
    np.testing.assert_array_equal(readout, reference_readout)
    for a, b in zip(trains, reference, strict=True):
        assert a.name == b.name
        np.testing.assert_array_equal(a.spikes, b.spikes)


def on_kernel(network, inputs):
    return KernelEmulator(network).run(inputs, spikes=True)


@settings(max_examples=120, deadline=None)
@given(seed=seeds, n_samples=st.sampled_from([1, 17, 33]))
def test_the_kernel_computes_the_reference(seed, n_samples):
    network = random_graph(seed, fast=True)
    assert kernel_obstacle(network) is None
    inputs = random_inputs(seed, network, n_steps=N_STEPS, n_samples=n_samples)
    assert_equal(on_kernel(network, inputs), emulate_reference(network, inputs))


@settings(max_examples=80, deadline=None)
@given(seed=seeds, quiet=st.sampled_from([0, 20]))
def test_the_kernel_records_the_states_of_the_reference(seed, quiet):
    network = random_graph(seed, fast=True)
    inputs = random_inputs(seed, network, n_steps=N_STEPS + quiet, n_samples=1)[:, 0]
    inputs[:quiet] = False
    found = KernelEmulator(network).trace(inputs)
    for t, (one, two) in enumerate(zip(found, trace_reference(network, inputs), strict=True)):
        for a, b in zip(one, two, strict=True):
            assert (a.name, a.names) == (b.name, b.names)
            for variable in b.names:
                np.testing.assert_array_equal(a[variable], b[variable], f"{t} {variable}")


def test_one_sample_of_more_neurons_than_are_computed_at_once():
    """Sixteen are; a network that was trained has 40 and 40."""
    network = deploy.load(TRAINED).network
    assert [p.size % 16 for p in network.spiking] == [8, 8]
    inputs = np.random.default_rng(0).random((80, network.n_inputs)) < 0.2
    spiked = {p.name: np.zeros(p.size, bool) for p in network.spiking}
    found = KernelEmulator(network).trace(inputs)
    for one, two in zip(found, trace_reference(network, inputs), strict=True):
        for a, b in zip(one, two, strict=True):
            for variable in b.names:
                np.testing.assert_array_equal(a[variable], b[variable], variable)
            if a.name in spiked:
                spiked[a.name] |= b["z"].reshape(-1) > 0
    assert all(z.reshape(5, 8).any(axis=1).all() for z in spiked.values())


@settings(max_examples=40, deadline=None)
@given(seed=seeds, graded=st.booleans())
def test_whatever_the_network_emulate_gives_the_reference(seed, graded):
    network = random_graph(seed, fast=seed % 2 == 0, graded=graded)
    make = random_events if graded else random_inputs
    inputs = make(seed, network, n_steps=N_STEPS, n_samples=2)
    record = emulate(network, inputs)
    assert_equal((record.spikes, record.readout), emulate_reference(network, inputs))


def test_the_random_networks_are_what_the_kernel_must_master():
    networks = [random_graph(seed, fast=True) for seed in range(200)]
    populations = [p for n in networks for p in n.spiking]
    assert {p.neuron.name for p in populations} == {k for k in NEURONS if NEURONS[k].spiking}
    assert any(len({p.neuron for p in n.spiking}) == 3 for n in networks)
    assert {len(n.spiking) for n in networks} == {1, 2, 3}
    assert {len(n.readouts) for n in networks} == {1, 2}
    resets = [{getattr(p.constants, "reset", None) for p in n.spiking} for n in networks]
    assert any({"to", "subtract"} <= r for r in resets)
    assert sum("hold" in r for r in resets) >= 50
    steps = [p.constants.n_ref for p in populations if hasattr(p.constants, "n_ref")]
    assert any(np.ptp(n_ref) > 0 for n_ref in steps)
    assert max(n_ref.max() for n_ref in steps) > 50
    assert max(q.reach for n in networks for q in n.projections) == 62
    assert any(p.spiking for n in networks for p in n.output_populations)
    assert any(q.name.endswith("autapses") for n in networks for q in n.projections)


def test_only_the_readout_if_no_spikes_are_asked_for():
    network = random_graph(0, fast=True)
    inputs = random_inputs(0, network, n_steps=N_STEPS, n_samples=18)
    record = emulate(network, inputs, spikes=False)
    assert record.spikes == ()
    np.testing.assert_array_equal(record.readout, emulate_reference(network, inputs)[1])


def one_of_each(**fields):
    """One LIF neuron between an input and a readout; ``fields`` are the neuron's."""
    into, out = (
        QuantizedProjection.of_matrix(
            f"{source}->{target}", source, target, np.array([[100]]), np.array([[0]]), 0,
            "excitatory",
        )
        for source, target in (("input", "pop"), ("pop", "readout"))
    )  # fmt: skip
    return QuantizedNetwork(
        n_inputs=1, populations=(neurons("lif", **{"vth": [64]} | fields), li("readout", [9])),
        projections=(into, out),
    )  # fmt: skip


def changed(network, index, **fields):
    """The network with a field of a projection replaced."""
    projections = list(network.projections)
    projections[index] = replace(projections[index], **fields)
    return replace(network, projections=tuple(projections))


def input_onto_readout(network):
    """The network with its input onto the readout."""
    more = replace(network.projections[0], name="more", target="readout")
    return replace(network, projections=(*network.projections, more))


FEATURES = {
    "at the threshold": lambda: one_of_each(at_threshold=True),
    "a constant": lambda: one_of_each(reset="subtract_constant", reset_by=70),
    "reset to a value": lambda: one_of_each(reset="to", reset_to=-5),
    "a held reset": lambda: one_of_each(reset="hold", reset_to=-5, n_ref=2),
    "a bias": lambda: one_of_each(bias=12),
    "a synaptic current": lambda: one_of_each(decay_i=4096),
    "a delay onto a readout": lambda: changed(one_of_each(), 1, delay=[1]),
    "an input onto a readout": lambda: input_onto_readout(one_of_each()),
}
OBSTACLES = {
    "negative exponent": lambda: changed(one_of_each(), 0, weight_exp=-1),
    "current can wrap more than once": lambda: wide(9, decay_i=100),
}


@pytest.mark.parametrize("feature", FEATURES)
def test_the_kernel_masters_each_feature_alone(feature):
    network = FEATURES[feature]()
    inputs = random_inputs(1, network, n_steps=20, n_samples=3)
    assert kernel_obstacle(network) is None
    assert_equal(on_kernel(network, inputs), emulate_reference(network, inputs))


@pytest.mark.parametrize("words", OBSTACLES)
def test_what_the_kernel_can_not_do_runs_on_the_loop_and_is_named(words):
    network = OBSTACLES[words]()
    assert words in kernel_obstacle(network)
    inputs = random_inputs(1, network, n_steps=20, n_samples=3)
    record = emulate(network, inputs)
    assert_equal((record.spikes, record.readout), emulate_reference(network, inputs))
    assert kernel_obstacle(one_of_each()) is None


def wide(n_inputs, **fields):
    """So many inputs of the largest weight onto one neuron, and its spikes to the readout."""
    index, zero = np.arange(n_inputs), np.zeros(n_inputs, int)
    into = QuantizedProjection(
        name="in", source="input", target="pop", n_source=n_inputs, n_target=1, source_index=index,
        target_index=zero, weight_mant=np.full(n_inputs, -255), delay=zero, weight_exp=7,
        sign_mode="inhibitory",
    )  # fmt: skip
    return replace(one_of_each(reset="to", **fields), n_inputs=n_inputs,
                   projections=(into, one_of_each().projections[1]))  # fmt: skip


@pytest.mark.parametrize("excitatory", [False, True])
@pytest.mark.parametrize(("n_inputs", "fits"), [(1019, True), (1020, False)])
def test_sums_that_could_leave_32_bits_fall_back_to_the_reference(n_inputs, fits, excitatory):
    network = wide(n_inputs)
    if excitatory:
        into = network.projections[0]
        network = changed(network, 0, weight_mant=-into.weight_mant, sign_mode="excitatory")
    assert (kernel_obstacle(network) is None) == fits
    inputs = np.ones((4, 2, n_inputs), bool)
    record = emulate(network, inputs)
    assert record.n_spikes == 8 * excitatory
    assert_equal((record.spikes, record.readout), emulate_reference(network, inputs))


def test_a_current_wraps_at_the_ends_of_24_bits_and_nowhere_else():
    half = 2**23
    into = replace(one_of_each().projections[0], name="in", target="readout", weight_mant=[1])
    readout = li("readout", [4096], decay_i=[0])
    network = QuantizedNetwork(n_inputs=1, populations=(readout,), projections=(into,))
    sums = np.array([half - 1, half, half + 1, -half + 1, -half, -half - 1])
    events = np.sign(sums).astype(np.int8)[None, :, None]
    rest = at_rest(network, lambda n: np.zeros((len(sums), n), np.int64))
    start = replace(rest, currents={"readout": (sums - 64 * np.sign(sums))[:, None]})
    expected = [half - 1, half - 1, 1 - half, 1 - half, half - 1, half - 1]  # cut off when read
    _, found = KernelEmulator(network).run(events, spikes=True, start=start)
    assert found[0, :, 0].tolist() == expected
    assert emulate_reference(network, events, start)[1][0, :, 0].tolist() == expected


def test_a_bias_acts_before_the_first_input():
    network = one_of_each(bias=12)
    inputs = np.zeros((40, 3, 1), bool)
    inputs[35:, 1] = True
    reference = emulate_reference(network, inputs)
    assert reference[0][0].spikes[:16].any()
    assert_equal(on_kernel(network, inputs), reference)


def test_switched_off_the_reference_does_the_work(monkeypatch):
    network = random_graph(0, fast=True)
    inputs = random_inputs(0, network, n_steps=N_STEPS, n_samples=3)
    with_kernel = emulate(network, inputs)
    monkeypatch.setenv(kernel.SWITCH, "off")
    assert "switched off" in kernel_obstacle(network)
    without = emulate(network, inputs)
    assert_equal((with_kernel.spikes, with_kernel.readout), (without.spikes, without.readout))
