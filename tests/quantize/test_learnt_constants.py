"""Constants that are learnt: in float, with the integer forward pass, and once converted."""

import numpy as np
import pytest
import torch
from random_lsnns import tiny_recipe
from random_networks import random_inputs

from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.module import SpikingNetwork
from lsnn_neuro.network.spec import NetworkSpec, Population, Projection
from lsnn_neuro.registry import NEURONS
from lsnn_neuro.training import Trainer
from quantize.aware import QuantizationAware
from quantize.conversion import convert
from quantize.emulator import emulate

KINDS = [kind for kind in NEURONS if NEURONS[kind].spiking]


def everything(population):
    """The population with all that can be learnt of it."""
    return Population(**(vars(population) | {"learn": population.learnable()}))


def network(kind, *, learnt=True, dtype=torch.float32, kappa_i=0.6):
    """Four neurons of a kind, with synaptic currents and biases, that drive each other; two readouts."""
    rng = np.random.default_rng(3)
    values = {"tau_m": 10.0, "tau_a": 40.0, "tau_r": 4.0, "beta": 0.3, "b0": 0.2, "n_ref": 1}
    known = {*NEURONS[kind].learnable(), *NEURONS[kind].parameters()}
    neuron = NEURONS[kind].of(4, 1.0, **{k: v for k, v in values.items() if k in known})
    populations = (
        Population(name="pop", neuron=neuron, kappa_i=kappa_i, bias=0.05),
        Population(
            name="readout", neuron=NEURONS["li"].of(2, 1.0, tau_out=9.0), kappa_i=kappa_i, bias=0.1
        ),
    )
    size = 0.3 if kind == "if" else 1.0
    matrices = [
        np.float32(np.abs(rng.normal(size=shape)) * size) for shape in ((4, 3), (4, 4), (2, 4))
    ]
    spec = NetworkSpec(
        n_inputs=3, populations=tuple(map(everything, populations)) if learnt else populations,
        projections=(
            Projection.of_matrix("input", "pop", matrices[0]),
            Projection.of_matrix("pop", "pop", -0.2 * matrices[1]),
            Projection.of_matrix("pop", "readout", matrices[2]),
        ),
    )  # fmt: skip
    return SpikingNetwork(spec, dtype=dtype)


def inputs(net, *, n_steps=40):
    return torch.from_numpy(random_inputs(0, net.spec, n_steps=n_steps, n_samples=4))


@pytest.mark.parametrize("wrap", [lambda net: net, QuantizationAware], ids=["float", "aware"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_every_learnt_constant_gets_a_gradient(kind, dtype, wrap):
    net = network(kind, dtype=dtype)
    (wrap(net)(inputs(net)).readout ** 2).sum().backward()
    learnt = [name for name, _ in net.named_parameters() if not name.endswith("theta")]
    assert len(learnt) == sum(len(p.spec.learnable()) for p in net.populations)
    for name, parameter in net.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_learnt_starts_as_what_is_not(kind):
    plain, learnt = network(kind, learnt=False), network(kind)
    x = inputs(plain)
    torch.testing.assert_close(plain(x).readout, learnt(x).readout)


@pytest.mark.parametrize(
    ("constant", "field"), [("tau_m", "alpha"), ("tau_a", "rho"), ("tau_r", "keep_r")]
)
def test_a_factor_of_two_doubles_a_time_constant(constant, field):
    net = network("atrlif", dtype=torch.float64)
    before = getattr(net.populations[0].neuron(), field)
    with torch.no_grad():
        net.populations[0].log_factor[constant].fill_(np.log(2))
    after = getattr(net.populations[0].neuron(), field)
    torch.testing.assert_close(-1 / after.log(), -2 / before.log())


def test_a_factor_of_two_doubles_the_currents_time_constant_and_the_threshold():
    net = network("lif", dtype=torch.float64)
    population = net.populations[0]
    with torch.no_grad():
        for factor in population.log_factor.values():
            factor.fill_(np.log(2))
    torch.testing.assert_close(population.kappa_i(), torch.full((4,), 0.6).double() ** 0.5)
    torch.testing.assert_close(population.neuron().b0, torch.full((4,), 0.4).double())
    spec = net.to_spec().populations[0]
    np.testing.assert_allclose(spec.kappa_i, 0.6**0.5)
    np.testing.assert_allclose(spec.neuron.b0, 0.4)


def test_neurons_that_do_not_adapt_never_learn_to():
    neuron = NEURONS["alif"].of(2, 1.0, tau_m=10.0, tau_a=40.0, beta=[0.0, 0.3], b0=0.2)
    population = Population(name="pop", neuron=neuron, learn=("beta",))
    net = SpikingNetwork(
        NetworkSpec(n_inputs=1, populations=(population,), projections=(), outputs=("pop",))
    )
    with torch.no_grad():
        net.populations[0].log_factor["beta"].fill_(3.0)
    assert (net.to_spec().populations[0].neuron.beta > 0).tolist() == [False, True]


@pytest.mark.parametrize("name", ["tau_x", "alpha", "n_ref", "offset", "gamma"])
def test_what_a_population_has_not_got_can_not_be_learnt(name):
    neuron = NEURONS["lif"].of(2, 1.0, tau_m=10.0, b0=0.2)
    with pytest.raises(
        NetworkError, match=f"learn names '{name}', allowed are tau_m, b0, bias, tau_i"
    ):
        Population(name="pop", neuron=neuron, learn=(name,))


def test_a_current_that_starts_at_nothing_can_not_be_learnt_away_from_there():
    """A time constant of 0 times any factor is 0: it gets no gradient, and no NaN."""
    net = network("lif", kappa_i=0.0)
    (net(inputs(net)).readout ** 2).sum().backward()
    for name, parameter in net.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
    assert not net.populations[0].log_factor["tau_i"].grad.any()


def test_training_moves_them_and_conversion_keeps_parity():
    recipe = tiny_recipe(
        network={"learn": ["tau_m", "tau_a", "beta", "b0"]}, training={"lr": 0.05}, quantization={}
    )
    trainer = Trainer(recipe)
    for _ in range(4):
        trainer.train_step()
    learnt = {n: p for n, p in trainer.network.named_parameters() if "log_factor" in n}
    assert learnt
    assert all(p.abs().sum() > 0 for p in learnt.values())
    network, _ = convert(trainer.network.to_spec())
    events = trainer.task.train_batch(5, np.random.default_rng(0)).inputs
    output = trainer.model(torch.from_numpy(events))
    expected = network.to_float(emulate(network, events).readout)
    np.testing.assert_array_equal(output.readout.detach().numpy(), expected)
