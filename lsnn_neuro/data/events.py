"""Spikes in files: HDF5 in the layout of the Spiking Heidelberg Digits, and NumPy's ``.npz``.

- HDF5: ``spikes/times`` and ``spikes/units``, of each sample an array of its own length; ``labels``. Read one
  sample at a time. ``extra/keys``, where it is there, has the names of the classes.
- NPZ with ``times``, ``units`` and ``samples``, one of each a spike, ordered by sample; ``labels``
- NPZ with ``spikes``, dense, (sample, time, unit): how many in each step; ``labels``. Then times count steps.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from lsnn_neuro.data.arrays import check_file, read_arrays
from lsnn_neuro.data.hdf5 import check_dataset, check_heaps, readable
from lsnn_neuro.data.npz import KINDS, open_npz
from lsnn_neuro.data.samples import (
    WHOLE,
    ArraySamples,
    Samples,
    as_column,
    files_read,
    groups_of,
    missing,
    texts,
)
from lsnn_neuro.errors import DataError

HDF5 = (".h5", ".hdf5")
TIMES, UNITS, KEYS = "spikes/times", "spikes/units", "extra/keys"
LISTED = ("times", "units", "samples")
MOST_SPIKES = WHOLE // 16
"""Spikes of a dense sample, at most: times and units of 8 bytes each are made of them."""

Spikes = tuple[npt.NDArray[Any], npt.NDArray[Any]]
"""Times and units of the spikes of a sample, both of shape (spike,)."""


def open_events(path: Path, labels: str, groups: str | None) -> Samples:
    """The samples of a file of spikes; labels and groups are names of arrays in it."""
    check_file(path)
    kind = path.suffix.lower()
    if kind not in (*HDF5, ".npz"):
        raise DataError(
            f"{path}: a file of spikes ends in .h5, .hdf5 or .npz; unpack it if it is compressed"
        )
    samples = (HDF5Samples if kind in HDF5 else _of_npz)(path, labels, groups)
    samples.origins = files_read([path])
    return samples


class HDF5Samples(Samples):
    """The samples of an HDF5 file in SHD's layout, read from it when they are asked for."""

    def __init__(self, path: Path, labels: str, groups: str | None):
        """Open the file, which stays open, and read the labels."""
        self.name = str(path)
        with _readable(self.name):
            check_heaps(path)
            self._file = h5py.File(path, "r")
            self._times, self._units = (
                _lists(self._dataset(name), self.name) for name in (TIMES, UNITS)
            )
            n = len(self._times)
            self.labels = as_column(self._whole(labels), n)
            if groups is not None:
                self.groups = groups_of(self._whole(groups), n, f"{path}: {groups}")
            if KEYS in self._file:
                self.class_names = texts(self._whole(KEYS), f"{path}: {KEYS}")
        lengths = [len(self._times), len(self._units), len(self.labels)]
        if len(set(lengths)) > 1 or not lengths[0]:
            raise DataError(
                f"{path}: {TIMES}, {UNITS} and {labels} have {', '.join(map(str, lengths))} samples, "
                "expected one number of at least 1; a label is missing, or the file is cut short"
            )

    def read(self, index: int) -> Spikes:
        """The times and units of the spikes of a sample."""
        with _readable(self.at(index)):
            return np.asarray(self._times[index]), np.asarray(self._units[index])

    def _whole(self, name: str) -> npt.NDArray[Any]:
        found = self._dataset(name)
        if h5py.check_string_dtype(found.dtype) is not None and found.ndim:
            names = texts(np.asarray(found[()]), f"{self.name}: {name}")
            return np.array(names, np.str_).reshape(found.shape)
        if found.dtype.kind not in KINDS or found.ndim == 0:
            raise DataError(
                f"{self.name}: {name} is {found.dtype}, expected one entry for each sample"
            )
        return np.asarray(found[()])

    def _dataset(self, name: str) -> Any:
        """A data set of the file itself: what links elsewhere is not followed."""
        at: Any = self._file
        for part in name.split("/"):
            link = at.get(part, getlink=True) if isinstance(at, h5py.Group) else None
            if link is None:
                names: list[str] = []
                self._file.visit(names.append)
                raise missing(Path(self.name), name, [str(known) for known in names])
            if not isinstance(link, h5py.HardLink):
                raise DataError(
                    f"{self.name}: {name} is a link; files open no others, copy what it links to"
                )
            at = at[part]
        if not isinstance(at, h5py.Dataset):
            raise DataError(f"{self.name}: {name} is a group, expected data")
        check_dataset(at, f"{self.name}: {name}", DataError)
        return at


class NPZSamples(Samples):
    """Spikes of all samples one after the other: times, units, and the sample of each."""

    def __init__(
        self, name: str, times: npt.NDArray[Any], units: npt.NDArray[Any], samples: npt.NDArray[Any],
        labels: npt.NDArray[Any], groups: npt.NDArray[Any] | None,
    ):  # fmt: skip
        """Check that they belong together."""
        self.name, self._times, self._units = name, times, units
        if not labels.ndim or not labels.size:
            raise DataError(f"{name}: no labels in it, so no samples")
        self.labels = labels = as_column(labels, len(labels))
        if times.ndim != 1 or not times.shape == units.shape == samples.shape:
            raise DataError(
                f"{name}: times, units and samples have shapes {times.shape}, {units.shape} and "
                f"{samples.shape}, expected one entry of each for every spike"
            )
        if samples.dtype.kind not in "iu":
            raise DataError(f"{name}: samples is {samples.dtype}, expected whole numbers")
        wrong = np.flatnonzero(
            (np.diff(samples.astype(np.int64), prepend=0) < 0) | (samples >= len(labels))
        )
        if len(wrong):
            raise DataError(
                f"{name}: samples[{wrong[0]}] is {samples[wrong[0]]}; there are labels of {len(labels)} "
                "samples, and they must stand in order"
            )
        if groups is not None:
            self.groups = groups_of(groups, len(labels), f"{name}: groups")
        self._ends = np.searchsorted(samples, np.arange(len(labels) + 1))

    def read(self, index: int) -> Spikes:
        """See :class:`HDF5Samples`."""
        a, b = self._ends[index : index + 2]
        return self._times[a:b], self._units[a:b]


class DenseSamples(ArraySamples):
    """Spikes counted in steps, (sample, time, unit)."""

    def read(self, index: int) -> Spikes:  # type: ignore[override]  # spikes, not a signal
        """See :class:`HDF5Samples`; times count steps."""
        return spikes_of_dense(super().read(index), self.at(index))


def spikes_of_dense(counts: npt.NDArray[Any], at: str) -> Spikes:
    """The spikes that an array (time, unit) counts."""
    wrong = ~np.isfinite(counts) | (counts < 0) | (counts != np.floor(counts))
    if wrong.any():
        t, u = np.argwhere(wrong)[0]
        raise DataError(
            f"{at}: spikes[{t}, {u}] is {counts[t, u]}, expected a number of spikes; signals are the task "
            "arrays"
        )
    if (total := float(counts.sum(dtype=np.float64))) > MOST_SPIKES:
        t, u = np.unravel_index(int(counts.argmax()), counts.shape)
        raise DataError(
            f"{at}: counts {total:.6g} spikes, {counts[t, u]} of them in spikes[{t}, {u}]; a sample may have "
            f"{MOST_SPIKES}, mend it"
        )
    times, units = np.nonzero(counts)
    repeats = counts[times, units].astype(np.int64)
    return times.repeat(repeats), units.repeat(repeats)


def spikes_of(array: Any, at: str) -> Spikes:
    """The spikes of an array of a data set.

    That is a structured one with fields t (times) and x (units), or plain of shape (spike, 2).
    """
    found = np.asarray(array)
    if found.dtype.names is not None and {"t", "x"} <= set(found.dtype.names):
        for other in {*found.dtype.names} - {"t", "x"}:
            if len(np.unique(found[other])) > 1:
                raise DataError(
                    f"{at}: its events have a field {other!r} of several values; make one unit of x "
                    f"and {other}"
                )
        return found["t"], found["x"]
    if found.dtype.names is None and found.ndim == 2 and found.shape[1] == 2:
        return found[:, 0], found[:, 1]
    raise DataError(
        f"{at}: {found.dtype} of shape {found.shape}, expected events with fields t and x, or rows "
        "(time, unit)"
    )


def _readable(where: str) -> AbstractContextManager[None]:
    """What h5py raises over a broken file is a DataError that names the place."""
    return readable(f"{where}: can't be read as HDF5", DataError, "; copy the file again")


def _lists(dataset: Any, name: str) -> Any:
    """A data set whose entries are arrays of numbers."""
    inner = h5py.check_vlen_dtype(dataset.dtype)
    if dataset.ndim != 1 or inner is None or np.dtype(inner).kind not in "biuf":
        raise DataError(
            f"{name}: {dataset.name} is {dataset.dtype} of shape {dataset.shape}, expected an array of "
            "numbers for each sample (variable length)"
        )
    return dataset


def _of_npz(path: Path, labels: str, groups: str | None) -> Samples:
    more = [labels, *([groups] if groups else [])]
    with open_npz(path) as archive:
        there = set(archive.names)
    dense = "spikes" in there
    if dense and there >= set(LISTED):
        raise DataError(
            f"{path}: holds both spikes (dense) and {', '.join(LISTED)} (a list); save only one of the two"
        )
    wanted = ["spikes"] if dense else []
    found = read_arrays(path, wanted, [*([] if dense else LISTED), *more])
    whole = {name: np.asarray(found[name]) for name in found if name not in wanted}
    grouped = whole[groups] if groups else None
    if dense:
        return DenseSamples(
            str(path), found["spikes"], whole[labels], array="spikes", groups=grouped
        )
    return NPZSamples(
        str(path), whole["times"], whole["units"], whole["samples"], whole[labels], grouped
    )
