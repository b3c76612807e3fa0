"""``Imported``: a network that another tool made, in float and in integers, and how its file was read.

One safetensors file holds all of it; :func:`deploy.load` reads it like a run. What came in as integers has
no float network. Integers of which nothing more is known are written as a network file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro import files
from lsnn_neuro.arrays import whole_number
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network import spec_file
from lsnn_neuro.network.graph import INPUT
from lsnn_neuro.network.spec import INDEX_MAX, NetworkSpec, Population
from quantize import file_format
from quantize.conversion import convert
from quantize.conversion_report import ConversionReport
from quantize.imported import KIND, NETWORK, SPEC, network_of, spec_of
from quantize.network import UNKNOWN, Provenance, QuantizedNetwork
from quantize.scales import choose_scale


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A population and what it was.

    - node: its name there; lag: by how many steps the population comes later, below 0: earlier
    - delays: of each neuron, steps by which its spikes come later there on top of that; () where they don't
    """

    population: str
    node: str
    lag: int
    delays: tuple[int, ...] = ()

    def in_time(self, values: npt.NDArray[Any], n_steps: int) -> npt.NDArray[Any]:
        """What the population did, (time, sample, neuron), at the node's first steps; 0 before it began."""
        found = np.zeros((n_steps, *values.shape[1:]), values.dtype)
        delays = np.broadcast_to(self.delays or 0, values.shape[2])
        for delay in np.unique(delays).tolist():
            first, here = self.lag - delay, delays == delay
            before = max(0, -first)
            found[before:, :, here] = values[first + before : max(0, first + n_steps), :, here]
        return found

    def __post_init__(self) -> None:
        """Check what a file may have wrong."""
        for name, value in (("lag", self.lag), *(("delay", delay) for delay in self.delays)):
            whole_number(f"layer {self.node!r}", name, value, -INDEX_MAX, INDEX_MAX)


@dataclass(frozen=True, kw_only=True, eq=False)
class Imported:
    """A network that was made elsewhere.

    - network: in integers; spec: in float, None where it came in as integers; report: what was lost between
    - reading: the dialect and what else was told, JSON values
    - layers: which population was which node
    - notes: what to know of how it was read, and what its file may have lost
    """

    network: QuantizedNetwork
    spec: NetworkSpec | None = None
    report: ConversionReport | None = None
    reading: Mapping[str, Any] = field(default_factory=dict)
    layers: tuple[Layer, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of_spec(
        cls, spec: NetworkSpec, *, largest_event: int = 1, provenance: Provenance = UNKNOWN, **more: Any
    ) -> Imported:  # fmt: skip
        """A float network and its integers: those of the single-precision numbers it is trained on with.

        - largest_event: of its inputs, for which the membranes must have room
        """
        spec = with_room(spec, largest_event)
        network, report = convert(in_single(spec), provenance=provenance)
        return cls(network=network, spec=spec, report=report, **more)

    @property
    def lag(self) -> int:
        """Steps by which what is read comes later than where the network comes from, below 0: earlier."""
        read = (layer.lag for layer in self.layers if layer.population == self.network.outputs[0])
        return next(read, 0)

    @property
    def late(self) -> int:
        """Steps by which answers are read later; those that come earlier are read as they come."""
        return max(0, self.lag)

    @property
    def input_scale(self) -> float:
        """What an input event of 1 stands for where the network comes from."""
        return float(self.reading.get("input_scale", 1.0))

    def save(self, path: Path | str) -> None:
        """Write atomically; equal networks give equal bytes."""
        if self.spec is None and not self.layers:
            file_format.save(self.network, path)
            return
        network, arrays = file_format.pack(self.network)
        header: dict[str, Any] = {
            "network": network, "reading": dict(self.reading), "notes": list(self.notes),
            "layers": [vars(layer) for layer in self.layers],
        }  # fmt: skip
        kept = {f"{NETWORK}{k}": v for k, v in arrays.items()}
        if self.spec is not None:
            header["spec"], of_spec = spec_file.pack(self.spec)
            kept |= {f"{SPEC}{k}": v for k, v in of_spec.items()}
        files.write(Path(path), KIND, header, kept)

    @classmethod
    def load(cls, path: Path | str) -> Imported:
        """Read it back; FileFormatError over another kind of file, and one that was changed."""
        path = Path(path)
        found = files.read(path, KIND)
        network, spec, report = network_of(found, str(path)), spec_of(found, str(path)), None
        with files.parts_of(str(path), KIND.name):
            if spec is not None:
                report = convert(in_single(spec), weight_bits=network.provenance.weight_bits)[1]
            scale = dict(found.header["reading"]).get("input_scale", 1.0)
            if not (isinstance(scale, int | float) and 0 < scale < math.inf):
                raise NetworkError(f"input_scale is {scale!r}, must be a number above 0")
            return cls(
                network=network, spec=spec, report=report, reading=dict(found.header["reading"]),
                layers=tuple(
                    Layer(**{**layer, "delays": tuple(layer.get("delays", ()))})
                    for layer in found.header["layers"]
                ),
                notes=tuple(map(str, found.header["notes"])),
            )  # fmt: skip


def with_room(spec: NetworkSpec, largest_event: int) -> NetworkSpec:
    """A spec whose voltage scales leave room for graded inputs; the converter's own are for spikes."""
    if largest_event <= 1:
        return spec

    def scaled(p: Population) -> Population:
        incoming = [
            replace(q, weight=q.weight * largest_event) if q.source == INPUT else q
            for q in spec.into(p.name)
        ]
        return replace(p, scale=choose_scale(p, incoming))

    return replace(spec, populations=tuple(scaled(p) for p in spec.populations))


def in_single(spec: NetworkSpec) -> NetworkSpec:
    """A spec with weights and biases in single precision, as a network that learns holds them.

    NetworkError over numbers that are too large or too small for it.
    """
    kept = np.finfo(np.float32)

    def single(values: Any, what: str) -> Any:
        size = np.abs(values)
        beyond = (size > kept.max) | ((size > 0) & (size < kept.tiny))
        for index in np.flatnonzero(beyond)[:1]:
            raise NetworkError(
                f"{what}[{index}] is {np.ravel(values)[index]:g}, allowed in single precision is 0, or "
                f"{kept.tiny:.1e} to {kept.max:.1e}; scale what comes in, or give an --input-scale nearer 1"
            )
        return np.asarray(values, np.float32).astype(np.float64)

    def population(p: Population) -> Population:
        where = f"population {p.name!r}"
        return replace(
            p, bias=single(p.bias, f"{where}: bias"), offset=single(p.offset, f"{where}: offset")
        )

    return replace(
        spec,
        populations=tuple(map(population, spec.populations)),
        projections=tuple(
            replace(p, weight=single(p.weight, f"projection {p.name!r}: weight"))
            for p in spec.projections
        ),
    )
