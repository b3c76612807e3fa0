"""A neuron from outside the package goes the whole way: float, gradients, integers, emulator, and back."""

import numpy as np
import pytest
import torch
from foreign.adp import ADP
from same import differences

from lsnn_neuro.network import kernel
from lsnn_neuro.network.module import SpikingNetwork
from lsnn_neuro.network.spec import NetworkSpec, Population, Projection
from lsnn_neuro.registry import NEURONS
from quantize.aware import QuantizationAware
from quantize.conversion import convert, to_spec
from quantize.emulator import emulate, trace
from quantize.emulator_kernel import kernel_obstacle


@pytest.fixture
def spec():
    return a_spec()


def a_spec():
    """A population of it between known ones."""
    rng = np.random.default_rng(0)
    adp = ADP.of(4, 1.0, tau_m=10.0, tau_u=20.0, kick=0.05, b0=[0.5, 0.6, 0.7, 0.8], n_ref=2)
    alif = NEURONS["alif"].of(3, 1.0, tau_m=10.0, tau_a=60.0, beta=0.5, b0=0.4)
    return NetworkSpec(
        n_inputs=3, outputs=("readout", "adp"),
        populations=(
            Population(name="adp", neuron=adp, learn=("tau_u", "kick", "b0")),
            Population(name="alif", neuron=alif),
            Population(name="readout", neuron=NEURONS["li"].of(2, 1.0, tau_out=8.0)),
        ),
        projections=tuple(
            Projection.of_matrix(source, target, np.float32(rng.normal(0.7, 1, shape)))
            for source, target, shape in (
                ("input", "adp", (4, 3)), ("adp", "alif", (3, 4)), ("alif", "adp", (4, 3)),
                ("adp", "readout", (2, 4)),
            )
        ),
    )  # fmt: skip


@pytest.fixture
def x():
    return np.random.default_rng(1).random((40, 3, 3)) < 0.4


def test_it_computes_and_learns_in_float(spec, x):
    net = SpikingNetwork(spec)
    output = net(torch.from_numpy(x))
    assert output.spikes[..., :4].mean() > 0.02
    (output.readout.square().sum() + output.spikes.sum()).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name
    assert differences(net.to_spec(), spec) == []


def test_its_network_runs_on_the_loop_and_one_line_says_why(spec):
    if kernel.available():
        assert SpikingNetwork(spec).kernel_obstacle() == (
            "population 'adp': the kernel has no header for neuron 'adp'"
        )
        assert "no header for neuron 'adp'" in kernel_obstacle(convert(spec)[0])


def test_its_integers_are_those_of_training_on_integers(spec, x):
    network, report = convert(spec)
    assert {t.name for t in report.populations[0].time_constants} == {"tau_m", "tau_u"}
    record = emulate(network, x)
    output = QuantizationAware(SpikingNetwork(spec))(torch.from_numpy(x))
    np.testing.assert_array_equal(output.readout.detach().numpy(), network.to_float(record.readout))
    assert record.spikes[0].spikes.any()
    assert differences(convert(to_spec(network))[0], network) == []


def test_its_states_are_recorded_by_their_names(spec, x):
    steps = list(trace(convert(spec)[0], x[:, 0]))
    assert steps[-1][0].names == ("v", "u", "r", "z")
    assert any(step[0]["u"].any() for step in steps)
    assert not steps[-1][0]["a"].any()  # it has none
