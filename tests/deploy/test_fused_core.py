"""The fused network in real Lava: the emulator's integers, the stock graph's too, and it says so."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from on_lava import N_SAMPLES, N_STEPS, check, emulated, lava, mismatches
from random_graphs import random_graph
from random_networks import random_inputs, random_network

from cli import main
from deploy.lava.options import LavaOptions
from deploy.loihi2 import Loihi2
from deploy.targets import get_target
from lsnn_neuro.errors import RecipeError
from quantize.emulator import trace_reference
from quantize.loihi import STATE_MAX

MODEL = Path(__file__).parents[2] / "models" / "delayed-xor"
SATURATING, NEGATIVE_EXPONENT = 9, 6


def network_and_inputs(seed, n_samples=N_SAMPLES):
    network = random_network(seed)
    return network, random_inputs(seed, network, n_steps=N_STEPS, n_samples=n_samples)


def extremes(seed):
    """Largest membrane and smallest weight exponent of a random network."""
    network, inputs = network_and_inputs(seed)
    steps = trace_reference(network, inputs[:, 0])
    v = max(int(abs(p["v"]).max()) for states in steps for p in states)
    return v, min(p.weight_exp for p in network.projections)


def test_the_chosen_networks_saturate_and_round_down():
    assert extremes(SATURATING)[0] == STATE_MAX
    assert extremes(NEGATIVE_EXPONENT)[1] < 0


@pytest.mark.parametrize("seed", [NEGATIVE_EXPONENT, SATURATING])
def test_fused_network_equals_the_emulator(seed):
    reference, record = check(random_network(seed), seed, model="fused")
    assert reference.n_spikes > 0
    assert record.target == "loihi-sim (fused network)"


@pytest.mark.parametrize("seed", [0, 7, 8])
def test_fused_network_equals_the_emulator_for_any_neurons_and_outputs(seed):
    reference, _ = check(random_graph(seed), seed, model="fused")
    assert reference.n_spikes > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 160))
def test_many_random_graphs_are_equal_as_a_fused_network(seed):
    check(random_graph(seed), seed, model="fused")


@pytest.mark.parametrize("seed", [NEGATIVE_EXPONENT, SATURATING])
def test_fused_network_equals_the_graph_of_lavas_own_synapses(seed):
    network, inputs = network_and_inputs(seed)
    assert any(p.reach for p in network.projections)
    fused, graph = (
        lava(**options).run(network, inputs)
        for options in ({"model": "fused"}, {"synapses": "stock"})
    )
    assert "stock synapses" in graph.target
    assert graph.n_spikes > 0
    assert mismatches(graph, fused) == (0, 0)


def test_samples_beyond_what_runs_in_parallel_run_in_further_batches_from_rest():
    network, inputs = network_and_inputs(0, n_samples=5)
    record = lava(model="fused", parallel_samples=2).run(network, inputs)
    assert mismatches(emulated(network, inputs), record) == (0, 0)


@pytest.mark.parametrize("keep", [lambda p: False, lambda p: not p.spiking], ids=["edges", "nodes"])
def test_networks_without_any_synapse_or_spiking_neuron_run(keep):
    network, inputs = network_and_inputs(13)
    populations = tuple(p for p in network.populations if keep(p)) or network.populations
    cut_off = replace(network, projections=(), populations=populations)
    for options in ({"model": "fused"}, {}):
        record = lava(**options).run(cut_off, inputs)
        assert mismatches(emulated(cut_off, inputs), record) == (0, 0)


@pytest.mark.parametrize("step", [0, 17])
def test_states_at_a_step_are_the_emulators(step):
    network, inputs = network_and_inputs(10)
    expected = list(trace_reference(network, inputs[: step + 1, 0]))[step]
    states = lava(model="fused").states(network, inputs[:, 0], step)
    assert any(state["v"].any() for state in states) == (step > 0)  # every input has a delay here
    for reference, other in zip(expected, states, strict=True):
        assert (reference.name, reference.names) == (other.name, other.names)
        for name in reference.names:
            np.testing.assert_array_equal(reference[name], other[name], name)


def test_loihi2_refuses_a_fused_network_in_one_line():
    with pytest.raises(RecipeError, match=r"target 'loihi2': a fused network .* use model 'graph'"):
        get_target("loihi2", LavaOptions(model="fused"))
    assert Loihi2().options.model == "graph"


@pytest.mark.parametrize("other", [{"synapses": "stock"}, {"lif": "own"}, {"lif": "stock"}])
def test_options_that_choose_nothing_in_a_fused_network_are_refused(other):
    with pytest.raises(RecipeError, match="model is 'fused'"):
        LavaOptions(model="fused", **other)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["emulator", "--target-option", "model=fused"],
            "target 'emulator': there is no option 'model=fused'; it has none",
        ),
        (["float", "--target-option", "model=fused"], "target 'float' has none"),
        (
            ["loihi-sim", "--target-option", "model=fused", "--target-option", "synapses=stock"],
            "model is 'fused'",
        ),
        (["loihi-sim", "--target-option", "modl=fused"], "it has model, lif, synapses"),
        (
            ["loihi-sim", "--target-option", "time_limit=soon"],
            "time_limit is 'soon', expected float",
        ),
    ],
)
def test_command_line_refuses_options_that_would_choose_nothing(arguments, said):
    result = CliRunner().invoke(main, ["evaluate", str(MODEL), "--target", *arguments])
    assert result.exit_code == 1
    assert said in result.output
