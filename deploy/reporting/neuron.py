"""The integer states of one neuron over time, on both sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from deploy.comparison import Side, States
from deploy.parity_report import EMULATOR
from lsnn_neuro.neurons.neuron import State
from quantize.arithmetic import Ints, Loihi
from quantize.network import QuantizedNetwork, QuantizedPopulation
from quantize.record import PopulationState, SpikeRecord

BEFORE, AFTER = 40, 20
"""Steps shown before and after a divergence."""

ASKED_BEFORE, ASKED_AFTER = 8, 3
"""Steps around a divergence at which the other side is asked for its states."""

ASKED = 2
"""The same where there is no divergence: half way, and at the end."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StateTrace:
    """One side at the end of some steps, arrays (step,).

    - variables: the neuron's state variables by name, spikes apart
    - spike_steps: its spikes in all of the steps shown
    """

    name: str
    steps: Ints
    variables: Mapping[str, Ints]
    spike_steps: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class NeuronTrace:
    """One neuron of a sample on both sides.

    - one: states at every step
    - other: states at some of these steps; None if that side can't be looked into
    - threshold: what the membrane of ``one`` had to reach, shape (step,)
    - near: step of the divergence, if that is what is shown
    """

    population: str
    neuron: int
    one: StateTrace
    other: StateTrace | None
    threshold: Ints
    near: int | None = None


def representative(network: QuantizedNetwork, record: SpikeRecord, sample: int) -> tuple[str, int]:
    """A neuron with the median number of spikes among those that spike, adaptive ones preferred."""
    counts = {p.name: p.spikes[:, sample].sum(axis=0) for p in record.spikes}
    ranked = sorted(network.spiking, key=lambda p: (not counts[p.name].any(), not p.adaptive))
    chosen = ranked[0].name
    order = np.argsort(counts[chosen], kind="stable")
    active = order[counts[chosen][order] > 0]
    return chosen, int(active[len(active) // 2] if active.size else 0)


def trace_neuron(
    network: QuantizedNetwork,
    sides: tuple[Side, Side],
    sample: int,
    population: str,
    neuron: int,
    *,
    near: int | None = None,
) -> NeuronTrace:
    """Follow a neuron on both sides: around step ``near``, or over the whole sample.

    The emulator is followed step by step and the other side looked at in some steps, since looking into
    a target means to run it once for every step.
    """
    n_steps = sides[0].record.n_steps
    one, two = sorted(sides, key=lambda s: (s.states_at is None, s.record.target != EMULATOR))
    assert one.states_at is not None
    if near is None:
        steps = np.arange(n_steps)
        other_steps = np.unique(np.linspace(0, n_steps - 1, ASKED + 1).astype(int)[1:])
    else:
        steps = np.arange(max(near - BEFORE, 0), min(near + AFTER + 1, n_steps))
        first_asked = max(near - ASKED_BEFORE, 0)
        other_steps = np.arange(first_asked, min(near + ASKED_AFTER + 1, n_steps))
    return NeuronTrace(
        population=population,
        neuron=neuron,
        one=_trace(one, sample, population, neuron, steps, shown=steps),
        other=_trace(two, sample, population, neuron, other_steps, shown=steps)
        if two.states_at
        else None,
        threshold=_threshold(network.population(population), neuron, one.states_at, sample, steps),
        near=near,
    )


class _Distance(Loihi):
    """The chip's arithmetic in which nothing spikes; keeps how far membranes are from their thresholds."""

    found: Ints

    def spike(self, distance: Ints, c: Any, allowed: npt.NDArray[np.bool_] | None) -> Ints:
        """Nothing spikes."""
        self.found = distance
        return np.zeros_like(distance)


def _threshold(
    population: QuantizedPopulation, neuron: int, states: States, sample: int, steps: Ints
) -> Ints:
    """What the membrane had to reach in some steps: it less its distance, as the neuron's own step has it."""
    constants = population.constants.map(
        lambda _, role, value: value[[neuron]].astype(np.int64) if role.is_number else value
    )
    threshold = np.zeros(len(steps), np.int64)
    for i, step in enumerate(steps):
        before = None
        if step > 0:
            before = _state_of(states(sample, int(step) - 1), population.name)
        values = {
            name: np.array([0 if before is None else int(before[name][neuron])], np.int64)
            for name in population.neuron.states
        }
        distance = _Distance()
        after = population.neuron.step(State(**values), np.int64(0), constants, distance)
        threshold[i] = (after.v - distance.found)[0]
    return threshold


def _state_of(states: tuple[PopulationState, ...], population: str) -> PopulationState:
    return next(s for s in states if s.name == population)


def _trace(
    side: Side, sample: int, population: str, neuron: int, steps: Ints, *, shown: Ints
) -> StateTrace:
    assert side.states_at is not None
    states = [_state_of(side.states_at(sample, int(step)), population) for step in steps]
    train = next(p for p in side.record.spikes if p.name == population).spikes[:, sample, neuron]
    at = np.flatnonzero(train)
    return StateTrace(
        name=side.record.target,
        steps=steps,
        variables={
            name: np.array([s[name][neuron] for s in states], np.int64)
            for name in states[0].names
            if name != "z"
        },
        spike_steps=at[np.isin(at, shown)],
    )
