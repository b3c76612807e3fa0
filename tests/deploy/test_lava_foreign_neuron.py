"""A neuron from another package on Lava: with a process of its own, and without."""

import numpy as np
import pytest
from foreign_package import NEURON, ON_LAVA, install
from on_lava import check, emulated, mismatches, side_by_side
from on_lava import lava as on_lava
from random_networks import li, neurons

from deploy.lava.neurons.neuron import lava_neurons
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.registry import NEURONS


@pytest.fixture
def graph_with(tmp_path, monkeypatch):
    """Puts the package on the path, with these entry points."""

    def installed(entry_points):
        install(tmp_path, entry_points)
        monkeypatch.syspath_prepend(str(tmp_path))
        fields = {
            "decay_v": [300, 50, 9],
            "decay_u": [99, 1, 800],
            "vth": [64 * 300] * 3,
            "n_ref": 1,
        }
        adp = neurons("adp", "adp", **fields, step_u=[5000, 0, 99], decay_i=[0, 7, 4096], bias=3)
        return side_by_side(np.random.default_rng(0), [adp, li("readout", [30])])

    return installed


def test_a_neuron_with_a_process_of_its_own_is_equal_on_lava(graph_with):
    reference, record = check(graph_with(NEURON | ON_LAVA), 0)
    assert record.target == "loihi-sim (event synapses, ADP)"
    assert reference.n_spikes > 0


def test_a_neuron_without_a_process_runs_fused_and_the_graph_says_why_not(graph_with):
    network = graph_with(NEURON)
    inputs = np.ones((9, 1, 5), bool)
    with pytest.raises(
        NetworkError, match="'adp': there is no Lava process for 'adp' neurons"
    ) as error:
        on_lava().run(network, inputs)
    assert "\n" not in str(error.value)
    assert mismatches(emulated(network, inputs), on_lava(model="fused").run(network, inputs)) == (
        0,
        0,
    )


@pytest.mark.parametrize("kind", list(NEURONS))
def test_every_neuron_of_ours_has_a_process(kind):
    needed = {"decay_i": [1], "at_threshold": True} if NEURONS[kind].current_wraps else {}
    needed |= {"vth": [64]} if NEURONS[kind].spiking else {"decay_v": [1]}
    network = side_by_side(np.random.default_rng(0), [neurons(kind, **needed)])
    assert set(lava_neurons(network, "auto")) == {"pop"}
