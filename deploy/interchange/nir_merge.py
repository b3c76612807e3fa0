"""All that lies between the neurons of a NIR graph, merged into one matrix for each pair of ends.

Nodes are gone through once, in topological order, and each holds one matrix for every source and delay that
reach it; however many paths lead there, they are summed on the way. Affine biases travel as the weights of
one constant source.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import nir
import numpy as np
from scipy import sparse

from deploy.interchange.nir_file import FlatGraph
from deploy.interchange.nir_linear import (
    LINEAR,
    Matrix,
    bias_of,
    check_size,
    identity,
    size_of,
    whole_shape,
)
from deploy.interchange.unrolled import SYNAPSES_MAX, Shape
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.spec import DELAY_MAX

CONSTANT = None
"""The source of biases: 1 in every step."""
Arrivals = dict[tuple[str | None, int], Matrix]
"""(source, delay in steps) -> (target, source)."""
NEURONS = (nir.LIF, nir.CubaLIF, nir.IF, nir.Threshold, nir.LI, nir.CubaLI, nir.I)
PASSING = (nir.Delay, nir.Output, nir.ir.graph.Identity)
"""What gives out what comes in."""
PRODUCTS_MAX = 200_000_000
"""Multiplications of two sparse matrices in a row, at most."""


def is_source(node: nir.NIRNode) -> bool:
    """Whether it sends something of its own: inputs and neurons."""
    return isinstance(node, (nir.Input, *NEURONS))


def shapes_of(graph: FlatGraph) -> dict[str, Shape]:
    """What each node gives out, found from inputs and neurons on along the edges."""
    after, shapes = graph.after(), dict[str, Shape]()

    def spread(known: dict[str, Shape]) -> None:
        shapes.update(known)
        ready = deque(known)
        while ready:
            name = ready.popleft()
            for other in after[name]:
                if other not in shapes:
                    shapes[other] = _shape_after(other, graph.nodes[other], shapes[name])
                    ready.append(other)

    spread({n: shape for n, node in graph.nodes.items() if (shape := _own_shape(node)) is not None})
    for name, node in graph.nodes.items():
        if name not in shapes and isinstance(node, NEURONS):  # one neuron, which hears nothing
            spread({name: (1,)})
    for name in graph.nodes.keys() - shapes.keys():
        raise NetworkError(
            f"NIR node {name!r}: is reached by no input and no neuron, so its size is not known; leave it out"
        )
    return shapes


def _own_shape(node: nir.NIRNode) -> Shape | None:
    """The shape of an input, and of neurons whose parameters say it."""
    if isinstance(node, nir.Input):
        shape = whole_shape(node.input_type["input"])
        return shape[1:] if len(shape) > 1 and shape[0] == 1 and len(shape) != 3 else shape
    if not isinstance(node, NEURONS):
        return None
    shape = parameters_shape(node)
    return shape if size_of(shape) > 1 else None


def parameters_shape(node: Any) -> Shape:
    """The shape of a neuron node's largest parameter; () and (1,) stand for all neurons."""
    arrays = [v for v in vars(node).values() if isinstance(v, np.ndarray | float | int)]
    return max((np.shape(v) for v in arrays), key=size_of, default=())


def _shape_after(name: str, node: nir.NIRNode, shape: Shape) -> Shape:
    for kind, unroll in LINEAR.items():
        if isinstance(node, kind):
            return unroll(name, node, shape)[1]
    if isinstance(node, (*PASSING, *NEURONS)):
        return shape
    raise NetworkError(
        f"NIR node {name!r}: is a {type(node).__name__}, allowed are Input, Output, Delay, "
        f"{', '.join(k.__name__ for k in (*NEURONS, *LINEAR))}"
    )


def merge(graph: FlatGraph, step: float) -> tuple[dict[str, Arrivals], dict[str, Shape]]:
    """What arrives at every neuron and output node, and the shape that every node gives out.

    - step: length of a step in the file's unit of time, in which Delay nodes count
    """
    shapes = shapes_of(graph)
    found: dict[str, Arrivals] = {}

    def incoming(name: str) -> Arrivals:
        return _sum(
            name,
            (
                {(p, 0): identity(size_of(shapes[p]))} if is_source(graph.nodes[p]) else found[p]
                for p in graph.before[name]
            ),
        )

    for name in _ordered(graph):
        before = graph.before[name]
        came = shapes[before[0]] if before else shapes[name]
        found[name] = _through(name, graph.nodes[name], incoming(name), came, step)
    ends = {n for n, node in graph.nodes.items() if isinstance(node, (nir.Output, *NEURONS))}
    arrivals = {n: _checked(n, incoming(n), shapes[n]) for n in graph.nodes if n in ends}
    for name, before in graph.before.items():
        for other in before:
            _check_order(name, shapes[name if name in ends else before[0]], other, shapes[other])
    return arrivals, shapes


def _check_order(name: str, shape: Shape, before: str, came: Shape) -> None:
    """Refuse as many values in another order of axes; where one side is flat nobody can tell."""
    one, two = (tuple(n for n in axes if n != 1) for axes in (shape, came))
    if len(one) > 1 and len(two) > 1 and one != two:
        raise NetworkError(
            f"NIR node {name!r}: has shape {shape}, {came} comes in from {before!r}; give both the axes in "
            "one order"
        )


def _checked(name: str, arrivals: Arrivals, shape: Shape) -> Arrivals:
    """What arrives at a neuron or an output, as many values as it has."""
    for matrix in arrivals.values():
        if matrix.shape[0] != size_of(shape):
            raise NetworkError(
                f"NIR node {name!r}: has shape {shape}, {matrix.shape[0]} values come in"
            )
        matrix.eliminate_zeros()
    return {key: matrix for key, matrix in arrivals.items() if matrix.nnz}


def _ordered(graph: FlatGraph) -> list[str]:
    """The nodes between neurons, each after those it hears."""
    between = {n for n, node in graph.nodes.items() if not is_source(node)}
    missing = {n: sum(b in between for b in graph.before[n]) for n in between}
    after, order = graph.after(), deque(n for n in graph.nodes if missing.get(n) == 0)
    found = []
    while order:
        name = order.popleft()
        found.append(name)
        for other in after[name]:
            if other in between:
                missing[other] -= 1
                if missing[other] == 0:
                    order.append(other)
    for name in graph.nodes:
        if missing.get(name, 0) > 0:
            raise NetworkError(f"NIR node {name!r}: lies on a loop without neurons")
    return found


def _sum(name: str, parts: Iterable[Arrivals]) -> Arrivals:
    total: Arrivals = {}
    for part in parts:
        for key, matrix in part.items():
            if key in total and total[key].shape != matrix.shape:
                raise NetworkError(
                    f"NIR node {name!r}: {total[key].shape[0]} and {matrix.shape[0]} values come in, which "
                    "can't be added"
                )
            total[key] = total[key] + matrix if key in total else matrix
    return total


def _through(
    name: str, node: nir.NIRNode, arrivals: Arrivals, shape: Shape, step: float
) -> Arrivals:
    """What a node makes of what arrives; ``shape``: of that."""
    if isinstance(node, nir.Delay):
        return _delayed(name, np.asarray(node.delay, np.float64).ravel() / step, arrivals)
    unroll: Callable[..., tuple[Matrix, Shape]] | None = LINEAR.get(type(node))
    if unroll is None:
        return arrivals
    matrix, out = unroll(name, node, shape)
    made = {key: _product(name, matrix, m) for key, m in arrivals.items()}
    bias = bias_of(name, node, out)
    if not bias.any():
        return made
    return _sum(name, (made, {(CONSTANT, 0): sparse.csr_matrix(bias[:, None])}))


def _product(name: str, left: Matrix, right: Matrix) -> Matrix:
    """Two linear maps in a row as one."""
    if left.shape[1] != right.shape[0]:
        raise NetworkError(
            f"NIR node {name!r}: takes {left.shape[1]} values, {right.shape[0]} come in"
        )
    work = int(left.getnnz(axis=0).astype(np.int64) @ right.getnnz(axis=1).astype(np.int64))
    cells = left.shape[0] * right.shape[1]
    if work > PRODUCTS_MAX and max(cells, *map(size_of, (left.shape, right.shape))) <= SYNAPSES_MAX:
        return sparse.csr_matrix(left.toarray() @ right.toarray())
    check_size(name, min(work, cells))
    return left @ right


def _delayed(name: str, delay: Any, arrivals: Arrivals) -> Arrivals:
    """The rows of each matrix later by so many steps."""
    steps = np.rint(delay)
    wrong = ~(np.abs(delay - steps) <= 1e-3) | (steps < 0) | (steps > DELAY_MAX)
    for index in np.flatnonzero(wrong)[:1]:
        raise NetworkError(
            f"NIR node {name!r}: delay of value {index} is {delay[index]:g} steps, allowed are whole ones "
            f"from 0 to {DELAY_MAX}"
        )
    parts = []
    for (source, before), matrix in arrivals.items():
        if len(steps) not in (1, matrix.shape[0]):
            raise NetworkError(
                f"NIR node {name!r}: has {len(steps)} delays, {matrix.shape[0]} values come in"
            )
        each = np.broadcast_to(steps, matrix.shape[0])
        for d in np.unique(each):
            rows = sparse.diags((each == d).astype(np.float64), format="csr")
            if before + d > DELAY_MAX + 1:
                raise NetworkError(
                    f"NIR node {name!r}: delays add up to {before + d:g} steps, allowed are {DELAY_MAX}"
                )
            parts.append({(source, before + int(d)): rows @ matrix})
    return _sum(name, parts)
