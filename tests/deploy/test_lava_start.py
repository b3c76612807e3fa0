"""Networks on Lava from a given state."""

from dataclasses import replace

import numpy as np
import pytest
from on_lava import emulated, lava, mismatches, side_by_side
from random_graphs import random_bias, random_constants
from random_networks import neurons, random_inputs

from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.dynamics import at_rest
from lsnn_neuro.registry import NEURONS
from quantize.loihi import STATE_MAX
from quantize.network import QuantizedPopulation


def random_start(rng, network, n_samples):
    """States anywhere in their ranges, nothing on its way."""
    start = at_rest(network, lambda n: np.zeros((n_samples, n), np.int64))
    most = {"v": STATE_MAX, "a": STATE_MAX // 8, "r": 3, "z": 1}
    for p in network.populations:
        shape = n_samples, p.size
        drawn = {v: rng.integers(0, most[v] + 1, shape) for v in p.neuron.states}
        drawn["v"] *= rng.choice([-1, 1], shape)
        start.populations[p.name] = start.populations[p.name].replace(**drawn)
        if p.decay_i is not None:
            start.currents[p.name] = rng.integers(-STATE_MAX, STATE_MAX + 1, shape)
    return start


def startable():
    rng = np.random.default_rng(2)
    populations = [
        QuantizedPopulation(
            name=f"{kind} {current}", neuron=NEURONS[kind], scale=1.0,
            constants=random_constants(rng, kind, 5, drive=10**5, extreme=True),
            decay_i=rng.integers(0, 4097, 5) if current else None, bias=random_bias(rng, 5),
        )
        for kind in ("lif", "if", "alif", "ahp", "li", "resetting-li") for current in (False, True)
    ]  # fmt: skip
    return side_by_side(
        rng, populations, outputs=("li False", "ahp True", "li True", "resetting-li True")
    )


def test_own_processes_start_from_any_state():
    network, rng = startable(), np.random.default_rng(0)
    start = random_start(rng, network, 5)
    inputs = random_inputs(0, network, n_steps=6, n_samples=5)
    reference = emulated(network, inputs, start)
    assert reference.spikes[0].spikes[0].any()
    for options in ({}, {"parallel_samples": 3}):
        record = lava(lif="own", **options).run(network, inputs, start)
        assert mismatches(reference, record) == (0, 0)
    assert mismatches(reference, lava(lif="own").run(network, inputs))[1] > 0


def test_a_start_that_lava_can_not_take_is_refused_in_one_line():
    network = startable()
    start = random_start(np.random.default_rng(0), network, 2)
    inputs = np.zeros((2, 3, 5), bool)
    with pytest.raises(NetworkError, match=r"start: v of 'lif False' has shape \(2, 5\).*\(3, 5\)"):
        lava(lif="own").run(network, inputs, start)
    with pytest.raises(NetworkError, match="a fused network starts at rest"):
        lava(model="fused").run(network, inputs, start)
    sent = replace(start, history=start.history | {"if True": (np.ones((2, 5), int),)})
    with pytest.raises(NetworkError, match="start: 'if True' has sent spikes"):
        lava(lif="own").run(network, inputs[:, :2], sent)
    stock = neurons("lif", "pop", vth=[64], reset="to")
    network = side_by_side(np.random.default_rng(0), [stock])
    start = random_start(np.random.default_rng(0), network, 2)
    with pytest.raises(
        NetworkError, match="'pop' starts at rest on Lava's stock LIF; use lif='own'"
    ):
        lava().run(network, inputs[:, :2], start)
