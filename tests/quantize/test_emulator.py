"""The emulator against the whole integer model in plain Python integers."""

import integer_oracle
import numpy as np
import pytest
from random_networks import random_inputs, random_network

from lsnn_neuro.errors import NetworkError
from quantize.emulator import Emulator, emulate, trace
from quantize.network import Population, Projection, QuantizedNetwork, Readout

SEEDS = range(30)


def network(
    *, weight=0, weight_exp=0, sign_mode="mixed", delay=0, vth=2**17 - 1, decay_v=4096, step_a=0,
    decay_a=0, n_ref=0, reset="zero", out_weight=0, decay_out=4096, recurrent=None, **form,
):  # fmt: skip
    """Two inputs with the same synapse onto one neuron, one output."""
    ends = {"source_index": [0, 1], "target_index": [0, 0], "weight_mant": [weight, weight]}
    links = [
        Projection(
            name="in", source="input", target="pop", n_source=2, n_target=1, delay=[delay, delay],
            weight_exp=weight_exp, sign_mode=sign_mode, **ends,
        ),
        Projection(
            name="out", source="pop", target="readout", n_source=1, n_target=1, delay=[0],
            weight_exp=weight_exp, sign_mode="mixed", source_index=[0], target_index=[0],
            weight_mant=[out_weight],
        ),
    ]  # fmt: skip
    return QuantizedNetwork(
        n_inputs=2,
        populations=(
            Population(
                name="pop", decay_v=[decay_v], decay_a=[decay_a], step_a=[step_a], vth_mant=[vth],
                n_ref=n_ref, reset=reset, scale=1.0,
                **{k: [v] if k.startswith("decay") else v for k, v in form.items()},
            ),
        ),
        projections=tuple(links),
        readout=Readout(decay=[decay_out], bias=[0], scale=1.0),
    )  # fmt: skip


def states(quantized, inputs):
    return [step[0] for step in trace(quantized, np.array(inputs, bool))]


ON, ONE, OFF = [1, 1], [1, 0], [0, 0]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("forms", [("threshold",), ("current", "atrlif")], ids=" ".join)
def test_spikes_and_readout_equal_the_oracle(seed, forms):
    quantized = random_network(seed, forms)
    inputs = random_inputs(seed, quantized, n_steps=15, n_samples=2)
    record = emulate(quantized, inputs)
    for sample in range(2):
        spikes, _, readout = integer_oracle.run(quantized, inputs[:, sample].tolist())
        assert record.readout[:, sample].tolist() == readout
        for population in record.spikes:
            assert population.spikes[:, sample].tolist() == spikes[population.name]


@pytest.mark.parametrize("seed", SEEDS[:10])
@pytest.mark.parametrize("forms", [("threshold",), ("current", "atrlif")], ids=" ".join)
def test_all_states_equal_the_oracle(seed, forms):
    quantized = random_network(seed, forms)
    inputs = random_inputs(seed, quantized, n_steps=15, n_samples=1)[:, 0]
    spikes, expected, _ = integer_oracle.run(quantized, inputs.tolist())
    for t, step in enumerate(trace(quantized, inputs)):
        for state in step:
            found = np.stack([state.v, state.a, state.r], axis=1).tolist()
            assert found == expected[state.name][t]
            assert state.z.tolist() == spikes[state.name][t]


@pytest.mark.parametrize("forms", [("threshold",), ("current",), ("atrlif",)], ids=" ".join)
def test_the_random_networks_spike_and_saturate(forms):
    records = []
    largest = 0
    for seed in SEEDS:
        quantized = random_network(seed, forms)
        inputs = random_inputs(seed, quantized, n_steps=15, n_samples=1)
        records.append(emulate(quantized, inputs).n_spikes)
        largest = max(
            largest, *(abs(s.v).max() for step in trace(quantized, inputs[:, 0]) for s in step)
        )
    assert sum(n > 0 for n in records) > len(SEEDS) / 2
    assert largest == 2**23 - 1


def test_a_batch_equals_its_samples_one_by_one():
    quantized = random_network(7)
    inputs = random_inputs(7, quantized, n_steps=20, n_samples=5)
    together = emulate(quantized, inputs)
    for sample in range(5):
        alone = emulate(quantized, inputs[:, [sample]])
        np.testing.assert_array_equal(together.readout[:, [sample]], alone.readout)
        for a, b in zip(together.spikes, alone.spikes, strict=True):
            np.testing.assert_array_equal(a.spikes[:, [sample]], b.spikes)


STEP = 2 * 254 * 128 * 64
"""Membrane units per step with both inputs at the largest even mantissa and exponent."""


def test_the_membrane_saturates_instead_of_wrapping():
    quantized = network(weight=-254, weight_exp=7, decay_v=0)
    found = [int(s.v[0]) for s in states(quantized, [ON] * 5)]
    assert found == [-STEP, -2 * STEP, -(2**23 - 1), -(2**23 - 1), -(2**23 - 1)]


def test_a_saturated_membrane_still_crosses_the_highest_threshold():
    quantized = network(weight=254, weight_exp=7, vth=2**17 - 1, decay_v=0)
    assert [int(s.v[0]) for s in states(quantized, [ON] * 4)] == [STEP, 2 * STEP, 0, STEP]


def test_adaptation_saturates_instead_of_wrapping():
    quantized = network(weight=254, weight_exp=7, vth=0, step_a=2**23 - 1)
    assert [int(s.a[0]) for s in states(quantized, [ON] * 5)] == [0] + [2**23 - 1] * 4


@pytest.mark.parametrize("sign", [1, -1])
def test_the_readout_saturates_instead_of_wrapping(sign):
    quantized = network(weight=2, vth=0, out_weight=254 * sign, weight_exp=7, decay_out=0)
    readout = emulate(quantized, np.ones((10, 1, 2), bool)).readout[:, 0, 0]
    step = 254 * 128 * 64
    assert readout.tolist() == [sign * min(step * t, 2**23 - 1) for t in range(1, 11)]


@pytest.mark.parametrize(
    ("weight", "both", "one"), [(6, 3, 1), (-6, -3, -2), (-2, -1, -1), (2, 1, 0)]
)
def test_a_negative_exponent_rounds_the_sum_down(weight, both, one):
    quantized = network(weight=weight, weight_exp=-2)
    assert [int(s.v[0]) for s in states(quantized, [ON, ONE])] == [64 * both, 64 * one]


def test_a_negative_exponent_rounds_each_delay_on_its_own():
    quantized = network(weight=2, weight_exp=-2)
    spread = Projection(
        name="in", source="input", target="pop", n_source=2, n_target=1, source_index=[0, 1],
        target_index=[0, 0], weight_mant=[2, 2], delay=[0, 1], weight_exp=-2, sign_mode="mixed",
    )  # fmt: skip
    apart = QuantizedNetwork(
        n_inputs=2,
        populations=quantized.populations,
        projections=(spread, quantized.projections[1]),
        readout=quantized.readout,
    )
    assert [int(s.v[0]) for s in states(quantized, [ON, ON])] == [64, 64]
    assert [int(s.v[0]) for s in states(apart, [ON, ON])] == [0, 0]


@pytest.mark.parametrize("delay", [0, 1, 5, 62])
def test_a_delay_of_d_arrives_d_steps_later(delay):
    found = [int(s.v[0]) for s in states(network(weight=2, delay=delay), [ONE] + [OFF] * 63)]
    assert found == [128 * (t == delay) for t in range(64)]


def test_spikes_are_held_and_the_membrane_goes_on_integrating():
    quantized = network(weight=100, vth=100, n_ref=2, reset="subtract", decay_v=0)
    found = states(quantized, [ON] * 4)
    assert [bool(s.z[0]) for s in found] == [True, False, False, True]
    assert [int(s.v[0]) for s in found] == [6400, 19200, 32000, 38400]
    assert [int(s.r[0]) for s in found] == [2, 1, 0, 2]


def test_the_adapted_threshold_by_hand():
    quantized = network(
        weight=100, vth=100, reset="subtract", step_a=9600, decay_a=2048, decay_v=2048
    )
    found = states(quantized, [ON] * 4)
    # v before the spike: 12800; 3200 + 12800 = 16000 at A = 6400 + 9600; 20800 at 11200; ...
    assert [int(s.a[0]) for s in found] == [0, 9600, 4800, 12000]
    assert [bool(s.z[0]) for s in found] == [True, False, True, False]
    assert [int(s.v[0]) for s in found] == [6400, 16000, 9600, 17600]


def test_the_adaptation_current_by_hand():
    quantized = network(
        weight=100, vth=100, reset="subtract", step_a=9600, decay_a=2048, decay_v=2048,
        adaptation="current",
    )  # fmt: skip
    found = states(quantized, [ON] * 4)
    # v before the spike: 12800; 3200 + 12800 - 9600 = 6400, not above 6400; 3200 + 12800 - 4800; ...
    assert [int(s.a[0]) for s in found] == [0, -9600, -4800, -12000]
    assert [bool(s.z[0]) for s in found] == [True, False, True, False]
    assert [int(s.v[0]) for s in found] == [6400, 6400, 4800, 3200]


def test_an_adaptation_current_saturates_instead_of_wrapping():
    quantized = network(
        weight=254, weight_exp=7, vth=0, step_a=2**23 - 1, adaptation="current", decay_v=4096
    )
    found = states(quantized, [ON] * 3)
    assert [int(s.a[0]) for s in found] == [0, -(2**23 - 1), -(2**23 - 1)]
    assert [int(s.v[0]) for s in found] == [0, STEP - (2**23 - 1), STEP - (2**23 - 1)]


def test_atrlif_by_hand():
    quantized = network(
        weight=100, vth=100, reset="subtract", step_a=6400, decay_a=2048, decay_v=2048,
        neuron="atrlif", decay_i=2048, decay_r=1024,
    )  # fmt: skip
    found = states(quantized, [ON, OFF, OFF, ON])
    # i: 12800, 6400, 3200, 14400; A: 6400, 9600, 8000, 10400; v - r: 12800, 3200, 2400, 13600
    assert [int(s.v[0]) for s in found] == [12800, 12800, 9600, 19200]
    assert [bool(s.z[0]) for s in found] == [True, False, False, True]
    assert [int(s.a[0]) for s in found] == [6400, 3200, 1600, 800 + 6400]
    assert [int(s.r[0]) for s in found] == [12800, 9600, 7200, 5400 + 2 * 7200]


def test_an_atrlif_neuron_spikes_at_its_threshold():
    at, below = (network(weight=100, vth=vth, neuron="atrlif", reset="subtract", decay_i=4096)
                 for vth in (200, 201))  # fmt: skip
    assert [bool(states(n, [ON])[0].z[0]) for n in (at, below)] == [True, False]


def test_an_atrlif_neurons_current_wraps_around():
    quantized = network(
        weight=254, weight_exp=7, vth=4095, neuron="atrlif", reset="subtract", decay_i=0
    )
    assert [int(s.v[0]) for s in states(quantized, [ON] * 3)] == [STEP, 2 * STEP, 3 * STEP - 2**24]


def test_the_emulator_stepped_by_hand_equals_the_whole_run():
    quantized = random_network(3)
    inputs = random_inputs(3, quantized, n_steps=10, n_samples=3)
    record, emulator = emulate(quantized, inputs), Emulator(quantized, 3)
    for t in range(10):
        emulator.step(inputs[t])
        np.testing.assert_array_equal(emulator.readout, record.readout[t])
        for population in record.spikes:
            np.testing.assert_array_equal(emulator.spikes(population.name), population.spikes[t])


@pytest.mark.parametrize(
    "inputs",
    [
        np.zeros((5, 1, 3), bool),
        np.zeros((5, 2), bool),
        np.zeros((5, 1, 2), np.uint8),
        np.zeros((0, 1, 2), bool),
        np.zeros((5, 0, 2), bool),
    ],
)
def test_inputs_that_do_not_fit_are_refused(inputs):
    with pytest.raises(NetworkError, match="input spikes have"):
        emulate(network(), inputs)
