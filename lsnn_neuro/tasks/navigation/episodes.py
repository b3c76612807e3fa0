"""Episodes in closed loop: what a network does decides what input comes next. NumPy only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro.errors import DataError
from lsnn_neuro.session import FloatArray, Session, Spikes
from lsnn_neuro.tasks.score import GOALS, Score, join_scores

if TYPE_CHECKING:
    from lsnn_neuro.tasks.navigation.task import Navigation

VELOCITY, VALUE, GOAL = slice(0, 2), 2, slice(3, 5)
"""Which readouts are the mean of the velocity, the value and (if any) the goal's place."""
Act = Callable[[npt.NDArray[np.float32], int], tuple[FloatArray, FloatArray]]
"""(observation, action's number) -> readout (sample, output) and velocity (sample, 2)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RandomDraws:
    """All that is random in some episodes: the arenas' seeds, and numbers drawn beforehand.

    - arena: a seed for each; noise: normal, (action, sample, 2); spikes: uniform, (time, sample, input)
    """

    arena: list[Any]
    noise: FloatArray
    spikes: npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Episodes:
    """Some episodes that a network has gone through, side by side.

    - inputs: spikes, bool (time, sample, input)
    - readout: the readout that each action follows from, (action, sample, output)
    - action: velocity before it is shortened, (action, sample, 2); mean plus noise
    - reward: (action, sample); moved: whether the action counted; reached: whether it led to the goal
    - position: where the agent was before each action, (action, sample, 2); goal: (sample, 2)
    """

    inputs: Spikes
    readout: FloatArray
    action: FloatArray
    reward: FloatArray
    moved: npt.NDArray[np.bool_]
    reached: npt.NDArray[np.bool_]
    position: FloatArray
    goal: FloatArray

    @property
    def size(self) -> int:
        """Number of episodes."""
        return self.inputs.shape[1]


def run_episodes(
    task: Navigation, session: Session, draws: RandomDraws, *, noise: float | None = None
) -> Episodes:
    """Let a network act through some episodes; ``noise`` is the task's unless given."""
    c = task.config
    if session.lag > c.latency:
        raise DataError(
            f"task 'navigation': latency is {c.latency} steps, but the network's readout comes "
            f"{session.lag} steps late here; train with a task.latency of at least {session.lag}"
        )
    n, length = len(draws.arena), c.steps_per_action
    fresh = (c.noise if noise is None else noise) * np.sqrt(1 - c.noise_correlation**2)
    deviation = np.zeros((n, 2))
    inputs = np.empty((task.n_steps, n, task.n_inputs), np.bool_)
    arrived = np.empty((0, n, task.n_outputs))  # readouts that may still be needed, up to ...
    end = 0  # ... this step

    def act(observation: npt.NDArray[np.float32], k: int) -> tuple[FloatArray, FloatArray]:
        nonlocal deviation, arrived, end
        window = slice(k * length, (k + 1) * length)
        inputs[window] = task.encode(observation, draws.spikes[window])
        new = session.step(inputs[window])
        arrived, end = np.concatenate([arrived, new])[-length:], end + len(new)
        readout = arrived[window.stop - 1 - c.latency - end]
        deviation = c.noise_correlation * deviation + fresh * draws.noise[k]
        return readout, readout[:, VELOCITY] + deviation

    return _closed_loop(task, draws, act, inputs)


def _closed_loop(task: Navigation, draws: RandomDraws, act: Act, inputs: Spikes) -> Episodes:
    """The loop: the agent observes and acts, the arena answers."""
    arenas = task.arenas(len(draws.arena))
    observation, info = arenas.reset(seed=draws.arena)
    kept: list[tuple[Any, ...]] = []
    for k in range(task.config.actions):
        readout, action = act(observation, k)
        before = arenas.position
        observation, reward, _, _, did = arenas.step(action)
        kept.append((readout, action, reward, did["moved"], arenas.just_reached, before))
    columns = zip(*kept, strict=True)
    readout, action, reward, moved, reached, position = (np.stack(column) for column in columns)
    return Episodes(
        inputs=inputs, readout=readout, action=action, reward=reward, moved=moved, reached=reached,
        position=position, goal=info["goal"],
    )  # fmt: skip


def episodes_score(batches: Iterable[Episodes]) -> Score:
    """Goals per episode; also those of its halves, and the reward."""
    return join_scores(_score(episodes) for episodes in batches)


def _score(e: Episodes) -> Score:
    half = len(e.reached) // 2
    extra = {
        "goals_first_half": e.reached[:half].sum(),
        "goals_second_half": e.reached[half:].sum(),
        "reward": e.reward.sum(),
    }
    return Score(
        metric=GOALS,
        samples=e.size,
        decisions=e.size,
        total=float(e.reached.sum()),
        extra={name: float(total) for name, total in extra.items()},
    )


def random_walk(task: Navigation, draws: RandomDraws, *, turn: float = 0.6) -> Episodes:
    """Episodes of an agent that walks at full speed and never learns.

    Its direction turns by a normal angle of standard deviation ``turn`` (radians) in each action, and to
    anywhere at the wall. 0.6 reaches most goals, of 0.01 to 1.2: 3.05 in an episode of the default arena.
    """
    rng = np.random.default_rng(draws.arena[0])
    n = len(draws.arena)
    heading = np.zeros(n)
    anywhere = np.ones(n, np.bool_)

    def act(observation: npt.NDArray[np.float32], k: int) -> tuple[FloatArray, FloatArray]:
        nonlocal heading
        lost = anywhere if k == 0 else observation[:, 3] > 0  # at the wall
        turned = heading + turn * rng.normal(size=n)
        heading = np.where(lost, rng.uniform(0, 2 * np.pi, n), turned)
        velocity = np.column_stack([np.cos(heading), np.sin(heading)])
        return np.column_stack([velocity, np.zeros(n)]), velocity

    silence = np.zeros((0, n, task.n_inputs), np.bool_)  # no inputs
    return _closed_loop(task, draws, act, silence)
