"""Loihi's integer arithmetic: small pure functions on NumPy integer arrays, and the class of them.

All states are computed in 64 bit, so that no intermediate product can overflow: a 24-bit state
times a 12-bit decay needs 36 bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from quantize.loihi import DECAY_BITS, DECAY_ONE, STATE_MAX

Ints = npt.NDArray[np.int64]


def decay(state: Ints, d: npt.ArrayLike) -> Ints:
    """Multiply by (4096 - d) / 4096 and round toward zero, as the chip does.

    ``dec(s, d) = sign(s) * ((|s| * (4096 - d)) >> 12)``; d is 0 (keep) to 4096 (forget).
    """
    kept = DECAY_ONE - np.asarray(d, np.int64)
    decayed: Ints = np.sign(state) * ((np.abs(state) * kept) >> DECAY_BITS)
    return decayed


def saturate(state: Ints) -> Ints:
    """Clip to 24 bit signed, symmetric: -(2^23 - 1) to 2^23 - 1."""
    return np.clip(state, -STATE_MAX, STATE_MAX)


def wrap(state: Ints) -> Ints:
    """Take 2^24 off once above 2^23, add it once at -2^23 and below, as Lava's currents do.

    That is modulo 2^24 as long as the input of a step is at most 2^18, before the shift by 6.
    """
    half = STATE_MAX + 1
    wrapped: Ints = state - 2 * half * (state > half) + 2 * half * (state <= -half)
    return wrapped


def shift(value: Ints, exponent: int) -> Ints:
    """Multiply by 2^exponent; a negative one rounds toward minus infinity (arithmetic shift)."""
    return value << exponent if exponent >= 0 else value >> -exponent


def round_each_product(weight_mant: Ints, values: Ints, exponent: int) -> Ints:
    """What graded values bring in a step on a Loihi 2 chip where the exponent is negative.

    Each synapse's product is rounded to nearest, half away from zero, and then they are summed; Lava, and
    with it :func:`shift`, rounds their sum down. Source: 40 integers that a Loihi 2 (N3B3) printed, in
    lava-nc's tutorials ``lava_va``, all with exponent -7; other exponents were not seen.

    - weight_mant: (target, source); values: (source, ...); gives (target, ...)
    """
    products = np.einsum("ij,j...->ij...", weight_mant, values)
    half = (1 << -exponent) >> 1
    rounded = np.sign(products) * ((np.abs(products) + half) >> -exponent)
    summed: Ints = rounded.sum(axis=1)
    return summed


class Loihi:
    """The chip's integers as an arithmetic (:class:`lsnn_neuro.neurons.neuron.Arithmetic`)."""

    def decay(self, state: Ints, d: npt.ArrayLike) -> Ints:
        """See :func:`decay`."""
        return decay(state, d)

    def saturate(self, state: Ints) -> Ints:
        """See :func:`saturate`."""
        return saturate(state)

    def wrap(self, state: Ints) -> Ints:
        """See :func:`wrap`."""
        return wrap(state)

    def spike(self, distance: Ints, c: Any, allowed: npt.NDArray[np.bool_] | None) -> Ints:
        """1 above the threshold (or at it), where a spike is allowed."""
        crossed = distance >= 0 if c.at_threshold else distance > 0
        return (crossed if allowed is None else crossed & allowed).astype(np.int64)

    def countdown(self, left: Ints, z: Ints, n: Ints) -> Ints:
        """n after a spike, else one fewer than before."""
        return np.where(z > 0, n, np.maximum(left - 1, 0))
