"""Codings of where a value lies in a range: poisson (random spikes) and latency (the time of one spike)."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from lsnn_neuro.arrays import Events
from lsnn_neuro.encoders import DT, poisson
from lsnn_neuro.errors import DataError
from lsnn_neuro.tasks.codings import check_constant
from lsnn_neuro.tasks.signal_encoder import CodingConfig, Frame, Signal, SignalEncoder


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
        outside = (signal < low) | (signal > high)
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


def _bytes_of(signal: Signal) -> bytes:
    """The values of a signal up to where its last one goes on, as bytes."""
    changes = np.flatnonzero((signal[1:] != signal[:-1]).any(axis=1))
    end = changes[-1] + 2 if len(changes) else 1
    return np.ascontiguousarray(signal[:end]).tobytes()
