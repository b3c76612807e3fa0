"""The kernel against the loop on random graphs whose sums are exact: there every spike must be equal."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from exact_kernel import exact_distances
from random_networks import random_events, random_inputs
from random_specs import features, random_spec

from lsnn_neuro.network import kernel
from lsnn_neuro.network.module import SpikingNetwork
from lsnn_neuro.network.spec import NetworkSpec

pytestmark = pytest.mark.skipif(not kernel.available(), reason="native kernel not built")
GRAPHS = range(100)
UNIT = 2.0**-10


def dyadic(spec: NetworkSpec) -> NetworkSpec:
    """The network with weights and biases that are multiples of 2^-10 and no gain but a dyadic 1 - kappa_i.

    The order of sums makes no difference then; everything else both engines compute in the same order.
    """
    gains, populations = {}, []
    for p in spec.populations:
        old = np.asarray(p.neuron.gain(), float) * (1 - p.kappa_i)
        kappa = np.clip(np.round(p.kappa_i * 4) / 4, 0, 0.75)
        gains[p.name] = old / (1 - kappa)
        bias = np.round(p.bias * np.asarray(p.neuron.gain(), float) / UNIT) * UNIT
        neuron = replace(p.neuron, unit_gain=True)
        populations.append(replace(p, neuron=neuron, kappa_i=kappa, bias=bias))
    projections = []
    for q in spec.projections:
        weight = q.weight * gains[q.target][q.target_index]
        rounded = np.sign(weight) * np.maximum(np.round(np.abs(weight) / UNIT), 1) * UNIT
        projections.append(replace(q, weight=rounded))
    return replace(spec, populations=tuple(populations), projections=tuple(projections))


def compare(seed, graded, tape):
    """Whether spikes are equal, the worst gradient relative to the largest, and how many there are."""
    spec = dyadic(random_spec(seed))
    draw = random_events if graded else random_inputs
    x = torch.from_numpy(draw(seed, spec, n_steps=25, n_samples=1 + seed % 18))
    net = SpikingNetwork(spec)
    generator = torch.Generator().manual_seed(seed)

    def loss(output):
        generator.manual_seed(seed)
        y, z = output.readout, output.spikes
        weights = (torch.randn(t.shape, generator=generator) for t in (y, z))
        return sum((w * t).mean() for w, t in zip(weights, (y, z), strict=True)) + output.rate.sum()

    learnt = [p for p in net.parameters() if p.requires_grad]
    with exact_distances() if tape == "full" else contextlib.nullcontext():
        output = net(x)
        assert output.engine == "kernel"
        found = torch.autograd.grad(loss(output), learnt, allow_unused=True)
    loop = net.forward_loop(x)
    expected = torch.autograd.grad(loss(loop), learnt, allow_unused=True)
    pairs = [(a, b) for a, b in zip(found, expected, strict=True) if b is not None and b.numel()]
    largest = max((float(b.abs().max()) for _, b in pairs), default=0.0)
    worst = max((float((a - b).abs().max()) for a, b in pairs), default=0.0)
    return torch.equal(output.spikes, loop.spikes), worst / (largest or 1.0), largest


@pytest.mark.parametrize("graded", [False, True], ids=["spikes", "graded"])
@pytest.mark.parametrize("seed", GRAPHS)
def test_spikes_are_equal_and_gradients_too(seed, graded):
    same, worst, _ = compare(seed, graded, "full")
    assert same
    assert worst < 1e-4


@pytest.mark.parametrize("seed", range(0, 100, 3))
def test_gradients_of_the_compact_tape_are_near(seed):
    same, worst, _ = compare(seed, False, "compact")
    assert same
    assert worst < 2e-3


def test_the_graphs_have_everything_and_live():
    specs = [dyadic(random_spec(seed)) for seed in GRAPHS]
    counts = {}
    for spec in specs:
        for feature in features(spec):
            counts[feature] = counts.get(feature, 0) + 1
    assert min(counts.values()) >= 30
    neurons = [p.neuron for spec in specs for p in spec.spiking]
    assert {n.name for n in neurons} == {"lif", "if", "alif", "ahp", "atrlif"}
    resets = {n.reset for n in neurons if hasattr(n, "reset")}
    assert resets == {"subtract", "subtract_constant", "to", "hold"}
    assert sum(bool(np.any(p.bias)) for spec in specs for p in spec.populations) >= 30
    assert sum(n.at_threshold for n in neurons if hasattr(n, "at_threshold")) >= 30
    assert sum(compare(seed, False, "full")[2] > 0 for seed in range(20)) >= 18
