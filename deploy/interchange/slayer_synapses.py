"""The synapses and delays of a layer in a file of lava-dl's slayer.

A reader of a type of layers takes its label, its data sets and the shape of what it receives (None where
that is not known), and gives its synapses and the shape of its neurons.

Source: lava-dl 0.6.0, ``lava/lib/dl/slayer/block/base.py``, ``synapse/layer.py``, ``axon/delay.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np
import numpy.typing as npt

from deploy.interchange.unrolled import Pair, Shape, Synapses, Window, convolution, pooling
from lsnn_neuro.arrays import IntArray
from lsnn_neuro.errors import NetworkError
from quantize.loihi import DELAY_MAX, MIXED_MIN, WEIGHT_MAX

SIZE_MAX = 2**20
"""Rows, columns and steps of a kernel: more than any image has."""

Values = npt.NDArray[np.generic]
Contents = Mapping[str, Values]
"""Data sets by name."""

_NO_IMAGE = (
    "the size of the images that come in is not in the file; put an Input block in front, or say it: "
    "import netx --input-shape C,H,W, or from_slayer(net, input_shape=...)"
)


def integers(label: str, name: str, parts: Contents, low: int, high: int) -> IntArray:
    """A data set that must hold whole numbers in a range; slayer writes them as floats."""
    values = parts[name]
    if values.dtype.kind not in "biuf":
        raise NetworkError(f"{label}: {name} holds {values.dtype}, expected numbers")
    with np.errstate(invalid="ignore"):
        rounded = values.astype(np.int32)
    wrong = (rounded != values) | (rounded < low) | (rounded > high)
    for index in np.flatnonzero(wrong)[:1]:
        raise NetworkError(
            f"{label}: {name} holds {values.flat[index]}, allowed are the integers {low} to {high}"
        )
    return rounded


def number(label: str, name: str, parts: Contents, low: int, high: int) -> int:
    """A data set that must hold one whole number in a range."""
    values = integers(label, name, parts, low, high)
    if values.size != 1:
        raise NetworkError(f"{label}: {name} has {values.size} values, expected 1")
    return int(values.item())


def spread(values: IntArray, shape: Shape) -> IntArray:
    """A value of each neuron, given one for all, for each channel or for each neuron."""
    flat = values.ravel()
    if flat.size == shape[0]:
        return np.repeat(flat, prod(shape[1:]))
    return np.broadcast_to(flat, prod(shape)).copy()


def declared_shape(label: str, parts: Contents) -> Shape:
    """The shape that a layer says it has."""
    return tuple(integers(label, "shape", parts, 1, 2**31 - 1).ravel().tolist()) or (1,)


def text_of(value: Values) -> str:
    """A data set that holds a word."""
    item = value.ravel()[0] if value.size else ""
    return item.decode(errors="replace") if isinstance(item, bytes) else str(item)


def _dense(label: str, parts: Contents, before: Shape | None) -> tuple[Synapses, Shape]:
    weight = _weight(label, parts, "weight", ("neuron", "before"))
    if before is not None and weight.shape[1] != prod(before):
        raise NetworkError(
            f"{label}: weight has {weight.shape[1]} columns, the layer before has {prod(before)} "
            "neurons"
        )
    return Synapses.of_matrix(weight), (len(weight),)


def _conv(label: str, parts: Contents, before: Shape | None) -> tuple[Synapses, Shape]:
    weight = _weight(label, parts, "weight", ("channel", "channel before", "row", "column"))
    window, shape = _window(label, parts), declared_shape(label, parts)
    image = before or _image_of(label, weight, window, shape)
    synapses, found = convolution(label, weight, image, window)
    return synapses, _agreed(label, found, shape)


def _pool(label: str, parts: Contents, before: Shape | None) -> tuple[Synapses, Shape]:
    if before is None:
        raise NetworkError(f"{label}: {_NO_IMAGE}")
    weight = _weight(label, parts, "weight", ("1", "1", "row", "column"))
    synapses, found = pooling(label, weight, before, _window(label, parts))
    return synapses, _agreed(label, found, declared_shape(label, parts))


SYNAPSES = {"dense": _dense, "dense_rec": _dense, "conv": _conv, "pool": _pool}
"""The types of layers with neurons, and what reads their synapses."""


def _weight(label: str, parts: Contents, name: str, axes: tuple[str, ...]) -> IntArray:
    if name not in parts and f"{name}/real" in parts:
        raise NetworkError(f"{label}: {name} is complex, allowed are real weights")
    weight = integers(label, name, parts, MIXED_MIN, WEIGHT_MAX)
    if weight.ndim != len(axes):
        raise NetworkError(
            f"{label}: {name} has shape {weight.shape}, expected ({', '.join(axes)})"
        )
    return weight


def feedback_of(label: str, parts: Contents, shape: Shape) -> Synapses:
    """The synapses by which a layer receives its own spikes."""
    weight = _weight(label, parts, "weight_rec", ("neuron", "neuron"))
    if weight.shape != (prod(shape),) * 2:
        raise NetworkError(
            f"{label}: weight_rec has shape {weight.shape}, expected {(prod(shape),) * 2}"
        )
    return Synapses.of_matrix(weight)


def _window(label: str, parts: Contents) -> Window:
    def pair(name: str, low: int) -> Pair:
        values = integers(label, name, parts, low, SIZE_MAX).ravel()
        if values.size not in (1, 2):
            raise NetworkError(f"{label}: {name} has {values.size} values, expected 1 or 2")
        return int(values[0]), int(values[-1])

    groups = number(label, "groups", parts, 1, SIZE_MAX) if "groups" in parts else 1
    rows, columns = pair("padding", 0)
    return Window(
        stride=pair("stride", 1), padding=((rows, rows), (columns, columns)),
        dilation=pair("dilation", 1), groups=groups,
    )  # fmt: skip


def _image_of(label: str, weight: IntArray, window: Window, shape: Shape) -> Shape:
    """The image from which a convolution without stride makes its output."""
    if window.stride != (1, 1) or len(shape) != 3:
        raise NetworkError(f"{label}: stride is {window.stride}, {_NO_IMAGE}")
    size = (
        n + d * (k - 1) - sum(p)
        for n, k, p, d in zip(
            shape[1:], weight.shape[2:], window.padding, window.dilation, strict=True
        )
    )
    return (weight.shape[1] * window.groups, *size)


def _agreed(label: str, found: Shape, declared: Shape) -> Shape:
    if found != declared:
        raise NetworkError(
            f"{label}: its neurons have shape {declared}, its synapses reach {found}; the images that "
            "come in are of another size"
        )
    return found


def delays_of(
    label: str, parts: Contents, synapses: Synapses, shape: Shape
) -> tuple[IntArray, IntArray]:
    """Delays of a layer's synapses, and of its spikes."""
    none = np.zeros(len(synapses.weight), np.int32)
    if "delay" not in parts:
        return none, np.zeros(prod(shape), np.int32)
    delay = integers(label, "delay", parts, 0, DELAY_MAX)
    matrix = (synapses.n_target, synapses.n_source)
    if delay.ndim == 2 and delay.shape == matrix:
        return delay[synapses.target, synapses.source], np.zeros(prod(shape), np.int32)
    if delay.size not in (1, shape[0], prod(shape)):
        raise NetworkError(
            f"{label}: delay has shape {delay.shape}, allowed are ({prod(shape)},) and {matrix}"
        )
    return none, spread(delay, shape)
