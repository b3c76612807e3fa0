"""The emulator, some steps at a time: the integers of one run."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import random_graph
from random_networks import random_events, random_inputs
from random_specs import random_spec

from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.kernel import SWITCH
from lsnn_neuro.network.module import SpikingNetwork
from quantize.aware import QuantizationAware
from quantize.emulator import Emulator, EmulatorSession, emulate
from quantize.network import QuantizedNetwork

cuts = st.lists(st.integers(1, 29), max_size=5, unique=True).map(sorted)


def read(network: QuantizedNetwork, inputs: np.ndarray) -> np.ndarray:
    return network.to_float(emulate(network, inputs).readout)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 500), st.booleans(), cuts, st.integers(1, 18))
def test_pieces_give_the_integers_of_one_run(
    seed: int, fast: bool, cuts: list[int], n_samples: int
) -> None:
    network = random_graph(seed, fast=fast)
    inputs = random_inputs(seed, network, n_steps=30, n_samples=n_samples)
    run = EmulatorSession(network, n_samples)
    pieces = np.concatenate([run.step(piece) for piece in np.split(inputs, cuts)])
    assert np.array_equal(pieces, read(network, inputs))


@pytest.mark.parametrize("fast", [False, True])
def test_graded_events_count_in_a_session(fast: bool) -> None:
    network = random_graph(1, fast=fast, graded=True)
    events = random_events(1, network, n_steps=30, n_samples=2)
    run = EmulatorSession(network, 2)
    pieces = np.concatenate([run.step(events[:7]), run.step(events[7:])])
    assert np.array_equal(pieces, read(network, events))


@pytest.mark.parametrize("n_samples", [1, 18])
@pytest.mark.parametrize("fast", [False, True])
def test_a_session_goes_on_from_any_state_of_a_run(fast: bool, n_samples: int) -> None:
    for seed in range(8):
        network = random_graph(seed, fast=fast, graded=True)
        events = random_events(seed, network, n_steps=30, n_samples=n_samples)
        before = Emulator(network, n_samples)
        for x in events[:13]:
            before.step(x)
        run = EmulatorSession(network, n_samples, record=True, start=before.state)
        assert np.array_equal(run.step(events[13:]), read(network, events)[13:])
        spikes = emulate(network, events).spikes
        for found, whole in zip(run.record().spikes, spikes, strict=True):
            assert np.array_equal(found.spikes, whole.spikes[13:])


@pytest.mark.parametrize("fast", [False, True])
def test_inputs_that_do_not_fit_are_refused(fast: bool) -> None:
    network = random_graph(1, fast=fast)
    with pytest.raises(NetworkError, match=r"shape \(3, 2, 77\), expected \(time, sample, "):
        EmulatorSession(network, 2).step(np.zeros((3, 2, 77), bool))


def test_the_reference_does_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    network = random_graph(3, fast=True)
    inputs = random_inputs(3, network, n_steps=30, n_samples=2)
    native = EmulatorSession(network, 2).step(inputs)
    monkeypatch.setenv(SWITCH, "off")
    run = EmulatorSession(network, 2)
    assert np.array_equal(np.concatenate([run.step(inputs[:7]), run.step(inputs[7:])]), native)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 500), cuts)
def test_the_quantization_aware_forward_pass_runs_in_pieces(seed: int, cuts: list[int]) -> None:
    spec = random_spec(seed)
    aware = QuantizationAware(SpikingNetwork(spec))
    inputs = random_inputs(seed, spec, n_steps=30, n_samples=3)
    run = aware.session(3)
    pieces = np.concatenate([run.step(piece) for piece in np.split(inputs, cuts)])
    with torch.no_grad():
        expected = aware(torch.from_numpy(inputs)).readout.numpy()
    assert np.array_equal(pieces, expected)
