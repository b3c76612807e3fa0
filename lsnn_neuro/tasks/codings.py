"""Codings that recipes name: graded, level, delta; poisson and latency are in :mod:`.range_codings`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from lsnn_neuro.arrays import EVENT_MAX, EVENT_MIN, Events
from lsnn_neuro.errors import DataError
from lsnn_neuro.tasks.signal_encoder import CodingConfig, Frame, Signal, SignalEncoder

FITTED = 2**24
"""Numbers of the training samples that quantiles are taken of, at most; evenly spread over all of them."""


class GradedConfig(CodingConfig):
    """Values as they are, or times a scale and rounded: graded events of 8 bits."""

    name: Literal["graded"] = "graded"
    scale: float | None = Field(
        None,
        gt=0,
        description="factor on the values, which are then rounded; by default they are whole",
    )


class Graded(SignalEncoder):
    """A value is an event in its first step, which multiplies the weight: int8, or spikes if all are 0, 1."""

    name = "graded"
    Config = GradedConfig
    config: GradedConfig
    per_channel = 1

    def check_values(self, signal: Signal, at: str) -> None:
        """Refuse what is no whole number of 8 bits."""
        scale, events = self.config.scale, self._events(signal)
        wrong = (events != np.round(events)) | (events < EVENT_MIN) | (events > EVENT_MAX)
        if wrong.any():
            t, c = np.argwhere(wrong)[0]
            remedy = "choose a smaller" if scale else "choose another coding, or a"
            raise DataError(
                f"{at}: value [{t}, {c * self.frame.every_channel}] is {signal[t, c]}, which gives no whole "
                f"number from {EVENT_MIN} to {EVENT_MAX}; {remedy} task.encoder.scale"
            )

    def code(self, values: Signal, rng: np.random.Generator | None) -> Events:
        """See :class:`SignalEncoder`."""
        events = self._events(values).astype(np.int8)
        return in_first_steps(events[..., None], self.config.value_steps)

    def _events(self, values: Signal) -> npt.NDArray[np.float64]:
        """What is checked and sent: values in double precision, times the scale and rounded."""
        exact = values.astype(np.float64)
        return exact if self.config.scale is None else np.round(exact * self.config.scale)


class LevelConfig(CodingConfig):
    """An input for each channel and level."""

    name: Literal["level"] = "level"
    levels: int | tuple[float, ...] = Field(
        5, description="number of levels, which divide the training values evenly; or the levels"
    )

    @model_validator(mode="after")
    def _check(self) -> LevelConfig:
        if isinstance(self.levels, int):
            if not 1 <= self.levels <= 1000:
                raise ValueError(f"levels is {self.levels}: allowed are 1 to 1000")
        elif not self.levels or any(np.diff(self.levels) <= 0):
            raise ValueError("levels must rise, and there must be at least one")
        return self


class Level(SignalEncoder):
    """An input fires in the first step of every value that is at or above its level.

    - levels: shape (channel, level); the quantiles k / (levels + 1) of the training values, or as given
    """

    name = "level"
    Config = LevelConfig
    config: LevelConfig

    @classmethod
    def fit(cls, config: LevelConfig, frame: Frame, signals: Collection[Signal]) -> Level:
        """See :class:`SignalEncoder`."""
        if isinstance(config.levels, int):
            share = np.arange(1, config.levels + 1) / (config.levels + 1)
            levels = np.quantile(some_values(signals, frame.n_seen), share, axis=0).T
        else:
            levels = np.tile(np.array(config.levels), (frame.n_seen, 1))
        return cls(config, frame, {"levels": np.ascontiguousarray(levels, np.float32)})

    @property
    def per_channel(self) -> int:
        """See :class:`SignalEncoder`."""
        return (
            self.config.levels if isinstance(self.config.levels, int) else len(self.config.levels)
        )

    def check_constants(self) -> None:
        """See :class:`SignalEncoder`."""
        check_constant(self, "levels", (self.frame.n_seen, self.per_channel))

    def code(self, values: Signal, rng: np.random.Generator | None) -> Events:
        """See :class:`SignalEncoder`."""
        reached = values[..., None] >= self.constants["levels"]
        return in_first_steps(reached, self.config.value_steps)


class DeltaConfig(CodingConfig):
    """Spikes where a signal has moved by a threshold, up and down."""

    name: Literal["delta"] = "delta"
    threshold: float = Field(gt=0, description="change of the signal that a spike stands for")


class Delta(SignalEncoder):
    """Step-forward coding: two inputs a channel, up and down; each spike moves a reference by the threshold.

    The reference starts at the first value. Input 2c fires where the value is at least a threshold above the
    reference, input 2c + 1 where it is as much below: at most one spike a step, so a fast change is followed
    over several steps (``value_steps`` gives it more).

    Source: step-forward encoding, Petro, Kasabov, Kiss 2020, "Selection and optimization of temporal spike
    encoding methods for spiking neural networks".
    """

    name = "delta"
    Config = DeltaConfig
    config: DeltaConfig
    per_channel = 2

    def code(self, values: Signal, rng: np.random.Generator | None) -> Events:
        """See :class:`SignalEncoder`."""
        held, threshold = self.config.value_steps, self.config.threshold
        spikes = np.zeros((len(values) * held, *values.shape[1:], 2), np.bool_)
        start = values[0].astype(np.float64)
        moved = np.zeros(start.shape, np.int64)  # in thresholds
        for t in range(len(spikes)):
            ahead = values[t // held] - (start + moved * threshold)
            spikes[t, ..., 0], spikes[t, ..., 1] = ahead >= threshold, -ahead >= threshold
            moved += spikes[t, ..., 0]
            moved -= spikes[t, ..., 1]
        return spikes


def in_first_steps(values: npt.NDArray[Any], held: int) -> npt.NDArray[Any]:
    """Values, (time, ...), each in the first of ``held`` steps, and 0 in the others."""
    if held == 1:
        return values
    steps = np.zeros((len(values) * held, *values.shape[1:]), values.dtype)
    steps[::held] = values
    return steps


def some_values(signals: Collection[Signal], n_channels: int) -> Signal:
    """Values of all signals, (value, channel), evenly spread in time; at most FITTED numbers."""
    each = max(1, FITTED // (n_channels * len(signals)))
    rows = [s[np.linspace(0, len(s) - 1, min(len(s), each)).astype(int)] for s in signals]
    values: npt.NDArray[np.float32] = np.concatenate(rows).astype(np.float32)
    return values


def check_constant(encoder: SignalEncoder, name: str, shape: tuple[int, ...]) -> None:
    """Refuse a constant that is missing, or of another shape."""
    found = encoder.constants.get(name)
    if found is None or found.shape != shape or not np.isfinite(found).all():
        what = "missing" if found is None else f"of shape {found.shape}"
        raise ValueError(f"{name} is {what}, expected finite numbers of shape {shape}")
