"""How a network's activity changes in integers: firing rates, and states at their limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lsnn_neuro.arrays import Events
from lsnn_neuro.network.dynamics import at_rest, simulate
from quantize.arithmetic import Ints, Loihi
from quantize.emulator import check_inputs, running
from quantize.loihi import STATE_MAX
from quantize.network import QuantizedNetwork
from quantize.record import PopulationSpikes

RATE_OFF, RATE_HZ, SATURATED = 0.2, 1.0, 1e-3
"""What is reported: a firing rate off by more than 20 % and 1 Hz; more than 0.1 % of the steps at a limit."""


@dataclass(frozen=True, kw_only=True)
class PopulationActivity:
    """A population on some inputs.

    - rate: mean firing rate in integers, Hz; 0 of a readout
    - rate_float: of the float network, None if it is not known
    - saturated: share of neurons and steps in which a state was cut off at 24 bits
    """

    name: str
    rate: float
    rate_float: float | None
    saturated: float

    def flags(self) -> Iterator[str]:
        """What was lost beyond the limits, a line each."""
        label = f"population {self.name!r}"
        if self.saturated > SATURATED:
            yield f"{label}: states are at their limit in {self.saturated:.2%} of all neurons and steps"
        if self.rate_float is None:
            return
        if self.rate == 0 < self.rate_float:
            yield f"{label}: is silent in integers, in float it fires at {self.rate_float:.3g} Hz"
        elif abs(self.rate - self.rate_float) > max(RATE_HZ, RATE_OFF * self.rate_float):
            yield f"{label}: fires at {self.rate:.3g} Hz in integers, at {self.rate_float:.3g} Hz in float"


class _Counting(Loihi):
    """Loihi's integers, counting what is cut off."""

    def __init__(self) -> None:
        self.cut: Any = False

    def saturate(self, state: Ints) -> Ints:
        """See :func:`quantize.arithmetic.saturate`; remembers where it did something."""
        self.cut = self.cut | (np.abs(state) > STATE_MAX)
        return super().saturate(state)


class _Watched:
    """A neuron whose step counts the states that are cut off."""

    def __init__(self, neuron: Any):
        self.neuron, self.spiking = neuron, neuron.spiking
        self.cells = self.cut = 0

    def step(self, s: Any, drive: Any, c: Any, ar: Any) -> Any:
        """The neuron's step, in counting arithmetic."""
        counting = _Counting()
        state = self.neuron.step(s, drive, c, counting)
        self.cells += state.v.size
        self.cut += int(np.sum(counting.cut))
        return state


def measure_activity(
    network: QuantizedNetwork, inputs: Events, rates: Mapping[str, float] | None = None
) -> tuple[PopulationActivity, ...]:
    """Run some samples on the time loop and look at every population.

    - inputs: (time, sample, input); rates: firing rates of the float network on the same inputs, Hz
    """
    check_inputs(network, inputs)
    loop = running(network)
    watched = {p.name: _Watched(p.neuron) for p in (*loop.spiking, *loop.readouts)}
    loop = replace(
        loop,
        spiking=tuple(replace(p, neuron=watched[p.name]) for p in loop.spiking),  # type: ignore[arg-type]
        readouts=tuple(replace(p, neuron=watched[p.name]) for p in loop.readouts),  # type: ignore[arg-type]
    )
    n_steps, n_samples, _ = inputs.shape
    rest = at_rest(network, lambda n: np.zeros((n_samples, n), np.int64))
    spikes = {p.name: 0 for p in network.spiking}
    for state in simulate(loop, rest, inputs.astype(np.int64), Loihi()):
        for name in spikes:
            spikes[name] += int(state.populations[name].z.sum())
    seconds = n_steps * n_samples * network.dt / 1000
    return tuple(
        PopulationActivity(
            name=p.name,
            rate=spikes.get(p.name, 0) / (seconds * p.size),
            rate_float=(rates or {}).get(p.name),
            saturated=watched[p.name].cut / watched[p.name].cells,
        )
        for p in network.populations
    )


def rates_of(spikes: tuple[PopulationSpikes, ...], dt: float) -> dict[str, float]:
    """Mean firing rates, Hz, of a record's populations."""
    return {p.name: float(p.spikes.mean()) * 1000 / dt for p in spikes}
