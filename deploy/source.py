"""Parity level *source*: what the framework that a network comes from did itself, against our network.

The framework's own module is run here (:meth:`SourceRun.of_module`), or it ran elsewhere, and an NPZ file
holds what it did: ``inputs`` (time, sample, input), ``spikes_LAYER`` (time, sample, neuron), zeros and
ones, for any layers, by the names of their nodes, and ``readout`` (time, sample, output), if there is one.
Of a network that was imported with several spikes in a step taken as one, so are the numbers of spikes here.
The float network runs in double precision on the very inputs, not rounded to events. Frameworks compute in
32 bits: readouts agree within 1e-4 of the largest. What came in as integers runs on the emulator, its inputs
are whole numbers, and its readout is equal or not. What our layers lag behind is known from the import, and
nothing is searched for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deploy.comparison import Comparison, compare
from deploy.emulated import Emulator
from deploy.imported import Imported, Layer
from deploy.interchange.dialects import DIALECTS
from deploy.interchange.real_inputs import read_real, rounded_events
from deploy.model import Model, Network, model_of
from deploy.parity_report import ParityReport
from deploy.samples import array_names, read_array
from deploy.target import FLOAT
from lsnn_neuro.arrays import Events, FloatArray
from lsnn_neuro.errors import DataError, NetworkError
from lsnn_neuro.network.double import run_in_double
from quantize.record import PopulationSpikes, SpikeRecord

LEVEL = "source"
SPIKES, READOUT = "spikes_", "readout"
TOLERANCE = 1e-4


@dataclass(frozen=True, kw_only=True, eq=False)
class SourceRun:
    """What a framework did; see the module. ``spikes`` by layer."""

    name: str
    inputs: FloatArray
    spikes: Mapping[str, npt.NDArray[Any]]
    readout: npt.NDArray[Any] | None = None

    def __post_init__(self) -> None:
        """Check shapes and values; DataError names the array and the first value that is wrong."""
        if not self.spikes and self.readout is None:
            raise DataError(f"{self.name}: holds no array {SPIKES}LAYER and no {READOUT}")
        arrays = {f"{SPIKES}{layer}": spikes for layer, spikes in self.spikes.items()}
        for name, array in (
            arrays | ({} if self.readout is None else {READOUT: self.readout})
        ).items():
            if array.dtype.kind not in "buif":
                raise DataError(f"{self.name}: {name} is {array.dtype}, expected numbers")
            if array.ndim != 3 or array.shape[:2] != self.inputs.shape[:2]:
                raise DataError(
                    f"{self.name}: {name} has shape {array.shape}, inputs {self.inputs.shape}; expected the "
                    "same times and samples"
                )
        for name, spikes in arrays.items():
            whole = np.isfinite(spikes) & (spikes >= 0) & (spikes == np.floor(spikes))
            self._refuse_first(name, spikes, ~whole, "expected the number of spikes in a step")
        if self.readout is not None:
            self._refuse_first(READOUT, self.readout, ~np.isfinite(self.readout), "must be finite")

    @classmethod
    def read(cls, file: Path | str) -> SourceRun:
        """Read it from a file; DataError names the file, and what is wrong with it."""
        file = Path(file)
        inputs, names = read_real(file), array_names(file)
        arrays = {n: read_array(file, n) for n in names if n.startswith(SPIKES) or n == READOUT}
        flat = {
            n: a.reshape(*a.shape[:2], prod(a.shape[2:])) if a.ndim >= 2 else a
            for n, a in arrays.items()
        }
        readout = flat.pop(READOUT, None)
        spikes = {n.removeprefix(SPIKES): a for n, a in flat.items()}
        return cls(name=str(file), inputs=inputs, spikes=spikes, readout=readout)

    @classmethod
    def of_module(
        cls, module: Any, inputs: Any, model: Network, *, play: Callable[[Any], object] | None = None,
        modules: Mapping[str, str] | None = None, entries: Mapping[str, int] | None = None,
    ) -> SourceRun:  # fmt: skip
        """Run the framework's own module, a ``torch.nn.Module``, as it stands, and record its layers.

        - inputs: (time, sample, ...), array or tensor; the module gets them in its own precision
        - model: the module's network as it was imported, what :func:`deploy.from_nir` gives
        - play: runs the module over the inputs, from its state at rest, one call for each step or one for
          all; by default it is called with each step alone, which keeps the state that it has
        - modules: by layer's node, the submodule that it is, where that has another name ("": the whole)
        - entries: by layer's node, which of the things that its submodule gives is compared, by default the
          first; what is read of a neuron may be its membrane

        DataError names the layer that is no submodule, that did not run, or that gave another shape.
        """
        from deploy.source_live import as_array, hear

        found, name = _imported(model_of(model)), type(module).__name__
        if found.spec is None:
            raise NetworkError(
                f"{name}: came in as integers; record what it did, and give SourceRun(name, inputs, spikes, "
                "readout)"
            )
        given = as_array(inputs, name, found.network.n_inputs)
        heard = hear(module, given, found, play=play, modules=modules or {}, entries=entries or {})
        spiking = {p.name for p in found.spec.spiking}
        spikes = {x.node: heard.pop(x.node) for x in found.layers if x.population in spiking}
        flat = given.reshape(*given.shape[:2], -1)
        return cls(name=name, inputs=flat, spikes=spikes, readout=next(iter(heard.values()), None))

    def _refuse_first(
        self, name: str, array: npt.NDArray[Any], wrong: npt.NDArray[np.bool_], allowed: str
    ) -> None:
        """DataError over the first value that is wrong."""
        for at in np.argwhere(wrong)[:1]:
            where = tuple(int(i) for i in at)
            raise DataError(f"{self.name}: {name}[{where}] is {array[where]}, {allowed}")

    def events(self, model: Model) -> Events:
        """The inputs as the integers take them."""
        return self._events(_imported(model))

    def _events(self, found: Imported) -> Events:
        if found.spec is None:
            fraction = self.inputs != np.rint(self.inputs)
            self._refuse_first(
                "inputs",
                self.inputs,
                fraction,
                "the network came in as integers: expected whole numbers",
            )
        return rounded_events(self.inputs, found.input_scale)

    def compared(self, model: Model, report: ParityReport) -> ParityReport:
        """A report with the level *source* before all others."""
        return replace(report, levels={LEVEL: self._comparison(_imported(model)), **report.levels})

    def _comparison(self, found: Imported) -> Comparison:
        """Both sides in the framework's time; what the file does not hold is named."""
        n = len(self.inputs)
        target, spikes, readout = self._ours(found)
        layers = [layer_of(key, found.layers) for key in self.spikes]
        dialect = DIALECTS.get(str(found.reading.get("dialect")))
        if dialect is None or not dialect.several:  # else the import took several as one
            for key, train in self.spikes.items():
                self._refuse_first(f"{SPIKES}{key}", train, train > 1, "allowed are 0 and 1")
        for layer in layers:
            if layer.population not in spikes:
                raise DataError(f"{self.name}: layer {layer.node!r} does not spike here")
        outputs = found.network.outputs
        ours = [x.in_time(spikes[x.population], n) for x in layers]
        read_at = Layer(population=outputs[0], node=READOUT, lag=found.lag)
        theirs, read = self._readouts(found, read_at.in_time(readout, n))
        missing = [x.population for x in found.layers if x.population in spikes and x not in layers]
        if self.readout is None and not {*outputs} <= {x.population for x in layers}:
            missing.append(READOUT)
        one = _record("its own framework", layers, self.spikes.values(), theirs)
        return replace(
            compare(one, _record(target, layers, ours, read)), not_recorded=tuple(missing)
        )

    def _ours(self, found: Imported) -> tuple[str, Mapping[str, npt.NDArray[Any]], FloatArray]:
        """What our network does, until its last layer has: its name, spikes of each population, readout."""
        silent = np.zeros((max(0, *(x.lag for x in found.layers)), *self.inputs.shape[1:]))
        if found.spec is not None:
            inputs = np.concatenate([self.inputs / found.input_scale, silent])
            return (FLOAT, *run_in_double(found.spec, inputs))
        events = self._events(found)
        record = Emulator().run(
            found.network, np.concatenate([events, silent.astype(events.dtype)])
        )
        spikes = {p.name: p.spikes for p in record.spikes}
        return record.target, spikes, record.readout.astype(np.float64)

    def _readouts(self, found: Imported, ours: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both readouts: ours made equal where they agree within the tolerance, integers as they are."""
        if self.readout is None:
            none = np.zeros((*self.inputs.shape[:2], 0))
            return none, none
        if self.readout.shape != ours.shape:
            raise DataError(
                f"{self.name}: readout has shape {self.readout.shape}, the network's {ours.shape}"
            )
        self._refuse_first(
            "the float network's readout", ours, ~np.isfinite(ours), "must be finite"
        )
        theirs = self.readout.astype(np.float64)
        if found.spec is None:
            network = found.network
            return np.rint((theirs - network.output_offset) * network.output_scale), ours
        same = np.abs(ours - theirs) <= TOLERANCE * np.abs(theirs).max(initial=0)
        return theirs, np.where(same, theirs, ours)


def _record(
    target: str, layers: Sequence[Layer], spikes: Iterable[npt.NDArray[Any]], readout: FloatArray
) -> SpikeRecord:
    """One side; the readout in real numbers."""
    trains = tuple(
        PopulationSpikes(name=layer.population, spikes=np.asarray(array) > 0)
        for layer, array in zip(layers, spikes, strict=True)
    )
    return SpikeRecord(spikes=trains, readout=readout, target=target, seconds=0.0)


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
    if model.imported is None or not model.imported.layers:
        raise NetworkError(
            f"{model.name}: does not say which layers of a framework it was made of, so there is nothing to "
            "compare it with; import the framework's file again, or leave --source out"
        )
    return model.imported
