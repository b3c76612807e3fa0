"""Gradients of the time loop against an independent reference in double precision."""

import numpy as np
import pytest
import torch
from float_reference import FloatReference
from random_networks import random_inputs
from random_specs import random_spec

from lsnn_neuro.network.module import SpikingNetwork
from lsnn_neuro.network.spec import NetworkSpec, Population, Projection
from lsnn_neuro.registry import NEURONS

SEEDS = range(50)
FEW_AT_FIRST = [*range(20), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(20, 50))]
N_STEPS = 14


def graded(seed, spec):
    """Real inputs, half of them 0, that want a gradient."""
    rng = np.random.default_rng([seed, 9])
    shape = (N_STEPS, 2, spec.n_inputs)
    return torch.tensor(rng.uniform(-0.2, 1.2, shape) * (rng.random(shape) < 0.5)).requires_grad_()


def loss_of(output, seed, *, through):
    """A random loss of what a network gives: "readout", "rate" or "spikes"."""
    values = getattr(output, through)
    weight = torch.randn(values.shape, generator=torch.Generator().manual_seed(seed)).double()
    return (weight * values).sum() + (values**2).mean()


def of_the_module(net):
    """What learns, by name."""
    return {name: [p] for name, p in net.named_parameters() if p.requires_grad}


def of_the_reference(reference, net):
    """The same by the same names."""
    named = {}
    for i, group in enumerate(net.groups):
        if group.plastic:
            named[f"groups.{i}.theta"] = [reference.theta[p.name] for p in group.projections]
    for i, p in enumerate(reference.spec.populations):
        for constant in p.learn:
            if constant in ("bias", "offset"):
                named[f"populations.{i}.{constant}"] = [getattr(reference, constant)[p.name]]
            else:
                named[f"populations.{i}.log_factor.{constant}"] = [
                    reference.factor[p.name, constant]
                ]
    return named


def gradients(loss, named):
    """By name; zeros where nothing depends on it."""
    leaves = [leaf for several in named.values() for leaf in several]
    grads = torch.autograd.grad(loss, leaves, allow_unused=True, retain_graph=True)
    flat = [torch.zeros_like(t) if g is None else g for t, g in zip(leaves, grads, strict=True)]
    return {name: torch.cat([flat.pop(0) for _ in several]) for name, several in named.items()}


@pytest.mark.parametrize("seed", FEW_AT_FIRST)
def test_every_gradient_equals_the_references(seed):
    """Through readouts, rates and spikes."""
    spec = random_spec(seed, any_readout=True)
    net, reference, x = (
        SpikingNetwork(spec, dtype=torch.float64),
        FloatReference(spec),
        graded(seed, spec),
    )
    outputs = net(x), reference.run(x)
    for through in ("readout", "rate", "spikes"):
        loss, expected_loss = (loss_of(output, seed, through=through) for output in outputs)
        torch.testing.assert_close(loss, expected_loss, rtol=1e-10, atol=1e-12)
        found = gradients(loss, of_the_module(net) | {"x": [x]})
        expected = gradients(expected_loss, of_the_reference(reference, net) | {"x": [x]})
        assert found.keys() == expected.keys()
        for name, gradient in expected.items():
            tolerance = 1e-10 * (1 + float(gradient.norm()))
            used, free = found[name][: len(gradient)], found[name][len(gradient) :]
            torch.testing.assert_close(used, gradient, rtol=1e-8, atol=tolerance, msg=name)
            assert not free.any()  # slots without a synapse


@pytest.mark.parametrize("seed", SEEDS)
def test_forward_equals_the_reference(seed):
    spec = random_spec(seed, any_readout=True)
    x = torch.from_numpy(random_inputs(seed, spec, n_steps=N_STEPS, n_samples=2))
    with torch.no_grad():
        found = SpikingNetwork(spec, dtype=torch.float64)(x)
        expected = FloatReference(spec).run(x.double())
    assert torch.equal(found.spikes, expected.spikes)
    torch.testing.assert_close(found.readout, expected.readout, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(found.rate, expected.rate)


def test_the_compared_gradients_are_not_zero():
    """Of everything that can be learnt, for every neuron that has it."""
    seen = set()
    for seed in SEEDS:
        spec = random_spec(seed, any_readout=True)
        net = SpikingNetwork(spec, dtype=torch.float64)
        x = graded(seed, spec)
        output = net(x)
        loss = sum(loss_of(output, seed, through=name) for name in ("readout", "spikes"))
        for name, gradient in gradients(loss, of_the_module(net) | {"x": [x]}).items():
            if not gradient.any():
                continue
            parts = name.split(".")
            if parts[0] == "populations":
                seen.add((spec.populations[int(parts[1])].neuron.name, parts[-1]))
            elif parts[0] == "groups":
                group = net.groups[int(parts[1])]
                seen |= {
                    ("weights", q.source == "input", str(q.signs)[:4]) for q in group.projections
                }
            else:
                seen.add("x")
    expected = {
        (kind, constant)
        for kind in NEURONS
        for constant in (*NEURONS[kind].learnable(), "bias", "tau_i")
    }
    assert (expected | {("li", "offset"), "x"}) - seen == set()
    assert {s[1] for s in seen if s[0] == "weights"} == {True, False}
    assert {s[2] for s in seen if s[0] == "weights"} >= {"free", "unco"}


# --- modules one after the other ---------------------------------------------------------------------------


def layer(seed, n_in, n_out, *, spiking, delays=True):
    """Inputs onto ALIF neurons that drive each other, whose spikes are read or go on to a readout."""
    rng = np.random.default_rng(seed)
    neuron = NEURONS["alif"].of(n_out, 1.0, tau_m=8.0, tau_a=50.0, b0=0.3, beta=0.5)
    longest = 3 if delays else 0

    def matrix(target, source, scale):
        return np.float32(rng.normal(0.4, 1, (target, source)) * scale)

    populations = [Population(name="pop", neuron=neuron)]
    projections = [
        Projection.of_matrix("input", "pop", matrix(n_out, n_in, 2.0),
                             delay=rng.integers(0, longest + 1, (n_out, n_in))),
        Projection.of_matrix("pop", "pop", matrix(n_out, n_out, 0.5)),
    ]  # fmt: skip
    if not spiking:
        populations.append(Population(name="readout", neuron=NEURONS["li"].of(2, 1.0, tau_out=5.0)))
        projections.append(Projection.of_matrix("pop", "readout", matrix(2, n_out, 1.0)))
    return NetworkSpec(
        n_inputs=n_in, populations=tuple(populations), projections=tuple(projections),
        outputs=("pop" if spiking else "readout",),
    )  # fmt: skip


def in_one(first, second):
    """Both layers in one graph: the second receives the first one step later."""
    names = {"input": "below", "pop": "above", "readout": "readout"}
    below = [Population(**(vars(p) | {"name": "below"})) for p in first.populations]
    above = [Population(**(vars(p) | {"name": names[p.name]})) for p in second.populations]

    def renamed(q, names):
        ends = {"source": names[q.source], "target": names[q.target]}
        name = f"{ends['source']}->{ends['target']}"
        return Projection(**(vars(q) | ends | {"name": name, "group": name}))

    own = {"input": "input", "pop": "below"}
    projections = [renamed(q, own) for q in first.projections]
    projections += [renamed(q, names) for q in second.projections]
    return NetworkSpec(
        n_inputs=first.n_inputs, populations=(*below, *above), projections=tuple(projections)
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("through", ["readout", "spikes"])
def test_of_two_networks_one_after_the_other_the_first_trains(through, dtype):
    """As one graph of both does, up to the step that a hop takes there."""
    first, second = layer(1, 4, 5, spiking=True), layer(2, 5, 4, spiking=False)
    nets = [SpikingNetwork(spec, dtype=dtype) for spec in (first, second)]
    x = torch.from_numpy(random_inputs(3, first, n_steps=20, n_samples=3))
    sent = getattr(nets[0](x), through)
    later = torch.cat([torch.zeros_like(sent[:1]), sent[:-1]])
    nets[1](later).readout.square().sum().backward()
    whole = SpikingNetwork(in_one(first, second), dtype=dtype)
    whole(x).readout.square().sum().backward()
    found = [g.theta.grad for net in nets for g in net.groups]
    expected = [g.theta.grad for g in whole.groups]
    assert all(g.any() for g in found)
    # the kernel keeps distances to threshold in 16 bits
    tolerance = (
        {"rtol": 1e-8, "atol": 1e-10} if dtype == torch.float64 else {"rtol": 1e-2, "atol": 1e-2}
    )
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, **tolerance)


def test_a_loss_on_spikes_and_readout_at_once():
    """Both ways into one graph: gradients add up."""
    spec = layer(4, 4, 5, spiking=False)
    net = SpikingNetwork(spec)
    x = torch.from_numpy(random_inputs(3, spec, n_steps=20, n_samples=3))
    parts = []
    for through in (("readout",), ("spikes",), ("readout", "spikes")):
        net.zero_grad()
        output = net(x)
        sum(loss_of(output, 0, through=name).float() for name in through).backward()
        parts.append([g.theta.grad.clone() if g.theta.grad is not None else 0 for g in net.groups])
    for one, two, both in zip(*parts, strict=True):
        torch.testing.assert_close(one + two, both, rtol=1e-4, atol=1e-4)


# --- what no other framework does ---------------------------------------------------------------------------


@pytest.mark.parametrize(("beta", "reaches"), [(0.3, True), (0.0, False)])
@pytest.mark.parametrize("kind", ["alif", "ahp"])
def test_gradient_flows_through_adaptation_over_time(beta, reaches, kind):
    """A memoryless neuron without recurrence: only adaptation links its last spike to its first input."""
    neuron = NEURONS[kind].of(1, 1.0, tau_m=1e-3, tau_a=20.0, beta=beta, b0=0.5)
    spec = NetworkSpec(
        n_inputs=1, populations=(Population(name="pop", neuron=neuron),), outputs=("pop",),
        projections=(Projection.of_matrix("input", "pop", np.array([[0.6]])),),
    )  # fmt: skip
    x = torch.ones(6, 1, 1).double().requires_grad_()
    SpikingNetwork(spec, dtype=torch.float64)(x).spikes[-1].sum().backward()
    assert (x.grad[0].item() < 0) == reaches
    assert reaches or x.grad[0].item() == 0


def test_random_feedback_brings_errors_back_by_fixed_weights_and_not_through_recurrent_ones():
    spec = layer(5, 4, 5, spiking=False)
    rng = np.random.default_rng(0)
    feedback = rng.normal(size=(2, 5))
    feedback[:, 1:] = 0  # only the first neuron receives an error
    net = SpikingNetwork(NetworkSpec(**(vars(spec) | {"feedback": feedback})), dtype=torch.float64)
    x = torch.from_numpy(random_inputs(3, spec, n_steps=20, n_samples=3))
    plain = SpikingNetwork(spec, dtype=torch.float64)
    assert torch.equal(net(x).readout, plain(x).readout)
    net(x).readout[15:].sum().backward()
    plain(x).readout[15:].sum().backward()
    into, recurrent, out = net.groups
    torch.testing.assert_close(out.theta.grad, plain.groups[2].theta.grad)
    assert into.theta.grad[into.target == 0].any()
    assert not into.theta.grad[into.target > 0].any()
    assert not recurrent.theta.grad[recurrent.target > 0].any()
    assert plain.groups[0].theta.grad[plain.groups[0].target > 0].any()
    before = into.theta.grad.clone()
    net.zero_grad()
    net.feedback.mul_(-3.0)
    net(x).readout[15:].sum().backward()
    torch.testing.assert_close(into.theta.grad, -3 * before)
