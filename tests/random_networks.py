"""Random small integer networks that Lava's processes take, and random inputs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro.network.graph import INPUT
from lsnn_neuro.neurons.neuron import Neuron
from lsnn_neuro.registry import NEURONS
from quantize.network import (
    WEIGHT_RANGE,
    QuantizedNetwork,
    QuantizedPopulation,
    QuantizedProjection,
    SignMode,
)

Spikes = npt.NDArray[np.bool_]
Events = npt.NDArray[np.int8]
READOUT = "readout"
EXTREME_EVERY = 5
"""Every fifth seed gives weights and steps that drive the 24-bit states to their limits."""
FORMS = ("threshold", "current", "atrlif")


def is_extreme(seed: int) -> bool:
    """Whether a seed's network is driven to the limits of its states."""
    return seed % EXTREME_EVERY == EXTREME_EVERY - 1


def random_inputs(
    seed: int, network: Any, *, n_steps: int, n_samples: int, rate: float = 0.3
) -> Spikes:
    """Input spikes, bool (time, sample, input)."""
    rng = np.random.default_rng([seed, 1])
    return rng.random((n_steps, n_samples, network.n_inputs)) < rate


def random_events(seed: int, network: Any, *, n_steps: int, n_samples: int) -> Events:
    """Graded input events, int8 (time, sample, input); seven of ten are 0."""
    rng = np.random.default_rng([seed, 3])
    shape = (n_steps, n_samples, network.n_inputs)
    return (rng.integers(-128, 128, shape) * (rng.random(shape) < 0.3)).astype(np.int8)


def random_network(seed: int, forms: tuple[str, ...] = ("threshold",)) -> QuantizedNetwork:
    """One to three populations, inputs, recurrence with delays, and a readout of undelayed spikes.

    Each population is of one of ``forms``: "threshold" (LIF and ALIF), "current" (AHP), "lif" or "atrlif",
    the last two with constants that Lava's own processes can take. No bias, and no synaptic current but
    ATRLIF's.
    """
    rng = np.random.default_rng(seed)
    choice = np.random.default_rng([seed, 2])
    extreme = is_extreme(seed)
    exponent = int(rng.integers(5, 8) if extreme else rng.integers(-8, 8))
    sizes = {f"pop{i}": int(rng.integers(1, 17)) for i in range(rng.integers(1, 4))}
    n_inputs, n_outputs = int(rng.integers(1, 13)), int(rng.integers(1, 5))
    drive = max(1, int(128 * 2.0**exponent * (1 + 0.1 * n_inputs)))  # a step's usual input
    spiking = tuple(
        _of_form(
            _alif(rng, name, size, drive=drive, extreme=extreme), str(choice.choice(forms)), choice
        )
        for name, size in sizes.items()
    )
    links = [(INPUT, name) for name in sizes]
    links += [(source, target) for source in sizes for target in sizes if rng.random() < 0.7]
    links += [(name, READOUT) for name in sizes if rng.random() < 0.9]
    ends = sizes | {INPUT: n_inputs, READOUT: n_outputs}
    projections = tuple(
        projection
        for source, target in links
        for projection in draw_projections(
            rng, source, target, ends, exponent, longest=(0,) if target == READOUT else (0, 3, 10)
        )
    )
    return QuantizedNetwork(
        n_inputs=n_inputs,
        populations=(*spiking, li(READOUT, rng.integers(0, 4097, n_outputs))),
        projections=projections,
    )


def li(name: str, decay_v: Any, **fields: Any) -> QuantizedPopulation:
    """A readout of leaky integrators."""
    neuron = NEURONS["li"]
    return QuantizedPopulation(
        name=name, neuron=neuron, constants=neuron.Constants(decay_v=decay_v),
        **{"scale": 1.0} | fields,
    )  # fmt: skip


def neurons(kind: str, name: str = "pop", **fields: Any) -> QuantizedPopulation:
    """A population of one kind; constants that are not given are 0, "subtract" and False.

    ``decay_i``, ``bias``, ``scale`` and ``offset`` are those of :class:`QuantizedPopulation`.
    """
    neuron: type[Neuron] = NEURONS[kind]
    own = {k: fields.pop(k) for k in ("decay_i", "bias", "scale", "offset") if k in fields}
    constants: dict[str, Any] = {}
    for constant, role in neuron.Constants.roles().items():
        if role.is_number:
            constants[constant] = 0
        elif role.kind == "choice":
            constants[constant] = role.options[0]
    return QuantizedPopulation(
        name=name, neuron=neuron, constants=neuron.Constants(**constants | fields),
        **{"scale": 1.0} | own,
    )  # fmt: skip


def _alif(
    rng: np.random.Generator, name: str, size: int, *, drive: int, extreme: bool
) -> QuantizedPopulation:
    plain = rng.random() < 0.35  # what Lava's own LIF can be
    uniform = plain or rng.random() < 0.3

    def values(low: int, high: int) -> npt.NDArray[np.int64]:
        drawn = rng.integers(low, high + 1, size)
        return np.full(size, drawn[0]) if uniform else drawn

    step_high = 2**23 - 1 if extreme else min(2**22, 64 * drive)
    adaptive = not plain and rng.random() < 0.8
    constants = {
        "decay_v": values(0, 4096) if rng.random() < 0.3 else values(50, 600),
        "decay_a": values(0, 4096) if rng.random() < 0.3 else values(1, 40),
        "step_a": values(0, step_high) * adaptive,
        "vth": 64 * values(0, min(2**17 - 1, 2 * drive)),
        "n_ref": 0 if plain else int(rng.integers(0, 6)),
    }
    reset = 0.5 if plain else rng.random()
    constants["reset"] = "hold" if reset < 0.25 else "to" if reset <= 0.5 else "subtract"
    if not adaptive:
        del constants["decay_a"], constants["step_a"]
    return neurons("alif" if adaptive else "lif", name, **constants)


def _of_form(
    population: QuantizedPopulation, form: str, rng: np.random.Generator
) -> QuantizedPopulation:
    """The same population with other equations; stock neurons take one value for all."""
    c, n, name = population.constants, population.size, population.name
    if form == "threshold":
        return population
    if form == "current":
        ahp = NEURONS["ahp"]
        if population.neuron.Constants is not ahp.Constants:  # it does not adapt
            return population
        return replace(population, neuron=ahp)
    first = {k: np.full(n, getattr(c, k)[0]) for k in ("decay_v", "vth")}
    if form == "lif":
        return neurons("lif", name, reset="to", **first)
    step = min(4095, int(getattr(c, "step_a", [0])[0]) // 64) if rng.random() < 0.8 else 0

    def decays(low: int, high: int) -> npt.NDArray[np.int64]:
        limits = (0, 4096) if rng.random() < 0.2 else (low, high)
        return np.full(n, rng.integers(limits[0], limits[1] + 1))

    decay_i, decay_r = decays(400, 4096), decays(50, 900)
    return neurons(
        "atrlif", name, decay_v=first["decay_v"], vth=np.minimum(first["vth"], 64 * 4095),
        decay_a=np.full(n, getattr(c, "decay_a", [7])[0]), step_a=64 * step, decay_i=decay_i,
        decay_r=decay_r,
    )  # fmt: skip


def draw_projections(
    rng: np.random.Generator, source: str, target: str, ends: dict[str, int], exponent: int,
    *, longest: tuple[int, ...],
) -> list[QuantizedProjection]:  # fmt: skip
    """One projection of mixed sign, or two split by the sign of the source (Dale); no autapses."""
    density = rng.choice([0.0, 0.15, 0.5, 1.0], p=[0.1, 0.4, 0.3, 0.2])
    connected = rng.random((ends[target], ends[source])) < density
    if source == target:
        np.fill_diagonal(connected, False)
    excitatory = rng.random(ends[source]) < 0.75
    masks: dict[SignMode, Spikes] = {"mixed": connected}
    if rng.random() < 0.7:
        masks = {"excitatory": connected & excitatory, "inhibitory": connected & ~excitatory}
    last = int(rng.choice(longest)) if len(longest) > 1 else longest[0]
    weight_exp = int(np.clip(exponent + rng.integers(-1, 2), -8, 7))
    return [
        draw_projection(rng, source, target, ends, mask, sign_mode, last, weight_exp)
        for sign_mode, mask in masks.items()
    ]


def draw_projection(
    rng: np.random.Generator, source: str, target: str, ends: dict[str, int], mask: Spikes,
    sign_mode: SignMode, longest: int, weight_exp: int,
) -> QuantizedProjection:  # fmt: skip
    rows, columns = np.nonzero(mask)
    low, high = WEIGHT_RANGE[sign_mode]
    weights = rng.integers(low, high + 1, len(rows))
    return QuantizedProjection(
        name=f"{source}->{target} {sign_mode}", source=source, target=target,
        n_source=ends[source], n_target=ends[target], source_index=columns, target_index=rows,
        weight_mant=weights // 2 * 2 if sign_mode == "mixed" else weights,
        delay=rng.integers(0, longest + 1, len(rows)), weight_exp=weight_exp, sign_mode=sign_mode,
    )  # fmt: skip
