"""Neuron constants that are learnt: in float, with the integer forward pass, and once converted."""

import numpy as np
import pytest
import torch
from random_lsnns import lsnn, spikes, tiny_recipe

from lsnn_neuro.recipe import LSNNConfig
from lsnn_neuro.training import Trainer
from quantize.aware import QuantizationAware
from quantize.convert import convert
from quantize.emulator import emulate

ALL = ("tau_m", "tau_a", "beta", "b0")


def network(learn=ALL, dtype=torch.float32):
    config = LSNNConfig(regular=4, adaptive=5, tau_a=40.0, n_ref=1, learn=learn)
    config = config.model_copy(update={"input_connectivity": 1.0, "readout_connectivity": 1.0})
    return lsnn(config, 3).to(dtype)


@pytest.mark.parametrize("wrap", [lambda net: net, QuantizationAware])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_learnt_constant_gets_a_gradient(wrap, dtype):
    net = network(dtype=dtype)
    x = spikes(0, n_steps=40, n_samples=4)
    (wrap(net)(x).readout ** 2).sum().backward()
    for constant in ALL:
        gradient = net.log_factor[constant].grad
        assert torch.isfinite(gradient).all()
        assert gradient.abs().sum() > 0, constant


def test_constants_start_where_the_recipe_says():
    plain, learnt = network(learn=()), network()
    for field in ("alpha", "rho", "beta", "b0"):
        one, two = (getattr(n.parameters_of_neurons(), field) for n in (plain, learnt))
        torch.testing.assert_close(one, two)


def test_a_factor_of_two_doubles_the_time_constant():
    net = network()
    with torch.no_grad():
        net.log_factor["tau_m"].fill_(np.log(2))
    alpha = net.parameters_of_neurons().alpha
    torch.testing.assert_close(-1 / alpha.log(), torch.full_like(alpha, 40.0))


def test_regular_neurons_never_learn_to_adapt():
    net = network()
    with torch.no_grad():
        net.log_factor["beta"].fill_(3.0)
    assert not net.parameters_of_neurons().beta[:4].any()


def test_training_moves_them_and_conversion_keeps_parity():
    recipe = tiny_recipe(network={"learn": list(ALL)}, training={"lr": 0.05})
    trainer = Trainer(recipe, wrap=QuantizationAware)
    for _ in range(4):
        trainer.train_step()
    assert all(p.abs().sum() > 0 for p in trainer.network.log_factor.values())
    quantized, _ = convert(trainer.network.to_spec())
    inputs = trainer.task.train_batch(5, np.random.default_rng(0)).inputs
    output = trainer.model(torch.from_numpy(inputs))
    expected = emulate(quantized, inputs)
    exact = (expected.readout + quantized.readout.bias) / quantized.readout.scale
    np.testing.assert_array_equal(output.readout.detach().numpy(), exact)
