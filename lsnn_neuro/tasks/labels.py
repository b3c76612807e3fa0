"""Labels: what a network should answer, and when. Every kind knows its loss and its score.

NumPy only; torch comes in with the losses, which it differentiates.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein
from scipy.special import expit

from lsnn_neuro.errors import DataError
from lsnn_neuro.tasks.encoder import decision_windows
from lsnn_neuro.tasks.score import ACCURACY, ERROR_RATE, SQUARED_ERROR, Score

if TYPE_CHECKING:
    from torch import Tensor
    from typing_extensions import Self

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Loss = tuple["Tensor", dict[str, float]]
"""A loss that can be differentiated, and more to log."""


class Labels(ABC):
    """What a network should answer to a batch."""

    @abstractmethod
    def loss(self, readout: Tensor, *, scale: float) -> Loss:
        """The loss of a readout, (time, sample, output); ``scale``: factor on logits, see the recipe."""

    @abstractmethod
    def score(self, readout: npt.NDArray[Any]) -> Score:
        """The score of a readout, (time, sample, output), offsets included."""

    def decision(self) -> dict[str, Any]:
        """How a decision is read from the readout, as JSON values for an artifact."""
        return {"labels": type(self).__name__}

    @abstractmethod
    def check_within(self, n_steps: int, n_samples: int) -> None:
        """Refuse labels that lie outside a batch of ``n_steps`` steps and ``n_samples`` samples."""


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowLabels(Labels):
    """Labels that are answered in windows of time; all arrays have shape (decision,).

    - sample: index of the sample within its batch
    - start, stop: the window of readout steps [start, stop)
    """

    rule: ClassVar[str] = "sum of the readout over the window"

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
                "labels: sample, start and stop have lengths "
                f"{', '.join(map(str, lengths))}, expected equal ones"
            )
        if len(self) and min(self.sample.min(), self.start.min()) < 0:
            raise DataError("labels: sample and start must be at least 0")
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
                f"labels: {name} is {given.dtype} of shape {given.shape}, "
                "expected integers of shape (decision,)"
            )
        self._keep(name, given.astype(np.int64))

    def _keep(self, name: str, array: npt.NDArray[Any]) -> None:
        array.setflags(write=False)
        object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.sample)

    @classmethod
    def side_by_side(cls, parts: Sequence[Self], sizes: Sequence[int]) -> Self:
        """The labels of several batches in one; ``sizes``: their numbers of samples."""
        first = np.cumsum([0, *sizes[:-1]])
        moved = [replace(p, sample=p.sample + n) for p, n in zip(parts, first, strict=True)]
        joined: dict[str, Any] = {
            f.name: np.concatenate([getattr(one, f.name) for one in moved])
            for f in fields(moved[0])
            if isinstance(getattr(moved[0], f.name), np.ndarray)
        }
        return replace(moved[0], **joined)

    def check_within(self, n_steps: int, n_samples: int) -> None:
        """Refuse labels that lie outside a batch of ``n_steps`` steps and ``n_samples`` samples."""
        if len(self) == 0:
            return
        if self.sample.max() >= n_samples:
            raise DataError(f"a label of sample {self.sample.max()} of a batch of {n_samples}")
        if self.stop.max() > n_steps:
            raise DataError(f"a label's window ends at step {self.stop.max()} of {n_steps}")

    def decision(self) -> dict[str, Any]:
        """How a decision is read: by what rule, over which windows [start, stop) of steps."""
        windows = decision_windows(self.start, self.stop)
        return {"labels": type(self).__name__, "rule": self.rule, "windows": windows}

    def sums(self, readout: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Sum of the readout over each window.

        - readout: shape (time, sample, output), integers or floats
        - returns: shape (decision, output); exact int64 for integers, float64 for floats
        """
        if readout.ndim != 3:
            raise DataError(
                f"readout has shape {readout.shape}, expected three axes (time, sample, output)"
            )
        exact = np.issubdtype(readout.dtype, np.integer)
        if not (exact or np.issubdtype(readout.dtype, np.floating)):
            raise DataError(f"readout is {readout.dtype}, expected integers or floats")
        self.check_within(readout.shape[0], readout.shape[1])
        dtype = np.int64 if exact else np.float64
        sums = np.empty((len(self), readout.shape[2]), dtype)
        lengths = self.stop - self.start
        for length in np.unique(lengths):  # few, where the windows of speech are hundreds
            here = np.flatnonzero(lengths == length)
            steps = self.start[here] + np.arange(length)[:, None]  # (step, decision)
            window = readout[steps, self.sample[here]]  # (step, decision, output)
            sums[here] = window.sum(axis=0, dtype=dtype)
        return sums

    def means(self, readout: Tensor) -> Tensor:
        """Mean readout over each window, shape (decision, output); differentiable."""
        import torch

        _, n_samples, n_outputs = readout.shape
        rows = readout.reshape(-1, n_outputs)  # (step and sample, output)
        lengths = self.stop - self.start
        means = readout.new_zeros(len(self), n_outputs)
        for length in np.unique(lengths):  # few, where the windows of speech are hundreds
            here = np.flatnonzero(lengths == length)
            steps = self.start[here] + np.arange(length)[:, None]  # (step, decision)
            at = torch.from_numpy(steps * n_samples + self.sample[here]).to(readout.device)
            windows = rows.index_select(0, at.ravel()).reshape(*at.shape, n_outputs)
            decisions = torch.from_numpy(here).to(readout.device)
            means = means.index_copy(0, decisions, windows.mean(dim=0))
        return means


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassLabels(WindowLabels):
    """Choices between classes: the output with the largest sum over the window is chosen.

    A sample may have one label (a digit), many (every recall, every frame of speech) or none.

    - target: index of the correct output, shape (decision,)
    - group: the decision that each window belongs to, where several windows, maybe of several samples,
      add up to one; shape (window,). By default each window is a decision
    - class_map: what each output counts as when it is scored, shape (output,), for tasks that train
      finer classes than they score (phones); by default every output counts as itself
    - beside: the same readout scored by other labels too, by name; they are not trained
    """

    rule = "the output with the largest sum over the window"

    target: IntArray
    class_map: IntArray | None = None
    group: IntArray | None = None
    beside: Mapping[str, ClassLabels] = field(default_factory=dict)

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
                    f"labels: groups {found[:1]} to {found[-1:]} of {len(self.group)} windows for "
                    f"{len(self)} windows and {len(self.target)} targets; each target needs a group"
                )
        elif len(self.target) != len(self):
            raise DataError(
                f"labels: {len(self.target)} targets for {len(self)} windows, expected one each"
            )
        if len(self) and self.target.min() < 0:
            raise DataError("labels: target must be at least 0")
        if self.class_map is not None:
            self._keep_indices("class_map")
            if len(self) and self.target.max() >= len(self.class_map):
                raise DataError(
                    f"labels: target {self.target.max()}, but class_map names "
                    f"{len(self.class_map)} outputs; it must name all of them"
                )

    @classmethod
    def at_the_end(cls, target: IntArray, *, n_steps: int, decision_steps: int) -> ClassLabels:
        """One decision per sample, over the last ``decision_steps`` of ``n_steps``."""
        n = len(target)
        return cls(
            sample=np.arange(n), start=np.full(n, n_steps - decision_steps),
            stop=np.full(n, n_steps), target=target,
        )  # fmt: skip

    @classmethod
    def side_by_side(cls, parts: Sequence[Self], sizes: Sequence[int]) -> Self:
        """See :class:`WindowLabels`; what is scored beside them is put side by side too."""
        beside = {
            name: ClassLabels.side_by_side([part.beside[name] for part in parts], sizes)
            for name in parts[0].beside
        }
        return replace(super().side_by_side(parts, sizes), beside=beside)

    def check_within(self, n_steps: int, n_samples: int) -> None:
        """See :class:`WindowLabels`."""
        super().check_within(n_steps, n_samples)
        for labels in self.beside.values():
            labels.check_within(n_steps, n_samples)

    def correct(self, chosen: IntArray) -> npt.NDArray[np.bool_]:
        """Which decisions are correct if these outputs were chosen; both of shape (decision,)."""
        target = self.target
        if self.class_map is not None:
            chosen, target = self.class_map[chosen], self.class_map[target]
        correct: npt.NDArray[np.bool_] = chosen == target
        return correct

    def sums(self, readout: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Sum of the readout over each decision's windows."""
        sums = super().sums(readout)
        if self.group is None:
            return sums
        joined = np.zeros((len(self.target), readout.shape[2]), sums.dtype)
        np.add.at(joined, self.group, sums)
        return joined

    def means(self, readout: Tensor) -> Tensor:
        """Mean readout over each window, added up over a decision's windows; differentiable."""
        import torch

        means = super().means(readout)
        if self.group is None:
            return means
        group = torch.from_numpy(self.group.copy()).to(readout.device)
        return means.new_zeros(len(self.target), means.shape[1]).index_add(0, group, means)

    def loss(self, readout: Tensor, *, scale: float) -> Loss:
        """Cross-entropy of the means over the windows."""
        import torch

        means = self.means(readout)
        _check_outputs(self.target.max(initial=-1) + 1, means.shape[1])
        target = torch.from_numpy(self.target.copy()).to(readout.device)
        value = torch.nn.functional.cross_entropy(scale * means, target)
        correct = self.correct(means.argmax(1).cpu().numpy())
        return value, {ACCURACY.name: float(correct.mean())}

    def each(self, readout: npt.NDArray[Any]) -> FloatArray:
        """1 for every correct decision, else 0."""
        sums = self.sums(readout)
        if self.class_map is not None and sums.shape[1] != len(self.class_map):
            raise DataError(
                f"a readout of {sums.shape[1]} outputs for a task of {len(self.class_map)} classes; "
                "score a network on the labels it was trained on"
            )
        _check_outputs(self.target.max(initial=-1) + 1, sums.shape[1])
        return self.correct(sums.argmax(axis=1)).astype(np.float64)

    def score(self, readout: npt.NDArray[Any]) -> Score:
        """The number of correct decisions."""
        each = self.each(readout)
        return Score(
            metric=ACCURACY, samples=readout.shape[1], decisions=len(each), total=float(each.sum()),
            beside={name: labels.score(readout) for name, labels in self.beside.items()},
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class ValueLabels(WindowLabels):
    """Numbers to be predicted: the mean readout over the window is the prediction.

    - target: the correct number, shape (decision, output)
    - sigmoid: the prediction is s(4 m - 2), s(u) = 1 / (1 + exp(-u)), of the mean readout m: a number
      between 0 and 1, and nearly m where m is near 1/2
    - auxiliary: what further outputs learn to predict, shape (decision, output). A help in training (an
      auxiliary task), not scored
    """

    rule = "the mean of the readout over the window"

    target: FloatArray
    sigmoid: bool = False
    auxiliary: FloatArray | None = None

    def __post_init__(self) -> None:
        """Check shapes and ranges; keep read-only copies."""
        super().__post_init__()
        for name in ("target", "auxiliary"):
            if (given := getattr(self, name)) is None:
                continue
            numbers = np.array(given, np.float64)
            if numbers.ndim != 2 or len(numbers) != len(self) or not np.isfinite(numbers).all():
                raise DataError(
                    f"labels: {name} has shape {numbers.shape}, expected finite numbers of shape "
                    f"({len(self)}, output)"
                )
            self._keep(name, numbers)

    def all_targets(self) -> FloatArray:
        """All that the outputs learn to predict: target and auxiliary, shape (decision, output)."""
        return self.target if self.auxiliary is None else np.hstack([self.target, self.auxiliary])

    def predictions(self, means: FloatArray) -> FloatArray:
        """What is scored, shape (decision, output), of the mean readouts (decision, all outputs)."""
        scored: FloatArray = means[:, : self.target.shape[1]]
        return expit(4 * scored - 2) if self.sigmoid else scored

    def loss(self, readout: Tensor, *, scale: float) -> Loss:
        """Squared error of all targets."""
        import torch

        means = self.means(readout)
        _check_outputs(self.all_targets().shape[1], means.shape[1])
        if self.sigmoid:
            scored, auxiliary = means.tensor_split([self.target.shape[1]], dim=1)
            means = torch.cat([torch.sigmoid(4 * scored - 2), auxiliary], dim=1)
        targets = torch.from_numpy(self.all_targets().copy()).to(readout.device, means.dtype)
        return torch.nn.functional.mse_loss(means, targets), {}

    def each(self, readout: npt.NDArray[Any]) -> FloatArray:
        """The squared error of every decision, mean over its outputs."""
        means = self.sums(readout) / (self.stop - self.start)[:, None]
        _check_outputs(self.target.shape[1], means.shape[1])
        errors: FloatArray = np.square(self.predictions(means) - self.target).mean(axis=1)
        return errors

    def score(self, readout: npt.NDArray[Any]) -> Score:
        """The sum of squared errors."""
        each, n = self.each(readout), readout.shape[1]
        return Score(metric=SQUARED_ERROR, samples=n, decisions=len(each), total=float(each.sum()))


@dataclass(frozen=True, kw_only=True, eq=False)
class SequenceLabels(WindowLabels):
    """Sequences of classes, without saying when: each window gives a class, or nothing.

    Windows stand in the order of time, sample after sample. The largest output of a window is chosen;
    the same again in the next window is no news, and the last output says nothing (the blank of
    connectionist temporal classification).

    - labels: the reference sequence of each sample, without equal neighbours
    - class_map: as in :class:`ClassLabels`, without the blank
    """

    rule = (
        "the output with the largest sum over each window, repetitions and the last output left out"
    )

    labels: tuple[IntArray, ...]
    class_map: IntArray | None = None

    def __post_init__(self) -> None:
        """Check shapes and ranges; keep read-only copies."""
        super().__post_init__()
        if len(self) and self.sample.max() >= len(self.labels):
            raise DataError(
                f"labels: a window of sample {self.sample.max()}, but there are "
                f"{len(self.labels)} sequences; every sample needs one"
            )
        if (np.diff(self.sample) < 0).any():
            raise DataError("labels: windows must stand sample after sample")
        if self.class_map is not None:
            self._keep_indices("class_map")

    def _check_labels(self, n_outputs: int) -> None:
        """Every label needs an output, and the blank one more."""
        largest = max((int(one.max(initial=-1)) for one in self.labels), default=-1)
        _check_outputs(largest + 2, n_outputs)

    def decode(self, chosen: IntArray, blank: int) -> list[list[int]]:
        """The sequence of each sample, if these outputs are the largest of each window."""
        ends = np.searchsorted(self.sample, np.arange(len(self.labels) + 1))
        return [
            self._scored([c for c, _ in itertools.groupby(chosen[a:b].tolist()) if c != blank])
            for a, b in itertools.pairwise(ends.tolist())
        ]

    def reference(self) -> list[list[int]]:
        """The reference sequence of each sample, as it is scored."""
        return [self._scored(labels.tolist()) for labels in self.labels]

    def _scored(self, sequence: list[int]) -> list[int]:
        """Classes as they are scored; of equal neighbours one."""
        if self.class_map is not None:
            sequence = self.class_map[np.array(sequence, np.int64)].tolist()
        return [label for label, _ in itertools.groupby(sequence)]

    def loss(self, readout: Tensor, *, scale: float) -> Loss:
        """Connectionist temporal classification of the means over the windows."""
        return self.likelihood_loss(scale * self.means(readout)), {}

    def likelihood_loss(self, logits: Tensor) -> Tensor:
        """Minus the log-likelihood of the reference sequences, per label.

        - logits: of each window, (decision, output); the last output is the blank

        Source: Graves et al. 2006, "Connectionist temporal classification", as torch computes it.
        """
        import torch

        self._check_labels(logits.shape[1])
        counts = np.bincount(self.sample, minlength=len(self.labels))
        log_p = torch.split(torch.nn.functional.log_softmax(logits, dim=1), counts.tolist())
        labels = torch.from_numpy(np.concatenate([np.zeros(0, np.int64), *self.labels]))
        return torch.nn.functional.ctc_loss(
            torch.nn.utils.rnn.pad_sequence(list(log_p)),  # (window, sample, output)
            labels.to(logits.device),
            torch.from_numpy(counts),
            torch.tensor([len(one) for one in self.labels]),
            blank=logits.shape[1] - 1,
            zero_infinity=True,  # more labels than windows
        )

    def score(self, readout: npt.NDArray[Any]) -> Score:
        """Insertions, deletions and substitutions that lead from the decoded sequences to the reference."""
        sums = self.sums(readout)
        blank = sums.shape[1] - 1
        if self.class_map is not None and blank != len(self.class_map):
            raise DataError(
                f"a readout of {blank + 1} outputs for a task of {len(self.class_map)} classes and the "
                "blank; score a network on the labels it was trained on"
            )
        self._check_labels(sums.shape[1])
        reference = self.reference()
        decoded = self.decode(sums.argmax(axis=1), blank)
        edits = sum(Levenshtein.distance(a, b) for a, b in zip(decoded, reference, strict=True))
        return Score(
            metric=ERROR_RATE, samples=readout.shape[1],
            decisions=sum(map(len, reference)), total=float(edits),
        )  # fmt: skip


def _check_outputs(needed: int, n_outputs: int) -> None:
    """Refuse a network of fewer outputs than the labels name."""
    if needed > n_outputs:
        raise DataError(f"labels: they need {needed} outputs, the network has {n_outputs}")
