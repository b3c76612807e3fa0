"""Episodes in closed loop: what a network does decides what it hears next. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lsnn_neuro.errors import DataError
from lsnn_neuro.tasks.navigation import VELOCITY, Chances, Navigation

FloatArray = npt.NDArray[np.float64]


class Session(Protocol):
    """A network that runs some steps at a time, from rest, and keeps its state in between."""

    @property
    def lag(self) -> int:
        """Steps by which its answer comes late; 0 where the readout of a step is there after it."""

    def step(self, inputs: npt.NDArray[np.bool_]) -> FloatArray:
        """Run on for some steps; gives the readouts that have come out since.

        - inputs: (step, sample, input)
        - returns: (step, sample, output), bias included, in the float network's units; ``lag`` steps
          fewer in the first call
        """


@dataclass(frozen=True, kw_only=True, eq=False)
class Episodes:
    """Some episodes that were played, side by side.

    - inputs: spikes, bool (time, sample, input)
    - readout: what was looked at for each action, (action, sample, output)
    - action: velocity before it is shortened, (action, sample, 2); mean plus noise
    - reward: (action, sample); moved: whether the action counted; reached: whether it led to the goal
    - position: where the agent was before each action, (action, sample, 2); goal: (sample, 2)
    """

    inputs: npt.NDArray[np.bool_]
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


def play(task: Navigation, session: Session, chances: Chances) -> Episodes:
    """Let a network act through some episodes."""
    c = task.config
    if session.lag > c.latency:
        raise DataError(
            f"task 'navigation': latency is {c.latency} steps, but the network's readout comes "
            f"{session.lag} steps late here; train with a task.latency of at least {session.lag}"
        )
    n, length = len(chances.arena), c.steps_per_action
    arenas = task.arenas(n)
    observation, info = arenas.reset(seed=chances.arena)
    inputs = np.empty((task.n_steps, n, task.n_inputs), np.bool_)
    seen = np.empty((task.n_steps, n, task.n_outputs))
    arrived, noise, fresh = 0, np.zeros((n, 2)), c.noise * np.sqrt(1 - c.persistence**2)
    kept: list[tuple[Any, ...]] = []
    for k in range(c.actions):
        window = slice(k * length, (k + 1) * length)
        inputs[window] = task.encode(observation, chances.spikes[window])
        new = session.step(inputs[window])
        seen[arrived : arrived + len(new)] = new
        arrived += len(new)
        readout = seen[window.stop - 1 - c.latency]
        noise = c.persistence * noise + fresh * chances.noise[k]
        action = readout[:, VELOCITY] + noise
        before = arenas.position
        observation, reward, _, _, did = arenas.step(action)
        kept.append((readout, action, reward, did["moved"], arenas.at_goal, before))
    readout, action, reward, moved, reached, position = (np.stack(x) for x in zip(*kept, strict=True))
    return Episodes(
        inputs=inputs, readout=readout, action=action, reward=reward, moved=moved, reached=reached,
        position=position, goal=info["goal"],
    )  # fmt: skip
