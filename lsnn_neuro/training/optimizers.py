"""Optimizers and schedules by torch's names, as a recipe's section ``training`` asks for them."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn
from torch.optim import lr_scheduler

from lsnn_neuro.errors import TrainingError
from lsnn_neuro.optimizer_check import step_obstacle
from lsnn_neuro.recipe import like
from lsnn_neuro.training.config import TrainingConfig

Options = dict[str, Any]

CHANGES = ("lr", "momentum", "betas")
"""What a schedule may change in a parameter group."""
CHECKED = 10**6
"""So many iterations of a schedule are gone through before a run starts."""
_OF_THE_LOOP = {"self", "params", "optimizer", "lr", "differentiable", "last_epoch", "verbose"}
_FUNCTIONS = "is made of functions or other schedules, which a recipe can't hold"
_REFUSED = {
    "LambdaLR": _FUNCTIONS,
    "MultiplicativeLR": _FUNCTIONS,
    "SequentialLR": _FUNCTIONS,
    "ChainedScheduler": _FUNCTIONS,
    "ReduceLROnPlateau": "follows the scores of validations; a schedule here follows the iterations alone",
}
_FAULTS = (TypeError, ValueError, KeyError, AttributeError, RuntimeError, ArithmeticError)


def build_optimizer(config: TrainingConfig, network: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of a recipe for a network's parameters.

    Its first parameter group is what ``training.groups`` leaves, the others are those groups in their
    order. Raises TrainingError over unknown names and arguments, a group without parameters, and an
    optimizer that the training loop can't step.
    """
    kind = _class("training.optimizer", torch.optim, torch.optim.Optimizer, config.optimizer.name)
    _check_arguments("training.optimizer", kind, config.optimizer.arguments)
    for i, group in enumerate(config.groups):
        _check_arguments(f"training.groups.{i}", kind, group.arguments)
    optimizer = _made(config, kind, _split(config, network))
    obstacle = step_obstacle(optimizer)
    if obstacle is not None:
        raise TrainingError(
            f"training.optimizer.name: {kind.__name__} {obstacle}; take another, as Adam or SGD"
        )
    return optimizer


def _split(config: TrainingConfig, network: nn.Module) -> list[list[nn.Parameter]]:
    """The parameters of each group, those of none first."""
    split: list[list[nn.Parameter]] = [[] for _ in range(len(config.groups) + 1)]
    names = []
    for name, parameter in network.named_parameters():
        names.append(name)
        matching = (fnmatchcase(name, group.parameters) for group in config.groups)
        split[next((i for i, found in enumerate(matching, 1) if found), 0)].append(parameter)
    for i, group in enumerate(config.groups):
        if not split[i + 1]:
            raise TrainingError(
                f"training.groups.{i}.parameters: {group.parameters!r} matches no parameter that an "
                f"earlier group leaves; there are {', '.join(names)}"
            )
    return split


def _made(
    config: TrainingConfig, kind: type[torch.optim.Optimizer], parameters: Sequence[list[nn.Parameter]]
) -> torch.optim.Optimizer:  # fmt: skip
    groups: list[Options] = [{"params": parameters[0]}]
    for own, group in zip(parameters[1:], config.groups, strict=True):
        groups.append({"params": own, "lr": group.lr or config.lr, **group.arguments})
    make: Any = kind
    try:
        optimizer: torch.optim.Optimizer = make(groups, lr=config.lr, **config.optimizer.arguments)
    except _FAULTS as error:
        raise TrainingError(f"training.optimizer: {kind.__name__}: {error}") from error
    return optimizer


class Schedule:
    """What a recipe's schedule sets in each parameter group: a function of the iteration alone.

    StepLR and CosineAnnealingLR are computed in closed form, the others by torch's own scheduler on an
    optimizer that stands in for the run's. So a resumed run needs no state of it, and two recipes can be
    compared. At a restart all starts again, with the length of the new cycle.

    - config: raises TrainingError over unknown names and arguments, and over learning rates that are
      negative or not finite in the iterations of the run
    """

    def __init__(self, config: TrainingConfig):
        self.config = config
        self._rates = [config.lr, *(group.lr or config.lr for group in config.groups)]
        self._closed: Callable[[float, int, int], float] | None = None
        self._kind: Any = None
        self._cursor = (-1, 0)  # start of the cycle that is stepped through, and the iteration
        if config.schedule is None:
            return
        self._label = f"training.schedule: {config.schedule.name}"
        self._kind = _schedule_class(config.schedule.name, config.schedule.arguments)
        self._closed = _closed_form(config.schedule.name, config.schedule.arguments)
        for iteration in range(min(config.iterations, CHECKED)):
            self.at(iteration)

    def at(self, iteration: int) -> list[Options]:
        """What each parameter group gets in an iteration, the first of which is 0."""
        if self._kind is None:
            return [{"lr": lr} for lr in self._rates]
        try:
            found = self._of_cycle(iteration)
            rates = [float(options["lr"]) for options in found]
        except _FAULTS as error:
            raise TrainingError(f"{self._label}, iteration {iteration}: {error}") from error
        if not all(math.isfinite(lr) and lr >= 0 for lr in rates):
            raise TrainingError(
                f"{self._label}: the learning rates in iteration {iteration} are {rates}; must be finite "
                "and not negative"
            )
        return found

    def apply(self, optimizer: torch.optim.Optimizer, iteration: int) -> None:
        """Set the learning rates of an iteration, and what else the schedule changes."""
        for group, options in zip(optimizer.param_groups, self.at(iteration), strict=True):
            group.update(options)

    def _of_cycle(self, iteration: int) -> list[Options]:
        cycles = self.config.cycles
        start = max(c for c in cycles[:-1] if c <= iteration)
        end = min((c for c in cycles if c > iteration), default=cycles[-1])
        if self._closed is None:
            return self._stepped(start, end, iteration)
        return [{"lr": self._closed(lr, iteration - start, end - start)} for lr in self._rates]

    def _stepped(self, start: int, end: int, iteration: int) -> list[Options]:
        """By torch's scheduler, stepped to the iteration from where it stands or from the cycle's start."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of deprecated arguments, which are torch's own
            if self._cursor[0] != start or self._cursor[1] > iteration:
                self._begin(end - start)
                self._cursor = (start, start)
            while self._cursor[1] < iteration:
                self._stand_in.step()
                self._scheduler.step()
                self._cursor = (start, self._cursor[1] + 1)
        return [{k: g[k] for k in CHANGES if k in g} for g in self._stand_in.param_groups]

    def _begin(self, length: int) -> None:
        assert self.config.schedule is not None
        kind = getattr(torch.optim, self.config.optimizer.name)
        parameters = [[nn.Parameter(torch.zeros(1, 1))] for _ in self._rates]
        self._stand_in = _made(self.config, kind, parameters)
        arguments = self.config.schedule.arguments
        if self.config.schedule.name == "OneCycleLR":
            lengths = {} if "epochs" in arguments else {"total_steps": length}
            arguments = {"max_lr": self._rates, **lengths, **arguments}
        self._scheduler = self._kind(self._stand_in, **arguments)


def _closed_form(
    name: str, arguments: Mapping[str, Any]
) -> Callable[[float, int, int], float] | None:
    """The learning rate from the one at the start, the iteration and the length of a cycle."""

    def steps(lr: float, i: int, length: int) -> float:
        rate: float = lr * arguments.get("gamma", 0.1) ** (i // arguments["step_size"])
        return rate

    def cosine(lr: float, i: int, length: int) -> float:
        """Equation 5 of Loshchilov and Hutter 2017 (SGDR)."""
        lowest, half = arguments.get("eta_min", 0.0), arguments.get("T_max", length)
        rate: float = lowest + (lr - lowest) * (1 + math.cos(math.pi * i / half)) / 2
        return rate

    return {"StepLR": steps, "CosineAnnealingLR": cosine}.get(name)


def _schedule_class(name: str, arguments: Mapping[str, Any]) -> type:
    """A scheduler that a recipe can ask for."""
    if name in _REFUSED:
        raise TrainingError(f"training.schedule.name: {name} {_REFUSED[name]}")
    kind: type = _class("training.schedule", lr_scheduler, lr_scheduler.LRScheduler, name)
    known = _check_arguments("training.schedule", kind, arguments)
    filled = {"CosineAnnealingLR": {"T_max"}, "OneCycleLR": {"max_lr"}}.get(name, set())
    missing = [
        k for k, p in known.items() if p.default is p.empty and k not in {*arguments, *filled}
    ]
    if missing:
        raise TrainingError(f"training.schedule: {name} needs {', '.join(missing)}")
    return kind


def _class(field: str, module: Any, base: type, name: str) -> Any:
    """A class of a module of torch by its name; nothing else can be named."""
    there = {
        k: v
        for k, v in vars(module).items()
        if isinstance(v, type) and issubclass(v, base) and v is not base and k[0] != "_"
    }
    known = [k for k in sorted(there) if k not in _REFUSED]
    if name not in known:
        raise TrainingError(
            f"{field}.name: there is no {name!r} in {module.__name__} {like(name, known)}"
        )
    return there[name]


def _check_arguments(
    field: str, kind: type, arguments: Mapping[str, Any]
) -> dict[str, inspect.Parameter]:
    """Refuse arguments that a class does not have; gives those it has."""
    parameters = inspect.signature(kind).parameters
    known = {k: p for k, p in parameters.items() if k not in _OF_THE_LOOP}
    for name, value in arguments.items():
        if name not in known:
            raise TrainingError(
                f"{field}.{name}: {kind.__name__} has no such argument {like(name, known)}, got {value!r}"
            )
    return known
