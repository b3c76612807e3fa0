"""The fused core in real Lava: the emulator's integers, the stock graph's too, and it says so."""

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from random_networks import random_inputs, random_network
from test_lava_parity import N_SAMPLES, N_STEPS, lava, mismatches

from cli import main
from deploy.lava.options import LavaOptions
from deploy.loihi2 import Loihi2Target
from deploy.targets import get_target
from lsnn_neuro.errors import RecipeError
from quantize.emulator import emulate, trace
from quantize.loihi import STATE_MAX

SATURATING, NEGATIVE_EXPONENT = 9, 6


def network_and_inputs(seed, n_samples=N_SAMPLES):
    network = random_network(seed)
    return network, random_inputs(seed, network, n_steps=N_STEPS, n_samples=n_samples)


def extremes(seed):
    """Largest membrane and smallest weight exponent of a random network."""
    network, inputs = network_and_inputs(seed)
    v = max(int(abs(p.v).max()) for states in trace(network, inputs[:, 0]) for p in states)
    return v, min(p.weight_exp for p in network.projections)


def test_the_chosen_networks_saturate_and_round_down():
    assert extremes(SATURATING)[0] == STATE_MAX
    assert extremes(NEGATIVE_EXPONENT)[1] < 0


@pytest.mark.parametrize("seed", [NEGATIVE_EXPONENT, SATURATING, 10, 13])
def test_fused_core_equals_the_emulator(seed):
    network, inputs = network_and_inputs(seed)
    reference = emulate(network, inputs)
    record = lava(model="fused").run(network, inputs)
    assert reference.n_spikes > 0
    assert record.target == "loihi-sim (fused core)"
    assert mismatches(reference, record) == (0, 0)


@pytest.mark.parametrize("form", ["current", "atrlif"])
def test_fused_core_equals_the_emulator_for_other_neurons(form):
    network = random_network(SATURATING, (form,))
    inputs = random_inputs(SATURATING, network, n_steps=N_STEPS, n_samples=N_SAMPLES)
    reference = emulate(network, inputs)
    assert reference.n_spikes > 0
    assert mismatches(reference, lava(model="fused").run(network, inputs)) == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 160))
def test_many_random_networks_are_equal_on_the_fused_core(seed):
    network, inputs = network_and_inputs(seed)
    record = lava(model="fused").run(network, inputs)
    assert mismatches(emulate(network, inputs), record) == (0, 0)


@pytest.mark.parametrize("seed", [NEGATIVE_EXPONENT, SATURATING])
def test_fused_core_equals_the_graph_of_lavas_own_synapses(seed):
    network, inputs = network_and_inputs(seed)
    assert any(p.max_delay for p in network.projections)
    fused, graph = (
        lava(**options).run(network, inputs)
        for options in ({"model": "fused"}, {"synapses": "stock"})
    )
    assert "stock synapses" in graph.target
    assert graph.n_spikes > 0
    assert mismatches(graph, fused) == (0, 0)


def test_samples_beyond_the_copies_run_in_further_batches_from_rest():
    network, inputs = network_and_inputs(0, n_samples=5)
    record = lava(model="fused", copies=2).run(network, inputs)
    assert mismatches(emulate(network, inputs), record) == (0, 0)


def test_network_without_any_synapse_runs():
    network, inputs = network_and_inputs(13)
    cut_off = replace(network, projections=())
    record = lava(model="fused").run(cut_off, inputs)
    assert mismatches(emulate(cut_off, inputs), record) == (0, 0)


@pytest.mark.parametrize("step", [0, 17])
def test_states_at_a_step_are_the_emulators(step):
    network, inputs = network_and_inputs(10)
    expected = list(trace(network, inputs[: step + 1, 0]))[step]
    states = lava(model="fused").states(network, inputs[:, 0], step)
    assert any(state.v.any() for state in states) == (step > 0)  # every input has a delay here
    for reference, other in zip(expected, states, strict=True):
        assert reference.name == other.name
        for field in ("v", "a", "r", "z"):
            np.testing.assert_array_equal(getattr(reference, field), getattr(other, field), field)


def test_loihi2_refuses_the_fused_core_in_one_line():
    with pytest.raises(RecipeError, match=r"target 'loihi2': the fused core .* use model 'graph'"):
        get_target("loihi2", LavaOptions(model="fused"))
    assert Loihi2Target().options.model == "graph"


@pytest.mark.parametrize("other", [{"synapses": "stock"}, {"lif": "own"}, {"lif": "stock"}])
def test_options_that_choose_nothing_in_a_fused_core_are_refused(other):
    with pytest.raises(RecipeError, match="model is 'fused'"):
        LavaOptions(model="fused", **other)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["emulator", "--lava-model", "fused"], "target is emulator"),
        (["loihi2", "--lava-synapses", "stock"], "target is loihi2"),
        (["loihi-sim", "--lava-model", "fused", "--lava-synapses", "stock"], "model is 'fused'"),
    ],
)
def test_command_line_refuses_lava_options_that_would_choose_nothing(arguments, said):
    result = CliRunner().invoke(main, ["evaluate", "nowhere", "--target", *arguments])
    assert result.exit_code == 1
    assert said in result.output
