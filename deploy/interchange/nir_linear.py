"""The linear nodes of NIR as sparse matrices: weights, convolutions, pools, scales, unrolled.

Every function gives a matrix (output, input) in C order of the two shapes, and the shape that comes out.
Convolutions are cross-correlations, as in torch. Source: the ``nir`` library, version 1.0.8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nir
import numpy as np
import numpy.typing as npt
from scipy import sparse

from lsnn_neuro.arrays import FloatArray
from lsnn_neuro.errors import NetworkError

Matrix = Any
"""A scipy sparse matrix in rows (CSR), (target, source)."""
Shape = tuple[int, ...]
SYNAPSES_MAX = 10_000_000
"""Synapses of one node, unrolled, at most."""


def size_of(shape: Shape) -> int:
    """Number of values of a shape."""
    return int(np.prod(shape, dtype=np.int64))


def check_size(name: str, synapses: int) -> None:
    """Refuse to unroll what nobody could use."""
    if synapses > SYNAPSES_MAX:
        raise NetworkError(
            f"NIR node {name!r}: would be {synapses} synapses, allowed are {SYNAPSES_MAX}; make it "
            "smaller"
        )


def identity(n: int) -> Matrix:
    """What passes everything on."""
    return sparse.identity(n, format="csr")


def linear(name: str, node: Any, shape: Shape) -> tuple[Matrix, Shape]:
    """``weight`` (output, input)."""
    weight = np.asarray(node.weight, np.float64)
    if weight.ndim != 2 or weight.shape[1] != size_of(shape):
        raise NetworkError(
            f"NIR node {name!r}: weight has shape {weight.shape}, expected (output, {size_of(shape)}), "
            "since so many values come in"
        )
    check_size(name, weight.size)
    return sparse.csr_matrix(weight), (len(weight),)


def scale(name: str, node: Any, shape: Shape) -> tuple[Matrix, Shape]:
    """One factor for each value."""
    factors = np.asarray(node.scale, np.float64)
    if factors.size not in (1, size_of(shape)):
        raise NetworkError(
            f"NIR node {name!r}: scale has shape {factors.shape}, {size_of(shape)} values come in"
        )
    return sparse.diags(np.broadcast_to(factors.ravel(), size_of(shape)), format="csr"), shape


def flattened(name: str, node: Any, shape: Shape) -> tuple[Matrix, Shape]:
    """The same values in one dimension less, or more less."""
    first, last = int(node.start_dim), int(node.end_dim) % max(len(shape), 1)
    joined = size_of(shape[first : last + 1])
    return identity(size_of(shape)), (*shape[:first], joined, *shape[last + 1 :])


def conv1d(name: str, node: Any, shape: Shape) -> tuple[Matrix, Shape]:
    """A convolution over one axis: as one over two, of which the first has one place."""
    weight = np.asarray(node.weight, np.float64)
    if weight.ndim != 3:
        raise NetworkError(f"NIR node {name!r}: weight has shape {weight.shape}, expected 3 axes")
    channels, length = _image(name, shape, node, 1)
    (stride,), (dilation,) = _each(name, node, "stride", 1, 1), _each(name, node, "dilation", 1, 1)
    padding = node.padding if isinstance(node.padding, str) else _each(name, node, "padding", 1, 0)
    matrix, (out, _, places) = _convolution(
        name, weight[:, :, None], (channels, 1, length), (1, stride),
        padding if isinstance(padding, str) else (0, *padding), (1, dilation),
        *_each(name, node, "groups", 1, 1),
    )  # fmt: skip
    return matrix, (out, places)


def conv2d(name: str, node: Any, shape: Shape) -> tuple[Matrix, Shape]:
    """A convolution over two axes."""
    weight = np.asarray(node.weight, np.float64)
    if weight.ndim != 4:
        raise NetworkError(f"NIR node {name!r}: weight has shape {weight.shape}, expected 4 axes")
    padding = node.padding if isinstance(node.padding, str) else _each(name, node, "padding", 2, 0)
    return _convolution(
        name, weight, _image(name, shape, node, 2), _each(name, node, "stride", 2, 1), padding,
        _each(name, node, "dilation", 2, 1), *_each(name, node, "groups", 1, 1),
    )  # fmt: skip


def sum_pool(name: str, node: Any, shape: Shape) -> tuple[Matrix, Shape]:
    """The sum of each window; what is padded is 0."""
    image = _image(name, shape, node, 2)
    kernel = _each(name, node, "kernel_size", 2, 1)
    check_size(name, size_of(kernel) * image[0])
    weight = np.ones((image[0], 1, *kernel))
    stride, padding = _each(name, node, "stride", 2, 1), _each(name, node, "padding", 2, 0)
    return _convolution(name, weight, image, stride, padding, (1, 1), image[0])


def average_pool(name: str, node: Any, shape: Shape) -> tuple[Matrix, Shape]:
    """The mean of each window; what is padded counts as 0."""
    matrix, out = sum_pool(name, node, shape)
    return matrix / size_of(_each(name, node, "kernel_size", 2, 1)), out


def _each(name: str, node: Any, field: str, axes: int, least: int) -> Shape:
    """A field that holds a whole number, or one for each axis."""
    values = np.ravel(getattr(node, field))
    whole = values.dtype.kind in "iuf" and (values == np.floor(values)).all()
    if not whole or len(values) not in (1, axes) or not (values >= least).all():
        raise NetworkError(
            f"NIR node {name!r}: {field} is {getattr(node, field)}, expected a whole number of at least "
            f"{least}{', or one for each axis' if axes > 1 else ''}"
        )
    return tuple(int(v) for v in np.broadcast_to(values, axes))


def _image(name: str, shape: Shape, node: Any, axes: int) -> Shape:
    """The shape of what comes in: channels and so many axes; the node's own where values come flat."""
    own = getattr(node, "input_shape", None)
    if len(shape) != 1 + axes and own is not None and size_of(shape) % size_of(_ints(own)) == 0:
        return (size_of(shape) // size_of(_ints(own)), *_ints(own))
    if len(shape) != 1 + axes:
        raise NetworkError(
            f"NIR node {name!r}: values of shape {shape} come in, expected channels and {axes} axes"
        )
    return shape


def _ints(values: Any) -> Shape:
    return tuple(int(v) for v in np.ravel(values))


def _convolution(
    name: str, weight: FloatArray, image: Shape, stride: Shape, padding: Any, dilation: Shape, groups: int
) -> tuple[Matrix, Shape]:  # fmt: skip
    """Unroll a kernel (out, in / groups, rows, columns) over an image (in, rows, columns)."""
    n_out, n_in, *kernel = weight.shape
    if n_in * groups != image[0] or groups < 1 or n_out % groups:
        raise NetworkError(
            f"NIR node {name!r}: weight has shape {weight.shape} in {groups} groups, {image[0]} "
            "channels come in"
        )
    if min(*stride, *dilation, *kernel) < 1:
        raise NetworkError(f"NIR node {name!r}: stride, dilation and kernel must be at least 1")
    axes = [
        _windows(name, n, k, s, pad, d)
        for n, k, s, pad, d in zip(
            image[1:], kernel, stride, _pads(padding, kernel, dilation, stride, name), dilation, strict=True
        )
    ]  # fmt: skip
    (rows, row_at), (columns, column_at) = (
        axes  # place in the image of (output, kernel), -1 outside
    )
    shape = (n_out, len(row_at), len(column_at))
    check_size(name, size_of(shape) * n_in * size_of(tuple(kernel)))
    o, y, x, c, i, j = np.indices((*shape, n_in, *kernel)).reshape(6, -1)
    group = o // (n_out // groups)
    r, s = row_at[y, i], column_at[x, j]
    inside = (r >= 0) & (s >= 0)
    target = np.ravel_multi_index((o, y, x), shape)[inside]
    source = (((group * n_in + c) * rows + r) * columns + s)[inside]
    values = weight[o, c, i, j][inside]
    ends = size_of(shape), size_of(image)
    return sparse.csr_matrix((values, (target, source)), ends), shape


def _pads(padding: Any, kernel: Any, dilation: Shape, stride: Shape, name: str) -> list[Shape]:
    """Padding of each axis, (before, behind); "same" pads as torch does, less before than behind."""
    if not isinstance(padding, str):
        return [(p, p) for p in padding]
    if padding == "valid":
        return [(0, 0) for _ in kernel]
    if padding != "same":
        raise NetworkError(
            f"NIR node {name!r}: padding is {padding!r}, allowed are 'same', 'valid' and whole numbers"
        )
    if max(stride) > 1:
        raise NetworkError(f"NIR node {name!r}: padding 'same' needs a stride of 1, got {stride}")
    totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return [(total // 2, total - total // 2) for total in totals]


def _windows(
    name: str, n: int, kernel: int, stride: int, pad: Shape, dilation: int
) -> tuple[int, npt.NDArray[np.int64]]:
    """Length of an axis, and the place of each (output, kernel) on it, -1 outside.

    - pad: places before and behind
    """
    before = pad[0]
    count = (n + sum(pad) - dilation * (kernel - 1) - 1) // stride + 1
    if count < 1:
        raise NetworkError(f"NIR node {name!r}: its kernel is larger than what comes in ({n})")
    at = np.arange(count)[:, None] * stride + np.arange(kernel) * dilation - before
    return n, np.where((at >= 0) & (at < n), at, -1)


LINEAR: dict[type[nir.NIRNode], Callable[[str, Any, Shape], tuple[Matrix, Shape]]] = {
    nir.Linear: linear,
    nir.Affine: linear,
    nir.Scale: scale,
    nir.Flatten: flattened,
    nir.Conv1d: conv1d,
    nir.Conv2d: conv2d,
    nir.SumPool2d: sum_pool,
    nir.AvgPool2d: average_pool,
}
"""NIR's linear primitives -> what unrolls them; Delay and the ends of subgraphs pass everything on."""


def bias_of(name: str, node: Any, shape: Shape) -> FloatArray:
    """What a node adds to each of its outputs, (output,); ``shape``: theirs."""
    if not isinstance(node, nir.Affine | nir.Conv1d | nir.Conv2d):
        return np.zeros(size_of(shape))
    bias = np.asarray(node.bias, np.float64).ravel()
    if bias.size not in (1, shape[0]):
        raise NetworkError(
            f"NIR node {name!r}: bias has {bias.size} values, expected {shape[0]}, one an output"
        )
    return np.repeat(np.broadcast_to(bias, shape[0]), size_of(shape[1:]))
