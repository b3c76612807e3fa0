"""Where two descriptions of a network differ, field by field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def differences(one: Any, two: Any, *, but: tuple[str, ...] = ()) -> list[str]:
    """The paths of all fields that are not equal to the last bit; fields named in ``but`` may differ."""
    return list(_differences(one, two, "", but))


def _differences(one: Any, two: Any, path: str, but: tuple[str, ...]) -> Iterator[str]:
    if type(one) is not type(two):
        yield f"{path}: {type(one).__name__} and {type(two).__name__}"
    elif is_dataclass(one) and not isinstance(one, type):
        for f in fields(one):
            if f.name not in but:
                yield from _differences(
                    getattr(one, f.name), getattr(two, f.name), f"{path}.{f.name}", but
                )
    elif isinstance(one, tuple) and len(one) == len(two):
        for i, (a, b) in enumerate(zip(one, two, strict=True)):
            yield from _differences(a, b, f"{path}[{i}]", but)
    elif isinstance(one, np.ndarray):
        if one.dtype != two.dtype or not np.array_equal(one, two):
            yield f"{path}: {one} and {two}"
    elif one != two:
        yield f"{path}: {one!r} and {two!r}"
