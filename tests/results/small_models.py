"""Small real models for the tests of results/: trained for a moment on real digits, row by row."""

from __future__ import annotations

from pathlib import Path

from cli import _wrapper
from lsnn_neuro.recipe import Recipe, load_recipe
from lsnn_neuro.training import train

SMALL = (
    "task.downsample=4", "task.ms_per_pixel=2", "task.cue_steps=4", "task.decision_steps=4",
    "network.regular=10", "network.adaptive=8", "training.iterations=4", "training.batch_size=8",
    "training.validate_every=2", "training.validation_samples=8",
)  # fmt: skip


def small_recipe(*overrides: str) -> Recipe:
    return load_recipe("smnist-rows", [*SMALL, *overrides])


def small_run(folder: Path, *overrides: str) -> Path:
    recipe = small_recipe(*overrides)
    train(recipe, folder, wrap=_wrapper(recipe), progress=False)
    return folder
