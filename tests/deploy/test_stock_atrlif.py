"""Which ATRLIF populations may run on Lava's own process."""

from dataclasses import replace

import numpy as np
import pytest
from random_networks import neurons
from test_stock_lif import network

from deploy.lava.neurons.neuron import lava_neurons
from deploy.lava.options import LavaOptions
from deploy.lava.target import LavaRunner
from lsnn_neuro.errors import NetworkError

FIELDS = {"decay_v": [200] * 2, "vth": [640] * 2, "step_a": [128] * 2, "decay_i": [1000] * 2,
          "decay_r": [300] * 2, "at_threshold": True}  # fmt: skip


def atrlif(**change):
    return neurons("atrlif", "plain", **FIELDS | change)


@pytest.mark.parametrize("lif", ["auto", "own", "stock"])
def test_a_uniform_population_has_no_obstacle(lif):
    (lava,) = lava_neurons(network(atrlif(bias=[100, -3])), lif).values()
    assert lava.label == "stock ATRLIF"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"decay_i": [1, 2]}, "decay_i runs from 1 to 2"),
        ({"decay_a": [1, 2]}, "decay_a runs from 1 to 2"),
        ({"step_a": [64, 128]}, "step_a runs from 64 to 128"),
        ({"vth": [0, 0]}, "vth is 0, so it fires at rest"),
        ({"decay_v": [4096] * 2, "bias": [1, 0]}, "it has a bias and a decay_v of 4096"),
    ],
)
def test_obstacle_names_what_the_process_can_not_take(change, reason):
    said = f"'plain' can't run on Lava's stock ATRLIF: {reason}.*model='fused'"
    with pytest.raises(NetworkError, match=said):
        LavaRunner(options=LavaOptions()).run(
            network(atrlif(**change)), np.ones((2, 1, 3), bool), "sim"
        )


def test_an_input_that_would_wrap_around_twice_is_an_obstacle():
    inside = network(atrlif(), weights=(254,) * 3, weight_exp=7)  # 97,536
    projections = [replace(inside.projections[0], name=str(i)) for i in range(3)]
    assert lava_neurons(replace(inside, projections=tuple(projections[:2])), "auto")
    three = replace(inside, projections=tuple(projections))
    with pytest.raises(NetworkError, match=r"can reach 292608.*beyond -262144 to 262144"):
        lava_neurons(three, "auto")
