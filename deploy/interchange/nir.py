r"""NIR, the Neuromorphic Intermediate Representation: a network for and from other simulators.

NIR describes neurons by differential equations with real numbers, so a network is written as what
its integers stand for (S is the population's scale, dt a step of 1 ms)::

    LIF   tau dv/dt = -v + I, spike at v > v_threshold, then v = 0
          tau = -dt / ln(1 - decay_v / 4096), v_threshold = 64 vth_mant / S
    LI    the readout, the same without a threshold
    Linear, Delay   one Linear for all synapses of a projection that share a delay d, behind a Delay
          of d dt; weight = 64 weight_mant 2^weight_exp / (S decay_v / 4096)

A spike of a population arrives one step later, plus its delay; input spikes arrive at once, plus
theirs. The step of a population's spike is not written as a Delay: simulators of recurrent graphs
add it by themselves. Rounding and saturation belong to the integers, which NIR has no words for:
the integer network travels as an extension (:mod:`deploy.interchange.extension`) in the graph's
metadata, and a file that has it is read back as an equal network.

Source: J. E. Pedersen et al., "Neuromorphic intermediate representation", Nature Communications 15
(2024), and the ``nir`` library, version 1.0.8.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import nir
import numpy as np
import numpy.typing as npt

from deploy.interchange.extension import EXTENSION, pack, unpack
from deploy.interchange.nir_graph import spec_of_graph
from lsnn_neuro import __version__, tensor_file
from lsnn_neuro.errors import FileFormatError, NetworkError
from lsnn_neuro.spec import DT, INPUT, READOUT
from quantize.choose import STATE_ONE, dequantize_decay
from quantize.convert import convert
from quantize.loihi import DECAY_ONE
from quantize.network import IntArray, Projection, Provenance, QuantizedNetwork

DT_SECONDS = DT * 1e-3
TOLERANCE = 1e-6
"""Relative; other tools may write 32-bit floats. Neighbouring integers lie 0.4 % apart."""

FloatArray = npt.NDArray[np.float64]


def save(network: QuantizedNetwork, path: Path, *, extended: bool = False) -> None:
    """Write a network as a NIR graph, atomically.

    What NIR can't say is refused, unless ``extended``: then only the extension says it, and other
    tools see plain LIF neurons in its place.
    """
    found = list(unsaid(network))
    if found and not extended:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise NetworkError(
            f"{found[0]}, which NIR can't say{more}; write it extended (--extended), for lsnn-neuro "
            "alone to read, or train without it"
        )
    graph = graph_of_network(network)
    graph.metadata = {EXTENSION: pack(network)}
    buffer = io.BytesIO()
    nir.write(buffer, graph)
    tensor_file.write_bytes(path, buffer.getvalue())


def load(path: Path) -> QuantizedNetwork:
    """Read a network: the one in the extension, or a foreign graph of LIF neurons, quantized now.

    Raises FileFormatError if the graph was changed after its extension had been written, and
    NetworkError if a foreign graph holds what a network here can't.
    """
    if not path.is_file():
        raise FileFormatError(f"{path}: no such file; expected a NIR graph")
    try:
        graph = nir.read(path, type_check=False)  # the check adds inputs to what has none
        if isinstance(graph, nir.NIRGraph):
            graph.validate_structure()
            graph.check_types()
    except Exception as error:  # whatever h5py and nir raise over a foreign file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise FileFormatError(f"{path}: not a readable NIR graph ({reason})") from error
    if not isinstance(graph, nir.NIRGraph):
        raise FileFormatError(f"{path}: holds a single {type(graph).__name__}, not a NIR graph")
    if EXTENSION not in graph.metadata:
        provenance = Provenance(
            checkpoint_sha256=tensor_file.sha256(path), tool_version=__version__
        )
        return convert(spec_of_graph(graph), provenance=provenance)[0]
    network = unpack(graph.metadata[EXTENSION], path)
    for changed in _changes(graph_of_network(network), graph):
        raise FileFormatError(
            f"{path}: {changed} since the export, so the integers in it no longer belong to it; "
            f"remove {EXTENSION} from the graph's metadata to have it quantized anew"
        )
    return network


def unsaid(network: QuantizedNetwork) -> Iterator[str]:
    """What of a network NIR has no words for: object and value."""
    for population in network.populations:
        label = f"population {population.name!r}"
        if population.neuron != "lif":
            yield f"{label} has {population.neuron!r} neurons"
        if population.adaptive:
            yield f"{label} adapts (step_a up to {population.step_a.max()})"
        if population.n_ref:
            yield f"{label} has a refractory time of {population.n_ref} steps"
        if population.reset != "zero":
            yield f"{label} resets by {population.reset!r}"
        yield from _timeless(label, "decay_v", population.decay_v)
    yield from _timeless("readout", "decay", network.readout.decay)
    if network.readout.bias.any():
        largest = np.abs(network.readout.bias).max()
        yield f"readout has a bias (up to {largest}) behind its integral"


def _timeless(label: str, field: str, decay: IntArray) -> Iterator[str]:
    """Neurons whose time constant would be zero or infinite."""
    for index in np.flatnonzero((decay == 0) | (decay == DECAY_ONE))[:1]:
        yield f"{label} has a {field} of {decay[index]} (neuron {index}), no finite time constant"


def graph_of_network(network: QuantizedNetwork) -> nir.NIRGraph:
    """What a network says in NIR's own words."""
    nodes: dict[str, nir.NIRNode] = {
        "input": nir.Input({"input": np.array([network.n_inputs])}),
        "readout": _leaky_integrator(network),
        "output": nir.Output({"output": np.array([network.readout.size])}),
    }
    edges = {("readout", "output"): None}  # a dictionary, for its order
    ends = {INPUT: "input", READOUT: "readout"}
    gains = {READOUT: _gain(network.readout.decay, network.readout.scale)}
    for index, population in enumerate(network.populations):
        ends[population.name] = name = f"population{index}"
        gains[population.name] = _gain(population.decay_v, population.scale)
        nodes[name] = nir.LIF(
            tau=_tau(population.decay_v),
            r=np.ones(population.size),
            v_leak=np.zeros(population.size),
            v_threshold=population.vth_mant * STATE_ONE / population.scale,
            v_reset=np.zeros(population.size),
            metadata={"name": population.name},
        )
    for index, projection in enumerate(network.projections):
        for delay in np.unique(projection.delay).tolist():
            source, name = ends[projection.source], f"projection{index}_delay{delay}"
            if delay:
                line = f"{source}_delay{delay}"
                nodes[line] = nir.Delay(np.full(projection.n_source, delay * DT_SECONDS))
                edges[source, line] = None
                source = line
            weight = _weight(projection, delay) / gains[projection.target][:, None]
            nodes[name] = nir.Linear(weight, metadata={"name": projection.name})
            edges[source, name] = edges[name, ends[projection.target]] = None
    return nir.NIRGraph(nodes=nodes, edges=list(edges), metadata={}, type_check=False)


def _leaky_integrator(network: QuantizedNetwork) -> nir.LI:
    n = network.readout.size
    return nir.LI(tau=_tau(network.readout.decay), r=np.ones(n), v_leak=np.zeros(n))


def _tau(decay: IntArray) -> FloatArray:
    """Time constant in seconds; 0 or infinite at the ends of the range."""
    return np.asarray(dequantize_decay(decay) * 1e-3)


def _gain(decay: IntArray, scale: float) -> FloatArray:
    """What a weight of 1 adds to an integer membrane in a step; neurons that keep all add it all."""
    return np.asarray(np.where(decay == 0, 1.0, decay / DECAY_ONE) * scale / STATE_ONE)


def _weight(projection: Projection, delay: int) -> FloatArray:
    """Weights of the synapses with one delay, shape (target, source)."""
    weight = np.zeros((projection.n_target, projection.n_source))
    here = projection.delay == delay
    mantissas = projection.weight_mant[here] * 2.0**projection.weight_exp
    weight[projection.target_index[here], projection.source_index[here]] = mantissas
    return weight


def _changes(expected: nir.NIRGraph, found: nir.NIRGraph) -> Iterator[str]:
    """Where a graph differs from what its network says."""
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
