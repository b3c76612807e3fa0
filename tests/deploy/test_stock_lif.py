"""Which populations may run on Lava's own LIF."""

from dataclasses import replace

import numpy as np
import pytest

from deploy.lava.stock_lif import input_extremes, on_stock_lif, stock_lif_obstacle
from lsnn_neuro.errors import NetworkError
from quantize.network import Population, Projection, QuantizedNetwork, Readout

PLAIN = Population(
    name="plain",
    decay_v=np.full(2, 200),
    decay_a=np.zeros(2, np.int32),
    step_a=np.zeros(2, np.int32),
    vth_mant=np.full(2, 10),
    n_ref=0,
    reset="zero",
    scale=1.0,
)


def network(population, *, weights=(100, -50, 7), delays=(0, 0, 1), weight_exp=0):
    """Three inputs onto the first neuron of a population of two."""
    projection = Projection(
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
    readout = Readout(decay=np.array([100]), bias=np.array([0]), scale=1.0)
    return QuantizedNetwork(
        n_inputs=3, populations=(population,), projections=(projection,), readout=readout
    )


def test_plain_population_has_no_obstacle():
    assert stock_lif_obstacle(network(PLAIN), PLAIN) is None
    assert on_stock_lif(network(PLAIN), "auto") == {"plain"}
    assert on_stock_lif(network(PLAIN), "own") == set()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"step_a": np.array([0, 1])}, "adapts"),
        ({"reset": "subtract"}, "resets to zero"),
        ({"neuron": "atrlif", "reset": "subtract"}, "are 'atrlif'"),
        ({"n_ref": 3}, "n_ref is 3"),
        ({"decay_v": np.array([200, 201])}, "decay_v runs from 200 to 201"),
        ({"vth_mant": np.array([9, 10])}, "vth_mant runs from 9 to 10"),
    ],
)
def test_obstacle_names_what_the_stock_lif_lacks(change, reason):
    population = replace(PLAIN, **change)
    assert reason in stock_lif_obstacle(network(population), population)
    assert on_stock_lif(network(population), "auto") == set()


def test_demanding_the_stock_lif_where_it_is_not_exact_is_refused_with_the_reason():
    population = replace(PLAIN, n_ref=3)
    with pytest.raises(NetworkError, match=r"population 'plain'.*n_ref is 3.*lif='auto'"):
        on_stock_lif(network(population), "stock")


def test_extremes_round_every_delay_down_on_its_own():
    low, high = input_extremes(network(PLAIN, weights=(6, -6, -6), weight_exp=-2), PLAIN)
    assert low.tolist() == [-4, 0]  # -6 >> 2 = -2, once per delay
    assert high.tolist() == [1, 0]


def test_current_that_could_wrap_around_is_an_obstacle():
    safe, wrapping = 2**17 - 1, 2**17
    assert (safe << 6) < 2**23 <= (wrapping << 6)
    inside = network(PLAIN, weights=(254, 254, 254), weight_exp=7)
    assert stock_lif_obstacle(inside, PLAIN) is None  # 762 << 7 = 97,536
    many = inside.projections[0]
    beyond = replace(
        inside,
        projections=(many, replace(many, name="again")),  # 195,072
    )
    assert "wraps" in stock_lif_obstacle(beyond, PLAIN)
