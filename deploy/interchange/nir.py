"""NIR, the Neuromorphic Intermediate Representation: a network for and from other simulators.

What NIR's words say is written as its own nodes (:mod:`.nir_write`); a file is read in the dialect of the
framework that wrote it (:mod:`.dialects`), and so is ours. On request the integer network itself travels
along as an extension (:mod:`.extension`) in the graph's metadata, and is then read back equal. Without it a
file says real numbers alone, and reading quantizes them anew, at scales of its own choice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nir
import numpy as np

from deploy.imported import Imported
from deploy.interchange.extension import EXTENSION, pack, unpack
from deploy.interchange.nir_file import flatten, graph_bytes, read_graph
from deploy.interchange.nir_merge import CONSTANT, NEURONS, merge
from deploy.interchange.nir_read import from_nir
from deploy.interchange.nir_write import (
    PRIMITIVES,
    TIMELESS,
    decay_v,
    graph_of_network,
    has_constant,
    primitive,
)
from lsnn_neuro import files
from lsnn_neuro.arrays import FloatArray, IntArray
from lsnn_neuro.data.hdf5 import readable
from lsnn_neuro.errors import FileFormatError, NetworkError
from quantize.loihi import DECAY_ONE
from quantize.network import QuantizedNetwork

TOLERANCE = 1e-6
"""Relative; other tools may write 32-bit floats. Neighbouring integers lie 0.4 % apart."""

UNSUPPORTED: dict[str, Callable[[Any], str]] = {
    "step_a": lambda step: f"adapts (step_a up to {step.max()})" if step.any() else "",
    "n_ref": lambda n: f"has a refractory time of {n.max()} steps" if n.any() else "",
    "reset": lambda reset: f"resets by {reset!r}" if reset != "to" else "",
    "at_threshold": lambda at: "spikes at its threshold, not only above" if at else "",
}
"""Which values of these neurons' constants are not written as plain NIR; "" where they are."""


def save(network: QuantizedNetwork, path: Path, *, extended: bool = False) -> None:
    """Write a network as a NIR graph, atomically.

    - extended: with the network itself as an extension, so that it is read back equal. It then holds what
      plain NIR doesn't hold too, which is refused otherwise; other tools see plain LIF neurons in its place
    """
    found = list(unsupported(network))
    if found and not extended:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise NetworkError(
            f"{found[0]}, which is not written as plain NIR{more}; write it extended (--extended), for "
            "lsnn-neuro alone to read, or train without it"
        )
    graph = graph_of_network(network)
    if extended:
        graph.metadata = {EXTENSION: pack(network)}
    files.write_bytes(path, graph_bytes(graph))


def load(path: Path) -> QuantizedNetwork:
    """The integers in a file: those of its extension, or of a foreign graph, see :func:`read`."""
    return read(path).network


def read(path: Path | str, dialect: str | None = None, **more: Any) -> Imported:
    """Read a file: the network in its extension, or a foreign graph, quantized now.

    - dialect: whose file it is, a name of :data:`deploy.interchange.dialects.DIALECTS`; None: guessed, if
      only one could be
    - more: what the dialect leaves open, see :func:`from_nir`

    Raises FileFormatError if the graph was changed after its extension had been written, and
    NetworkError if a foreign graph holds what a network here can't.
    """
    path = Path(path)
    graph = read_graph(path)
    with readable(f"{path}: not a readable NIR graph", FileFormatError):
        return _read(path, graph, dialect, **more)


def _read(path: Path, graph: nir.NIRGraph, dialect: str | None, **more: Any) -> Imported:
    """The network of a graph that stands in a file."""
    if EXTENSION not in graph.metadata:
        return from_nir(graph, dialect, checkpoint_sha256=files.sha256(path), **more)
    if dialect is not None or any(value for value in more.values()):
        raise NetworkError(
            f"{path}: is a file of ours and says all of itself; leave --from and what else says how to read "
            "it out"
        )
    network = unpack(graph.metadata[EXTENSION], path)
    since_then = [
        next(_changes(graph_of_network(network, leaky=old), graph, network.dt * 1e-3), "")
        for old in (False, True)
    ]
    if all(since_then):
        raise FileFormatError(
            f"{path}: {since_then[0]} since the export, so the integers in it no longer belong to it; "
            f"remove {EXTENSION} from the graph's metadata to have it quantized anew"
        )
    return Imported(network=network)


def unsupported(network: QuantizedNetwork) -> Iterator[str]:
    """The parts of a network that NIR can't express, or that are not written: object and value."""
    for population in network.populations:
        label = f"population {population.name!r}"
        if population.neuron not in PRIMITIVES:
            yield f"{label} has {population.neuron.name!r} neurons"
            continue
        for name, what in UNSUPPORTED.items():
            found = (
                what(getattr(population.constants, name)) if has_constant(population, name) else ""
            )
            if found:
                yield f"{label} {found}"
        if primitive(population) not in TIMELESS:
            yield from _without_time_constant(label, "decay_v", decay_v(population))
        if population.decay_i is not None:
            yield from _without_time_constant(label, "decay_i", population.decay_i)
        if population.offset.any() and population.name not in network.outputs:
            yield f"{label} has an offset (up to {np.abs(population.offset).max():g}) and is not read"
    if len(network.outputs) > 1:
        yield f"the network has outputs in an order ({', '.join(network.outputs)})"


def _without_time_constant(label: str, field: str, decay: IntArray) -> Iterator[str]:
    """Neurons whose time constant would be zero or infinite."""
    for index in np.flatnonzero((decay == 0) | (decay == DECAY_ONE))[:1]:
        yield f"{label} has a {field} of {decay[index]} (neuron {index}), no finite time constant"


def _changes(expected: nir.NIRGraph, found: nir.NIRGraph, step: float) -> Iterator[str]:
    """Where two graphs say different neurons, or that something else reaches them.

    What lies between neurons may be cut into nodes and factors in other ways: release 0.1 wrote a Linear
    for each projection, r = w_in = 1, and no offset of a readout.
    """
    one, two = _neurons_and_ends(expected), _neurons_and_ends(found)
    for name in sorted(one.keys() ^ two.keys()):
        yield f"node {name!r} was {'removed' if name in one else 'added'}"
    for name in sorted(one.keys() & two.keys()):
        a, b = one[name].to_dict(), two[name].to_dict()
        for field in sorted((a.keys() | b.keys()) - {"metadata", "r", "w_in"}):
            if not _agree(a.get(field), b.get(field)):
                yield f"{field} of node {name!r} was changed"
    try:
        (ours, _), (theirs, _) = (merge(flatten(graph), step) for graph in (expected, found))
    except NetworkError as error:
        yield f"the graph was changed ({error})"
        return
    for name, arrivals in ours.items():
        others = theirs.get(name, {})
        if (CONSTANT, 0) not in others and isinstance(one[name], nir.Output):
            arrivals = {key: m for key, m in arrivals.items() if key != (CONSTANT, 0)}
        if arrivals.keys() != others.keys() or not all(
            _agree(_factor(one[name]) * m.toarray(), _factor(two[name]) * others[key].toarray())
            for key, m in arrivals.items()
        ):
            yield f"what reaches node {name!r} was changed"


def _neurons_and_ends(graph: nir.NIRGraph) -> dict[str, nir.NIRNode]:
    kinds = (*NEURONS, nir.Input, nir.Output)
    return {name: node for name, node in graph.nodes.items() if isinstance(node, kinds)}


def _factor(node: nir.NIRNode) -> FloatArray:
    """What a node multiplies all that reaches it with, (neuron, 1)."""
    factor: FloatArray = np.ravel(getattr(node, "r", 1.0) * getattr(node, "w_in", 1.0))[:, None]
    return factor


def _agree(one: object, two: object) -> bool:
    if not isinstance(one, np.ndarray) or not isinstance(two, np.ndarray):
        return type(one) is type(two) and one == two
    numbers = one.dtype.kind in "biuf" and two.dtype.kind in "biuf"
    return numbers and one.shape == two.shape and np.allclose(one, two, rtol=TOLERANCE, atol=0)
