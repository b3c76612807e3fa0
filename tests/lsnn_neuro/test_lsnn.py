"""The LSNN against its equations, re-derived in plain Python loops."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from random_lsnns import FORMS, configs, lsnn, seeds, spikes

from lsnn_neuro.network import LSNN
from lsnn_neuro.recipe import LSNNConfig


def slow_lsnn(network, x):
    """Spikes and readout of one sample, number by number; ``x`` is a list of lists (time, input)."""
    config = network.config
    w_in, w_rec, w_out = (s.weight().tolist() for s in network.synapses())
    d_in, d_rec = network.input.delay.tolist(), network.recurrent.delay.tolist()
    alpha, rho, beta, b0 = (getattr(network, k).tolist() for k in ("alpha", "rho", "beta", "b0"))
    kappa = math.exp(-1 / config.tau_out)
    atrlif, current_form = config.neuron == "atrlif", config.adaptation == "current"
    kept_i = math.exp(-1 / config.tau_i) if config.tau_i else 0.0
    kept_r = math.exp(-1 / (config.tau_r or config.tau_m))
    neurons, outputs = range(len(alpha)), range(len(w_out))
    v, b, r, filtered = ([0.0 for _ in neurons] for _ in range(4))
    y = [0.0 for _ in outputs]
    z, readout = [], []
    for t in range(len(x)):
        fired = []
        for j in neurons:
            current = 0.0
            for i in range(len(x[0])):
                if t - d_in[j][i] >= 0:
                    current += w_in[j][i] * x[t - d_in[j][i]][i]
            for k in neurons:
                if t - 1 - d_rec[j][k] >= 0:
                    current += w_rec[j][k] * z[t - 1 - d_rec[j][k]][k]
            if atrlif:
                filtered[j] = kept_i * filtered[j] + (1 - kept_i) * current
                v[j] = alpha[j] * v[j] + (1 - alpha[j]) * filtered[j]
                b[j], r[j] = rho[j] * b[j], kept_r * r[j]
                theta = b0[j] + beta[j] * b[j]
                fired.append(int(v[j] - r[j] >= theta))
                if fired[j]:
                    r[j] += 2 * theta
                    b[j] += 1 - rho[j]
                continue
            b[j] = rho[j] * b[j] + (1 - rho[j]) * (z[t - 1][j] if t else 0)
            threshold = b0[j] + beta[j] * b[j] * (not current_form)
            current -= beta[j] * b[j] * current_form
            v[j] = alpha[j] * v[j] + (1 - alpha[j]) * current
            spike = v[j] > threshold and r[j] == 0
            fired.append(int(spike))
            if spike:
                v[j] = v[j] - threshold if config.reset == "subtract" else 0.0
                r[j] = config.n_ref
            else:
                r[j] = max(r[j] - 1, 0)
        z.append(fired)
        for c in outputs:
            drive = sum(w_out[c][j] * fired[j] for j in neurons)
            y[c] = kappa * y[c] + (1 - kappa) * drive
        readout.append([y[c] + network.bias[c].item() for c in outputs])
    return z, readout


@settings(max_examples=60, deadline=None)
@given(config=configs, seed=seeds)
def test_forward_computes_the_equations(config, seed):
    network = lsnn(config, seed)
    x = spikes(seed, n_steps=20, n_samples=2)
    with torch.no_grad():
        output = network(x)
    for sample in range(2):
        z, readout = slow_lsnn(network, x[:, sample].tolist())
        assert output.spikes[:, sample].tolist() == z
        np.testing.assert_allclose(output.readout[:, sample], readout, rtol=1e-9, atol=1e-12)


def test_the_random_networks_do_spike():
    rates = [
        lsnn(LSNNConfig(regular=3, adaptive=3, n_delays=4, input_connectivity=0.6, **form), seed)(
            spikes(seed, n_steps=20, n_samples=2)
        ).spikes.mean()
        for seed in range(5)
        for form in FORMS.values()
    ]
    assert min(rates) > 0.01


def silent_network(**changes):
    """One or more memoryless LIF neurons without any synapse (tau_m so small that alpha is 0)."""
    fields = {"regular": 1, "adaptive": 0, "tau_m": 1e-3, "b0": 0.5, "n_ref": 0}
    fields |= {"signs": "free", "excitatory": 1.0, "n_delays": 4}
    config = LSNNConfig(**(fields | changes))
    network = LSNN(config, 1, 1, generator=torch.Generator().manual_seed(0)).double()
    with torch.no_grad():
        for synapses in network.synapses():
            synapses.theta.zero_()
    return network


def pulse(n_steps=8):
    x = torch.zeros(n_steps, 1, 1).double()
    x[0] = 1
    return x


@pytest.mark.parametrize("delay", range(4))
def test_an_input_delay_of_d_arrives_d_steps_later(delay):
    network = silent_network()
    with torch.no_grad():
        network.input.theta.fill_(1.0)
        network.input.delay.fill_(delay)
        z = network(pulse()).spikes[:, 0, 0]
    assert z.nonzero().flatten().tolist() == [delay]


@pytest.mark.parametrize("delay", range(4))
def test_a_recurrent_delay_of_d_arrives_one_plus_d_steps_later(delay):
    network = silent_network(regular=2)
    with torch.no_grad():
        network.input.theta[0] = 1.0
        network.input.delay.zero_()
        network.recurrent.theta[1, 0] = 1.0
        network.recurrent.delay.fill_(delay)
        z = network(pulse()).spikes[:, 0]
    assert z.nonzero().tolist() == [[0, 0], [1 + delay, 1]]


def test_a_delay_longer_than_the_sample_never_arrives():
    network = silent_network()
    with torch.no_grad():
        network.input.theta.fill_(1.0)
        network.input.delay.fill_(3)
        assert not network(pulse(n_steps=3)).spikes.any()


def test_the_readout_leaks_and_its_bias_is_added_once():
    network = silent_network(tau_out=2.0)
    kappa = math.exp(-1 / 2)
    with torch.no_grad():
        network.input.theta.fill_(1.0)
        network.input.delay.zero_()
        network.readout.theta.fill_(3.0)
        network.bias.fill_(0.25)
        readout = network(pulse(n_steps=3)).readout[:, 0, 0]
    expected = [(1 - kappa) * 3 * kappa**t + 0.25 for t in range(3)]
    np.testing.assert_allclose(readout, expected)


def memory_only_in_the_threshold(beta):
    """A memoryless ALIF neuron without recurrence: only adaptation links its steps."""
    network = silent_network(regular=0, adaptive=1, beta=beta, tau_a=20.0, b0=0.5, n_delays=1)
    with torch.no_grad():
        network.input.theta.fill_(0.6)
    return network


def gradient_at_first_step(network):
    x = torch.ones(6, 1, 1).double().requires_grad_()
    network(x).spikes[-1].sum().backward()
    return x.grad[0].item()


def test_gradient_flows_through_the_adaptive_threshold_over_time():
    assert gradient_at_first_step(memory_only_in_the_threshold(beta=0.3)) < 0


def test_without_adaptation_that_gradient_is_zero():
    assert gradient_at_first_step(memory_only_in_the_threshold(beta=0.0)) == 0


@settings(max_examples=20, deadline=None)
@given(config=configs, seed=seeds)
def test_the_spec_describes_the_same_network(config, seed):
    network = lsnn(config, seed)
    spec = network.to_spec()
    places = dict(network.populations())
    assert sum(p.size for p in spec.populations) == network.n_neurons
    for population in spec.populations:
        assert population.alpha.tolist() == network.alpha[places[population.name]].tolist()
        assert population.beta.tolist() == network.beta[places[population.name]].tolist()
    for target in places:
        joined = np.concatenate([p.weight for p in spec.into(target)], axis=1)
        here = places[target]
        whole = torch.cat([network.input.weight()[here], network.recurrent.weight()[here]], dim=1)
        assert joined.tolist() == whole.tolist()


@settings(max_examples=20, deadline=None)
@given(config=configs, seed=seeds)
def test_no_neuron_has_a_synapse_onto_itself(config, seed):
    assert not lsnn(config, seed).recurrent.weight().diagonal().any()


def test_populations_without_neurons_are_left_out():
    network = lsnn(LSNNConfig(regular=0, adaptive=2), 0)
    assert [name for name, _ in network.populations()] == ["adaptive"]
    assert [p.name for p in network.to_spec().populations] == ["adaptive"]


def test_time_constants_are_drawn_from_a_range():
    network = lsnn(LSNNConfig(regular=0, adaptive=50, tau_a=(10.0, 20.0)), 0)
    tau_a = -1 / network.rho.log()
    assert 10 <= tau_a.min() < 12 < 18 < tau_a.max() <= 20.001
