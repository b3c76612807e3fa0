"""The models in models/, and where their data are."""

from __future__ import annotations

from pathlib import Path

from lsnn_neuro.recipe import Recipe, load_recipe

ROOT = Path(__file__).parents[1]
MODELS = ROOT / "models"
NAMES = sorted(folder.parent.name for folder in MODELS.glob("*/card.json"))
SPEECH = ROOT.parent / "shared"
"""Where the folders data/fsdd and data/phones may be, beside the repository."""


def recipe_of(name: str) -> Recipe:
    """A model's recipe, its data where this machine may have them."""
    recipe = load_recipe(str(MODELS / name / "recipe.toml"))
    data = Path(getattr(recipe.task, "data", ""))
    if data.parts[:1] != ("data",):
        return recipe
    task = recipe.task.model_copy(update={"data": str(SPEECH / data)})
    return recipe.model_copy(update={"task": task})
