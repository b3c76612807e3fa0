r"""NIR, the Neuromorphic Intermediate Representation: a network for and from other simulators.

NIR describes neurons by differential equations with real numbers, so a network is written as what
its integers stand for (S is a population's scale, dt a step)::

    LIF   tau dv/dt = v_leak - v + I, spike at v > v_threshold, then v = v_reset
          tau = -dt / ln(1 - decay_v / 4096), v_threshold = vth / S, v_reset = reset_to / S,
          v_leak = bias / (S decay_v / 4096)
    LI    a readout, the same without a threshold
    CubaLIF, CubaLI   the same behind a synaptic current, tau_syn dI/dt = -I + what arrives
    Linear, Delay   one Linear for all synapses of a projection that share a delay d, behind a Delay
          of d dt; weight = 64 weight_mant 2^weight_exp / (S decay_v / 4096), with a synaptic current
          divided by decay_i / 4096 too

A spike of a population arrives one step later, plus its delay; input spikes arrive at once, plus
theirs. The step of a population's spike is not written as a Delay: simulators of recurrent graphs
add it by themselves. Rounding and saturation belong to the integers, which NIR can't express:
the integer network travels as an extension (:mod:`deploy.interchange.extension`) in the graph's
metadata, and a file that has it is read back as an equal network.

Source: J. E. Pedersen et al., "Neuromorphic intermediate representation", Nature Communications 15
(2024), and the ``nir`` library, version 1.0.8.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import nir
import numpy as np

from deploy.imported import Imported
from deploy.interchange.extension import EXTENSION, pack, unpack
from deploy.interchange.nir_file import read_graph
from deploy.interchange.nir_read import from_nir
from lsnn_neuro import files
from lsnn_neuro.arrays import FloatArray, IntArray
from lsnn_neuro.errors import FileFormatError, NetworkError
from lsnn_neuro.network.graph import INPUT
from lsnn_neuro.neurons.ahp import AHP
from lsnn_neuro.neurons.alif import ALIF
from lsnn_neuro.neurons.li import LI
from lsnn_neuro.neurons.lif import LIF
from lsnn_neuro.neurons.neuron import Neuron
from quantize.loihi import DECAY_ONE, STATE_ONE
from quantize.network import (
    QuantizedNetwork,
    QuantizedPopulation,
    QuantizedProjection,
)
from quantize.scales import dequantize_decay

DT = 1.0
"""Length of a step in ms of the networks that are written."""
SPIKING, READOUTS = (nir.LIF, nir.CubaLIF), (nir.LI, nir.CubaLI)
TOLERANCE = 1e-6
"""Relative; other tools may write 32-bit floats. Neighbouring integers lie 0.4 % apart."""

PRIMITIVES: dict[type[Neuron], tuple[type[nir.NIRNode], type[nir.NIRNode]]] = {
    LIF: SPIKING,
    ALIF: SPIKING,  # as long as no spike changes anything but the membrane
    AHP: SPIKING,
    LI: READOUTS,
}
"""NIR's primitives for a neuron, without and with a synaptic current."""

UNSUPPORTED: dict[str, Callable[[Any], str]] = {
    "step_a": lambda step: f"adapts (step_a up to {step.max()})" if step.any() else "",
    "n_ref": lambda n: f"has a refractory time of {n.max()} steps" if n.any() else "",
    "reset": lambda reset: f"resets by {reset!r}" if reset != "to" else "",
    "at_threshold": lambda at: "spikes at its threshold, not only above" if at else "",
}
"""Which values of these neurons' constants NIR can't express; "" where it can."""


def save(network: QuantizedNetwork, path: Path, *, extended: bool = False) -> None:
    """Write a network as a NIR graph, atomically.

    What NIR can't express is refused, unless ``extended``: then only the extension holds it, and other
    tools see plain LIF neurons in its place.
    """
    found = list(unsupported(network))
    if found and not extended:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise NetworkError(
            f"{found[0]}, which NIR can't express{more}; write it extended (--extended), for lsnn-neuro "
            "alone to read, or train without it"
        )
    graph = graph_of_network(network)
    graph.metadata = {EXTENSION: pack(network)}
    buffer = io.BytesIO()
    nir.write(buffer, graph)
    files.write_bytes(path, buffer.getvalue())


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
    if EXTENSION not in graph.metadata:
        return from_nir(graph, dialect, checkpoint_sha256=files.sha256(path), **more)
    if dialect is not None or any(value for value in more.values()):
        raise NetworkError(
            f"{path}: is a file of ours and says all of itself; leave --from and what else says how to read "
            "it out"
        )
    network = unpack(graph.metadata[EXTENSION], path)
    for changed in _changes(graph_of_network(network), graph):
        raise FileFormatError(
            f"{path}: {changed} since the export, so the integers in it no longer belong to it; "
            f"remove {EXTENSION} from the graph's metadata to have it quantized anew"
        )
    return Imported(network=network)


def unsupported(network: QuantizedNetwork) -> Iterator[str]:
    """The parts of a network that NIR can't express: object and value."""
    for population in network.populations:
        label = f"population {population.name!r}"
        if population.neuron not in PRIMITIVES:
            yield f"{label} has {population.neuron.name!r} neurons"
            continue
        for name, what in UNSUPPORTED.items():
            found = what(getattr(population.constants, name)) if _has(population, name) else ""
            if found:
                yield f"{label} {found}"
        yield from _without_time_constant(label, "decay_v", population.constants.decay_v)
        if population.decay_i is not None:
            yield from _without_time_constant(label, "decay_i", population.decay_i)
        if population.offset.any():
            yield f"{label} has an offset (up to {np.abs(population.offset).max():g}) behind its integral"
    if len(network.outputs) > 1:
        yield f"the network has outputs in an order ({', '.join(network.outputs)})"
    if network.dt != DT:
        yield f"the network has steps of {network.dt:g} ms, not of {DT:g} ms"


def _has(population: QuantizedPopulation, constant: str) -> bool:
    return constant in population.neuron.Constants.roles()


def _without_time_constant(label: str, field: str, decay: IntArray) -> Iterator[str]:
    """Neurons whose time constant would be zero or infinite."""
    for index in np.flatnonzero((decay == 0) | (decay == DECAY_ONE))[:1]:
        yield f"{label} has a {field} of {decay[index]} (neuron {index}), no finite time constant"


def graph_of_network(network: QuantizedNetwork) -> nir.NIRGraph:
    """A network as a graph of NIR's own nodes."""
    nodes: dict[str, nir.NIRNode] = {"input": nir.Input({"input": np.array([network.n_inputs])})}
    edges: dict[tuple[str, str], None] = {}  # for its order
    ends = {INPUT: "input"} | _numbered(
        "population", [p.name for p in network.spiking], always=True
    )
    ends |= _numbered("readout", [p.name for p in network.readouts])
    for name, node in _numbered("output", network.outputs).items():
        nodes[node] = nir.Output({"output": np.array([network.size_of(name)])})
        edges[ends[name], node] = None
    for population in network.populations:
        nodes[ends[population.name]] = _neurons(population, network.dt)
    for index, projection in enumerate(network.projections):
        gain = _gain(network.population(projection.target))
        for delay in np.unique(projection.delay).tolist():
            source, name = ends[projection.source], f"projection{index}_delay{delay}"
            if delay:
                line = f"{source}_delay{delay}"
                nodes[line] = nir.Delay(np.full(projection.n_source, delay * network.dt * 1e-3))
                edges[source, line] = None
                source = line
            weight = _weight(projection, delay) / gain[:, None]
            nodes[name] = nir.Linear(weight, metadata={"name": projection.name})
            edges[source, name] = edges[name, ends[projection.target]] = None
    return nir.NIRGraph(nodes=nodes, edges=list(edges), metadata={}, type_check=False)


def _numbered(kind: str, names: Sequence[str], *, always: bool = False) -> dict[str, str]:
    """The node of each population: its kind, and a number where there are several."""
    if len(names) == 1 and not always:
        return {names[0]: kind}
    return {name: f"{kind}{index}" for index, name in enumerate(names)}


def _neurons(population: QuantizedPopulation, dt: float) -> nir.NIRNode:
    """A population's node; LIF neurons stand for those that NIR doesn't have."""
    n, scale, c = population.size, population.scale, population.constants
    kinds = PRIMITIVES.get(population.neuron, SPIKING if population.spiking else READOUTS)
    tau = dequantize_decay(_decay_v(population), dt) * 1e-3
    values: dict[str, Any] = {
        "r": np.ones(n),
        "v_leak": population.bias / (_membrane_gain(population) * scale),
        "metadata": {"name": population.name},
    }
    if population.spiking:
        to = _has(population, "reset") and c.reset in ("to", "hold")
        values["v_threshold"] = population.vth / scale
        values["v_reset"] = c.reset_to / scale if to else np.zeros(n)
    if (decay_i := _said_current(population)) is None:
        return kinds[0](tau=tau, **values)
    return kinds[1](tau_mem=tau, tau_syn=dequantize_decay(decay_i, dt) * 1e-3, **values)


def _decay_v(population: QuantizedPopulation) -> IntArray:
    """Decay of the membranes; neurons without one keep all."""
    decay: IntArray = getattr(population.constants, "decay_v", np.zeros(population.size, np.int32))
    return decay


def _said_current(population: QuantizedPopulation) -> IntArray | None:
    """Decay of the synaptic current that NIR can express."""
    return population.decay_i if population.neuron in PRIMITIVES else None


def _membrane_gain(population: QuantizedPopulation) -> FloatArray:
    """1 - alpha, the factor on the input of NIR's neurons; 1 for neurons that never decay."""
    decay = _decay_v(population)
    return np.where(decay == 0, 1.0, decay / DECAY_ONE)


def _gain(population: QuantizedPopulation) -> FloatArray:
    """The integer weight for a weight of 1 in NIR."""
    gain: FloatArray = _membrane_gain(population) * population.scale / STATE_ONE
    if (decay_i := _said_current(population)) is not None:
        gain *= np.where(decay_i == 0, 1.0, decay_i / DECAY_ONE)
    return gain


def _weight(projection: QuantizedProjection, delay: int) -> FloatArray:
    """Weights of the synapses with one delay, shape (target, source)."""
    weight = np.zeros((projection.n_target, projection.n_source))
    here = projection.delay == delay
    mantissas = projection.weight_mant[here] * 2.0**projection.weight_exp
    weight[projection.target_index[here], projection.source_index[here]] = mantissas
    return weight


def _changes(expected: nir.NIRGraph, found: nir.NIRGraph) -> Iterator[str]:
    """Where a graph differs from its network."""
    for name in sorted(expected.nodes.keys() ^ found.nodes.keys()):
        yield f"node {name!r} was {'removed' if name in expected.nodes else 'added'}"
    if {tuple(edge) for edge in expected.edges} != {tuple(edge) for edge in found.edges}:
        yield "the edges were changed"
    for name in sorted(expected.nodes.keys() & found.nodes.keys()):
        one, two = expected.nodes[name].to_dict(), found.nodes[name].to_dict()
        for field in sorted((one.keys() | two.keys()) - {"metadata"}):
            if not _agree(one.get(field), two.get(field)):
                yield f"{field} of node {name!r} was changed"


def _agree(one: object, two: object) -> bool:
    if not isinstance(one, np.ndarray) or not isinstance(two, np.ndarray):
        return one == two
    return one.shape == two.shape and np.allclose(one, two, rtol=TOLERANCE, atol=0)
