"""A foreign NIR graph as a :class:`lsnn_neuro.network.spec.NetworkSpec`.

Taken: one Input, LIF and CubaLIF neurons, LI and CubaLI readouts, Linear, Affine, Delay, and one Output
behind one population (its spikes, or what a readout integrates), or behind Linear nodes (a readout
without memory). A leak potential is a bias, and so is an Affine's, but into neurons with a synaptic
current or behind a Delay. Everything else is refused by the node's name and value. Steps are 1 ms, and
in each the equations are integrated exactly, with what arrives held.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import nir
import numpy as np

from lsnn_neuro.arrays import FloatArray, IntArray
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.graph import INPUT
from lsnn_neuro.network.spec import DELAY_MAX, NetworkSpec, Population, Projection
from lsnn_neuro.neurons.li import LI
from lsnn_neuro.neurons.lif import LIF
from lsnn_neuro.neurons.neuron import Neuron
from quantize.loihi import DECAY_ONE

DT = 1.0
"""Length of a step in ms; NIR holds none."""
READOUT = "readout"

SPIKING, READOUTS, CUBA = (nir.LIF, nir.CubaLIF), (nir.LI, nir.CubaLI), (nir.CubaLIF, nir.CubaLI)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Arrival:
    """Synapses that reach a target: weight and delay, both of shape (target, source)."""

    source: str
    weight: FloatArray
    delay: IntArray


def spec_of_graph(graph: nir.NIRGraph) -> NetworkSpec:
    """The float description of a graph; raises NetworkError over what it can't hold."""
    source, output = _only(graph, nir.Input), _only(graph, nir.Output)
    nodes = {name: n for name, n in graph.nodes.items() if isinstance(n, SPIKING + READOUTS)}
    names = {name: re.sub(r"\W", "_", name, flags=re.ASCII) for name in nodes} | {source: INPUT}
    before = _predecessors(graph, output)
    read = before[0] if len(before) == 1 and before[0] in nodes else output
    if not isinstance(graph.nodes[read], SPIKING):
        names[read] = READOUT
    projections = [
        p for name, n in nodes.items() for p in _into(graph, name, names, _input_gain(name, n))
    ]
    populations = [_population(graph, name, names[name]) for name in nodes]
    if read == output:
        size = int(np.prod(graph.nodes[output].output_type["output"]))
        projections += _into(graph, output, names, np.ones(size))
        forgets, bias = LI(alpha=np.zeros(size)), _bias(graph, output, size)
        populations.append(Population(name=READOUT, neuron=forgets, bias=bias))
    return NetworkSpec(
        n_inputs=int(np.prod(graph.nodes[source].output_type["output"])),
        dt=DT,
        populations=tuple(populations),
        projections=tuple(projections),
        outputs=(names[read],),
    )


def _only(graph: nir.NIRGraph, kind: type[nir.NIRNode]) -> str:
    names: list[str] = [n for n, node in graph.nodes.items() if isinstance(node, kind)]
    if len(names) != 1:
        raise NetworkError(f"NIR graph: has {len(names)} {kind.__name__} nodes, needs exactly 1")
    return names[0]


def _predecessors(graph: nir.NIRGraph, name: str) -> list[str]:
    return [a for a, b in graph.edges if b == name]


def _population(graph: nir.NIRGraph, node: str, name: str) -> Population:
    """The population of a node; its leak potential is a bias, as are those of the Affines before it."""
    here = graph.nodes[node]
    cuba = isinstance(here, CUBA)
    alpha = _decay_factor(node, "tau_mem" if cuba else "tau", here)
    bias = _bias(graph, node, len(alpha))
    if cuba:
        _must_be_zero(node, "the bias before its synaptic current", bias)
    try:
        neuron: Neuron = LI(alpha=alpha)
        if isinstance(here, SPIKING):
            reset_to = np.asarray(here.v_reset, np.float64)
            neuron = LIF(alpha=alpha, b0=here.v_threshold, reset="to", reset_to=reset_to)
        return Population(
            name=name,
            neuron=neuron,
            kappa_i=_decay_factor(node, "tau_syn", here) if cuba else np.zeros(len(alpha)),
            bias=here.v_leak + np.asarray(here.r, np.float64) * bias,
        )
    except NetworkError as error:
        raise NetworkError(f"NIR node {node!r}: {error}") from error


def _decay_factor(name: str, field: str, node: nir.NIRNode) -> FloatArray:
    """exp(-dt/tau) of a node's time constants."""
    tau = np.asarray(getattr(node, field), np.float64)
    kept: FloatArray = np.exp(-DT * 1e-3 / np.where(tau > 0, tau, np.nan))
    for index in np.flatnonzero(~(tau > 0) | (DECAY_ONE * (1 - np.nan_to_num(kept)) < 0.5))[:1]:
        raise NetworkError(
            f"NIR node {name!r}: {field} of neuron {index} is {tau[index]:g} s, allowed are above 0 "
            "and up to 8 s, beyond which a 12-bit decay rounds to none"
        )
    return kept


def _input_gain(name: str, node: nir.NIRNode) -> FloatArray:
    """The factor on a node's input, (neuron,)."""
    gain: FloatArray = np.asarray(node.r, np.float64)
    if gain.ndim != 1:
        raise NetworkError(f"NIR node {name!r}: has shape {gain.shape}; only flat layers are read")
    return gain * node.w_in if isinstance(node, CUBA) else gain


def _bias(graph: nir.NIRGraph, node: str, size: int) -> FloatArray:
    """The sum of the biases of all Affines right before a node; none may come through a Delay."""
    total = np.zeros(size)
    for before in _predecessors(graph, node):
        here = graph.nodes[before]
        if isinstance(here, nir.Affine):
            total = total + np.broadcast_to(here.bias, size)
        elif isinstance(here, nir.Delay):
            bias = _bias(graph, before, len(here.delay))
            _must_be_zero(before, "the bias that it would delay", bias)
    return total


def _must_be_zero(name: str, field: str, value: FloatArray) -> None:
    if np.any(value):
        extreme = np.asarray(value).flat[np.abs(value).argmax()]
        raise NetworkError(f"NIR node {name!r}: {field} is {extreme:g}, allowed is 0")


def _into(
    graph: nir.NIRGraph, node: str, names: dict[str, str], gain: FloatArray
) -> Iterator[Projection]:
    """All synapses onto a node, one projection from each source."""
    merged: dict[str, _Arrival] = {}
    for arrival in _arrivals(graph, node, len(gain)):
        if arrival.source in merged:
            arrival = _join(merged[arrival.source], arrival, node)
        merged[arrival.source] = arrival
    for source, arrival in merged.items():
        weight = arrival.weight * gain[:, None]
        positive, negative = (weight > 0).any(axis=0), (weight < 0).any(axis=0)
        dale = not (positive & negative).any()  # each sign then gets 8 bits
        yield Projection.of_matrix(
            names[source], names[node], weight, delay=arrival.delay,
            signs=np.where(negative, -1, 1).astype(np.int8) if dale else "free",
        )  # fmt: skip


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
    """The paths that reach a node, followed against the edges."""

    def follow(name: str, path: tuple[str, ...]) -> Iterator[_Arrival]:
        if name in path:
            raise NetworkError(f"NIR node {name!r}: lies on a loop without neurons")
        here = graph.nodes[name]
        if isinstance(here, (nir.Input, *SPIKING)):
            yield _compose(graph, name, path, size)
        elif isinstance(here, nir.Linear | nir.Affine | nir.Delay):
            for before in _predecessors(graph, name):
                yield from follow(before, (name, *path))
        else:
            raise NetworkError(
                f"NIR node {name!r}: is a {type(here).__name__}, allowed there are Input, LIF, "
                "CubaLIF, Linear, Affine and Delay"
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
    return _Arrival(source=source, weight=weight, delay=delay.astype(np.int32))
