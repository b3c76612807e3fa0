"""How synapses are drawn."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lsnn_neuro.synapses import Synapses

shapes = st.tuples(st.integers(1, 8), st.integers(1, 8))


def draw(shape, seed, **options):
    options = {"connectivity": 0.5, "signs": "dale"} | options
    return Synapses(*shape, generator=torch.Generator().manual_seed(seed), **options)


@settings(max_examples=50, deadline=None)
@given(
    shape=shapes,
    seed=st.integers(0, 1000),
    connectivity=st.floats(0.05, 1),
    signs=st.sampled_from(["dale", "free"]),
    autapses=st.booleans(),
)
def test_as_many_synapses_are_active_as_asked_for(shape, seed, connectivity, signs, autapses):
    if not autapses:
        shape = (shape[0], shape[0])
    synapses = draw(shape, seed, connectivity=connectivity, signs=signs, autapses=autapses)
    allowed = shape[0] * shape[1] - (0 if autapses else shape[0])
    assert synapses.n_active == synapses.n_active_at_start == round(connectivity * allowed)
    if not autapses:
        assert not synapses.weight().diagonal().any()


@settings(max_examples=30, deadline=None)
@given(shape=shapes, seed=st.integers(0, 1000), excitatory=st.floats(0.1, 1))
def test_dales_law_gives_each_source_one_sign(shape, seed, excitatory):
    synapses = draw(shape, seed, excitatory=excitatory)
    assert (synapses.sign == synapses.sign[:1]).all()
    assert int((synapses.sign[0] > 0).sum()) == round(excitatory * shape[1])


def test_free_signs_differ_within_a_source():
    sign = draw((50, 50), 0, signs="free").sign
    assert ((sign > 0).any(0) & (sign < 0).any(0)).all()


def test_unconstrained_weights_are_theta_itself():
    synapses = draw((4, 5), 0, signs="unconstrained", connectivity=1.0)
    assert torch.equal(synapses.weight(), synapses.theta)
    assert (synapses.weight() < 0).any()


@pytest.mark.parametrize("n_delays", [1, 3, 10])
def test_weights_apart_by_delay_sum_to_the_weights(n_delays):
    synapses = draw((20, 30), 0, n_delays=n_delays)
    by_delay = synapses.weight_by_delay()
    assert by_delay.shape == (n_delays, 20, 30)
    assert torch.equal(by_delay.sum(0), synapses.weight())
    assert set(synapses.delay.flatten().tolist()) == set(range(n_delays))


def test_inhibition_starts_as_strong_as_excitation():
    weight = draw((200, 400), 0, excitatory=0.8, connectivity=1.0).weight().detach()
    excitation, inhibition = weight.clamp(min=0).sum(), -weight.clamp(max=0).sum()
    assert excitation.item() == pytest.approx(inhibition.item(), rel=0.05)


def test_the_same_seed_draws_the_same_synapses():
    first, second = (draw((6, 7), 3, n_delays=4).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
