"""Lava's own ATRLIF process, and which populations it computes exactly.

ATRLIF neurons run on this process and on no other: their equations are taken from it. What it asks for in
return is one value of each constant for all neurons, inputs that its current can't wrap around twice in
one step, and silence at rest: it runs a step before the first input has passed the synapses.

Source: lava-nc 0.10.0, ``lava/proc/atrlif/models.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from deploy.lava.neurons.neuron import LavaNeuron, differing, tiled
from deploy.lava.neurons.stock_lif import bias_obstacle, input_obstacle, start_before_bias
from lsnn_neuro.arrays import IntArray
from quantize.loihi import CURRENT_INPUT_MAX, DECAY_ONE, STATE_SHIFT
from quantize.network import QuantizedNetwork, QuantizedPopulation, ValueRange


class StockATRLIF(LavaNeuron):
    """Lava's own ATRLIF."""

    label = "stock ATRLIF"
    process_name = "ATRLIF"
    stock = True

    def obstacle(
        self, network: QuantizedNetwork, population: QuantizedPopulation, values: ValueRange
    ) -> str | None:
        """Why it can't compute this population exactly; None if it can."""
        c = population.constants
        constants = {name: value for name, _, value in c.numbers()}
        found = differing((constants | {"decay_i": population.decay_i}).items(), self.label)
        if found:
            return found
        if c.vth[0] == 0:
            return "vth is 0, so it fires at rest, before the first input arrives"
        return bias_obstacle(population, c.decay_v) or input_obstacle(
            network, population, -CURRENT_INPUT_MAX, CURRENT_INPUT_MAX, values
        )

    def build(
        self, population: QuantizedPopulation, samples: int, *, start_step: int,
        start: Mapping[str, IntArray],
    ) -> Any:  # fmt: skip
        """The process.

        Decays are fractions of 1; the current's is one step less than the decay it stands for, since Lava
        adds 1/4096 (its register ds_offset). theta_0 and theta_step are shifted by 6 in the process; arrays
        would hang the run.
        """
        from lava.proc.atrlif.process import ATRLIF

        c = population.constants
        assert population.decay_i is not None
        mantissa, exponent = population.bias_parts()
        v = start_before_bias(population.bias, c.decay_v) if population.bias.any() else 0
        return ATRLIF(
            shape=(samples * population.size,),
            delta_i=(int(population.decay_i[0]) - 1) / DECAY_ONE,
            delta_v=int(c.decay_v[0]) / DECAY_ONE,
            delta_theta=int(c.decay_a[0]) / DECAY_ONE,
            delta_r=int(c.decay_r[0]) / DECAY_ONE,
            theta_0=int(c.vth[0]) >> STATE_SHIFT,
            theta_step=int(c.step_a[0]) >> STATE_SHIFT,
            bias_mant=tiled(mantissa, samples),
            bias_exp=tiled(exponent, samples),
            v=np.tile(v, samples) if np.ndim(v) else 0,
            name=population.name,
        )

    def model(self) -> Any:
        """The fixed-point one."""
        from lava.proc.atrlif.models import PyATRLIFModelFixed

        return PyATRLIFModelFixed

    def states(self, process: Any) -> dict[str, IntArray]:
        """The adaptation is how far theta stands above its baseline."""
        baseline = process.proc_params["theta_0"] << STATE_SHIFT
        found = {
            "v": process.v.get(),
            "a": process.theta.get() - baseline,
            "r": process.r.get(),
        }
        return {name: value.astype(np.int32) for name, value in found.items()}
