"""A package (``tests/foreign``) with a neuron, a Lava process, a kernel header, a task and a target.

It is used as if it were installed: by its entry points, and from the command line.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = Path(__file__).parent / "foreign"
NEURON = "[lsnn_neuro.neurons]\nadp = adp:ADP\n"
HEADER = "[lsnn_neuro.kernel_headers]\nadp = adp_kernel:neuron\n"
ON_LAVA = "[lsnn_neuro.lava_neurons]\nadp = adp:LavaADP\n"
TASK = "[lsnn_neuro.tasks]\nfollow = follow:Follow\n"
TARGET = "[lsnn_neuro.targets]\npaced = paced:PacedTarget\n"


def install(folder: Path, entry_points: str = NEURON + ON_LAVA) -> None:
    """Put the package and its entry points into a folder, which then belongs on the path."""
    for file in FILES.iterdir():
        if file.suffix in (".py", ".hpp"):
            shutil.copy(file, folder)
    about = folder / "foreign-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(entry_points)


def start(site: Path, *command: object) -> subprocess.Popen[str]:
    """The command ``lsnn-neuro``, in a folder with the package."""
    path = os.pathsep.join([str(site), str(ROOT)])
    return subprocess.Popen(
        [sys.executable, str(ROOT / "cli.py"), *map(str, command)],
        cwd=site, env=os.environ | {"PYTHONPATH": path}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def succeed(site: Path, *command: object) -> str:
    """What the command prints; it must end well."""
    process = start(site, *command)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


def fail(site: Path, *command: object) -> str:
    """The one line that the command ends with."""
    process = start(site, *command)
    _, err = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "Traceback" not in err
    return err.strip().splitlines()[-1]
