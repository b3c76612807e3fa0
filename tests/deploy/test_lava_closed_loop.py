"""Navigation in closed loop on Lava: spikes, readouts and trajectories are the emulator's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from deploy.lava.options import LavaOptions
from deploy.parity import compare_sides
from deploy.targets import get_target
from lsnn_neuro.closed_loop import play
from lsnn_neuro.errors import DataError, TargetFailedError, TargetUnavailableError
from lsnn_neuro.network import LSNN
from lsnn_neuro.recipe import LSNNConfig
from lsnn_neuro.tasks.navigation import Navigation, NavigationConfig
from quantize.convert import convert
from quantize.network import QuantizedNetwork
from results.episodes import closed_loop_sides


def task(latency: int = 2) -> Navigation:
    return Navigation(
        NavigationConfig(
            actions=6, steps_per_action=5, latency=latency, place_cells=3, signal_cells=2
        )
    )


def quantized(task: Navigation) -> QuantizedNetwork:
    config = LSNNConfig(
        regular=8, adaptive=8, beta=0.5, n_ref=1, signs="unconstrained", n_delays=3,
        input_connectivity=1, recurrent_connectivity=1, readout_connectivity=1,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(4)
    return convert(LSNN(config, task.n_inputs, task.n_outputs, generator=generator).to_spec())[0]


def test_a_closed_loop_on_lava_is_the_emulators() -> None:
    t = task()
    comparison = compare_sides(
        *closed_loop_sides(t, quantized(t), get_target("loihi-sim"), range(2))
    )
    assert comparison.exact
    assert comparison.samples == 2
    assert [p.name for p in comparison.populations] == ["input", "regular", "adaptive"]
    assert all(p.spikes for p in comparison.populations)


def test_another_trajectory_is_seen() -> None:
    t, target = task(), get_target("emulator")
    one, _ = closed_loop_sides(t, quantized(t), target, range(2))
    other, _ = closed_loop_sides(t, quantized(t), target, range(1, 3))
    comparison = compare_sides(one, other)
    assert comparison.populations[0].mismatches > 0


def test_lava_answers_late_and_says_so() -> None:
    t = task(latency=1)
    network = quantized(t)
    with (
        get_target("loihi-sim").session(network, 1, t.n_steps) as session,
        pytest.raises(DataError, match="comes 2 steps late"),
    ):
        play(t, session, t.chances("test", [0]))


def test_more_steps_than_announced_are_refused() -> None:
    t = task()
    network = quantized(t)
    fused = get_target("loihi-sim", LavaOptions(model="fused"))
    with fused.session(network, 1, 10) as session:
        assert session.lag == 0
        session.step(np.zeros((6, 1, t.n_inputs), np.bool_))
        with pytest.raises(TargetFailedError, match="4 steps have not run"):
            session.record()
        with pytest.raises(TargetFailedError, match="announced were 10"):
            session.step(np.zeros((6, 1, t.n_inputs), np.bool_))


def test_a_run_that_takes_too_long_ends() -> None:
    t = task()
    slow = get_target("loihi-sim", LavaOptions(time_limit=0.2))
    with (
        pytest.raises(TargetFailedError, match=r"did not finish within 0\.2 s"),
        slow.session(quantized(t), 1, t.n_steps) as session,
    ):
        session.step(np.zeros((5, 1, t.n_inputs), np.bool_))


def test_the_chip_target_has_no_closed_loop() -> None:
    t = task()
    with pytest.raises(TargetUnavailableError):
        get_target("loihi2").session(quantized(t), 1, t.n_steps)
