"""The arena: gymnasium's rules, its own rules, and that a seed is all there is."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from lsnn_neuro.errors import DataError
from lsnn_neuro.tasks.navigation.arena import NAME, Arenas

STEPS = 60


def wander(arenas: Arenas, seeds: list[int]) -> list[np.ndarray]:
    """Everything that is seen of a walk which the seeds alone decide."""
    observation, info = arenas.reset(seed=seeds)
    seen = [observation, info["goal"]]
    walks = np.stack([np.random.default_rng(s).normal(size=(STEPS, 2)) for s in seeds], axis=1)
    for action in walks:
        observation, reward, *_ = arenas.step(action)
        seen += [observation, reward]
    return seen


def test_it_is_a_gymnasium_environment() -> None:
    check_env(gymnasium.make(NAME).unwrapped, skip_render_check=True)
    assert (
        gymnasium.make_vec(NAME, num_envs=3, vectorization_mode="vector_entry_point").num_envs == 3
    )


def test_an_episode_depends_on_its_seed_and_on_nothing_beside_it() -> None:
    together, alone = wander(Arenas(3), [5, 6, 7]), wander(Arenas(1), [6])
    for one, all_of_them in zip(alone, together, strict=True):
        assert np.array_equal(one[0], all_of_them[1])


def test_the_single_environment_is_one_of_many() -> None:
    env, arenas = gymnasium.make(NAME, n_actions=STEPS), Arenas(1, n_actions=STEPS)
    first, _ = env.reset(seed=3)
    assert np.array_equal(first, arenas.reset(seed=3)[0][0])
    for k in range(STEPS):
        action = np.array([np.cos(k), np.sin(k)], np.float32)
        one, many = env.step(action), arenas.step(action[None])
        assert np.array_equal(one[0], many[0][0])
        assert one[1] == many[1][0]
        assert one[3] == (k == STEPS - 1)


def test_who_reaches_the_goal_waits_a_step_there_and_starts_elsewhere() -> None:
    arenas = Arenas(64)
    arenas.reset(seed=0)
    for _ in range(20):
        was_there, place = arenas.just_reached.copy(), arenas.position.copy()
        toward = (arenas.goal - arenas.position) / arenas.speed
        observation, reward, _, _, info = arenas.step(toward)
        distance = np.linalg.norm(arenas.position - arenas.goal, axis=1)
        assert np.array_equal(info["moved"], ~was_there)
        assert np.array_equal(reward == 1, observation[:, 2] == 1)
        assert np.array_equal(reward == 1, ~was_there & (distance <= arenas.goal_radius))
        assert (distance[was_there] > arenas.goal_radius).all()
        moved = np.linalg.norm(arenas.position - place, axis=1)[~was_there]
        assert (moved <= arenas.speed + 1e-9).all()
    assert was_there.any()


def test_a_longer_stay_at_the_goal_is_seen() -> None:
    arenas = Arenas(1, dwell_actions=2)
    arenas.reset(seed=1)
    arenas.position[:] = arenas.goal * 0.9
    seen = []
    for _ in range(5):
        observation, reward, _, _, info = arenas.step(np.array([[0.1, 0.0]]))
        seen.append((int(reward[0]), info["moved"][0], observation[0, 2], arenas.just_reached[0]))
    assert seen == [
        (1, True, 1, True),
        (0, False, 1, False),
        (0, False, 1, False),
        (0, False, 0, False),
        (0, True, 0, False),
    ]
    assert np.linalg.norm(arenas.position - arenas.goal) > arenas.goal_radius


def test_goals_lie_anywhere_within_their_distance() -> None:
    arenas = Arenas(2000, goal_distance=0.8)
    arenas.reset(seed=0)
    distance = np.linalg.norm(arenas.goal, axis=1)
    assert distance.max() <= 0.8
    # uniform over the area: half of them within 1/sqrt(2) of the distance
    assert (distance < 0.8 / np.sqrt(2)).mean() == pytest.approx(0.5, abs=0.05)


def test_the_wall_stops_and_costs() -> None:
    arenas = Arenas(1, wall_penalty=0.25)
    arenas.reset(seed=1)
    arenas.goal[:] = [-0.85, 0]  # out of the way
    arenas.position[:] = [0.95, 0]
    observation, reward, *_ = arenas.step(np.array([[1.0, 0.0]]))
    assert np.allclose(observation, [[1, 0, 0, 1]])
    assert reward == [-0.25]


def test_seeds_must_be_as_many_as_arenas() -> None:
    with pytest.raises(DataError, match="2 seeds for 3 arenas"):
        Arenas(3).reset(seed=[1, 2])
