"""Tasks: what a network hears, and what it should answer when.

One file per task, all behind the protocol of :mod:`lsnn_neuro.tasks.base`. In comes a configuration (the
section task of a recipe), out come batches of input spikes with the decisions to be made on them. NumPy
only.
"""

from __future__ import annotations

from typing import Any

from lsnn_neuro.registry import TASKS


def make_task(config: Any) -> Any:
    """The task that a section describes, such as ``load_recipe("delayed-xor").task``. Reads its data.

    Raises RecipeError over an unknown name, DataError over data that are missing or corrupt.
    """
    return TASKS[config.name](config)
