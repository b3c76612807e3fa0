"""Tasks: input spikes, and labels that say what a network should answer and when.

One file per task, all derived from :class:`lsnn_neuro.tasks.task.Task`. A task is made of its configuration
(the section task of a recipe) and gives batches of input spikes with their labels. NumPy only.
"""

from __future__ import annotations

from typing import Any

from lsnn_neuro.registry import TASKS
from lsnn_neuro.tasks.encoder import EncoderConstants


def make_task(config: Any, **data_sets: Any) -> Any:
    """The task that a section describes, such as ``load_recipe("delayed-xor").task``. Reads its data.

    - data_sets: for the tasks arrays and events: ``train``, and maybe ``validation`` and ``test``, each a
      data set in memory of (array, label), such as a ``torch.utils.data.Dataset``, in place of files

    Raises RecipeError over an unknown name, DataError over data that are missing or corrupt.
    """
    return TASKS[config.name](config, **data_sets)


def as_trained(task: Any, encoder: EncoderConstants | None, class_names: tuple[str, ...]) -> Any:
    """A task as a network was trained on it: encoder's constants and classes in place of those of its data.

    - encoder, class_names: the network's, as far as they are known

    Raises DataError over a class that the network does not know, and over a task that can't take constants.
    """
    own = task.encoder
    if encoder is not None and own is not None and own.fitted and own.name == encoder.name:
        task = task if encoder.same_as(EncoderConstants.of(own)) else task.recoded(encoder)
    return task.relabelled(class_names) if class_names else task
