"""Random small integer networks that hold the whole of what one may hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from random_networks import READOUT, draw_projection, draw_projections, is_extreme

from lsnn_neuro.network.graph import INPUT
from lsnn_neuro.neurons.neuron import Role
from lsnn_neuro.registry import NEURONS
from quantize.loihi import BIAS_EXP_MAX, CURRENT_INPUT_MAX, DECAY_ONE, role_range
from quantize.network import QuantizedNetwork, QuantizedPopulation, QuantizedProjection


def random_graph(seed: int, *, fast: bool = False, graded: bool = False) -> QuantizedNetwork:
    """One to three populations and one or two readouts of anything: every neuron there is.

    With all resets, both comparisons, refractory times and constants of each neuron's own, synaptic
    currents, biases, negative exponents, autapses, delays (onto readouts too), inputs onto readouts,
    and outputs that spike. No synaptic current gets an input at which it would wrap around twice.

    - fast: only what the native kernel can do: of all this no negative exponent
    - graded: inputs may be :func:`random_events`
    """
    rng = np.random.default_rng([seed, 4])
    extreme = is_extreme(seed)
    exponent = int(rng.integers(5, 8) if extreme else rng.integers(0 if fast else -8, 8))
    n_inputs = int(rng.integers(1, 9))
    drive = max(1, int(128 * 2.0**exponent * (1 + 0.1 * n_inputs)))
    spiking = [kind for kind in NEURONS if NEURONS[kind].spiking]
    kinds = {f"pop{i}": str(rng.choice(spiking)) for i in range(rng.integers(1, 4))}
    readouts = ["li"] if fast else [kind for kind in NEURONS if not NEURONS[kind].spiking]
    pick = np.random.default_rng([seed, 8])  # one of its own: the other draws stay as they are
    kinds |= {
        name: str(pick.choice(readouts))
        for name in (READOUT, "second readout")[: rng.integers(1, 3)]
    }
    populations = tuple(
        _anything(rng, name, kind, drive=drive, extreme=extreme) for name, kind in kinds.items()
    )
    sizes = {INPUT: n_inputs} | {p.name: p.size for p in populations}
    links = [
        (source, p)
        for p in populations
        for source in (INPUT, *(s.name for s in populations if s.spiking))
        if rng.random() < (0.9 if source == INPUT and p.spiking else 0.5)
    ]
    projections: list[QuantizedProjection] = []
    for source, target in links:
        found = draw_projections(rng, source, target.name, sizes, exponent, longest=(0, 3, 62))
        found = [replace(p, weight_exp=max(p.weight_exp, 0)) for p in found] if fast else found
        projections += _with_autapses(rng, found) if rng.random() < 0.3 else found
    currents = {p.name for p in populations if p.decay_i is not None}
    outputs = [p.name for p in populations if not p.spiking or rng.random() < 0.3]
    return QuantizedNetwork(
        n_inputs=n_inputs, populations=populations,
        projections=tuple(_within_current(projections, currents, 128 if graded else 1)),
        outputs=tuple(rng.permutation(outputs).tolist()), dt=float(rng.choice([0.5, 1.0, 2.0])),
    )  # fmt: skip


def random_constants(
    rng: np.random.Generator, kind: str, size: int, *, drive: int, extreme: bool
) -> Any:
    """Constants of a kind of neuron, drawn by their roles: whole ranges, or such that it fires."""
    Constants = NEURONS[kind].Constants

    def number(role: Role) -> npt.NDArray[np.int64]:
        low, high = role_range(role)
        if role.kind == "decay" and rng.random() < 0.7:
            low, high = 1, 600
        elif role.kind == "steps":
            high = int(rng.choice([0, 5, 63], p=[0.3, 0.5, 0.2]))
        elif role.has_unit and not extreme:
            low, high = max(low, -64 * drive), min(high, 64 * drive)
        values = rng.integers(low // role.grid, high // role.grid + 1, size) * role.grid
        return np.full(size, values[0]) if rng.random() < 0.3 else values

    values: dict[str, Any] = {}
    for name, role in Constants.roles().items():
        if role.is_number:
            values[name] = number(role)
        elif role.kind == "choice":
            values[name] = role.options[rng.integers(len(role.options))]
    return Constants(**values)


def random_bias(rng: np.random.Generator, size: int) -> npt.NDArray[np.int64]:
    """Biases of all exponents."""
    exponent = rng.integers(0, BIAS_EXP_MAX + 1, size)
    mantissa: npt.NDArray[np.int64] = rng.integers(-4096, 4096, size)
    return mantissa << exponent


def _anything(
    rng: np.random.Generator, name: str, kind: str, *, drive: int, extreme: bool
) -> QuantizedPopulation:
    size, neuron = int(rng.integers(1, 9)), NEURONS[kind]
    decay_i: Any = None
    if neuron.current_wraps or rng.random() < 0.4:
        low, high = (0, DECAY_ONE) if rng.random() < 0.3 else (100, 2500)
        decay_i = rng.integers(low, high + 1, size)
    scale = float(2.0 ** rng.integers(-3, 20))
    return QuantizedPopulation(
        name=name, neuron=neuron, scale=scale,
        constants=random_constants(rng, kind, size, drive=drive, extreme=extreme),
        decay_i=decay_i, bias=random_bias(rng, size) if rng.random() < 0.4 else 0,
        offset=0.0 if neuron.spiking else rng.integers(-9, 10, size) / scale,
    )  # fmt: skip


def _with_autapses(
    rng: np.random.Generator, projections: list[QuantizedProjection]
) -> list[QuantizedProjection]:
    """A projection of its own onto the very neurons that it comes from, where it is recurrent."""
    first = projections[0]
    if first.source != first.target:
        return projections
    ends, mask = {first.source: first.n_source}, np.eye(first.n_source, dtype=bool)
    more = draw_projection(
        rng, first.source, first.target, ends, mask, "inhibitory", 3, first.weight_exp
    )
    return [*projections, replace(more, name=f"{first.source} autapses")]


def _within_current(
    projections: list[QuantizedProjection], currents: set[str], largest_event: int
) -> list[QuantizedProjection]:
    """Smaller exponents where a synaptic current's input could be too large."""
    fitting = []
    for p in projections:
        if p.target in currents:
            into = [q for q in projections if q.target == p.target]
            worst = sum(
                np.bincount(q.target_index, np.abs(q.weight_mant) * 2.0**q.weight_exp, q.n_target)
                * (largest_event if q.source == INPUT else 1)
                for q in into
            )
            over = int(np.ceil(np.log2(max(1.0, worst.max() / CURRENT_INPUT_MAX))))
            p = replace(p, weight_exp=max(-8, p.weight_exp - over))
        fitting.append(p)
    return fitting


def convertible(network: QuantizedNetwork) -> QuantizedNetwork:
    """The network without what no float network stands for (:func:`quantize.conversion.to_spec`).

    Thresholds are above 0, adaptation and its membrane decay, currents neither keep all nor forget at once,
    synapses have weights, and projections synapses.
    """
    lowest = {"vth": 64, "decay_a": 1, "decay_v": 1}

    def changed(name: str, role: Role, value: Any) -> Any:
        return np.maximum(value, lowest[name]) if name in lowest else value

    populations = tuple(
        replace(
            p, constants=p.constants.map(changed),
            decay_i=None if p.decay_i is None else np.clip(p.decay_i, 1, 4095),
        )
        for p in network.populations
    )  # fmt: skip
    projections = tuple(q for q in map(_without_zeros, network.projections) if q.n_synapses)
    return replace(network, populations=populations, projections=projections)


def _without_zeros(q: QuantizedProjection) -> QuantizedProjection:
    here = q.weight_mant != 0
    arrays = ("source_index", "target_index", "weight_mant", "delay")
    return replace(q, **{name: getattr(q, name)[here] for name in arrays})
