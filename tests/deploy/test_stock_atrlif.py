"""Which ATRLIF populations may run on Lava's own process."""

from dataclasses import replace

import numpy as np
import pytest
from test_stock_lif import PLAIN, network

from deploy.lava.options import LavaOptions
from deploy.lava.stock_atrlif import atrlif_obstacle, check_atrlif
from deploy.lava.target import LavaRunner
from lsnn_neuro.errors import NetworkError

ATRLIF = replace(
    PLAIN, neuron="atrlif", reset="subtract", step_a=np.full(2, 128), decay_i=np.full(2, 1000),
    decay_r=np.full(2, 300),
)  # fmt: skip


def test_a_uniform_population_has_no_obstacle():
    assert atrlif_obstacle(network(ATRLIF), ATRLIF) is None
    check_atrlif(network(ATRLIF))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"decay_i": np.array([1, 2])}, "decay_i runs from 1 to 2"),
        ({"decay_a": np.array([1, 2])}, "decay_a runs from 1 to 2"),
        ({"step_a": np.array([64, 128])}, "step_a runs from 64 to 128"),
        ({"step_a": np.full(2, 100)}, "step_a is 100, the process takes multiples of 64"),
        (
            {"step_a": np.full(2, 4096 * 64)},
            "step_a has mantissa 4096, the process takes up to 4095",
        ),
        ({"vth_mant": np.zeros(2, int)}, "vth_mant is 0, so it fires at rest"),
        ({"vth_mant": np.full(2, 4096)}, "vth_mant has mantissa 4096"),
    ],
)
def test_obstacle_names_what_the_process_can_not_take(change, reason):
    population = replace(ATRLIF, **change)
    assert reason in atrlif_obstacle(network(population), population)
    with pytest.raises(NetworkError, match=f"'plain' can't run on Lava's ATRLIF: {reason}"):
        LavaRunner(options=LavaOptions()).run(network(population), np.ones((2, 1, 3), bool), "sim")


def test_an_input_that_would_wrap_around_twice_is_an_obstacle():
    inside = network(ATRLIF, weights=(254,) * 3, weight_exp=7)  # 97,536
    projections = [replace(inside.projections[0], name=str(i)) for i in range(3)]
    assert atrlif_obstacle(replace(inside, projections=tuple(projections[:2])), ATRLIF) is None
    three = replace(inside, projections=tuple(projections))
    assert "can reach 292608, the process's current takes 262144" in atrlif_obstacle(three, ATRLIF)
