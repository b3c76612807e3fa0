"""NeuroBench's metrics of a quantized network, under NeuroBench's names.

- footprint: bytes of all parameters and states, zero weights included
- connection_sparsity: share of zeros in the weight matrices, rounded to four decimals
- activation_sparsity: share of neuron, step and sample without a spike, inputs not counted
- synaptic_operations: per sample; a spike over a synapse is one accumulate (AC), a graded input event one
  multiplication too (MAC); with every weight of every matrix in every step it would be "Dense"

A weight matrix is all synapses from one source onto one target, full size. Source: Yik et al. 2025,
"The NeuroBench framework", Nat. Commun. 16, and neurobench 2.3.0, which the tests compare with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lsnn_neuro.arrays import Events
from lsnn_neuro.network.graph import INPUT
from quantize.network import QuantizedNetwork, QuantizedPopulation
from quantize.record import SpikeRecord

WEIGHT_BYTES, DELAY_BYTES = 1, 1
"""A mantissa takes 8 bits (a one-signed projection stores no sign), a delay 6: one byte each."""

CONSTANT_BYTES = {"decay": 2, "state": 4, "threshold": 4, "steps": 1}
"""Of a neuron, by role: 12, 24, 17 and 6 bits."""

STATE_BYTES, STEPS_BYTES = 4, 1
"""A state of 24 bits, and a count of steps left."""

BIAS_BYTES, OFFSET_BYTES = 2, 4
"""A mantissa of 13 bits and an exponent of 3; what the host adds to a readout."""


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
    network: QuantizedNetwork, inputs: Events, record: SpikeRecord
) -> NeuroBenchMetrics:
    """Metrics from a network, its inputs (time, sample, input) and its record."""
    n_steps, n_samples, _ = inputs.shape
    trains = {INPUT: inputs != 0} | {p.name: p.spikes for p in record.spikes}
    counts = {name: train.sum(axis=(0, 1), dtype=np.int64) for name, train in trains.items()}
    operations = {"input": 0, "spikes": 0}
    for p in network.projections:
        reached = counts[p.source][p.source_index[p.weight_mant != 0]].sum()
        operations["input" if p.source == INPUT else "spikes"] += int(reached)
    graded = bool((np.abs(inputs.astype(np.int16)) > 1).any())
    places = sum(source * target for source, target in matrices(network).values())
    nonzero = sum(int(np.count_nonzero(p.weight_mant)) for p in network.projections)
    activations = sum(p.spikes.size for p in record.spikes)
    return NeuroBenchMetrics(
        footprint=footprint(network),
        connection_sparsity=round(1 - nonzero / places, 4) if places else 0.0,
        activation_sparsity=1 - record.n_spikes / activations if activations else 0.0,
        synaptic_operations=SynapticOperations(
            Effective_MACs=operations["input"] * graded / n_samples,
            Effective_ACs=(operations["spikes"] + operations["input"] * (not graded)) / n_samples,
            Dense=float(places * n_steps),
        ),
    )


def footprint(network: QuantizedNetwork) -> int:
    """Bytes of all weight matrices, delays and neurons."""
    delayed = {(p.source, p.target) for p in network.projections if p.reach}
    synapses = sum(
        n_source * n_target * (WEIGHT_BYTES + DELAY_BYTES * (ends in delayed))
        for ends, (n_source, n_target) in matrices(network).items()
    )
    return synapses + sum(p.size * neuron_bytes(p) for p in network.populations)


def neuron_bytes(population: QuantizedPopulation) -> int:
    """Bytes of a neuron of a population: constants, but those that are 0 for all of them, and states.

    The synaptic current of spiking neurons is held for a step, since their input is the step before.
    """
    constants = list(population.constants.numbers())
    held = sum(CONSTANT_BYTES[role.kind] for _, role, values in constants if values.any())
    counters = sum(role.kind == "steps" for _, role, _ in constants)  # each has a state beside it
    states = len(set(population.neuron.states) - {"z"}) - counters + population.spiking
    if population.decay_i is not None:
        held += CONSTANT_BYTES["decay"]
        states += 1
    held += BIAS_BYTES * bool(population.bias.any()) + OFFSET_BYTES * (not population.spiking)
    return int(held + STATE_BYTES * states + STEPS_BYTES * counters)


def matrices(network: QuantizedNetwork) -> dict[tuple[str, str], tuple[int, int]]:
    """Sizes (source, target) of all weight matrices, by their ends."""
    return {(p.source, p.target): (p.n_source, p.n_target) for p in network.projections}
