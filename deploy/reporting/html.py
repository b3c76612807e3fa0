"""The parity report as a page, the most important things first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

from deploy.artifact import versions
from deploy.comparison import Comparison
from deploy.parity_report import (
    DISTANCE_ONLY,
    EMULATOR,
    GOLDEN,
    describe_neuron,
    describe_state,
)
from deploy.reporting.activity import neuron_section, spikes_section
from deploy.reporting.conversion import conversion_section, network_section
from deploy.reporting.float_distance import float_section
from deploy.reporting.on_chip import chip_section
from deploy.reporting.page import Fact, Page, Section, Table, number
from deploy.reporting.report import Report
from lsnn_neuro.tasks.score import Score

MEANING = {
    GOLDEN: "the spikes kept at export and the emulator's now",
    "P0": "float network and integers, a distance",
    "P1": "forward pass of training and emulator",
    "P2": "emulator and Lava",
    "P2 closed loop": "emulator and Lava, each acting on what it did",
    "P3": "emulator and chip",
}


def parity_page(report: Report) -> Page:
    """The report as a page, most important things first."""
    network = report.network
    levels = report.levels
    shown = levels[report.shown]
    sections = [_levels(report), spikes_section(report)]
    if network.spiking:
        sections.append(neuron_section(report))
    if DISTANCE_ONLY in report.sides:
        sections.append(float_section(report))
    sections += [
        network_section(network),
        *conversion_section(report.manifest),
        chip_section(report),
        _provenance(report),
    ]
    facts = [
        Fact(name="mismatched spikes", value=number(shown.mismatches)),
        Fact(name=f"spikes, {shown.reference}", value=number(shown.spikes)),
        Fact(name=f"spikes, {shown.other}", value=number(shown.other_spikes)),
        Fact(name=f"samples of {shown.steps:,} steps", value=number(shown.samples)),
        Fact(name="neurons", value=number(network.n_neurons)),
        Fact(name="synapses", value=number(network.n_synapses)),
    ]
    facts += [
        Fact(
            name=f"{_metric(score)}, {side}, {number(score.decisions)} decisions",
            value=_value(score),
        )
        for side, score in report.scores.items()
        if side in (levels[DISTANCE_ONLY].reference if DISTANCE_ONLY in levels else "", EMULATOR)
    ]
    failed = report.failed
    return Page(
        title=f"Parity of {network.provenance.recipe or report.name}",
        passed=not failed,
        headline=_headline(report),
        lead=_verdict(report),
        facts=tuple(facts),
        sections=tuple(sections),
        footer=f"lsnn-neuro {versions()['lsnn-neuro']}, "
        f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
    )


FEW = 100
"""Below so many decisions a share is given as a count."""


def _metric(score: Score) -> str:
    return score.metric.name.replace("_", " ")


def _value(score: Score) -> str:
    """A score as text; a share of few decisions as a count, which is not mistaken for a test set's."""
    if score.metric.percent and score.decisions < FEW and score.total == int(score.total):
        return f"{int(score.total)} of {score.decisions}"
    return score.text


def _headline(report: Report) -> str:
    if report.failed:
        return "Not the same network"
    if report.proves_nothing:
        return "Nothing differs, but no neuron spikes"
    return "The same network, spike by spike"


def _verdict(report: Report) -> str:
    levels, failed = report.levels, report.failed
    if not failed:
        exact = [
            c
            for level, c in levels.items()
            if level in report.sides and level not in (DISTANCE_ONLY, GOLDEN)
        ]
        exact = exact or [levels[GOLDEN]]
        *names, last = dict.fromkeys(name for c in exact for name in (c.reference, c.other))
        shown = levels[report.shown]
        if report.proves_nothing:
            return "No neuron spikes on any side, so that they are the same is not shown; give other inputs."
        return (
            f"{', '.join(names)} and {last} agree in {_agreed(shown)}, over {shown.samples} samples of "
            f"{shown.steps} steps."
        )
    c = levels[failed[-1]]
    where = c.first_divergence
    assert where is not None
    return (
        f"{failed[-1]}: {c.reference} with {c.spikes:,} and {c.other} with {c.other_spikes:,} spikes differ "
        f"in {c.mismatches:,} of them, and in {c.readout_mismatches:,} readout integers"
        f"{'; ' * bool(c.beyond_spikes)}{c.beyond_spikes}. They part at step "
        f"{where.step} of sample {where.sample}, {describe_neuron(where)}."
    )


def _agreed(c: Comparison) -> str:
    """What is equal on an exact level, and what was not recorded."""
    said = [f"every one of {c.spikes:,} spikes"] if c.populations else []
    said += ["every readout integer"] if c.readout_compared else []
    said += [c.beyond_spikes] if c.beyond_spikes else []
    return " and in ".join(said)


def _levels(report: Report) -> Section:
    levels, failed = report.levels, report.failed
    rows: list[tuple[str, ...]] = []
    populations: list[tuple[str, ...]] = []
    for level, c in levels.items():
        verdict = "a distance" if level not in failed and not c.exact else c.verdict
        rows.append(
            (level, verdict, number(c.spikes), number(c.other_spikes), number(c.mismatches),
             number(c.readout_mismatches))
        )  # fmt: skip
        populations += [
            (level, p.name, number(p.spikes), number(p.other_spikes), number(p.mismatches))
            for p in c.populations
        ]
    levels_table = Table(
        caption="Every level",
        columns=("level", "verdict", "spikes", "on the other side", "spikes differ", "readout differs"),
        words=2,
        rows=tuple(rows),
        note=" ".join(
            [
                *(
                    f"{level}: {MEANING.get(level, 'emulator and target')} ({c.reference} against {c.other}"
                    f"{'; ' * bool(c.beyond_spikes)}{c.beyond_spikes})."
                    for level, c in levels.items()
                ),
                *(f"{level} is left out: {why}." for level, why in report.skipped.items()),
                *(f"{line}." for line in report.silent),
            ]
        ),
        marked=frozenset(i for i, level in enumerate(levels) if level in failed),
    )  # fmt: skip
    by_population = Table(
        caption="Every population",
        columns=("level", "population", "spikes", "on the other side", "spikes differ"),
        words=2,
        rows=tuple(populations),
    )
    return Section(
        key="levels",
        title="Levels",
        lead="From P1 on, exact is the only pass: no mismatched spike, equal readout integers.",
        tables=(levels_table, *_divergences(report)),
        folded=(by_population,),
    )


def _divergences(report: Report) -> Iterator[Table]:
    """Both sides' states where a level parts."""
    for level in report.failed:
        c = report.levels[level]
        where = c.first_divergence
        assert where is not None
        what = "readout" if where.readout else describe_state(where.variable or "spike")
        rows = [(what, where.reference_value, where.other_value)]
        if where.reference and where.other:
            rows += [
                (describe_state(name), value, where.other[name])
                for name, value in where.reference.items()
                if name != "z"
            ]
        yield Table(
            caption=f"{level} parts at step {where.step}, sample {where.sample}, "
            f"{describe_neuron(where)}",
            columns=("after the step", c.reference, c.other),
            rows=tuple((name, number(one), number(two)) for name, one, two in rows),
            marked=frozenset(i for i, (_, one, two) in enumerate(rows) if one != two),
        )


def _provenance(report: Report) -> Section:
    origin = report.network.provenance
    made_with = {str(k): str(v) for k, v in report.manifest.get("versions", {}).items()}
    now = versions()
    rows = [
        ("recipe", origin.recipe or "unknown"),
        ("checkpoint (SHA-256)", origin.checkpoint_sha256 or "unknown"),
        ("exported for", str(report.manifest.get("target", "not exported"))),
    ]
    rows += [
        (f"{side.record.target}, seconds", f"{side.record.seconds:.2f}")
        for side in report.sides[report.shown]
    ]
    table = Table(caption="Origin", columns=("what", "value"), words=2, rows=tuple(rows))
    versions_table = Table(
        caption="Versions",
        columns=("package", "at export", "now"),
        words=3,
        rows=tuple((name, made_with.get(name, "unknown"), now[name]) for name in now),
    )
    files = Table(
        caption="Files of the artifact",
        columns=("file", "SHA-256"),
        words=2,
        rows=tuple((str(k), str(v)) for k, v in report.manifest.get("sha256", {}).items()),
    )
    return Section(
        key="provenance",
        title="Where it comes from",
        lead=f"{report.name}.",
        tables=(table, versions_table),
        folded=(files,),
        text=report.recipe,
        text_title="Recipe",
    )
