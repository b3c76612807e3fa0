"""How an LSNN is drawn."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from same import differences

from lsnn_neuro.network.config import LSNNConfig

SPIKING = ("regular", "adaptive")
seeds = st.integers(0, 10**6)


def drawn(seed=0, *, n_inputs=8, n_outputs=3, **fields):
    """The spec of an LSNN."""
    config = LSNNConfig(**{"regular": 6, "adaptive": 5, "n_delays": 4} | fields)
    return config.draw(n_inputs, n_outputs, torch.Generator().manual_seed(seed))


def matrix(spec, sources, targets):
    """Weights (target, source) between some populations, side by side."""
    sizes = {name: spec.size_of(name) for name in (*sources, *targets)}
    rows = []
    for target in targets:
        whole = {s: np.zeros((sizes[target], sizes[s])) for s in sources}
        for p in spec.into(target):
            if p.source in whole:
                whole[p.source][p.target_index, p.source_index] = p.weight
        rows.append(np.concatenate(list(whole.values()), axis=1))
    return np.concatenate(rows)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, connectivity=st.floats(0.05, 1), signs=st.sampled_from(["dale", "free"]))
def test_as_many_synapses_are_drawn_as_asked_for(seed, connectivity, signs):
    shares = {f"{name}_connectivity": connectivity for name in ("input", "recurrent", "readout")}
    spec = drawn(seed, signs=signs, **shares)
    inputs, recurrent, readout = (
        matrix(spec, ["input"], SPIKING), matrix(spec, SPIKING, SPIKING), matrix(spec, SPIKING, ["readout"]),
    )  # fmt: skip
    assert np.count_nonzero(inputs) == round(connectivity * 8 * 11)
    assert np.count_nonzero(recurrent) == round(connectivity * 11 * 10)
    assert np.count_nonzero(readout) == round(connectivity * 3 * 11)
    assert not recurrent.diagonal().any()


@settings(max_examples=20, deadline=None)
@given(seed=seeds, excitatory=st.floats(0.1, 1))
def test_dales_law_gives_each_source_one_sign(seed, excitatory):
    spec = drawn(seed, excitatory=excitatory)
    for sources in (("input",), SPIKING):
        signs = {
            p.source: p.signs
            for p in spec.projections
            if p.target in SPIKING and p.source in sources
        }
        together = np.concatenate([signs[s] for s in sources])
        assert (together > 0).sum() == round(excitatory * len(together))
    for source in (*SPIKING, "input"):  # the same onto all targets
        several = [p.signs for p in spec.out_of(source) if p.target in SPIKING]
        assert all(np.array_equal(several[0], s) for s in several)


def test_free_signs_differ_within_a_source():
    weight = matrix(drawn(signs="free", regular=30, input_connectivity=1.0), ["input"], SPIKING)
    assert ((weight > 0).any(0) & (weight < 0).any(0)).all()


def test_weights_without_signs_may_change_them():
    spec = drawn(signs="unconstrained")
    assert all(p.unconstrained for p in spec.projections)


def test_inhibition_starts_as_strong_as_excitation():
    spec = drawn(regular=200, adaptive=200, excitatory=0.8, recurrent_connectivity=1.0)
    weight = matrix(spec, SPIKING, SPIKING)
    excitation, inhibition = np.maximum(weight, 0).sum(), np.maximum(-weight, 0).sum()
    assert excitation == pytest.approx(inhibition, rel=0.05)


@pytest.mark.parametrize("n_delays", [1, 3, 10])
def test_delays_are_drawn_from_0_to_n_delays_minus_1(n_delays):
    spec = drawn(
        regular=20,
        adaptive=20,
        n_delays=n_delays,
        recurrent_connectivity=1.0,
        input_connectivity=1.0,
    )
    for p in spec.projections:
        longest = n_delays - 1 if p.target in SPIKING else 0
        assert p.max_delay == longest
        assert set(p.delay.tolist()) == set(range(longest + 1))


def test_input_delays_may_be_others():
    spec = drawn(n_delays=5, input_delays=2)
    assert {p.source == "input": p.max_delay for p in spec.projections if p.target in SPIKING} == {
        True: 1, False: 4,
    }  # fmt: skip


def test_the_same_seed_draws_the_same_network_and_another_another():
    assert differences(drawn(3), drawn(3)) == []
    assert differences(drawn(3), drawn(4)) != []


@pytest.mark.parametrize(("empty", "left"), [("regular", "adaptive"), ("adaptive", "regular")])
def test_populations_without_neurons_are_left_out(empty, left):
    assert [p.name for p in drawn(**{empty: 0}).populations] == [left, "readout"]


def test_time_constants_are_drawn_from_a_range():
    spec = drawn(regular=0, adaptive=50, tau_a=(10.0, 20.0))
    tau_a = -1 / np.log(spec.population("adaptive").neuron.rho)
    assert 10 <= tau_a.min() < 12 < 18 < tau_a.max() <= 20.001


def test_errors_come_back_through_random_weights_where_asked():
    assert drawn().feedback is None
    assert drawn(learning="random-feedback").feedback.shape == (3, 11)


def test_a_liquid_learns_its_readout_alone():
    spec = drawn(learning="liquid")
    assert {p.target in SPIKING: p.plastic for p in spec.projections} == {True: False, False: True}
