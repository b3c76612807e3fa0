"""The emulator against Lava: zero mismatched spikes, equal readout integers, equal states."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from random_networks import EXTREME_EVERY, random_inputs, random_network

from deploy.lava.options import LavaOptions
from deploy.lava.stock_lif import on_stock_lif
from deploy.lava.target import LoihiSimTarget
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


def check(seed, **options):
    """Run a random network on both; gives the emulator's record."""
    network = random_network(seed)
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
def test_states_at_a_step_are_the_emulators(step):
    network = random_network(10)
    inputs = random_inputs(10, network, n_steps=20, n_samples=1)[:, 0]
    expected = next(islice(trace(network, inputs), step, None))
    states = lava().states(network, inputs, step)
    assert any(state.v.any() for state in states) == (step > 0)  # every input has a delay here
    for reference, other in zip(expected, states, strict=True):
        assert reference.name == other.name
        for field in ("v", "a", "r", "z"):
            np.testing.assert_array_equal(getattr(reference, field), getattr(other, field), field)
