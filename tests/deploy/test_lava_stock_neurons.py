"""Lava's own neurons against the emulator, to the limits of what they compute exactly."""

from dataclasses import replace

import numpy as np
from on_lava import check, emulated, lava, mismatches, side_by_side
from random_networks import neurons

from lsnn_neuro.network.graph import INPUT
from quantize.emulator import trace_reference
from quantize.network import QuantizedNetwork, QuantizedProjection


def test_lavas_own_lif_with_current_and_bias_equals_the_emulator_and_our_process():
    rng = np.random.default_rng(8)
    bias = {"none": 0, "small": [-4096, -3, 0, 17], "large": [4095 << 7, 64 * 301, -4096 << 7, 1]}
    populations = [
        neurons(kind, f"{kind} {name} {decay_i}", vth=[64 * 300] * 4, reset="to", bias=b,
                decay_i=None if decay_i is None else [decay_i] * 4, **decay_v)
        for kind, decay_v in (("lif", {"decay_v": [700] * 4}), ("if", {}))
        for name, b in bias.items() for decay_i in (None, 4096, 500)
    ]  # fmt: skip
    network = side_by_side(rng, populations)
    reference, stock = check(network, 4, lif="stock")
    assert stock.target == "loihi-sim (event synapses, stock LIF)"
    assert all(p.spikes.any() for p in reference.spikes)
    assert reference.spikes[6].spikes[0, 0, 0], (
        "a bias above the threshold spikes in the first step"
    )
    _, own = check(network, 4, lif="own")
    assert own.target == "loihi-sim (event synapses, LIF)"


def test_lavas_own_atrlif_with_current_and_bias_equals_the_emulator():
    fields = {"decay_v": [400] * 3, "decay_a": [90] * 3, "decay_r": [700] * 3, "step_a": [640] * 3,
              "vth": [64 * 300] * 3, "at_threshold": True}  # fmt: skip
    populations = [
        neurons("atrlif", f"{name} {decay_i}", decay_i=[decay_i] * 3, bias=bias, **fields)
        for name, bias in (("none", 0), ("small", [-9, 0, 77]), ("large", [4095 << 7, 19200, -999]))
        for decay_i in (0, 500, 4096)
    ]
    network = side_by_side(np.random.default_rng(8), populations, exponent=0)
    reference, record = check(network, 4)
    assert record.target == "loihi-sim (event synapses, stock ATRLIF)"
    assert all(p.spikes.any() for p in reference.spikes)


def strong(weights, name="in", n_inputs=1):
    """Projections of one synapse from each input onto one neuron: (weight, exponent) each."""
    return tuple(
        QuantizedProjection.of_matrix(
            f"{name} {number}", INPUT, "pop", np.full((1, n_inputs), weight),
            np.zeros((1, n_inputs), int), exponent, "inhibitory" if weight < 0 else "excitatory",
        )
        for number, (weight, exponent) in enumerate(weights)
    )  # fmt: skip


def test_lavas_own_atrlif_wraps_its_current_around_and_spikes_at_its_threshold():
    def network(vth, n_inputs):
        pop = neurons("atrlif", decay_i=[0], decay_v=[4096], decay_a=[100], step_a=[64],
                      vth=[64 * vth], decay_r=[4096], at_threshold=True)  # fmt: skip
        return QuantizedNetwork(
            n_inputs=n_inputs, populations=(pop,), outputs=("pop",),
            projections=strong([(250, 4)], n_inputs=n_inputs),
        )  # fmt: skip

    for vth, n_inputs in ((4000, 1), (4001, 1), (4000, 60)):  # at, below, around
        quantized = network(vth, n_inputs)
        inputs = np.ones((20, 1, n_inputs), bool)
        reference = emulated(quantized, inputs)
        if n_inputs == 1:
            assert bool(reference.spikes[0].spikes[0, 0, 0]) == (vth == 4000)
        assert mismatches(reference, lava().run(quantized, inputs)) == (0, 0)
    lowest = min(states[0]["v"][0] for states in trace_reference(quantized, inputs[:, 0]))
    assert lowest < -(2**22)  # strong excitation has become inhibition


def test_stock_lif_is_exact_up_to_the_limits_of_its_current():
    limit = 2**17  # upwards, and one less downwards
    up = [(255, 7)] * 4 + [(255, 1), (2, 0)]
    down = [(-w, e) for w, e in [*up[:-1], (1, 0)]]
    assert sum(weight << exponent for weight, exponent in up) == limit
    inputs = np.zeros((12, 1, 2), bool)
    inputs[[0, 2, 3, 8], 0, 0] = True
    inputs[[4, 5, 6], 0, 1] = True  # drives the membrane into its negative limit
    pop = neurons("lif", decay_v=[300], vth=[64 * (limit - 1)], reset="to")

    def onto(which, weights):
        return [
            replace(p, n_source=2, source_index=np.array([which]), name=f"{which} {p.name}")
            for p in strong(weights)
        ]

    network = QuantizedNetwork(
        n_inputs=2, populations=(pop,), projections=(*onto(0, up), *onto(1, down)), outputs=("pop",)
    )
    reference = emulated(network, inputs)
    assert reference.n_spikes == 3
    assert mismatches(reference, lava(lif="stock").run(network, inputs)) == (0, 0)


def test_a_current_wraps_around_as_in_lava():
    """Ours like Lava's LIF, whose current keeps nearly everything under constant strong input."""
    pop = neurons("lif", decay_v=[4000], vth=[64 * 4000], reset="to", decay_i=[40])
    network = QuantizedNetwork(
        n_inputs=1, populations=(pop,), projections=strong([(255, 7)] * 7), outputs=("pop",)
    )
    inputs = np.ones((40, 1, 1), bool)
    reference = emulated(network, inputs)
    assert 0 < reference.n_spikes < 40
    for lif in ("own", "stock"):
        assert mismatches(reference, lava(lif=lif).run(network, inputs)) == (0, 0)
