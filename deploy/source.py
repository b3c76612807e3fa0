"""Parity level *source*: what the framework that a network comes from did itself, against our float network.

A recording is an NPZ file: ``inputs`` (time, sample, input), ``spikes_LAYER`` (time, sample, neuron) for
any layers, by the names of their nodes, and ``readout`` (time, sample, output), if there is one. The float
network runs in double precision on the very inputs, not rounded to events; what our layers lag behind is
known from the import, and nothing is searched for. Frameworks compute in 32 bits: readouts agree within 1e-4
of the largest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deploy.comparison import compare
from deploy.imported import Imported, Layer
from deploy.interchange.real_inputs import as_events, read_real
from deploy.model import Model
from deploy.parity_report import ParityReport
from deploy.samples import array_names, read_array
from lsnn_neuro.arrays import Events, FloatArray
from lsnn_neuro.errors import DataError, NetworkError
from lsnn_neuro.network.double import run_in_double
from quantize.record import PopulationSpikes, SpikeRecord

LEVEL = "source"
SPIKES, READOUT = "spikes_", "readout"
TOLERANCE = 1e-4


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """What a framework did; see the module. ``spikes`` by layer."""

    name: str
    inputs: FloatArray
    spikes: Mapping[str, npt.NDArray[Any]]
    readout: npt.NDArray[Any] | None = None

    @classmethod
    def read(cls, file: Path | str) -> Recording:
        """Read a recording; DataError names the file, and what is wrong with it."""
        file = Path(file)
        inputs, names = read_real(file), array_names(file)
        arrays = {n: read_array(file, n) for n in names if n.startswith(SPIKES) or n == READOUT}
        for name, array in arrays.items():
            if array.ndim < 2 or array.shape[:2] != inputs.shape[:2]:
                raise DataError(
                    f"{file}: {name} has shape {array.shape}, inputs {inputs.shape}; expected the same "
                    "times and samples"
                )
        flat = {n: a.reshape(*a.shape[:2], -1) for n, a in arrays.items()}
        readout = flat.pop(READOUT, None)
        if not flat and readout is None:
            raise DataError(f"{file}: holds no array {SPIKES}LAYER and no {READOUT}")
        spikes = {n.removeprefix(SPIKES): a for n, a in flat.items()}
        return cls(name=str(file), inputs=inputs, spikes=spikes, readout=readout)

    def events(self, model: Model) -> Events:
        """The inputs as the integers take them."""
        return as_events(self.inputs, _imported(model).input_scale)

    def compared(self, model: Model, report: ParityReport) -> ParityReport:
        """A report with the level *source* before all others."""
        found = _imported(model)
        theirs, ours = self._records(found)
        level = replace(compare(theirs, ours), not_recorded=self._not_recorded(found))
        return replace(report, levels={LEVEL: level, **report.levels})

    def _not_recorded(self, found: Imported) -> tuple[str, ...]:
        """What the recording does not hold: spiking layers by their nodes, and the readout."""
        assert found.spec is not None
        spiking = {p.name for p in found.spec.spiking}
        held = {layer_of(key, found.layers).node for key in self.spikes}
        missing = [x.node for x in found.layers if x.population in spiking and x.node not in held]
        return (*missing, *([READOUT] if self.readout is None else []))

    def _records(self, found: Imported) -> tuple[SpikeRecord, SpikeRecord]:
        """Both sides in the framework's time."""
        assert found.spec is not None
        late, n = max(layer.lag for layer in found.layers), len(self.inputs)
        silent = np.zeros((late, *self.inputs.shape[1:]))
        inputs = np.concatenate([self.inputs / found.input_scale, silent])
        spikes, readout = run_in_double(found.spec, inputs)
        layers = [layer_of(key, found.layers) for key in self.spikes]
        lag = next(x.lag for x in found.layers if x.population == found.spec.outputs[0])
        ours = [spikes[x.population][x.lag : x.lag + n] for x in layers if x.population in spikes]
        if len(ours) < len(layers):
            silent_ones = [x.node for x in layers if x.population not in spikes]
            raise DataError(f"{self.name}: layer {silent_ones[0]!r} does not spike here")
        read = self._readouts(readout[lag : lag + n])
        sides = zip(("its own framework", "float"), (self.spikes.values(), ours), read, strict=True)
        one, two = (
            SpikeRecord(
                spikes=tuple(
                    PopulationSpikes(name=x.population, spikes=np.asarray(s) > 0)
                    for x, s in zip(layers, side, strict=True)
                ),
                readout=of_side, target=name, seconds=0.0,
            )
            for name, side, of_side in sides
        )  # fmt: skip
        return one, two

    def _readouts(self, ours: FloatArray) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Both readouts in units of the tolerance, equal where they agree within it."""
        if self.readout is None:
            none = np.zeros((*self.inputs.shape[:2], 0), np.int32)
            return none, none
        if self.readout.shape != ours.shape:
            raise DataError(
                f"{self.name}: readout has shape {self.readout.shape}, the network's {ours.shape}"
            )
        theirs = self.readout.astype(np.float64)
        unit = TOLERANCE * max(float(np.abs(theirs).max()), 1e-30)
        units = np.rint(theirs / unit)
        same = np.abs(ours - theirs) <= unit
        away = np.where(units == np.rint(ours / unit), units + 1, np.rint(ours / unit))
        return units.astype(np.int32), np.where(same, units, away).astype(np.int32)


def layer_of(key: str, layers: tuple[Layer, ...]) -> Layer:
    """The layer that a recording calls so: by its node's name, or the first part of that."""
    found = [x for x in layers if key in (x.node, x.population)]
    found = found or [x for x in layers if key == x.node.strip("_")]
    found = found or [x for x in layers if key == re.split(r"[._]", x.node)[0]]
    if len(found) != 1:
        raise DataError(
            f"recording: {SPIKES}{key} is the spikes of none of the layers, or of several; there are "
            f"{', '.join(x.node for x in layers)}"
        )
    return found[0]


def _imported(model: Model) -> Imported:
    if model.imported is None or model.imported.spec is None:
        raise NetworkError(
            f"{model.name}: was not imported in float, so there is no framework to compare it with; leave "
            "--source out"
        )
    return model.imported
