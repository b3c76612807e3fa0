"""Random small float networks: graphs of every kind of neuron, whose neurons fire at sensible rates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from lsnn_neuro.arrays import Events, FloatArray
from lsnn_neuro.network.dynamics import at_rest, simulate
from lsnn_neuro.network.graph import INPUT
from lsnn_neuro.network.spec import NetworkSpec, Population, Projection
from lsnn_neuro.neurons.neuron import Neuron
from lsnn_neuro.registry import NEURONS
from quantize.arithmetic import Ints, Loihi
from quantize.emulator import running
from quantize.loihi import STATE_MAX
from quantize.network import QuantizedNetwork

SPIKING = [kind for kind in NEURONS if NEURONS[kind].spiking]
READOUTS = [kind for kind in NEURONS if not NEURONS[kind].spiking]


def random_spec(seed: int, *, any_readout: bool = False) -> NetworkSpec:
    """Two to four populations in a chain with skips, feedback and recurrence, and one or two readouts.

    All weights, biases and offsets are numbers of 32 bits. Some populations have weights so strong that
    their integers saturate.

    - any_readout: readouts may also be of the kinds that the kernel does not know
    """
    rng = np.random.default_rng([seed, 5])
    dt = float(rng.choice([1.0, 0.5, 2.0], p=[0.4, 0.3, 0.3]))
    kinds = {f"layer {i}": str(rng.choice(SPIKING)) for i in range(rng.integers(2, 5))}
    pick = np.random.default_rng([seed, 8])
    kinds |= {
        name: str(pick.choice(READOUTS)) if any_readout else "li"
        for name in ("readout", "second readout")[: rng.integers(1, 3)]
    }
    populations = [_population(rng, name, kind, dt) for name, kind in kinds.items()]
    spiking = [p.name for p in populations if p.spiking]
    sizes = {INPUT: int(rng.integers(2, 6))} | {p.name: p.size for p in populations}
    projections = [
        _projection(rng, source, p, sizes, strength=strength)
        for p in populations
        for strength in [_strength(rng, p, dt)]
        for source in _sources(rng, p, spiking)
    ]
    outputs = [p.name for p in populations if not p.spiking]
    outputs += [name for name in spiking if rng.random() < 0.15]
    return NetworkSpec(
        n_inputs=sizes[INPUT], dt=dt,
        populations=tuple(populations[i] for i in rng.permutation(len(populations))),
        projections=_grouped(rng, [part for p in projections for part in _parts(rng, p)]),
        outputs=tuple(rng.permutation(outputs).tolist()),
    )  # fmt: skip


def _sources(rng: np.random.Generator, target: Population, spiking: list[str]) -> list[str]:
    """The layer before, and at random others: skips, feedback, and itself."""
    chain = [INPUT, *spiking]
    place = chain.index(target.name) if target.spiking else len(chain)
    sources = [chain[place - 1]]
    for i, source in enumerate(chain):
        if source in sources:
            continue
        if rng.random() < (0.35 if i < place else 0.4 * target.spiking):
            sources.append(source)
    return sources


def _population(rng: np.random.Generator, name: str, kind: str, dt: float) -> Population:
    size, neuron = int(rng.integers(1, 6)), NEURONS[kind]
    values: dict[str, Any] = {}
    b0 = float(rng.uniform(0.02, 2))
    for field, parameter in neuron.parameters().items():
        own = rng.random(size)
        if parameter.kind == "time_constant":
            values[parameter.name] = dt * (
                50 + 300 * own if parameter.name == "tau_a" else 4 + 20 * own
            )
        elif parameter.kind == "count":
            values[field] = rng.integers(0, 6, size) * (rng.random() < 0.5)
        elif parameter.kind == "option" and parameter.options:
            values[field] = parameter.options[rng.integers(len(parameter.options))]
        elif field in ("b0", "reset_by"):
            values[field] = b0 * (0.7 + 0.6 * own)
        elif field == "beta":
            values[field] = 2 * b0 * own
        elif field == "reset_to":
            values[field] = b0 * (own - 0.7)
    if "gamma" in neuron.parameters():
        values["gamma"] = float(rng.uniform(0.2, 0.6))
    current = rng.random() < 0.4
    biased = rng.random() < 0.3
    population = Population(
        name=name, neuron=neuron.of(size, dt, **values),
        kappa_i=np.exp(-1 / rng.uniform(1, 6, size)) if current else 0.0,
        bias=_single(rng.normal(0.05 * b0, 0.1 * b0, size)) if biased else 0.0,
        offset=0.0 if neuron.spiking else _single(rng.normal(size=size)),
    )  # fmt: skip
    learn = [
        constant
        for constant in population.learnable()
        if rng.random() < 0.5
        and not (constant == "tau_i" and not current)
    ]  # fmt: skip
    return Population(**(vars(population) | {"learn": tuple(learn)}))


def _strength(rng: np.random.Generator, p: Population, dt: float) -> FloatArray:
    """Weights (neuron,) with which a few inputs bring a neuron to its threshold."""
    neuron: Neuron = p.neuron
    gain = np.asarray(neuron.gain(), float)
    leak = 1 - np.asarray(getattr(neuron, "alpha", np.full(p.size, 0.8)))
    threshold = np.asarray(getattr(neuron, "b0", np.ones(p.size)))
    strong = 60.0 if p.spiking and rng.random() < 0.35 else 1.0
    return strong * threshold * leak / gain


def _projection(
    rng: np.random.Generator, source: str, target: Population, sizes: dict[str, int],
    *, strength: FloatArray,
) -> Projection:  # fmt: skip
    shape = (target.size, sizes[source])
    here = rng.random(shape) < rng.choice([0.5, 0.8, 1.0])
    here[rng.integers(shape[0]), rng.integers(shape[1])] = True
    loops = source == target.name
    autapses = not loops or rng.random() < 0.5
    if not autapses:
        np.fill_diagonal(here, False)
    excitatory = float(rng.choice([0.5, 0.75, 1.0]))
    signs: Any = str(rng.choice(["dale", "free", "unconstrained"], p=[0.5, 0.3, 0.2]))
    sign = np.where(rng.random(shape) < excitatory, 1, -1)
    if signs == "dale":
        sign = np.broadcast_to(sign[:1], shape)
        signs = sign[0]
    size = strength[:, None] * rng.lognormal(0.4, 0.5, shape) * 3 / np.sqrt(shape[1])
    longest = int(rng.choice([0, 2, 9]))
    delay = rng.integers(0, longest + 1, shape)
    return Projection.of_matrix(
        source, target.name, _single(here * sign * size), delay=delay, signs=signs,
        max_delay=longest + int(rng.integers(0, 3)), autapses=autapses, excitatory=excitatory,
        plastic=bool(rng.random() < 0.85),
    )  # fmt: skip


def _parts(rng: np.random.Generator, p: Projection) -> list[Projection]:
    """The projection, or the same as two between the same ends; none without synapses."""
    if not p.n_synapses or rng.random() < 0.8:
        return [p] if p.n_synapses else []
    here = rng.random(p.n_synapses) < 0.5
    columns = ("source_index", "target_index", "weight", "delay")
    halves = [vars(p) | {c: getattr(p, c)[own] for c in columns} for own in (here, ~here)]
    names = [{"name": f"{p.name} {i}", "group": f"{p.name} {i}"} for i in (1, 2)]
    return [Projection(**(half | name)) for half, name in zip(halves, names, strict=True)]


def _grouped(rng: np.random.Generator, projections: list[Projection]) -> tuple[Projection, ...]:
    """Some projections in a group that they share."""
    grouped = []
    for p in projections:
        group = "shared" if p.plastic and not p.unconstrained and rng.random() < 0.4 else p.group
        grouped.append(Projection(**(vars(p) | {"group": group})))
    return tuple(grouped)


def _single(values: FloatArray) -> FloatArray:
    return values.astype(np.float32).astype(np.float64)


# --- what a network has ----------------------------------------------------------------------------------


def features(spec: NetworkSpec) -> set[str]:
    """What there is in a network: CUBA, feedback, skip, two outputs, mixed resets, refractory, dt."""
    spiking = [p.name for p in spec.spiking]
    sources = {p.name: {q.source for q in spec.into(p.name)} for p in spec.populations}

    def reached(name: str, without: tuple[str, str] | None = None) -> set[str]:
        """All from where spikes come to a population, but not by one direct projection."""
        found, ahead = set(), [name]
        while ahead:
            target = ahead.pop()
            for source in sources.get(target, ()):
                if (source, target) != without and source not in found:
                    found.add(source)
                    ahead.append(source)
        return found

    resets = {getattr(p.neuron, "reset", None) for p in spec.spiking} - {None}
    found = {
        "CUBA": any(p.has_current for p in spec.populations),
        "feedback": any(
            a != b and a in reached(b) and b in reached(a) for a in spiking for b in spiking
        ),
        "skip": any(
            q.source != q.target and q.source in reached(q.target, (q.source, q.target))
            for q in spec.projections
        ),
        "two outputs": len(spec.outputs) > 1,
        "mixed resets": len(resets) > 1,
        "refractory": any(np.any(getattr(p.neuron, "n_ref", 0)) for p in spec.spiking),
        "dt": spec.dt != 1,
    }
    return {name for name, there in found.items() if there}


class _Clipping(Loihi):
    """Loihi's integers, with a note of whether a state was clipped."""

    clipped = False

    def saturate(self, state: Ints) -> Ints:
        """As ever."""
        self.clipped |= bool((np.abs(state) > STATE_MAX).any())
        return super().saturate(state)


def saturates(network: QuantizedNetwork, inputs: Events) -> bool:
    """Whether a state of a spiking population is clipped at 24 bits in the course of some inputs."""
    rest = at_rest(network, lambda n: np.zeros((inputs.shape[1], n), np.int64))
    arithmetic = _Clipping()
    for _ in simulate(
        replace(running(network), readouts=()), rest, inputs.astype(np.int64), arithmetic
    ):
        if arithmetic.clipped:
            return True
    return False
