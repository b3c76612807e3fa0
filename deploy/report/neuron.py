"""The integer states of one neuron over time, on both sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deploy.parity import Side
from deploy.report.evidence import EMULATOR
from quantize.loihi import STATE_SHIFT
from quantize.network import Population, QuantizedNetwork
from quantize.record import SpikeRecord

IntArray = npt.NDArray[np.int64]

BEFORE, AFTER = 40, 20
"""Steps shown before and after a divergence."""

ASKED_BEFORE, ASKED_AFTER = 8, 3
"""Steps around a divergence at which the other side is asked for its states."""

ASKED = 2
"""The same where there is no divergence: half way, and at the end."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Course:
    """One side: membrane v, adaptation a and refractory r at the end of some steps, arrays (step,).

    - spike_steps: its spikes in all of the steps shown
    """

    name: str
    steps: IntArray
    v: IntArray
    a: IntArray
    r: IntArray
    spike_steps: IntArray


@dataclass(frozen=True, kw_only=True, eq=False)
class NeuronTrace:
    """One neuron of a sample on both sides.

    - one: states at every step
    - other: states at some of these steps; None if that side can't be looked into
    - threshold: what the membrane of ``one`` has to reach, shape (step,)
    - near: step of the divergence, if that is what is shown
    """

    population: str
    neuron: int
    one: Course
    other: Course | None
    threshold: IntArray
    near: int | None = None


def representative(network: QuantizedNetwork, record: SpikeRecord, sample: int) -> tuple[str, int]:
    """A neuron with the median number of spikes among those that spike, adaptive ones preferred."""
    counts = {p.name: p.spikes[:, sample].sum(axis=0) for p in record.spikes}
    ranked = sorted(network.populations, key=lambda p: (not counts[p.name].any(), not p.adaptive))
    chosen = ranked[0].name
    order = np.argsort(counts[chosen], kind="stable")
    active = order[counts[chosen][order] > 0]
    return chosen, int(active[len(active) // 2] if active.size else 0)


def follow(
    network: QuantizedNetwork,
    sides: tuple[Side, Side],
    sample: int,
    population: str,
    neuron: int,
    *,
    near: int | None = None,
) -> NeuronTrace:
    """Follow a neuron on both sides: around step ``near``, or over the whole sample.

    The emulator is followed step by step and the other side asked at some steps, since looking into
    a target means to run it once for every step.
    """
    n_steps = sides[0].record.n_steps
    one, two = sorted(sides, key=lambda s: (s.states is None, s.record.target != EMULATOR))
    if near is None:
        steps = np.arange(n_steps)
        other_steps = np.unique(np.linspace(0, n_steps - 1, ASKED + 1).astype(int)[1:])
    else:
        steps = np.arange(max(near - BEFORE, 0), min(near + AFTER + 1, n_steps))
        first_asked = max(near - ASKED_BEFORE, 0)
        other_steps = np.arange(first_asked, min(near + ASKED_AFTER + 1, n_steps))
    first = _course(one, sample, population, neuron, steps, shown=steps)
    cell = next(p for p in network.populations if p.name == population)
    return NeuronTrace(
        population=population,
        neuron=neuron,
        one=first,
        other=_course(two, sample, population, neuron, other_steps, shown=steps)
        if two.states
        else None,
        threshold=_threshold(cell, neuron, first),
        near=near,
    )


def _threshold(population: Population, neuron: int, course: Course) -> IntArray:
    """What the membrane has to reach: A, which ATRLIF's refractory variable adds to."""
    vth = np.full_like(course.v, int(population.vth_mant[neuron]) << STATE_SHIFT)
    if population.neuron == "atrlif":
        return vth + course.a + course.r
    return vth + course.a if population.adaptation == "threshold" else vth


def _course(
    side: Side, sample: int, population: str, neuron: int, steps: IntArray, *, shown: IntArray
) -> Course:
    assert side.states is not None
    states = [
        next(s for s in side.states(sample, int(step)) if s.name == population) for step in steps
    ]
    train = next(p for p in side.record.spikes if p.name == population).spikes[:, sample, neuron]
    at = np.flatnonzero(train)
    return Course(
        name=side.record.target,
        steps=steps,
        v=np.array([s.v[neuron] for s in states], np.int64),
        a=np.array([s.a[neuron] for s in states], np.int64),
        r=np.array([s.r[neuron] for s in states], np.int64),
        spike_steps=at[np.isin(at, shown)],
    )
