r"""A network as a graph of NIR's own nodes.

NIR describes neurons by differential equations with real numbers, so a network is written as what
its integers stand for (S is a population's scale, dt a step)::

    LIF   tau dv/dt = v_leak - v + I, spike at v > v_threshold, then v = v_reset
          tau = -dt / ln(1 - decay_v / 4096), v_threshold = vth / S, v_reset = reset_to / S,
          v_leak = bias / (S decay_v / 4096)
    LI    a readout, the same without a threshold; its offset is the bias of an Affine between it and the
          Output, an identity
    IF, I   membranes that never decay, r = 1 / dt; their bias is that of an Affine onto them
    Threshold   neurons that keep nothing of a step; their bias too
    CubaLIF, CubaLI   the same behind a synaptic current, tau_syn dI/dt = -I + what arrives
          with r = tau_mem / dt and w_in = tau_syn / dt; r is 1 without a current
    Affine, Delay   one Affine, its bias 0 but for the above, for all synapses between two populations that
          share a delay d, behind a Delay of d dt; weight = 64 weight_mant 2^weight_exp / (S r decay_v / 4096)
          (S r dt where membranes never decay), with a synaptic current divided by w_in decay_i / 4096 too

A spike of a population arrives one step later, plus its delay; input spikes arrive at once, plus
theirs. The step of a population's spike is not written as a Delay: simulators of recurrent graphs
add it by themselves. NIR has no word for the length of a step: it is the metadata "dt" of the neurons, in s.

Other readers drop a Linear without a word (sinabs), or its weights (norse), and take the last node that they
come to for the output (nirtorch's ``load``): so all matrices are Affine, one for each pair, edges within
the spiking network come before those that lead out of it, and a v_reset of 0 is left out. Behind a current
spikingjelly takes no other r and w_in; of neurons without one sinabs and norse take no r but 1.

Source: J. E. Pedersen et al., "Neuromorphic intermediate representation", Nature Communications 15
(2024), and the ``nir`` library, version 1.0.8.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import nir
import numpy as np

from lsnn_neuro.arrays import FloatArray, IntArray
from lsnn_neuro.network.graph import INPUT
from lsnn_neuro.neurons.ahp import AHP
from lsnn_neuro.neurons.alif import ALIF
from lsnn_neuro.neurons.integrate_and_fire import IF
from lsnn_neuro.neurons.li import LI
from lsnn_neuro.neurons.lif import LIF
from lsnn_neuro.neurons.neuron import Neuron
from quantize.loihi import DECAY_ONE, STATE_ONE
from quantize.network import QuantizedNetwork, QuantizedPopulation
from quantize.scales import dequantize_decay

SPIKING, READOUTS = (nir.LIF, nir.CubaLIF), (nir.LI, nir.CubaLI)
TIMELESS = (nir.IF, nir.I, nir.Threshold)
"""Without a time constant, and without a v_leak, which stands for a bias."""

PRIMITIVES: dict[type[Neuron], tuple[type[nir.NIRNode], type[nir.NIRNode]]] = {
    LIF: SPIKING,
    ALIF: SPIKING,  # as long as no spike changes anything but the membrane
    AHP: SPIKING,
    IF: SPIKING,
    LI: READOUTS,
}
"""NIR's primitives for a neuron, without and with a synaptic current; more in :func:`primitive`."""


def has_constant(population: QuantizedPopulation, constant: str) -> bool:
    """Whether the neurons of a population have such a constant."""
    return constant in population.neuron.Constants.roles()


def primitive(population: QuantizedPopulation) -> type[nir.NIRNode]:
    """NIR's primitive for the neurons of a population, as far as NIR has them."""
    kind: type[nir.NIRNode]
    kind, with_current = PRIMITIVES.get(
        population.neuron, SPIKING if population.spiking else READOUTS
    )
    decay = decay_v(population)
    if _said_current(population) is not None:
        kind = with_current
    elif not decay.any():
        kind = nir.IF if population.spiking else nir.I
    elif population.spiking and (decay == DECAY_ONE).all():
        kind = nir.Threshold
    return kind


def graph_of_network(network: QuantizedNetwork, *, leaky: bool = False) -> nir.NIRGraph:
    """A network as a graph of NIR's own nodes.

    - leaky: as release 0.1 wrote it, TIMELESS neurons as LIF and LI with a tau of infinity or 0
    """
    ends = {INPUT: "input"} | _numbered(
        "population", [p.name for p in network.spiking], always=True
    )
    ends |= _numbered("readout", [p.name for p in network.readouts])
    nodes: dict[str, nir.NIRNode] = {"input": nir.Input({"input": np.array([network.n_inputs])})}
    nodes |= {ends[p.name]: _neurons(p, network.dt, leaky) for p in network.populations}
    biases = {
        p.name: p.bias / p.scale
        for p in network.populations
        if p.bias.any() and isinstance(nodes[ends[p.name]], TIMELESS)
    }
    edges: dict[tuple[str, str], None] = {}  # for its order
    for index, (source, target) in enumerate(_pairs(network, biases)):
        for delay, weight in _weights(network, source, target).items():
            line, name = ends[source], f"projection{index}_delay{delay}"
            if delay:
                line = f"{ends[source]}_delay{delay}"
                nodes[line] = nir.Delay(np.full(weight.shape[1], delay * network.dt * 1e-3))
                edges[ends[source], line] = None
            nodes[name] = nir.Affine(weight, biases.pop(target, np.zeros(len(weight))))
            edges[line, name] = edges[name, ends[target]] = None
    for name, node in _numbered("output", network.outputs).items():
        nodes[node] = nir.Output({"output": np.array([network.size_of(name)])})
        read, offset = ends[name], network.population(name).offset
        if offset.any():
            nodes[f"{read}_offset"] = nir.Affine(np.eye(len(offset)), offset.copy())
            edges[read, f"{read}_offset"] = None
            read = f"{read}_offset"
        edges[read, node] = None
    return nir.NIRGraph(nodes=nodes, edges=list(edges), metadata={}, type_check=False)


def _pairs(network: QuantizedNetwork, biased: Collection[str]) -> list[tuple[str, str]]:
    """Which populations are connected, (source, target): those within the spiking network first.

    - biased: those that need an Affine from the inputs, if nothing else reaches them, for its bias
    """
    found: dict[tuple[str, str], None] = {}
    for p in (*network.spiking, *network.readouts):
        sources = [q.source for q in network.into(p.name)]
        if INPUT in sources or (not sources and p.name in biased):
            found[INPUT, p.name] = None  # a bias goes with what is there from the first step on
        found |= dict.fromkeys((source, p.name) for source in sources)
    return list(found)


def _numbered(kind: str, names: Sequence[str], *, always: bool = False) -> dict[str, str]:
    """The node of each population: its kind, and a number where there are several."""
    if len(names) == 1 and not always:
        return {names[0]: kind}
    return {name: f"{kind}{index}" for index, name in enumerate(names)}


def _neurons(population: QuantizedPopulation, dt: float, leaky: bool) -> nir.NIRNode:
    """A population's node; LIF neurons stand for those that NIR doesn't have."""
    scale, c, kind = population.scale, population.constants, primitive(population)
    values: dict[str, Any] = {"metadata": {"name": population.name, "dt": dt * 1e-3}}
    if kind is nir.Threshold and not leaky:
        return kind(threshold=population.vth / scale, **values)
    if population.spiking:
        to = has_constant(population, "reset") and c.reset in ("to", "hold")
        values["v_threshold"] = population.vth / scale
        values["v_reset"] = c.reset_to / scale if to else np.zeros(population.size)
    if kind in TIMELESS:
        if not leaky:
            return kind(r=np.full(population.size, 1e3 / dt), **values)
        kind = SPIKING[0] if population.spiking else READOUTS[0]
    tau = dequantize_decay(decay_v(population), dt) * 1e-3
    values["v_leak"] = population.bias / (_membrane_gain(population) * scale)
    if (decay_i := _said_current(population)) is None:
        return kind(tau=tau, r=np.ones(population.size), **values)
    tau_syn, r, w_in = dequantize_decay(decay_i, dt) * 1e-3, *_factors(population, dt)
    return kind(tau_mem=tau, tau_syn=tau_syn, r=r, w_in=w_in, **values)


def _factors(population: Any, dt: float) -> tuple[FloatArray, FloatArray]:
    """r and w_in behind a synaptic current: time constants in steps, where those are numbers."""
    steps = [dequantize_decay(d, dt) / dt for d in (decay_v(population), population.decay_i)]
    r, w_in = (np.where((s > 0) & np.isfinite(s), s, 1.0) for s in steps)
    return r, w_in


def decay_v(population: QuantizedPopulation) -> IntArray:
    """Decay of the membranes; neurons without one keep all."""
    decay: IntArray = getattr(population.constants, "decay_v", np.zeros(population.size, np.int32))
    return decay


def _said_current(population: QuantizedPopulation) -> IntArray | None:
    """Decay of the synaptic current that NIR can express."""
    return population.decay_i if population.neuron in PRIMITIVES else None


def _membrane_gain(population: QuantizedPopulation) -> FloatArray:
    """1 - alpha, the factor on the input of NIR's neurons; 1 for neurons that never decay."""
    decay = decay_v(population)
    return np.where(decay == 0, 1.0, decay / DECAY_ONE)


def _gain(population: QuantizedPopulation, dt: float) -> FloatArray:
    """The integer weight for a weight of 1 in NIR."""
    gain: FloatArray = _membrane_gain(population) * population.scale / STATE_ONE
    if (decay_i := _said_current(population)) is not None:
        r, w_in = _factors(population, dt)
        gain *= np.where(decay_i == 0, 1.0, decay_i / DECAY_ONE) * r * w_in
    return gain


def _weights(network: QuantizedNetwork, source: str, target: str) -> dict[int, FloatArray]:
    """The synapses of a pair by their delay, as NIR's weights, (target, source)."""
    if not network.into(target):
        return {0: np.zeros((network.size_of(target), network.size_of(source)))}
    gain = _gain(network.population(target), network.dt)
    found: dict[int, FloatArray] = {}
    for q in network.into(target):
        for delay in np.unique(q.delay).tolist() if q.source == source else ():
            weight, here = np.zeros((q.n_target, q.n_source)), q.delay == delay
            mantissas = q.weight_mant[here] * 2.0**q.weight_exp
            weight[q.target_index[here], q.source_index[here]] = (
                mantissas / gain[q.target_index[here]]
            )
            found[delay] = found.get(delay, 0.0) + weight
    return found
