"""MATLAB's ``.mat`` files, up to version 7: read by scipy, once their elements are of types that it knows.

An element of another type ends scipy's reader, and Python with it. Format: "MAT-File Format", MathWorks.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from lsnn_neuro.bounded import in_a_line
from lsnn_neuro.data.npz import KINDS, Array
from lsnn_neuro.data.samples import WHOLE, missing
from lsnn_neuro.errors import DataError

_HEADER, _TAG = 128, 8  # bytes
_TYPES = {1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 16, 17, 18}
_MATRIX, _COMPRESSED = 14, 15
CLASSES = (
    "double",
    "single",
    "logical",
    "char",
    *(f"{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64)),
)
"""Of arrays that are read: numbers and texts."""
_NUMBERED = {4, *range(6, 16)}
"""The same as the format numbers them."""


def read_mat(path: Path, names: Sequence[str]) -> dict[str, Array]:
    """Arrays of a file by their names; DataError names the file, and what is wrong with it."""
    from scipy.io import loadmat, whosmat

    try:
        _check(path.read_bytes())
    except (ValueError, struct.error, zlib.error) as error:
        raise DataError(f"{path}: can't be read as a MATLAB file ({in_a_line(error)})") from error
    there = {name: (shape, kind) for name, shape, kind in _by_scipy(whosmat, path)}
    for name in names:
        if name not in there:
            raise missing(path, name, there)
        shape, kind = there[name]
        if kind not in CLASSES:
            raise DataError(f"{path}: array {name!r} is of class {kind}, expected numbers or texts")
        if (size := 8 * prod(map(int, shape))) > WHOLE:
            raise DataError(
                f"{path}: array {name!r} has {size} bytes, and is read whole up to {WHOLE}; save it as .npz, "
                "whose samples are read one at a time"
            )
    arrays = _by_scipy(loadmat, path, variable_names=list(names))
    for name in names:
        if (kind := getattr(arrays[name], "dtype", np.dtype(object))).kind not in KINDS:
            raise DataError(f"{path}: array {name!r} holds {kind}, expected numbers or texts")
    return {name: np.ascontiguousarray(arrays[name]) for name in names}


def _by_scipy(function: Callable[..., Any], path: Path, **options: Any) -> Any:
    """What scipy reads from a MATLAB file; DataError over a file that it can't read."""
    try:
        return function(str(path), **options)
    except NotImplementedError as error:
        raise DataError(f"{path}: is of MATLAB 7.3 (HDF5); save it with -v7, or as .npz") from error
    except Exception as error:  # a broken file ends scipy's reader in many ways
        raise DataError(f"{path}: can't be read as a MATLAB file ({in_a_line(error)})") from error


def _check(data: bytes) -> None:
    """ValueError over a file of version 5 to 7 with elements that are of no known type, or too long."""
    order = {b"IM": "<", b"MI": ">"}.get(data[126:_HEADER])
    if order is None or 0 in data[:4]:  # another version, for scipy to say
        return
    for kind, content in _elements(data[_HEADER:], order):
        if kind == _COMPRESSED:
            packed = zlib.decompressobj()
            content = packed.decompress(content, WHOLE)
            if packed.unconsumed_tail:
                raise ValueError(f"an array unpacks to over {WHOLE} bytes")
            ((kind, content),) = _elements(content, order)
        if kind != _MATRIX:
            raise ValueError(f"an element is of type {kind}, expected {_MATRIX}, an array")
        _check_matrix(content, order)


def _check_matrix(content: bytes, order: str) -> None:
    """The parts of an array: flags, lengths, name and, where they are numbers or texts, values."""
    parts, numbered = _elements(content, order), 0
    for place, (kind, part) in enumerate(parts):
        if place == 0:
            numbered = struct.unpack_from(f"{order}I", part)[0] & 255
        if place >= 3 and numbered not in _NUMBERED:
            return
        if kind not in _TYPES:
            raise ValueError(f"a part of an array is of type {kind}, which there is not")


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Type and contents of the elements one after the other."""
    at = 0
    while at + _TAG <= len(data):
        kind, size = struct.unpack_from(f"{order}II", data, at)
        if kind >> 16:  # a short one, in its own tag
            kind, size, start, following = kind & 0xFFFF, kind >> 16, at + 4, at + _TAG
        else:
            start = at + _TAG
            following = start + (size if kind == _COMPRESSED else -(-size // 8) * 8)
        if start + size > len(data) or (start == at + 4 and size > 4):
            raise ValueError(f"an element of {size} bytes reaches beyond the end")
        yield kind, data[start : start + size]
        at = following
