"""Mapping, energy and NeuroBench's metrics in words for a terminal and as JSON values."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import Any

from deploy.mapping.alternatives import Alternative, find_alternatives
from deploy.mapping.chips import Chip
from deploy.mapping.energy import LOIHI1_LSNN, Estimate, estimate
from deploy.mapping.filling import CORE_LIMITS, REMEDIES, Core, event_widths
from deploy.mapping.metrics import NeuroBenchMetrics, neurobench_metrics
from deploy.mapping.neurons import neuron_models
from deploy.mapping.picture import cores_svg
from deploy.mapping.placement import Placement, try_to_place
from lsnn_neuro.arrays import Events
from quantize.design_rules import NAMES, Violation
from quantize.network import QuantizedNetwork
from quantize.record import SpikeRecord

RESOURCES, PICTURE = "resources.json", "mapping.svg"
"""Names of the files in an artifact."""

CORES_SHOWN = 16
"""This many cores, the fullest, are listed in words; JSON has them all."""

NOT_COUNTED = (
    "static power, the host processors and their link, traffic between chips, and the set-up, reset "
    "and read-out of an inference"
)


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a network takes on a chip.

    - placement: None where it doesn't fit; violations say why, and name neurons the chip can't be
    - tried: what it would take with fewer bits and the like, if it takes more than a core
    - estimate, metrics: of the spikes at hand, None without
    """

    chip: Chip
    placement: Placement | None
    violations: tuple[Violation, ...]
    tried: tuple[Alternative, ...]
    estimate: Estimate | None = None
    metrics: NeuroBenchMetrics | None = None


def resources(
    network: QuantizedNetwork,
    chip: Chip,
    inputs: Events | None = None,
    record: SpikeRecord | None = None,
) -> Resources:
    """Place a network; with inputs (time, sample, input) and their record, also what they cost."""
    violations = neuron_models(network, chip)
    if inputs is not None:
        violations += event_widths(inputs, chip)
    fits = try_to_place(network, chip)
    placement = None if isinstance(fits, Violation) else fits
    if isinstance(fits, Violation):
        violations.append(fits)
    one_core = placement is not None and len(placement.cores) == 1
    found = Resources(
        chip=chip,
        placement=placement,
        violations=tuple(violations),
        tried=() if one_core else find_alternatives(network, chip),
    )
    if inputs is None or record is None:
        return found
    return replace(
        found,
        estimate=None if placement is None else estimate(placement, inputs, record),
        metrics=neurobench_metrics(network, inputs, record),
    )


def rule_names() -> frozenset[str]:
    """The names of all design rules, the limits of chips included."""
    limits = (limit.replace("_", "-") for limit in REMEDIES)
    return NAMES | {"cores", "neuron-model", *limits}


def resources_json(found: Resources) -> dict[str, Any]:
    """All of it as JSON values."""
    return {
        "mapping": mapping_json(found.placement) if found.placement else None,
        "violations": [asdict(violation) for violation in found.violations],
        "alternatives": [asdict(alternative) for alternative in found.tried],
        "estimate": estimate_json(found.estimate) if found.estimate else None,
        "neurobench": asdict(found.metrics) if found.metrics else None,
    }


def resources_files(found: Resources) -> dict[str, bytes]:
    """Files for an artifact: resources.json and, where the network fits, mapping.svg."""
    files = {RESOURCES: (json.dumps(resources_json(found), indent=2) + "\n").encode()}
    if found.placement:
        files[PICTURE] = cores_svg(found.placement).encode()
    return files


def resources_lines(found: Resources) -> dict[str, list[str]]:
    """All of it in words, by heading."""
    lines = {}
    if found.placement:
        lines["mapping"] = mapping_lines(found.placement)
    else:
        lines["mapping"] = [f"{found.chip.name}: does not fit, see violations"]
    lines["mapping"] += [f"  {alternative}" for alternative in found.tried]
    if found.estimate:
        lines["energy"] = estimate_lines(found.estimate)
    if found.metrics:
        operations = asdict(found.metrics.synaptic_operations)
        lines["neurobench"] = [
            f"footprint: {found.metrics.footprint} bytes",
            f"connection_sparsity: {found.metrics.connection_sparsity:.4f}",
            f"activation_sparsity: {found.metrics.activation_sparsity:.4f}",
            "synaptic_operations: " + ", ".join(f"{k} {v:.0f}" for k, v in operations.items()),
        ]
    return lines


def mapping_json(placement: Placement) -> dict[str, Any]:
    """Chip, its assumed numbers, and every core: what is on it, how full it is, what bound it."""
    per_chip = placement.chip.limits.cores.value
    return {
        "chip": placement.chip.name,
        "assumptions": placement.chip.assumptions(),
        "chips": placement.n_chips,
        "cores": [
            {
                "chip": index // per_chip,
                "core": index % per_chip,
                "slices": [asdict(part) for part in core.slices],
                "usage": asdict(core.usage),
                "utilization": placement.utilization(core),
                "bound_by": core.bound_by,
            }
            for index, core in enumerate(placement.cores)
        ],
    }


def mapping_lines(placement: Placement) -> list[str]:
    """Cores and chips in use, their utilization, and what binds."""
    chip, cores = placement.chip, placement.cores
    total = placement.n_chips * chip.limits.cores.value
    lines = [f"{chip.name}: {len(cores)} of {total} cores, {placement.n_chips} chip(s)"]
    for limit in CORE_LIMITS:
        shares = [placement.utilization(core)[limit] for core in cores]
        figure = getattr(chip.limits, limit)
        note = " (assumed)" if figure.assumed else ""
        lines.append(
            f"  {limit.replace('_', ' ')}: mean {sum(shares) / len(shares):.1%}, fullest core "
            f"{max(shares):.1%} of {figure.value}{note}"
        )
    bounds = Counter(chip.limits.describe(core.bound_by) for core in cores if core.bound_by)
    lines += [f"  {count} core(s) bound by {limit}" for limit, count in bounds.most_common()]

    def fullness(index: int) -> float:
        return placement.fullest(cores[index])[1]

    for index in sorted(sorted(range(len(cores)), key=fullness)[-CORES_SHOWN:]):
        lines.append(f"  core {index}: {_slices(cores[index])}; {_usage(cores[index])}")
    if len(cores) > CORES_SHOWN:
        lines.append(f"  ... the fullest {CORES_SHOWN} of {len(cores)} cores")
    return lines


def _slices(core: Core) -> str:
    return ", ".join(f"{s.population} {s.first} to {s.last - 1}" for s in core.slices)


def _usage(core: Core) -> str:
    return ", ".join(f"{getattr(core.usage, k)} {k.replace('_', ' ')}" for k in CORE_LIMITS)


def estimate_json(found: Estimate) -> dict[str, Any]:
    """Energy, latency and every event with its count, cost and source."""
    return {
        "joule": found.joule,
        "seconds": found.seconds,
        "chip": found.chip,
        "costs_of": found.costs_of,
        "samples": found.samples,
        "steps": found.steps,
        "input_packets": found.input_packets,
        "packets_between_chips": found.packets_between_chips,
        "events": [
            {
                "name": event.name,
                "count": event.count,
                "picojoule_each": event.cost.value,
                "joule": event.joule,
                "source": event.cost.source,
            }
            for event in found.events
        ],
        "not_counted": NOT_COUNTED,
    }


def estimate_lines(found: Estimate) -> list[str]:
    """Energy and latency with their parts, sources, and how a measurement compares."""
    lines = [
        f"{found.joule * 1e6:.2f} uJ and {found.seconds * 1e3:.2f} ms an inference of "
        f"{found.steps} steps (estimate, mean over {found.samples} samples)"
    ]
    if found.costs_of != found.chip:
        lines.append(f"  costs are those of {found.costs_of}; none are published for {found.chip}")
    lines += [
        f"  {event.name}: {event.count:.0f} x {event.cost.value:g} pJ = {event.joule * 1e6:.3f} uJ "
        f"[{event.cost.source}]"
        for event in found.events
        if event.count
    ]
    lines += [
        f"  input packets from the host: {found.input_packets:.0f}, without a cost",
        f"  not counted: {NOT_COUNTED}",
        *comparison_lines(found),
    ]
    return lines


def comparison_lines(found: Estimate) -> list[str]:
    """How far the estimate is from the published measurement, and why."""
    published = LOIHI1_LSNN
    return [
        f"  for scale: {published.what}: {published.joule * 1e3:g} mJ, {published.seconds * 1e3:g} ms; "
        f"this estimate is {found.joule / published.joule:.1%} of that energy and "
        f"{found.seconds / published.seconds:.1%} of that time",
        f"  the measurement is of a whole system: with {NOT_COUNTED}; the host's share is the larger "
        "one. The estimate is of the cores alone, from costs of a circuit simulation.",
    ]
