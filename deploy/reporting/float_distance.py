"""The section on P0: the float network against the integers."""

from __future__ import annotations

from itertools import cycle

from deploy.parity_report import DISTANCE_ONLY
from deploy.reporting.activity import SPIKES, STEP
from deploy.reporting.distances import TAU, Distances, distances, rate_hz
from deploy.reporting.figures import Figure, LegendItem, Style, raster, scatter
from deploy.reporting.page import Section, Table, number
from deploy.reporting.report import Report

COLOURS: tuple[Style, ...] = ("line", "other", "winner")


def float_section(report: Report) -> Section:
    """Rates, task score and spike-train distances of the float network and the integers."""
    reference, other = (side.record for side in report.sides[DISTANCE_ONLY])
    pairs = list(zip(reference.spikes, other.spikes, strict=True))
    dt = report.network.dt
    found = [distances(one, two, dt) for one, two in pairs]
    styles = [style for style, _ in zip(cycle(COLOURS), pairs)]
    groups = [
        (style, rate_hz(one.spikes, dt), rate_hz(two.spikes, dt))
        for style, (one, two) in zip(styles, pairs, strict=True)
    ]
    rates = Figure(
        title="Firing rates",
        caption="One point a neuron, over all samples of the batch; on the diagonal both are equal.",
        panels=(
            scatter(
                "integers (Hz)",
                "Firing rate of every neuron, float network against integers: mean absolute "
                "difference "
                + ", ".join(f"{d.rate_difference:.2f} Hz in {d.name}" for d in found)
                + ".",
                groups,
            ),
        ),
        x_title="float network (Hz)",
        legend=tuple(
            LegendItem(style=style, text=one.name)
            for style, (one, _) in zip(styles, pairs, strict=True)
        ),
        narrow=True,
    )
    overlay = Figure(
        title="Spikes of the float network and of the integers",
        caption=f"Sample {report.first_sample + report.sample}; the float network is the "
        "reference. A network with feedback turns one early spike into many later ones that differ.",
        panels=tuple(
            raster(one.name, one.spikes[:, report.sample], two.spikes[:, report.sample])
            for one, two in pairs
        ),
        x_title=STEP,
        legend=SPIKES,
    )
    score = Table(
        caption="Task",
        columns=("network", "measure", "value", "decisions"),
        rows=tuple(
            (side, s.metric.name.replace("_", " "), s.text, number(s.decisions))
            for side, s in report.scores.items()
        ),
        note="On the samples of this report alone; lsnn-neuro evaluate scores the whole test set.",
    )
    return Section(
        key="float",
        title="Float network against integers",
        lead="What quantization costs. These two may differ: their spike trains are compared by "
        "distances, their answers by the task.",
        figures=(rates,),
        tables=((score,) if report.scores else ()) + (_distance_table(found),),
        folded=(overlay,),
    )


def _distance_table(found: list[Distances]) -> Table:
    return Table(
        caption="Spike trains",
        columns=("population", "float (Hz)", "integers (Hz)", "mean |difference| (Hz)",
                 "coincident spikes", "van Rossum", "Victor-Purpura", "first spike (ms)",
                 "silent on one side"),
        rows=tuple(
            (d.name, f"{d.rate:.2f}", f"{d.other_rate:.2f}", f"{d.rate_difference:.2f}",
             f"{d.coincident:.1%}", f"{d.van_rossum:.3f}", f"{d.victor_purpura:.3f}",
             "none" if d.first_spike is None else f"{d.first_spike:.1f}", number(d.one_sided))
            for d in found
        ),
        note=f"Van Rossum: relative to the float trains' norm, tau {TAU:g} ms; 0 is equal. "
        f"Victor-Purpura: cost per spike, q = 1/({TAU:g} ms), over {sum(d.trains for d in found)} "
        "pairs of trains; 0 is equal, 1 is unrelated. First spike: mean absolute difference where "
        "both sides spike. Silent on one side: trains that spike on the other.",
    )  # fmt: skip
