"""Every shipped recipe learns: in less than a minute its loss falls beyond chance."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from data_files import QTDB, qtdb
from speech_folders import FSDD, PHONES, fsdd, timit

from lsnn_neuro.recipe import Recipe, built_in, load_recipe
from lsnn_neuro.training import Trainer

ENDS = 20
"""Iterations at either end that are compared."""


class Plan(NamedTuple):
    """How long a recipe is trained, its schedule to the end, and by what its learning is judged."""

    batch_size: int = 16
    iterations: int = 100
    metric: str = "loss"


PLANS = {
    "delayed-xor": Plan(batch_size=128),
    "loihi1-lsnn": Plan(batch_size=128, iterations=150),
    "navigation": Plan(iterations=150, metric="goals"),
    "navigation-lif": Plan(iterations=150, metric="goals"),
    "navigation-lstm": Plan(iterations=150, metric="goals"),
    "teacher-networks-lstm": Plan(iterations=300),
}
"""What learns otherwise than in the default plan. Navigation is judged by its reward, with which the critic's
loss rises."""

NO_LEARNING = {
    "sinusoids": "tells the mean of its targets after 8 iterations, so the first 20 scatter, and leaves it "
    "only after hundreds",
    "store-recall-lif": "neurons that don't adapt can't hold a bit for so long within a minute's training",
}
"""What does not show in a minute, and why."""


def plan_of(name: str, folder: Path) -> tuple[Plan, Recipe]:
    """A recipe with a small batch, on data that are here: the embedded digits, or small folders of tones."""
    plan, recipe = PLANS.get(name, Plan()), load_recipe(name)
    data = getattr(recipe.task, "data", None)
    changes = [
        f"training.batch_size={plan.batch_size}",
        f"training.iterations={plan.iterations}",
        "training.restarts=[]",
    ]
    if data == "mnist":
        changes.append("task.data=mnist-5k")
    elif data == "data/fsdd":
        changes.append(f"task.data={FSDD if FSDD.is_dir() else fsdd(folder)}")
    elif data == "data/timit":
        changes.append(f"task.data={PHONES if PHONES.is_dir() else timit(folder)}")
    elif data == "data/qtdb":
        changes.append(f"task.data={QTDB if QTDB.is_dir() else qtdb(folder)}")
    return plan, load_recipe(name, changes)


def fall(first: np.ndarray, last: np.ndarray) -> float:
    """By how many standard errors a mean has fallen."""
    error = np.sqrt(first.var(ddof=1) / len(first) + last.var(ddof=1) / len(last))
    return float((first.mean() - last.mean()) / error)


@pytest.mark.slow
@pytest.mark.parametrize("name", built_in())
def test_the_loss_of_a_shipped_recipe_falls_within_a_minute(name: str, tmp_path: Path) -> None:
    if name in NO_LEARNING:
        pytest.skip(NO_LEARNING[name])
    plan, recipe = plan_of(name, tmp_path)
    trainer = Trainer(recipe)
    seen = np.array([trainer.train_step()[plan.metric] for _ in range(plan.iterations)])
    rises = plan.metric != "loss"
    fallen = fall(seen[:ENDS], seen[-ENDS:])
    assert (-fallen if rises else fallen) > 3, f"{plan}: fell by {fallen:.1f} standard errors"


def test_plans_and_exceptions_are_of_recipes_there_are() -> None:
    assert {*PLANS, *NO_LEARNING} <= set(built_in())
