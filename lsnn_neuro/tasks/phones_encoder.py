"""How the phones task makes inputs of speech: chunks of a recording, heard forwards and maybe backwards."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from lsnn_neuro.tasks.speech_code import ByteArray, SpeechConfig, SpeechEncoder
from lsnn_neuro.tasks.task import IntArray


class PhonesConfig(SpeechConfig):
    """Settings of the phones; the data are a folder laid out like TIMIT."""

    name: Literal["phones"] = "phones"
    sample_rate: int = Field(16_000, ge=4000, le=96_000, description="of the recordings, in Hz")
    phones: Literal[39, 48, 61] = Field(
        61, description="classes that are trained, of TIMIT's phones; 39 are scored"
    )
    answer: Literal["frames", "sequence"] = Field(
        "frames",
        description="what is decided: the phone of every frame, or the sequence of phones without their "
        "times (CTC; one output more)",
    )
    bidirectional: bool = Field(
        False,
        description="whether the decision on a frame also takes a run over the reversed sound into account",
    )
    max_frames: int = Field(
        300,
        ge=1,
        le=10_000,
        description="most frames of a sample; longer recordings are split into chunks",
    )
    lag_frames: int = Field(
        0, ge=0, le=1000, description="frames that follow a frame before the decision on it is made"
    )

    @model_validator(mode="after")
    def _check(self) -> PhonesConfig:
        if self.bidirectional and self.answer == "sequence":
            raise ValueError("bidirectional needs answer = 'frames': a sequence has one direction")
        return self

    @property
    def n_steps(self) -> int:
        """Steps of a sample: the longest, and the lag."""
        return (self.max_frames + self.lag_frames) * self.frame_steps


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """A recording's features and labels.

    - frames: quantile-coded features, shape (frame, feature)
    - target: index of the class of each frame, or UNLABELLED, shape (frame,)
    """

    frames: ByteArray
    target: IntArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Chunk:
    """Frames [start, stop) of a recording: a sample."""

    recording: Recording
    start: int
    stop: int

    def shifted(self, frames: int) -> Chunk:
        """A chunk of the same length so many frames later, as far as the recording goes."""
        least, most = -self.start, len(self.recording.frames) - self.stop
        by = min(max(frames, least), most)
        return Chunk(recording=self.recording, start=self.start + by, stop=self.stop + by)


def split_into_chunks(recording: Recording, max_frames: int) -> list[Chunk]:
    """Chunks of a recording of at most so many frames, as few and as equal as can be."""
    n = len(recording.frames)
    ends = np.linspace(0, n, -(-n // max_frames) + 1).astype(int).tolist()
    return [Chunk(recording=recording, start=a, stop=b) for a, b in itertools.pairwise(ends)]


class PhonesEncoder(SpeechEncoder):
    """A recording as spikes, in chunks of at most ``max_frames`` frames; bidirectional, two samples each."""

    name = "phones"
    Config = PhonesConfig
    config: PhonesConfig

    def encode(self, raw: Sequence[Any]) -> npt.NDArray[np.bool_]:
        """See :class:`lsnn_neuro.tasks.encoder.Encoder`; all recordings' chunks, one after the other."""
        chunks = []
        for i, sound in enumerate(raw):
            frames = self.frames_of(sound, f"sample {i}")
            recording = Recording(frames=frames, target=np.zeros(len(frames), np.int64))
            chunks += split_into_chunks(recording, self.config.max_frames)
        return self.place(chunks)

    def place(
        self, chunks: Sequence[Chunk], rng: np.random.Generator | None = None
    ) -> npt.NDArray[np.bool_]:
        """Inputs of chunks; with ``rng`` for training."""
        config, lag = self.config, self.config.lag_frames
        frames = [c.recording.frames[c.start : c.stop + lag] for c in chunks]
        if config.bidirectional:
            back = [c.recording.frames[max(c.start - lag, 0) : c.stop][::-1] for c in chunks]
            frames = [one for pair in zip(frames, back, strict=True) for one in pair]
        inputs = config.encode(frames, [0] * len(frames), config.n_steps)
        if rng is not None:
            inputs = config.augment(inputs, rng)
        return _with_direction(inputs) if config.bidirectional else inputs


def _with_direction(inputs: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """One input more, which fires in all steps of every second sample."""
    backwards = np.zeros((*inputs.shape[:2], 1), np.bool_)
    backwards[:, 1::2] = True
    return np.concatenate([inputs, backwards], axis=2)
