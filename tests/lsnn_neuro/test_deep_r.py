"""DEEP R: a sparse network stays as sparse as it was, and keeps its signs."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lsnn_neuro.deep_r import AWAKENED, DeepR, _share_out
from lsnn_neuro.network.lsnn import _Drawn
from lsnn_neuro.network.synapses import Synapses

OPTIMIZERS = {
    "sgd": lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9),
    "adam": lambda p, lr: torch.optim.Adam(p, lr=lr),
    "amsgrad": lambda p, lr: torch.optim.Adam(p, lr=lr, amsgrad=True),
    "rmsprop": lambda p, lr: torch.optim.RMSprop(p, lr=lr, momentum=0.5, centered=True),
}


def rewiring(
    optimizer="adam", *, seed=0, l1=0.01, temperature=0.0, lr=0.05, shapes=((5, 4), (5, 5), (2, 5)),
    connectivity=0.4, signs="dale", gradient_every=None, n_delays=1, redraw_delays=False,
):  # fmt: skip
    generator = torch.Generator().manual_seed(seed)
    matrices = []
    for i, (n_target, n_source) in enumerate(shapes):
        ends = [("a", n_source)], [("a" if n_source == n_target else "b", n_target)]
        drawn = _Drawn(
            f"group{i}", *ends, n_target, n_source, connectivity=connectivity, signs=signs,
            autapses=n_target != n_source, n_delays=n_delays, generator=generator,
        )  # fmt: skip
        group = Synapses(f"group{i}", list(drawn.projections()), capacity=0, dtype=torch.float32)
        drawn.fill(group)
        matrices.append(group)
    wrapped = OPTIMIZERS[optimizer]([s.theta for s in matrices], lr)
    deep_r = DeepR(
        wrapped, matrices, l1=l1, temperature=temperature, redraw_delays=redraw_delays,
        gradient_every=gradient_every, generator=generator,
    )  # fmt: skip
    return deep_r, matrices, generator


def random_gradients(matrices, generator):
    """Gradients as autograd gives them: nothing for dormant synapses."""
    for s in matrices:
        s.theta.grad = torch.randn(s.theta.shape, generator=generator) * (s.theta > 0)


@settings(max_examples=60, deadline=None)
@given(
    optimizer=st.sampled_from(sorted(OPTIMIZERS)),
    seed=st.integers(0, 10_000),
    l1=st.sampled_from([0.0, 0.01, 1.0, 100.0]),
    temperature=st.sampled_from([0.0, 1e-4, 0.1]),
    connectivity=st.floats(0.05, 1.0),
    signs=st.sampled_from(["dale", "free"]),
    shapes=st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=3),
)
def test_sparsity_signs_and_forbidden_places_hold_after_every_step(
    optimizer, seed, l1, temperature, connectivity, signs, shapes
):
    deep_r, matrices, generator = rewiring(
        optimizer, seed=seed, l1=l1, temperature=temperature, connectivity=connectivity,
        signs=signs, shapes=shapes,
    )  # fmt: skip
    cap = sum(int((s.theta > 0).sum()) for s in matrices)
    signs_at_start = [s.sign.clone() for s in matrices]
    for _ in range(6):
        dormant = [s.theta == 0 for s in matrices]
        random_gradients(matrices, generator)
        deep_r.step()
        assert deep_r.n_active == deep_r.cap == cap
        for s, sign, slept in zip(matrices, signs_at_start, dormant, strict=True):
            assert (s.theta >= 0).all()
            assert not s.theta[s.sign == 0].any()
            assert torch.equal(s.sign, sign)
            assert (s.weight() * sign >= 0).all()
            moved = s.theta[slept]
            assert ((moved == 0) | (moved == torch.tensor(AWAKENED))).all()
            if signs == "dale":  # as the projections check when they are made
                s.to_projections()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_momentum_does_not_move_dormant_synapses(optimizer):
    deep_r, (synapses,), _ = rewiring(optimizer, shapes=[(6, 6)], l1=0.0, connectivity=1.0)
    synapses.theta.grad = -torch.ones_like(synapses.theta)
    deep_r.step()  # everything that is allowed now has momentum upwards
    sleeper = torch.zeros_like(synapses.theta, dtype=torch.bool)
    sleeper[1:3] = True
    with torch.no_grad():
        synapses.theta[sleeper] = 0
    deep_r.cap -= 2
    synapses.theta.grad = torch.zeros_like(synapses.theta)
    for _ in range(3):
        deep_r.step()
        assert not synapses.theta[sleeper].any()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_reactivated_synapse_carries_no_stale_momentum(optimizer):
    deep_r, (synapses,), _ = rewiring(
        optimizer, shapes=[(2, 1)], connectivity=1.0, l1=0.0, lr=0.01, signs="free"
    )
    with torch.no_grad():
        synapses.theta.copy_(torch.tensor([5.0, 0.02]))
    for _ in range(5):
        synapses.theta.grad = torch.tensor([1e-3, 3.0])
        deep_r.step()  # drives the second below 0; as the only dormant one it is awakened at once
        if synapses.theta[1] == torch.tensor(AWAKENED):
            break
    assert synapses.theta[1] == torch.tensor(AWAKENED)
    for name, value in deep_r.optimizer.state[synapses.theta].items():
        if name in ("exp_avg", "momentum_buffer", "grad_avg"):
            assert value[1] == 0, name
            assert value[0] != 0, name
        elif name in ("exp_avg_sq", "square_avg", "max_exp_avg_sq"):
            assert value[1] == value[0], f"{name} must be the median of the active ones"


def test_l1_pulls_active_synapses_towards_zero():
    deep_r, (synapses,), _ = rewiring("sgd", shapes=[(4, 3)], l1=0.1, lr=0.5, connectivity=1.0)
    with torch.no_grad():
        synapses.theta.fill_(1.0)
    synapses.theta.grad = torch.zeros_like(synapses.theta)
    deep_r.step()
    torch.testing.assert_close(synapses.theta.detach(), torch.full((12,), 1 - 0.5 * 0.1))


def test_noise_has_the_variance_of_the_temperature():
    deep_r, (synapses,), _ = rewiring(
        "sgd", shapes=[(100, 99)], l1=0.0, lr=0.02, temperature=0.3, connectivity=1.0
    )
    with torch.no_grad():
        synapses.theta.fill_(10.0)
    synapses.theta.grad = torch.zeros_like(synapses.theta)
    deep_r.step()
    noise = synapses.theta.detach() - 10
    assert noise.std().item() == pytest.approx(math.sqrt(2 * 0.02 * 0.3), rel=0.05)
    assert abs(noise.mean().item()) < 0.01


@pytest.mark.parametrize("temperature", [0.0, 0.01])
def test_the_same_seed_rewires_the_same_way(temperature):
    results = []
    for _ in range(2):
        deep_r, matrices, generator = rewiring(temperature=temperature, l1=1.0)
        for _ in range(10):
            random_gradients(matrices, generator)
            deep_r.step()
        results.append([s.theta.detach().clone() for s in matrices])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_connectivity_wanders_between_matrices_and_the_total_stays():
    deep_r, matrices, _ = rewiring("sgd", l1=0.0, shapes=[(6, 5), (6, 6)], lr=1.0)
    first, second = matrices
    first.theta.grad = 1e6 * torch.ones_like(first.theta)  # every synapse of the first dies
    second.theta.grad = torch.zeros_like(second.theta)
    before = second.n_active
    deep_r.step()
    assert deep_r.n_active == deep_r.cap
    assert 0 < int((first.theta > 0).sum()) < deep_r.shares[0]
    assert int((second.theta > 0).sum()) > before


amounts = st.integers(0, 50)


@given(
    parts=st.lists(st.tuples(amounts, amounts), min_size=1, max_size=5), total=st.integers(0, 300)
)
def test_the_deficit_is_shared_within_the_room(parts, total):
    shares, room = zip(*parts, strict=True)
    result = _share_out(total, shares, room)
    assert sum(result) == min(total, sum(room))
    assert all(0 <= part <= space for part, space in zip(result, room, strict=True))


@given(shares=st.lists(st.integers(1, 50), min_size=1, max_size=5), total=amounts)
def test_with_enough_room_the_deficit_is_shared_in_proportion(shares, total):
    result = _share_out(total, shares, [1000] * len(shares))
    for part, share in zip(result, shares, strict=True):
        assert abs(part - total * share / sum(shares)) < 1


def test_by_gradient_the_steepest_dormant_synapses_replace_the_lost_ones():
    deep_r, (s,), generator = rewiring(
        "sgd", lr=1.0, l1=0.0, shapes=((6, 8),), signs="free", gradient_every=3
    )
    cap = deep_r.cap
    lost = torch.nonzero((s.theta > 0).flatten()).flatten()[:5]
    for iteration in range(3):
        deep_r.before_forward(iteration)
        assert s.reaches_dormant == (iteration == 2)
        s.theta.grad = torch.zeros(s.theta.shape)
        if iteration == 0:
            s.theta.grad.view(-1)[lost] = 100.0
        if iteration == 2:
            s.theta.grad = torch.randn(s.theta.shape, generator=generator) * (s.theta == 0)
        dormant, gradient = s.theta == 0, s.theta.grad.clone()
        deep_r.after_backward()
        assert not s.theta.grad[dormant].any()
        deep_r.step()
        assert deep_r.n_active == (cap if iteration == 2 else cap - 5)
    awakened = dormant & (s.theta > 0)
    assert (s.theta[awakened] == AWAKENED).all()
    assert gradient[awakened].max() < gradient[dormant & ~awakened].min()


@pytest.mark.parametrize("redraw", [False, True])
def test_only_awakened_synapses_get_new_delays_and_only_where_asked(redraw):
    deep_r, matrices, generator = rewiring(
        l1=1.0, shapes=((20, 30),), n_delays=63, redraw_delays=redraw
    )
    for _ in range(10):
        before = [(s.delay.clone(), s.theta > 0) for s in matrices]
        random_gradients(matrices, generator)
        deep_r.step()
        for s, (delay, active) in zip(matrices, before, strict=True):
            changed = s.delay != delay
            awakened = (s.theta > 0) & ~active
            assert awakened.any()
            assert not (changed & ~awakened & active & (s.theta > 0)).any() or redraw
            assert changed.any() == redraw
            assert int(s.delay.max()) < 63
