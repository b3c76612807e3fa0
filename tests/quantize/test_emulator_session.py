"""The emulator, some steps at a time: the integers of one run."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_lsnns import configs, lsnn, seeds, spikes
from random_networks import random_inputs, random_network

from lsnn_neuro.kernel import SWITCH
from lsnn_neuro.recipe import LSNNConfig
from quantize.aware import QuantizationAware
from quantize.emulator import emulate, session

cuts = st.lists(st.integers(1, 29), max_size=5, unique=True).map(sorted)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 500), cuts, st.integers(1, 18))
def test_pieces_give_the_integers_of_one_run(seed: int, cuts: list[int], n_samples: int) -> None:
    network = random_network(seed, ("threshold", "current", "lif", "atrlif"))
    inputs = random_inputs(seed, network, n_steps=30, n_samples=n_samples)
    run = session(network, n_samples)
    pieces = np.concatenate([run.step(piece) for piece in np.split(inputs, cuts)])
    expected = emulate(network, inputs).readout / network.readout.scale
    assert np.array_equal(pieces, expected)


def test_the_reference_does_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    network = random_network(3)
    inputs = random_inputs(3, network, n_steps=30, n_samples=2)
    native = session(network, 2).step(inputs)
    monkeypatch.setenv(SWITCH, "off")
    run = session(network, 2)
    assert np.array_equal(np.concatenate([run.step(inputs[:7]), run.step(inputs[7:])]), native)


@settings(max_examples=25, deadline=None)
@given(configs, seeds, cuts)
def test_the_quantization_aware_forward_pass_runs_in_pieces(
    config: LSNNConfig, seed: int, cuts: list[int]
) -> None:
    aware = QuantizationAware(lsnn(config, seed).float())
    inputs = spikes(seed, n_steps=30, n_samples=3).bool().numpy()
    run = aware.session(3)
    pieces = np.concatenate([run.step(piece) for piece in np.split(inputs, cuts)])
    with torch.no_grad():
        expected = aware(torch.from_numpy(inputs)).readout.numpy()
    assert np.array_equal(pieces, expected)
