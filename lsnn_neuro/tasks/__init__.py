"""Tasks: input spikes, and labels that say what a network should answer and when.

One file per task, all derived from :class:`lsnn_neuro.tasks.task.Task`. A task is made of its configuration
(the section task of a recipe) and gives batches of input spikes with their labels. NumPy only.
"""

from __future__ import annotations

from typing import Any

from lsnn_neuro.registry import TASKS


def make_task(config: Any, **data_sets: Any) -> Any:
    """The task that a section describes, such as ``load_recipe("delayed-xor").task``. Reads its data.

    - data_sets: for the tasks arrays and events: ``train``, and maybe ``validation`` and ``test``, each a
      data set in memory of (array, label), such as a ``torch.utils.data.Dataset``, in place of files

    Raises RecipeError over an unknown name, DataError over data that are missing or corrupt.
    """
    return TASKS[config.name](config, **data_sets)
