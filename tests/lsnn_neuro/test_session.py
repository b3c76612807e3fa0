"""A network that runs some steps at a time is the network that runs all of them in one go."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import random_events, random_inputs
from random_specs import random_spec

from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network import kernel
from lsnn_neuro.network.config import LSTMConfig
from lsnn_neuro.network.lstm import LSTM
from lsnn_neuro.network.module import SpikingNetwork
from lsnn_neuro.session import Session, Spikes

needs_kernel = pytest.mark.skipif(not kernel.available(), reason="native kernel not built")
cuts = st.lists(st.integers(1, 39), max_size=5, unique=True).map(sorted)
seeds = st.integers(0, 10**6)


def in_pieces(session: Session, inputs: Spikes, cuts: list[int]) -> np.ndarray:
    return np.concatenate([session.step(piece) for piece in np.split(inputs, cuts)])


def whole(network: torch.nn.Module, inputs: Spikes) -> np.ndarray:
    with torch.no_grad():
        return network(torch.from_numpy(inputs)).readout.numpy()


@needs_kernel
@settings(max_examples=25, deadline=None)
@given(seeds, cuts, st.integers(1, 18))
def test_pieces_on_the_kernel_have_the_bits_of_one_run(
    seed: int, cuts: list[int], n_samples: int
) -> None:
    network = SpikingNetwork(random_spec(seed))
    inputs = random_inputs(seed, network.spec, n_steps=40, n_samples=n_samples)
    assert np.array_equal(
        in_pieces(network.session(n_samples), inputs, cuts), whole(network, inputs)
    )


@needs_kernel
@pytest.mark.parametrize("seed", range(10))
def test_spikes_cross_the_cut(seed: int) -> None:
    network = SpikingNetwork(random_spec(seed))
    inputs = random_inputs(seed, network.spec, n_steps=60, n_samples=17)
    expected = whole(network, inputs)
    assert np.ptp(expected) > 0.01  # it does spike
    assert np.array_equal(in_pieces(network.session(17), inputs, list(range(1, 60))), expected)


@settings(max_examples=25, deadline=None)
@given(seeds, cuts)
def test_pieces_in_the_time_loop_are_one_run(seed: int, cuts: list[int]) -> None:
    network = SpikingNetwork(random_spec(seed), dtype=torch.float64)
    inputs = random_inputs(seed, network.spec, n_steps=40, n_samples=3)
    pieces = in_pieces(network.session(3), inputs, cuts)
    np.testing.assert_allclose(pieces, whole(network, inputs), atol=1e-9)


def test_graded_events_count_in_the_time_loop() -> None:
    network = SpikingNetwork(random_spec(1), dtype=torch.float64)
    events = random_events(1, network.spec, n_steps=40, n_samples=3)
    pieces = in_pieces(network.session(3), events, [3, 20])
    np.testing.assert_allclose(pieces, whole(network, events), atol=1e-9)


def test_pieces_of_an_lstm_are_one_run() -> None:
    network = LSTM(LSTMConfig(kind="lstm", units=5), 3, 2, generator=torch.Generator())
    inputs = np.random.default_rng(0).random((40, 3, 3)) < 0.4
    pieces = in_pieces(network.session(3), inputs, [1, 2, 17])
    np.testing.assert_allclose(pieces, whole(network, inputs), atol=1e-6)


def test_an_lstm_with_bins_runs_whole_bins() -> None:
    config = LSTMConfig(kind="lstm", units=5, bin_steps=4)
    network = LSTM(config, 3, 2, generator=torch.Generator())
    inputs = np.random.default_rng(0).random((40, 3, 3)) < 0.4
    pieces = in_pieces(network.session(3), inputs, [4, 12])
    np.testing.assert_allclose(pieces, whole(network, inputs), atol=1e-6)
    with pytest.raises(NetworkError, match=r"bin_steps = 4 must divide task\.steps_per_action"):
        network.session(3).step(inputs[:6])


@pytest.mark.parametrize("fast", [False, True])
def test_a_session_is_the_network_as_it_was(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kernel.SWITCH, "on" if fast else "off")
    network = SpikingNetwork(random_spec(1))
    inputs = random_inputs(1, network.spec, n_steps=40, n_samples=2)
    expected, session = whole(network, inputs), network.session(2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    np.testing.assert_allclose(session.step(inputs), expected, atol=1e-5)
    assert not np.allclose(whole(network, inputs), expected, atol=1e-5)


@pytest.mark.parametrize("fast", [False, True])
def test_inputs_of_another_width_are_refused(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kernel.SWITCH, "on" if fast else "off")
    network = SpikingNetwork(random_spec(1))
    with pytest.raises(NetworkError, match=r"shape \(3, 2, 77\), expected"):
        network.session(2).step(np.zeros((3, 2, 77), bool))


@needs_kernel
@pytest.mark.parametrize("seed", range(5))
def test_graded_events_count_on_the_kernel(seed: int) -> None:
    network = SpikingNetwork(random_spec(seed))
    events = random_events(seed, network.spec, n_steps=40, n_samples=3)
    assert np.array_equal(in_pieces(network.session(3), events, [3, 20]), whole(network, events))


@needs_kernel
def test_the_kernel_refuses_the_state_of_another_batch() -> None:
    network = SpikingNetwork(random_spec(1))
    session = network.session(16)
    session.step(random_inputs(0, network.spec, n_steps=2, n_samples=16))
    with pytest.raises(NetworkError, match=r"shape \(2, 17, \d\), expected \(step, 16, "):
        session.step(random_inputs(0, network.spec, n_steps=2, n_samples=17))
