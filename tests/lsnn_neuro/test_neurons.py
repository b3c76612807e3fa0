"""One step of LIF and ALIF neurons against traces computed by hand."""

import pytest
import torch

from lsnn_neuro.neurons import NeuronParameters, NeuronState, advance


def one_neuron(*, beta=0.0, n_ref=0, reset="subtract", alpha=0.5, rho=0.5, **form):
    values = {"alpha": alpha, "rho": rho, "beta": beta, "b0": 1.0}
    tensors = {name: torch.tensor([value]).double() for name, value in values.items()}
    return NeuronParameters(**tensors, n_ref=n_ref, reset=reset, gamma=0.3, **form)


def run(parameters, currents):
    """Membrane after reset, spikes and adaptation of one neuron."""
    state = NeuronState.at_rest(1, 1, like=torch.zeros(1).double())
    v, z, b = [], [], []
    for current in currents:
        state = advance(state, torch.tensor([[current]]).double(), parameters)
        v.append(state.v.item())
        z.append(state.z.item())
        b.append(state.b.item())
    return v, z, b


def test_lif_subtracts_the_threshold():
    v, z, _ = run(one_neuron(), [3, 3, 3])
    assert v == [0.5, 0.75, 0.875]
    assert z == [1, 1, 1]


def test_lif_resets_to_zero():
    v, z, _ = run(one_neuron(reset="zero"), [3, 3, 1, 1])
    assert v == [0, 0, 0.5, 0.75]
    assert z == [1, 1, 0, 0]


def test_membrane_leaks_without_input():
    v, z, _ = run(one_neuron(), [1, 0, 0])
    assert v == [0.5, 0.25, 0.125]
    assert z == [0, 0, 0]


def test_exactly_at_the_threshold_there_is_no_spike():
    assert run(one_neuron(), [2])[:2] == ([1.0], [0.0])


def test_membrane_goes_on_integrating_while_spikes_are_held():
    v, z, _ = run(one_neuron(n_ref=2), [3, 3, 3, 3])
    assert v == [0.5, 1.75, 2.375, 1.6875]
    assert z == [1, 0, 0, 1]


@pytest.mark.parametrize("n_ref", range(6))
def test_spikes_are_held_for_exactly_n_ref_steps(n_ref):
    _, z, _ = run(one_neuron(n_ref=n_ref), [100.0] * 12)
    assert z == [float(t % (n_ref + 1) == 0) for t in range(12)]


def test_alif_subtracts_the_adapted_threshold():
    v, z, b = run(one_neuron(beta=2.0), [3] * 5)
    assert b == [0, 0.5, 0.25, 0.625, 0.3125]
    assert z == [1, 0, 1, 0, 1]
    assert v == [0.5, 1.75, 0.875, 1.9375, 0.84375]  # 2.375 - 1.5 in step 2


def test_alif_resets_to_zero():
    v, z, b = run(one_neuron(beta=2.0, reset="zero"), [3] * 4)
    assert b == [0, 0.5, 0.25, 0.625]
    assert z == [1, 0, 1, 0]
    assert v == [0, 1.5, 0, 1.5]


def test_without_beta_adaptation_changes_nothing():
    adapting, plain = (run(one_neuron(rho=rho), [3, 1, 4, 1, 5]) for rho in (0.9, 0.0))
    assert adapting[:2] == plain[:2]


def test_an_adaptation_current_lowers_the_membrane_and_leaves_the_threshold():
    v, z, b = run(one_neuron(beta=2.0, adaptation="current"), [3] * 5)
    assert b == [0, 0.5, 0.75, 0.375, 0.6875]
    assert z == [1, 1, 0, 1, 1]
    assert v == [0.5, 0.25, 0.875, 0.5625, 0.09375]  # step 2: 0.125 + (3 - 1.5) / 2, below 1


def test_an_atrlif_spike_raises_threshold_and_refractory_variable_but_leaves_the_membrane():
    v, z, b = run(one_neuron(beta=2.0, neuron="atrlif", kappa_r=0.5), [3] * 4)
    assert v == [1.5, 2.25, 2.625, 2.8125]
    assert z == [1, 0, 1, 0]  # 2.25 - 1 < 1.5, 2.625 - 0.5 >= 1.25, 2.8125 - 1.5 < 1.625
    assert b == [0.5, 0.25, 0.625, 0.3125]


def test_atrlif_filters_its_synaptic_current_and_spikes_at_its_threshold():
    v, z, _ = run(one_neuron(neuron="atrlif", kappa_i=0.5), [4, 0])
    assert v == [1.0, 1.0]  # i is 2, then 1
    assert z == [1, 1]
