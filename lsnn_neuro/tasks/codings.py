"""The codings of signals that recipes name: graded, level, delta, poisson, latency."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from lsnn_neuro.arrays import Events
from lsnn_neuro.encoders import DT, poisson
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
        scale = self.config.scale
        events = signal if scale is None else np.round(signal * scale)
        wrong = (events != np.round(events)) | (events < -128) | (events > 127)
        if wrong.any():
            t, c = np.argwhere(wrong)[0]
            remedy = "choose a smaller" if scale else "choose another coding, or a"
            raise DataError(
                f"{at}: value [{t}, {c * self.frame.every_channel}] is {signal[t, c]}, which gives no whole "
                f"number from -128 to 127; {remedy} task.encoder.scale"
            )

    def code(self, values: Signal, rng: np.random.Generator | None) -> Events:
        """See :class:`SignalEncoder`."""
        scaled = values if self.config.scale is None else np.round(values * self.config.scale)
        return in_first_steps(scaled.astype(np.int8)[..., None], self.config.value_steps)


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


class RangeConfig(CodingConfig):
    """Settings of codings of values within a range."""

    low: float | None = Field(
        None,
        description="value that nothing codes for; by default the least training value of a channel",
    )
    high: float | None = Field(
        None,
        description="value of the most spikes; by default the largest training value of a channel",
    )
    outside: Literal["refuse", "clip"] = Field(
        "refuse",
        description="what becomes of values outside: named and refused, or taken to the range",
    )

    @model_validator(mode="after")
    def _check(self) -> RangeConfig:
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low is {self.low} and high is {self.high}: low must be below high")
        return self


class _InRange(SignalEncoder):
    """Codings of a value's share of a range, one input a channel; range: shape (channel, low and high)."""

    config: RangeConfig
    per_channel = 1

    @classmethod
    def fit(cls, config: RangeConfig, frame: Frame, signals: Collection[Signal]) -> SignalEncoder:
        """See :class:`SignalEncoder`."""
        bounds = np.empty((frame.n_seen, 2))
        if config.low is None or config.high is None:
            ends = [(signal.min(axis=0), signal.max(axis=0)) for signal in signals]
            bounds[:, 0] = np.min([low for low, _ in ends], axis=0)
            bounds[:, 1] = np.max([high for _, high in ends], axis=0)
        if config.low is not None:
            bounds[:, 0] = config.low
        if config.high is not None:
            bounds[:, 1] = config.high
        return cls(config, frame, {"range": bounds.astype(np.float32)})

    def check_constants(self) -> None:
        """See :class:`SignalEncoder`."""
        check_constant(self, "range", (self.frame.n_seen, 2))

    def check_values(self, signal: Signal, at: str) -> None:
        """Refuse values outside the range, unless they are to be clipped."""
        low, high = self.constants["range"].T
        values = signal.astype(np.float32)
        outside = (values < low) | (values > high)
        if self.config.outside == "refuse" and outside.any():
            t, c = np.argwhere(outside)[0]
            raise DataError(
                f"{at}: value [{t}, {c * self.frame.every_channel}] is {signal[t, c]}, outside the range "
                f"{low[c]:g} to {high[c]:g} of its channel; set task.encoder.low and high, or "
                'task.encoder.outside = "clip"'
            )

    def shares(self, values: Signal) -> npt.NDArray[np.float32]:
        """How far between low and high each value is, 0 to 1; 0 of a channel that is constant."""
        low, high = self.constants["range"].T
        width = np.where(high > low, high - low, np.float32(1))
        share: npt.NDArray[np.float32] = ((values - low) / width).clip(0, 1).astype(np.float32)
        return share


class PoissonConfig(RangeConfig):
    """Random spikes, more of them for larger values."""

    name: Literal["poisson"] = "poisson"
    max_rate: float = Field(200.0, gt=0, le=1000, description="rate of the largest value, Hz")


class Poisson(_InRange):
    """A channel fires at random in every step, at a rate from 0 at ``low`` to ``max_rate`` at ``high``.

    In training always anew; else the random numbers come from the signal itself, so that the same signal
    always gives the same spikes.
    """

    name = "poisson"
    Config = PoissonConfig
    config: PoissonConfig

    def code(self, values: Signal, rng: np.random.Generator | None) -> Events:
        """See :class:`SignalEncoder`."""
        rates = (self.shares(values) * self.config.max_rate).repeat(self.config.value_steps, axis=0)
        if rng is not None:
            return poisson(rates, DT, rng)[..., None]
        each: list[npt.NDArray[np.bool_]] = [
            poisson(rates[:, i], DT, np.random.default_rng(zlib.crc32(_bytes_of(values[:, i]))))
            for i in range(values.shape[1])
        ]
        return np.stack(each, axis=1)[..., None]


class LatencyConfig(RangeConfig):
    """One spike a value, the earlier the larger it is."""

    name: Literal["latency"] = "latency"
    value_steps: int = Field(10, ge=2, le=1000, description="steps for which a value lasts")


class Latency(_InRange):
    """Each value is one spike, floor((1 - share) value_steps) steps after it began; at ``low`` none."""

    name = "latency"
    Config = LatencyConfig
    config: LatencyConfig

    def code(self, values: Signal, rng: np.random.Generator | None) -> Events:
        """See :class:`SignalEncoder`."""
        held = self.config.value_steps
        after = np.floor((1 - self.shares(values)) * held)  # held itself: no spike
        steps = np.arange(held)[:, None, None]
        fires: npt.NDArray[np.bool_] = after[:, None] == steps  # (time, step, sample, channel)
        return fires.reshape(-1, *values.shape[1:])[..., None]


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


def _bytes_of(signal: Signal) -> bytes:
    """The values of a signal up to where its last one goes on, as bytes."""
    changes = np.flatnonzero((signal[1:] != signal[:-1]).any(axis=1))
    end = changes[-1] + 2 if len(changes) else 1
    return np.ascontiguousarray(signal[:end]).tobytes()
