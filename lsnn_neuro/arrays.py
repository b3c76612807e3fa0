"""Names for arrays, and frozen copies of them for the fields of frozen dataclasses."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro.errors import NetworkError

Array = Any
"""A NumPy array, a torch tensor or a number: what a neuron's equations are written over."""
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]
Events = npt.NDArray[np.bool_] | npt.NDArray[np.int8]
"""Input of shape (time, sample, input): bool spikes, or int8 graded events that multiply the weight."""

EVENT_MIN, EVENT_MAX = -128, 127
"""A graded event has 8 bits."""


def as_events(whole: npt.NDArray[Any]) -> Events:
    """Whole numbers within 8 bits as events: spikes where all are 0 or 1, else graded ones."""
    if whole.dtype == np.bool_:
        return whole
    spikes = bool(((whole == 0) | (whole == 1)).all())
    return whole.astype(np.bool_) if spikes else whole.astype(np.int8)


def plain(value: Any) -> Any:
    """A value with NumPy's scalars as Python's, those in lists and tuples too.

    What users give is checked so, and quoted so: NumPy 2 writes its own as ``np.float64(0.5)``.
    """
    if isinstance(value, np.generic):
        return value.item()
    return type(value)(map(plain, value)) if type(value) in (list, tuple) else value


def frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array, read-only."""
    array.setflags(write=False)
    return array


def frozen_floats(label: str, field: str, values: npt.ArrayLike, n: int) -> FloatArray:
    """A read-only float64 copy of shape (n,); one value stands for all.

    Raises NetworkError over another shape, and over NaN and infinity, naming the element.
    """
    try:
        array = np.array(values, np.float64)
    except (TypeError, ValueError) as error:
        raise NetworkError(f"{label}: {field} holds {plain(values)!r}, expected numbers") from error
    if array.ndim == 0:
        array = np.full(n, array)
    if array.shape != (n,):
        raise NetworkError(f"{label}: {field} has shape {array.shape}, expected ({n},)")
    for index in np.flatnonzero(~np.isfinite(array))[:1]:
        raise NetworkError(f"{label}: {field}[{index}] is {array[index]}, expected a finite number")
    return frozen(array)


def frozen_integers(
    label: str, field: str, values: npt.ArrayLike, n: int, low: int, high: int
) -> IntArray:
    """A read-only int32 copy of shape (n,) with values from low to high; one value stands for all.

    Raises NetworkError over another type, shape or range, naming the element and the limits.
    """
    array = np.asarray(values)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise NetworkError(f"{label}: {field} has type {array.dtype}, expected integers")
    if array.ndim == 0:
        array = np.full(n, array)
    if array.shape != (n,):
        raise NetworkError(f"{label}: {field} has shape {array.shape}, expected ({n},)")
    for index in np.flatnonzero((array < low) | (array > high))[:1]:
        raise NetworkError(
            f"{label}: {field}[{index}] is {array[index]}, allowed are {low} to {high}"
        )
    return frozen(array.astype(np.int32))


def whole_number(label: str, field: str, value: object, low: int, high: int) -> int:
    """A plain int from low to high; NetworkError over anything else."""
    found = plain(value)
    if isinstance(found, bool) or not isinstance(found, int) or not low <= found <= high:
        raise NetworkError(
            f"{label}: {field} is {found!r}, allowed are the integers {low} to {high}"
        )
    return int(found)
