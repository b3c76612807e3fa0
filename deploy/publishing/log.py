"""A run's log, thinned to what curves need and packed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from lsnn_neuro import files
from lsnn_neuro.bounded import in_a_line, parse_table, read_text
from lsnn_neuro.errors import FileFormatError

RECIPE = "recipe.toml"
METRICS = "metrics.jsonl.gz"
_RAW = "metrics.jsonl"  # as training writes it
KEEP_EVERY = 50
"""Iterations between the lines that are kept beside those with a validation."""


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's or a model's log, in order; each a dictionary with an iteration."""
    path = next((folder / name for name in (_RAW, METRICS) if (folder / name).is_file()), None)
    if path is None:
        raise FileFormatError(f"{folder}: holds neither {_RAW} nor {METRICS}; is it a run?")
    try:
        text = read_text(path, str(path), FileFormatError)
        lines = [parse_table(line) for line in text.splitlines()]
    except ValueError as error:
        raise FileFormatError(f"{path}: not a readable log ({in_a_line(error)})") from error
    for line in lines:
        for name in ("iteration", "seconds"):
            if not isinstance(line.get(name), int | float):
                raise FileFormatError(f"{path}: not the log of a run: a line lacks its {name}")
    return lines


def write_thinned(lines: list[dict[str, Any]], path: Path) -> None:
    """Write the lines with a validation, every fiftieth and the last; equal logs give equal bytes."""
    kept = [
        line
        for i, line in enumerate(lines)
        if any(key.startswith("validation_") for key in line)
        or line["iteration"] % KEEP_EVERY == 0
        or i == len(lines) - 1
    ]
    text = "".join(f"{json.dumps(line)}\n" for line in kept)
    files.write_bytes(path, gzip.compress(text.encode(), mtime=0))
