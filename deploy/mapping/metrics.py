"""NeuroBench's metrics of a quantized network, under NeuroBench's names.

- footprint: bytes of all parameters and states, zero weights included
- connection_sparsity: share of zeros in the weight matrices, rounded to four decimals
- activation_sparsity: share of neuron, step and sample without a spike, inputs not counted
- synaptic_operations: per sample; a spike over a synapse is one accumulate (AC), with every weight
  of every matrix in every step it would be "Dense"; MACs there are none

A weight matrix is all synapses from one source onto one target, full size. Source: Yik et al. 2025,
"The NeuroBench framework", Nat. Commun. 16, and neurobench 2.3.0, which the tests compare with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lsnn_neuro.spec import INPUT
from quantize.network import QuantizedNetwork
from quantize.record import SpikeRecord

WEIGHT_BYTES, DELAY_BYTES = 1, 1
"""A mantissa takes 8 bits (a one-signed projection stores no sign), a delay 6: one byte each."""

NEURON_BYTES = 2 + 2 + 4 + 4 + 3 * 4 + 1
"""decay_v, decay_a: 12 bits in 2 bytes; step_a, threshold and the states v, a and input: up to 24 bits
in 4; refractory: 6 bits in 1."""

ATRLIF_BYTES = 2 + 2 + 4 + 4
"""What an ATRLIF neuron has besides: decay_i, decay_r; synaptic current and refractory variable."""

READOUT_BYTES = 2 + 4 + 4
"""decay: 12 bits in 2 bytes; bias and o: 24 bits in 4."""


@dataclass(frozen=True, kw_only=True)
class SynapticOperations:
    """Per sample; the field names are NeuroBench's keys."""

    Effective_MACs: float
    Effective_ACs: float
    Dense: float


@dataclass(frozen=True, kw_only=True)
class NeuroBenchMetrics:
    """The metrics of a network on some samples."""

    footprint: int
    connection_sparsity: float
    activation_sparsity: float
    synaptic_operations: SynapticOperations


def neurobench_metrics(
    network: QuantizedNetwork, inputs: npt.NDArray[np.bool_], record: SpikeRecord
) -> NeuroBenchMetrics:
    """Metrics from a network, its input spikes (time, sample, input) and what it made of them."""
    n_steps, n_samples, _ = inputs.shape
    trains = {INPUT: inputs} | {p.name: p.spikes for p in record.spikes}
    counts = {name: train.sum(axis=(0, 1), dtype=np.int64) for name, train in trains.items()}
    accumulates = sum(
        int(counts[p.source][p.source_index[p.weight_mant != 0]].sum()) for p in network.projections
    )
    places = sum(source * target for source, target in matrices(network).values())
    nonzero = sum(int(np.count_nonzero(p.weight_mant)) for p in network.projections)
    activations = sum(p.spikes.size for p in record.spikes)
    return NeuroBenchMetrics(
        footprint=footprint(network),
        connection_sparsity=round(1 - nonzero / places, 4) if places else 0.0,
        activation_sparsity=1 - record.n_spikes / activations if activations else 0.0,
        synaptic_operations=SynapticOperations(
            Effective_MACs=0.0,
            Effective_ACs=accumulates / n_samples,
            Dense=float(places * n_steps),
        ),
    )


def footprint(network: QuantizedNetwork) -> int:
    """Bytes of all weight matrices, delays, neurons and the readout."""
    delayed = {(p.source, p.target) for p in network.projections if p.max_delay}
    synapses = sum(
        n_source * n_target * (WEIGHT_BYTES + DELAY_BYTES * (ends in delayed))
        for ends, (n_source, n_target) in matrices(network).items()
    )
    neurons = sum(p.size for p in network.populations)
    atrlif = sum(p.size for p in network.populations if p.neuron == "atrlif")
    cells = NEURON_BYTES * neurons + ATRLIF_BYTES * atrlif + READOUT_BYTES * network.readout.size
    return synapses + cells


def matrices(network: QuantizedNetwork) -> dict[tuple[str, str], tuple[int, int]]:
    """Sizes (source, target) of all weight matrices, by their ends."""
    return {(p.source, p.target): (p.n_source, p.n_target) for p in network.projections}
