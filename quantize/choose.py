"""Choose parameters, quantize, dequantize: pure functions for weights, decays and scales.

Membranes scale as v_int = S v_float. One S per population, a power of two, so that it does not
jitter while quantization-aware training moves the weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lsnn_neuro.errors import NetworkError
from lsnn_neuro.spec import DT, FloatArray, IntArray, PopulationSpec, ProjectionSpec, ReadoutSpec
from quantize.loihi import (
    ATRLIF_MANT_MAX,
    DECAY_ONE,
    STATE_MAX,
    STATE_SHIFT,
    VTH_MANT_MAX,
    WEIGHT_BITS,
    WEIGHT_EXP_MAX,
    WEIGHT_MAX,
)
from quantize.network import WEIGHT_RANGE, SignMode

STATE_ONE = 2**STATE_SHIFT
SCALE_MAX = 2.0**60
"""Where all weights are next to nothing, there is no natural end to a scale."""


def choose_population_scale(
    population: PopulationSpec, incoming: Sequence[ProjectionSpec], max_exp: int = WEIGHT_EXP_MAX
) -> float:
    """The largest power of two that keeps a population's states inside 24 bits.

    S is limited by the threshold at full adaptation, that of a neuron that fires whenever it may
    (an adaptation current lowers the membrane by as much as it would raise the threshold); by the
    input of one step if all excitatory, or all inhibitory, synapses are active at once (through
    ATRLIF's filter: in every step); and by the largest weight, threshold and threshold step the
    mantissas can hold (with exponents up to ``max_exp``). Large is good: small adaptation states decay
    linearly, since rounding takes away at least 1 per step.
    """
    gain = quantize_decay(population.alpha)[:, None] / DECAY_ONE  # 1 - alpha on its grid
    drive = [_worst_drive(gain * p.weight) for p in incoming]
    largest = max((float(np.abs(gain * p.weight).max(initial=0)) for p in incoming), default=0.0)
    threshold = population.b0 + population.beta * _full_adaptation(population)
    atrlif = population.neuron == "atrlif"
    limits = [
        STATE_MAX / float(threshold.max()),
        (ATRLIF_MANT_MAX if atrlif else VTH_MANT_MAX) * STATE_ONE / float(population.b0.max()),
    ]
    rise = float((population.beta * quantize_decay(population.rho) / DECAY_ONE).max())
    if atrlif and rise > 0:
        limits.append(ATRLIF_MANT_MAX * STATE_ONE / rise)
    if largest > 0:
        limits.append(STATE_MAX / float(np.max(np.sum(drive, axis=0))))
        limits.append(STATE_ONE * WEIGHT_MAX * 2**max_exp / largest)
    scale = _power_of_two_below(min(limits))
    if scale * float(population.b0.min()) < STATE_ONE:
        raise NetworkError(
            f"population {population.name!r}: its smallest threshold {population.b0.min():g} rounds "
            f"to 0 at a scale of {scale:g}, the largest that its inputs (up to {largest:g} a synapse "
            f"and step) and adapted thresholds (up to {threshold.max():g}) allow; train with smaller "
            "weights or larger b0"
        )
    return scale


def _full_adaptation(population: PopulationSpec) -> FloatArray:
    """Largest b of a neuron that fires every 1 + n_ref steps: (1 - rho) / (1 - rho^(1 + n_ref)).

    With a long tau_a that is close to 1 / (1 + n_ref), with a short one to 1.
    """
    rho = 1 - quantize_decay(population.rho) / DECAY_ONE
    peak: FloatArray = 1 / sum((rho**k for k in range(1 + population.n_ref)), np.zeros_like(rho))
    return peak


def _worst_drive(weight: FloatArray) -> FloatArray:
    """Largest magnitude of one step's input, shape (2, target): all excitatory, all inhibitory."""
    return np.stack([np.maximum(weight, 0).sum(axis=1), np.maximum(-weight, 0).sum(axis=1)])


def choose_readout_scale(
    readout: ReadoutSpec, incoming: Sequence[ProjectionSpec], max_exp: int = WEIGHT_EXP_MAX
) -> float:
    """The largest power of two for which no readout can saturate, whatever spikes arrive.

    It is also limited by the largest weight the mantissas can hold (with exponents up to ``max_exp``).
    """
    total = sum((np.abs(p.weight).sum(axis=1) for p in incoming), np.zeros(readout.size))
    largest = float(np.maximum(total, np.abs(readout.bias)).max())
    if largest == 0:
        return 1.0
    limits = [STATE_MAX / largest]
    gain = quantize_decay(readout.kappa)[:, None] / DECAY_ONE
    weight = max((float(np.abs(gain * p.weight).max(initial=0)) for p in incoming), default=0.0)
    if weight > 0:
        limits.append(STATE_ONE * WEIGHT_MAX * 2**max_exp / weight)
    return _power_of_two_below(min(limits))


def _power_of_two_below(limit: float) -> float:
    return 2.0 ** math.floor(math.log2(min(limit, SCALE_MAX)))


def quantize_decay(alpha: npt.ArrayLike) -> IntArray:
    """Decay in 1/4096 for a factor alpha = exp(-dt/tau) per step: round(4096 (1 - alpha))."""
    decay: IntArray = np.rint(DECAY_ONE * (1 - np.asarray(alpha, np.float64))).astype(np.int32)
    return decay


def dequantize_decay(decay: IntArray) -> FloatArray:
    """Time constant in ms of a decay in 1/4096: DT / |ln(1 - decay/4096)|."""
    with np.errstate(divide="ignore"):
        return np.asarray(DT / np.abs(np.log1p(-decay / DECAY_ONE)))


def choose_weight_exp(weight: FloatArray, sign_mode: SignMode, bits: int = WEIGHT_BITS) -> int:
    """The smallest exponent from 0 to 7 with which no weight is clipped, if there is one.

    ``weight`` is in synaptic units (a membrane unit divided by 64). Negative exponents exist on the
    chip but round sums down after accumulation, so they are left to imported networks.
    """
    for exponent in range(WEIGHT_EXP_MAX + 1):
        mant = _rounded(weight, exponent, sign_mode, bits)
        low, high = WEIGHT_RANGE[sign_mode]
        if mant.min(initial=0) >= low and mant.max(initial=0) <= high:
            return exponent
    return WEIGHT_EXP_MAX


def quantize_weight(
    weight: FloatArray, exponent: int, sign_mode: SignMode, bits: int = WEIGHT_BITS
) -> IntArray:
    """Weight mantissas: rounded to the grid of sign mode and bit width, clipped to its range."""
    grid = _grid(sign_mode, bits)
    low, high = WEIGHT_RANGE[sign_mode]
    low, high = -(-low // grid) * grid, high // grid * grid  # the grid's points inside the range
    return np.clip(_rounded(weight, exponent, sign_mode, bits), low, high).astype(np.int32)


def dequantize_weight(mant: IntArray, exponent: int) -> FloatArray:
    """Weight in synaptic units: mantissa * 2^exponent."""
    return mant * 2.0**exponent


def weight_step(exponent: int, sign_mode: SignMode, bits: int = WEIGHT_BITS) -> float:
    """Distance of neighbouring weights in synaptic units."""
    return _grid(sign_mode, bits) * 2.0**exponent


def _grid(sign_mode: SignMode, bits: int) -> int:
    """Distance of neighbouring mantissas; a mixed sign costs a bit."""
    if not 2 <= bits <= WEIGHT_BITS:
        raise NetworkError(f"weight_bits is {bits}, allowed are 2 to {WEIGHT_BITS}")
    return int(2 ** (WEIGHT_BITS - bits + (sign_mode == "mixed")))


def _rounded(
    weight: FloatArray, exponent: int, sign_mode: SignMode, bits: int
) -> npt.NDArray[np.int64]:
    grid = _grid(sign_mode, bits)
    steps: npt.NDArray[np.int64] = np.rint(weight / 2.0**exponent / grid).astype(np.int64)
    return steps * grid
