"""The emulator against Lava: zero mismatched spikes, equal readout integers, equal states."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from random_networks import EXTREME_EVERY, random_inputs, random_network

from deploy.lava.options import LavaOptions
from deploy.lava.stock_atrlif import atrlif_obstacle
from deploy.lava.stock_lif import on_stock_lif, stock_lif_obstacle
from deploy.lava.target import LoihiSimTarget
from lsnn_neuro.errors import NetworkError
from quantize.emulator import emulate, trace
from quantize.loihi import STATE_MAX
from quantize.network import Population, Projection, QuantizedNetwork, Readout

N_STEPS, N_SAMPLES = 40, 3
TIME_LIMIT = 120.0


def lava(**options):
    return LoihiSimTarget(LavaOptions(time_limit=TIME_LIMIT, **options))


def mismatches(reference, other):
    """Spikes and readout integers that differ."""
    assert [p.name for p in reference.spikes] == [p.name for p in other.spikes]
    pairs = zip(reference.spikes, other.spikes, strict=True)
    spikes = sum(int((a.spikes != b.spikes).sum()) for a, b in pairs)
    return spikes, int((reference.readout != other.readout).sum())


def check(seed, forms=("threshold",), **options):
    """Run a random network on both; gives the emulator's record."""
    network = random_network(seed, forms)
    inputs = random_inputs(seed, network, n_steps=N_STEPS, n_samples=N_SAMPLES)
    reference = emulate(network, inputs)
    assert mismatches(reference, lava(**options).run(network, inputs)) == (0, 0)
    return reference


@pytest.mark.parametrize("seed", [0, 4, 10, 13])
def test_random_networks_are_equal_on_lava(seed):
    assert check(seed).n_spikes > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 220))
def test_many_random_networks_are_equal_on_lava(seed):
    check(seed, synapses="stock" if seed % 10 == 0 else "event")


OTHER_FORMS = [("current",), ("atrlif",), ("lif", "threshold", "current", "atrlif")]


@pytest.mark.parametrize(
    ("seed", "forms"), list(zip([0, 1, 15], OTHER_FORMS, strict=True)), ids=str
)
def test_random_networks_of_other_neurons_are_equal_on_lava(seed, forms):
    assert check(seed, forms).n_spikes > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("forms", OTHER_FORMS, ids=" ".join)
def test_many_random_networks_of_other_neurons_are_equal_on_lava(seed, forms):
    network = random_network(seed, forms)
    atrlif = [p for p in network.populations if p.neuron == "atrlif"]
    if any(atrlif_obstacle(network, p) for p in atrlif):
        inputs = random_inputs(seed, network, n_steps=2, n_samples=1)
        with pytest.raises(NetworkError, match="can't run on Lava's ATRLIF"):
            lava().run(network, inputs)
        return
    check(seed, forms, synapses="stock" if seed % 10 == 0 else "event")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
def test_many_random_lif_networks_are_equal_on_lavas_own_lif(seed):
    network = random_network(seed, ("lif",))
    if len(on_stock_lif(network, "auto")) < len(network.populations):
        with pytest.raises(NetworkError, match="can't run on Lava's stock LIF"):
            lava(lif="stock").run(network, random_inputs(seed, network, n_steps=2, n_samples=1))
        return
    check(seed, ("lif",), lif="stock")


def test_most_random_networks_suit_lavas_own_neurons():
    def share(form, fits):
        networks = [random_network(seed, (form,)) for seed in range(60)]
        return np.mean([all(fits(n, p) for p in n.populations) for n in networks])

    assert share("lif", lambda n, p: stock_lif_obstacle(n, p) is None) > 0.6
    assert share("atrlif", lambda n, p: atrlif_obstacle(n, p) is None) > 0.6


def test_lavas_own_atrlif_wraps_its_current_around_and_spikes_at_its_threshold():
    one = np.ones(1, np.int32)

    def network(vth_mant, n_inputs):
        return QuantizedNetwork(
            n_inputs=n_inputs,
            populations=(
                Population(
                    name="pop", neuron="atrlif", decay_i=0 * one, decay_v=4096 * one,
                    decay_a=100 * one, step_a=64 * one, vth_mant=vth_mant * one,
                    decay_r=4096 * one, n_ref=0, reset="subtract", scale=1.0,
                ),
            ),
            projections=tuple(
                Projection(
                    name=name, source=source, target=target, n_source=n, n_target=1,
                    source_index=np.arange(n), target_index=np.zeros(n, int),
                    weight_mant=np.full(n, weight), delay=np.zeros(n, int), weight_exp=exponent,
                    sign_mode="excitatory",
                )
                for name, source, target, n, weight, exponent in (
                    ("in", "input", "pop", n_inputs, 250, 4), ("out", "pop", "readout", 1, 100, 0)
                )
            ),
            readout=Readout(decay=100 * one, bias=0 * one, scale=1.0),
        )  # fmt: skip

    for vth_mant, n_inputs in ((4000, 1), (4001, 1), (4000, 60)):  # at, below, around
        quantized = network(vth_mant, n_inputs)
        inputs = np.ones((20, 1, n_inputs), bool)
        reference = emulate(quantized, inputs)
        if n_inputs == 1:
            assert bool(reference.spikes[0].spikes[0, 0, 0]) == (vth_mant == 4000)
        assert mismatches(reference, lava().run(quantized, inputs)) == (0, 0)
    lowest = min(states[0].v[0] for states in trace(quantized, inputs[:, 0]))
    assert lowest < -(2**22)  # strong excitation has become inhibition


def test_random_networks_reach_the_limits_they_are_meant_to_reach():
    def largest_state(seed):
        network = random_network(seed)
        inputs = random_inputs(seed, network, n_steps=N_STEPS, n_samples=1)
        return max(abs(p.v).max() for states in trace(network, inputs[:, 0]) for p in states)

    extreme = [largest_state(seed) for seed in range(EXTREME_EVERY - 1, 30, EXTREME_EVERY)]
    assert STATE_MAX in extreme
    networks = [random_network(seed) for seed in range(100, 220)]
    populations = [p for network in networks for p in network.populations]
    assert {p.n_ref for p in populations} == set(range(6))
    assert {p.reset for p in populations} == {"subtract", "zero"}
    projections = [p for network in networks for p in network.projections]
    assert {p.weight_exp for p in projections} == set(range(-8, 8))
    assert {p.max_delay for p in projections} == set(range(11))
    assert {p.sign_mode for p in projections} == {"excitatory", "inhibitory", "mixed"}


@pytest.mark.parametrize("seed", [6, 9, 35])
def test_event_driven_synapses_equal_lavas_own(seed):
    network = random_network(seed)
    assert any(p.max_delay for p in network.projections)
    inputs = random_inputs(seed, network, n_steps=N_STEPS, n_samples=2)
    stock, event = (lava(synapses=kind).run(network, inputs) for kind in ("stock", "event"))
    assert stock.target != event.target
    assert stock.n_spikes > 0
    assert mismatches(stock, event) == (0, 0)


def test_population_on_lavas_own_lif_equals_the_emulator_and_our_process():
    seed = next(s for s in range(100) if len(on_stock_lif(random_network(s), "auto")) == 2)
    network = random_network(seed)
    inputs = random_inputs(seed, network, n_steps=N_STEPS, n_samples=2)
    reference = emulate(network, inputs)
    auto, own = (lava(lif=lif).run(network, inputs) for lif in ("auto", "own"))
    assert "stock LIF" in auto.target
    assert "stock LIF" not in own.target
    assert reference.n_spikes > 0
    assert mismatches(reference, auto) == mismatches(reference, own) == (0, 0)


def test_stock_lif_is_exact_up_to_the_limit_of_its_current():
    limit = 2**17 - 1  # 130,560 + 510 + 1
    one = np.ones(1, np.int32)
    strengths = [(255, 7), (255, 7), (255, 7), (255, 7), (255, 1), (1, 0)]
    assert sum(weight << exponent for weight, exponent in strengths) == limit
    population = Population(
        name="plain",
        decay_v=300 * one,
        decay_a=0 * one,
        step_a=0 * one,
        vth_mant=(limit - 1) * one,
        n_ref=0,
        reset="zero",
        scale=1.0,
    )
    network = QuantizedNetwork(
        n_inputs=2,
        populations=(population,),
        projections=tuple(
            Projection(
                name=f"{sign_mode} {number}",
                source="input",
                target="plain",
                n_source=2,
                n_target=1,
                source_index=source * one,
                target_index=0 * one,
                weight_mant=sign * weight * one,
                delay=0 * one,
                weight_exp=exponent,
                sign_mode=sign_mode,
            )
            for source, sign, sign_mode in ((0, 1, "excitatory"), (1, -1, "inhibitory"))
            for number, (weight, exponent) in enumerate(strengths)
        ),
        readout=Readout(decay=100 * one, bias=0 * one, scale=1.0),
    )
    inputs = np.zeros((12, 1, 2), bool)
    inputs[[0, 2, 3, 8], 0, 0] = True
    inputs[[4, 5, 6], 0, 1] = True  # drives the membrane into its negative limit
    reference = emulate(network, inputs)
    assert reference.n_spikes == 3
    assert mismatches(reference, lava(lif="stock").run(network, inputs)) == (0, 0)


def test_samples_beyond_the_copies_run_in_further_batches_from_rest():
    network = random_network(0)
    inputs = random_inputs(0, network, n_steps=N_STEPS, n_samples=5)
    record = lava(copies=2).run(network, inputs)
    assert mismatches(emulate(network, inputs), record) == (0, 0)


def test_population_and_readout_without_any_synapse_still_run():
    whole = random_network(13)
    island = whole.populations[0].name
    network = replace(
        whole, projections=tuple(p for p in whole.projections if island not in (p.source, p.target))
    )
    cut_off = replace(whole, projections=())
    inputs = random_inputs(13, whole, n_steps=10, n_samples=2)
    for case in (network, cut_off):
        assert mismatches(emulate(case, inputs), lava().run(case, inputs)) == (0, 0)


@pytest.mark.parametrize("step", [0, 17])
@pytest.mark.parametrize("forms", [("threshold",), ("current",), ("atrlif",)], ids=" ".join)
def test_states_at_a_step_are_the_emulators(step, forms):
    network = random_network(10, forms)
    inputs = random_inputs(10, network, n_steps=20, n_samples=1)[:, 0]
    expected = next(islice(trace(network, inputs), step, None))
    states = lava().states(network, inputs, step)
    assert any(state.v.any() for state in states) == (step > 0)  # every input has a delay here
    for reference, other in zip(expected, states, strict=True):
        assert reference.name == other.name
        for field in ("v", "a", "r", "z"):
            np.testing.assert_array_equal(getattr(reference, field), getattr(other, field), field)
