"""Arrays in files: NumPy's ``.npz`` and MATLAB's ``.mat`` (up to version 7).

Uncompressed arrays of an ``.npz`` are read row by row, however large the file is; others are read whole, up
to a limit. No pickle is loaded.
"""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro.data.samples import WHOLE, ArraySamples, Rows, files_read
from lsnn_neuro.errors import DataError

_LOCAL_HEADER = 30  # bytes, then the name and an extra field, whose lengths stand at 26 and 28

_BROKEN_ZIP = (
    zipfile.BadZipFile, tokenize.TokenError, zlib.error, EOFError, KeyError, OSError, RuntimeError,
    SyntaxError, TypeError, ValueError,
)  # fmt: skip
"""What zipfile and NumPy's reader of headers raise over broken files."""


class StoredRows:
    """An array inside a file, of which one row at a time is read.

    - offset: of its first byte; the array is in C order
    """

    def __init__(self, path: Path, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]):
        self.path, self.offset, self.shape, self.dtype = path, offset, shape, dtype
        self._items = int(np.prod(shape[1:], dtype=np.int64))

    def __getitem__(self, index: int) -> npt.NDArray[Any]:
        with self.path.open("rb") as file:
            file.seek(self.offset + index * self._items * self.dtype.itemsize)
            row = np.fromfile(file, self.dtype, self._items)
        if len(row) != self._items:
            raise DataError(f"{self.path}, sample {index}: the file ends before it; copy it again")
        return row.reshape(self.shape[1:])


def open_arrays(path: Path, inputs: str, labels: str, groups: str | None) -> ArraySamples:
    """The samples of a file of arrays; inputs are (sample, time, channel).

    - inputs, labels, groups: names of the arrays; without groups None
    """
    found = read_arrays(path, [inputs], [labels, *([groups] if groups else [])])
    samples = ArraySamples(
        str(path), found[inputs], np.asarray(found[labels]), array=inputs,
        groups=np.asarray(found[groups]) if groups else None,
    )  # fmt: skip
    samples.origins = files_read([path])
    return samples


def read_arrays(path: Path, by_row: Sequence[str], whole: Sequence[str]) -> dict[str, Rows]:
    """Arrays of a file by their names: some that may be read row by row, others as they are."""
    check_file(path)
    if path.suffix.lower() == ".npz":
        return _read_npz(path, by_row, whole)
    if path.suffix.lower() == ".mat":
        return _read_mat(path, [*by_row, *whole])
    raise DataError(
        f"{path}: a file of arrays ends in .npz or .mat; for sound name the folder of the .wav files"
    )


def check_file(path: Path) -> None:
    """Refuse a file that isn't there, or is empty."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; name it by task.data, or --data")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: is empty (0 bytes); copy it again")


def missing(path: Path, name: str, there: Sequence[str]) -> DataError:
    """The error over an array that is not in a file."""
    return DataError(f"{path}: holds no array {name!r}; there are {', '.join(there) or 'none'}")


def check_whole(path: Path, name: str, size: int, remedy: str) -> None:
    """Refuse an array that is too large to be read at once."""
    if size > WHOLE:
        raise DataError(
            f"{path}: array {name!r} has {size} bytes, and is read whole up to {WHOLE}; {remedy}"
        )


def _read_npz(path: Path, by_row: Sequence[str], whole: Sequence[str]) -> dict[str, Rows]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = {n[:-4]: n for n in archive.namelist() if n.endswith(".npy")}
            found: dict[str, Rows] = {}
            for name in (*by_row, *whole):
                if name not in members:
                    raise missing(path, name, list(members))
                rows = _member(path, archive, name, archive.getinfo(members[name]))
                found[name] = rows if name in by_row else _all_of(rows)
            return found
    except _BROKEN_ZIP as error:
        raise DataError(f"{path}: can't be read as .npz ({error}); save it again") from error


def _member(path: Path, archive: zipfile.ZipFile, name: str, info: zipfile.ZipInfo) -> Rows:
    """An array of an ``.npz``: in memory if it is compressed or in Fortran's order, else where it stands."""
    with archive.open(info) as file:
        npy: Any = np.lib.format
        version = npy.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise DataError(f"{path}: array {name!r} is of .npy version {version}; save it again")
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read_header(file)
        start = file.tell()
    if dtype.hasobject:
        raise DataError(
            f"{path}: array {name!r} holds Python objects, which are not loaded; save it as numbers"
        )
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if min(shape, default=0) < 0 or size != info.file_size - start:
        raise DataError(
            f"{path}: array {name!r} of shape {shape} should have {size} bytes, and has "
            f"{info.file_size - start}; save it again"
        )
    if info.compress_type != zipfile.ZIP_STORED or fortran or not shape:
        remedy = "save it uncompressed and in C order (numpy.savez) to have it read by sample"
        check_whole(path, name, info.file_size, remedy)
        with archive.open(info) as file:
            array: npt.NDArray[Any] = npy.read_array(file, allow_pickle=False)
        return array
    with path.open("rb") as raw:
        raw.seek(info.header_offset + 26)
        lengths = np.frombuffer(raw.read(4), "<u2")
    first = info.header_offset + _LOCAL_HEADER + int(lengths.sum(dtype=np.int64)) + start
    return StoredRows(path, first, tuple(map(int, shape)), dtype)


def _all_of(rows: Rows) -> Rows:
    """All rows of an array."""
    if isinstance(rows, np.ndarray):
        return rows
    array: npt.NDArray[Any] = np.empty(rows.shape, rows.dtype)
    for index in range(len(array)):
        array[index] = rows[index]
    return array


def _read_mat(path: Path, names: Sequence[str]) -> dict[str, Rows]:
    """Arrays of a MATLAB file, as scipy reads it."""
    from scipy.io import loadmat, whosmat

    remedy = "save it as .npz, whose samples are read one at a time"
    there = {name: shape for name, shape, _ in _by_scipy(whosmat, path)}
    for name in names:
        if name not in there:
            raise missing(path, name, list(there))
        check_whole(path, name, 8 * int(np.prod(there[name], dtype=np.int64)), remedy)
    arrays = _by_scipy(loadmat, path, variable_names=list(names))
    return {name: np.ascontiguousarray(arrays[name]) for name in names}


def _by_scipy(function: Callable[..., Any], path: Path, **options: Any) -> Any:
    """What scipy reads from a MATLAB file; DataError over a file that it can't read."""
    try:
        return function(str(path), **options)
    except NotImplementedError as error:
        raise DataError(f"{path}: is of MATLAB 7.3 (HDF5); save it with -v7, or as .npz") from error
    except Exception as error:  # a broken file ends scipy's reader in many ways
        raise DataError(f"{path}: can't be read as a MATLAB file ({error})") from error
