"""A foreign NIR graph of LIF neurons as an :class:`lsnn_neuro.spec.LSNNSpec`.

Taken: one Input, LIF neurons with v_leak = v_reset = 0, Linear (or Affine without bias), Delay, and
one Output behind LI neurons (the readout), behind a Linear (a readout without memory) or behind LIF
neurons (their spikes). Everything else is refused by the node's name and value. Steps are 1 ms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import nir
import numpy as np
import numpy.typing as npt

from lsnn_neuro.errors import NetworkError
from lsnn_neuro.spec import (
    DT,
    INPUT,
    READOUT,
    LSNNSpec,
    PopulationSpec,
    ProjectionSpec,
    ReadoutSpec,
)
from quantize.choose import quantize_decay
from quantize.loihi import DELAY_MAX

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int32]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Arrival:
    """Synapses that reach a target: weight and delay, both of shape (target, source)."""

    source: str
    weight: FloatArray
    delay: IntArray


def spec_of_graph(graph: nir.NIRGraph) -> LSNNSpec:
    """The float description of a graph; raises NetworkError over what it can't hold."""
    source, output = _only(graph, nir.Input), _only(graph, nir.Output)
    neurons = {name: n for name, n in graph.nodes.items() if isinstance(n, nir.LIF)}
    populations = tuple(_population(name, node) for name, node in neurons.items())
    projections = [p for name, n in neurons.items() for p in _into(graph, name, name, n.r)]
    before = _predecessors(graph, output)
    last = graph.nodes[before[0]] if len(before) == 1 else None
    if isinstance(last, nir.LI):
        kappa = _decay_factor(before[0], last)
        projections += _into(graph, before[0], READOUT, last.r)
    else:
        size = int(np.prod(graph.nodes[output].output_type["output"]))
        kappa = np.zeros(size)
        projections += _into(graph, output, READOUT, np.ones(size))
    n_inputs = int(np.prod(graph.nodes[source].output_type["output"]))
    return LSNNSpec(
        n_inputs=n_inputs,
        populations=populations,
        projections=tuple(projections),
        readout=ReadoutSpec(kappa=kappa, bias=np.zeros(len(kappa))),
    )


def _only(graph: nir.NIRGraph, kind: type[nir.NIRNode]) -> str:
    names: list[str] = [n for n, node in graph.nodes.items() if isinstance(node, kind)]
    if len(names) != 1:
        raise NetworkError(f"NIR graph: has {len(names)} {kind.__name__} nodes, needs exactly 1")
    return names[0]


def _predecessors(graph: nir.NIRGraph, name: str) -> list[str]:
    return [a for a, b in graph.edges if b == name]


def _population(name: str, node: nir.LIF) -> PopulationSpec:
    alpha = _decay_factor(name, node)
    _must_be_zero(name, "v_reset", node.v_reset)
    return PopulationSpec(
        name=name,
        alpha=alpha,
        rho=np.zeros(len(alpha)),
        beta=np.zeros(len(alpha)),
        b0=node.v_threshold,
        n_ref=0,
        reset="zero",
    )


def _decay_factor(name: str, node: nir.LIF | nir.LI) -> FloatArray:
    """alpha = exp(-dt/tau) of leaky neurons."""
    _must_be_zero(name, "v_leak", node.v_leak)
    tau = np.asarray(node.tau, np.float64)
    if tau.ndim != 1:
        raise NetworkError(f"NIR node {name!r}: has shape {tau.shape}; only flat layers are read")
    alpha: FloatArray = np.exp(-DT * 1e-3 / np.where(tau > 0, tau, np.nan))
    for index in np.flatnonzero(~(tau > 0) | (quantize_decay(np.nan_to_num(alpha)) == 0))[:1]:
        raise NetworkError(
            f"NIR node {name!r}: tau of neuron {index} is {tau[index]:g} s, allowed are above 0 and "
            "up to 8 s, beyond which a 12-bit decay rounds to none"
        )
    return alpha


def _must_be_zero(name: str, field: str, value: FloatArray) -> None:
    if np.any(value):
        extreme = np.asarray(value).flat[np.abs(value).argmax()]
        raise NetworkError(f"NIR node {name!r}: {field} is {extreme:g}, allowed is 0")


def _into(
    graph: nir.NIRGraph, node: str, target: str, gain: FloatArray
) -> Iterator[ProjectionSpec]:
    """All synapses onto a node, one projection from each source."""
    merged: dict[str, _Arrival] = {}
    for arrival in _arrivals(graph, node, len(gain)):
        if arrival.source in merged:
            arrival = _join(merged[arrival.source], arrival, node)
        merged[arrival.source] = arrival
    for source, arrival in merged.items():
        weight = arrival.weight * np.asarray(gain, np.float64)[:, None]
        both_signs = (weight > 0).any(axis=0) & (weight < 0).any(axis=0)
        yield ProjectionSpec(
            source=source,
            target=target,
            weight=weight,
            delay=np.where(weight, arrival.delay, 0),
            dale=not both_signs.any(),  # each sign then gets 8 bits
        )


def _join(one: _Arrival, two: _Arrival, node: str) -> _Arrival:
    """Two sets of synapses between the same ends as one."""
    both = (one.weight != 0) & (two.weight != 0)
    if (both & (one.delay != two.delay)).any():
        target, source = np.argwhere(both & (one.delay != two.delay))[0]
        raise NetworkError(
            f"NIR node {node!r}: neuron {target} has two synapses with different delays from neuron "
            f"{source} of {one.source!r}, allowed is one"
        )
    delay = np.where(one.weight != 0, one.delay, two.delay)
    return _Arrival(source=one.source, weight=one.weight + two.weight, delay=delay)


def _arrivals(graph: nir.NIRGraph, node: str, size: int) -> Iterator[_Arrival]:
    """What reaches a node, path by path, followed against the edges."""

    def follow(name: str, path: tuple[str, ...]) -> Iterator[_Arrival]:
        if name in path:
            raise NetworkError(f"NIR node {name!r}: lies on a loop without neurons")
        here = graph.nodes[name]
        if isinstance(here, nir.Input | nir.LIF):
            yield _compose(graph, name, path, size)
        elif isinstance(here, nir.Linear | nir.Affine | nir.Delay):
            for before in _predecessors(graph, name):
                yield from follow(before, (name, *path))
        else:
            raise NetworkError(
                f"NIR node {name!r}: is a {type(here).__name__}, allowed there are Input, LIF, "
                "Linear, Affine and Delay"
            )

    for before in _predecessors(graph, node):
        yield from follow(before, ())


def _compose(graph: nir.NIRGraph, source: str, path: tuple[str, ...], size: int) -> _Arrival:
    """Weight and delay of a path from a source; without a Linear on it, neuron to neuron."""
    n_source = int(np.prod(graph.nodes[source].output_type["output"]))
    weight: FloatArray | None = None
    before, after = np.zeros(n_source), np.zeros(size)
    for name in path:
        node = graph.nodes[name]
        if isinstance(node, nir.Delay):
            before, after = (
                (before + node.delay, after) if weight is None else (before, after + node.delay)
            )
        elif weight is not None:
            raise NetworkError(f"NIR node {name!r}: is a second Linear in a row; multiply them")
        else:
            if isinstance(node, nir.Affine):
                _must_be_zero(name, "bias", node.bias)
            weight = np.asarray(node.weight, np.float64)
    weight = np.eye(size, n_source) if weight is None else weight
    if weight.shape != (size, n_source) or before.shape != (n_source,) or after.shape != (size,):
        raise NetworkError(
            f"NIR path {' -> '.join((source, *path))}: weight has shape {weight.shape}, its ends "
            f"demand ({size}, {n_source})"
        )
    steps = (before[None, :] + after[:, None]) / (DT * 1e-3)
    delay = np.rint(steps)
    wrong = (np.abs(steps - delay) > 1e-3) | (delay < 0) | (delay > DELAY_MAX)
    for index in np.flatnonzero(wrong)[:1]:
        raise NetworkError(
            f"NIR path {' -> '.join((source, *path))}: a delay is {steps.flat[index]:g} ms, allowed "
            f"are whole ones from 0 to {DELAY_MAX}"
        )
    is_input = isinstance(graph.nodes[source], nir.Input)
    return _Arrival(
        source=INPUT if is_input else source, weight=weight, delay=delay.astype(np.int32)
    )
