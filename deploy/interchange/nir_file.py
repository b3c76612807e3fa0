"""NIR files. Read as a flat graph of nodes: links out of the file are refused, subgraphs opened."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import nir
import numpy as np

from lsnn_neuro.data.hdf5 import check_contents, open_hdf5, readable
from lsnn_neuro.errors import FileFormatError, NetworkError

NODES_MAX = 1000
"""Nodes of a graph, at most."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FlatGraph:
    """Nodes that are no graphs by name, and what each hears: node -> its predecessors, in order."""

    nodes: dict[str, nir.NIRNode]
    before: dict[str, list[str]]

    @property
    def inputs(self) -> list[str]:
        """The nodes that nothing enters and that say so."""
        return [name for name, node in self.nodes.items() if isinstance(node, nir.Input)]

    def only(self, kind: type[nir.NIRNode]) -> str:
        """The one node of a kind at the network's ends."""
        found = [name for name, node in self.nodes.items() if isinstance(node, kind)]
        if len(found) != 1:
            raise NetworkError(
                f"NIR graph: has {len(found)} {kind.__name__} nodes, needs exactly 1"
            )
        return found[0]

    def after(self) -> dict[str, list[str]]:
        """Node -> its successors."""
        found: dict[str, list[str]] = {name: [] for name in self.nodes}
        for name, before in self.before.items():
            for other in before:
                found[other].append(name)
        return found


def graph_bytes(graph: nir.NIRGraph) -> bytes:
    """A graph as the bytes of a file.

    A v_reset of 0 is left out, which means the same: nir up to 1.0.4 refuses nodes that have the field.
    """
    buffer = io.BytesIO()
    nir.write(buffer, graph)
    with h5py.File(buffer, "r+") as file:
        for node in file["node/nodes"].values():
            if "v_reset" in node and not np.any(node["v_reset"][()]):
                del node["v_reset"]
    return buffer.getvalue()


def read_graph(path: Path) -> nir.NIRGraph:
    """The graph in a file, its types unchecked: some exporters write them wrong, or not at all.

    FileFormatError over what is no NIR graph, and over links and arrays that lie elsewhere.
    """
    if not path.is_file():
        raise FileFormatError(f"{path}: no such file; expected a NIR graph")
    said = f"{path}: not a readable NIR graph"
    with open_hdf5(path, said, FileFormatError) as file:
        _check_contents(file, path)
    with readable(said, FileFormatError):
        graph = nir.read(path, type_check=False)
    if not isinstance(graph, nir.NIRGraph):
        raise FileFormatError(f"{path}: holds a single {type(graph).__name__}, not a NIR graph")
    return graph


def _check_contents(file: h5py.File, path: Path) -> None:
    """Refuse what may lead in circles or to other files, and more nodes than a graph has."""
    n_nodes = 0
    for group in check_contents(file, str(path), FileFormatError):
        if group.name.endswith("/nodes"):
            n_nodes += len(group)
            check_count(n_nodes, f"{path}: its graph")


def check_count(n: int, what: str) -> None:
    """Refuse graphs of more nodes than are gone through in a moment."""
    if n > NODES_MAX:
        raise NetworkError(
            f"{what} has {n} nodes, allowed are {NODES_MAX}; a node is a whole layer, so join some"
        )


def flatten(graph: nir.NIRGraph) -> FlatGraph:
    """A graph without subgraphs; their nodes are called ``subgraph.node``, as nirtorch calls them.

    What enters a subgraph enters its inputs, and what leaves it leaves its outputs, which pass it on.
    NetworkError over edges between nodes that are not there, and over arrays of no real numbers.
    """
    nodes = dict(_inner_nodes(graph, ""))
    check_count(len(nodes), "NIR graph: it")
    for name, node in nodes.items():
        for field, value in vars(node).items():
            if isinstance(value, np.ndarray) and value.dtype.kind not in "biuf":
                kind = "complex" if value.dtype.kind == "c" else value.dtype
                raise NetworkError(
                    f"NIR node {name!r}: {field} is {kind}, allowed are real numbers"
                )
    before: dict[str, list[str]] = {name: [] for name in nodes}
    for source, target in dict.fromkeys(_inner_edges(graph, "")):
        before[target].append(source)
    return FlatGraph(nodes=nodes, before=before)


def _inner_nodes(graph: nir.NIRGraph, prefix: str) -> Iterator[tuple[str, nir.NIRNode]]:
    """All nodes by their whole names; the ends of subgraphs are nodes that pass on what comes."""
    for name, node in graph.nodes.items():
        if isinstance(node, nir.NIRGraph):
            yield from _inner_nodes(node, f"{prefix}{name}.")
        elif prefix and isinstance(node, nir.Input | nir.Output):
            yield f"{prefix}{name}", nir.ir.graph.Identity(node.input_type)
        else:
            yield f"{prefix}{name}", node


def _inner_edges(graph: nir.NIRGraph, prefix: str) -> Iterator[tuple[str, str]]:
    for source, target in graph.edges:
        for name in (source, target):
            if name not in graph.nodes:
                raise NetworkError(
                    f"NIR graph: has an edge {source!r} -> {target!r}, but no node {prefix + name!r}"
                )
        for a in _ends(graph, source, prefix, nir.Output):
            for b in _ends(graph, target, prefix, nir.Input):
                yield a, b
    for name, node in graph.nodes.items():
        if isinstance(node, nir.NIRGraph):
            yield from _inner_edges(node, f"{prefix}{name}.")


def _ends(graph: nir.NIRGraph, name: str, prefix: str, kind: type[nir.NIRNode]) -> list[str]:
    """Where an edge really ends: at the node itself, or at the ends of a subgraph."""
    node = graph.nodes[name]
    if not isinstance(node, nir.NIRGraph):
        return [f"{prefix}{name}"]
    ends = [n for n, inner in node.nodes.items() if isinstance(inner, kind)]
    if not ends:
        raise NetworkError(f"NIR node {prefix + name!r}: is a graph without {kind.__name__} nodes")
    return [f"{prefix}{name}.{end}" for end in ends]
