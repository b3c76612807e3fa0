"""The emulator against numbers by hand: every equation, reset, limit and delay."""

import numpy as np
import pytest
from random_graphs import random_graph
from random_networks import li, neurons, random_inputs

from quantize.emulator import emulate, trace
from quantize.network import QuantizedNetwork, QuantizedProjection

STATE_MAX = 2**23 - 1


def network(kind="lif", *, weight=0, weight_exp=0, delay=0, out_weight=0, decay_out=4096, **fields):
    """Two inputs with the same synapse onto one neuron, one output."""
    common = {"weight_exp": weight_exp, "sign_mode": "mixed"}
    into = QuantizedProjection(
        name="in", source="input", target="pop", n_source=2, n_target=1, source_index=[0, 1],
        target_index=[0, 0], weight_mant=[weight, weight], delay=np.broadcast_to(delay, 2), **common,
    )  # fmt: skip
    out = QuantizedProjection(
        name="out", source="pop", target="readout", n_source=1, n_target=1, source_index=[0],
        target_index=[0], weight_mant=[out_weight], delay=[0], **common,
    )  # fmt: skip
    vth = 64 * fields.pop("vth", 2**17 - 1)
    return QuantizedNetwork(
        n_inputs=2,
        populations=(neurons(kind, vth=[vth], **fields), li("readout", [decay_out])),
        projections=(into, out),
    )


def states(network, inputs):
    """The state of the population after each step."""
    return [step[0] for step in trace(network, np.array(inputs, bool))]


def column(found, name):
    return [int(state[name][0]) for state in found]


ON, ONE, OFF = [1, 1], [1, 0], [0, 0]
ZERO = {"reset": "to", "decay_v": 4096}
STEP = 2 * 254 * 128 * 64
"""Membrane units per step with both inputs at the largest even mantissa and exponent."""


def test_the_membrane_saturates_instead_of_wrapping():
    quantized = network(weight=-254, weight_exp=7, reset="to")
    expected = [-STEP, -2 * STEP, -STATE_MAX, -STATE_MAX, -STATE_MAX]
    assert column(states(quantized, [ON] * 5), "v") == expected


def test_a_saturated_membrane_still_crosses_the_highest_threshold():
    quantized = network(weight=254, weight_exp=7, reset="to")
    assert column(states(quantized, [ON] * 4), "v") == [STEP, 2 * STEP, 0, STEP]


def test_an_if_neuron_keeps_all_it_hears():
    quantized = network("if", weight=2, vth=5)
    found = states(quantized, [ONE, OFF, ON, OFF])
    assert column(found, "v") == [128, 128, 384 - 320, 64]
    assert column(found, "z") == [0, 0, 1, 0]


def test_adaptation_saturates_instead_of_wrapping():
    quantized = network("alif", weight=254, weight_exp=7, vth=0, step_a=STATE_MAX, **ZERO)
    assert column(states(quantized, [ON] * 5), "a") == [0] + [STATE_MAX] * 4


@pytest.mark.parametrize("sign", [1, -1])
def test_the_readout_saturates_instead_of_wrapping(sign):
    quantized = network(weight=2, vth=0, out_weight=254 * sign, weight_exp=7, decay_out=0, **ZERO)
    readout = emulate(quantized, np.ones((10, 1, 2), bool)).readout[:, 0, 0]
    step = 254 * 128 * 64
    assert readout.tolist() == [sign * min(step * t, STATE_MAX) for t in range(1, 11)]


@pytest.mark.parametrize(
    ("weight", "both", "one"), [(6, 3, 1), (-6, -3, -2), (-2, -1, -1), (2, 1, 0)]
)
def test_a_negative_exponent_rounds_the_sum_down(weight, both, one):
    quantized = network(weight=weight, weight_exp=-2, **ZERO)
    assert column(states(quantized, [ON, ONE]), "v") == [64 * both, 64 * one]


def test_a_negative_exponent_rounds_each_delay_on_its_own():
    at_once, apart = (network(weight=2, weight_exp=-2, delay=d, **ZERO) for d in (0, [0, 1]))
    assert column(states(at_once, [ON, ON]), "v") == [64, 64]
    assert column(states(apart, [ON, ON]), "v") == [0, 0]


@pytest.mark.parametrize("delay", [0, 1, 5, 62])
def test_a_delay_of_d_arrives_d_steps_later(delay):
    found = states(network(weight=2, delay=delay, **ZERO), [ONE] + [OFF] * 63)
    assert column(found, "v") == [128 * (t == delay) for t in range(64)]


def test_spikes_are_held_and_the_membrane_goes_on_integrating():
    found = states(network(weight=100, vth=100, n_ref=2), [ON] * 4)
    assert column(found, "z") == [1, 0, 0, 1]
    assert column(found, "v") == [6400, 19200, 32000, 38400]
    assert column(found, "r") == [2, 1, 0, 2]


def test_a_held_membrane_stays_at_its_reset_and_loses_its_input():
    held = {"reset": "hold", "reset_to": -77, "n_ref": 2}
    found = states(network(weight=100, vth=100, decay_v=2048, **held), [ON] * 4 + [OFF] * 4)
    assert column(found, "z") == [1, 0, 0, 1, 0, 0, 0, 0]
    assert column(found, "v") == [-77] * 6 + [-38, -19]  # -38.5 and -19 toward zero
    assert column(found, "r") == [2, 1, 0, 2, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("fields", "after"),
    [
        ({"reset": "subtract"}, 6400),
        ({"reset": "subtract_constant", "reset_by": 100}, 12700),
        ({"reset": "subtract_constant", "reset_by": -100}, 12900),
        ({"reset": "to", "reset_to": 0}, 0),
        ({"reset": "to", "reset_to": -77}, -77),
        ({"reset": "hold", "reset_to": -77}, -77),
    ],
)
def test_what_a_spike_leaves_of_the_membrane(fields, after):
    assert column(states(network(weight=100, vth=100, **fields), [ON]), "v") == [after]


@pytest.mark.parametrize("kind", ["lif", "if", "alif", "ahp"])
@pytest.mark.parametrize("at_threshold", [False, True])
def test_exactly_at_the_threshold(kind, at_threshold):
    quantized = network(kind, weight=50, vth=100, at_threshold=at_threshold)
    assert column(states(quantized, [ON]), "z") == [at_threshold]


def test_the_adapted_threshold_by_hand():
    quantized = network("alif", weight=100, vth=100, step_a=9600, decay_a=2048, decay_v=2048)
    found = states(quantized, [ON] * 4)
    # v before the spike: 12800; 3200 + 12800 = 16000 at A = 6400 + 9600; 20800 at 11200; ...
    assert column(found, "a") == [0, 9600, 4800, 12000]
    assert column(found, "z") == [1, 0, 1, 0]
    assert column(found, "v") == [6400, 16000, 9600, 17600]


def test_the_after_hyperpolarizing_current_by_hand():
    quantized = network("ahp", weight=100, vth=100, step_a=9600, decay_a=2048, decay_v=2048)
    found = states(quantized, [ON] * 4)
    # v before the spike: 12800; 3200 + 12800 - 9600 = 6400, not above 6400; 3200 + 12800 - 4800; ...
    assert column(found, "a") == [0, -9600, -4800, -12000]
    assert column(found, "z") == [1, 0, 1, 0]
    assert column(found, "v") == [6400, 6400, 4800, 3200]


def test_an_after_hyperpolarizing_current_saturates_instead_of_wrapping():
    quantized = network(
        "ahp", weight=254, weight_exp=7, vth=0, step_a=STATE_MAX, reset="to", decay_v=4096
    )
    found = states(quantized, [ON] * 3)
    assert column(found, "a") == [0, -STATE_MAX, -STATE_MAX]
    assert column(found, "v") == [0, STEP - STATE_MAX, STEP - STATE_MAX]


def test_a_synaptic_current_by_hand():
    quantized = network(weight=100, decay_i=2048, bias=96, **ZERO)
    assert column(states(quantized, [ON, OFF, ONE]), "v") == [12896, 6496, 9696]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_synaptic_current_wraps_around(sign):
    quantized = network(weight=254 * sign, weight_exp=7, decay_i=0, **ZERO)
    found = column(states(quantized, [ON] * 3), "v")
    assert found == [sign * STEP, sign * 2 * STEP, sign * (3 * STEP - 2**24)]


def test_a_bias_enters_the_membrane_in_every_step():
    quantized = network(weight=2, bias=-(4096 << 7))
    assert column(states(quantized, [ON, OFF]), "v") == [256 - 2**19, 256 - 2**20]


def test_atrlif_by_hand():
    quantized = network(
        "atrlif", weight=100, vth=100, step_a=6400, decay_a=2048, decay_v=2048, decay_i=2048,
        decay_r=1024,
    )  # fmt: skip
    found = states(quantized, [ON, OFF, OFF, ON])
    # i: 12800, 6400, 3200, 14400; A: 6400, 9600, 8000, 10400; v - r: 12800, 3200, 2400, 13600
    assert column(found, "v") == [12800, 12800, 9600, 19200]
    assert column(found, "z") == [1, 0, 0, 1]
    assert column(found, "a") == [6400, 3200, 1600, 800 + 6400]
    assert column(found, "r") == [12800, 9600, 7200, 5400 + 2 * 7200]


def test_an_atrlif_neuron_spikes_at_its_threshold():
    at, below = (
        network("atrlif", weight=100, vth=vth, decay_i=4096, decay_v=4096) for vth in (200, 201)
    )
    assert [column(states(n, [ON]), "z") for n in (at, below)] == [[1], [0]]


def test_a_readout_hears_spikes_of_the_same_step_inputs_and_delays():
    into = QuantizedProjection.of_matrix(
        "in", "input", "readout", np.array([[1]]), np.array([[2]]), 0, "excitatory"
    )
    fast = QuantizedProjection.of_matrix(
        "drive", "input", "pop", np.array([[1]]), np.array([[0]]), 0, "excitatory"
    )
    out = QuantizedProjection.of_matrix(
        "out", "pop", "readout", np.array([[10]]), np.array([[1]]), 0, "excitatory"
    )
    whole = QuantizedNetwork(
        n_inputs=1, populations=(neurons("lif", vth=[0], **ZERO), li("readout", [4096], bias=3)),
        projections=(fast, into, out), outputs=("pop", "readout"),
    )  # fmt: skip
    pulse = np.array([1, 0, 0, 0], np.int8)[:, None, None]
    readout = emulate(whole, pulse).readout[:, 0]
    assert readout.tolist() == [[1, 3], [0, 643], [0, 67], [0, 3]]
    assert emulate(whole, -2 * pulse).readout[:, 0, 1].tolist() == [3, 3, 3 - 128, 3]


def test_outputs_come_in_the_order_they_are_named():
    network = next(n for n in map(random_graph, range(99)) if len(n.outputs) == 3)
    inputs = random_inputs(0, network, n_steps=20, n_samples=2)
    record, first = emulate(network, inputs), 0
    for name in network.outputs:
        alone = emulate(QuantizedNetwork(**(vars(network) | {"outputs": (name,)})), inputs)
        here = record.readout[..., first : (first := first + network.size_of(name))]
        np.testing.assert_array_equal(here, alone.readout)
    assert record.readout.shape == (20, 2, network.n_outputs)


def test_a_network_without_spiking_neurons():
    into = QuantizedProjection.of_matrix(
        "in", "input", "readout", np.array([[3, -4]]) * 2, np.array([[0, 0]]), -1, "mixed"
    )
    network = QuantizedNetwork(
        n_inputs=2, populations=(li("readout", [2048]),), projections=(into,)
    )
    record = emulate(network, np.array([[[1, 0]], [[0, 1]]], np.int8))
    assert record.spikes == ()
    assert record.readout[:, 0, 0].tolist() == [192, 96 - 256]
    assert list(trace(network, np.ones((2, 2), bool))) == [(), ()]
