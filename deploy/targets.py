"""The targets a quantized network can run on: the built-in ones and those of installed packages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

from deploy.target import Target
from lsnn_neuro.errors import RecipeError
from lsnn_neuro.registry import Registry

TARGETS = Registry(
    "target",
    "lsnn_neuro.targets",
    {
        "emulator": "deploy.emulated:EmulatorTarget",
        "loihi-sim": "deploy.lava.target:LoihiSimTarget",
        "loihi2": "deploy.loihi2:Loihi2Target",
    },
)
"""Targets by name, the default first."""


def get_target(name: str, options: Any = None) -> Target:
    """The target of this name, with its own options, a dataclass; by default those it comes with."""
    made: Target = TARGETS[name]()
    return made if options is None else with_options(made, vars(options))


def target_of_user(name: str, options: Iterable[str] = ()) -> Target:
    """The target that a user names: also ``module:Class`` or ``FILE.py:Class``; options ``key=value``."""
    made: Target = TARGETS.named_by_user(name)()
    own = {field.name: getattr(made.options, field.name) for field in _options(made)}
    values = {}
    for text in options:
        key, equals, value = text.partition("=")
        if not equals or key not in own:
            known = f"it has {', '.join(own)}" if own else "it has none"
            raise RecipeError(f"target {made.name!r}: there is no option {text!r}; {known}")
        try:
            values[key] = _of_type(value, own[key])
        except ValueError:
            kind = type(own[key]).__name__
            raise RecipeError(
                f"target {made.name!r}: option {key} is {value!r}, expected {kind}"
            ) from None
    return with_options(made, values) if values else made


def with_options(target: Target, values: dict[str, Any]) -> Target:
    """The same target with other options."""
    if target.options is None:
        raise RecipeError(f"target {target.name!r}: it has no options")
    made: Any = target
    chosen: Target = replace(made, options=replace(made.options, **values))
    return chosen


def _options(target: Target) -> tuple[Any, ...]:
    return () if target.options is None else fields(target.options)


def _of_type(text: str, like: Any) -> Any:
    """A text as a value of the type of another."""
    if isinstance(like, bool):
        return {"true": True, "false": False}[text] if text in ("true", "false") else int("")
    return type(like)(text)
