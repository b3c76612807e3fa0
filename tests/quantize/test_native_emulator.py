"""The integer model on the native kernel against the readable one: the very same integers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_lsnns import FORMS
from random_networks import random_inputs, random_network

from lsnn_neuro import kernel
from quantize.emulator import emulate, emulate_reference, trace_reference
from quantize.native_emulator import emulate_on_kernel, runs_on_kernel, trace_on_kernel
from quantize.network import Population, Projection, QuantizedNetwork, Readout

pytestmark = pytest.mark.skipif(not kernel.available(), reason="native kernel not built")

N_STEPS = 25
seeds = st.integers(0, 2**32)


def assert_equal(found, expected):
    (trains, readout), (reference, reference_readout) = found, expected
    np.testing.assert_array_equal(readout, reference_readout)
    for a, b in zip(trains, reference, strict=True):
        assert a.name == b.name
        np.testing.assert_array_equal(a.spikes, b.spikes)


forms = st.sampled_from([("threshold",), ("current",), ("atrlif",), (*FORMS,)])


@settings(max_examples=120, deadline=None)
@given(seed=seeds, forms=forms, n_samples=st.sampled_from([1, 17, 33]))
def test_the_kernel_computes_the_reference(seed, forms, n_samples):
    network = random_network(seed, forms)
    assume(runs_on_kernel(network))
    inputs = random_inputs(seed, network, n_steps=N_STEPS, n_samples=n_samples)
    assert_equal(
        emulate_on_kernel(network, inputs, spikes=True), emulate_reference(network, inputs)
    )


@settings(max_examples=80, deadline=None)
@given(seed=seeds, forms=forms, quiet=st.sampled_from([0, 20]))
def test_the_kernel_records_the_states_of_the_reference(seed, forms, quiet):
    network = random_network(seed, forms)
    assume(runs_on_kernel(network))
    inputs = random_inputs(seed, network, n_steps=N_STEPS + quiet, n_samples=1)[:, 0]
    inputs[:quiet] = False
    steps = zip(trace_on_kernel(network, inputs), trace_reference(network, inputs), strict=True)
    for t, (found, expected) in enumerate(steps):
        for a, b in zip(found, expected, strict=True):
            assert a.name == b.name
            for field in ("v", "a", "r", "z"):
                np.testing.assert_array_equal(getattr(a, field), getattr(b, field), f"{t} {field}")


@settings(max_examples=40, deadline=None)
@given(seed=seeds)
def test_whatever_the_network_emulate_gives_the_reference(seed):
    network = random_network(seed)
    inputs = random_inputs(seed, network, n_steps=N_STEPS, n_samples=2)
    record = emulate(network, inputs)
    assert_equal((record.spikes, record.readout), emulate_reference(network, inputs))


def test_the_random_networks_are_what_the_kernel_must_master():
    everything = [random_network(seed, (*FORMS,)) for seed in range(200)]
    networks = [n for n in everything if runs_on_kernel(n)]
    assert any(len({(p.neuron, p.adaptation) for p in n.populations}) == 3 for n in networks)
    assert len(networks) > 60
    assert {len(n.populations) for n in networks} == {1, 2, 3}
    assert any({p.reset for p in n.populations} == {"zero", "subtract"} for n in networks)
    assert any(len({p.n_ref for p in n.populations}) > 1 for n in networks)
    assert max(p.max_delay for n in networks for p in n.projections) == 10


def test_only_the_readout_if_nobody_asks_for_spikes():
    network = next(n for n in map(random_network, range(99)) if runs_on_kernel(n))
    inputs = random_inputs(0, network, n_steps=N_STEPS, n_samples=18)
    record = emulate(network, inputs, spikes=False)
    assert record.spikes == ()
    np.testing.assert_array_equal(record.readout, emulate_reference(network, inputs)[1])


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_negative_exponents_fall_back_to_the_reference(seed):
    network = random_network(seed)
    negative = any(p.weight_exp < 0 for p in network.projections)
    assume(negative)
    assert not runs_on_kernel(network)


def wide(n_inputs):
    """So many inputs of the largest weight onto one neuron, and its spikes to the readout."""
    index, zero = np.arange(n_inputs), np.zeros(n_inputs, int)
    into = Projection(
        name="in", source="input", target="pop", n_source=n_inputs, n_target=1, source_index=index,
        target_index=zero, weight_mant=np.full(n_inputs, -255), delay=zero, weight_exp=7,
        sign_mode="inhibitory",
    )  # fmt: skip
    out = Projection(
        name="out", source="pop", target="readout", n_source=1, n_target=1, source_index=[0],
        target_index=[0], weight_mant=[254], delay=[0], weight_exp=0, sign_mode="mixed",
    )  # fmt: skip
    return QuantizedNetwork(
        n_inputs=n_inputs,
        populations=(
            Population(name="pop", decay_v=[0], decay_a=[0], step_a=[0], vth_mant=[1], n_ref=0,
                       reset="zero", scale=1.0),
        ),
        projections=(into, out),
        readout=Readout(decay=[0], bias=[0], scale=1.0),
    )  # fmt: skip


@pytest.mark.parametrize("excitatory", [False, True])
@pytest.mark.parametrize(("n_inputs", "fits"), [(1019, True), (1020, False)])
def test_sums_that_could_leave_32_bits_fall_back_to_the_reference(n_inputs, fits, excitatory):
    network = wide(n_inputs)
    if excitatory:
        into = network.projections[0]
        into = replace(into, weight_mant=-into.weight_mant, sign_mode="excitatory")
        network = replace(network, projections=(into, network.projections[1]))
    assert runs_on_kernel(network) == fits
    inputs = np.ones((4, 2, n_inputs), bool)
    record = emulate(network, inputs)
    assert record.n_spikes == 8 * excitatory
    assert_equal((record.spikes, record.readout), emulate_reference(network, inputs))


def test_switched_off_the_reference_does_the_work(monkeypatch):
    network = next(n for n in map(random_network, range(99)) if runs_on_kernel(n))
    inputs = random_inputs(0, network, n_steps=N_STEPS, n_samples=3)
    with_kernel = emulate(network, inputs)
    monkeypatch.setenv(kernel.SWITCH, "off")
    assert not runs_on_kernel(network)
    without = emulate(network, inputs)
    assert_equal((with_kernel.spikes, with_kernel.readout), (without.spikes, without.readout))


def test_populations_of_different_reset_and_refractory_time_run_side_by_side():
    found = set()
    for seed in range(300):
        network = random_network(seed)
        kinds = {(p.reset, p.n_ref) for p in network.populations}
        if len({reset for reset, _ in kinds}) < 2 or not runs_on_kernel(network):
            continue
        inputs = random_inputs(seed, network, n_steps=N_STEPS, n_samples=17)
        assert_equal(
            emulate_on_kernel(network, inputs, spikes=True), emulate_reference(network, inputs)
        )
        found |= kinds
        if len(found) > 8:
            break
    assert len(found) > 8
