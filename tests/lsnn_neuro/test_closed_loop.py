"""Episodes in closed loop, and the walkers a network is compared with."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from lsnn_neuro.errors import DataError
from lsnn_neuro.network.config import LSNNConfig
from lsnn_neuro.network.module import SpikingNetwork
from lsnn_neuro.session import FloatArray, Spikes
from lsnn_neuro.tasks.navigation.episodes import Episodes, episodes_score, random_walk, run_episodes
from lsnn_neuro.tasks.navigation.task import Navigation, NavigationConfig

TASK = Navigation(NavigationConfig(actions=12, steps_per_action=4, latency=1, place_cells=4))


def network(task: Navigation = TASK) -> SpikingNetwork:
    config = LSNNConfig(
        regular=10, adaptive=10, beta=0.5, signs="unconstrained", n_ref=1,
        input_connectivity=1, recurrent_connectivity=1, readout_connectivity=1,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(4)
    return SpikingNetwork(config.draw(task.n_inputs, task.n_outputs, generator))


def run(numbers: list[int]) -> Episodes:
    return run_episodes(TASK, network().session(len(numbers)), TASK.draw("test", numbers))


class Guide:
    """Answers every step with the velocity that was decided for its action."""

    def __init__(self, velocity: FloatArray, task: Navigation, lag: int = 0):
        self.readout = velocity.repeat(task.config.steps_per_action, axis=0)
        self.lag, self.steps = lag, 0

    def step(self, inputs: Spikes) -> FloatArray:
        before, self.steps = self.steps, self.steps + len(inputs)
        wanted = slice(max(before - self.lag, 0), max(self.steps - self.lag, 0))
        velocity = self.readout[wanted]
        return np.concatenate([velocity, np.zeros((*velocity.shape[:2], 1))], axis=2)


def test_an_episode_does_not_depend_on_its_company() -> None:
    together, alone = run([3, 4, 5]), run([4])
    assert np.array_equal(together.inputs[:, 1:2], alone.inputs)
    assert np.array_equal(together.action[:, 1:2], alone.action)
    assert not np.array_equal(together.inputs[:, 0], together.inputs[:, 1])


def test_the_same_inputs_give_the_same_readouts_again() -> None:
    episodes, c = run([0, 1]), TASK.config
    with torch.no_grad():
        readout = network()(torch.from_numpy(episodes.inputs)).readout.numpy()
    at_actions = np.arange(1, c.actions + 1) * c.steps_per_action - 1 - c.latency
    np.testing.assert_allclose(readout[at_actions], episodes.readout, atol=1e-6)


@pytest.mark.parametrize("lag", [0, 1])
def test_a_readout_that_comes_late_within_the_latency_changes_nothing(lag: int) -> None:
    velocity = np.random.default_rng(0).normal(size=(12, 3, 2))
    episodes = run_episodes(TASK, Guide(velocity, TASK, lag), TASK.draw("test", [0, 1, 2]), noise=0)
    assert np.array_equal(episodes.action, velocity)


def test_a_readout_that_comes_too_late_is_refused() -> None:
    velocity = np.zeros((12, 1, 2))
    with pytest.raises(DataError, match="latency of at least 2"):
        run_episodes(TASK, Guide(velocity, TASK, 2), TASK.draw("test", [0]))


def test_noise_is_correlated_from_action_to_action() -> None:
    task = Navigation(NavigationConfig(actions=500, steps_per_action=1, latency=0, place_cells=2))
    still = Guide(np.zeros((500, 8, 2)), task)
    noise = run_episodes(task, still, task.draw("test", list(range(8)))).action
    c = task.config
    assert noise.std() == pytest.approx(c.noise, rel=0.1)
    correlation = (noise[1:] * noise[:-1]).mean() / (noise**2).mean()
    assert correlation == pytest.approx(c.noise_correlation, abs=0.1)


def test_place_cells_fire_where_the_agent_is_and_signals_when_they_should() -> None:
    task = Navigation(NavigationConfig())
    here = np.zeros((4, 4), np.float32)
    here[1, 0] = 1
    here[[2, 3], [2, 3]] = 1  # at the goal, at the wall
    rates = task.rates(here)
    n, c = len(task.centres), task.config
    best = task.centres[rates[:2, :n].argmax(axis=1)]
    np.testing.assert_allclose(best, [[0, 0], [1, 0]], atol=1e-9)
    assert (rates[:, :n].max(axis=1) > 100).all()
    signals = rates[:, n:].reshape(4, 2, c.signal_cells)
    assert np.array_equal(signals.any(axis=2), [[0, 0], [0, 0], [1, 0], [0, 1]])


def test_a_random_walk_reaches_as_many_goals_as_is_said_of_it() -> None:
    task = Navigation(NavigationConfig())
    assert episodes_score(
        [random_walk(task, task.draw("test", range(1024)))]
    ).value == pytest.approx(3.05, abs=0.2)


def test_the_latency_must_fit_into_an_action() -> None:
    with pytest.raises(ValidationError, match="must be below steps_per_action"):
        NavigationConfig(latency=5, steps_per_action=5)
