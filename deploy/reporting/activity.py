"""Sections that show what the network did: spikes of both sides, and the inside of one neuron."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from deploy.divergence import Divergence
from deploy.parity_report import describe_neuron, describe_state
from deploy.reporting.figures import Curve, Figure, LegendItem, Panel, Style, raster, traces
from deploy.reporting.neuron import NeuronTrace, representative, trace_neuron
from deploy.reporting.page import Section
from deploy.reporting.report import Report
from quantize.arithmetic import Ints
from quantize.network import QuantizedNetwork
from quantize.record import SpikeRecord

AROUND = 40
"""Steps shown before and after the first divergence."""

STEP = "step"

SPIKES = (
    LegendItem(style="match", text="on both sides"),
    LegendItem(style="missing", text="missing: on the reference only"),
    LegendItem(style="extra", text="extra: on the other side only"),
)


def spikes_section(report: Report) -> Section:
    """Rasters of both sides laid over each other: near the first divergence, and as a whole."""
    reference, other = (side.record for side in report.sides[report.shown])
    if other.partial:
        reference = reference.limited_to(other)
    where, sample = report.divergence, report.sample
    figures = []
    whole = range(reference.n_steps)
    if where:
        near = range(max(where.step - AROUND, 0), min(where.step + AROUND + 1, len(whole)))
        figures.append(
            Figure(
                title="Around the first divergence",
                caption=f"Steps {near[0]} to {near[-1]} of {len(whole)}. The dotted line marks step "
                f"{where.step}, where {describe_neuron(where)} parts.",
                panels=tuple(_rasters(report, reference, other, near)),
                x_title=STEP,
                legend=SPIKES,
            )
        )
    figures.append(
        Figure(
            title="The whole sample",
            caption=f"Sample {report.first_sample + sample}: inputs, spikes of every "
            "population on both sides laid over each other, and the readout (dashed: the other "
            "side's, once it differs).",
            panels=tuple(_rasters(report, reference, other, whole)),
            x_title=STEP,
            legend=SPIKES,
        )
    )
    return Section(
        key="spikes",
        title="Spikes of both sides",
        lead=f"{report.shown}: {reference.target} is the reference, {other.target} the other side.",
        figures=tuple(figures),
    )


def _rasters(
    report: Report, reference: SpikeRecord, other: SpikeRecord, steps: range
) -> Iterator[Panel]:
    """Inputs, populations and readout of the shown sample over some steps."""
    at, sample = slice(steps[0], steps[-1] + 1), report.sample
    where = report.divergence
    x = report.inputs[at, sample] != 0
    yield raster("inputs", x, x, first_step=steps[0])
    for one, two in zip(reference.spikes, other.spikes, strict=True):
        in_this = where is not None and where.population == one.name
        yield raster(
            one.name,
            one.spikes[at, sample],
            two.spikes[at, sample],
            first_step=steps[0],
            here=(where.step, where.neuron) if where and in_this else None,
        )
    if reference.readout.size:
        yield _readout(report.network, reference, other, sample, steps, where)


def _readout(
    network: QuantizedNetwork,
    reference: SpikeRecord,
    other: SpikeRecord,
    sample: int,
    steps: range,
    where: Divergence | None,
) -> Panel:
    at = slice(steps[0], steps[-1] + 1)
    one, two = (  # (time, output), float units
        network.to_float(record.readout[at, sample]) for record in (reference, other)
    )
    x = np.arange(steps[0], steps[-1] + 1)
    differs = one != two
    winner = int(one[-1].argmax())
    curves = []
    for i in sorted(range(one.shape[1]), key=lambda i: i == winner):  # the winner on top
        style: Style = "winner" if i == winner else "output"
        curves.append(Curve(style=style, steps=x, values=one[:, i]))
    for i in np.flatnonzero(differs.any(axis=0)):
        since = int(differs[:, i].argmax())
        curves.append(Curve(style="other", steps=x[since:], values=two[since:, i]))
    return traces(
        "readout y",
        f"Readout of all {one.shape[1]} outputs, steps {steps[0]} to {steps[-1]}; output {winner} "
        f"is the highest at the end; {int(differs.sum())} values differ between the sides.",
        curves,
        here=where.step if where and where.readout else None,
        pixels=130,
    )


def neuron_section(report: Report) -> Section:
    """Membrane, threshold and adaptation of the neuron that parts, or of a typical one."""
    where, network = report.divergence, report.network
    sides = report.sides[report.shown]
    if where and not where.readout and all(side.states_at for side in sides):
        place, near = (where.population, where.neuron), where.step
        lead = (
            "The first neuron that parts, around that step: a state that differs before the first "
            "wrong spike is the cause."
        )
    else:
        place, near = representative(network, sides[0].record, report.sample), None
        lead = "A neuron with a typical number of spikes."
    trace = trace_neuron(network, sides, report.sample, *place, near=near)
    figure = Figure(
        title=f"{trace.population} neuron {trace.neuron}",
        caption=_trace_caption(trace, report.first_sample + report.sample),
        panels=tuple(_trace_panels(trace)),
        x_title=STEP,
        legend=(
            LegendItem(style="line", text=trace.one.name),
            *((LegendItem(style="other", text=trace.other.name),) if trace.other else ()),
            LegendItem(style="threshold", text="threshold"),
        ),
    )
    return Section(key="neuron", title="Inside one neuron", lead=lead, figures=(figure,))


def _trace_caption(trace: NeuronTrace, sample: int) -> str:
    steps = trace.one.steps
    text = (
        f"Sample {sample}, steps {steps[0]} to {steps[-1]}. Integer states at the end of the step, "
        "the membrane after reset. Ticks along the upper edge are the spikes of both sides."
    )
    if trace.other:
        text += f" {trace.other.name} was asked for its states at {len(trace.other.steps)} steps."
    return text


def _trace_panels(trace: NeuronTrace) -> Iterator[Panel]:
    """The membrane with its threshold and the spikes, and every other state that is ever not 0."""
    one, other = trace.one, trace.other
    for name, values in one.variables.items():
        curves = [Curve(style="line", steps=one.steps, values=values)]
        if other and name in other.variables:
            theirs = other.variables[name]
            curves.append(Curve(style="other", steps=other.steps, values=theirs, points=True))
        text = _agreement(trace, name)
        if name == "v":
            ticks: list[tuple[Style, Ints]] = [("line", one.spike_steps)]
            if other:
                ticks.append(("other", other.spike_steps))
            limit = Curve(style="threshold", steps=one.steps, values=trace.threshold)
            yield traces(
                f"{describe_state(name)} and threshold", text, [limit, *curves], spikes=ticks,
                here=trace.near, pixels=190,
            )  # fmt: skip
        elif any(curve.values.any() for curve in curves):
            yield traces(describe_state(name), text, curves, here=trace.near, pixels=110)


def _agreement(trace: NeuronTrace, variable: str) -> str:
    """What a panel shows, in words."""
    text = f"State {describe_state(variable)} of {trace.population} neuron {trace.neuron}."
    if trace.other is None or variable not in trace.other.variables:
        return text
    here = np.isin(trace.one.steps, trace.other.steps)
    equal = trace.one.variables[variable][here] == trace.other.variables[variable]
    return f"{text} Both sides are equal in {equal.sum()} of {len(equal)} steps compared."
