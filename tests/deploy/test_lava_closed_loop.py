"""Navigation in closed loop on Lava: spikes, readouts and trajectories are the emulator's."""

from __future__ import annotations

import numpy as np
import pytest
from on_lava import mismatches
from random_lsnns import lsnn

from deploy.lava.options import LavaOptions
from deploy.target import Target
from deploy.targets import get_target
from lsnn_neuro.errors import DataError, NetworkError, TargetFailedError, TargetUnavailableError
from lsnn_neuro.network.config import LSNNConfig
from lsnn_neuro.tasks.navigation.episodes import Episodes, run_episodes
from lsnn_neuro.tasks.navigation.task import Navigation, NavigationConfig
from quantize.conversion import convert
from quantize.network import QuantizedNetwork
from quantize.record import SpikeRecord


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
    drawn = lsnn(config, 4, n_inputs=task.n_inputs, n_outputs=task.n_outputs)
    return convert(drawn.to_spec())[0]


def run(task: Navigation, target: Target, episodes: range) -> tuple[Episodes, SpikeRecord]:
    """Some test episodes on a target, and what the network did."""
    with target.session(quantized(task), len(episodes), task.n_steps) as session:
        return run_episodes(task, session, task.draw("test", episodes)), session.record()


def test_a_closed_loop_on_lava_is_the_emulators() -> None:
    t = task()
    episodes, reference = run(t, get_target("emulator"), range(2))
    on_lava, record = run(t, get_target("loihi-sim"), range(2))
    assert mismatches(reference, record) == (0, 0)
    assert all(p.spikes.any() for p in reference.spikes)
    np.testing.assert_array_equal(episodes.inputs, on_lava.inputs)
    np.testing.assert_array_equal(episodes.readout, on_lava.readout)
    np.testing.assert_array_equal(episodes.position, on_lava.position)


def test_another_trajectory_is_heard() -> None:
    t = task()
    one, other = (run(t, get_target("emulator"), range(n, n + 2))[0] for n in (0, 1))
    assert (one.inputs != other.inputs).any()


def test_lava_answers_late_and_says_so() -> None:
    t = task(latency=1)
    network = quantized(t)
    with (
        get_target("loihi-sim").session(network, 1, t.n_steps) as session,
        pytest.raises(DataError, match="comes 2 steps late"),
    ):
        run_episodes(t, session, t.draw("test", [0]))


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
        with pytest.raises(NetworkError, match="type float64"):
            session.step(np.zeros((1, 1, t.n_inputs)))


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
