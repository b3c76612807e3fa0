"""The IDX file format of MNIST and its relatives, unsigned bytes only.

Big-endian header: two zero bytes, type 8 (unsigned byte), number of axes, one 32-bit length per
axis; then the values, the last axis running fastest.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lsnn_neuro.data.samples import WHOLE
from lsnn_neuro.errors import DataError

_UNSIGNED_BYTE = 8
_REMEDY = "replace the file by a complete copy"


def read_idx(path: Path, axes: int) -> npt.NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, plain or gzipped (by its suffix .gz).

    - axes: number of axes it must have, 3 for images, 1 for labels
    - returns: read-only array of the shape in the file's header
    """
    try:
        if not path.is_file():
            raise DataError(f"{path}: no such file")
        content = _content(path, axes)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{path}: can't be read ({error}); {_REMEDY}") from error
    return parse_idx(content, axes, name=str(path))


def _content(path: Path, axes: int) -> bytes:
    """The bytes of a file as far as its header promises, and one more where there is one."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        start = file.read(4 + 4 * axes)
        size = math.prod(struct.unpack_from(f">{axes}I", start.ljust(4 + 4 * axes, b"\0"), 4))
        return start + file.read(min(size, WHOLE) + 1)


def parse_idx(content: bytes, axes: int, name: str) -> npt.NDArray[np.uint8]:
    """The array in the bytes of an IDX file; ``name`` is how errors call it."""
    header = 4 + 4 * axes
    if len(content) < header:
        raise DataError(f"{name}: {len(content)} bytes, too short for an IDX header; {_REMEDY}")
    magic, *shape = struct.unpack(f">{1 + axes}I", content[:header])
    expected = _UNSIGNED_BYTE << 8 | axes
    if magic != expected:
        raise DataError(
            f"{name}: magic number is {magic:#010x}, expected {expected:#010x} "
            f"(IDX, unsigned bytes, axes: {axes}); is it another file, or still gzipped?"
        )
    found, promised = len(content) - header, math.prod(shape)
    if found != promised:
        more = " or more" if found > promised else ""
        raise DataError(
            f"{name}: holds {found} values{more}, its header promises "
            f"{' x '.join(map(str, shape))} = {promised}; {_REMEDY}"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def idx_bytes(array: npt.NDArray[np.uint8]) -> bytes:
    """The bytes of an IDX file that holds ``array``."""
    header = struct.pack(f">{1 + array.ndim}I", _UNSIGNED_BYTE << 8 | array.ndim, *array.shape)
    return header + array.tobytes()
