"""Labelled samples of a file, a folder or a data set in memory, read one at a time as they are needed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

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
    """

    name: str
    labels: npt.NDArray[Any]
    groups: tuple[str, ...] | None = None
    class_names: tuple[str, ...] = ()
    n_channels: int = 0
    longest: int | None = None

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
            self.groups = texts(_one_each(groups, inputs.shape[0], f"{name}: groups"))
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
        self.labels = np.stack(labels)
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


def texts(array: npt.NDArray[Any]) -> tuple[str, ...]:
    """Names as texts, whether a file has them as bytes, texts or numbers."""
    return tuple(
        each.decode("utf-8", "replace") if isinstance(each, bytes) else str(each)
        for each in array.tolist()
    )


def _one_each(array: npt.NDArray[Any], n: int, what: str) -> npt.NDArray[Any]:
    """An array with a row for each of n samples; MATLAB's (1, n) and (n, 1) are (n,)."""
    if array.ndim == 2 and sorted(array.shape) == sorted((1, n)):
        array = array.reshape(n)
    if array.ndim == 0 or len(array) != n:
        rows = 0 if array.ndim == 0 else len(array)
        raise DataError(f"{what}: {rows} of them for {n} samples, expected one each")
    return array
