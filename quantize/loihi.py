"""Widths and limits of Loihi's integers, each with its source.

Sources: [Davies 2018] "Loihi: A Neuromorphic Manycore Processor with On-Chip Learning", IEEE Micro
38(1); [Lava] lava-nc 0.10.0, ``lava/proc/lif/models.py``, ``lava/proc/sparse/models.py`` and
``lava/utils/weightutils.py``, the published bit-accurate models of the chip.
"""

STATE_MAX = 2**23 - 1
"""Largest magnitude of a membrane, adaptation or readout: 24 bit signed [Lava: LIF clips v]."""

DECAY_BITS = 12
DECAY_ONE = 2**DECAY_BITS
"""Decays are fractions of 4096; 4096 forgets at once [Davies 2018; Lava: LIF decay_unity]."""

STATE_SHIFT = 6
"""Thresholds and synaptic input are shifted left by 6 [Lava: LIF vth_shift, act_shift]."""

VTH_MANT_MAX = 2**17 - 1
"""Threshold mantissa: 17 bit unsigned [Lava: LIF vth]."""

ATRLIF_MANT_MAX = 2**12 - 1
"""Baseline threshold and threshold step of an ATRLIF neuron: 12 bit unsigned, shifted by 6
[Lava: ``lava/proc/atrlif/models.py``, theta_0 and theta_step]."""

WEIGHT_BITS = 8
WEIGHT_MAX = 255
"""Excitatory weights are 0 to 255, inhibitory -255 to 0 [Lava: weightutils]."""

MIXED_MIN, MIXED_MAX = -256, 254
"""Weights of mixed sign spend a bit on the sign: even, -256 to 254 [Lava: weightutils]."""

WEIGHT_EXP_MIN, WEIGHT_EXP_MAX = -8, 7
"""Exponent shared by all synapses of a projection: 4 bit signed [Davies 2018]."""

DELAY_MAX = 62
"""Synaptic delay in steps: 6 bit, of which 0 to 62 are usable [Davies 2018]."""

N_REF_MAX = 63
"""Refractory steps: 6 bit [Davies 2018]."""

ACCUMULATOR_MAX = 2**15 - 1
"""Synaptic input of one step and neuron, before the exponent: 16 bit signed [Lava: a_in]."""
