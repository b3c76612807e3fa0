"""A foreign NIR graph as a :class:`lsnn_neuro.network.spec.NetworkSpec`, under a reading.

Neurons become populations and what lies between them projections (:mod:`.nir_merge`), with the delays that
keep the framework's time (:mod:`.nir_timing`). What arrives in every step, such as an Affine's bias, is a
bias of the neurons where they hear the input in the very first step and have no synaptic current. Elsewhere
a population of one neuron that spikes in every step sends it, so that it begins with the first input and
goes through the current; for what enters the membrane beside a current, another neuron sends once what the
current has yet to gather. What can't be held is refused by the node's name and value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import nir
import numpy as np
from scipy import sparse

from deploy.imported import Layer
from deploy.interchange.nir_file import FlatGraph
from deploy.interchange.nir_linear import Matrix, identity, size_of
from deploy.interchange.nir_merge import CONSTANT, NEURONS, Arrivals, merge
from deploy.interchange.nir_neurons import Cell, cell_of
from deploy.interchange.nir_synapses import as_projections
from deploy.interchange.nir_timing import Hop, lags, with_waits
from deploy.interchange.reading import Reading
from deploy.interchange.unrolled import Shape
from lsnn_neuro.arrays import FloatArray
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.graph import INPUT
from lsnn_neuro.network.spec import DELAY_MAX, NetworkSpec, Population, Projection
from lsnn_neuro.neurons.li import LI
from lsnn_neuro.neurons.lif import LIF

READOUT, BIAS, START = "readout", "bias", "start"
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
    read = _read(output, arrivals[output], cells, size_of(shapes[output]))
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
    matrix, n = reading.array(name, "w_rec"), len(cell.kappa)
    if matrix is None:
        return arrivals
    if matrix.shape != (n, n):
        raise NetworkError(
            f"--put {name}.w_rec: has shape {matrix.shape}, expected ({n}, {n}), (target, source)"
        )
    known = arrivals.get((name, 0), sparse.csr_matrix((n, n)))
    return arrivals | {(name, 0): known + sparse.csr_matrix(matrix)}


def _read(output: str, arrivals: Arrivals, cells: dict[str, Cell], size: int) -> str:
    """The node that is read: a population with what is added to it, else the output, which keeps nothing."""
    read = _read_directly(arrivals, cells)
    if read is None:
        zero = np.zeros(size)
        cells[output] = Cell(
            neuron=LI(alpha=zero), kappa=zero, weight=np.ones(size), leak=zero, offset=zero
        )
        return output
    if (CONSTANT, 0) in arrivals:
        added = arrivals[CONSTANT, 0].toarray()[:, 0]
        cells[read] = replace(cells[read], offset=cells[read].offset + added)
    return read


def _read_directly(arrivals: Arrivals, cells: dict[str, Cell]) -> str | None:
    """The population that an output passes on; None where there is something between.

    A constant that is added to a membrane on the way is its offset.
    """
    heard = {key: matrix for key, matrix in arrivals.items() if key != (CONSTANT, 0)}
    if len(heard) != 1:
        return None
    ((source, delay), matrix) = next(iter(heard.items()))
    if source not in cells or (len(heard) < len(arrivals) and cells[source].neuron.spiking):
        return None
    n = matrix.shape[0]
    same = matrix.shape[1] == n and (matrix != identity(n)).nnz == 0
    return source if delay == 0 and same else None


def _names(cells: dict[str, Cell], read: str) -> dict[str, str]:
    """Node -> a name that a population can have."""
    names: dict[str, str] = {}
    for node, cell in cells.items():
        plain = re.sub(r"\W", "_", node, flags=re.ASCII)
        if node == read and not cell.neuron.spiking:
            plain = READOUT
        while plain in names.values() or plain in (INPUT, BIAS, START):
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


@dataclass(frozen=True, kw_only=True, eq=False)
class _Constants:
    """What a population hears in every step: as a bias, and as spikes, delay -> weights (neuron,).

    - always: of the neuron that spikes in every step; once: of the one that spikes in step 0 alone
    """

    bias: FloatArray
    always: dict[int, FloatArray] = field(default_factory=dict)
    once: dict[int, FloatArray] = field(default_factory=dict)


class _Builder:
    """Populations and projections of an understood graph."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.constants = {name: self._constants(name) for name in graph.cells}

    def populations(self) -> tuple[Population, ...]:
        """All of them, in the order of the nodes; those that send constants last, where they are needed."""
        found = [
            cell.population(self.graph.names[name], self.constants[name].bias)
            for name, cell in self.graph.cells.items()
        ]
        sender = LIF(alpha=np.zeros(1), b0=0.75, reset="to", unit_gain=True)
        if any(c.always or c.once for c in self.constants.values()):
            found.append(Population(name=BIAS, neuron=sender, bias=np.ones(1)))
        if any(c.once for c in self.constants.values()):
            found.append(Population(name=START, neuron=sender, bias=np.ones(1)))
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
            yield from as_projections(self.graph.names[source], self.graph.names[target], entries)
        for name, constants in self.constants.items():
            for source, sent in ((BIAS, constants.always), (START, constants.once)):
                if sent:
                    entries = [(d, sparse.csr_matrix(w[:, None])) for d, w in sorted(sent.items())]
                    for p in as_projections(source, self.graph.names[name], entries):
                        yield replace(p, plastic=source != START)
        if any(c.once for c in self.constants.values()):  # silences it from step 1 on
            silence = as_projections(BIAS, START, [(0, sparse.csr_matrix([[-1.0]]))])
            yield from (replace(p, plastic=False) for p in silence)

    def _delay(self, h: Hop) -> int:
        """Steps that a synapse waits on top of its hop."""
        before = 0 if h.source == self.graph.inputs else self.graph.lag[h.source]
        return self.graph.lag[h.target] - before - h.least

    def _constants(self, name: str) -> _Constants:
        graph, cell, lag = self.graph, self.graph.cells[name], self.graph.lag[name]
        found = _Constants(bias=np.zeros(len(cell.weight)))
        at_once = lag == 0 or cell.forgets
        for (source, delay), matrix in graph.arrivals[name].items():
            if source is CONSTANT:
                weight = cell.weight * matrix.toarray()[:, 0]
                if at_once and delay == 0 and not cell.has_current:
                    found.bias[:] += weight
                else:
                    self._send(name, found.always, lag + delay, weight)
        if at_once:
            found.bias[:] += cell.leak
        elif cell.leak.any():
            self._send(name, found.always, lag, cell.leak)
            if cell.has_current:  # and once what the current has yet to gather
                more = cell.kappa / (1 - cell.kappa) * cell.leak
                self._send(name, found.once, lag, more)
        return found

    def _send(self, name: str, sent: dict[int, FloatArray], step: int, weight: FloatArray) -> None:
        """Let a neuron that spikes from step 0 on be heard from a step on."""
        delay = step - 1 if self.graph.cells[name].neuron.spiking else step
        if delay > DELAY_MAX:
            raise NetworkError(
                f"NIR node {name!r}: its bias begins in step {step}, later than delays reach ({DELAY_MAX})"
            )
        sent[delay] = sent.get(delay, 0.0) + weight
