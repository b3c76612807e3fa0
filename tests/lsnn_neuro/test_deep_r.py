"""DEEP R: a sparse network stays as sparse as it was, and keeps its signs."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lsnn_neuro.deep_r import REACTIVATED, DeepR, share_out
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.spec import Projection
from lsnn_neuro.network.synapses import Synapses

OPTIMIZERS = {
    "sgd": lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9),
    "adam": lambda p, lr: torch.optim.Adam(p, lr=lr),
    "amsgrad": lambda p, lr: torch.optim.Adam(p, lr=lr, amsgrad=True),
    "rmsprop": lambda p, lr: torch.optim.RMSprop(p, lr=lr, momentum=0.5, centered=True),
}


def drawn(rng, name, shape, *, connectivity, signs, n_delays):
    """A projection of a random choice of pairs; a square one has no autapses."""
    n_target, n_source = shape
    loops = n_target == n_source
    places = np.array(
        [(t, s) for t in range(n_target) for s in range(n_source) if t != s or not loops]
    )
    places = places.reshape(-1, 2).astype(int)
    n = round(connectivity * len(places))
    chosen = places[rng.choice(len(places), n, replace=False)].reshape(n, 2)
    sign = rng.choice([-1, 1], n_source)
    each = sign[chosen[:, 1]] if signs == "dale" else rng.choice([-1, 1], n)
    return Projection(
        source="a", target="a" if loops else "b", source_index=chosen[:, 1], target_index=chosen[:, 0],
        weight=np.float32(np.abs(rng.normal(size=n)) + 1e-3) * each, delay=rng.integers(0, n_delays, n),
        signs=sign.astype(np.int8) if signs == "dale" else signs, max_delay=n_delays - 1,
        autapses=not loops, group=name, name=name,
    )  # fmt: skip


def rewiring(
    optimizer="adam", *, seed=0, l1=0.01, temperature=0.0, lr=0.05, shapes=((5, 4), (5, 5), (2, 5)),
    connectivity=0.4, signs="dale", rigl_every=None, n_delays=1, cap="network",
):  # fmt: skip
    generator = torch.Generator().manual_seed(seed)
    rng = np.random.default_rng(seed)
    rule = {"connectivity": connectivity, "signs": signs, "n_delays": n_delays}
    projections = [drawn(rng, f"group{i}", shape, **rule) for i, shape in enumerate(shapes)]
    total = sum(p.n_synapses for p in projections)
    groups = [
        Synapses(p.name, [p], [(shape[1], shape[0])], capacity=total, dtype=torch.float32)
        for p, shape in zip(projections, shapes, strict=True)
    ]
    wrapped = OPTIMIZERS[optimizer]([s.theta for s in groups], lr)
    deep_r = DeepR(
        wrapped, groups, l1=l1, temperature=temperature, rigl_every=rigl_every, cap=cap,
        generator=generator,
    )  # fmt: skip
    return deep_r, groups, generator


def random_gradients(groups, generator):
    """Gradients as autograd gives them: nothing for dormant synapses."""
    for s in groups:
        s.theta.grad = torch.randn(s.theta.shape, generator=generator) * (s.theta > 0)


def pairs(s):
    """Source, target, sign and delay of every active synapse, by slot."""
    return {
        k: (int(s.source[k]), int(s.target[k]), int(s.sign[k]), int(s.delay[k]))
        for k in s.active().nonzero().flatten().tolist()
    }


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
    deep_r, groups, generator = rewiring(
        optimizer, seed=seed, l1=l1, temperature=temperature, connectivity=connectivity,
        signs=signs, shapes=shapes,
    )  # fmt: skip
    cap = sum(s.n_active for s in groups)
    for _ in range(6):
        before = [(pairs(s), s.theta.clone()) for s in groups]
        random_gradients(groups, generator)
        deep_r.step()
        assert deep_r.n_active == deep_r.cap == cap
        for s, (old, theta) in zip(groups, before, strict=True):
            now = pairs(s)
            assert len({pair[:2] for pair in now.values()}) == len(now)
            assert (s.theta >= 0).all()
            assert ((s.sign != 0) == (s.theta > 0)).all()
            s.to_projections()  # checks signs, autapses and delays
            kept = {k for k in now if old.get(k) == now[k] and s.theta[k] != REACTIVATED}
            new = [s.theta[k] for k in now if k not in kept]
            assert all(value == torch.tensor(REACTIVATED) for value in new)
            slept = theta <= 0
            assert ((s.theta[slept] == 0) | (s.theta[slept] == torch.tensor(REACTIVATED))).all()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_momentum_does_not_move_free_slots(optimizer):
    deep_r, (synapses,), _ = rewiring(optimizer, shapes=[(6, 6)], l1=0.0, connectivity=1.0)
    synapses.theta.grad = -torch.ones_like(synapses.theta)
    deep_r.step()  # everything now has momentum upwards
    with torch.no_grad():
        synapses.theta[1:3] = 0
        synapses.sign[1:3] = 0
    synapses.n_active_at_start -= 2
    synapses.theta.grad = torch.zeros_like(synapses.theta)
    for _ in range(3):
        deep_r.step()
        assert not synapses.theta[1:3].any()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_reactivated_synapse_carries_no_stale_momentum(optimizer):
    deep_r, (synapses,), _ = rewiring(
        optimizer, shapes=[(2, 1)], connectivity=1.0, l1=0.0, lr=0.01, signs="free"
    )
    with torch.no_grad():
        synapses.theta.copy_(torch.tensor([5.0, 0.02]))
    for _ in range(5):
        synapses.theta.grad = torch.tensor([1e-3, 3.0])
        deep_r.step()  # drives the second below 0; as the only dormant one it is reactivated at once
        if synapses.theta[1] == torch.tensor(REACTIVATED):
            break
    assert synapses.theta[1] == torch.tensor(REACTIVATED)
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


def test_connectivity_wanders_between_groups_and_the_total_stays():
    deep_r, (first, second), _ = rewiring("sgd", l1=0.0, shapes=[(6, 5), (6, 6)], lr=1.0)
    first.theta.grad = 1e6 * torch.ones_like(first.theta)  # every synapse of the first dies
    second.theta.grad = torch.zeros_like(second.theta)
    before = second.n_active
    deep_r.step()
    assert deep_r.n_active == deep_r.cap
    assert 0 < first.n_active < first.n_active_at_start
    assert second.n_active > before


def test_a_cap_for_each_group_keeps_each_as_it_was():
    deep_r, (first, second), _ = rewiring(
        "sgd", l1=0.0, shapes=[(6, 5), (6, 6)], lr=1.0, cap="group"
    )
    first.theta.grad = 1e6 * torch.ones_like(first.theta)
    second.theta.grad = torch.zeros_like(second.theta)
    sizes = first.n_active, second.n_active
    deep_r.step()
    assert (first.n_active, second.n_active) == sizes


def test_what_cannot_be_rewired_is_refused():
    p = Projection.of_matrix("a", "b", np.ones((2, 2)), signs="unconstrained")
    group = Synapses("g", [p], [(2, 2)], capacity=4, dtype=torch.float32)
    optimizer = torch.optim.SGD([group.theta], lr=0.1)
    with pytest.raises(NetworkError, match="'g': its signs are unconstrained"):
        DeepR(optimizer, [group])
    other = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    _, (good,), _ = rewiring(shapes=[(3, 4)])
    with pytest.raises(NetworkError, match="optimizer does not hold the synapses"):
        DeepR(other, [good])
    with pytest.raises(NetworkError, match="cap is 'all', allowed are network, group"):
        DeepR(optimizer, [], cap="all")


amounts = st.integers(0, 50)


@given(
    parts=st.lists(st.tuples(amounts, amounts), min_size=1, max_size=5), total=st.integers(0, 300)
)
def test_the_deficit_is_shared_within_the_capacity(parts, total):
    shares, capacity = zip(*parts, strict=True)
    result = share_out(total, shares, capacity, torch.Generator().manual_seed(total))
    assert sum(result) == min(total, sum(capacity))
    assert all(0 <= part <= space for part, space in zip(result, capacity, strict=True))


def test_small_deficits_go_to_all_groups_in_proportion_to_their_shares():
    generator, shares = torch.Generator().manual_seed(0), (600, 300, 100)
    n = 3000
    drawn = [share_out(1, shares, [1000] * 3, generator) for _ in range(n)]
    total = np.sum(drawn, axis=0) / n
    np.testing.assert_allclose(total, np.array(shares) / 1000, atol=0.03)


def test_by_gradient_the_steepest_dormant_synapses_replace_the_lost_ones():
    deep_r, (s,), generator = rewiring(
        "sgd", lr=1.0, l1=0.0, shapes=((6, 8),), signs="free", rigl_every=3
    )
    cap = deep_r.cap
    lost = s.active().nonzero().flatten()[:5]
    for iteration in range(3):
        deep_r.before_forward(iteration)
        assert (s.scored is not None) == (iteration == 2)
        s.theta.grad = torch.zeros(s.theta.shape)
        if iteration == 0:
            s.theta.grad[lost] = 100.0
        if iteration == 2:
            assert len(s.scored) == s.possible.n - s.n_active
            s.score.grad = torch.randn(len(s.scored), generator=generator)
            scores = dict(
                zip(s.numbers(s.scored).tolist(), s.score.grad.abs().tolist(), strict=True)
            )
            before = set(s.numbers().tolist())
        deep_r.after_backward()
        deep_r.step()
        assert deep_r.n_active == (cap if iteration == 2 else cap - 5)
    new = set(s.numbers().tolist()) - before
    assert len(new) == 5
    assert min(scores[k] for k in new) > max(v for k, v in scores.items() if k not in new)


def test_a_group_too_large_to_score_is_refused_by_name():
    p = Projection(source="a", target="b", source_index=[0], target_index=[0], weight=[1.0])
    s = Synapses("large", [p], [(10**4, 10**4)], capacity=1, dtype=torch.float32)
    with pytest.raises(NetworkError, match="'large': has 100000000 pairs"):
        s.score_dormant(None)


def test_reactivated_synapses_draw_delays_up_to_the_longest():
    deep_r, groups, generator = rewiring(l1=1.0, shapes=((20, 30),), n_delays=63)
    seen = set()
    for _ in range(20):
        random_gradients(groups, generator)
        deep_r.step()
        seen |= {pair[3] for pair in pairs(groups[0]).values()}
    assert max(seen) == 62
    assert len(seen) == 63


@given(seed=st.integers(0, 1000), connectivity=st.floats(0.01, 0.95), share=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_dormant_pairs_are_drawn_once_each_and_none_is_taken(seed, connectivity, share):
    _, (s,), generator = rewiring(seed=seed, shapes=((7, 7),), connectivity=connectivity)
    taken, n = set(s.numbers().tolist()), int(share * (s.possible.n - s.n_active))
    drawn = s.draw_dormant(n, generator)
    ids = s.numbers(drawn).tolist()
    assert len(set(ids)) == len(ids) == n
    assert not taken & set(ids)
    assert (drawn.source != drawn.target).all()


def test_every_dormant_pair_is_as_likely():
    _, (s,), generator = rewiring(shapes=((4, 5),), connectivity=0.2)
    counts = np.zeros(20)
    for _ in range(4000):
        counts[s.numbers(s.draw_dormant(1, generator)).item()] += 1
    free = np.setdiff1d(np.arange(20), s.numbers())
    assert counts.sum() == counts[free].sum() == 4000
    np.testing.assert_allclose(counts[free] / 4000, 1 / len(free), atol=0.02)
