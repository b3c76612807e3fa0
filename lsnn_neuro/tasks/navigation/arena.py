"""The arena of the navigation task as gymnasium environments: many episodes side by side, or one.

``gymnasium.make("lsnn_neuro/Navigation-v0")`` gives one, ``gymnasium.make_vec`` many.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from lsnn_neuro.errors import DataError

FloatArray = npt.NDArray[np.float64]
NAME = "lsnn_neuro/Navigation-v0"
WALL = 1.0
"""Radius of the arena."""

_OBSERVATION = Box(
    np.array([-WALL, -WALL, 0, 0], np.float32), np.array([WALL, WALL, 1, 1], np.float32)
)
_ACTION = Box(-1, 1, (2,), np.float32)


class Arenas(VectorEnv):
    """Circular arenas, each with a goal that stays where it is for a whole episode and is never shown.

    - observation: (x, y, goal, wall), shape (arena, 4): where the agent is, whether it is at the goal,
      and whether it has just run into the wall (0 or 1)
    - action: velocity in units of the greatest speed, shape (arena, 2); longer vectors are cut to length 1
    - reward: 1 for reaching the goal, ``-wall_penalty`` for running into the wall, else 0

    An agent that reaches the goal stays there for ``1 + dwell_actions`` steps, in which its actions do
    nothing, and is then put at a random place outside the goal. An episode ends after ``n_actions`` steps
    (truncated, never terminated). An episode's goal and places depend on its seed alone.

    - speed: greatest distance moved in a step; the arena's radius is 1
    - goal_radius, goal_distance: the goal's size, and how far its centre can lie from the arena's
    - dwell_actions: steps at the goal beyond the first
    """

    metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.DISABLED}  # noqa: RUF012

    def __init__(
        self,
        num_envs: int = 1,
        *,
        n_actions: int = 100,
        speed: float = 0.2,
        goal_radius: float = 0.3,
        goal_distance: float = 0.85,
        wall_penalty: float = 0.02,
        dwell_actions: int = 0,
    ):
        self.num_envs = num_envs
        self.single_observation_space, self.single_action_space = _OBSERVATION, _ACTION
        self.observation_space = batch_space(_OBSERVATION, num_envs)
        self.action_space = batch_space(_ACTION, num_envs)
        self.n_actions, self.speed, self.wall_penalty = n_actions, speed, wall_penalty
        self.goal_radius, self.goal_distance = goal_radius, goal_distance
        self.dwell_actions = dwell_actions

    def reset(
        self,
        *,
        seed: int | Sequence[Any] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        """New episodes; ``seed`` is one for all, counted upwards, or a list of one (NumPy's) per arena."""
        if seed is None:
            seed = int(np.random.default_rng().integers(2**62))
        if isinstance(seed, (int, np.integer)):
            seed = [int(seed) + i for i in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise DataError(f"{len(seed)} seeds for {self.num_envs} arenas; give one for each")
        self.goal = np.empty((self.num_envs, 2))
        self._places = np.empty((self.num_envs, self.n_actions + 1, 2))  # where it is put, in order
        for i, one in enumerate(seed):
            self.goal[i], self._places[i] = self._draw(np.random.default_rng(one))
        self._placed = np.zeros(self.num_envs, np.int64)
        self.position = self._places[:, 0].copy()
        self._rests = np.zeros(self.num_envs, np.int64)  # steps left at the goal
        self._actions = 0
        return self._observe(np.zeros(self.num_envs, np.bool_)), {"goal": self.goal.copy()}

    def _draw(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """A goal, and places outside it, uniform over the area: as many as an episode can need."""
        goal = self.goal_distance * np.sqrt(rng.random()) * _direction(rng.random(1))[0]
        places = np.empty((0, 2))
        while len(places) <= self.n_actions:
            radius, angle = rng.random((2, self.n_actions + 1))
            drawn = np.sqrt(radius)[:, None] * _direction(angle)
            outside = np.square(drawn - goal).sum(axis=1) > self.goal_radius**2
            places = np.concatenate([places, drawn[outside]])
        return goal, places[: self.n_actions + 1]

    def step(
        self, actions: npt.NDArray[Any]
    ) -> tuple[
        npt.NDArray[np.float32],
        FloatArray,
        npt.NDArray[np.bool_],
        npt.NDArray[np.bool_],
        dict[str, Any],
    ]:
        """Move; gives observations, rewards, terminated, truncated, and ``moved``: whose action counted."""
        velocity = np.asarray(actions, np.float64)
        length = np.sqrt(np.square(velocity).sum(axis=1, keepdims=True))
        moved = self._rests == 0
        target = self.position + self.speed * velocity / np.maximum(length, 1)
        distance = np.sqrt(np.square(target).sum(axis=1))
        wall = moved & (distance > WALL)
        target[wall] *= (WALL / distance[wall])[:, None]
        woken = self._rests == 1
        self._placed += woken
        placed = self._places[np.arange(self.num_envs), self._placed]
        gone = np.where(moved[:, None], target, self.position)
        self.position = np.where(woken[:, None], placed, gone)
        to_goal = np.square(self.position - self.goal).sum(axis=1)
        reached = moved & (to_goal <= self.goal_radius**2)
        self._rests = np.where(reached, 1 + self.dwell_actions, np.maximum(self._rests - 1, 0))
        self._actions += 1
        reward = reached - self.wall_penalty * wall
        over = np.full(self.num_envs, self._actions >= self.n_actions)
        return self._observe(wall), reward, np.zeros_like(over), over, {"moved": moved}

    @property
    def just_reached(self) -> npt.NDArray[np.bool_]:
        """Who has reached the goal in the last step, shape (arena,)."""
        there: npt.NDArray[np.bool_] = self._rests == 1 + self.dwell_actions
        return there

    def _observe(self, wall: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        observation = np.column_stack([self.position, self._rests > 0, wall])
        return observation.astype(np.float32)


class Arena(gymnasium.Env):
    """One arena; see :class:`Arenas`."""

    metadata = {"render_modes": []}  # noqa: RUF012

    def __init__(self, **options: Any):
        self._arenas = Arenas(1, **options)
        self.observation_space, self.action_space = _OBSERVATION, _ACTION

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        """A new episode."""
        super().reset(seed=seed)
        if seed is None:
            seed = int(self.np_random.integers(2**62))
        observation, info = self._arenas.reset(seed=seed)
        return observation[0], {"goal": info["goal"][0]}

    def step(
        self, action: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Move."""
        observation, reward, _, truncated, info = self._arenas.step(np.asarray(action)[None])
        return (
            observation[0],
            float(reward[0]),
            False,
            bool(truncated[0]),
            {"moved": bool(info["moved"][0])},
        )


def _direction(turns: FloatArray) -> FloatArray:
    """Unit vectors (..., 2) at an angle given in turns."""
    return np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)], axis=-1)


gymnasium.register(NAME, entry_point=f"{__name__}:Arena", vector_entry_point=f"{__name__}:Arenas")
