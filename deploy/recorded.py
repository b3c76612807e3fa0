"""The target ``recorded``: what a chip did once, from a file (:mod:`deploy.recording`).

It runs nothing. A sample whose inputs were recorded is answered with what the chip gave; any other is
refused. What was not recorded is left out of the comparison, which says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from deploy.recording import Recording, keys_of, read_recording
from deploy.session import TargetSession
from deploy.target import Target
from lsnn_neuro.arrays import BoolArray, Events
from lsnn_neuro.errors import NetworkError, TargetUnavailableError
from quantize.emulator import check_inputs
from quantize.network import QuantizedNetwork, QuantizedPopulation
from quantize.record import (
    CURRENT,
    Decisions,
    PopulationSpikes,
    PopulationState,
    Probe,
    SpikeRecord,
)


@dataclass(frozen=True)
class RecordedOptions:
    """Where the recording lies.

    - recording: an ``.npz`` file, or a folder of them, of which the first is taken that holds all inputs
    """

    recording: str = ""


@dataclass(frozen=True)
class Recorded(Target):
    """What a chip gave for inputs that were recorded; raises TargetUnavailableError over any others."""

    name: ClassVar[str] = "recorded"
    level: ClassVar[str] = "P3"

    options: RecordedOptions = field(default_factory=RecordedOptions)

    def unavailable(self) -> str | None:
        """Why there is no recording; None if there is one."""
        where = self.options.recording
        if not where:
            return "no recording is named; give --target-option recording=FILE"
        if not self._files():
            return f"recording {where!r}: no such file, nor a folder with .npz files"
        return None

    def run(self, network: QuantizedNetwork, inputs: Events) -> SpikeRecord:
        """What the chip gave for these samples, (time, sample, input)."""
        check_inputs(network, inputs)
        if reason := self.unavailable():
            raise TargetUnavailableError(f"target {self.name!r}: {reason}")
        refusals = []
        for file in self._files():
            recording = _read(file, file.stat().st_mtime_ns)
            places = _places(recording, inputs)
            if not isinstance(places, str):
                check_fits(file.name, network, recording)
                return _record(network, recording, places)
            refusals.append(f"{file.name}: {places}")
        raise TargetUnavailableError(
            f"target {self.name!r}: {'; '.join(refusals)}; give what was recorded, "
            f"--inputs {self._files()[0]}"
        )

    def session(
        self, network: QuantizedNetwork, n_samples: int, n_steps: int
    ) -> AbstractContextManager[TargetSession]:
        """Refused: what was recorded can't act on anything."""
        raise TargetUnavailableError(f"target {self.name!r}: can't close a loop; use 'loihi-sim'")

    def states(
        self, network: QuantizedNetwork, inputs: Events, step: int
    ) -> tuple[PopulationState, ...]:
        """Refused: the states that were probed are in the record, and there are no others."""
        raise TargetUnavailableError(f"target {self.name!r}: has no states but those recorded")

    def _files(self) -> list[Path]:
        where = Path(self.options.recording)
        return sorted(where.glob("*.npz")) if where.is_dir() else [where] * where.is_file()


@lru_cache(maxsize=4)
def _read(file: Path, changed: int) -> Recording:
    """A recording, read once for all batches; ``changed``: when the file was written."""
    return read_recording(file)


def _places(recording: Recording, inputs: Events) -> list[int] | str:
    """Which recorded sample each of the inputs is; or what is not there."""
    here, known = recording.inputs.shape, recording.places()
    if (inputs.shape[0], inputs.shape[2]) != (here[0], here[2]):
        return (
            f"has {here[0]} steps of {here[2]} inputs, not {inputs.shape[0]} of {inputs.shape[2]}"
        )
    found = [known.get(key, -1) for key in keys_of(inputs)]
    if -1 in found:
        return f"sample {found.index(-1)} is none of the {here[1]} recorded"
    return found


def check_fits(file: str, network: QuantizedNetwork, recording: Recording) -> None:
    """Refuse a recording of another network, naming what does not fit."""
    sizes = {p.name: p for p in network.populations}
    for name, size, variable in _parts(recording):
        if name not in sizes or sizes[name].size != size:
            known = ", ".join(f"{p.name!r} ({p.size})" for p in network.populations)
            raise NetworkError(
                f"recording {file}: population {name!r} of {size} neurons, the network has {known}"
            )
        p = sizes[name]
        states = (*p.neuron.states, *((CURRENT,) if p.decay_i is not None else ()))
        if variable and variable not in states:
            raise NetworkError(
                f"recording {file}: state {variable!r} of {name!r}, its neurons have {', '.join(states)}"
            )
    for name in recording.spikes:
        if not sizes[name].spiking:
            raise NetworkError(f"recording {file}: spikes of {name!r}, whose neurons do not spike")
    for name in recording.resets:
        if name not in sizes:
            raise NetworkError(
                f"recording {file}: resets {name!r}, which the network does not have"
            )
    outputs = network.n_outputs if recording.readout is None else recording.readout.shape[2]
    if outputs != network.n_outputs:
        raise NetworkError(
            f"recording {file}: a readout of {outputs}, the network has {network.n_outputs} outputs"
        )


def _parts(recording: Recording) -> Iterator[tuple[str, int, str]]:
    """Population, number of neurons, and variable ("" for spikes) of what was recorded."""
    yield from ((name, array.shape[2], "") for name, array in recording.spikes.items())
    yield from ((name, array.shape[2], v) for (name, v), array in recording.states.items())


def _record(network: QuantizedNetwork, recording: Recording, places: list[int]) -> SpikeRecord:
    """The answers to some samples."""
    none = np.zeros((len(recording.inputs), len(places), 0), np.int32)
    decisions, readout = None, recording.readout
    if recording.labels is not None:
        start, stop = recording.label_steps
        labels = recording.labels[places].astype(np.int64)
        decisions = Decisions(labels=labels, start=start, stop=stop)
    return SpikeRecord(
        spikes=tuple(
            PopulationSpikes(name=p.name, spikes=recording.spikes[p.name][:, places])
            for p in network.spiking
            if p.name in recording.spikes
        ),
        readout=none if readout is None else readout[:, places].astype(np.int32),
        target=f"{recording.chip}, {recording.run}",
        seconds=0.0,
        probes=tuple(
            Probe(
                population=name,
                variable=variable,
                values=values[:, places].astype(np.int32),
                refractory=_refractory(network.population(name), recording, variable)[:, places],
            )
            for (name, variable), values in recording.states.items()
        ),
        decisions=decisions,
        resets=recording.resets,
        partial=True,
    )


def _refractory(p: QuantizedPopulation, recording: Recording, variable: str) -> BoolArray:
    """Where a reading is the refractory time: in steps in which the chip itself recorded a spike.

    It counts the step of the spike, so it is n_ref + 1. Nothing else is ever taken for it.
    """
    values = recording.states[p.name, variable]
    fired = recording.spikes.get(p.name)
    if variable != "v" or not recording.refractory_reading or fired is None:
        return np.zeros(values.shape, np.bool_)
    time = getattr(p.constants, "n_ref", np.zeros(p.size, np.int64)) + 1
    read: BoolArray = fired & (values == time * recording.refractory_reading)
    return read
