"""Parity comparisons as a terminal table and as JSON values."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.comparison import Comparison
from deploy.parity_report import ParityReport

UNLIMITED = 10_000
"""Columns of a terminal in which every table finds room."""


def parity_json(report: ParityReport) -> dict[str, Any]:
    """Per level: exact, silent, samples, spikes, mismatches, first_divergence ...; or why it is left out."""
    left_out = {
        level: {"exact": None, "skipped": reason} for level, reason in report.skipped.items()
    }
    return {level: _level_json(c) for level, c in report.levels.items()} | left_out


def _level_json(comparison: Comparison) -> dict[str, Any]:
    populations = [
        {
            "name": p.name,
            "spikes": p.spikes,
            "other_spikes": p.other_spikes,
            "mismatches": p.mismatches,
            "rate_difference": p.rate_difference,
            "van_rossum": p.van_rossum,
        }
        for p in comparison.populations
    ]
    where = comparison.first_divergence
    return {
        "exact": comparison.exact,
        "silent": list(comparison.silent),
        "reference": comparison.reference,
        "other": comparison.other,
        "samples": comparison.samples,
        "steps": comparison.steps,
        "spikes": comparison.spikes,
        "other_spikes": comparison.other_spikes,
        "mismatches": comparison.mismatches,
        "readout_mismatches": comparison.readout_mismatches,
        "readout_compared": comparison.readout_compared,
        "populations": populations,
        "states": [asdict(p) for p in comparison.probes],
        "labels": comparison.labels,
        "label_mismatches": comparison.label_mismatches,
        "not_recorded": list(comparison.not_recorded),
        "first_divergence": asdict(where) if where else None,
    }


COLUMNS = ("level", "population", "samples", "spikes", "other side", "mismatches", "van Rossum")


def print_parity(report: ParityReport) -> None:
    """One row per level and population, a verdict per level, and where each exact level parts.

    A table where it finds room, else line by line: no number is ever cut.
    """
    console = Console()
    table = Table(*COLUMNS, title="Parity")
    rows = [row for level, c in report.levels.items() for row in _rows(level, c)]
    for row in rows:
        table.add_row(*row, end_section=row[1] == "readout")
    wanted = console.measure(table, options=console.options.update(max_width=UNLIMITED)).maximum
    piped = not console.is_terminal and "COLUMNS" not in os.environ
    if piped or wanted <= console.width:
        Console(width=max(wanted, console.width)).print(
            table
        )  # a console caps its tables at its own width
    else:
        for row in rows:
            console.print(_as_line(row), soft_wrap=True, highlight=False)
    for level, c in report.levels.items():
        failed = level in report.failed
        verdict = "NOT EXACT" if failed else c.verdict if c.exact else "a distance"
        text = (
            f"{level}: {c.reference} against {c.other}: {verdict}, {c.mismatches} spikes differ, of "
            f"{c.spikes} and {c.other_spikes}"
        )
        text += f"; {c.beyond_spikes}" if c.beyond_spikes else ""
        console.print(text, soft_wrap=True, highlight=False)
        if level in report.failed:
            console.print(f"  first divergence: {c.first_divergence}", soft_wrap=True)


def _rows(level: str, c: Comparison) -> list[Sequence[str]]:
    """The cells of a level: its populations, then its readout."""
    populations = [
        (level, p.name, f"{c.samples}", f"{p.spikes}", f"{p.other_spikes}", f"{p.mismatches}",
         f"{p.van_rossum:.3f}")
        for p in c.populations
    ]  # fmt: skip
    states = [
        (
            level,
            f"{p.population}, state {p.variable}",
            f"{c.samples}",
            "",
            "",
            f"{p.mismatches}",
            "",
        )
        for p in c.probes
    ]
    read = f"{c.readout_mismatches}" if c.readout_compared else "not recorded"
    return [*populations, *states, (level, "readout", f"{c.samples}", "", "", read, "")]


def _as_line(row: Sequence[str]) -> str:
    """A row in words: its first two cells, then every other one with its column's name."""
    cells = zip(COLUMNS[2:], row[2:], strict=True)
    return f"{row[0]} {row[1]}: " + ", ".join(f"{name} {value}" for name, value in cells if value)
