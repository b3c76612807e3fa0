"""A network's synapses as a chip stores them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from deploy.mapping.chips import Chip
from deploy.mapping.synapse_memory import SynapseFormat, format_of
from quantize.loihi import WEIGHT_BITS
from quantize.network import QuantizedNetwork

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Link:
    """Synapses of one format: a projection, or adapting neurons' synapses onto themselves.

    - source_index, target_index: shape (synapse,), sorted by target
    - start: where the synapses of every target begin, shape (target + 1,)
    """

    name: str
    source: str
    target: str
    n_source: int
    source_index: npt.NDArray[np.int32]
    target_index: npt.NDArray[np.int32]
    start: Ints
    form: SynapseFormat


def links_of(network: QuantizedNetwork, chip: Chip) -> tuple[Link, ...]:
    """All synapses as they are stored on the chip, by format."""
    links = [
        Link(
            name=p.name,
            source=p.source,
            target=p.target,
            n_source=p.n_source,
            source_index=p.source_index,
            target_index=p.target_index,
            start=_starts(p.target_index, p.n_target),
            form=format_of(p, chip),
        )
        for p in network.projections
    ]
    if chip.neurons.adaptive_compartments.value > 1:
        links += [
            Link(
                name=f"{p.name}, adaptation",
                source=p.name,
                target=p.name,
                n_source=p.size,
                source_index=np.flatnonzero(p.step_a).astype(np.int32),
                target_index=np.flatnonzero(p.step_a).astype(np.int32),
                start=_starts(np.flatnonzero(p.step_a), p.size),
                form=SynapseFormat(weight_bits=WEIGHT_BITS, delay_bits=0),
            )
            for p in network.populations
            if p.adaptive
        ]
    return tuple(links)


def _starts(target_index: npt.NDArray[np.integer[Any]], n_target: int) -> Ints:
    return np.searchsorted(target_index, np.arange(n_target + 1, dtype=target_index.dtype))
