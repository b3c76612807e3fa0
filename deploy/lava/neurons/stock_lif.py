"""Lava's own LIF process, and which populations it computes exactly.

Per step, with ``W`` taking 2^24 off (or adding it) once where u leaves (-2^23, 2^23]::

    u = W(dec(u, du + 1) + (a_in << 6))
    v = sat(dec(v, dv) + u + (bias_mant << bias_exp))
    z = v > vth << 6;  v = 0 where z

which is a LIF (or, with dv = 0, an IF) that resets to 0, without refractory time, and always with a
synaptic current u. Without one, du = 4095 makes it forget at once, but it wraps around all the same. A
population on this process can go to a chip without any model of ours.

Source: lava-nc 0.10.0, ``lava/proc/lif/models.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from deploy.lava.neurons.neuron import LavaNeuron, differing, tiled
from lsnn_neuro.arrays import IntArray
from lsnn_neuro.neurons.integrate_and_fire import IF
from lsnn_neuro.neurons.lif import LIF
from quantize.arithmetic import Ints
from quantize.loihi import CURRENT_INPUT_MAX, DECAY_ONE, STATE_MAX, STATE_SHIFT
from quantize.network import SPIKES, QuantizedNetwork, QuantizedPopulation, ValueRange


def input_obstacle(
    network: QuantizedNetwork, population: QuantizedPopulation, lowest: int, highest: int,
    values: ValueRange = SPIKES,
) -> str | None:  # fmt: skip
    """The obstacle that a step's synaptic input can be beyond what a process's current takes.

    - values: what the network's inputs send
    """
    low, high = network.input_extremes(population.name, values)
    for value in (int(low.min()), int(high.max())):
        if not lowest <= value <= highest:
            return (
                f"its synaptic input can reach {value}, and the process's 24-bit current wraps around "
                f"beyond {lowest} to {highest}"
            )
    return None


def start_before_bias(bias: IntArray, decay_v: IntArray) -> Ints:
    """The membrane that is 0 after a step with nothing but a bias: dec(v, decay_v) + bias = 0.

    Lava's own processes run a step before the first input can arrive. ``decay_v`` below 4096.
    """
    kept = DECAY_ONE - decay_v.astype(np.int64)
    magnitude = -(-np.abs(bias.astype(np.int64)) * DECAY_ONE // kept)  # rounded up
    start: Ints = -np.sign(bias) * magnitude
    return start


def bias_obstacle(population: QuantizedPopulation, decay_v: IntArray) -> str | None:
    """The obstacle that no membrane of 24 bits makes up for the bias of a step too early."""
    if not population.bias.any():
        return None
    if (decay_v == DECAY_ONE).any():
        return "it has a bias and a decay_v of 4096, and the process starts a step early"
    start = np.abs(start_before_bias(population.bias, decay_v))
    if start.max() > STATE_MAX:
        worst = int(start.argmax())
        return (
            f"its bias of {population.bias[worst]} acts a step early, which a membrane of "
            f"{start[worst]} would make up for; it has up to {STATE_MAX}"
        )
    return None


def stock_lif_obstacle(
    network: QuantizedNetwork, population: QuantizedPopulation, values: ValueRange = SPIKES
) -> str | None:
    """Why Lava's own LIF can't compute this population exactly; None if it can.

    - values: what the network's inputs send
    """
    if population.neuron not in (LIF, IF):
        return f"its neurons are {population.neuron.name!r}"
    return (
        _reset_obstacle(population.constants)
        or _decay_obstacle(population)
        or bias_obstacle(population, decay_v_of(population))
        or input_obstacle(network, population, *_input_range(population), values)
    )


def _reset_obstacle(c: Any) -> str | None:
    if c.reset != "to":
        return f"its reset is {c.reset!r}, the stock LIF resets to 0"
    for name, values, what in (
        ("reset_to", c.reset_to, "resets to 0"),
        ("n_ref", c.n_ref, "has no refractory time"),
    ):
        if values.any():
            return f"its {name} is {values[values != 0][0]}, the stock LIF {what}"
    return "it spikes at its threshold, the stock LIF above it" if c.at_threshold else None


def _decay_obstacle(population: QuantizedPopulation) -> str | None:
    decay_v, decay_i = decay_v_of(population), population.decay_i
    constants = [("decay_v", decay_v), ("vth", population.vth)]
    if decay_i is not None:
        constants.append(("decay_i", decay_i))
        if not decay_i.any():
            return "its decay_i is 0, the stock LIF's current always decays"
    if (decay_v == DECAY_ONE).all():
        return f"its decay_v is {DECAY_ONE}, the stock LIF takes up to {DECAY_ONE - 1}"
    return differing(constants, "stock LIF")


def _input_range(population: QuantizedPopulation) -> tuple[int, int]:
    """Lowest and highest synaptic input of a step, before the shift, that wraps around as the model's."""
    if population.decay_i is None:  # the model has no current, and so nothing that wraps
        return -(2**17) + 1, 2**17
    return -CURRENT_INPUT_MAX, CURRENT_INPUT_MAX


def decay_v_of(population: QuantizedPopulation) -> IntArray:
    """Decays of the membranes; an IF's are 0."""
    decay_v: IntArray = getattr(
        population.constants, "decay_v", np.zeros(population.size, np.int32)
    )
    return decay_v


class StockLIF(LavaNeuron):
    """Lava's own LIF."""

    label = "stock LIF"
    process_name = "LIF"
    stock = True
    on_cores = True

    def obstacle(
        self, network: QuantizedNetwork, population: QuantizedPopulation, values: ValueRange
    ) -> str | None:
        """See :func:`stock_lif_obstacle`."""
        return stock_lif_obstacle(network, population, values)

    def build(
        self, population: QuantizedPopulation, samples: int, *, start_step: int,
        start: Mapping[str, IntArray],
    ) -> Any:  # fmt: skip
        """The process; du is one less than the decay, since Lava adds 1 (its register ds_offset)."""
        from lava.proc.lif import process

        decay_i = DECAY_ONE if population.decay_i is None else int(population.decay_i[0])
        decay_v = decay_v_of(population)
        mantissa, exponent = population.bias_parts()
        v = start_before_bias(population.bias, decay_v) if population.bias.any() else 0
        return process.LIF(
            shape=(samples * population.size,),
            du=decay_i - 1,
            dv=int(decay_v[0]),
            vth=int(population.vth[0]) >> STATE_SHIFT,
            bias_mant=tiled(mantissa, samples),
            bias_exp=tiled(exponent, samples),
            v=np.tile(v, samples) if np.ndim(v) else 0,
            name=population.name,
        )

    def model(self) -> Any:
        """The one that is bit by bit the chip's."""
        from lava.proc.lif.models import PyLifModelBitAcc

        return PyLifModelBitAcc

    def states(self, process: Any) -> dict[str, IntArray]:
        """The membrane; no neuron is ever refractory."""
        v = process.v.get().astype(np.int32)
        return {"v": v, "r": v * 0}
