"""The emulator's side of a record that holds more than spikes, or of a run with resets.

On the time loop, all samples side by side: the kernel keeps neither states nor currents of every step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro.arrays import Events
from lsnn_neuro.network.dynamics import NetworkState
from lsnn_neuro.neurons.neuron import State
from quantize.emulator import Emulator
from quantize.network import QuantizedNetwork
from quantize.record import (
    CURRENT,
    Decisions,
    PopulationSpikes,
    PopulationState,
    Probe,
    SpikeRecord,
)

Resets = Mapping[str, tuple[int, ...]]
"""Of each population the steps before which all its states are cleared; what is under way arrives."""


def replay(
    network: QuantizedNetwork, inputs: Events, record: SpikeRecord, other: SpikeRecord
) -> SpikeRecord:
    """The emulator's record with all that another one holds: its probes, its resets, its decisions.

    - inputs: (time, sample, input); record: the emulator's, without resets
    """
    if other.probes or other.resets:
        record = _replayed(network, inputs, record, other)
    if other.decisions is None:
        return record
    start, stop = other.decisions.start, other.decisions.stop
    sums = network.to_float(record.readout[start:stop]).sum(axis=0)  # (sample, output)
    return replace(record, decisions=Decisions(labels=sums.argmax(axis=1), start=start, stop=stop))


def trace_with_resets(
    network: QuantizedNetwork, inputs: Events, resets: Resets
) -> Iterator[tuple[PopulationState, ...]]:
    """States of every spiking population, step by step, for one sample of shape (time, input)."""
    for emulator in _steps(network, inputs[:, None], resets):
        yield emulator.states()


def _steps(network: QuantizedNetwork, inputs: Events, resets: Resets) -> Iterator[Emulator]:
    """The emulator after each step."""
    emulator = Emulator(network, inputs.shape[1])
    for t, x in enumerate(inputs):
        cleared = [name for name, steps in resets.items() if t in steps]
        emulator.state = _cleared(emulator.state, cleared)
        emulator.step(x)
        yield emulator


def _cleared(state: NetworkState, names: list[str]) -> NetworkState:
    zeros: dict[str, Any] = {
        name: State(**{k: np.zeros_like(v) for k, v in vars(state.populations[name]).items()})
        for name in names
    }
    currents = {name: np.zeros_like(state.currents[name]) for name in names}
    return replace(state, populations=state.populations | zeros, currents=state.currents | currents)


def _replayed(
    network: QuantizedNetwork, inputs: Events, record: SpikeRecord, other: SpikeRecord
) -> SpikeRecord:
    """The run again, everything read of it after every step."""
    trains = {p.name: np.zeros_like(p.spikes) for p in record.spikes}
    read = {(p.population, p.variable): np.zeros_like(p.values) for p in other.probes}
    readout = np.zeros_like(record.readout)
    for t, emulator in enumerate(_steps(network, inputs, other.resets)):
        for name, train in trains.items():
            train[t] = emulator.spikes(name)
        for (name, variable), values in read.items():
            values[t] = _variable(emulator.state, name, variable)
        readout[t] = emulator.readout
    return replace(
        record,
        spikes=tuple(PopulationSpikes(name=name, spikes=train) for name, train in trains.items()),
        readout=readout,
        probes=tuple(
            Probe(population=name, variable=variable, values=values, refractory=values < values)
            for (name, variable), values in read.items()
        ),
        resets=other.resets,
    )


def _variable(state: NetworkState, name: str, variable: str) -> npt.NDArray[Any]:
    found: npt.NDArray[Any] = (
        state.currents[name] if variable == CURRENT else getattr(state.populations[name], variable)
    )
    return found
