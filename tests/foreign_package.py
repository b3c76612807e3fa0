"""A package (``tests/foreign``) with a neuron, a Lava process, a kernel header, a task and a target.

It is installed by pip into a folder of its own, and used from the command line.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import tomli_w

ROOT = Path(__file__).parents[1]
FILES = Path(__file__).parent / "foreign"
NEURON = {"lsnn_neuro.neurons": {"adp": "adp:ADP"}}
HEADER = {"lsnn_neuro.kernel_headers": {"adp": "adp_kernel:neuron"}}
ON_LAVA = {"lsnn_neuro.lava_neurons": {"adp": "adp:LavaADP"}}
TASK = {"lsnn_neuro.tasks": {"follow": "follow:Follow"}}
TARGET = {"lsnn_neuro.targets": {"paced": "paced:PacedTarget"}}


def install(site: Path, entry_points: dict[str, dict[str, str]] = NEURON | ON_LAVA) -> None:
    """Install the package, with some of its entry points, into a folder, which then belongs on the path."""
    with TemporaryDirectory() as source:
        folder = Path(source)
        for file in FILES.iterdir():
            if file.suffix in (".py", ".hpp"):
                shutil.copy(file, folder)
        project: dict[str, object] = {
            "build-system": {"requires": ["setuptools"], "build-backend": "setuptools.build_meta"},
            "project": {
                "name": "foreign", "version": "1.0",
                "entry-points": entry_points,
            },
            "tool": {"setuptools": {"py-modules": [f.stem for f in FILES.glob("*.py")]}},
        }  # fmt: skip
        (folder / "pyproject.toml").write_text(tomli_w.dumps(project))
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--no-build-isolation",
             "--target", str(site), str(folder)],
            check=True, capture_output=True,
        )  # fmt: skip


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
