"""What users say of a population's constants, checked and put into the form in which a neuron holds them.

Needs no torch: a recipe is read where nothing can be drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lsnn_neuro.arrays import plain
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.neurons.neuron import Neuron

USUAL = {"tau_m": 20.0, "tau_a": 700.0, "tau_out": 20.0, "b0": 0.01, "beta": 1.8}
"""Constants of neurons where nothing else is said, those of Bellec et al. 2018."""
TAU_MAX = 1e6
"""Longest time constant, ms: beyond it a decay is none."""


def check_constants(
    constants: Mapping[str, Any], kinds: Sequence[type[Neuron]], learn: Sequence[str] = (),
    tau_i: float | None = None, *, dt: float,
) -> None:  # fmt: skip
    """Refuse what no neuron has and what none can be: one is made of each end of every range.

    - constants: numbers, or ranges of two to draw from; what is not among them is as usual
    """
    check_taken(constants, kinds)
    check_learnt(learn, kinds, tau_i)
    for kind in kinds:
        for end in (0, 1):
            taken = {k: v for k, v in {**USUAL, **constants}.items() if kind.has(k)}
            values = {k: _end(kind, k, v, end) for k, v in taken.items()}
            neuron_of(
                kind, 1, {k: constant(kind, _label(kind), k, v, dt) for k, v in values.items()}, dt
            )


def neuron_of(kind: type[Neuron], size: int, constants: Mapping[str, Any], dt: float) -> Any:
    """A population's neuron of constants that :func:`constant` has made, by their names."""
    fields = kind.learnable()
    taken = {fields.get(key, key): value for key, value in constants.items()}
    if "tau_r" in fields and fields["tau_r"] not in taken:  # as the membrane's, if it has its own
        taken[fields["tau_r"]] = taken[fields["tau_m"]]
    return kind.of(size, dt, **taken)


def constant(kind: type[Neuron], label: str, key: str, value: Any, dt: float) -> Any:
    """What a neuron's field is to hold, of a constant that is one number, as users give it."""
    what = kind_of(kind, key)
    if what == "option":
        return value
    value = number(label, key, value)
    if what == "time_constant":
        check_time_constant(label, key, value, value)
        value = math.exp(-dt / value)
    return held(kind, label, key, value)


def kind_of(kind: type[Neuron], key: str) -> str:
    """What a constant is, by the name users have for it."""
    return kind.parameters()[kind.learnable().get(key, key)].kind


def held(kind: type[Neuron], label: str, key: str, value: Any) -> Any:
    """A field's numbers as a neuron holds them: such as float32 holds, or whole ones."""
    if kind_of(kind, key) == "count":
        whole = np.asarray(value, np.float64)
        if (whole != np.rint(whole)).any():
            raise NetworkError(f"{label}: {key} is {value}, expected a whole number")
        return whole.astype(np.int32)
    return np.float32(value).astype(np.float64) if key in kind.learnable() else value


def number(label: str, key: str, value: Any) -> float:
    """A finite number; NetworkError over anything else."""
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating)):
        raise NetworkError(f"{label}: {key} is {value!r}, expected a number or a range of two")
    if not math.isfinite(value):
        raise NetworkError(f"{label}: {key} is {value}, expected a finite number")
    return float(value)


def range_of(label: str, key: str, value: Sequence[Any]) -> tuple[float, float]:
    """Both ends of a range; NetworkError where it is none."""
    value = plain(value)
    if len(value) != 2:
        raise NetworkError(f"{label}: {key} is {value!r}, expected a number or a range of two")
    low, high = (number(label, key, v) for v in value)
    if low > high:
        raise NetworkError(f"{label}: {key} is {value!r}, a range that ends before it begins")
    return low, high


def check_time_constant(label: str, key: str, low: float, high: float) -> None:
    """Refuse time constants, the lowest and highest of which are given, outside of what a decay can be."""
    if low <= 0:
        raise NetworkError(f"{label}: {key} is {low} ms, must be above 0")
    if high > TAU_MAX:
        raise NetworkError(f"{label}: {key} is {high} ms, allowed are {TAU_MAX:g} at most")


def check_taken(constants: Mapping[str, Any], kinds: Sequence[type[Neuron]]) -> None:
    """Refuse a constant that no neuron has."""
    for name in constants:
        if not any(kind.has(name) for kind in kinds):
            names = ", ".join(sorted({kind.name for kind in kinds}))
            raise NetworkError(
                f"{name} belongs to none of the neurons here ({names}); leave it out"
            )


def check_learnt(learn: Sequence[str], kinds: Sequence[type[Neuron]], tau_i: float | None) -> None:
    """Refuse the name of a constant that nothing here has to learn."""
    able = {"bias", *(["tau_i"] if tau_i else []), *(name for k in kinds for name in k.learnable())}
    if isinstance(learn, str):
        raise NetworkError(f"learn is {learn!r}, expected a list of names")
    for name in learn:
        if name not in able:
            raise NetworkError(f"learn names {name!r}, allowed are {', '.join(sorted(able))}")


def _end(kind: type[Neuron], key: str, value: Any, end: int) -> Any:
    """One end of a constant that is a range, as it would be drawn; any other as it is."""
    if not isinstance(value, (tuple, list)) or kind_of(kind, key) == "option":
        return value
    found = range_of(_label(kind), key, value)[end]
    return math.floor(found) if kind_of(kind, key) == "count" else found


def _label(kind: type[Neuron]) -> str:
    return f"population {kind.name!r}"
