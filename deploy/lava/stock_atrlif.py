"""Whether Lava's own ATRLIF process computes a population exactly. Pure NumPy, no Lava.

ATRLIF neurons run on that process and on no other: the integer model is taken from it. What it asks
for in return is one value of each constant for the whole population, inputs that its current can't wrap
around twice in one step, and silence at rest: it runs a step before the first input has passed the
synapses.
"""

from __future__ import annotations

import numpy as np

from deploy.lava.stock_lif import input_extremes
from lsnn_neuro.errors import NetworkError
from quantize.loihi import ATRLIF_MANT_MAX, STATE_SHIFT
from quantize.network import Population, QuantizedNetwork

INPUT_MAX = 2**24 >> STATE_SHIFT
"""Largest synaptic input of a step, before the shift: Lava takes 2^24 off a current only once."""


def atrlif_obstacle(network: QuantizedNetwork, population: Population) -> str | None:
    """Why Lava's own ATRLIF can't compute this population exactly; None if it can."""
    for field in ("decay_i", "decay_v", "decay_a", "decay_r", "vth_mant", "step_a"):
        values = np.unique(getattr(population, field))
        if len(values) > 1:
            return f"{field} runs from {values[0]} to {values[-1]}, the process has one for all"
    step = int(population.step_a[0])
    if step % 2**STATE_SHIFT:
        return f"step_a is {step}, the process takes multiples of {2**STATE_SHIFT}"
    for field, mantissa in (
        ("vth_mant", int(population.vth_mant[0])),
        ("step_a", step >> STATE_SHIFT),
    ):
        if mantissa > ATRLIF_MANT_MAX:
            return f"{field} has mantissa {mantissa}, the process takes up to {ATRLIF_MANT_MAX}"
    if population.vth_mant[0] == 0:
        return "vth_mant is 0, so it fires at rest, before the first input arrives"
    low, high = input_extremes(network, population)
    worst = max(int(high.max(initial=0)), -int(low.min(initial=0)))
    if worst > INPUT_MAX:
        return f"its synaptic input can reach {worst}, the process's current takes {INPUT_MAX}"
    return None


def check_atrlif(network: QuantizedNetwork) -> None:
    """Refuse a network with ATRLIF neurons that Lava's process can't compute exactly."""
    for population in network.populations:
        if population.neuron != "atrlif":
            continue
        obstacle = atrlif_obstacle(network, population)
        if obstacle:
            raise NetworkError(
                f"population {population.name!r} can't run on Lava's ATRLIF: {obstacle}; "
                "use model='fused', or the emulator"
            )
