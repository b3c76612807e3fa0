"""A recipe as a page: every field with its value, what it means, and its default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tomli_w
from pydantic import BaseModel

from lsnn_neuro.recipe import Recipe


def explained(recipe: Recipe) -> str:
    """A recipe with every field, and what each means, as TOML with comments."""
    lines = [f"name = {_toml(recipe.name)}", f"seed = {recipe.seed}"]
    for name, section in recipe.named_sections():
        doc = (type(section).__doc__ or "").strip().splitlines()
        lines += ["", *(f"# {line}" for line in doc[:1]), f"[{name}]"]
        for field, about in type(section).model_fields.items():
            value = getattr(section, field)
            default = None if about.is_required() else about.get_default(call_default_factory=True)
            usual = "" if default is None else f"default {_toml(default)}"
            comment = "; ".join(part for part in (about.description, usual) if part)
            shown = f"{field} = {_toml(value)}" if value is not None else f"# {field} is not set"
            lines.append(f"{shown}  # {comment}" if comment else shown)
    return "\n".join(lines)


def _toml(value: Any) -> str:
    """A value as it stands in a recipe, on one line."""
    if value is None:
        return "none"
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="python", exclude_none=True)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items() if v is not None) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return tomli_w.dumps({"x": value}).strip().removeprefix("x = ")
