"""What would make a network fit, or take fewer cores: the same network, changed and placed again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from deploy.mapping.chips import Chip
from deploy.mapping.placement import try_to_place
from quantize.design_rules import Violation
from quantize.loihi import WEIGHT_BITS
from quantize.network import QuantizedNetwork, QuantizedProjection

FEWER_BITS = (6, 4)
"""Weight widths that are tried."""


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """A change, and how many cores the network would then take; None if it doesn't fit."""

    change: str
    cores: int | None

    def __str__(self) -> str:
        return f"{self.change}: {'does not fit' if self.cores is None else f'{self.cores} cores'}"


def find_alternatives(network: QuantizedNetwork, chip: Chip) -> tuple[Alternative, ...]:
    """The network as it is, and with each change that changes anything."""
    variants = [("as it is", network)]
    for bits in FEWER_BITS:
        if bits < network.provenance.weight_bits:
            variants.append((f"{bits}-bit weights", _with(network, _coarser(bits))))
    if any(p.reach for p in network.projections):
        variants.append(("no delays", _with(network, _undelayed)))
    if {"excitatory", "inhibitory"} <= {p.sign_mode for p in network.projections}:
        variants.append(("mixed signs, one format a projection", _merged(network)))
    found = ((change, try_to_place(variant, chip)) for change, variant in variants)
    return tuple(
        Alternative(change=change, cores=None if isinstance(p, Violation) else len(p.cores))
        for change, p in found
    )


def _with(
    network: QuantizedNetwork, change: Callable[[QuantizedProjection], QuantizedProjection]
) -> QuantizedNetwork:
    return replace(network, projections=tuple(change(p) for p in network.projections))


def _coarser(bits: int) -> Callable[[QuantizedProjection], QuantizedProjection]:
    """Round mantissas toward 0 onto the grid of fewer bits."""

    def change(projection: QuantizedProjection) -> QuantizedProjection:
        grid = 2 ** (WEIGHT_BITS - bits + (projection.sign_mode == "mixed"))
        mant = projection.weight_mant
        return replace(projection, weight_mant=np.sign(mant) * (np.abs(mant) // grid * grid))

    return change


def _undelayed(projection: QuantizedProjection) -> QuantizedProjection:
    return replace(projection, delay=np.zeros_like(projection.delay))


def _merged(network: QuantizedNetwork) -> QuantizedNetwork:
    """All synapses between the same two ends and of the same exponent as one projection."""
    groups: dict[tuple[str, str, int], list[QuantizedProjection]] = {}
    for p in network.projections:
        groups.setdefault((p.source, p.target, p.weight_exp), []).append(p)
    return replace(network, projections=tuple(_as_one(parts) for parts in groups.values()))


def _as_one(parts: list[QuantizedProjection]) -> QuantizedProjection:
    first = parts[0]
    columns = {
        field: np.concatenate([getattr(p, field) for p in parts])
        for field in ("source_index", "target_index", "weight_mant", "delay")
    }
    place = columns["target_index"].astype(np.int64) * first.n_source + columns["source_index"]
    _, order = np.unique(place, return_index=True)  # two signs of one pair: the first is kept
    columns = {field: values[order] for field, values in columns.items()}
    columns["weight_mant"] = columns["weight_mant"] // 2 * 2
    return replace(first, **columns, sign_mode="mixed")
