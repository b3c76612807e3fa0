"""What a task is: spikes in, and the windows in time where the readout is judged.

NumPy only: a machine without torch can make the same batches and score a network's readout.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from lsnn_neuro.errors import DataError

Split = Literal["validation", "test"]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Windows:
    """Where in time which sample is judged; all arrays have shape (decision,).

    - sample: index of the sample within its batch
    - start, stop: the window of readout steps [start, stop)
    """

    sample: IntArray
    start: IntArray
    stop: IntArray

    def __post_init__(self) -> None:
        """Check shapes and ranges; keep read-only int64 copies."""
        for name in ("sample", "start", "stop"):
            self._keep_indices(name)
        lengths = [len(self.sample), len(self.start), len(self.stop)]
        if len(set(lengths)) != 1:
            raise DataError(
                "decisions: sample, start and stop have lengths "
                f"{', '.join(map(str, lengths))}, expected equal ones"
            )
        if len(self) and min(self.sample.min(), self.start.min()) < 0:
            raise DataError("decisions: sample and start must be at least 0")
        if (self.start >= self.stop).any():
            first = int(np.argmax(self.start >= self.stop))
            raise DataError(
                f"decision {first}: its window [{self.start[first]}, {self.stop[first]}) is empty; "
                "start must be below stop"
            )

    def _keep_indices(self, name: str) -> None:
        given = np.asarray(getattr(self, name))
        if given.ndim != 1 or not (np.issubdtype(given.dtype, np.integer) or given.size == 0):
            raise DataError(
                f"decisions: {name} is {given.dtype} of shape {given.shape}, "
                "expected integers of shape (decision,)"
            )
        self._keep(name, given.astype(np.int64))

    def _keep(self, name: str, array: npt.NDArray[Any]) -> None:
        array.setflags(write=False)
        object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.sample)


@dataclass(frozen=True, kw_only=True, eq=False)
class Decisions(_Windows):
    """Choices between classes: the output with the largest sum over the window is chosen.

    A sample may be judged once (a digit), many times (every recall, every frame of speech) or not
    at all.

    - target: index of the right output, shape (decision,)
    - group: the decision that each window belongs to, where several windows, maybe of several samples,
      add up to one; shape (window,). By default each window is a decision
    - scored_as: what each output counts as when it is scored, shape (output,), for tasks that train
      finer classes than they score (phones); by default every output counts as itself
    """

    target: IntArray
    scored_as: IntArray | None = None
    group: IntArray | None = None

    def __post_init__(self) -> None:
        """Check shapes and ranges; keep read-only int64 copies."""
        super().__post_init__()
        self._keep_indices("target")
        if self.group is not None:
            self._keep_indices("group")
            found = np.unique(self.group)
            if len(self.group) != len(self) or not np.array_equal(
                found, np.arange(len(self.target))
            ):
                raise DataError(
                    f"decisions: groups {found[:1]} to {found[-1:]} of {len(self.group)} windows for "
                    f"{len(self)} windows and {len(self.target)} targets; each target needs a group"
                )
        elif len(self.target) != len(self):
            raise DataError(
                f"decisions: {len(self.target)} targets for {len(self)} windows, expected one each"
            )
        if len(self) and self.target.min() < 0:
            raise DataError("decisions: target must be at least 0")
        if self.scored_as is not None:
            self._keep_indices("scored_as")
            if len(self) and self.target.max() >= len(self.scored_as):
                raise DataError(
                    f"decisions: target {self.target.max()}, but scored_as names "
                    f"{len(self.scored_as)} outputs; it must name all of them"
                )

    def right(self, decided: IntArray) -> npt.NDArray[np.bool_]:
        """Which decisions are right if these outputs were chosen; both of shape (decision,)."""
        target = self.target
        if self.scored_as is not None:
            decided, target = self.scored_as[decided], self.scored_as[target]
        right: npt.NDArray[np.bool_] = decided == target
        return right


@dataclass(frozen=True, kw_only=True, eq=False)
class Estimates(_Windows):
    """Numbers to be told: the mean readout over the window is the answer.

    - target: the right answer, shape (decision, output)
    - sigmoid: the answer is s(4 m - 2), s(u) = 1 / (1 + exp(-u)), of the mean readout m: a number
      between 0 and 1, and nearly m where m is near 1/2
    - hints: what further outputs learn to tell, shape (decision, hint). A help in training (an
      auxiliary task), not judged
    """

    target: FloatArray
    sigmoid: bool = False
    hints: FloatArray | None = None

    def __post_init__(self) -> None:
        """Check shapes and ranges; keep read-only copies."""
        super().__post_init__()
        for name in ("target", "hints"):
            if (given := getattr(self, name)) is None:
                continue
            numbers = np.array(given, np.float64)
            if numbers.ndim != 2 or len(numbers) != len(self) or not np.isfinite(numbers).all():
                raise DataError(
                    f"estimates: {name} has shape {numbers.shape}, expected finite numbers of shape "
                    f"({len(self)}, output)"
                )
            self._keep(name, numbers)

    def lesson(self) -> FloatArray:
        """All that the outputs learn to tell: target and hints, shape (decision, output)."""
        return self.target if self.hints is None else np.hstack([self.target, self.hints])

    def answers(self, means: FloatArray) -> FloatArray:
        """What is judged, shape (decision, output), from the mean readouts (decision, all outputs)."""
        judged: FloatArray = means[:, : self.target.shape[1]]
        return expit(4 * judged - 2) if self.sigmoid else judged


@dataclass(frozen=True, kw_only=True, eq=False)
class Transcripts(_Windows):
    """Sequences to be told, without saying when: each window tells a class, or nothing.

    Windows stand in the order of time, sample after sample. The largest output of a window is told;
    the same again in the next window is no news, and the last output says nothing (the blank of
    connectionist temporal classification).

    - labels: the right sequence of each sample, without equal neighbours
    - scored_as: as in :class:`Decisions`, without the blank
    """

    labels: tuple[IntArray, ...]
    scored_as: IntArray | None = None

    def __post_init__(self) -> None:
        """Check shapes and ranges; keep read-only copies."""
        super().__post_init__()
        if len(self) and self.sample.max() >= len(self.labels):
            raise DataError(
                f"transcripts: a window of sample {self.sample.max()}, but there are "
                f"{len(self.labels)} sequences of labels; every sample needs one"
            )
        if (np.diff(self.sample) < 0).any():
            raise DataError("transcripts: windows must stand sample after sample")
        if self.scored_as is not None:
            self._keep_indices("scored_as")

    def told(self, chosen: IntArray, blank: int) -> list[list[int]]:
        """What is told in each sample, if these outputs are the largest of each window."""
        ends = np.searchsorted(self.sample, np.arange(len(self.labels) + 1))
        return [
            self._scored([c for c, _ in itertools.groupby(chosen[a:b].tolist()) if c != blank])
            for a, b in itertools.pairwise(ends.tolist())
        ]

    def right(self) -> list[list[int]]:
        """What ought to be told in each sample."""
        return [self._scored(labels.tolist()) for labels in self.labels]

    def _scored(self, sequence: list[int]) -> list[int]:
        """Classes as they are scored; of equal neighbours one."""
        if self.scored_as is not None:
            sequence = self.scored_as[np.array(sequence, np.int64)].tolist()
        return [label for label, _ in itertools.groupby(sequence)]


Asked = Decisions | Estimates | Transcripts


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Input spikes of some samples and what is asked of them.

    - inputs: bool, shape (time, sample, input)
    - decisions: their samples and windows lie within ``inputs``
    """

    inputs: npt.NDArray[np.bool_]
    decisions: Asked

    def __post_init__(self) -> None:
        """Check that the inputs are spikes and that every decision lies within them."""
        if self.inputs.dtype != np.bool_ or self.inputs.ndim != 3:
            raise DataError(
                f"batch: inputs are {self.inputs.dtype} of shape {self.inputs.shape}, "
                "expected bool of shape (time, sample, input)"
            )
        _check_within(self.decisions, self.n_steps, self.size)

    @property
    def n_steps(self) -> int:
        """Number of time steps."""
        return self.inputs.shape[0]

    @property
    def size(self) -> int:
        """Number of samples."""
        return self.inputs.shape[1]


class Task(Protocol):
    """A source of batches, all of ``n_steps`` steps and ``n_inputs`` inputs."""

    name: str
    n_inputs: int
    n_outputs: int
    n_steps: int

    def train_batch(self, size: int, rng: np.random.Generator) -> Batch:
        """``size`` training samples drawn at random by ``rng``, which is all the state there is."""

    def batches(self, split: Split, size: int, limit: int | None = None) -> Iterator[Batch]:
        """The first ``limit`` samples of a split (None: all), ``size`` at a time, always the same.

        The last batch may be smaller.
        """

    def n_samples(self, split: Split) -> int:
        """Number of samples in a split."""


def check_size(size: int) -> None:
    """Refuse a batch of less than one sample."""
    if size < 1:
        raise DataError(f"a batch of {size} samples; must be at least 1")


def check_split(split: str) -> None:
    """Refuse what is no held-out split."""
    if split not in ("validation", "test"):
        raise DataError(f"split {split!r}: allowed are 'validation' and 'test'")


def sample_ranges(n_samples: int, size: int, limit: int | None) -> Iterator[range]:
    """The samples of each batch: the first ``limit`` of a split, ``size`` at a time."""
    if size < 1 or (limit is not None and limit < 1):
        raise DataError(f"batches of {size} samples, limit {limit}: both must be at least 1")
    end = n_samples if limit is None else min(limit, n_samples)
    for first in range(0, end, size):
        yield range(first, min(first + size, end))


def logits(readout: npt.NDArray[Any], decisions: Asked) -> npt.NDArray[Any]:
    """Sum of the readout over each decision's window.

    - readout: shape (time, sample, output), integers or floats
    - returns: shape (decision, output); exact int64 for integers, float64 for floats
    """
    if readout.ndim != 3:
        raise DataError(
            f"readout has shape {readout.shape}, expected three axes (time, sample, output)"
        )
    if not (np.issubdtype(readout.dtype, np.integer) or np.issubdtype(readout.dtype, np.floating)):
        raise DataError(f"readout is {readout.dtype}, expected integers or floats")
    _check_within(decisions, readout.shape[0], readout.shape[1])
    exact = np.issubdtype(readout.dtype, np.integer)
    dtype = np.int64 if exact else np.float64
    sums = np.empty((len(decisions), readout.shape[2]), dtype)  # (decision, output)
    windows = np.stack([decisions.start, decisions.stop], axis=1)
    for start, stop in np.unique(windows, axis=0):  # few: decisions share their windows
        here = (decisions.start == start) & (decisions.stop == stop)
        window = readout[start:stop, decisions.sample[here]]  # (step, decision, output)
        sums[here] = window.sum(axis=0, dtype=dtype)
    if isinstance(decisions, Decisions) and decisions.group is not None:
        joined = np.zeros((len(decisions.target), readout.shape[2]), dtype)
        np.add.at(joined, decisions.group, sums)
        return joined
    return sums


def _check_within(decisions: _Windows, n_steps: int, n_samples: int) -> None:
    """Refuse decisions that lie outside an array of so many steps and samples."""
    if len(decisions) == 0:
        return
    if decisions.sample.max() >= n_samples:
        raise DataError(
            f"a decision judges sample {decisions.sample.max()} of a batch of {n_samples}"
        )
    if decisions.stop.max() > n_steps:
        raise DataError(f"a decision's window ends at step {decisions.stop.max()} of {n_steps}")
