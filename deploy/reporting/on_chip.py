"""The section on the chip: cores, utilization, energy, NeuroBench's metrics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from deploy.mapping.energy import Estimate
from deploy.mapping.filling import CORE_LIMITS
from deploy.mapping.metrics import NeuroBenchMetrics
from deploy.mapping.picture import cores_svg
from deploy.mapping.placement import Placement
from deploy.mapping.report import NOT_COUNTED, Resources, comparison_lines, resources
from deploy.reporting.page import Section, Table, inline_svg, number
from deploy.reporting.report import Report

CORES_SHOWN = 128
"""Cores listed at most."""


def chip_section(report: Report) -> Section:
    """Where the network would lie on the chip, how full it is, and what an inference would cost."""
    record = report.emulator
    found = resources(report.network, report.chip, report.inputs, record)
    placement, estimate = found.placement, found.estimate
    return Section(
        key="chip",
        title="On the chip",
        lead=_lead(found),
        picture=inline_svg(cores_svg(placement)) if placement else None,
        tables=(
            *_violations(found),
            *((_utilization(placement),) if placement else ()),
            *((_energy(estimate),) if estimate else ()),
            *((_metrics(found.metrics),) if found.metrics else ()),
        ),
        folded=((_cores(placement),) if placement else ()) + tuple(_alternatives(found)),
    )


def _lead(found: Resources) -> str:
    if found.placement is None:
        return f"The network does not fit on {found.chip.name}."
    placement, estimate = found.placement, found.estimate
    cores, chips = len(placement.cores), placement.n_chips
    text = f"Cores in use: {cores:,} on {'one chip' if chips == 1 else f'{chips} chips'} {found.chip.name}."
    text += f" {_fullest(placement)}"
    if found.violations:
        text += f" Rules of the chip it breaks: {len(found.violations)}."
    if estimate:
        text += (
            f" Estimate: {estimate.joule * 1e6:.3g} µJ and {estimate.seconds * 1e3:.3g} ms an "
            f"inference of {estimate.steps} steps."
        )
    return text


def _fullest(placement: Placement) -> str:
    """What the fullest core is full of, and whether a public source states that limit."""
    limit, share = max((placement.fullest(core) for core in placement.cores), key=lambda f: f[1])
    figure = getattr(placement.chip.limits, limit)
    text = f"The fullest one has {share:.0%} of its {limit.replace('_', ' ')}"
    if figure.assumed:
        text += f", {number(figure.value)} a core, a limit that no public source states and that is assumed"
        text += f": {figure.source}"
    return text + "."


def _violations(found: Resources) -> Iterator[Table]:
    if found.violations:
        yield Table(
            caption="What stands against this chip",
            columns=("rule", "object", "remedy", "value", "limit"),
            words=3,
            rows=tuple(
                (v.rule, v.object, v.remedy, number(v.value), number(v.limit))
                for v in found.violations
            ),
            marked=frozenset(range(len(found.violations))),
        )


def _utilization(placement: Placement) -> Table:
    rows = []
    for limit in CORE_LIMITS:
        shares = [placement.utilization(core)[limit] for core in placement.cores]
        figure = getattr(placement.chip.limits, limit)
        rows.append(
            (limit.replace("_", " "), f"assumed: {figure.source}" if figure.assumed else figure.source,
             f"{sum(shares) / len(shares):.1%}", f"{max(shares):.1%}", number(figure.value))
        )  # fmt: skip
    return Table(
        caption="Utilization of the cores in use",
        columns=("resource", "source of the limit", "mean", "fullest core", "limit a core"),
        words=2,
        rows=tuple(rows),
    )


def _energy(found: Estimate) -> Table:
    costs = f"Costs are those of {found.costs_of}"
    if found.costs_of != found.chip:
        costs += f"; none are published for {found.chip}"
    about = ". ".join(line.strip(" .") for line in comparison_lines(found))
    return Table(
        caption=f"Energy of an inference, mean over {found.samples} samples (estimate)",
        columns=("event", "source of the cost", "count", "pJ each", "µJ"),
        words=2,
        rows=tuple(
            (e.name, e.cost.source, number(round(e.count)), number(e.cost.value),
             f"{e.joule * 1e6:.3f}")
            for e in found.events
            if e.count
        ),
        note=f"{costs}. Not counted: {NOT_COUNTED}. {about[0].upper()}{about[1:]}.",
    )  # fmt: skip


def _metrics(found: NeuroBenchMetrics) -> Table:
    operations = asdict(found.synaptic_operations)
    return Table(
        caption="NeuroBench metrics",
        columns=("metric", "value"),
        rows=(
            ("footprint (bytes)", number(found.footprint)),
            ("connection sparsity", f"{found.connection_sparsity:.4f}"),
            ("activation sparsity", f"{found.activation_sparsity:.4f}"),
            *(
                (f"synaptic operations a sample: {name.replace('_', ' ')}", number(round(value)))
                for name, value in operations.items()
            ),
        ),
    )


def _cores(placement: Placement) -> Table:
    per_chip = placement.chip.limits.cores.value
    shown = placement.cores[:CORES_SHOWN]
    part = "" if len(shown) == len(placement.cores) else f", the first {len(shown)}"
    return Table(
        caption=f"Cores{part}",
        columns=("chip, core", "neurons", "bound by", *(k.replace("_", " ") for k in CORE_LIMITS)),
        words=3,
        rows=tuple(
            (f"{index // per_chip}, {index % per_chip}",
             ", ".join(f"{s.population} {s.first} to {s.last - 1}" for s in core.slices),
             placement.chip.limits.describe(core.bound_by) if core.bound_by else "nothing",
             *(number(getattr(core.usage, limit)) for limit in CORE_LIMITS))
            for index, core in enumerate(shown)
        ),
    )  # fmt: skip


def _alternatives(found: Resources) -> Iterator[Table]:
    if found.tried:
        yield Table(
            caption="What would take fewer cores",
            columns=("change", "cores"),
            rows=tuple(
                (a.change, "does not fit" if a.cores is None else number(a.cores))
                for a in found.tried
            ),
        )
