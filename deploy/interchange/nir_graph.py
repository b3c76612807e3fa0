"""A foreign NIR graph as a :class:`lsnn_neuro.network.spec.NetworkSpec`, under a reading.

Neurons become populations and what lies between them projections (:mod:`.nir_merge`), with the delays that
keep the framework's time (:mod:`.nir_timing`). What arrives in every step, such as an Affine's bias, is a
bias of the neurons where they hear the input in the very first step and have no synaptic current. Elsewhere
a population of one neuron that spikes in every step sends it, so that it begins with the first input and
goes through the current. What can't be held is refused by the node's name and value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import nir
import numpy as np
from scipy import sparse

from deploy.imported import Layer
from deploy.interchange.nir_file import FlatGraph
from deploy.interchange.nir_linear import Matrix, Shape, identity, size_of
from deploy.interchange.nir_merge import CONSTANT, NEURONS, Arrivals, merge
from deploy.interchange.nir_neurons import Cell, cell_of
from deploy.interchange.nir_timing import Hop, lags, with_waits
from deploy.interchange.reading import Reading
from lsnn_neuro.arrays import FloatArray
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.graph import INPUT
from lsnn_neuro.network.spec import DELAY_MAX, NetworkSpec, Population, Projection
from lsnn_neuro.neurons.li import LI
from lsnn_neuro.neurons.lif import LIF

READOUT, BIAS = "readout", "bias"
POPULATIONS_MAX = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """A NIR graph on its way to a spec.

    - inputs, read: the nodes of the network's input and of what is read; cells: the populations by node
    - arrivals: what reaches each; hops, lag: when; shapes: of what each node gives out
    """

    reading: Reading
    inputs: str
    read: str
    cells: dict[str, Cell]
    arrivals: dict[str, Arrivals]
    shapes: dict[str, Shape]
    names: dict[str, str]
    hops: list[Hop] = field(default_factory=list)
    lag: dict[str, int] = field(default_factory=dict)


def spec_of_graph(graph: FlatGraph, reading: Reading) -> tuple[NetworkSpec, tuple[Layer, ...]]:
    """The float description of a graph, and which population was which node.

    NetworkError over what a network here can't hold.
    """
    found = _timed(_understood(graph, reading))
    builder = _Builder(found)
    spec = NetworkSpec(
        n_inputs=size_of(found.shapes[found.inputs]),
        dt=reading.dt,
        populations=builder.populations(),
        projections=tuple(builder.projections()),
        outputs=(found.names[found.read],),
    )
    layers = tuple(
        Layer(population=found.names[node], node=node, lag=found.lag[node]) for node in found.cells
    )
    return spec, layers


def _understood(flat: FlatGraph, reading: Reading) -> Graph:
    """Nodes as cells, and what reaches them."""
    source, output = flat.only(nir.Input), flat.only(nir.Output)
    n = sum(isinstance(node, NEURONS) for node in flat.nodes.values())
    if n > POPULATIONS_MAX:
        raise NetworkError(
            f"NIR graph: has {n} neuron nodes, allowed are {POPULATIONS_MAX}; a node is a whole population, "
            "so join some"
        )
    arrivals, shapes = merge(flat, reading.step)
    recurrent = {name for name, came in arrivals.items() if any(heard == name for heard, _ in came)}
    cells = {
        name: cell_of(name, node, size_of(shapes[name]), reading, recurrent=name in recurrent)
        for name, node in flat.nodes.items()
        if isinstance(node, NEURONS)
    }
    for name, cell in cells.items():
        arrivals[name] = _with_recurrence(name, arrivals[name], cell, reading)
    read = _read_directly(arrivals[output], cells)
    if read is None:
        read, n = output, size_of(shapes[output])
        zero = np.zeros(n)
        cells[output] = Cell(
            neuron=LI(alpha=zero), kappa=zero, weight=np.ones(n), leak=zero, offset=zero
        )
    for name in cells:
        for heard, _ in arrivals[name]:
            if heard in cells and not cells[heard].neuron.spiking:
                raise NetworkError(
                    f"NIR node {heard!r}: does not spike and feeds {name!r}; allowed is that it is read by "
                    "the Output alone"
                )
    return Graph(
        reading=reading, inputs=source, read=read, cells=cells, arrivals=arrivals, shapes=shapes,
        names=_names(cells, read) | {source: INPUT},
    )  # fmt: skip


def _with_recurrence(name: str, arrivals: Arrivals, cell: Cell, reading: Reading) -> Arrivals:
    """What arrives at a node, with recurrent weights that its file has lost."""
    weight = reading.value(name, "w_rec")
    if weight is None:
        return arrivals
    n, matrix = len(cell.kappa), np.asarray(weight, np.float64)
    if matrix.shape != (n, n):
        raise NetworkError(
            f"--put {name}.w_rec: has shape {matrix.shape}, expected ({n}, {n}), (target, source)"
        )
    known = arrivals.get((name, 0), sparse.csr_matrix((n, n)))
    return arrivals | {(name, 0): known + sparse.csr_matrix(matrix)}


def _read_directly(arrivals: Arrivals, cells: dict[str, Cell]) -> str | None:
    """The population that an output passes on as it is; None where there is something between."""
    if len(arrivals) != 1:
        return None
    ((source, delay), matrix) = next(iter(arrivals.items()))
    n = matrix.shape[0]
    same = matrix.shape[1] == n and (matrix != identity(n)).nnz == 0
    return source if source in cells and delay == 0 and same else None


def _names(cells: dict[str, Cell], read: str) -> dict[str, str]:
    """Node -> a name that a population can have."""
    names: dict[str, str] = {}
    for node, cell in cells.items():
        plain = re.sub(r"\W", "_", node, flags=re.ASCII)
        if node == read and not cell.neuron.spiking:
            plain = READOUT
        while plain in names.values() or plain in (INPUT, BIAS):
            plain += "_"
        names[node] = plain
    return names


def _timed(graph: Graph) -> Graph:
    """The same with what is heard when.

    Where a constant enters a synaptic current that hears the input at once, all lag one step more: the
    neuron that sends it is heard one step after it starts.
    """
    edges = [
        (source, name, delay, source in graph.cells and cell.neuron.spiking)
        for name, cell in graph.cells.items()
        for source, delay in graph.arrivals[name]
        if source is not CONSTANT
    ]
    hops = with_waits(edges, graph.inputs, hop=graph.reading.dialect.hop)
    lag = lags(list(graph.cells), graph.inputs, hops)
    late = any(
        lag[name] == 0 and cell.has_current and (CONSTANT, 0) in graph.arrivals[name]
        for name, cell in graph.cells.items()
    )
    if late:
        lag = {name: steps + 1 for name, steps in lag.items()}
    return Graph(**{**vars(graph), "hops": hops, "lag": lag})


class _Builder:
    """Populations and projections of an understood graph."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.constant = {name: self._constants(name) for name in graph.cells}

    def populations(self) -> tuple[Population, ...]:
        """All of them, in the order of the nodes; the one that sends biases last, where it is needed."""
        found = [
            cell.population(self.graph.names[name], self.constant[name][0])
            for name, cell in self.graph.cells.items()
        ]
        if any(sent for _, sent in self.constant.values()):
            always = LIF(alpha=np.zeros(1), b0=0.75, reset="to", unit_gain=True)
            found.append(Population(name=BIAS, neuron=always, bias=np.ones(1)))
        return tuple(found)

    def projections(self) -> Iterator[Projection]:
        """One from each source onto each target, and more where a pair has several delays."""
        parts: dict[tuple[str, str], list[tuple[int, Matrix]]] = {}
        for h in self.graph.hops:
            cell, arrivals = self.graph.cells[h.target], self.graph.arrivals[h.target]
            weight = sparse.diags(cell.weight) @ arrivals[h.source, h.delay]
            if h.source == self.graph.inputs:
                weight = weight * self.graph.reading.input_scale
            parts.setdefault((h.source, h.target), []).append((self._delay(h), weight))
        for (source, target), entries in parts.items():
            yield from _as_projections(self.graph.names[source], self.graph.names[target], entries)
        for name, (_, sent) in self.constant.items():
            if sent:
                entries = [(d, sparse.csr_matrix(w[:, None])) for d, w in sorted(sent.items())]
                yield from _as_projections(BIAS, self.graph.names[name], entries)

    def _delay(self, h: Hop) -> int:
        """Steps that a synapse waits on top of its hop."""
        before = 0 if h.source == self.graph.inputs else self.graph.lag[h.source]
        return self.graph.lag[h.target] - before - h.least

    def _constants(self, name: str) -> tuple[FloatArray, dict[int, FloatArray]]:
        """What arrives in every step: as a bias, and as spikes: delay -> weights."""
        graph, cell, lag = self.graph, self.graph.cells[name], self.graph.lag[name]
        bias, sent = np.zeros(len(cell.weight)), dict[int, FloatArray]()
        at_once = lag == 0 or cell.forgets
        for (source, delay), matrix in graph.arrivals[name].items():
            if source is CONSTANT:
                weight = cell.weight * matrix.toarray()[:, 0]
                if at_once and delay == 0 and not cell.has_current:
                    bias = bias + weight
                else:
                    self._send(name, sent, lag + delay, weight)
        if at_once or not cell.leak.any():
            return bias + cell.leak, sent
        if cell.has_current:
            index = int(np.flatnonzero(cell.leak)[0])
            raise NetworkError(
                f"NIR node {name!r}: v_leak or bias of neuron {index} ({cell.leak[index]:g}) enters the "
                f"membrane beside its synaptic current, {lag} steps before its first input arrives here; "
                "allowed is 0, or a bias that enters the current"
            )
        self._send(name, sent, lag, cell.leak)
        return bias, sent

    def _send(self, name: str, sent: dict[int, FloatArray], step: int, weight: FloatArray) -> None:
        """Let the constant neuron, which spikes from step 0 on, be heard from a step on."""
        delay = step - 1 if self.graph.cells[name].neuron.spiking else step
        if delay > DELAY_MAX:
            raise NetworkError(
                f"NIR node {name!r}: its bias begins in step {step}, later than delays reach ({DELAY_MAX})"
            )
        sent[delay] = sent.get(delay, 0.0) + weight


def _as_projections(
    source: str, target: str, parts: list[tuple[int, Matrix]]
) -> Iterator[Projection]:
    """Synapses with their delays; a pair that has several stands in several projections."""
    entries = [(d, m.tocoo()) for d, m in parts]
    row = np.concatenate([m.row for _, m in entries]).astype(np.int64)
    column = np.concatenate([m.col for _, m in entries]).astype(np.int64)
    weight = np.concatenate([m.data for _, m in entries])
    delay = np.concatenate([np.full(m.nnz, d) for d, m in entries])
    for index in np.flatnonzero(delay > DELAY_MAX)[:1]:
        raise NetworkError(
            f"projection {source}->{target}: a synapse from {column[index]} to {row[index]} has a delay of "
            f"{delay[index]} steps, allowed are 0 to {DELAY_MAX}"
        )
    kept = weight != 0
    row, column, weight, delay = (a[kept] for a in (row, column, weight, delay))
    order = np.lexsort((delay, column, row))
    row, column, weight, delay = (a[order] for a in (row, column, weight, delay))
    first = np.r_[True, (np.diff(row) != 0) | (np.diff(column) != 0)] if len(row) else row == 0
    rank = np.arange(len(row)) - np.maximum.accumulate(np.where(first, np.arange(len(row)), 0))
    for turn in range(int(rank.max(initial=-1)) + 1):
        here = rank == turn
        yield _projection(
            source, target, column[here], row[here], weight[here], delay[here], turn,
            n_source=parts[0][1].shape[1],
        )  # fmt: skip


def _projection(
    source: str,
    target: str,
    column: Any,
    row: Any,
    weight: FloatArray,
    delay: Any,
    turn: int,
    *,
    n_source: int,
) -> Projection:
    """One projection; with Dale's law where all synapses of each source have one sign (8 bits each)."""
    positive = np.bincount(column, weight > 0, n_source) > 0
    negative = np.bincount(column, weight < 0, n_source) > 0
    return Projection(
        source=source, target=target, source_index=column.astype(np.int32),
        target_index=row.astype(np.int32), weight=weight, delay=delay.astype(np.int32),
        signs="free" if (positive & negative).any() else np.where(negative, -1, 1).astype(np.int8),
        name=f"{source}->{target}" + (f" {turn + 1}" if turn else ""),
    )  # fmt: skip
