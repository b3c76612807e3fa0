"""Groups of synapses that learn, and projections in the time loop."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from same import differences

from lsnn_neuro.network.spec import Projection
from lsnn_neuro.network.synapses import Synapses
from lsnn_neuro.network.torch_synapses import DENSE_PER_SYNAPSE, make_synapses


def group(*projections, capacity=0, dtype=torch.float32):
    ends = [(5, 4)] * len(projections)
    return Synapses("group", projections, ends, capacity=capacity, dtype=dtype)


def random_projection(seed, source="a", target="b", *, shape=(4, 5), **fields):
    rng = np.random.default_rng(seed)
    weight = np.float32(rng.normal(size=shape)) * (rng.random(shape) < 0.6)
    return Projection.of_matrix(source, target, weight, delay=rng.integers(0, 4, shape), **fields)


def test_weights_are_sign_times_theta_and_dormant_ones_0():
    p = Projection.of_matrix("a", "b", np.array([[2.0, -3.0, 4.0]]))
    synapses = group(p)
    assert synapses.theta.tolist() == [2, 3, 4]
    with torch.no_grad():
        synapses.theta[:] = torch.tensor([1.0, 0.5, -0.25])
    assert synapses.weight().tolist() == [1, -0.5, 0]
    assert synapses.active().tolist() == [True, True, False]
    assert (synapses.n_active, synapses.n_active_at_start) == (2, 3)
    synapses.weight().sum().backward()
    assert synapses.theta.grad.tolist() == [1, -1, 0]


def test_unconstrained_weights_are_theta_itself():
    p = Projection.of_matrix("a", "b", np.array([[2.0, -3.0]]), signs="unconstrained")
    synapses = group(p)
    assert synapses.theta.tolist() == [2, -3]
    with torch.no_grad():
        synapses.theta.neg_()
    assert synapses.weight().tolist() == [-2, 3]
    assert synapses.active().all()
    (again,) = synapses.to_projections()
    assert again.weight.tolist() == [-2, 3]


def test_what_is_not_plastic_does_not_learn():
    assert group(random_projection(0)).plastic
    frozen = group(random_projection(0, plastic=False))
    assert not frozen.plastic
    assert not frozen.theta.requires_grad


@pytest.mark.parametrize("capacity", [0, 50])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_projections_of_a_group_come_back_as_they_were(capacity, dtype):
    projections = (
        random_projection(1), random_projection(2, "b", "a", max_delay=9),
        Projection.of_matrix("c", "a", np.zeros((2, 2))), random_projection(3, "a", "a", excitatory=0.7),
    )  # fmt: skip
    synapses = group(*projections, capacity=capacity, dtype=dtype)
    assert len(synapses.theta) == max(capacity, sum(p.n_synapses for p in projections))
    assert synapses.n_active == synapses.n_active_at_start == sum(p.n_synapses for p in projections)
    for one, two in zip(synapses.to_projections(), projections, strict=True):
        assert differences(one, two) == []


def test_a_free_slot_has_no_weight_and_gets_no_gradient():
    synapses = group(random_projection(1), capacity=40)
    free = synapses.sign == 0
    assert free.any()
    assert not synapses.weight()[free].any()
    synapses.weight().sum().backward()
    assert not synapses.theta.grad[free].any()


def test_slots_of_each_projection_are_sorted_by_target_then_source():
    synapses = group(random_projection(1), random_projection(2, "b", "a"))
    with torch.no_grad():  # another order of slots, and some dormant ones
        order = torch.randperm(len(synapses.theta), generator=torch.Generator().manual_seed(0))
        for name in ("block", "source", "target", "sign", "delay"):
            setattr(synapses, name, getattr(synapses, name)[order])
        synapses.theta[:] = synapses.theta[order]
        synapses.theta[::5] = 0
    for i, slots in enumerate(synapses.slots()):
        assert (synapses.block[slots] == i).all()
        assert (synapses.theta[slots] > 0).all()
        where = synapses.target[slots].long() * 100 + synapses.source[slots]
        assert (where.diff() > 0).all()
    assert sum(len(slots) for slots in synapses.slots()) == synapses.n_active


# --- in the time loop --------------------------------------------------------------------------------------


def one_by_one(p, history, n, here):
    """What some of the synapses bring, added up one by one."""
    total = torch.zeros(len(history[0]), n, dtype=torch.float64)
    columns = (p.source_index, p.target_index, p.weight, p.delay)
    for i, j, w, d in zip(*(c[here] for c in columns), strict=True):
        total[:, j] += w * history[d][:, i]
    return total


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), sparse=st.booleans())
def test_what_arrives_is_the_sum_of_the_synapses(seed, sparse):
    """As matrices, and as a list where matrices would be mostly 0; or each delay's sum rounded."""
    rng = np.random.default_rng(seed)
    n = 3 * DENSE_PER_SYNAPSE if sparse else 4
    weight = np.zeros((n, 5))
    weight[-4:] = rng.normal(size=(4, 5)) * (rng.random((4, 5)) < (0.1 if sparse else 0.9))
    weight[-1, 0] = 1.0
    p = Projection.of_matrix("a", "b", weight, delay=rng.integers(0, 4, weight.shape))
    history = tuple(torch.tensor(rng.normal(size=(3, 5))) for _ in range(4))
    where = tuple(torch.tensor(a).long() for a in (p.source_index, p.target_index, p.delay))
    found = make_synapses("a", (5, n), where, torch.tensor(p.weight))
    assert type(found).__name__ == ("ListedSynapses" if sparse else "DenseSynapses")
    expected = one_by_one(p, history, n, p.delay >= 0)
    torch.testing.assert_close(found.current(history), expected)
    rounded = make_synapses("a", (5, n), where, torch.tensor(p.weight), rounded=torch.floor)
    each = [one_by_one(p, history, n, p.delay == d).floor() for d in np.unique(p.delay)]
    torch.testing.assert_close(rounded.current(history), sum(each))


def test_no_synapses_are_none():
    none = torch.zeros(0, dtype=torch.long)
    assert make_synapses("a", (2, 2), (none,) * 3, torch.zeros(0)) is None


@pytest.mark.parametrize("n_target", [2, 400])
def test_detached_synapses_pass_no_gradient_to_their_source(n_target):
    where = (torch.tensor([0, 1]), torch.tensor([0, 1]), torch.tensor([0, 0]))
    weight = torch.ones(2, requires_grad=True)
    sent = torch.ones(1, 2, requires_grad=True)
    for detached in (False, True):
        synapses = make_synapses("a", (2, n_target), where, weight, detached=detached)
        (by_weight, by_source) = torch.autograd.grad(
            synapses.current((sent,)).sum(), (weight, sent), allow_unused=True
        )
        assert by_weight.tolist() == [1, 1]
        assert (by_source is None) == detached
