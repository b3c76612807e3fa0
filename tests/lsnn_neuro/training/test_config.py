"""The sections of training: read without torch, and whatever older releases wrote."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from random_lsnns import tiny_recipe

import lsnn_neuro.training
from lsnn_neuro import migrations
from lsnn_neuro.errors import RecipeError
from lsnn_neuro.recipe import load_recipe, parse_recipe

ROOT = Path(__file__).parents[3]


def test_the_sections_are_read_without_torch() -> None:
    code = (
        "import sys, lsnn_neuro.training\n"
        "from lsnn_neuro.training.config import TrainingConfig as T\n"
        "T(iterations=3, optimizer={'name': 'AdamW', 'weight_decay': 0.1})\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_public_names_are_there_when_asked_for() -> None:
    for name in lsnn_neuro.training.__all__:
        assert getattr(lsnn_neuro.training, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'wrap'"):
        lsnn_neuro.training.wrap  # noqa: B018


@pytest.mark.parametrize(
    ("old", "schedule"),
    [
        ({}, None),
        ({"schedule": "steps", "lr_decay": 1.0, "lr_decay_every": 2500, "restarts": []}, None),
        ({"lr_decay": 0.3}, {"name": "StepLR", "step_size": 2500, "gamma": 0.3}),
        ({"lr_decay": 0.3, "lr_decay_every": 9}, {"name": "StepLR", "step_size": 9, "gamma": 0.3}),
        ({"schedule": "cosine", "lr_decay": 0.3}, {"name": "CosineAnnealingLR"}),
    ],
)
def test_old_schedules_have_torchs_names_now(old: dict, schedule: dict | None) -> None:
    data = tiny_recipe().to_dict() | {"training": {"iterations": 20, **old}}
    found = parse_recipe(data, "old").training.schedule
    assert (found and found.model_dump()) == schedule


def test_old_names_of_reinforcement_come_in() -> None:
    old = {
        "trace": 0.1,
        "noise_iterations": 2,
        "longest": 3.0,
        "excess_weight": 4.0,
        "hint_weight": 5.0,
    }
    new = {
        "gae_lambda": 0.1, "noise_decay_iterations": 2, "max_speed": 3.0, "speed_penalty": 4.0,
        "auxiliary_weight": 5.0,
    }  # fmt: skip
    assert migrations.recipe({"reinforcement": old})["reinforcement"] == new
    both = {"trace": 0.1, "gae_lambda": 0.2}
    assert migrations.recipe({"reinforcement": both})["reinforcement"] == both  # to be refused
    assert set(migrations.run_state({"objective.found": 1})) == {"objective.goal_known"}


def test_every_recipe_there_is_and_was_is_read_and_written() -> None:
    now = sorted((ROOT / "recipes").glob("*.toml"))
    frozen = sorted((ROOT / "tests" / "frozen" / "files" / "recipes").glob("*.toml"))
    published = sorted((ROOT / "models").glob("*/recipe.toml"))
    for file in [*now, *frozen, *published]:
        recipe = load_recipe(str(file))
        assert parse_recipe(recipe.to_dict(), "again") == recipe


def test_a_shorter_run_of_a_recipe_with_restarts_is_told_what_to_do() -> None:
    with pytest.raises(RecipeError, match=r"training: restarts \[8000\] must rise .*iterations = 3; set "
                                          r"training\.restarts too, \[\] for none"):  # fmt: skip
        load_recipe("teacher-networks", ["training.iterations=3"])
    changes = ["training.iterations=3", "training.restarts=[]"]
    assert load_recipe("teacher-networks", changes).training.cycles == (0, 3)


def test_arguments_survive_the_way_through_toml(tmp_path: Path) -> None:
    recipe = tiny_recipe(
        training={
            "optimizer": {"name": "AdamW", "betas": [0.9, 0.99], "amsgrad": True},
            "schedule": {"name": "OneCycleLR", "pct_start": 0.2},
            "groups": [{"parameters": "groups.*", "lr": 0.1, "weight_decay": 0.5}],
        }
    )
    file = tmp_path / "recipe.toml"
    file.write_text(recipe.to_toml())
    assert load_recipe(str(file)) == recipe
    assert load_recipe(str(file), ["training.optimizer.name=SGD"]).training.optimizer.name == "SGD"
