"""Augmentation of inputs: training samples are shifted along channels and time, and lose some spikes."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from lsnn_neuro.arrays import Events
from lsnn_neuro.errors import DataError
from lsnn_neuro.section import Section


class AugmentationConfig(Section):
    """What becomes of training samples, each time anew."""

    shift_channels: int = Field(
        0,
        ge=0,
        description="augmentation: training samples are moved by up to so many channels; what leaves is lost",
    )
    shift_steps: int = Field(
        0,
        ge=0,
        description="augmentation: they are moved by up to so many steps; what leaves is lost",
    )
    drop_spikes: float = Field(
        0.0, ge=0, lt=1, description="augmentation: share of the training events left out"
    )


def check_shifts(config: AugmentationConfig, n_channels: int, n_steps: int, at: str) -> None:
    """Refuse shifts by which a training sample could lose all that is in it."""
    for field, there in (("shift_channels", n_channels), ("shift_steps", n_steps)):
        if (shift := getattr(config, field)) >= there:
            raise DataError(
                f"{at}: task.{field} is {shift}, by which nothing is left of a sample; allowed are 0 to "
                f"{there - 1}"
            )


def augment(
    inputs: Events, config: AugmentationConfig, rng: np.random.Generator, per_channel: int = 1
) -> Events:
    """Inputs, (time, sample, input), moved and thinned out; ``per_channel``: inputs of a channel."""
    for axis, most, unit in ((1, config.shift_channels, per_channel), (0, config.shift_steps, 1)):
        if most:
            moves = rng.integers(-most, most + 1, size=inputs.shape[1]) * unit
            parts: Any = [_moved(inputs[:, i], int(by), axis) for i, by in enumerate(moves)]
            inputs = np.stack(parts, axis=1)
    if config.drop_spikes:
        fired = inputs != 0
        dropped = rng.random(np.count_nonzero(fired), np.float32) < config.drop_spikes
        inputs = inputs.copy()
        inputs[fired] = np.where(dropped, np.zeros(1, inputs.dtype), inputs[fired])
    return inputs


def _moved(sample: Any, by: int, axis: int) -> Any:
    """A sample, (time, input), moved along an axis; nothing comes in from outside."""
    moved = np.roll(sample, by, axis)
    n = sample.shape[axis]
    gone = slice(0, min(by, n)) if by > 0 else slice(max(n + by, 0), n)
    moved[(gone, slice(None)) if axis == 0 else (slice(None), gone)] = 0
    return moved
