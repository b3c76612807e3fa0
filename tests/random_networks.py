"""Random small networks that use the whole range of what a ``QuantizedNetwork`` may hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from lsnn_neuro.spec import INPUT, READOUT
from quantize.network import (
    WEIGHT_RANGE,
    Population,
    Projection,
    QuantizedNetwork,
    Readout,
    SignMode,
)

Spikes = npt.NDArray[np.bool_]
EXTREME_EVERY = 5
"""Every fifth seed gives weights and steps that drive the 24-bit states to their limits."""


def random_network(seed: int, forms: tuple[str, ...] = ("threshold",)) -> QuantizedNetwork:
    """One to three populations of LIF, ALIF or ATRLIF neurons, inputs, recurrence and a readout.

    Each population is of one of ``forms``: "threshold", "current" (ALIF), "lif" or "atrlif", the
    last two with constants that Lava's own processes can take.
    """
    rng = np.random.default_rng(seed)
    choice = np.random.default_rng([seed, 2])
    extreme = seed % EXTREME_EVERY == EXTREME_EVERY - 1
    exponent = int(rng.integers(5, 8) if extreme else rng.integers(-8, 8))
    sizes = {f"pop{i}": int(rng.integers(1, 17)) for i in range(rng.integers(1, 4))}
    n_inputs, n_outputs = int(rng.integers(1, 13)), int(rng.integers(1, 5))
    drive = max(1, int(128 * 2.0**exponent * (1 + 0.1 * n_inputs)))  # a step's usual input
    populations = tuple(
        _of_form(
            _population(rng, name, size, drive=drive, extreme=extreme),
            str(choice.choice(forms)),
            choice,
        )
        for name, size in sizes.items()
    )
    links = [(INPUT, name) for name in sizes]
    links += [(source, target) for source in sizes for target in sizes if rng.random() < 0.7]
    links += [(name, READOUT) for name in sizes if rng.random() < 0.9]
    ends = sizes | {INPUT: n_inputs, READOUT: n_outputs}
    return QuantizedNetwork(
        n_inputs=n_inputs,
        populations=populations,
        projections=tuple(
            projection
            for source, target in links
            for projection in _projections(rng, source, target, ends, exponent)
        ),
        readout=Readout(
            decay=rng.integers(0, 4097, n_outputs), bias=np.zeros(n_outputs, np.int32), scale=1.0
        ),
    )


def random_inputs(
    seed: int, network: QuantizedNetwork, *, n_steps: int, n_samples: int, rate: float = 0.3
) -> Spikes:
    """Input spikes, bool (time, sample, input)."""
    rng = np.random.default_rng([seed, 1])
    return rng.random((n_steps, n_samples, network.n_inputs)) < rate


def _population(
    rng: np.random.Generator, name: str, size: int, *, drive: int, extreme: bool
) -> Population:
    plain = rng.random() < 0.35  # what Lava's own LIF can be
    uniform = plain or rng.random() < 0.3

    def values(low: int, high: int) -> npt.NDArray[np.int64]:
        drawn = rng.integers(low, high + 1, size)
        return np.full(size, drawn[0]) if uniform else drawn

    step_high = 2**23 - 1 if extreme else min(2**22, 64 * drive)
    adaptive = not plain and rng.random() < 0.8
    return Population(
        name=name,
        decay_v=values(0, 4096) if rng.random() < 0.3 else values(50, 600),
        decay_a=values(0, 4096) if rng.random() < 0.3 else values(1, 40),
        step_a=values(0, step_high) * adaptive,
        vth_mant=values(0, min(2**17 - 1, 2 * drive)),
        n_ref=0 if plain else int(rng.integers(0, 6)),
        reset="zero" if plain or rng.random() < 0.5 else "subtract",
        scale=1.0,
    )


def _of_form(population: Population, form: str, rng: np.random.Generator) -> Population:
    """The same population with other equations; ATRLIF takes one value for all its neurons."""
    if form == "threshold":
        return population
    if form == "current":
        return replace(population, adaptation="current")
    n = population.size
    if form == "lif":
        return replace(
            population, reset="zero", n_ref=0, step_a=np.zeros(n, np.int32),
            decay_v=np.full(n, population.decay_v[0]), vth_mant=np.full(n, population.vth_mant[0]),
        )  # fmt: skip
    step = min(4095, int(population.step_a[0]) // 64) if rng.random() < 0.8 else 0

    def decays(low: int, high: int) -> npt.NDArray[np.int64]:
        limits = (0, 4096) if rng.random() < 0.2 else (low, high)
        return np.full(n, rng.integers(limits[0], limits[1] + 1))

    return replace(
        population,
        neuron="atrlif",
        reset="subtract",
        n_ref=0,
        decay_v=np.full(n, population.decay_v[0]),
        decay_a=np.full(n, population.decay_a[0]),
        step_a=np.full(n, 64 * step),
        vth_mant=np.full(n, min(4095, population.vth_mant[0])),
        decay_i=decays(400, 4096),
        decay_r=decays(50, 900),
    )


def _projections(
    rng: np.random.Generator, source: str, target: str, ends: dict[str, int], exponent: int
) -> list[Projection]:
    """One projection of mixed sign, or two split by the sign of the source (Dale)."""
    density = rng.choice([0.0, 0.15, 0.5, 1.0], p=[0.1, 0.4, 0.3, 0.2])
    connected = rng.random((ends[target], ends[source])) < density
    if source == target:
        np.fill_diagonal(connected, False)
    excitatory = rng.random(ends[source]) < 0.75
    masks: dict[SignMode, Spikes] = {"mixed": connected}
    if rng.random() < 0.7:
        masks = {"excitatory": connected & excitatory, "inhibitory": connected & ~excitatory}
    longest = 0 if target == READOUT else int(rng.choice([0, 3, 10]))
    weight_exp = int(np.clip(exponent + rng.integers(-1, 2), -8, 7))
    projections = []
    for sign_mode, mask in masks.items():
        rows, columns = np.nonzero(mask)
        low, high = WEIGHT_RANGE[sign_mode]
        weights = rng.integers(low, high + 1, len(rows))
        projections.append(
            Projection(
                name=f"{source}->{target} {sign_mode}",
                source=source,
                target=target,
                n_source=ends[source],
                n_target=ends[target],
                source_index=columns,
                target_index=rows,
                weight_mant=weights // 2 * 2 if sign_mode == "mixed" else weights,
                delay=rng.integers(0, longest + 1, len(rows)),
                weight_exp=weight_exp,
                sign_mode=sign_mode,
            )
        )
    return projections
