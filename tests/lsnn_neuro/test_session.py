"""A network that runs some steps at a time is the network that runs all of them in one go."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_lsnns import FORMS, configs, lsnn, seeds, spikes

from lsnn_neuro import kernel
from lsnn_neuro.baselines import LSTM
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.recipe import LSNNConfig, LSTMConfig
from lsnn_neuro.session import Session, Spikes

needs_kernel = pytest.mark.skipif(kernel.native is None, reason="the native kernel is not built")
cuts = st.lists(st.integers(1, 39), max_size=5, unique=True).map(sorted)


def in_pieces(session: Session, inputs: Spikes, cuts: list[int]) -> np.ndarray:
    return np.concatenate([session.step(piece) for piece in np.split(inputs, cuts)])


def whole(network: torch.nn.Module, inputs: Spikes) -> np.ndarray:
    with torch.no_grad():
        return network(torch.from_numpy(inputs)).readout.numpy()


@needs_kernel
@settings(max_examples=25, deadline=None)
@given(configs, seeds, cuts, st.integers(1, 18))
def test_pieces_on_the_kernel_have_the_bits_of_one_run(
    config: LSNNConfig, seed: int, cuts: list[int], n_samples: int
) -> None:
    network = lsnn(config, seed).float()
    inputs = spikes(seed, n_steps=40, n_samples=n_samples).bool().numpy()
    assert np.array_equal(
        in_pieces(network.session(n_samples), inputs, cuts), whole(network, inputs)
    )


@needs_kernel
@pytest.mark.parametrize("form", FORMS)
def test_spikes_cross_the_cut_in_every_form_of_neuron(form: str) -> None:
    config = LSNNConfig(
        regular=8, adaptive=8, beta=0.4, signs="unconstrained", n_delays=6, input_delays=4,
        input_connectivity=1, recurrent_connectivity=1, readout_connectivity=1,
        **{"n_ref": 4} | FORMS[form],
    )  # fmt: skip
    network = lsnn(config, 1).float()
    inputs = spikes(1, n_steps=60, n_samples=17).bool().numpy()
    expected = whole(network, inputs)
    assert np.ptp(expected) > 0.01  # it does spike
    assert np.array_equal(in_pieces(network.session(17), inputs, list(range(1, 60))), expected)


@settings(max_examples=25, deadline=None)
@given(configs, seeds, cuts)
def test_pieces_in_the_time_loop_are_one_run(
    config: LSNNConfig, seed: int, cuts: list[int]
) -> None:
    network = lsnn(config, seed)  # float64: the kernel leaves it alone
    inputs = spikes(seed, n_steps=40, n_samples=3).bool().numpy()
    pieces = in_pieces(network.session(3), inputs, cuts)
    np.testing.assert_allclose(pieces, whole(network, inputs), atol=1e-9)


def test_pieces_of_an_lstm_are_one_run() -> None:
    network = LSTM(LSTMConfig(kind="lstm", units=5), 3, 2, generator=torch.Generator())
    inputs = spikes(0, n_steps=40, n_samples=3).bool().numpy()
    pieces = in_pieces(network.session(3), inputs, [1, 2, 17])
    np.testing.assert_allclose(pieces, whole(network, inputs), atol=1e-6)


def test_an_lstm_with_bins_runs_whole_bins() -> None:
    config = LSTMConfig(kind="lstm", units=5, bin_steps=4)
    network = LSTM(config, 3, 2, generator=torch.Generator())
    inputs = spikes(0, n_steps=40, n_samples=3).bool().numpy()
    pieces = in_pieces(network.session(3), inputs, [4, 12])
    np.testing.assert_allclose(pieces, whole(network, inputs), atol=1e-6)
    with pytest.raises(NetworkError, match=r"bin_steps = 4 must divide task\.steps_per_action"):
        network.session(3).step(inputs[:6])


@needs_kernel
def test_a_session_is_the_network_as_it_was() -> None:
    network = lsnn(LSNNConfig(regular=4, adaptive=4), 0).float()
    inputs = spikes(0, n_steps=40, n_samples=2).bool().numpy()
    expected, session = whole(network, inputs), network.session(2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    assert np.array_equal(session.step(inputs), expected)


@needs_kernel
def test_the_kernel_refuses_the_state_of_another_batch() -> None:
    session = lsnn(LSNNConfig(regular=4, adaptive=4), 0).float().session(16)
    session.step(spikes(0, n_steps=2, n_samples=16).bool().numpy())
    with pytest.raises(ValueError, match="does not belong to this network and batch"):
        session.step(spikes(0, n_steps=2, n_samples=17).bool().numpy())
