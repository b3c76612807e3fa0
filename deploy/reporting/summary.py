"""Parity comparisons as a terminal table and as JSON values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.comparison import Comparison
from deploy.parity_report import ParityReport


def parity_json(report: ParityReport) -> dict[str, Any]:
    """Per level: exact, samples, spikes, mismatches, first_divergence and more; or why it is left out."""
    left_out = {
        level: {"exact": None, "skipped": reason} for level, reason in report.skipped.items()
    }
    return {level: _level_json(c) for level, c in report.levels.items()} | left_out


def _level_json(comparison: Comparison) -> dict[str, Any]:
    populations = [
        {
            "name": p.name,
            "spikes": p.spikes,
            "mismatches": p.mismatches,
            "rate_difference": p.rate_difference,
            "van_rossum": p.van_rossum,
        }
        for p in comparison.populations
    ]
    where = comparison.first_divergence
    return {
        "exact": comparison.exact,
        "reference": comparison.reference,
        "other": comparison.other,
        "samples": comparison.samples,
        "steps": comparison.steps,
        "spikes": comparison.spikes,
        "mismatches": comparison.mismatches,
        "readout_mismatches": comparison.readout_mismatches,
        "populations": populations,
        "first_divergence": asdict(where) if where else None,
    }


def print_parity(report: ParityReport) -> None:
    """One row per level and population, a verdict per level, and where each exact level parts."""
    table = Table(
        "level", "population", "samples", "spikes", "mismatches", "van Rossum", title="Parity"
    )
    for level, c in report.levels.items():
        for p in c.populations:
            numbers = (c.samples, p.spikes, p.mismatches)
            table.add_row(level, p.name, *map(str, numbers), f"{p.van_rossum:.3f}")
        table.add_row(level, "readout", str(c.samples), "", str(c.readout_mismatches), "")
        table.add_section()
    console = Console()
    console.print(table)
    for level, c in report.levels.items():
        verdict = "NOT EXACT" if level in report.failed else "exact" if c.exact else "a distance"
        text = (
            f"{level}: {c.reference} against {c.other}: {verdict}, {c.mismatches} spikes differ, of "
            f"{c.spikes} and {c.other_spikes}"
        )
        console.print(text, soft_wrap=True, highlight=False)
        if level in report.failed:
            console.print(f"  first divergence: {c.first_divergence}", soft_wrap=True)
