"""Spoken digits: a recording of one digit, then a cue to name it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from lsnn_neuro.data.speech import DIGITS_RATE, find_digits
from lsnn_neuro.encoders import cue
from lsnn_neuro.features import QuantileScale
from lsnn_neuro.tasks.encoder import EncoderConstants
from lsnn_neuro.tasks.labels import ClassLabels
from lsnn_neuro.tasks.speech_code import ByteArray, SpeechConfig, SpeechEncoder
from lsnn_neuro.tasks.task import (
    Batch,
    Split,
    SupervisedTask,
    check_batch_size,
    check_split,
    sample_ranges,
)

N_CLASSES = 10


class SpokenDigitsConfig(SpeechConfig):
    """Settings of the spoken digits; the data are the Free Spoken Digit Dataset."""

    name: Literal["spoken-digits"] = "spoken-digits"
    max_frames: int = Field(
        100,
        ge=1,
        le=10_000,
        description="most frames of a recording; longer ones lose their end",
    )
    cue_steps: int = Field(
        40, ge=0, le=10_000, description="steps after the recording in which the cue input fires"
    )
    decision_steps: int = Field(
        40, ge=1, le=10_000, description="steps at the end over which the readout is summed"
    )

    @model_validator(mode="after")
    def _check(self) -> SpokenDigitsConfig:
        if self.decision_steps > self.n_steps:
            raise ValueError(
                f"decision_steps is {self.decision_steps}, but there are only {self.n_steps} steps"
            )
        return self

    @property
    def n_steps(self) -> int:
        """Steps of a sample: recording, then cue."""
        return self.max_frames * self.frame_steps + self.cue_steps


@dataclass(frozen=True, kw_only=True, eq=False)
class _Recordings:
    """Quantile-coded features of each recording, shape (frame, feature), and its digit."""

    frames: tuple[ByteArray, ...]
    digits: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.digits)


class DigitsEncoder(SpeechEncoder):
    """A recording as spikes, and then the cue. All recordings end in the same step, shorter ones begin later.

    Inputs are those of :meth:`SpeechConfig.encode`, and the cue is the last one.
    """

    name = "spoken-digits"
    Config = SpokenDigitsConfig
    config: SpokenDigitsConfig

    def encode(self, raw: Sequence[Any]) -> npt.NDArray[np.bool_]:
        """See :class:`lsnn_neuro.tasks.encoder.Encoder`; of longer recordings the end is cut."""
        return self.place(
            [self.frames_of(s, f"sample {i}")[: self.config.max_frames] for i, s in enumerate(raw)]
        )

    def place(
        self, frames: Sequence[ByteArray], rng: np.random.Generator | None = None
    ) -> npt.NDArray[np.bool_]:
        """Inputs of recordings whose features are coded; with ``rng`` for training."""
        config = self.config
        end = config.max_frames * config.frame_steps
        starts = [end - len(part) * config.frame_steps for part in frames]
        sound = config.encode(frames, starts, config.n_steps)
        inputs = np.zeros((config.n_steps, len(frames), sound.shape[2] + 1), np.bool_)
        inputs[:, :, :-1] = sound if rng is None else config.augment(sound, rng)
        inputs[:, :, -1] = cue(config.n_steps, end, config.n_steps)[:, None]
        return inputs


class SpokenDigits(SupervisedTask):
    """The Free Spoken Digit Dataset: which of ten digits was said.

    Inputs are :class:`DigitsEncoder`'s; the decision is made over the last ``decision_steps`` steps. The
    test split are the recordings with index 0 to 4 of each digit and speaker. Training recordings are drawn
    with replacement.
    """

    Config = SpokenDigitsConfig

    name = "spoken-digits"
    class_names = tuple(map(str, range(N_CLASSES)))
    encoder: DigitsEncoder

    def __init__(self, config: SpokenDigitsConfig, *, scale: QuantileScale | None = None) -> None:
        """Read all recordings and keep their features, coded on a scale, by default the training split's."""
        self.config = config
        self.n_inputs = config.n_features * config.levels + 1
        self.n_outputs = N_CLASSES
        self.n_steps = config.n_steps
        found = find_digits(Path(config.data).expanduser(), config.validation)
        parts = [found.train, found.validation, found.test]
        features = [[config.load_features(r.file, DIGITS_RATE)[0] for r in part] for part in parts]
        scale = scale or QuantileScale.of(np.concatenate(features[0]))
        self.encoder = DigitsEncoder(config, DIGITS_RATE, scale)
        self._train, validation, test = (
            _Recordings(
                frames=tuple(scale.codes(f)[: config.max_frames] for f in found_features),
                digits=np.array([recording.digit for recording in part]),
            )
            for part, found_features in zip(parts, features, strict=True)
        )
        self._splits = {"validation": validation, "test": test}

    def recoded(self, encoder: EncoderConstants) -> SpokenDigits:
        """See :class:`lsnn_neuro.tasks.task.Task`."""
        scale = self.encoder.trained_scale(encoder)
        return self if scale is None else type(self)(self.config, scale=scale)

    def train_batch(self, batch_size: int, rng: np.random.Generator) -> Batch:
        """``batch_size`` training recordings drawn at random, with replacement."""
        check_batch_size(batch_size)
        return self._batch(self._train, rng.integers(len(self._train), size=batch_size), rng)

    def batches(
        self, split: Split, batch_size: int, max_samples: int | None = None
    ) -> Iterator[Batch]:
        """The first ``max_samples`` recordings of a split (None: all), ``batch_size`` at a time."""
        recordings = self._split(split)
        for samples in sample_ranges(len(recordings), batch_size, max_samples):
            yield self._batch(recordings, np.arange(samples.start, samples.stop))

    def n_samples(self, split: Split) -> int:
        """Number of recordings in a split."""
        return len(self._split(split))

    def _split(self, split: Split) -> _Recordings:
        check_split(split)
        return self._splits[split]

    def _batch(
        self,
        recordings: _Recordings,
        index: npt.NDArray[np.intp],
        rng: np.random.Generator | None = None,
    ) -> Batch:
        """The recordings at some indices as a batch; with ``rng`` for training."""
        inputs = self.encoder.place([recordings.frames[i] for i in index], rng)
        labels = ClassLabels.at_the_end(
            recordings.digits[index],
            n_steps=self.n_steps,
            decision_steps=self.config.decision_steps,
        )
        return Batch(inputs=inputs, labels=labels)
