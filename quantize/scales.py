"""Choose scales and exponents, quantize, dequantize: pure functions.

Membranes scale as v_int = S v_float. One S per population, a power of two, so that it does not
jitter while quantization-aware training moves the weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lsnn_neuro.arrays import FloatArray, IntArray
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.spec import Population, Projection
from lsnn_neuro.neurons.neuron import Neuron
from quantize.loihi import (
    BIAS_EXP_MAX,
    BIAS_MANT_MAX,
    DECAY_ONE,
    STATE_MAX,
    STATE_ONE,
    WEIGHT_BITS,
    WEIGHT_EXP_MAX,
    WEIGHT_MAX,
    quantize_decay,
    role_range,
)
from quantize.network import WEIGHT_RANGE, SignMode

SCALE_MAX = 2.0**60
"""Limit of a scale where all weights are nearly 0."""


OUTLIER = 8.0
"""A weight this many times the 99.5 % quantile of its projection's is clipped: one alone would take the bits
of all others."""


def without_outliers(projection: Projection) -> FloatArray:
    """The weights, single ones that are far larger than the rest clipped; imported integers stay."""
    size = np.abs(projection.weight)
    if projection.weight_exp is not None or not len(size):
        return projection.weight
    limit = OUTLIER * float(np.quantile(size, 0.995))
    if size.max() <= limit:
        return projection.weight
    return np.clip(projection.weight, -limit, limit)


def on_decay_grid(neuron: Neuron) -> Neuron:
    """The neuron with every kept share as the chip has it: a multiple of 1/4096."""
    rounded: Neuron = neuron.with_decays(lambda kept: 1 - quantize_decay(kept) / DECAY_ONE)
    return rounded


def input_gain(population: Population, neuron: Neuron) -> FloatArray:
    """The factor on a population's weights in integers: gain times 1 - kappa_i, both on their grid.

    - neuron: the population's, its decays on the grid
    """
    gain: FloatArray = np.asarray(neuron.gain(), np.float64)
    if population.has_current:
        gain = gain * (quantize_decay(population.kappa_i) / DECAY_ONE)
    return gain


def choose_scale(
    population: Population, incoming: Sequence[Projection], max_exp: int = WEIGHT_EXP_MAX
) -> float:
    """The scale a population has: its own if it came in as integers, else the largest that fits."""
    if population.scale is not None:
        return population.scale
    if population.spiking:
        return choose_population_scale(population, incoming, max_exp)
    return choose_readout_scale(population, incoming, max_exp)


def choose_population_scale(
    population: Population, incoming: Sequence[Projection], max_exp: int = WEIGHT_EXP_MAX
) -> float:
    """The largest power of two that keeps a population's states inside 24 bits.

    S is limited by the highest threshold a neuron can reach (an adaptation current lowers the membrane by
    as much as it would raise the threshold); by the input of one step if all excitatory, or all
    inhibitory, synapses are active at once (through a synaptic current: in every step); and by the largest
    weight, threshold, bias and other mantissa (with exponents up to ``max_exp``). Large is good: small
    adaptation states decay linearly, since rounding takes away at least 1 per step.
    """
    neuron = on_decay_grid(population.neuron)
    gain = np.asarray(neuron.gain(), np.float64)
    drive = np.zeros((2, population.size))
    largest = 0.0
    for p in incoming:
        weight = gain[p.target_index] * without_outliers(p)
        for i, sign in enumerate((1, -1)):
            drive[i] += np.bincount(p.target_index, np.maximum(sign * weight, 0), population.size)
        largest = max(largest, float(np.abs(weight).max(initial=0)))
    highest = float(np.max(neuron.peak()))
    limits = [STATE_MAX / highest] if highest > 0 else []
    limits += _constant_limits(neuron)
    if largest > 0:
        limits.append(STATE_MAX / float(np.max(drive)))
        limits.append(STATE_ONE * WEIGHT_MAX * 2**max_exp / largest)
    limits += _bias_limits(population.bias * gain)
    scale = _power_of_two_below(min(limits, default=SCALE_MAX))
    for (
        name,
        role,
    ) in neuron.Constants.roles().items():  # the surrogate is as wide as the threshold is high
        smallest = float(np.min(getattr(neuron.constants(), name))) if role.kind == "width" else 0.0
        if 0 < scale * smallest < STATE_ONE:
            raise NetworkError(
                f"population {population.name!r}: its smallest threshold {smallest:g} rounds "
                f"to 0 at a scale of {scale:g}, the largest that its inputs (up to {largest:g} a synapse "
                f"and step) and adapted thresholds (up to {highest:g}) allow; train with smaller "
                "weights or larger b0"
            )
    return scale


def choose_readout_scale(
    population: Population, incoming: Sequence[Projection], max_exp: int = WEIGHT_EXP_MAX
) -> float:
    """The largest power of two for which no readout can saturate, whatever spikes arrive.

    It is also limited by the largest weight, bias and threshold the mantissas can hold (with exponents up
    to ``max_exp``).
    """
    neuron = on_decay_grid(population.neuron)
    gain = np.asarray(neuron.gain(), np.float64)
    total, largest_weight = np.zeros(population.size), 0.0
    for p in incoming:
        size = np.abs(without_outliers(p))
        total += np.bincount(p.target_index, size, population.size)
        weight = gain[p.target_index] * size
        largest_weight = max(largest_weight, float(weight.max(initial=0)))
    leak = quantize_decay(neuron.constants().decay_v) / DECAY_ONE
    steady = (total + np.abs(population.bias)) * gain / np.where(leak > 0, leak, 1)
    largest = float(steady.max())
    if largest == 0:
        return 1.0
    limits = [STATE_MAX / largest, *_bias_limits(population.bias * gain)]
    limits += _constant_limits(neuron)
    if largest_weight > 0:
        limits.append(STATE_ONE * WEIGHT_MAX * 2**max_exp / largest_weight)
    return _power_of_two_below(min(limits))


def _constant_limits(neuron: Neuron) -> list[float]:
    """The scales with which the neuron's constants in membrane units still fit their ranges."""
    limits = []
    for _, role, value in neuron.constants().numbers():
        most = float(np.max(np.abs(value), initial=0))
        if role.has_unit and most > 0:
            limits.append(role_range(role)[1] / most)
    return limits


def _bias_limits(bias: FloatArray) -> list[float]:
    """The scale with which the largest bias, gain included, still fits its mantissa; none without one."""
    largest = float(np.abs(bias).max())
    return [(BIAS_MANT_MAX << BIAS_EXP_MAX) / largest] if largest > 0 else []


def _power_of_two_below(limit: float) -> float:
    return 2.0 ** math.floor(math.log2(min(limit, SCALE_MAX)))


def dequantize_decay(decay: IntArray, dt: float = 1.0) -> FloatArray:
    """Time constant in ms of a decay in 1/4096: dt / |ln(1 - decay/4096)|."""
    with np.errstate(divide="ignore"):
        return np.asarray(dt / np.abs(np.log1p(-decay / DECAY_ONE)))


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
