"""Python in which torch can't be imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = """
import sys


class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision"):
            raise ImportError(f"{name} was imported, where there is no torch")


sys.meta_path.insert(0, NoTorch())
"""


def run(code: str, *arguments: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run some code, which must succeed, in a process without torch; child processes are free to have it."""
    done = subprocess.run(
        [sys.executable, "-c", BLOCK + code, *map(str, arguments)], cwd=cwd, capture_output=True,
        text=True, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command, which must succeed, in a process without torch."""
    return run("from cli import main; main()", *arguments)
