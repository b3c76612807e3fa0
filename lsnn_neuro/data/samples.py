"""Labelled samples of a file, a folder or a data set in memory, read one at a time as they are needed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path, PurePath
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lsnn_neuro.bounded import in_a_line
from lsnn_neuro.errors import DataError

NUMBERS = "biuf"
"""Kinds of NumPy types that are numbers."""
WHOLE = 2**29
"""Bytes of an array that are read at once, at most; what is larger has to be read sample by sample."""


class Rows(Protocol):
    """An array whose rows can be read one at a time."""

    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def dtype(self) -> Any: ...  # noqa: D102
    def __getitem__(self, index: int, /) -> Any: ...


class Samples(ABC):
    """Samples and their labels.

    - name: of the file or folder, for messages
    - labels: as they were found, (sample, ...): numbers or names
    - groups: what each sample belongs to, such as a speaker; None where that is not known
    - class_names: where the labels are numbers of classes that have names
    - n_channels: of a sample; 0 where the file doesn't say
    - longest: time steps of the longest sample; None where only reading them all would tell
    - origins: what is read, so that two sources of the same samples are known: files, or a data set
    """

    name: str
    labels: npt.NDArray[Any]
    groups: tuple[str, ...] | None = None
    class_names: tuple[str, ...] = ()
    n_channels: int = 0
    longest: int | None = None
    origins: frozenset[Any] = frozenset()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def title(self) -> str:
        """The name without the folder that it is in."""
        return PurePath(self.name).name

    @abstractmethod
    def read(self, index: int) -> Any:
        """A sample: a signal, (time, channel), or the times and units of spikes."""

    def at(self, index: int) -> str:
        """A sample's place, for messages."""
        return f"{self.name}, sample {index}"


class ArraySamples(Samples):
    """Samples that stand in one array, (sample, time, channel), or (sample, time) of one channel."""

    def __init__(
        self, name: str, inputs: Rows, labels: npt.NDArray[Any], *, array: str = "inputs",
        groups: npt.NDArray[Any] | None = None,
    ):  # fmt: skip
        """Take arrays as they are; ``array`` names the inputs in messages."""
        if len(inputs.shape) not in (2, 3) or 0 in inputs.shape:
            raise DataError(
                f"{name}: {array} has shape {inputs.shape}, expected (sample, time, channel) or (sample, "
                "time), none of them 0"
            )
        if inputs.dtype.kind not in NUMBERS:
            raise DataError(f"{name}: {array} is {inputs.dtype}, expected numbers")
        self.name, self._inputs = name, inputs
        self.labels = _one_each(labels, inputs.shape[0], f"{name}: labels")
        if groups is not None:
            self.groups = groups_of(groups, inputs.shape[0], f"{name}: groups")
        self.longest = inputs.shape[1]
        self.n_channels = inputs.shape[2] if len(inputs.shape) == 3 else 1

    def read(self, index: int) -> npt.NDArray[Any]:
        """See :class:`Samples`."""
        return np.asarray(self._inputs[index]).reshape(self.longest or 0, self.n_channels)


class PairSamples(Samples):
    """The (array, label) pairs of a data set in memory, such as a ``torch.utils.data.Dataset``.

    Every pair is read once to gather labels and lengths, and again when it is asked for.

    - data: with ``len()`` and ``data[i]``
    - as_sample: makes a sample of a pair's array
    """

    def __init__(self, data: Any, name: str, as_sample: Callable[[Any, str], Any]):
        self.name, self._data, self._as_sample = name, data, as_sample
        self.origins = frozenset({id(data)})
        labels = []
        self.longest = 0
        for index in range(len(data)):
            found, label = self._pair(index)
            labels.append(np.asarray(label))
            if isinstance(found, np.ndarray):
                self.longest = max(self.longest, len(found))
                self.n_channels = self.n_channels or found.shape[1]
        if not labels:
            raise DataError(f"{name}: holds no samples")
        shapes = {label.shape for label in labels}
        if len(shapes) > 1:
            raise DataError(f"{name}: its labels have different shapes, {sorted(shapes)}")
        self.labels = as_column(np.stack(labels), len(labels))
        self.longest = self.longest or None

    def _pair(self, index: int) -> tuple[Any, Any]:
        pair = self._data[index]
        if not (isinstance(pair, tuple | list) and len(pair) == 2):
            raise DataError(f"{self.at(index)}: expected a pair (array, label)")
        return self._as_sample(pair[0], self.at(index)), pair[1]

    def read(self, index: int) -> Any:
        """See :class:`Samples`."""
        return self._pair(index)[0]


def signal_of(array: Any, at: str) -> npt.NDArray[Any]:
    """An array of a data set as a signal, (time, channel); one without channels has one."""
    signal = np.asarray(array)
    signal = signal[:, None] if signal.ndim == 1 else signal
    if signal.ndim != 2 or signal.dtype.kind not in NUMBERS or 0 in signal.shape:
        raise DataError(
            f"{at}: an array of {signal.dtype} of shape {signal.shape}, expected numbers, (time, channel)"
        )
    return signal


def check_finite(numbers: npt.NDArray[Any], what: str) -> None:
    """Refuse NaN and infinity: DataError names ``what`` and the index of the first."""
    wrong = ~np.isfinite(numbers)
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise DataError(
            f"{what}[{', '.join(map(str, at))}] is {numbers[at]}, expected a finite number; mend or remove it"
        )


def texts(array: npt.NDArray[Any], what: str) -> tuple[str, ...]:
    """Names as texts, in C order, whether a file has them as bytes, texts or numbers.

    - what: the file and what the names are of, for messages; DataError over bytes that are not UTF-8
    """
    return tuple(
        _decoded(each, what, place, array.shape) if isinstance(each, bytes) else str(each)
        for place, each in enumerate(array.ravel().tolist())
    )


def _decoded(name: bytes, what: str, place: int, shape: tuple[int, ...]) -> str:
    """Bytes as text: never with characters replaced, since two names would become one."""
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError as error:
        index = [int(i) for i in np.unravel_index(place, shape)]
        raise DataError(
            f"{what}{index} is {name!r}, which is not UTF-8; save it as that"
        ) from error


def as_column(array: npt.NDArray[Any], n: int) -> npt.NDArray[Any]:
    """One entry for each of n samples, (n,), also where a file has it as (n, 1) or MATLAB's (1, n)."""
    one_each = array.ndim == 2 and sorted(array.shape) == sorted((1, n))
    return array.reshape(n) if one_each else array


def groups_of(array: npt.NDArray[Any], n: int, what: str) -> tuple[str, ...]:
    """The group of each of n samples; DataError over an array that says something else."""
    array = _one_each(array, n, what)
    if array.ndim != 1:
        raise DataError(f"{what}: has shape {array.shape}, expected one name a sample, ({n},)")
    if array.dtype.kind in "fc":
        check_finite(array, what)
    return texts(array, what)


def missing(path: Path, name: str, there: Iterable[str]) -> DataError:
    """The error over an array that is not in a file."""
    known = in_a_line(", ".join(there) or "none")
    return DataError(f"{path}: holds no array {name!r}; there are {known}")


def files_read(files: Iterable[Path]) -> frozenset[Any]:
    """What tells files apart, whatever their names: links lead to the same one."""
    found = (file.stat() for file in files)
    return frozenset((each.st_dev, each.st_ino) for each in found)


def _one_each(array: npt.NDArray[Any], n: int, what: str) -> npt.NDArray[Any]:
    """An array with a row for each of n samples."""
    array = as_column(array, n)
    if array.ndim == 0 or len(array) != n:
        rows = 0 if array.ndim == 0 else len(array)
        raise DataError(f"{what}: {rows} of them for {n} samples, expected one each")
    return array
