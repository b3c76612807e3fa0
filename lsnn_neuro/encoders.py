"""From values to spikes: the input codings of the tasks.

Values come as (time, ...), spikes go out as bool (time, ..., channel). NumPy only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro.errors import DataError

BoolArray = npt.NDArray[np.bool_]
TOP = 255  # the brightest grey level
DT = 1.0
"""Length of a time step of the tasks that come with the package, ms."""


def crossing_levels(thresholds: int) -> npt.NDArray[np.int64]:
    """Grey levels of the threshold-crossing code, floor(linspace(0, 255, thresholds)).

    - returns: shape (thresholds,), rising from 0 to 255
    """
    if not 2 <= thresholds <= TOP + 1:
        raise DataError(
            f"threshold-crossing code: {thresholds} thresholds, allowed are 2 to {TOP + 1}"
        )
    return np.arange(thresholds, dtype=np.int64) * TOP // (thresholds - 1)


def threshold_crossing(values: npt.NDArray[np.uint8], thresholds: int = 40) -> BoolArray:
    """Spikes where a signal crosses one of several grey levels.

    Channel 2k (onset) fires in step t if values[t] < level k <= values[t + 1], channel 2k + 1
    (offset) if values[t + 1] < level k <= values[t]; in the last step neither does. The highest
    level, 255, has one channel, the last, which fires in every step with values[t] = 255. Nothing
    lies below level 0, so channels 0 and 1 never fire: they are kept because published weights
    count them. A spike stands in the step before the new value, as in the authors' code.

    - values: grey levels, uint8, shape (time, ...); each trailing index is a signal of its own
    - thresholds: number of levels, see :func:`crossing_levels`
    - returns: shape (time, ..., 2 thresholds - 1)

    Source: Bellec et al. 2018, sequential MNIST (40 levels), and the layout of the LSNN published
    for Loihi 1, which is the same.
    """
    _check_grey(values)
    levels = crossing_levels(thresholds)
    above = np.arange(TOP + 1)[:, None] >= levels  # (grey, level)
    rank = (above.sum(axis=1) - 1).astype(np.intp)  # (grey,) highest level reached

    # All pairs of successive ranks, once; a long signal is then a walk through this table.
    reached = np.tri(thresholds, dtype=np.bool_)  # (rank, level): level <= rank
    now, after = reached[:, None, :-1], reached[None, :, :-1]
    table = np.zeros((thresholds, thresholds, 2 * thresholds - 1), np.bool_)
    table[:, :, 0:-1:2] = ~now & after
    table[:, :, 1:-1:2] = now & ~after
    table[-1, :, -1] = True

    ranks = rank[values]  # (time, ...)
    pairs = ranks * thresholds
    pairs[:-1] += ranks[1:]
    pairs[-1:] += ranks[-1:]
    spikes: BoolArray = table.reshape(thresholds**2, -1).take(pairs, axis=0)
    return spikes


def levels_reached(values: npt.NDArray[np.uint8], thresholds: int) -> BoolArray:
    """Channels that fire in every step in which the value is at or above their grey level.

    The levels divide 0 to 255 evenly and leave both ends out: 127 for one, 85 and 170 for two.

    - values: grey levels, uint8, shape (time, ...)
    - thresholds: number of levels
    - returns: shape (time, ..., thresholds)
    """
    _check_grey(values)
    if not 1 <= thresholds <= TOP - 1:
        raise DataError(f"level code: {thresholds} thresholds, allowed are 1 to {TOP - 1}")
    levels = np.arange(1, thresholds + 1) * TOP // (thresholds + 1)
    table = np.arange(TOP + 1)[:, None] >= levels  # (grey, level)
    return table.take(values, axis=0)


def poisson(rates: npt.NDArray[Any], dt: float, rng: np.random.Generator) -> BoolArray:
    """Poisson spike trains, at most one spike a step: P(spike) = rate * dt / 1000.

    - rates: in Hz, shape (time, ..., channel)
    - dt: length of a step in ms
    - returns: the same shape
    """
    probability = np.asarray(rates) * (dt / 1000)
    if not ((probability >= 0) & (probability <= 1)).all():  # also refuses NaN
        raise DataError(
            f"Poisson spikes: a rate times dt = {dt} ms lies outside 0 to 1 spike a step; "
            f"rates must lie in 0 to {1000 / dt:g} Hz"
        )
    return rng.random(probability.shape, dtype=np.float32) < probability


def population(
    values: npt.NDArray[np.float64],
    bounds: tuple[float, float],
    size: int,
    n_steps: int,
    rate: float,
) -> BoolArray:
    """Numbers coded by regular spikes of a group of neurons with Gaussian tuning curves.

    The centres divide the bounds evenly, both ends included; the width (standard deviation) of the
    curves is the distance between two. A neuron with rate r, in spikes a step, fires in step t if
    floor(r (t + 1) + 1/2) > floor(r t + 1/2): evenly, not at random.

    - values: any shape
    - rate: at the centre of a curve, spikes a step, at most 1
    - returns: shape (*values.shape, n_steps, size)
    """
    if not np.isfinite(values).all():
        raise DataError("population code: a value is NaN or infinite")
    low, high = bounds
    centres = np.linspace(low, high, size)
    distance = (np.asarray(values)[..., None] - centres) * ((size - 1) / (high - low))
    rates = rate * np.exp(-np.square(distance) / 2)  # (..., neuron)
    counts = np.floor(rates[..., None, :] * np.arange(n_steps + 1)[:, None] + 0.5)
    fires: BoolArray = np.diff(counts, axis=-2) > 0
    return fires


def cue(n_steps: int, start: int, stop: int) -> BoolArray:
    """A channel that fires in every step of the cue [start, stop) and in no other.

    - returns: shape (time,) with time = n_steps
    """
    if not 0 <= start <= stop <= n_steps:
        raise DataError(f"cue: steps [{start}, {stop}) do not lie within {n_steps} steps")
    steps = np.arange(n_steps)
    return (start <= steps) & (steps < stop)


def _check_grey(values: npt.NDArray[np.uint8]) -> None:
    if values.dtype != np.uint8 or values.ndim == 0:
        raise DataError(
            f"grey values are {values.dtype} of shape {values.shape}, "
            "expected uint8 of shape (time, ...)"
        )
