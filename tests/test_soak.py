"""Many runs in one process end with the memory, open files, threads and processes they began with.

How many rounds: LSNN_NEURO_ROUNDS; ``pytest tests/test_soak.py -s`` prints the figures.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from leftovers import children, memory_left, orphaned_memory, parts
from random_lsnns import tiny_recipe
from random_networks import random_network

from deploy.lava.target import LoihiSim
from lsnn_neuro.training import train
from quantize.emulator import emulate

ROUNDS = os.environ.get("LSNN_NEURO_ROUNDS")
WARM_UP = 3
GROWTH = 4 * 2**20
"""Bytes by which a process may be larger in the end."""

NETWORK = random_network(0)
RNG = np.random.default_rng(0)
INPUTS = RNG.random((40, 4, NETWORK.n_inputs)) < 0.2

pytestmark = pytest.mark.skipif(not Path("/proc").exists(), reason="looks at /proc")


def held() -> dict[str, int]:
    """What this process holds besides memory."""
    return {
        "open files": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
        "children": len(children(os.getpid())),
        "parts of files": len(parts(Path(tempfile.gettempdir()))),
    }


def resident() -> int:
    """Bytes of memory in use, without what glibc keeps for later."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def emulation(folder: Path) -> None:
    emulate(NETWORK, INPUTS)


def training(folder: Path) -> None:
    train(tiny_recipe(training={"iterations": 3}), folder, progress=False)


def lava(folder: Path) -> None:
    found = LoihiSim().run(NETWORK, INPUTS)
    np.testing.assert_array_equal(found.readout, emulate(NETWORK, INPUTS).readout)


ACTS = {act.__name__: act for act in (emulation, training, lava)}


def measure(name: str, rounds: int, folder: Path) -> dict[str, object]:
    """What this process holds before and after some rounds, and by how many bytes it grows."""
    orphans = orphaned_memory()
    for i in range(max(WARM_UP, rounds // 2)):  # until caches of libraries are full
        ACTS[name](folder / f"warm {i}")
    before, size = held(), resident()
    for i in range(rounds):
        ACTS[name](folder / str(i))
    grown = resident() - size
    return {
        "before": before, "after": held(), "grown": grown, "shared": sorted(memory_left(orphans)),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("act", "rounds"),
    [
        pytest.param("emulation", 100, id="emulation"),
        pytest.param("training", 4, id="training"),
        pytest.param("emulation", 5000, id="many emulations", marks=pytest.mark.slow),
        pytest.param("training", 60, id="many trainings", marks=pytest.mark.slow),
        pytest.param("lava", 20, id="many runs on Lava", marks=pytest.mark.slow),
    ],
)
def test_what_is_done_again_and_again_holds_no_more_in_the_end(
    act: str, rounds: int, tmp_path: Path
) -> None:
    """In a process of its own: in this one, other tests' memory moves too."""
    rounds = int(ROUNDS or rounds)
    ran = subprocess.run(
        [sys.executable, __file__, act, str(rounds), tmp_path],
        env=os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    print(
        f"\n{act}, {rounds} times: {found['grown'] / 2**20:+.1f} MiB, {found['before']} before, "
        f"{found['after']} after"
    )
    assert found["after"] == found["before"]
    assert not found["shared"]
    assert found["grown"] < GROWTH


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))))
