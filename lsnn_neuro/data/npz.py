"""NumPy's files, ``.npy`` and ``.npz``: no array is made before its header agrees with what is stored.

Uncompressed arrays of an ``.npz`` can be read row by row, however large the file is; others are read whole,
up to a limit. No pickle is loaded.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro.bounded import in_a_line
from lsnn_neuro.data.samples import WHOLE
from lsnn_neuro.errors import DataError, LSNNError

Array = npt.NDArray[Any]
KINDS = "biufcSU"
"""Of NumPy's types that are read: numbers and texts."""
EXPANSION_MAX = 1100
"""Bytes of an array for each that is stored: compression reaches 1032."""
EMPTY_MAX = 2**20
"""Longest axis of an array that holds nothing."""
_LOCAL_HEADER = 30  # bytes, then the name and an extra field, whose lengths stand at 26 and 28
_MAGIC = b"PK"
_CHUNK = 2**24  # bytes that are unpacked at once


class StoredRows:
    """An array inside a file, of which one row at a time is read.

    - offset: of its first byte; the array is in C order
    """

    def __init__(self, path: Path, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]):
        self.path, self.offset, self.shape, self.dtype = path, offset, shape, dtype
        self._items = prod(shape[1:])

    def __getitem__(self, index: int) -> Array:
        row = self._read(index * self._items, self._items)
        if len(row) != self._items:
            raise DataError(f"{self.path}, sample {index}: the file ends before it; copy it again")
        return row.reshape(self.shape[1:])

    def whole(self) -> Array:
        """All rows."""
        return self._read(0, prod(self.shape)).reshape(self.shape)

    def _read(self, first: int, items: int) -> Array:
        with self.path.open("rb") as file:
            file.seek(self.offset + first * self.dtype.itemsize)
            return np.fromfile(file, self.dtype, items)


class Archive:
    """The arrays of an open ``.npz`` file; ValueError over one that can't be read."""

    def __init__(self, path: Path, file: zipfile.ZipFile, most: int):
        self._path, self._file, self._most = path, file, most
        self._members = {
            info.filename.removesuffix(".npy"): info
            for info in file.infolist()
            if info.filename.endswith(".npy")
        }

    @property
    def names(self) -> list[str]:
        """The names of the arrays."""
        return list(self._members)

    def size(self, name: str) -> int:
        """How many bytes an array has, as the file says."""
        return self._members[name].file_size

    def whole(self, name: str) -> Array:
        """An array in memory."""
        rows = self.rows(name)
        return rows if isinstance(rows, np.ndarray) else rows.whole()

    def rows(self, name: str) -> Array | StoredRows:
        """An array where it stands; in memory, if it is compressed or in Fortran's order."""
        info = self._members[name]
        self._check(name, info)
        with self._file.open(info) as file:
            shape, fortran, dtype, start = _header(file, info.file_size)
            if info.compress_type == zipfile.ZIP_STORED and not fortran and shape:
                return StoredRows(self._path, self._first(info) + start, shape, dtype)
            if info.file_size > self._most:
                raise ValueError(
                    f"array {name!r} has {info.file_size} bytes, and is read whole up to {self._most}; save "
                    "it uncompressed and in C order (numpy.savez) to have it read by sample"
                )
            return _array(file, shape, fortran, dtype)

    def _check(self, name: str, info: zipfile.ZipInfo) -> None:
        """Refuse a member that says it is more than the file can hold."""
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"array {name!r} is compressed in another way than NumPy's")
        stored = info.compress_type == zipfile.ZIP_STORED
        most = info.compress_size * (1 if stored else EXPANSION_MAX)
        there = self._path.stat().st_size - info.header_offset
        if info.compress_size > there or info.file_size > most:
            raise ValueError(
                f"array {name!r} should have {info.file_size} bytes, which is too much"
            )

    def _first(self, info: zipfile.ZipInfo) -> int:
        """Where the bytes of an uncompressed member begin."""
        with self._path.open("rb") as raw:
            raw.seek(info.header_offset + 26)
            lengths = np.frombuffer(raw.read(4), "<u2")
        return info.header_offset + _LOCAL_HEADER + int(lengths.sum(dtype=np.int64))


@contextmanager
def open_npz(path: Path, *, most: int = WHOLE) -> Iterator[Archive]:
    """The arrays of an ``.npz`` file; DataError names the file, and what is wrong with it.

    - most: bytes of an array that is read whole
    """
    try:
        with zipfile.ZipFile(path) as file:
            yield Archive(path, file, most)
    except LSNNError:
        raise
    except Exception as error:  # a broken file ends zipfile in many ways
        raise DataError(
            f"{path}: can't be read as .npz ({in_a_line(error)}); save it again"
        ) from error


def is_npz(path: Path) -> bool:
    """Whether a file begins like an ``.npz``."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def read_npy(path: Path, error: type[LSNNError] = DataError) -> Array:
    """The array in an ``.npy`` file.

    - error: what is raised over a file that can't be read
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            shape, fortran, dtype, _ = _header(file, size)
            return _array(file, shape, fortran, dtype)
    except (OSError, ValueError) as reason:
        raise error(f"{path}: can't be read as .npy or .npz ({in_a_line(reason)})") from reason


def _header(file: IO[bytes], size: int) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, order and type of an array, and where it begins in its ``size`` bytes."""
    npy: Any = np.lib.format
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            version = npy.read_magic(file)
            read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
            shape, fortran, dtype = read(file)
    except Exception as error:  # NumPy evaluates the text of a header, which may end in many ways
        raise ValueError(f"no array of NumPy's: {in_a_line(error)}") from error
    start = file.tell()
    if dtype.hasobject:
        raise ValueError("holds Python objects, which are not loaded; save numbers")
    if dtype.kind not in KINDS:
        raise ValueError(f"holds {dtype}, expected numbers or texts")
    if min(shape, default=0) < 0 or prod(shape) * dtype.itemsize != size - start:
        raise ValueError(
            f"an array of shape {shape} should have {prod(shape) * dtype.itemsize} bytes, and has "
            f"{size - start}"
        )
    if size == start and (dtype.itemsize == 0 or max(shape) > EMPTY_MAX):
        raise ValueError(f"an array of {dtype} of shape {shape} holds nothing")
    return tuple(map(int, shape)), bool(fortran), dtype, start


def _array(file: Any, shape: tuple[int, ...], fortran: bool, dtype: np.dtype[Any]) -> Array:
    """An array of the bytes that a file goes on with."""
    array = np.empty(prod(shape), dtype)
    room, at = array.view(np.uint8).data, 0
    while n := file.readinto(room[at : at + _CHUNK]):
        at += n
    if at < len(room):
        raise ValueError(f"ends after {at} of {len(room)} bytes")
    return array.reshape(shape, order="F" if fortran else "C")
