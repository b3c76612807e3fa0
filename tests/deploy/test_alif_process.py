"""The processes ALIF and AHP in Lava against traces computed by hand."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def trace_in_lava(tag: str, process: str, reset: str) -> list[list[float]]:
    """States [v, a, r, z] of every step."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("alif_in_lava.py")), tag, process, reset],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


# decay_v 1/2, decay_a 1/4, step_a 100, threshold 64, n_ref 1; input 192 in steps 0, 2, 3, -192 in 5
SUBTRACT = [
    # v, a, r, z
    [192 - 64, 0, 1, 1],
    [64, 100, 0, 0],  # the spike raises the threshold one step later
    [32 + 192 - (64 + 75), 75, 1, 1],  # 224 > 139
    [42 + 192, 56 + 100, 0, 0],  # 85/2 = 42.5 -> 42, 56.25 -> 56; 234 > 220, but refractory
    [117, 117, 0, 0],  # 117 < 181
    [58 - 192, 87, 0, 0],  # 58.5 -> 58, 87.75 -> 87
    [-67, 65, 0, 0],
    [-33, 48, 0, 0],  # -33.5 -> -33: toward zero on either side
]
TO_ZERO = [
    [0, 0, 1, 1],
    [0, 100, 0, 0],
    [0, 75, 1, 1],  # 192 > 139
    [192, 156, 0, 0],
    [96, 117, 0, 0],
    [48 - 192, 87, 0, 0],
    [-72, 65, 0, 0],
    [-36, 48, 0, 0],
]
HELD = [
    [0, 0, 1, 1],
    [0, 100, 0, 0],
    [0, 75, 1, 1],
    [0, 156, 0, 0],  # its input of 192 is lost
    [0, 117, 0, 0],
    [-192, 87, 0, 0],
    [-96, 65, 0, 0],
    [-48, 48, 0, 0],
]
FLOAT = [
    [128, 0, 1, 1],
    [64, 100, 0, 0],
    [85, 75, 1, 1],
    [42.5 + 192, 56.25 + 100, 0, 0],
    [117.25, 117.1875, 0, 0],
    [58.625 - 192, 87.890625, 0, 0],
    [-66.6875, 65.91796875, 0, 0],
    [-33.34375, 49.4384765625, 0, 0],
]


AHP = [
    [128, 0, 1, 1],
    [64 - 100, -100, 0, 0],  # the spike lowers the membrane one step later
    [-18 + 192 - 75 - 64, -75, 1, 1],  # 99 > 64
    [17 + 192 - 56 - 100, -156, 0, 0],
    [26 - 117, -117, 0, 0],  # 26.5 -> 26
    [-45 - 192 - 87, -87, 0, 0],  # -45.5 -> -45, -87.75 -> -87
    [-162 - 65, -65, 0, 0],
    [-113 - 48, -48, 0, 0],
]
AHP_FLOAT = [
    [128, 0, 1, 1],
    [-36, -100, 0, 0],
    [-18 + 192 - 75 - 64, -75, 1, 1],
    [17.5 + 192 - 156.25, -156.25, 0, 0],
]


@pytest.mark.parametrize(
    ("process", "reset", "expected"),
    [
        ("ALIF", "subtract", SUBTRACT),
        ("ALIF", "to", TO_ZERO),
        ("ALIF", "hold", HELD),
        ("AHP", "subtract", AHP),
    ],
)
def test_fixed_point_models_follow_the_integers_computed_by_hand(process, reset, expected):
    assert trace_in_lava("fixed_pt", process, reset) == expected


@pytest.mark.parametrize(("process", "expected"), [("ALIF", FLOAT), ("AHP", AHP_FLOAT)])
def test_floating_point_models_are_the_same_neurons_without_rounding(process, expected):
    assert trace_in_lava("floating_pt", process, "subtract")[: len(expected)] == expected
