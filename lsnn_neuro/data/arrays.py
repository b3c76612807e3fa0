"""Arrays in files: NumPy's ``.npz`` and MATLAB's ``.mat`` (up to version 7).

Uncompressed arrays of an ``.npz`` are read row by row (:mod:`lsnn_neuro.data.npz`); others are read whole,
up to a limit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from lsnn_neuro.bounded import in_a_line
from lsnn_neuro.data.npz import KINDS, open_npz
from lsnn_neuro.data.samples import WHOLE, ArraySamples, Rows, files_read
from lsnn_neuro.errors import DataError

NAMED = 20
"""Arrays that a message names, where one is missing."""


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
    more = f" and {len(there) - NAMED} more" if len(there) > NAMED else ""
    known = ", ".join(there[:NAMED]) or "none"
    return DataError(f"{path}: holds no array {name!r}; there are {in_a_line(known)}{more}")


def _read_npz(path: Path, by_row: Sequence[str], whole: Sequence[str]) -> dict[str, Rows]:
    with open_npz(path) as archive:
        for name in (*by_row, *whole):
            if name not in archive.names:
                raise missing(path, name, archive.names)
        found: dict[str, Rows] = {name: archive.rows(name) for name in by_row}
        return found | {name: archive.whole(name) for name in whole}


def _read_mat(path: Path, names: Sequence[str]) -> dict[str, Rows]:
    """Arrays of a MATLAB file, as scipy reads it."""
    from scipy.io import loadmat, whosmat

    there = {name: shape for name, shape, _ in _by_scipy(whosmat, path)}
    for name in names:
        if name not in there:
            raise missing(path, name, list(there))
        if (size := 8 * prod(map(int, there[name]))) > WHOLE:
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
