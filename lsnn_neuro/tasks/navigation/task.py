"""Navigation: find a hidden goal once, then go straight back, within an episode and without new weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from lsnn_neuro.encoders import DT
from lsnn_neuro.tasks.generated import HeldOut, HeldOutConfig
from lsnn_neuro.tasks.navigation.arena import WALL, Arenas
from lsnn_neuro.tasks.navigation.episodes import (
    GOAL,
    Episodes,
    RandomDraws,
    episodes_score,
    random_walk,
    run_episodes,
)
from lsnn_neuro.tasks.score import Score
from lsnn_neuro.tasks.task import Split, Task, Trials, sample_ranges

if TYPE_CHECKING:
    from lsnn_neuro.player import Player
    from lsnn_neuro.recipe import Recipe

FloatArray = npt.NDArray[np.float64]

_ARENA, _NOISE, _SPIKES = range(3)  # an episode's random numbers, each in a generator of its own


class NavigationConfig(HeldOutConfig):
    """Settings of navigation; the task is that of Bellec et al. 2018, its sizes and rewards are ours."""

    name: Literal["navigation"] = "navigation"
    actions: int = Field(100, ge=2, le=10_000, description="actions in an episode")
    steps_per_action: int = Field(10, ge=1, le=1000, description="steps for which a velocity lasts")
    latency: int = Field(
        2, ge=0, description="steps from a readout to the action that follows from it; Lava needs 2"
    )
    speed: float = Field(0.2, gt=0, le=1, description="greatest distance of an action, in radii")
    goal_radius: float = Field(0.3, gt=0, lt=1, description="radius of the goal")
    goal_distance: float = Field(
        0.85, ge=0, le=1, description="greatest, from the arena's centre to the goal's"
    )
    wall_penalty: float = Field(0.02, ge=0, description="what running into the wall costs")
    dwell_actions: int = Field(
        0,
        ge=0,
        description="further actions for which an agent that has reached the goal stays there",
    )
    place_cells: int = Field(7, ge=2, le=50, description="place cells along the arena's diameter")
    place_width: float = Field(
        0.25, gt=0, description="standard deviation of a place field, in radii"
    )
    place_rate: float = Field(400.0, gt=0, le=1000, description="rate in a field's centre, Hz")
    signal_cells: int = Field(8, ge=1, le=1000, description="inputs for the goal, and for the wall")
    signal_rate: float = Field(
        400.0, gt=0, le=1000, description="their rate while it is reached, Hz"
    )
    noise: float = Field(
        0.3, ge=0, description="standard deviation of an action's components about their mean"
    )
    noise_correlation: float = Field(
        0.8, ge=0, lt=1, description="correlation of this noise from one action to the next"
    )
    auxiliary_targets: bool = Field(
        False,
        description="in training, two further outputs learn to predict where the goal found is",
    )
    validation: int = Field(256, ge=1, le=1_000_000, description="episodes for validation")

    def check(self, recipe: Recipe) -> None:
        """Episodes are learnt from by reinforcement, and by nothing else."""
        if recipe.section("reinforcement") is None:
            raise ValueError("task 'navigation' goes with a section reinforcement")
        if self.noise == 0:
            raise ValueError("task.noise is 0: reinforcement learning needs noise to learn from")

    @model_validator(mode="after")
    def _check(self) -> NavigationConfig:
        if self.latency >= self.steps_per_action:
            raise ValueError(
                f"latency is {self.latency}, must be below steps_per_action = {self.steps_per_action}"
            )
        return self


class Navigation(HeldOut[NavigationConfig], Task):
    """The meta-reinforcement-learning task of Bellec et al. 2018: :class:`Arenas` in spikes.

    An action lasts ``steps_per_action`` steps, in which the inputs fire at random at the rates that stand
    for where the agent is, and for whether it is at the goal or has just run into the wall. Inputs in
    order: place cells (Gaussian fields on a square grid, those within the arena), goal, wall. The readouts
    ``latency`` steps before the action's end are the mean of the velocity and the value; with
    ``auxiliary_targets`` also where the goal is. No action depends on that prediction, but it trains the
    network to keep the place in mind.
    """

    Config = NavigationConfig
    closed_loop = True

    name = "navigation"

    def __init__(self, config: NavigationConfig) -> None:
        """Place the place cells."""
        self.config = config
        at = np.linspace(-WALL, WALL, config.place_cells)
        grid = np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2)
        spacing = at[1] - at[0]
        self.centres = grid[np.square(grid).sum(axis=1) <= (WALL + spacing / 2) ** 2]
        self.n_inputs = len(self.centres) + 2 * config.signal_cells
        self.n_outputs = GOAL.stop if config.auxiliary_targets else GOAL.start
        self.n_steps = config.actions * config.steps_per_action

    def trials(
        self, split: Split, player: Player, *, batch_size: int, max_samples: int | None = None
    ) -> Iterator[Trials]:
        """Let a network act through the first episodes of a split; see :class:`Task`."""
        for episodes, record in self.episodes(split, player, batch_size, max_samples):
            yield Trials(
                inputs=episodes.inputs, readout=episodes.readout, record=record,
                score=episodes_score([episodes]),
            )  # fmt: skip

    def episodes(
        self, split: Split, player: Player, batch_size: int, max_samples: int | None = None
    ) -> Iterator[tuple[Episodes, Any]]:
        """The same with all that is known of the episodes, and the player's record."""
        for these in sample_ranges(self.n_samples(split), batch_size, max_samples):
            with player.session(len(these), self.n_steps) as session:
                episodes = run_episodes(self, session, self.draw(split, these))
                record = session.record() if player.records else None
            yield episodes, record

    def baselines(self, split: Split, max_samples: int | None = None) -> Mapping[str, Score]:
        """Of an agent that walks at random."""
        n = self.n_samples(split)
        walk = random_walk(self, self.draw(split, range(min(max_samples or n, n))))
        return {"random walk": episodes_score([walk])}

    def arenas(self, n_samples: int) -> Arenas:
        """Arenas for ``n_samples`` episodes."""
        c = self.config
        return Arenas(
            n_samples, n_actions=c.actions, speed=c.speed, goal_radius=c.goal_radius,
            goal_distance=c.goal_distance, wall_penalty=c.wall_penalty, dwell_actions=c.dwell_actions,
        )  # fmt: skip

    def draw(self, split: Literal["train"] | Split, episodes: Sequence[int]) -> RandomDraws:
        """What is random in some episodes of a split; it does not depend on what else is in the batch."""
        c, n = self.config, len(episodes)
        noise = np.empty((c.actions, n, 2))
        spikes = np.empty((self.n_steps, n, self.n_inputs), np.float32)
        arena = []
        for i, episode in enumerate(episodes):
            key = self.seed_of(split, episode)
            arena.append((*key, _ARENA))
            noise[:, i] = np.random.default_rng((*key, _NOISE)).normal(size=(c.actions, 2))
            rng = np.random.default_rng((*key, _SPIKES))
            spikes[:, i] = rng.random((self.n_steps, self.n_inputs), dtype=np.float32)
        return RandomDraws(arena=arena, noise=noise, spikes=spikes)

    def rates(self, observation: npt.NDArray[np.float32]) -> FloatArray:
        """Rate of each input in Hz, (sample, input), from what :class:`Arenas` shows, (sample, 4)."""
        c = self.config
        position, signals = np.split(observation.astype(np.float64), [2], axis=1)
        squared = np.square(position[:, None] - self.centres).sum(axis=2)  # (sample, place cell)
        place = c.place_rate * np.exp(-squared / (2 * c.place_width**2))
        return np.concatenate(
            [place, c.signal_rate * signals.repeat(c.signal_cells, axis=1)], axis=1
        )

    def encode(
        self, observation: npt.NDArray[np.float32], uniform: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.bool_]:
        """Input spikes (step, sample, input) for the steps of which these are the uniform random numbers."""
        spikes: npt.NDArray[np.bool_] = uniform < (self.rates(observation) * DT / 1000).astype(
            np.float32
        )
        return spikes
