"""A network's synapses as a chip stores them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from deploy.mapping.chips import Chip
from deploy.mapping.neurons import adapting
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
        for population in network.populations:
            neurons = np.flatnonzero(adapting(population)).astype(np.int32)
            if len(neurons):
                links.append(
                    Link(
                        name=f"{population.name}, adaptation",
                        source=population.name,
                        target=population.name,
                        n_source=population.size,
                        source_index=neurons,
                        target_index=neurons,
                        start=_starts(neurons, population.size),
                        form=SynapseFormat(weight_bits=WEIGHT_BITS, delay_bits=0),
                    )
                )
    return tuple(links)


def _starts(target_index: npt.NDArray[np.integer[Any]], n_target: int) -> Ints:
    return np.searchsorted(target_index, np.arange(n_target + 1, dtype=target_index.dtype))
