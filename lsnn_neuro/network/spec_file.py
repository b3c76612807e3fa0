"""A ``NetworkSpec`` as JSON values and arrays, for checkpoints."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro.arrays import whole_number
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.spec import DELAY_MAX, INDEX_MAX, NetworkSpec, Population, Projection
from lsnn_neuro.neurons.neuron import Neuron
from lsnn_neuro.registry import NEURONS

Arrays = dict[str, npt.NDArray[Any]]
_WHOLE = {"n_inputs": (0, INDEX_MAX), "weight_exp": (-31, 31), "max_delay": (0, DELAY_MAX)}
_TEXTS = ("name", "source", "target", "group")


def pack(spec: NetworkSpec) -> tuple[dict[str, Any], Arrays]:
    """The network as (JSON values, arrays); :func:`unpack` gives an equal one back."""
    arrays: Arrays = {}
    populations, projections = [], []
    for i, p in enumerate(spec.populations):
        scalars = split(f"populations.{i}", p, arrays, leave_out=("neuron",))
        scalars["neuron"] = {"name": p.neuron.name} | split(
            f"populations.{i}.neuron", p.neuron, arrays
        )
        populations.append(scalars)
    for i, q in enumerate(spec.projections):
        projections.append(split(f"projections.{i}", q, arrays))
    header = split("network", spec, arrays, leave_out=("populations", "projections"))
    return header | {"populations": populations, "projections": projections}, arrays


def unpack(header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> NetworkSpec:
    """The network of JSON values and arrays; every part is checked as when it was made.

    Raises NetworkError over a wrong part, RecipeError over a neuron that is not installed, and what Python
    raises over one that is missing or of another type (:func:`lsnn_neuro.files.parts_of`).
    """
    populations = []
    for scalars in (header, *header["populations"], *header["projections"]):
        _check_scalars(scalars)
    for i, scalars in enumerate(header["populations"]):
        values = dict(scalars) | part(f"populations.{i}", arrays)
        neuron = dict(values.pop("neuron")) | part(f"populations.{i}.neuron", arrays)
        kind: type[Neuron] = NEURONS[neuron.pop("name")]
        populations.append(
            Population(**{**values, "learn": tuple(values["learn"]), "neuron": kind(**neuron)})
        )
    projections = tuple(
        Projection(**(dict(scalars) | part(f"projections.{i}", arrays)))
        for i, scalars in enumerate(header["projections"])
    )
    rest = {k: v for k, v in header.items() if k not in ("populations", "projections")}
    rest |= {"outputs": tuple(rest["outputs"])} | part("network", arrays)
    return NetworkSpec(populations=tuple(populations), projections=projections, **rest)


def _check_scalars(scalars: Mapping[str, Any]) -> None:
    """Refuse types and ranges that whoever writes Python would not give; a file may hold any."""
    for name, value in scalars.items():
        if name in _TEXTS and not isinstance(value, str):
            raise NetworkError(f"{name} is {value!r}, expected a name")
        if name in _WHOLE and value is not None:
            whole_number("network", name, value, *_WHOLE[name])
        if name == "scale" and value is not None and not 0 < value < math.inf:
            raise NetworkError(f"scale is {value!r}, must be a number above 0")


def split(
    prefix: str, thing: Any, arrays: Arrays, leave_out: tuple[str, ...] = ()
) -> dict[str, Any]:
    """A dataclass's scalars; its arrays are added to ``arrays``, as narrow as they can be kept."""
    scalars = {}
    for f in fields(thing):
        if f.name in leave_out:
            continue
        value = getattr(thing, f.name)
        if isinstance(value, np.ndarray):
            arrays[f"{prefix}.{f.name}"] = _narrow(value)
        else:
            scalars[f.name] = value
    return scalars


def _narrow(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same numbers in fewer bytes, where they fit."""
    for dtype in (np.int8, np.uint8, np.uint16, np.float32):
        kind_fits = np.issubdtype(dtype, np.floating) == np.issubdtype(array.dtype, np.floating)
        if kind_fits and np.array_equal(array.astype(dtype), array):
            return array.astype(dtype)
    return array


def part(prefix: str, arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """The arrays of one part, by field."""
    start = f"{prefix}."
    return {
        k[len(start) :]: v
        for k, v in arrays.items()
        if k.startswith(start) and "." not in k[len(start) :]
    }
