"""Score a network on a task's held-out samples."""

from __future__ import annotations

from collections.abc import Callable

from lsnn_neuro.player import Player
from lsnn_neuro.tasks.score import Score, join_scores
from lsnn_neuro.tasks.task import Split, Task, Trials


def evaluate(
    task: Task, player: Player, split: Split = "test", *, batch_size: int = 250,
    max_samples: int | None = None, watch: Callable[[Trials], None] = lambda trials: None,
) -> Score:  # fmt: skip
    """Run the first ``max_samples`` samples of a split (None: all), ``batch_size`` at a time, and score them.

    - task: made by ``make_task(recipe.task)``, or one's own; player: any network that can be run, such as
      ``FloatPlayer(net)`` or ``deploy.TargetPlayer(network, deploy.LoihiSim())``
    - split: "validation" or "test"
    - watch: is given the trials of every batch

    Raises DataError over another split, and what the player raises.
    """
    scores = []
    for trials in task.trials(split, player, batch_size=batch_size, max_samples=max_samples):
        watch(trials)
        scores.append(trials.score)
    return join_scores(scores)
