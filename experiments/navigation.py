"""How a network finds its way: paths early and late in an episode, and how long each trial takes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.ticker import MaxNLocator

from deploy.model import load
from deploy.player import TargetPlayer
from deploy.targets import get_target
from lsnn_neuro.player import FloatPlayer, Player
from lsnn_neuro.tasks.navigation.arena import WALL
from lsnn_neuro.tasks.navigation.episodes import Episodes, random_walk
from lsnn_neuro.tasks.navigation.task import Navigation

EPISODES = 256
SHOWN = 3
"""Episodes whose paths are drawn."""
LATE = 3
"""Trials at the end of an episode whose paths are drawn."""
TRIALS = 12


def trial_lengths(reached: npt.NDArray[np.bool_], stay: int = 0) -> list[list[int]]:
    """Actions from being put somewhere to the goal: of the first trials of all episodes, the second ones ...

    - reached: whether an action led to the goal, (action, episode). A trial that no goal ends is left
      out, and so are the actions at the goal, which do nothing.
    - stay: actions' time at the goal beyond the first
    """
    trials: list[list[int]] = []
    for episode in reached.T:
        start = 0
        for i, end in enumerate(np.flatnonzero(episode).tolist()):
            if i == len(trials):
                trials.append([])
            trials[i].append(end + 1 - start)
            start = end + 2 + stay
    return trials


def paths_and_trials(task: Navigation, episodes: dict[str, Episodes]) -> Figure:
    """Paths of the first network's first episodes, and the trials of all."""
    drawn = Figure(figsize=(10, 3.4))
    *arenas, last = drawn.subplots(1, SHOWN + 1, width_ratios=[1] * SHOWN + [1.4])
    for number, axes in enumerate(arenas):
        _paths(axes, task, next(iter(episodes.values())), number)
    for name, some in episodes.items():
        trials = [
            t
            for t in trial_lengths(some.reached, task.config.dwell_actions)
            if 2 * len(t) >= some.size
        ][:TRIALS]
        last.plot(
            np.arange(1, len(trials) + 1), [np.mean(t) for t in trials], "o-", ms=3, label=name
        )
    last.set(xlabel="trial of an episode", ylabel="actions to the goal, if reached", ylim=(0, None))
    last.xaxis.set_major_locator(MaxNLocator(integer=True))
    last.legend(fontsize="small", frameon=False)
    drawn.tight_layout()
    return drawn


def _paths(axes: Axes, task: Navigation, episodes: Episodes, number: int) -> None:
    """The first trial of an episode, and its last ones."""
    ends = np.flatnonzero(episodes.reached[:, number])
    position = episodes.position[:, number]
    axes.add_patch(Circle((0, 0), WALL, fill=False, color="0.5"))
    goal = episodes.goal[number]
    axes.add_patch(Circle(tuple(goal), task.config.goal_radius, color="C2", alpha=0.3, lw=0))
    spans, idle = [(0, end) for end in ends[:1]], 2 + task.config.dwell_actions
    spans += [(before + idle, end) for before, end in pairwise(ends)][-LATE:]
    for i, (start, end) in enumerate(spans):
        path = position[start : end + 2]
        label = ("first trial" if i == 0 else "last trials") if i < 2 else None
        axes.plot(*path.T, ".-", ms=2, lw=1, color="0.3" if i == 0 else "C0", label=label)
    axes.set(aspect="equal", xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), xticks=[], yticks=[])
    if number == 0:
        axes.legend(fontsize="x-small", frameon=False, loc="upper left")


def first_episodes(model: Path) -> tuple[Navigation, Episodes]:
    """A model's task, and what it does in the first test episodes: on integers, an LSTM in float."""
    trained = load(model)
    task = cast(Navigation, trained.task)
    player: Player = (
        TargetPlayer(trained.integers, get_target("emulator"))
        if trained.network is not None
        else FloatPlayer(trained.float_network)
    )
    episodes, _ = next(task.episodes("test", player, EPISODES, EPISODES))
    return task, episodes


def random_walks(task: Navigation) -> Episodes:
    """A random walk in the same episodes."""
    return random_walk(task, task.draw("test", range(EPISODES)))
