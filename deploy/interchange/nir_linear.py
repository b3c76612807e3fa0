"""The linear nodes of NIR as sparse matrices: weights, convolutions, pools, scales, unrolled.

Every function gives a matrix (output, input) in C order of the two shapes, and the shape that comes out.
Convolutions are cross-correlations, as in torch. Source: the ``nir`` library, version 1.0.8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nir
import numpy as np
from scipy import sparse

from deploy.interchange.unrolled import SYNAPSES_MAX, Pair, Shape, Window, convolution
from lsnn_neuro.arrays import FloatArray
from lsnn_neuro.errors import NetworkError

Matrix = Any
"""A scipy sparse matrix in rows (CSR), (target, source)."""


def size_of(shape: Shape) -> int:
    """Number of values of a shape."""
    return int(np.prod(shape, dtype=np.int64))


def whole_shape(values: Any) -> Shape:
    """A shape as a node holds it."""
    return tuple(int(v) for v in np.ravel(values))


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
    window = _window(name, node, weight.shape[2:])
    matrix, (out, _, places) = _convolution(name, weight[:, :, None], (channels, 1, length), window)
    return matrix, (out, places)


def conv2d(name: str, node: Any, shape: Shape) -> tuple[Matrix, Shape]:
    """A convolution over two axes."""
    weight = np.asarray(node.weight, np.float64)
    if weight.ndim != 4:
        raise NetworkError(f"NIR node {name!r}: weight has shape {weight.shape}, expected 4 axes")
    window = _window(name, node, weight.shape[2:])
    return _convolution(name, weight, _image(name, shape, node, 2), window)


def sum_pool(name: str, node: Any, shape: Shape) -> tuple[Matrix, Shape]:
    """The sum of each window; what is padded is 0."""
    image = _image(name, shape, node, 2)
    kernel = _each(name, node, "kernel_size", 2, 1)
    check_size(name, size_of(kernel) * image[0])
    (rows, columns), stride = _each(name, node, "padding", 2, 0), _each(name, node, "stride", 2, 1)
    window = Window(
        stride=(stride[0], stride[1]), padding=((rows, rows), (columns, columns)), dilation=(1, 1),
        groups=image[0],
    )  # fmt: skip
    return _convolution(name, np.ones((image[0], 1, *kernel)), image, window)


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
    if len(shape) == 1 + axes:
        return shape
    own = getattr(node, "input_shape", None)
    if own is not None and size_of(shape) % size_of(own := whole_shape(own)) == 0:
        return (size_of(shape) // size_of(own), *own)
    raise NetworkError(
        f"NIR node {name!r}: values of shape {shape} come in, expected channels and {axes} axes"
    )


def _window(name: str, node: Any, kernel: Shape) -> Window:
    """How the kernel (rows and columns, or columns alone) of a convolution moves."""
    axes = len(kernel)
    stride, dilation = _each(name, node, "stride", axes, 1), _each(name, node, "dilation", axes, 1)
    alone = (1,) * (2 - axes)
    columns, *rows = reversed(_pads(name, node, kernel, dilation, stride))
    (s, t), (d, e) = (*alone, *stride), (*alone, *dilation)
    return Window(
        stride=(s, t), padding=(rows[0] if rows else (0, 0), columns), dilation=(d, e),
        groups=_each(name, node, "groups", 1, 1)[0],
    )  # fmt: skip


def _pads(name: str, node: Any, kernel: Shape, dilation: Shape, stride: Shape) -> list[Pair]:
    """Padding of each axis, (before, behind); "same" pads as torch does, less before than behind."""
    padding = node.padding
    if not isinstance(padding, str):
        return [(p, p) for p in _each(name, node, "padding", len(kernel), 0)]
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


def _convolution(
    name: str, weight: FloatArray, image: Shape, window: Window
) -> tuple[Matrix, Shape]:
    """A kernel (out, in / groups, rows, columns) over an image (in, rows, columns)."""
    found, shape = convolution(f"NIR node {name!r}", weight, image, window)
    ends = found.n_target, found.n_source
    return sparse.csr_matrix((found.weight, (found.target, found.source)), ends), shape


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
