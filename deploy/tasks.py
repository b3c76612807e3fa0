"""The task that a user names on the command line, in place of a model's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from deploy.model import Model
from lsnn_neuro.errors import DataError, RecipeError
from lsnn_neuro.recipe import built_in, load_recipe
from lsnn_neuro.registry import TASKS
from lsnn_neuro.tasks.task import Task
from quantize.network import QuantizedNetwork


def task_of_user(model: Model, text: str | None, data: str | None) -> Task | None:
    """The task that ``--task`` and ``--data`` name; None where neither is given.

    - text: a recipe (.toml file or built-in name), a task by name, ``module:Class`` or ``FILE.py:Class``
    - data: where its data are, in place of what the recipe says
    """
    if text is None and data is None:
        return None
    kind, config = _named(text) if text is not None else _own(model)
    if data is not None:
        if "data" not in type(config).model_fields:
            raise RecipeError(f"task {config.name!r} reads no data; leave --data out")
        config = config.model_copy(update={"data": data})
    by = f"--data {data}" if text is None else f"--task {text}"
    task, network = kind(config), model.network
    if network is not None and task.n_inputs != network.n_inputs:
        check_width(task, network, by)
    task = model.with_task(task)  # the network's classes, which may be more than the data's
    if network is not None:
        check_width(task, network, by)
    return task


def with_recipe(network: QuantizedNetwork, name: str) -> QuantizedNetwork:
    """A network whose task is that of a built-in recipe; RecipeError if it has another width.

    Of a task whose data are not at hand the width is not known, and not checked.
    """
    if name not in built_in():
        raise RecipeError(
            f"--recipe {name!r}: is none of the built-in ones, whose names a network file can hold; leave "
            "it out and give --task to the commands that need one"
        )
    recipe = load_recipe(name)
    try:
        task = TASKS[recipe.task.name](recipe.task)
    except DataError:
        pass
    else:
        check_width(task, network, f"--recipe {name!r}")
    return replace(network, provenance=replace(network.provenance, recipe=name))


def check_width(task: Task, network: QuantizedNetwork, by: str) -> None:
    """Refuse a task of other numbers of inputs and outputs than a network."""
    wanted, found = (task.n_inputs, task.n_outputs), (network.n_inputs, network.n_outputs)
    if wanted != found:
        raise RecipeError(
            f"{by}: its task {task.name!r} has {wanted[0]} inputs and {wanted[1]} outputs, the network has "
            f"{found[0]} and {found[1]}; choose another"
        )


def _own(model: Model) -> tuple[Any, Any]:
    config = model.recipe.task
    return TASKS[config.name], config


def _named(text: str) -> tuple[Any, Any]:
    """The class of a task and its section."""
    if text.endswith(".toml") or text in built_in():
        config = load_recipe(text).task
        return TASKS[config.name], config
    kind = TASKS.named_by_user(text)
    if not (isinstance(kind, type) and issubclass(kind, Task)):
        raise RecipeError(f"--task {text!r}: is no subclass of lsnn_neuro.tasks.task.Task")
    try:
        named = {"name": text} if text in TASKS else {}
        return kind, kind.Config(**named)
    except ValidationError as error:
        field = ".".join(map(str, error.errors()[0]["loc"]))
        raise RecipeError(
            f"--task {text!r}: its setting {field!r} has no default; give a recipe that says it"
        ) from error
