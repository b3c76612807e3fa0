"""State dicts go back into the network they came from, and into no other."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from same import differences

from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.lsnn import lsnn, stack
from lsnn_neuro.network.module import SpikingNetwork
from lsnn_neuro.network.spec import NetworkSpec


def network(**changes) -> NetworkSpec:
    fields = {
        "n_inputs": 4,
        "n_outputs": 2,
        "layers": [5, 4],
        "neuron": "alif",
        "connectivity": 0.7,
    }
    return stack(**(fields | changes))


def with_bias(spec):
    first, *others = spec.populations
    return replace(spec, populations=(replace(first, bias=0.1), *others))


def test_another_draw_of_the_same_network_takes_it():
    one, two = SpikingNetwork(network(generator=1)), SpikingNetwork(network(generator=2))
    two.load_state_dict(one.state_dict())
    assert differences(one.to_spec(), two.to_spec()) == []
    x = torch.rand(9, 3, 4) < 0.4
    assert torch.equal(one(x).readout, two(x).readout)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (
            network(n_ref=5),
            r"n_ref of population 'layer1' is \[5, 5, 5, 5, 5\], here \[0, 0, 0, 0, 0\]",
        ),
        (network(reset="to"), "reset of population 'layer1' is to, here subtract"),
        (network(unit_gain=True), "unit_gain of population 'layer1' is True, here False"),
        (network(neuron="ahp"), "neuron of population 'layer1' is ahp, here alif"),
        (network(tau_i=4.0), "synaptic current of population 'layer1' is True, here False"),
        (with_bias(network()), "bias of population 'layer1' is True, here False"),
        (network(learn=["b0"]), r"learn of population 'layer1' is \['b0'\], here \[\]"),
        (network(layers=[5, 4, 3]), "populations are layer1, layer2, layer3, readout, here"),
        (network(max_delay=3), "max_delay of projection 'input->layer1' is 3, here 0"),
        (replace(network(), dt=2.0), "dt is 2.0, here 1.0"),
    ],
)
def test_a_state_of_another_network_is_refused_and_changes_nothing(other, words):
    net = SpikingNetwork(network())
    before = net.to_spec()
    with pytest.raises(NetworkError, match=words) as caught:
        net.load_state_dict(SpikingNetwork(other).state_dict())
    assert "\n" not in str(caught.value)
    assert differences(net.to_spec(), before) == []


def test_signs_by_dales_law_belong_to_the_network():
    one, two = (lsnn(n_inputs=9, n_outputs=2, regular=6, adaptive=5, generator=g) for g in (0, 1))
    with pytest.raises(NetworkError, match=r"signs of projection '.*' is"):
        SpikingNetwork(one).load_state_dict(SpikingNetwork(two).state_dict())


@pytest.mark.parametrize("convert", ["half", "bfloat16", "float"])
def test_constants_that_do_not_learn_stay_double(convert):
    net = getattr(SpikingNetwork(network(tau_a=2000.0)), convert)()
    spec = net.to_spec()
    np.testing.assert_array_equal(
        spec.populations[0].neuron.rho, network(tau_a=2000.0).populations[0].neuron.rho
    )


def test_weights_that_are_not_finite_have_no_spec():
    net = SpikingNetwork(network())
    with torch.no_grad():
        net.groups[0].theta[0] = float("nan")
    with pytest.raises(
        NetworkError, match="group 'input->layer1': its weights hold NaN or infinity"
    ):
        net.to_spec()


def test_a_start_that_does_not_fit_is_refused():
    net = SpikingNetwork(network())
    x = torch.rand(3, 2, 4) < 0.5
    with pytest.raises(NetworkError, match="start is int, expected a NetworkState"):
        net(x, 3)
    with pytest.raises(NetworkError, match=r"have shape \(5, 5\), expected \(2, 5\)"):
        net(x, net.at_rest(5))
    other = SpikingNetwork(network(layers=[3]))
    with pytest.raises(
        NetworkError, match=r"not a state of this network, population 'layer2'|have shape"
    ):
        net(x, other.at_rest(2))


@pytest.mark.parametrize("x", [np.zeros((2, 1, 4)), torch.zeros(2, 1, 4, dtype=torch.complex64)])
def test_inputs_that_are_no_tensor_of_real_numbers_are_refused(x):
    with pytest.raises(NetworkError, match="expected a tensor of real numbers"):
        SpikingNetwork(network())(x)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"connectivity": 2.0}, "connectivity is 2.0, allowed are above 0 to 1"),
        ({"connectivity": -1.0}, "connectivity is -1.0"),
        ({"scale": 0.0}, "scale is 0.0, allowed are above 0"),
        ({"max_delay": 63}, "max_delay is 63, allowed are whole steps, 0 to 62"),
        ({"max_delay": 2.5}, "max_delay is 2.5"),
        ({"signs": "any"}, "signs is 'any', allowed are dale, free, unconstrained"),
        ({"layers": 5}, "layers is 5"),
        ({"learn": "b0"}, "learn is 'b0', expected a list of names"),
        ({"learn": ["tau_q"]}, "learn names 'tau_q'"),
        ({"alpha": 0.9}, "alpha belongs to none"),
    ],
)
def test_what_can_not_be_drawn_is_refused(how, words):
    with pytest.raises(NetworkError, match=words):
        network(**how)
