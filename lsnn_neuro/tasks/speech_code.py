"""The input code of the speech tasks: quantile-coded features, frame by frame, and these as spikes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from lsnn_neuro.data.speech import FloatArray, read_samples
from lsnn_neuro.encoders import levels_reached
from lsnn_neuro.errors import DataError
from lsnn_neuro.features import (
    FRAME_MS,
    TOP,
    Kind,
    QuantileScale,
    n_features,
    samples_per_frame,
    speech_features,
)
from lsnn_neuro.section import Section
from lsnn_neuro.tasks.encoder import Arrays, Encoder, EncoderConstants

ByteArray = npt.NDArray[np.uint8]


class SpeechConfig(Section):
    """Settings that all speech tasks share."""

    data: str = Field(min_length=1, description="folder with your copy of the recordings")
    validation: int | None = Field(
        None, ge=1, description="training recordings held out; by default an eighth"
    )
    features: Kind = Field(
        "fbank", description="fbank: log filter banks; mfcc: 13 cepstral coefficients"
    )
    bands: int = Field(26, ge=13, le=80, description="mel-spaced filters")
    derivatives: int = Field(
        0, ge=0, le=2, description="temporal derivatives of the features that are shown beside them"
    )
    levels: int = Field(5, ge=1, le=100, description="inputs for each feature, one per level")
    frame_steps: int = Field(
        5, ge=1, le=100, description="steps for which a frame of 10 ms of speech lasts"
    )
    max_frames: int = Field(ge=1, le=10_000, description="most frames of a sample")
    drop_spikes: float = Field(
        0.0, ge=0, lt=1, description="augmentation: share of the sound's training spikes left out"
    )

    @property
    def n_features(self) -> int:
        """Features of a frame."""
        return n_features(self.features, self.bands, self.derivatives)

    def load_features(self, file: Path, rate: int) -> tuple[FloatArray, int]:
        """The features of a mono recording, shape (frame, feature), and its number of samples."""
        samples = read_samples(file, rate)
        if len(samples) < samples_per_frame(rate):
            raise DataError(
                f"{file}: {len(samples)} samples, shorter than a frame of {FRAME_MS} ms; remove it"
            )
        features = speech_features(
            samples, rate, kind=self.features, bands=self.bands, derivatives=self.derivatives,
            at=str(file),
        )  # fmt: skip
        return features, len(samples)

    def augment(
        self, spikes: npt.NDArray[np.bool_], rng: np.random.Generator
    ) -> npt.NDArray[np.bool_]:
        """The same spikes, each of which is left out with probability ``drop_spikes``."""
        if self.drop_spikes:
            spikes[spikes] = rng.random(np.count_nonzero(spikes), np.float32) >= self.drop_spikes
        return spikes

    def encode(
        self, samples: Sequence[ByteArray], starts: Iterable[int], n_steps: int
    ) -> npt.NDArray[np.bool_]:
        """Input spikes of some samples: in the first step of a frame, the levels it reaches.

        A value that reaches level k also reaches those below it; in the other steps, and before and
        after the frames, nothing fires. Levels divide the training frames evenly
        (:class:`lsnn_neuro.features.QuantileScale`), so each input fires in a known share of the frames
        and a chip can be fed by comparing each feature with constants. Inputs are ordered by
        feature, then by level.

        - samples: quantile-coded features of each, shape (frame, feature)
        - starts: the step in which each begins
        - returns: shape (time, sample, input)
        """
        spikes = np.zeros((n_steps, len(samples), self.n_features * self.levels), np.bool_)
        for i, (frames, start) in enumerate(zip(samples, starts, strict=True)):
            stop = start + len(frames) * self.frame_steps
            reached = levels_reached(frames, self.levels)  # (frame, feature, level)
            spikes[start : stop : self.frame_steps, i] = reached.reshape(len(frames), -1)
        return spikes


class SpeechEncoder(Encoder):
    """What the encoders of sound share: features, coded on the scale of the training recordings.

    - rate: of the sound, in Hz
    """

    raw = "sounds: arrays of samples from -1 to 1, shape (sample,)"
    Config: ClassVar[type[SpeechConfig]]

    def __init__(self, config: SpeechConfig, rate: int, scale: QuantileScale):
        """Code features on a scale."""
        self.config, self.rate, self.scale = config, rate, scale

    def settings(self) -> dict[str, Any]:
        """See :class:`lsnn_neuro.tasks.encoder.Encoder`."""
        of_training = {"data", "validation", "drop_spikes"}
        return {"rate": self.rate, **self.config.model_dump(mode="json", exclude=of_training)}

    def arrays(self) -> Arrays:
        """The edges of the scale, shape (feature, 255)."""
        return {"edges": self.scale.edges}

    @classmethod
    def of(cls, settings: Mapping[str, Any], arrays: Arrays) -> SpeechEncoder:
        """See :class:`lsnn_neuro.tasks.encoder.Encoder`."""
        fields = {k: v for k, v in settings.items() if k != "rate"}
        config = cls.Config(data="none", **fields)
        edges = np.asarray(arrays["edges"], np.float32)
        wanted = (config.n_features, TOP)
        if edges.shape != wanted or not np.isfinite(edges).all():
            raise ValueError(
                f"edges have shape {edges.shape}, expected finite ones of shape {wanted}"
            )
        return cls(config, int(settings["rate"]), QuantileScale(edges=edges))

    def trained_scale(self, constants: EncoderConstants) -> QuantileScale | None:
        """The scale among a network's constants; None where its features are others than these."""
        trained = constants.build(type(self))
        assert isinstance(trained, SpeechEncoder)
        names = ("features", "bands", "derivatives")
        ours, theirs = ([getattr(e.config, n) for n in names] for e in (self, trained))
        return trained.scale if (ours, self.rate) == (theirs, trained.rate) else None

    def frames_of(self, sound: npt.ArrayLike, at: str) -> ByteArray:
        """Coded features of a sound, shape (frame, feature); DataError names ``at`` and the index."""
        c = self.config
        features = speech_features(
            sound, self.rate, kind=c.features, bands=c.bands, derivatives=c.derivatives, at=at
        )
        return self.scale.codes(features)
