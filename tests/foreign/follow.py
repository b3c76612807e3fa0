"""A closed-loop task with labels, a metric and a way to learn of its own: follow a target on a line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field

from lsnn_neuro.evaluation import evaluate
from lsnn_neuro.player import FloatPlayer
from lsnn_neuro.section import Section
from lsnn_neuro.tasks.labels import Labels
from lsnn_neuro.tasks.score import Metric, Score
from lsnn_neuro.tasks.task import Task, Trials
from lsnn_neuro.training.objectives import Loss

DISTANCE = Metric("distance", higher_is_better=False)
MOVE = 5
"""Steps of a move; the readout two steps before its end decides."""


class FollowConfig(Section):
    """Settings of the task."""

    name: Literal["follow"] = "follow"
    moves: int = Field(6, ge=1, description="moves in an episode")
    episodes: int = Field(8, ge=1, description="episodes of a split")

    def objective(self, task: Any, recipe: Any, device: Any) -> FollowObjective:
        """Learn from what was the right move in episodes that have been run."""
        return FollowObjective(task, recipe.training)


@dataclass(frozen=True)
class FollowLabels(Labels):
    """The right velocity of every move, (move, sample)."""

    velocity: np.ndarray

    def loss(self, readout, *, scale):
        """Squared error where the readout decides."""
        import torch

        decided = readout[MOVE - 3 :: MOVE, :, 0]
        wanted = torch.from_numpy(self.velocity).to(decided)
        return torch.nn.functional.mse_loss(decided, wanted), {}

    def score(self, readout):
        """The mean distance from the right velocity."""
        error = np.abs(readout[MOVE - 3 :: MOVE, :, 0] - self.velocity)
        return Score(
            metric=DISTANCE,
            samples=readout.shape[1],
            decisions=error.size,
            total=float(error.sum()),
        )

    def check_within(self, n_steps, n_samples):
        """They are made with the episode."""


class Follow(Task):
    """The inputs say on which side the target is, and how far; its readout is its velocity."""

    name = "follow"
    Config = FollowConfig
    closed_loop = True
    n_inputs, n_outputs = 8, 1

    def __init__(self, config: FollowConfig):
        self.config, self.n_steps = config, config.moves * MOVE

    def n_samples(self, split):
        """Number of episodes."""
        return self.config.episodes

    def trials(self, split, player, *, batch_size, max_samples=None) -> Iterator[Trials]:
        """Run the episodes of a split."""
        end = min(max_samples or self.config.episodes, self.config.episodes)
        for first in range(0, end, batch_size):
            seeds = [(len(split), e) for e in range(first, min(first + batch_size, end))]
            with player.session(len(seeds), self.n_steps) as session:
                yield self.run_episodes(session, seeds, records=player.records)

    def run_episodes(self, session, seeds, *, records=False) -> Trials:
        """Episodes side by side, each with a seed."""
        rngs = [np.random.default_rng(seed) for seed in seeds]
        goal = np.array([rng.uniform(-1, 1) for rng in rngs])
        position, inputs, read, wanted, end = np.zeros(len(seeds)), [], [], [], 0
        for k in range(self.config.moves):
            rate = np.clip((goal - position)[:, None] * np.repeat([1, -1], 4), 0, 1)
            uniform = np.stack([rng.random((MOVE, 8)) for rng in rngs], axis=1)
            inputs.append(uniform < rate)
            new = session.step(inputs[-1])
            read, end = [*read, *new], end + len(new)
            assert session.lag <= 2, "the decision would come too late"
            wanted.append(np.clip(goal - position, -0.3, 0.3))
            position = position + np.clip(read[k * MOVE + MOVE - 3][:, 0], -0.3, 0.3)
        while len(read) < self.n_steps:  # what would still have come out decides nothing
            read.append(np.zeros_like(read[0]))
        labels, readout = FollowLabels(np.array(wanted)), np.stack(read)
        return Trials(
            inputs=np.concatenate(inputs), readout=readout, labels=labels, score=labels.score(readout),
            record=session.record() if records else None,
        )  # fmt: skip


class FollowObjective:
    """The loss of the labels of new episodes."""

    def __init__(self, task: Follow, training: Any):
        self.task, self.training = task, training

    def loss(self, model, rng):
        """Run new episodes, then learn from their inputs."""
        import torch

        n = self.training.batch_size
        seeds = [int(seed) for seed in rng.integers(2**32, size=n)]
        trials = self.task.run_episodes(model.session(n), seeds)
        output = model(torch.from_numpy(trials.inputs))
        value, metrics = trials.labels.loss(output.readout, scale=1.0)
        return Loss(value=value, output=output, metrics=metrics)

    def validate(self, model):
        """The score of the validation split."""
        return evaluate(self.task, FloatPlayer(model), "validation")

    def state(self):
        """Nothing."""
        return {}

    def restore(self, state):
        """Nothing."""
