"""Score a network on a task's held-out samples."""

from __future__ import annotations

from lsnn_neuro.player import Player
from lsnn_neuro.tasks.score import Score, join_scores
from lsnn_neuro.tasks.task import Split, Task


def evaluate(
    task: Task, player: Player, split: Split, *, batch_size: int = 250, max_samples: int | None = None
) -> Score:  # fmt: skip
    """Run the first ``max_samples`` samples of a split (None: all) and score them."""
    trials = task.trials(split, player, batch_size=batch_size, max_samples=max_samples)
    return join_scores(t.score for t in trials)
