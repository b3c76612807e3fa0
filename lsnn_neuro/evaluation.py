"""Score a network on a task's held-out samples."""

from __future__ import annotations

from lsnn_neuro.player import Player
from lsnn_neuro.tasks.score import Score, join_scores
from lsnn_neuro.tasks.task import Split, Task


def evaluate(
    task: Task, player: Player, split: Split = "test", *, batch_size: int = 250,
    max_samples: int | None = None,
) -> Score:  # fmt: skip
    """Run the first ``max_samples`` samples of a split (None: all), ``batch_size`` at a time, and score them.

    - task: made by ``make_task(recipe.task)``, or one's own; player: any network that can be run, such as
      ``FloatPlayer(net)`` or ``deploy.TargetPlayer(network, deploy.LoihiSim())``
    - split: "validation" or "test"

    Raises DataError over another split, and what the player raises.
    """
    trials = task.trials(split, player, batch_size=batch_size, max_samples=max_samples)
    return join_scores(t.score for t in trials)
