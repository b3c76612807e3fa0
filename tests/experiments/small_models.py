"""Small real models for the tests of results/: trained for a moment on real digits, row by row."""

from __future__ import annotations

from pathlib import Path

from tiny_runs import TINY

from lsnn_neuro.recipe import Recipe, load_recipe
from lsnn_neuro.training import train


def small_recipe(*overrides: str) -> Recipe:
    return load_recipe("smnist-rows", [*TINY, "training.iterations=4", *overrides])


def small_run(folder: Path, *overrides: str) -> Path:
    recipe = small_recipe(*overrides)
    train(recipe, folder, progress=False)
    return folder
