"""Where data are: places that the package's own recipes name, and others, which are users' own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lsnn_neuro.errors import RecipeError
from lsnn_neuro.recipe import Recipe, built_in, load_recipe


def is_default_place(config: Any, recipe: str) -> bool:
    """Whether a task of this kind may read its data unasked: where the package's own recipes do.

    - recipe: its name, which is looked at first
    """
    if config.data == type(config).model_fields["data"].default:
        return True
    names = sorted(built_in(), key=lambda name: name != recipe)
    tasks = (load_recipe(name).task for name in names)
    return any(task.name == config.name and task.data == config.data for task in tasks)


def anchored(recipe: Recipe) -> Recipe:
    """A recipe whose data are a whole path, wherever one stands when its run is used later.

    Places of the package's own recipes stay as they are, and so do names of what is no file or folder.
    """
    data = getattr(recipe.task, "data", None)
    if (
        not isinstance(data, str)
        or Path(data).expanduser().is_absolute()
        or not Path(data).exists()
    ):
        return recipe
    if is_default_place(recipe.task, recipe.name):
        return recipe
    return with_data(recipe, str(Path(data).resolve()))


def with_data(recipe: Recipe, data: str) -> Recipe:
    """A recipe that reads other data; RecipeError where its task reads none."""
    if "data" not in type(recipe.task).model_fields:
        raise RecipeError(f"task {recipe.task.name!r} reads no data; leave --data out")
    task = recipe.task.model_copy(update={"data": data})
    return recipe.model_copy(update={"task": task})
