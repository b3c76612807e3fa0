"""Arrays in files: NumPy's ``.npz`` and MATLAB's ``.mat`` (up to version 7).

Uncompressed arrays of an ``.npz`` are read row by row (:mod:`lsnn_neuro.data.npz`); others are read whole,
up to a limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lsnn_neuro.data.mat import read_mat
from lsnn_neuro.data.npz import open_npz
from lsnn_neuro.data.samples import ArraySamples, Rows, files_read, missing
from lsnn_neuro.errors import DataError


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
        return dict(read_mat(path, [*by_row, *whole]))
    raise DataError(
        f"{path}: a file of arrays ends in .npz or .mat; for sound name the folder of the .wav files"
    )


def check_file(path: Path) -> None:
    """Refuse a file that isn't there, or is empty."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; name it by task.data, or --data")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: is empty (0 bytes); copy it again")


def _read_npz(path: Path, by_row: Sequence[str], whole: Sequence[str]) -> dict[str, Rows]:
    with open_npz(path) as archive:
        for name in (*by_row, *whole):
            if name not in archive.names:
                raise missing(path, name, archive.names)
        found: dict[str, Rows] = {name: archive.rows(name) for name in by_row}
        return found | {name: archive.whole(name) for name in whole}
