"""Widths and limits of Loihi's integers, each with its source, and how a constant of each role is rounded.

Sources: [Davies 2018] "Loihi: A Neuromorphic Manycore Processor with On-Chip Learning", IEEE Micro
38(1); [Lava] lava-nc 0.10.0, ``lava/proc/lif/models.py``, ``lava/proc/sparse/models.py`` and
``lava/utils/weightutils.py``, the published bit-accurate models of the chip.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro.neurons.neuron import Role

STATE_MAX = 2**23 - 1
"""Largest magnitude of a membrane, adaptation or readout: 24 bit signed [Lava: LIF clips v]."""

DECAY_BITS = 12
DECAY_ONE = 2**DECAY_BITS
"""Decays are fractions of 4096; 4096 forgets at once [Davies 2018; Lava: LIF decay_unity]."""

STATE_SHIFT = 6
"""Thresholds and synaptic input are shifted left by 6 [Lava: LIF vth_shift, act_shift]."""

VTH_MANT_MAX = 2**17 - 1
"""Threshold mantissa: 17 bit unsigned [Lava: LIF vth]."""

WEIGHT_BITS = 8
WEIGHT_MAX = 255
"""Excitatory weights are 0 to 255, inhibitory -255 to 0 [Lava: weightutils]."""

MIXED_MIN, MIXED_MAX = -256, 254
"""Weights of mixed sign spend a bit on the sign: even, -256 to 254 [Lava: weightutils]."""

WEIGHT_EXP_MIN, WEIGHT_EXP_MAX = -8, 7
"""Exponent shared by all synapses of a projection: 4 bit signed [Davies 2018]."""

DELAY_MAX = 62
"""Synaptic delay in steps: 6 bit, of which 0 to 62 are usable [Davies 2018]."""

BIAS_MANT_MAX, BIAS_EXP_MAX = 2**12 - 1, 7
"""Bias: mantissa of 13 bit signed, exponent 0 to 7 [Davies 2018; Lava: LIF bias_mant, bias_exp]."""

CURRENT_INPUT_MAX = 2**18
"""Largest synaptic input of a step, before the shift by 6, that a synaptic current takes: beyond, Lava
takes 2^24 off only once and the current leaves its range [seen with lava-nc 0.10.0]."""

ACCUMULATOR_MAX = 2**15 - 1
"""Synaptic input of one step and neuron, before the exponent: 16 bit signed [Lava: a_in]."""

STATE_ONE = 2**STATE_SHIFT
"""A synaptic unit in membrane units."""


def role_range(role: Role) -> tuple[int, int]:
    """The lowest and the highest integer that a constant of a role can be."""
    if role.kind == "decay":
        return 0, DECAY_ONE
    if role.kind == "steps":
        return 0, role.most
    most = (2**role.bits - 1) * role.grid
    return (-most if role.signed else 0), most


def to_integer(role: Role, value: Any, scale: float) -> npt.NDArray[np.int32]:
    """A number in float as the chip's integer: rounded to the grid of its role, clipped to its range.

    - scale: membrane units per float unit
    """
    low, high = role_range(role)
    if role.kind == "decay":
        return quantize_decay(value)
    if role.kind == "steps":
        steps: npt.NDArray[np.int32] = np.asarray(value, np.int32)
        return steps
    rounded = np.rint(scale * np.asarray(value, np.float64) / role.grid) * role.grid
    integers: npt.NDArray[np.int32] = np.clip(rounded, low, high).astype(np.int32)
    return integers


def quantize_decay(kept: npt.ArrayLike) -> npt.NDArray[np.int32]:
    """Decay in 1/4096 for a share kept per step: round(4096 (1 - kept)), at least 1 where not all is kept.

    Rounded to 0, a long time constant would give a state that never decays, and what is proportional to the
    decay, like an adaptation's step, would vanish with it.
    """
    lost = 1 - np.asarray(kept, np.float64)
    integers: npt.NDArray[np.int32] = np.maximum(np.rint(DECAY_ONE * lost), lost > 0).astype(
        np.int32
    )
    return integers


def to_bias(value: npt.ArrayLike, scale: float) -> npt.NDArray[np.int32]:
    """A bias as mantissa << exponent with the smallest exponent that holds it, clipped to the largest."""
    exact = np.rint(scale * np.asarray(value, np.float64))
    exponent = np.zeros(exact.shape)
    for _ in range(BIAS_EXP_MAX):
        mant = np.rint(exact / 2**exponent)
        exponent += (mant > BIAS_MANT_MAX) | (mant < -BIAS_MANT_MAX - 1)
    mant = np.clip(np.rint(exact / 2**exponent), -BIAS_MANT_MAX - 1, BIAS_MANT_MAX)
    integers: npt.NDArray[np.int32] = (mant * 2**exponent).astype(np.int32)
    return integers
