"""Which populations may run on Lava's own LIF."""

from dataclasses import replace

import numpy as np
import pytest
from random_networks import neurons

from deploy.lava.neurons.neuron import lava_neurons
from deploy.lava.neurons.stock_lif import start_before_bias, stock_lif_obstacle
from lsnn_neuro.errors import NetworkError
from quantize.arithmetic import decay
from quantize.loihi import STATE_MAX
from quantize.network import QuantizedNetwork, QuantizedProjection

FIELDS = {"decay_v": [200, 200], "vth": [640, 640], "reset": "to"}
PLAIN = neurons("lif", "plain", **FIELDS)


def network(population, *, weights=(100, -50, 7), delays=(0, 0, 1), weight_exp=0):
    """Three inputs onto the first neuron of a population of two."""
    projection = QuantizedProjection(
        name="in",
        source="input",
        target=population.name,
        n_source=3,
        n_target=2,
        source_index=np.arange(3),
        target_index=np.zeros(3, np.int32),
        weight_mant=np.array(weights) // 2 * 2,
        delay=np.array(delays),
        weight_exp=weight_exp,
        sign_mode="mixed",
    )
    return QuantizedNetwork(
        n_inputs=3, populations=(population,), projections=(projection,), outputs=("plain",)
    )


def chosen(network, lif):
    return {name: lava.label for name, lava in lava_neurons(network, lif).items()}


@pytest.mark.parametrize(
    "population",
    [
        PLAIN,
        neurons("lif", "plain", **FIELDS, decay_i=[7, 7], bias=[100, -7]),
        neurons("if", "plain", vth=[640, 640], reset="to", bias=[4095 << 7, 0]),
    ],
)
def test_plain_population_has_no_obstacle(population):
    assert stock_lif_obstacle(network(population), population) is None
    assert chosen(network(population), "auto") == {"plain": "stock LIF"}
    assert chosen(network(population), "own") == {"plain": "LIF"}


@pytest.mark.parametrize(
    ("kind", "change", "reason"),
    [
        ("alif", {"decay_a": 1}, "its neurons are 'alif'"),
        ("lif", {"reset": "subtract"}, "its reset is 'subtract', the stock LIF resets to 0"),
        ("lif", {"reset": "hold", "n_ref": [1, 1]}, "its reset is 'hold', the stock LIF resets to 0"),
        ("lif", {"reset_to": [0, 64]}, "its reset_to is 64"),
        ("lif", {"n_ref": [0, 3]}, "its n_ref is 3"),
        ("lif", {"at_threshold": True}, "it spikes at its threshold, the stock LIF above it"),
        ("lif", {"decay_v": [200, 201]}, "decay_v runs from 200 to 201, the stock LIF has one"),
        ("lif", {"decay_v": [4096] * 2}, "its decay_v is 4096, the stock LIF takes up to 4095"),
        ("lif", {"vth": [64, 640]}, "vth runs from 64 to 640"),
        ("lif", {"decay_i": [7, 8]}, "decay_i runs from 7 to 8"),
        ("lif", {"decay_i": [0, 0]}, "its decay_i is 0, the stock LIF's current always decays"),
        ("lif", {"decay_v": [4000] * 2, "bias": [0, 4000 << 7]}, "bias of 512000 acts a step early"),
    ],
)  # fmt: skip
def test_obstacle_names_what_the_stock_lif_lacks(kind, change, reason):
    population = neurons(kind, "plain", **FIELDS | change)
    assert reason in stock_lif_obstacle(network(population), population)
    assert chosen(network(population), "auto") == {"plain": kind.upper()}


def test_demanding_the_stock_lif_where_it_is_not_exact_is_refused_with_the_reason():
    population = neurons("lif", "plain", **FIELDS, n_ref=3)
    with pytest.raises(NetworkError, match=r"population 'plain'.*n_ref is 3.*lif='auto'"):
        lava_neurons(network(population), "stock")


def test_extremes_round_every_delay_down_on_its_own():
    low, high = network(PLAIN, weights=(6, -6, -6), weight_exp=-2).input_extremes("plain")
    assert low.tolist() == [-4, 0]  # -6 >> 2 = -2, once per delay
    assert high.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("decay_i", "sign", "fits", "beyond"),
    [(None, 1, 2**17, 2**17 + 128), (None, -1, 2**17 - 128, 2**17), (9, 1, 2**18, 2**18 + 128),
     (9, -1, 2**18, 2**18 + 128)],
)  # fmt: skip
def test_input_that_could_wrap_around_otherwise_is_an_obstacle(decay_i, sign, fits, beyond):
    population = replace(PLAIN, decay_i=None if decay_i is None else np.full(2, decay_i))

    def strong(total):
        """A network whose worst input is a multiple of 128."""
        parts = [128] * (total // 2**14) + [total % 2**14 // 128]
        one = network(population, weights=(0, 0, 0)).projections[0]
        return QuantizedNetwork(
            n_inputs=3, populations=(population,), outputs=("plain",),
            projections=tuple(
                replace(one, name=str(i), weight_mant=np.array([sign * part, 0, 0]), weight_exp=7,
                        sign_mode="excitatory" if sign > 0 else "inhibitory")
                for i, part in enumerate(parts)
            ),
        )  # fmt: skip

    assert strong(fits).worst_input("plain") == fits
    assert stock_lif_obstacle(strong(fits), population) is None
    assert "wraps around beyond" in stock_lif_obstacle(strong(beyond), population)


def test_the_membrane_before_a_bias_is_zero_after_it():
    rng = np.random.default_rng(0)
    decay_v = rng.integers(0, 4096, 10000)
    bias = rng.integers(-4096, 4096, 10000) << rng.integers(0, 8, 10000)
    start = start_before_bias(bias, decay_v)
    assert (np.abs(start) > STATE_MAX).any(), "where an obstacle says no"
    assert not (decay(start, decay_v) + bias).any()
