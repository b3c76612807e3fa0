"""Convolutions and pooling as the lists of synapses that they are.

Images are flattened in C order, (channel, row, column). A convolution of an image x is::

    y[o, r, c] = sum over i, a, b of  weight[o, i, a, b] x[i, stride r + dilation a - padding,
                                                             stride c + dilation b - padding]

over the input channels i of o's group; what lies outside the image is 0, and padding is that before the
first row or column. Weights are integers (lava-dl) or real numbers (NIR).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro.arrays import IntArray
from lsnn_neuro.errors import NetworkError

SYNAPSES_MAX = 10**7
"""More than that would not fit into the memory of a small computer, nor on a chip."""

Shape = tuple[int, ...]
Pair = tuple[int, int]
Weights = npt.NDArray[Any]


def untied(layer: str, weight: Weights) -> str:
    """What becomes of a convolution's weights in training, for a network's notes."""
    return (
        f"layer {layer!r}: its {weight.size} shared weights are unrolled into synapses, which training "
        "changes one by one"
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Synapses:
    """Synapses by target, then source: indices and weights, (synapse,)."""

    n_source: int
    n_target: int
    source: IntArray
    target: IntArray
    weight: Weights

    @classmethod
    def of_matrix(cls, weight: Weights) -> Synapses:
        """The entries other than 0 of a matrix (target, source)."""
        target, source = np.nonzero(weight)
        n_target, n_source = weight.shape
        return cls(
            n_source=n_source, n_target=n_target, source=source.astype(np.int32),
            target=target.astype(np.int32), weight=weight[target, source],
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Window:
    """How a kernel moves over an image; rows first.

    - padding: of each axis, before and behind
    """

    stride: Pair
    padding: tuple[Pair, Pair]
    dilation: Pair
    groups: int = 1

    def size(self, image: Pair, kernel: Pair) -> Pair:
        """Rows and columns of the output."""
        rows, columns = (
            (n + sum(p) - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(
                image, kernel, self.stride, self.padding, self.dilation, strict=True
            )
        )
        return rows, columns

    def touched(self, axis: int, offset: int, n_in: int, n_out: int) -> npt.NDArray[np.int64]:
        """For each output the row (or column) that a kernel's entry reads; -1 outside the image."""
        at = np.arange(n_out) * self.stride[axis] + offset * self.dilation[axis]
        at = at - self.padding[axis][0]
        return np.where((at >= 0) & (at < n_in), at, -1)


def convolution(
    label: str, weight: Weights, image: Shape, window: Window
) -> tuple[Synapses, Shape]:
    """The synapses of a convolution, and the shape of its output, (channel, row, column).

    - weight: (output channel, input channel of its group, row, column); image: (channel, row, column)

    Raises NetworkError over a kernel that does not fit, and over more synapses than can be held.
    """
    n_out, per_group, *kernel = weight.shape
    if len(image) != 3 or image[0] != per_group * window.groups or n_out % window.groups:
        raise NetworkError(
            f"{label}: weight has shape {weight.shape} in {window.groups} groups, which takes "
            f"{per_group * window.groups} channels of an image; what comes in has shape {image}"
        )
    size = window.size((image[1], image[2]), (kernel[0], kernel[1]))
    if min(*image, *size) < 1:
        raise NetworkError(f"{label}: a kernel of {kernel} does not fit into an image of {image}")
    rows = [window.touched(0, a, image[1], size[0]) for a in range(kernel[0])]
    columns = [window.touched(1, b, image[2], size[1]) for b in range(kernel[1])]
    count = sum(
        int(np.count_nonzero(weight[:, :, a, b])) * int((r >= 0).sum()) * int((c >= 0).sum())
        for a, r in enumerate(rows)
        for b, c in enumerate(columns)
    )
    if count > SYNAPSES_MAX:
        raise NetworkError(
            f"{label}: unrolled it has {count} synapses, at most {SYNAPSES_MAX} can be held; use smaller "
            "images, fewer channels or a larger stride"
        )
    if max(prod(image), n_out * prod(size)) > SYNAPSES_MAX:
        raise NetworkError(
            f"{label}: has {n_out * prod(size)} neurons behind images of {image}, at most {SYNAPSES_MAX} "
            "can be held; use smaller images or fewer channels"
        )
    out = (n_out, *size)
    return _unrolled(weight, image, out, rows, columns, window.groups), out


def _unrolled(
    weight: Weights, image: Shape, out: Shape, rows: list[npt.NDArray[np.int64]],
    columns: list[npt.NDArray[np.int64]], groups: int,
) -> Synapses:  # fmt: skip
    """All synapses, one entry of the kernel after the other, then sorted."""
    per_group, channels = weight.shape[1], out[0] // groups
    found = []
    for (a, row), (b, column) in product(enumerate(rows), enumerate(columns)):
        o, i = np.nonzero(weight[:, :, a, b])
        r, c = (np.flatnonzero(at >= 0) for at in (row, column))
        target = ((o[:, None, None] * out[1] + r[:, None]) * out[2] + c).reshape(-1)
        channel = (o // channels) * per_group + i
        source = (channel[:, None, None] * image[1] + row[r][:, None]) * image[2] + column[c]
        each = np.broadcast_to(weight[o, i, a, b][:, None, None], source.shape)
        found.append((target, source.reshape(-1), each.reshape(-1)))
    target, source, weights = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((source, target))
    return Synapses(
        n_source=prod(image), n_target=prod(out),
        source=source[order].astype(np.int32), target=target[order].astype(np.int32),
        weight=weights[order],
    )  # fmt: skip


def pooling(label: str, weight: Weights, image: Shape, window: Window) -> tuple[Synapses, Shape]:
    """The synapses of slayer's pooling, and the shape of its output, (channel, row, column).

    slayer adds as many rows (columns) of zeros as the remainder of their number by the kernel's says, puts
    the channels on top of each other and lets one kernel move over all: where rows don't divide by the
    kernel's, a window can reach into the next channel.

    - weight: (1, 1, row, column); image: (channel, row, column)

    Source: lava-dl 0.6.0, ``lava/lib/dl/slayer/synapse/layer.py``, ``Pool.forward``.
    """
    if len(image) != 3:
        raise NetworkError(f"{label}: pools images, what comes in has shape {image}")
    channels, rows, columns = image
    high, wide = rows + rows % weight.shape[2], columns + columns % weight.shape[3]
    found, (_, all_rows, out_columns) = convolution(
        label, weight, (1, channels * high, wide), window
    )
    if all_rows % channels:
        raise NetworkError(
            f"{label}: a kernel of {weight.shape[2:]} makes {all_rows} rows of {channels} channels of "
            f"{rows} rows, which do not divide by the channels; use an image of a multiple of the kernel"
        )
    at, column = np.divmod(found.source, wide)
    channel, row = np.divmod(at, high)
    inside = (row < rows) & (column < columns)
    synapses = Synapses(
        n_source=channels * rows * columns,
        n_target=found.n_target,
        source=((channel * rows + row) * columns + column)[inside].astype(np.int32),
        target=found.target[inside],
        weight=found.weight[inside],
    )
    return synapses, (channels, all_rows // channels, out_columns)
