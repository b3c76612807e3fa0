"""The targets a quantized network can run on: the built-in ones and those of installed packages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from deploy.target import Target
from lsnn_neuro.errors import RecipeError
from lsnn_neuro.registry import Registry

TARGETS = Registry(
    "target",
    "lsnn_neuro.targets",
    {
        "emulator": "deploy.emulated:Emulator",
        "loihi-sim": "deploy.lava.target:LoihiSim",
        "loihi2": "deploy.loihi2:Loihi2",
        "netx": "deploy.netx:Netx",
        "recorded": "deploy.recorded:Recorded",
    },
)
"""Targets by name, the default first."""


def get_target(name: str, options: Any = None) -> Target:
    """The target of this name in the table, which is all that a file may name.

    - options: its own, a dataclass; by default those it comes with
    """
    made: Target = TARGETS[name]()
    return made if options is None else _with(made, vars(options))


def target_of_user(text: str) -> Target:
    """The target that a user names on the command line: also ``module:Class`` or ``FILE.py:Class``."""
    kind = TARGETS.named_by_user(text)
    if not (isinstance(kind, type) and issubclass(kind, Target)):
        raise RecipeError(f"target {text!r}: is no subclass of deploy.target.Target")
    return kind()


def with_options(target: Target, texts: Iterable[str]) -> Target:
    """The same target with some options set by ``key=value``; RecipeError over what it has not."""
    own = vars(target.options) if target.options is not None else {}
    values = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise RecipeError(f"target {target.name!r}: option {text!r}, expected KEY=VALUE")
        if key not in own:
            known = f"it has {', '.join(own)}" if own else "it has none"
            raise RecipeError(f"target {target.name!r}: there is no option {text!r}; {known}")
        try:
            values[key] = _of_type(value, own[key])
        except ValueError:
            kind = type(own[key]).__name__
            raise RecipeError(
                f"target {target.name!r}: option {key} is {value!r}, expected {kind}"
            ) from None
    return _with(target, values) if values else target


def _with(target: Any, values: dict[str, Any]) -> Target:
    if target.options is None:
        raise RecipeError(f"target {target.name!r}: it has no options")
    made: Target = replace(target, options=replace(target.options, **values))
    return made


def _of_type(text: str, like: Any) -> Any:
    """A text as a value of the type of another."""
    if isinstance(like, bool):
        return {"true": True, "false": False}[text] if text in ("true", "false") else int("")
    return type(like)(text)
