"""Parity comparisons as a terminal table and as JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.parity import Comparison

DISTANCE_ONLY = "P0"
"""The one level on which the two sides may differ."""


def failed_levels(levels: Mapping[str, Comparison]) -> list[str]:
    """The levels that must be exact and are not."""
    return [level for level, c in levels.items() if level != DISTANCE_ONLY and not c.exact]


def parity_json(levels: Mapping[str, Comparison]) -> dict[str, Any]:
    """Per level: exact, samples, spikes, mismatches, first_divergence and the details."""
    return {level: _level_json(comparison) for level, comparison in levels.items()}


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


def print_parity(levels: Mapping[str, Comparison]) -> None:
    """One row per level and population, a verdict per level, and where each exact level parts."""
    table = Table(
        "level", "population", "samples", "spikes", "mismatches", "van Rossum", title="Parity"
    )
    for level, c in levels.items():
        for p in c.populations:
            numbers = (c.samples, p.spikes, p.mismatches)
            table.add_row(level, p.name, *map(str, numbers), f"{p.van_rossum:.3f}")
        table.add_row(level, "readout", str(c.samples), "", str(c.readout_mismatches), "")
        table.add_section()
    console = Console()
    console.print(table)
    failed = failed_levels(levels)
    for level, c in levels.items():
        verdict = "NOT EXACT" if level in failed else "exact" if c.exact else "a distance"
        text = (
            f"{level}: {c.reference} against {c.other}: {verdict}, "
            f"{c.mismatches} mismatched of {c.spikes} spikes"
        )
        console.print(text, soft_wrap=True, highlight=False)
        if level in failed:
            console.print(f"  first divergence: {c.first_divergence}", soft_wrap=True)
