"""Which populations Lava's own LIF process computes exactly. Pure NumPy, no Lava.

With ``du = 4095`` the current u of Lava's LIF (its fixed-point model adds 1 to du) is forgotten in
every step, and what remains is our neuron with reset "zero" and neither adaptation nor refractory
time. A population on the stock process can go to a chip without any model of ours.
"""

from __future__ import annotations

import numpy as np

from deploy.lava.options import LifModel
from lsnn_neuro.errors import NetworkError
from quantize.fixed_point import Ints, shift
from quantize.loihi import STATE_MAX, STATE_SHIFT
from quantize.network import Population, QuantizedNetwork


def input_extremes(network: QuantizedNetwork, population: Population) -> tuple[Ints, Ints]:
    """Lowest and highest synaptic input each neuron can get in one step, before the shift by 6."""
    low = np.zeros(population.size, np.int64)
    high = np.zeros(population.size, np.int64)
    for projection in network.into(population.name):
        delays = projection.max_delay + 1
        rows = projection.delay.astype(np.int64) * projection.n_target + projection.target_index
        for extreme, weights in (
            (low, np.minimum(projection.weight_mant, 0)),
            (high, np.maximum(projection.weight_mant, 0)),
        ):
            sums = np.zeros(delays * projection.n_target, np.int64)
            np.add.at(sums, rows, weights)
            extreme += shift(sums, projection.weight_exp).reshape(delays, -1).sum(axis=0)
    return low, high


def stock_lif_obstacle(network: QuantizedNetwork, population: Population) -> str | None:
    """Why Lava's own LIF can't compute this population exactly; None if it can."""
    if population.neuron != "lif":
        return f"its neurons are {population.neuron!r}"
    if population.adaptive:
        return "it adapts"
    if population.reset != "zero":
        return f"its reset is {population.reset!r}, the stock LIF resets to zero"
    if population.n_ref:
        return f"its n_ref is {population.n_ref}, the stock LIF has no refractory time"
    for field in ("decay_v", "vth_mant"):
        values = np.unique(getattr(population, field))
        if len(values) > 1:
            return f"{field} runs from {values[0]} to {values[-1]}, the stock LIF has one for all"
    low, high = input_extremes(network, population)
    worst = max(int(high.max(initial=0)), -int(low.min(initial=0)))
    limit = STATE_MAX >> STATE_SHIFT
    if worst > limit:
        return (
            f"its synaptic input can reach {worst}, and the stock LIF's 24-bit current wraps "
            f"around above {limit}"
        )
    return None


def on_stock_lif(network: QuantizedNetwork, lif: LifModel) -> frozenset[str]:
    """Names of the populations that run on Lava's own LIF; refuses "stock" where it isn't exact.

    ATRLIF populations are none of its business (:mod:`deploy.lava.stock_atrlif`).
    """
    if lif == "own":
        return frozenset()
    lifs = [p for p in network.populations if p.neuron == "lif"]
    obstacles = {p.name: stock_lif_obstacle(network, p) for p in lifs}
    for name, obstacle in obstacles.items():
        if obstacle and lif == "stock":
            raise NetworkError(
                f"population {name!r} can't run on Lava's stock LIF: {obstacle}; "
                "use lif='auto' or 'own'"
            )
    return frozenset(name for name, obstacle in obstacles.items() if obstacle is None)
