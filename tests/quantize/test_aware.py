"""P1: what quantization-aware training computes is what the chip computes."""

import copy
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_lsnns import configs, lsnn, seeds, spikes, tiny_recipe

import quantize.aware
from lsnn_neuro import kernel
from lsnn_neuro.checkpoint import LAST, Checkpoint
from lsnn_neuro.recipe import LSNNConfig
from lsnn_neuro.training import train
from quantize.aware import QuantizationAware, record_torch
from quantize.convert import convert
from quantize.emulator import emulate, emulate_reference, trace
from quantize.loihi import STATE_MAX

bits = st.integers(2, 8)


def assert_equal_records(one, two):
    np.testing.assert_array_equal(one.readout, two.readout)
    for a, b in zip(one.spikes, two.spikes, strict=True):
        assert a.name == b.name
        np.testing.assert_array_equal(a.spikes, b.spikes)


@settings(max_examples=60, deadline=None)
@given(config=configs, seed=seeds, weight_bits=bits)
def test_forward_equals_the_emulator_exactly(config, seed, weight_bits):
    network = lsnn(config, seed)
    model = QuantizationAware(network, weight_bits=weight_bits)
    x = spikes(seed, n_steps=20, n_samples=2).numpy() > 0
    quantized, _ = convert(network.to_spec(), weight_bits=weight_bits)
    expected = emulate(quantized, x)
    assert_equal_records(record_torch(model, network, x, name="aware"), expected)
    with torch.no_grad():
        readout = model(torch.from_numpy(x).float()).readout.numpy()
    exact = (expected.readout + quantized.readout.bias) / quantized.readout.scale
    np.testing.assert_array_equal(readout, exact)


@settings(max_examples=15, deadline=None)
@given(config=configs, seed=seeds, weight_bits=bits, step=st.integers(0, 14))
def test_states_equal_the_emulators_exactly(config, seed, weight_bits, step):
    network = lsnn(config, seed)
    x = spikes(seed, n_steps=15, n_samples=1).numpy()[:, 0] > 0
    quantized, _ = convert(network.to_spec(), weight_bits=weight_bits)
    expected = list(trace(quantized, x))[step]
    found = QuantizationAware(network, weight_bits=weight_bits).states(x, step)
    for a, b in zip(found, expected, strict=True):
        assert a.name == b.name
        for field in ("v", "a", "r", "z"):
            np.testing.assert_array_equal(getattr(a, field), getattr(b, field), err_msg=field)


needs_kernel = pytest.mark.skipif(not kernel.available(), reason="native kernel not built")


@needs_kernel
@settings(max_examples=60, deadline=None)
@given(config=configs, seed=seeds, weight_bits=bits, n_samples=st.sampled_from([1, 3, 17]))
def test_the_kernel_the_loop_and_both_emulators_agree_exactly(config, seed, weight_bits, n_samples):
    network = lsnn(config, seed).float()
    assert network.runs_on_kernel()
    model = QuantizationAware(network, weight_bits=weight_bits)
    x = spikes(seed, n_steps=20, n_samples=n_samples).numpy() > 0
    quantized, _ = convert(network.to_spec(), weight_bits=weight_bits)
    record = record_torch(model, network, x, name="kernel")
    trains, readout = emulate_reference(quantized, x)
    assert_equal_records(record, emulate(quantized, x))
    np.testing.assert_array_equal(record.readout, readout)
    for found, expected in zip(record.spikes, trains, strict=True):
        np.testing.assert_array_equal(found.spikes, expected.spikes)
    with torch.no_grad():
        steps = list(model._steps(quantized, torch.from_numpy(x).double()))
    np.testing.assert_array_equal(torch.stack([s.o for s in steps]), readout)


@needs_kernel
@settings(max_examples=40, deadline=None)
@given(config=configs, seed=seeds, weight_bits=bits)
def test_the_kernels_gradient_is_that_of_the_loop(config, seed, weight_bits):
    network = lsnn(config, seed).float()
    double = copy.deepcopy(network).double()
    plain = network.core  # 16 bits of distance are too few where the pseudo-derivative nearly ends
    network.core = lambda **options: replace(plain(**options), compact=False)
    x = spikes(seed, n_steps=30, n_samples=3)
    weight = torch.randn(30, 3, 2, generator=torch.Generator().manual_seed(seed))
    gradients, largest = [], []

    def spying(state):  # a saturated state passes no gradient in the loop
        largest.append(float(state.detach().abs().max()))
        return saturate(state)

    saturate = quantize.aware._saturate
    for model in (network, double):
        with patch.object(quantize.aware, "_saturate", spying):
            output = QuantizationAware(model, weight_bits=weight_bits)(x)
        loss = (weight * output.readout).mean() + ((output.rate - 0.05) ** 2).sum()
        loss.backward()
        gradients.append([p.grad.double() for p in model.parameters()])
    assume(max(largest) < STATE_MAX)
    # where the pseudo-derivative ends, single and double precision may fall on different sides of it
    edge = 1e-5 * sum(float(expected.norm()) for expected in gradients[1]) + 1e-12
    for found, expected in zip(*gradients, strict=True):
        assert (found - expected).norm() <= 1e-3 * expected.norm() + edge


def test_the_random_networks_do_spike():
    for seed in range(3):
        network = lsnn(LSNNConfig(regular=3, adaptive=3), seed)
        assert QuantizationAware(network)(spikes(seed, n_steps=20, n_samples=2)).spikes.any()


@settings(max_examples=15, deadline=None)
@given(config=configs, seed=seeds, weight_bits=bits)
def test_gradients_are_finite_and_dormant_synapses_get_none(config, seed, weight_bits):
    network = lsnn(config, seed)
    output = QuantizationAware(network, weight_bits=weight_bits)(
        spikes(seed, n_steps=20, n_samples=2)
    )
    output.readout.square().sum().backward()
    for synapses in network.synapses():
        assert torch.isfinite(synapses.theta.grad).all()
        if synapses.constrained:
            assert not synapses.theta.grad[synapses.theta <= 0].any()
    assert torch.isfinite(network.bias.grad).all()


@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("weight_bits", [2, 8])
def test_gradients_reach_all_three_matrices(reset, weight_bits):
    config = LSNNConfig(regular=6, adaptive=6, b0=0.05, reset=reset, input_connectivity=0.5)
    network = lsnn(config, 1)
    x = spikes(1, n_steps=40, n_samples=4)
    QuantizationAware(network, weight_bits=weight_bits)(x).readout.sum().backward()
    for synapses in network.synapses():
        assert synapses.theta.grad.any()
    assert network.bias.grad.tolist() == [160.0, 160.0]


def test_the_gradient_resembles_the_float_networks():
    network = lsnn(LSNNConfig(regular=6, adaptive=6, input_connectivity=0.6, n_delays=3), 2)
    x = spikes(2, n_steps=30, n_samples=8)
    gradients = []
    for model in (network, QuantizationAware(network)):
        network.zero_grad()
        model(x).readout.sum().backward()
        gradients.append(network.readout.theta.grad.flatten().clone())
    cosine = torch.nn.functional.cosine_similarity(*gradients, dim=0).item()
    assert cosine > 0.95
    ratio = (gradients[1].norm() / gradients[0].norm()).item()
    assert ratio == pytest.approx(1, abs=0.1)


def memory_only_in_the_threshold(beta):
    config = LSNNConfig(
        regular=0, adaptive=1, beta=beta, tau_m=1e-3, tau_a=20.0, b0=0.5, n_ref=0, n_delays=1,
        signs="free", excitatory=1.0, input_connectivity=1.0,
    )  # fmt: skip
    network = lsnn(config, 0, n_inputs=1)
    with torch.no_grad():
        network.input.theta.fill_(0.6)
    return network


@pytest.mark.parametrize(("beta", "reaches"), [(0.3, True), (0.0, False)])
def test_gradient_flows_through_the_adaptive_threshold_over_time(beta, reaches):
    x = torch.ones(6, 1, 1).double().requires_grad_()
    QuantizationAware(memory_only_in_the_threshold(beta))(x).spikes[-1].sum().backward()
    assert (x.grad[0].item() < 0) == reaches
    assert reaches or x.grad[0].item() == 0


def test_the_loop_trains_the_integer_model_and_resumes_it(tmp_path):
    recipe = tiny_recipe(quantization={"weight_bits": 4}, training={"validate_every": 2})
    short = tiny_recipe(
        quantization={"weight_bits": 4}, training={"validate_every": 2, "iterations": 4}
    )

    def wrap(network):
        return QuantizationAware(network, weight_bits=4)

    trainer = train(recipe, tmp_path / "whole", wrap=wrap, progress=False)
    assert trainer.deep_r.n_active == trainer.deep_r.cap
    train(short, tmp_path / "parts", wrap=wrap, progress=False)
    train(recipe, tmp_path / "parts", wrap=wrap, progress=False, resume=True)
    whole, parts = (Checkpoint.load(tmp_path / name / LAST) for name in ("whole", "parts"))
    for name, array in whole.arrays.items():
        np.testing.assert_array_equal(parts.arrays[name], array, err_msg=name)
