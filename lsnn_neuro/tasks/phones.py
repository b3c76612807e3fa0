"""Phones: which sound of speech is being made, decided for every frame of 10 ms."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lsnn_neuro.data import timit
from lsnn_neuro.data.speech import (
    FloatArray,
    LabelledSpeech,
    find_phones,
    phone_of_frames,
)
from lsnn_neuro.errors import DataError
from lsnn_neuro.features import QuantileScale, samples_per_frame
from lsnn_neuro.tasks.encoder import EncoderConstants
from lsnn_neuro.tasks.labels import ClassLabels, Labels, SequenceLabels
from lsnn_neuro.tasks.phones_encoder import (
    Chunk,
    PhonesConfig,
    PhonesEncoder,
    Recording,
    split_into_chunks,
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

UNLABELLED = -1
BLANK = "(blank)"
"""Name of the output that says nothing."""


class Phones(SupervisedTask):
    """Frame-wise classification of phones.

    Each frame is one decision, ``frame_steps`` steps long and ``lag_frames`` later than the frame.
    A recording of more than ``max_frames`` frames is split into chunks of equal length, each a sample
    that starts from rest and goes on for ``lag_frames`` frames of what follows. Shorter samples are
    followed by silence, in which nothing is decided. Frames without a label, and those of the
    glottal stop q, are inputs without a decision.

    Labels that are TIMIT's, in upper or lower case, are folded into 39, 48 or 60 classes (61 without q)
    for training and into 39 for scoring (:mod:`lsnn_neuro.data.timit`), whether all of them occur or
    not. Of other label sets every label that is found is a class, and ``E`` is another one than ``e``.

    With ``answer = "sequence"`` the same windows give the phones in their order
    (:class:`lsnn_neuro.tasks.labels.SequenceLabels`); the score is the phone error rate. Neighbours that
    are equal, or are scored as the same, count as one.

    With ``bidirectional`` every chunk is two samples, one forwards and one backwards; in the latter one
    more input fires in every step. The readouts of both at a
    frame are added. So one network does what two of the paper do; batches are of even size.

    Training chunks are drawn with replacement; those of split recordings start anywhere within half
    a chunk of where they were split.
    """

    Config = PhonesConfig

    name = "phones"
    encoder: PhonesEncoder

    def __init__(self, config: PhonesConfig, *, scale: QuantileScale | None = None) -> None:
        """Read all recordings and keep their features, coded on a scale, by default the training split's."""
        self.config = config
        found = find_phones(Path(config.data).expanduser(), config.validation)
        parts = (found.train, found.validation, found.test)
        self._labels = sorted({s.phone for part in parts for r in part for s in r.segments})
        self.runs = 1 + config.bidirectional  # samples per chunk
        self.n_inputs = config.n_features * config.levels + config.bidirectional
        self.n_steps = config.n_steps
        self._labelled = self._read(parts, scale)
        self._fold(fold_labels(self._labels, config.phones))

    def _fold(self, folding: Folding) -> None:
        """Make classes of the labels."""
        self.folding, names = folding, folding.classes
        self.class_names = (*names, BLANK) if self.config.answer == "sequence" else names
        self.n_outputs = len(self.class_names)
        of_label = [folding.class_of(label) for label in self._labels]
        index = np.array([*of_label, UNLABELLED])
        self.recordings = {
            name: tuple(replace(r, target=index[r.target]) for r in part)
            for name, part in zip(("train", "validation", "test"), self._labelled, strict=True)
        }
        self._chunks = {
            name: tuple(
                chunk
                for recording in part
                for chunk in split_into_chunks(recording, self.config.max_frames)
            )
            for name, part in self.recordings.items()
        }

    def train_batch(self, batch_size: int, rng: np.random.Generator) -> Batch:
        """``batch_size`` training chunks drawn at random, with replacement."""
        check_batch_size(batch_size)
        chunks, half = self._chunks["train"], self.config.max_frames // 2
        n = self._in_chunks(batch_size)
        drawn = rng.integers(len(chunks), size=n)
        moves = rng.integers(-half, half + 1, size=n)
        chosen = [chunks[i].shifted(int(by)) for i, by in zip(drawn, moves, strict=True)]
        return self._batch(chosen, rng)

    def batches(
        self, split: Split, batch_size: int, max_samples: int | None = None
    ) -> Iterator[Batch]:
        """The first ``max_samples`` chunks of a split (None: all), ``batch_size`` at a time."""
        for samples in sample_ranges(self.n_samples(split), batch_size, max_samples):
            first, last = self._in_chunks(samples.start), self._in_chunks(samples.stop)
            yield self._batch(self._chunks[split][first:last])

    def n_samples(self, split: Split) -> int:
        """Number of samples in a split."""
        check_split(split)
        return self.runs * len(self._chunks[split])

    def _in_chunks(self, samples: int) -> int:
        """The number of chunks that make up these samples."""
        if samples % self.runs:
            raise DataError(
                f"{samples} samples: bidirectional phones take two each, forwards and backwards; choose "
                "an even number"
            )
        return samples // self.runs

    def recoded(self, encoder: EncoderConstants) -> Phones:
        """See :class:`lsnn_neuro.tasks.task.Task`."""
        scale = self.encoder.trained_scale(encoder)
        return self if scale is None else type(self)(self.config, scale=scale)

    def _read(
        self, parts: Sequence[Sequence[LabelledSpeech]], scale: QuantileScale | None
    ) -> list[tuple[Recording, ...]]:
        """The recordings of each part, the first of which is the training split; their targets are labels."""
        rate, index = self.config.sample_rate, {name: i for i, name in enumerate(self._labels)}
        features: list[list[FloatArray]] = [[] for _ in parts]
        targets: list[list[IntArray]] = [[] for _ in parts]
        for i, part in enumerate(parts):
            for speech in part:
                frames, n_samples = self.config.load_features(speech.file, rate)
                frame = samples_per_frame(rate)
                phones = phone_of_frames(speech, n_samples, len(frames), frame)
                features[i].append(frames)
                targets[i].append(
                    np.array([UNLABELLED if phone is None else index[phone] for phone in phones])
                )
        scale = scale or QuantileScale.of(np.concatenate(features[0]))
        self.encoder = PhonesEncoder(self.config, rate, scale)
        return [
            tuple(
                Recording(frames=scale.codes(f), target=t)
                for f, t in zip(part, target, strict=True)
            )
            for part, target in zip(features, targets, strict=True)
        ]

    def relabelled(self, class_names: tuple[str, ...]) -> Phones:
        """The data with a network's classes, in its order; DataError over a class that it does not know."""
        if class_names == self.class_names:
            return self
        names = class_names[: len(class_names) - (self.config.answer == "sequence")]
        folding = folding_to(names, self.config.phones)
        unknown = [label for label in self._labels if not folding.knows(label)]
        if unknown:
            raise DataError(
                f"task {self.name!r}: the data have the class {unknown[0]!r}, which the network was not "
                f"trained on; it knows {', '.join(class_names)}"
            )
        moved: Phones = copy(self)
        moved._fold(folding)
        return moved

    def _batch(self, chunks: Sequence[Chunk], rng: np.random.Generator | None = None) -> Batch:
        """Chunks as a batch; with ``rng`` for training."""
        inputs = self.encoder.place(chunks, rng)
        targets = [c.recording.target[c.start : c.stop] for c in chunks]
        labels: Labels
        if self.config.answer == "sequence":
            labels = self._sequence_labels(targets)
        else:
            labels = self._class_labels(targets)
        return Batch(inputs=inputs, labels=labels)

    def _class_labels(self, targets: list[IntArray]) -> ClassLabels:
        """One decision for every labelled frame; if bidirectional, over both of a chunk's samples."""
        labelled = [np.flatnonzero(target != UNLABELLED) for target in targets]
        chunk = _index(labelled)
        frame = np.concatenate(labelled)
        target = np.concatenate([t[f] for t, f in zip(targets, labelled, strict=True)])
        class_map = self.folding.class_map
        if not self.config.bidirectional:
            return ClassLabels(target=target, class_map=class_map, **self._windows(chunk, frame))
        from_end = np.array([len(target) - 1 for target in targets])[chunk] - frame
        both = self._windows(
            np.concatenate([2 * chunk, 2 * chunk + 1]), np.concatenate([frame, from_end])
        )
        group = np.tile(np.arange(len(frame)), 2)
        return ClassLabels(target=target, group=group, class_map=class_map, **both)

    def _sequence_labels(self, targets: list[IntArray]) -> SequenceLabels:
        """The phones in their order, without their times."""
        frames = [np.arange(len(target)) for target in targets]
        return SequenceLabels(
            labels=tuple(sequence(target) for target in targets),
            class_map=self.folding.class_map,
            **self._windows(_index(frames), np.concatenate(frames)),
        )

    def _windows(self, sample: IntArray, frame: IntArray) -> dict[str, Any]:
        """The windows in which frames of samples are answered."""
        steps = self.config.frame_steps
        start = (frame + self.config.lag_frames) * steps
        return {"sample": sample, "start": start, "stop": start + steps}


def _index(parts: Sequence[IntArray]) -> IntArray:
    """Which part each element of all parts, one after the other, comes from."""
    return np.repeat(np.arange(len(parts)), [len(part) for part in parts])


def sequence(target: IntArray) -> IntArray:
    """The phones of some frames, one after the other; frames without a label are skipped."""
    labelled = target[target != UNLABELLED]
    news = np.diff(labelled, prepend=UNLABELLED) != 0
    phones: IntArray = labelled[news].astype(np.int64)
    return phones


@dataclass(frozen=True, kw_only=True, eq=False)
class Folding:
    """Which class a label is trained as, and which classes are the same when scored.

    - classes: their names, in order
    - index: from label to class; labels that are not scored are missing
    - class_map: what each class counts as, shape (class,)
    - of_timit: whether the labels are TIMIT's, in which upper and lower case are the same
    """

    classes: tuple[str, ...]
    index: dict[str, int]
    class_map: IntArray
    of_timit: bool = False

    def class_of(self, label: str) -> int:
        """The class of a label, UNLABELLED where it has none."""
        return self.index.get(label.lower() if self.of_timit else label, UNLABELLED)

    def knows(self, label: str) -> bool:
        """Whether a label has a class, or is known not to be scored."""
        not_scored = self.of_timit and label.lower() == timit.Q
        return not_scored or self.class_of(label) != UNLABELLED


def fold_labels(labels: Collection[str], n_classes: Literal[39, 48, 61]) -> Folding:
    """The classes of a label set; see :class:`Phones`."""
    of_timit = {label.lower() for label in labels} <= timit.PHONES
    if of_timit:  # then all its classes, whichever of them occur here
        labels, scored = timit.FOLD_39.keys(), timit.FOLD_39
        trained = {39: scored, 48: timit.FOLD_48, 61: {label: label for label in labels}}[n_classes]
    else:
        trained = scored = {label: label for label in labels}
    classes = tuple(sorted(set(trained.values())))
    scores = tuple(sorted(set(scored.values())))
    class_map = {trained[label]: scores.index(scored[label]) for label in labels}
    return Folding(
        classes=classes,
        index={label: classes.index(name) for label, name in trained.items()},
        class_map=np.array([class_map[name] for name in classes]),
        of_timit=of_timit,
    )


def folding_to(classes: tuple[str, ...], n_classes: Literal[39, 48, 61]) -> Folding:
    """The folding that gives such classes in such an order; names of classes count as labels too."""
    by_name = {name: i for i, name in enumerate(classes)}
    whole = fold_labels(timit.PHONES, n_classes)
    if classes == whole.classes:
        return replace(whole, index=by_name | whole.index)
    return Folding(classes=classes, index=by_name, class_map=np.arange(len(classes)))
