"""Probe inputs: what makes every source send and every state that can be cut off be cut off.

Golden samples show a network at its work, and may leave neurons silent and limits untouched: a target that
gets those wrong would pass. Probe inputs are made to reach them; what they do not reach is listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_array

from lsnn_neuro.arrays import BoolArray, Events
from lsnn_neuro.network.graph import INPUT
from quantize.activity import measure_activity
from quantize.emulator import emulate
from quantize.network import SPIKES, QuantizedNetwork, ValueRange
from quantize.record import SpikeRecord

N_STEPS = 120
"""Steps of a probe: enough for a membrane to come near its resting point, few enough for Lava."""
_RATES = (0.02, 0.1, 0.3, 1.0)
_ROUNDS = 4
"""Samples that are made for what the ones before them have not reached."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Probe:
    """Probe inputs, what the emulator makes of them, and what they do not reach.

    - inputs: bool or int8, (time, sample, input); graded ones where the network's inputs are
    - silent: population -> its neurons that do not spike; unsaturated: populations whose states stay within
      their limits
    """

    inputs: Events
    record: SpikeRecord
    silent: dict[str, list[int]]
    unsaturated: list[str]


def make_probe(network: QuantizedNetwork, values: ValueRange = SPIKES, *, seed: int = 0) -> Probe:
    """Inputs at random, dense and sparse; each kind of drive at its most; then aimed at what is silent still.

    - values: least and largest value of an event; both are sent. (0, 1) are spikes
    """
    rng = np.random.default_rng(seed)
    parts = [rng.random((N_STEPS, network.n_inputs)) < rate for rate in _RATES]
    parts += list(_one_sided(network))
    for _ in range(_ROUNDS):
        record = emulate(network, np.stack(parts, axis=1))
        aimed = _aimed_at(network, record, rng)
        if aimed is None:
            break
        parts.append(aimed)
    spikes = np.stack(parts, axis=1)
    inputs = spikes if values == SPIKES else _graded(spikes, values)
    record = emulate(network, inputs)
    cut = {a.name: a.saturated for a in measure_activity(network, inputs)}
    return Probe(
        inputs=inputs,
        record=record,
        silent={
            p.name: [int(i) for i in np.flatnonzero(~p.spikes.any(axis=(0, 1)))]
            for p in record.spikes
            if not p.spikes.any(axis=(0, 1)).all()
        },
        unsaturated=[p.name for p in network.populations if not cut[p.name]],
    )


def _graded(spikes: BoolArray, values: ValueRange) -> Events:
    """Events of the largest value, and after them the same of the least, where one is below 0."""
    least, largest = values
    parts = [(spikes * np.int8(v)).astype(np.int8) for v in (max(largest, 0), min(least, 0)) if v]
    events: Events = np.concatenate(parts or [spikes.astype(np.int8)], axis=1)
    return events


def _one_sided(network: QuantizedNetwork) -> Iterator[BoolArray]:
    """All inputs that excite more than they inhibit, in every step, then all others: to the limits."""
    drives = _input_drive(network).values()
    for sign in (1, -1):
        chosen = np.zeros(network.n_inputs, np.bool_)
        for drive in drives:
            chosen |= sign * drive.sum(axis=0) > 0
        yield np.broadcast_to(chosen, (N_STEPS, network.n_inputs))


def _aimed_at(
    network: QuantizedNetwork, record: SpikeRecord, rng: np.random.Generator
) -> BoolArray | None:
    """Inputs that excite the neurons that have not spiked, one neuron after the other; None if all have."""
    targets = []
    for population, drive in _input_drive(network).items():
        trains = next(p.spikes for p in record.spikes if p.name == population)
        excited = drive.tocsr() > 0
        silent = np.flatnonzero(~trains.any(axis=(0, 1)))
        rows = ((excited[[i]].toarray()[0]) for i in silent[:N_STEPS])
        targets += [row for row in rows if row.any()]
    if not targets:
        return None
    rng.shuffle(targets)
    aimed = np.zeros((N_STEPS, network.n_inputs), np.bool_)
    span = max(1, N_STEPS // len(targets))
    for turn, chosen in enumerate(targets[: N_STEPS // span]):
        aimed[turn * span : (turn + 1) * span] = chosen
    return aimed


def _input_drive(network: QuantizedNetwork) -> dict[str, Any]:
    """Of each spiking population that receives inputs: the sum of weights, sparse (neuron, input)."""
    found: dict[str, Any] = {}
    for q in network.projections:
        if q.source == INPUT and network.population(q.target).spiking:
            weight = q.weight_mant * 2.0**q.weight_exp
            shape = (q.n_target, q.n_source)
            drive = coo_array((weight, (q.target_index, q.source_index)), shape=shape).tocsr()
            found[q.target] = drive + found[q.target] if q.target in found else drive
    return found
