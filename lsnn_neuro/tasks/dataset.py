"""Tasks made of labelled samples, whatever file or data set they come from: splits, labels, batches."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from lsnn_neuro.arrays import Events
from lsnn_neuro.data.samples import Samples, texts
from lsnn_neuro.data.splits import Part, Rule, described, split
from lsnn_neuro.errors import DataError
from lsnn_neuro.tasks.augmentation import augment, check_shifts
from lsnn_neuro.tasks.dataset_config import DatasetConfig
from lsnn_neuro.tasks.labels import ClassLabels, ValueLabels
from lsnn_neuro.tasks.targets import (
    MOST_OUTPUTS,
    UNLABELLED,
    absent_classes,
    check_classes,
    check_names,
    class_targets,
    count_classes,
    number_targets,
)
from lsnn_neuro.tasks.task import (
    Batch,
    IntArray,
    Split,
    SupervisedTask,
    check_batch_size,
    check_split,
    sample_ranges,
)

T = TypeVar("T", bound="DatasetTask")
KEPT = 2**27
"""Bytes of checked samples that are kept in memory; further ones are read whenever they are needed."""


class SampleEncoder(Protocol):
    """What these tasks need of an encoder, beside what artifacts need.

    - per_channel: inputs for each channel; n_inputs: of the network
    """

    @property
    def per_channel(self) -> int: ...  # noqa: D102
    @property
    def n_inputs(self) -> int: ...  # noqa: D102

    def checked(self, raw: Any, at: str) -> npt.NDArray[Any]:
        """A sample that can be encoded; DataError names the place ``at`` and the index of what can't."""

    def place(self, samples: Sequence[Any], rng: np.random.Generator | None = None) -> Events:
        """Inputs of checked samples, (time, sample, input)."""


class DatasetTask(SupervisedTask):
    """Samples of files, or of a data set in memory, with their labels as decisions.

    Training samples are drawn with replacement. Files are read a sample at a time, and each is checked
    when it is read: what does not fit is a DataError that names the file, the sample and the index.

    - splits: how the samples are split, in words
    - data_steps: steps with data; value_steps: for which a label of a step lasts
    """

    config: Any
    encoder: Any
    data_steps: int
    value_steps: int = 1

    def __init__(
        self, config: DatasetConfig, *, train: Any = None, validation: Any = None, test: Any = None
    ):
        """Find and split the samples; fit the encoder to the training ones.

        - train, validation, test: data sets in memory, of (array, label), that take the place of files; what
          is left out is held out of ``train`` as the settings say
        """
        self.config = config
        in_memory = {"train": train, "validation": validation, "test": test}
        given = {name: self.in_memory(d, name) for name, d in in_memory.items() if d is not None}
        if given and "train" not in given:
            raise DataError(f"task {self.name!r}: {', '.join(given)} without data to train on")
        base = given.get("train") or self.open(config.train)
        if base.groups is None and config.groups is not None:
            raise DataError(f"{base.name}: has no groups; leave task.groups out")
        rules: dict[str, Rule] = {
            name: given.get(name) or getattr(config, name) for name in ("test", "validation")
        }
        self._parts = split(base, rules, self.open, seed=config.split_seed)
        self._set_encoder(self.fit(base, self._parts["train"]))
        channels = self.n_inputs // self.encoder.per_channel
        check_shifts(config, channels, self.n_steps, f"task {self.name!r}")
        self._set_targets(self._names(base))
        self._leave_out_unlabelled()
        self.splits = described(self._parts) + self._without_samples()
        if config.decision_steps is not None and config.decision_steps > self.n_steps:
            raise DataError(
                f"task {self.name!r}: task.decision_steps = {config.decision_steps}, but there are only "
                f"{self.n_steps} steps"
            )

    # --- what a kind of data brings --------------------------------------------------------------

    @abstractmethod
    def open(self, name: str | None) -> Samples:
        """The samples of a file or folder in task.data; None: of task.data itself."""

    @abstractmethod
    def in_memory(self, data: Any, name: str) -> Samples:
        """The samples of a data set in memory."""

    @abstractmethod
    def fit(self, base: Samples, train: Part) -> SampleEncoder:
        """The encoder, fitted to the training samples; sets data_steps and value_steps."""

    def first_step(self, n_values: int) -> int:
        """The step in which so many values begin."""
        return 0

    # --- batches ---------------------------------------------------------------------------------

    def n_samples(self, split: Split) -> int:
        """Number of samples in a split."""
        check_split(split)
        return len(self._parts[split])

    def train_batch(self, batch_size: int, rng: np.random.Generator) -> Batch:
        """``batch_size`` training samples drawn at random, with replacement."""
        check_batch_size(batch_size)
        part = self._parts["train"]
        return self._batch(part, part.index[rng.integers(len(part), size=batch_size)], rng)

    def batches(
        self, split: Split, batch_size: int, max_samples: int | None = None
    ) -> Iterator[Batch]:
        """The first ``max_samples`` samples of a split (None: all), ``batch_size`` at a time."""
        part = self._parts[split]
        for some in sample_ranges(self.n_samples(split), batch_size, max_samples):
            yield self._batch(part, part.index[some.start : some.stop])

    def _batch(self, part: Part, index: IntArray, rng: np.random.Generator | None = None) -> Batch:
        """Some samples as a batch; with ``rng`` for training."""
        inputs = self.encoder.place([self._read(part.samples, int(i)) for i in index], rng)
        if rng is not None:
            inputs = augment(inputs, self.config, rng, self.encoder.per_channel)
        if self.config.lag_steps:
            inputs = np.pad(inputs, ((0, self.config.lag_steps), (0, 0), (0, 0)))
        return Batch(inputs=inputs, labels=self._labels(self._targets[id(part.samples)][index]))

    def _read(self, samples: Samples, index: int) -> npt.NDArray[Any]:
        """A checked sample."""
        key = (id(samples), index)
        if key in self._kept:
            return self._kept[key]
        checked: npt.NDArray[Any] = self.encoder.checked(samples.read(index), samples.at(index))
        if checked.nbytes <= self._room:
            self._room -= checked.nbytes
            self._kept[key] = checked
        return checked

    # --- labels ----------------------------------------------------------------------------------

    def _names(self, base: Samples) -> tuple[str, ...]:
        """Names of the classes, as far as there are any."""
        if self.config.answer == "number":
            return ()
        if isinstance(self.config.classes, tuple):
            return self.config.classes
        if base.class_names or base.labels.dtype.kind not in "SU":
            return base.class_names
        return tuple(sorted({*texts(base.labels, f"{base.name}: labels")} - {""}))

    def _set_targets(self, names: tuple[str, ...]) -> None:
        """Make decisions of the labels of all samples; ``names`` of the classes."""
        asked, parts = self.config.asked, self._parts.values()
        make: Callable[[Samples], npt.NDArray[Any]] = (
            (lambda s: number_targets(s, asked))
            if asked.numbers
            else (lambda s: class_targets(s, asked, names))
        )
        sources = {id(p.samples): p.samples for p in parts}
        if not asked.numbers:
            check_names(tuple(sources.values()), names, said=names == self.config.classes)
        targets = {key: make(samples) for key, samples in sources.items()}
        self.class_names = names
        if asked.numbers:
            widths = {t.shape[-1] for t in targets.values()}
            if len(widths) > 1:
                raise DataError(
                    f"task {self.name!r}: labels of {sorted(widths)} numbers, expected one size"
                )
            self.n_outputs = widths.pop()
        else:
            self.n_outputs = self._n_classes(names, targets[id(self._parts["train"].samples)])
            for key, samples in sources.items():
                check_classes(samples, targets[key], self.n_outputs)
            if (also := self.config.unlabelled_also_as) is not None and also >= self.n_outputs:
                raise DataError(
                    f"task {self.name!r}: unlabelled_also_as is {also}, but there are {self.n_outputs} "
                    "classes"
                )
        if self.n_outputs > MOST_OUTPUTS:
            what = "numbers in a label" if asked.numbers else "classes"
            raise DataError(
                f"task {self.name!r}: {self.n_outputs} {what}, allowed are {MOST_OUTPUTS}; see task.labels"
            )
        if asked.each_step:
            targets = {key: self._in_steps(sources[key], t) for key, t in targets.items()}
        self._targets = targets

    def _n_classes(self, names: Sequence[str], classes: npt.NDArray[Any]) -> int:
        """The number of classes: said, named, one-hot, or one more than the largest that is trained on."""
        if isinstance(self.config.classes, int):
            return self.config.classes
        samples = self._parts["train"].samples
        if names:
            return len(names)
        one_hot = samples.labels.ndim > classes.ndim
        return samples.labels.shape[-1] if one_hot else count_classes(samples, classes)

    def _in_steps(self, samples: Samples, targets: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Labels of the steps that are shown."""
        found, most = targets.shape[1], self.data_steps // self.value_steps
        if samples.longest is not None and found != samples.longest:
            raise DataError(
                f"{samples.name}: labels of {found} steps, but the data have {samples.longest} in time; "
                "expected one a step"
            )
        if found > most and self.config.longer == "refuse":
            raise DataError(
                f"{samples.name}: labels of {found} steps, but task.steps has room for {most}; raise it, or "
                'cut what is too long: task.longer = "cut"'
            )
        return targets[:, :most]

    def _leave_out_unlabelled(self) -> None:
        """Samples without any label are in no split."""
        parts = {}
        for name, part in self._parts.items():
            labelled = self._labelled(self._targets[id(part.samples)][part.index])
            kept = part.index[labelled.reshape(len(labelled), -1).any(axis=1)]
            if not len(kept):
                raise DataError(f"task {self.name!r}: no sample of the {name} split has a label")
            left_out = len(part) - len(kept)
            about = (
                f"{part.about}, without {left_out} that have no label" if left_out else part.about
            )
            parts[name] = Part(samples=part.samples, index=kept, about=about)
        self._parts = parts

    def _without_samples(self) -> str:
        """The classes that no training sample has, in words; nothing where there are none."""
        if self.config.asked.numbers:
            return ""
        part = self._parts["train"]
        there = np.unique(self._targets[id(part.samples)][part.index])
        return absent_classes(there, self.n_outputs)

    def _labelled(self, targets: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Which decisions there are, (sample,) or (sample, time)."""
        if self.config.asked.numbers:
            return np.asarray(~np.isnan(targets).any(axis=-1))
        return np.asarray(targets != UNLABELLED)

    def _labels(self, targets: npt.NDArray[Any]) -> ClassLabels | ValueLabels:
        """The labels of a batch, of its targets: (sample, ...)."""
        asked = self.config.asked
        at = np.nonzero(self._labelled(targets))
        windows = self._windows(at, targets.shape)
        if asked.numbers:
            return ValueLabels(target=targets[at], **windows)
        if self.config.unlabelled_also_as is None:
            return ClassLabels(target=targets[at], **windows)
        whole = np.where(targets == UNLABELLED, self.config.unlabelled_also_as, targets)
        everywhere = np.nonzero(np.ones(targets.shape, np.bool_))
        counted = ClassLabels(target=whole[everywhere], **self._windows(everywhere, targets.shape))
        return ClassLabels(
            target=targets[at],
            beside={f"unlabelled_as_{self.config.unlabelled_also_as}": counted},
            **windows,
        )

    def _windows(self, at: tuple[IntArray, ...], shape: tuple[int, ...]) -> dict[str, Any]:
        """When decisions are read, by the sample (and step) of each; ``shape`` of all targets."""
        if not self.config.asked.each_step:
            start = self.n_steps - (self.config.decision_steps or self.n_steps)
            ends = np.full_like(at[0], self.n_steps)
            return {"sample": at[0], "start": np.full_like(at[0], start), "stop": ends}
        start = self.first_step(shape[1]) + at[1] * self.value_steps + self.config.lag_steps
        return {"sample": at[0], "start": start, "stop": start + self.value_steps}

    # --- as a network was trained ----------------------------------------------------------------

    def _set_encoder(self, encoder: SampleEncoder) -> None:
        """Code samples by an encoder; those that were coded before are read again."""
        self._kept: dict[tuple[int, int], npt.NDArray[Any]] = {}
        self._room = KEPT
        self.encoder = encoder
        self.n_inputs = encoder.n_inputs
        self.n_steps = self.data_steps + self.config.lag_steps

    def _coded_by(self: T, encoder: SampleEncoder, data_steps: int) -> T:
        """The same data with another encoder."""
        moved = copy(self)
        moved.data_steps = data_steps
        moved._set_encoder(encoder)
        moved._set_targets(self.class_names)
        return moved

    def relabelled(self, class_names: tuple[str, ...]) -> DatasetTask:
        """Data that name their classes, with those of a network in its order; unknown ones are refused."""
        if class_names == self.class_names:
            return self
        for samples in (part.samples for part in self._parts.values()):
            if not samples.class_names and samples.labels.dtype.kind not in "SU":
                super().relabelled(class_names)
                raise DataError(
                    f"{samples.name}: its labels are numbers, but the network's classes have names "
                    f"({', '.join(class_names)}); name them in the file too, or by task.classes"
                )
        moved = copy(self)
        moved._set_targets(class_names)
        return moved
