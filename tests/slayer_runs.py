"""Networks that slayer draws, runs and exports, and what they do here beside what they did there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
needs_lava_dl = pytest.mark.skipif(
    find_spec("lava") is None or find_spec("lava.lib") is None,
    reason="lava-dl 0.6.0 is not installed; it exists for Python 3.10 only",
)


def draw(folder: Path, counts: Mapping[str, int], *, first: int = 0) -> Path:
    """Have slayer draw so many networks of each family, from the seeds first, first + 1 and so on."""
    words = [str(word) for item in counts.items() for word in item]
    done = subprocess.run(
        [sys.executable, HERE / "deploy/slayer_network.py", folder, *words, "--first", str(first)],
        capture_output=True, text=True, timeout=280, check=False,
        env={**os.environ, "PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def later(train, steps):
    """(time, neuron), each neuron later by so many steps; the same length."""
    found = np.zeros_like(train)
    for neuron, by in enumerate(np.broadcast_to(steps, train.shape[1]).astype(int)):
        by = int(by)
        column = train[:, neuron]
        moved = np.concatenate([np.zeros(max(by, 0), train.dtype), column[max(-by, 0) :]])
        found[: len(moved), neuron] = moved[: len(train)]
    return found


def mismatches(record, ran):
    """Cells in which slayer's blocks send something else than ours, a readout's included; spikes in all."""
    wrong = spikes = 0
    parts = [p.spikes[:, 0].astype(int) for p in record.spikes]
    if f"out{len(parts)}" in ran:
        parts.append(record.readout[:, 0])
    for index, here in enumerate(parts):
        late, out = ran[f"late{index}"], ran[f"out{index}"]
        if index == len(record.spikes):
            out = np.rint(out * ran[f"scale{index}"])
        known = len(out) + min(int(late), 0)  # steps that have come here by the end of the run
        there = later(here, late + ran[f"delay{index}"])
        wrong += int((out[:known] != there[:known]).sum())
        spikes += int(here.sum()) if index < len(record.spikes) else 0
    assert f"out{len(parts)}" not in ran
    return wrong, spikes
