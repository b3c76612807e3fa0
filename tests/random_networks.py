"""Random small networks that use the whole range of what a ``QuantizedNetwork`` may hold."""

from __future__ import annotations

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


def population(
    rng: np.random.Generator, name: str, *, size: int, plain: bool, extreme: bool
) -> Population:
    """A population; plain ones are what Lava's own LIF can be."""
    high = 2**17 - 1 if extreme else 400
    uniform = plain or rng.random() < 0.3

    def values(low: int, high: int) -> npt.NDArray[np.int64]:
        return (
            np.full(size, rng.integers(low, high + 1))
            if uniform
            else rng.integers(low, high + 1, size)
        )

    adaptive = not plain and rng.random() < 0.8
    return Population(
        name=name,
        decay_v=values(0, 4096) if rng.random() < 0.3 else values(50, 600),
        decay_a=values(0, 4096) if rng.random() < 0.3 else values(1, 40),
        step_a=values(0, 2**23 - 1 if extreme else 20_000)
        if adaptive
        else np.zeros(size, np.int32),
        vth_mant=values(0, high),
        n_ref=0 if plain else int(rng.integers(0, 6)),
        reset="zero" if plain or rng.random() < 0.5 else "subtract",
        scale=1.0,
    )


def projections(
    rng: np.random.Generator,
    source: str,
    target: str,
    n_source: int,
    n_target: int,
    *,
    extreme: bool,
) -> list[Projection]:
    """One mixed projection, or two split by the sign of the source (Dale), possibly empty ones."""
    connected = rng.random((n_target, n_source)) < rng.choice(
        [0.0, 0.15, 0.5, 1.0], p=[0.1, 0.4, 0.3, 0.2]
    )
    if source == target:
        np.fill_diagonal(connected, False)
    if rng.random() < 0.3:
        parts: list[tuple[SignMode, npt.NDArray[np.bool_]]] = [("mixed", connected)]
    else:
        excitatory = rng.random(n_source) < 0.75
        parts = [("excitatory", connected & excitatory), ("inhibitory", connected & ~excitatory)]
    longest = 0 if target == READOUT else int(rng.choice([0, 3, 10]))
    weight_exp = int(rng.integers(4, 8)) if extreme else int(rng.integers(-8, 8))
    result = []
    for sign_mode, mask in parts:
        rows, columns = np.nonzero(mask)
        low, high = WEIGHT_RANGE[sign_mode]
        weights = rng.integers(low, high + 1, len(rows))
        result.append(
            Projection(
                name=f"{source}->{target} {sign_mode}",
                source=source,
                target=target,
                n_source=n_source,
                n_target=n_target,
                source_index=columns,
                target_index=rows,
                weight_mant=weights & ~1 if sign_mode == "mixed" else weights,
                delay=rng.integers(0, longest + 1, len(rows)),
                weight_exp=weight_exp,
                sign_mode=sign_mode,
            )
        )
    return result


def random_network(seed: int) -> QuantizedNetwork:
    """A network of one to three populations; every fifth saturates its 24-bit states."""
    rng = np.random.default_rng(seed)
    extreme = seed % 5 == 4
    n_inputs = int(rng.integers(1, 13))
    populations = tuple(
        population(
            rng,
            f"pop{index}",
            size=int(rng.integers(1, 17)),
            plain=bool(rng.random() < 0.35),
            extreme=extreme,
        )
        for index in range(rng.integers(1, 4))
    )
    readout = Readout(
        decay=rng.integers(0, 4097, n_outputs := int(rng.integers(1, 5))),
        bias=np.zeros(n_outputs, np.int32),
        scale=1.0,
    )
    links: list[Projection] = []
    for target in populations:
        links += projections(rng, INPUT, target.name, n_inputs, target.size, extreme=extreme)
        for source in populations:
            if rng.random() < 0.7:
                links += projections(
                    rng, source.name, target.name, source.size, target.size, extreme=extreme
                )
    for source in populations:
        links += projections(rng, source.name, READOUT, source.size, readout.size, extreme=extreme)
    return QuantizedNetwork(
        n_inputs=n_inputs, populations=populations, projections=tuple(links), readout=readout
    )


def random_inputs(
    seed: int, network: QuantizedNetwork, *, n_steps: int, n_samples: int, rate: float = 0.3
) -> Spikes:
    """Input spikes, bool (time, sample, input)."""
    rng = np.random.default_rng([seed, 1])
    return rng.random((n_steps, n_samples, network.n_inputs)) < rate
