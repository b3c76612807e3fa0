"""Other people's programs that tests compare with, each in a folder and a process of its own.

They are no dependencies (their licences don't allow it, or their own dependencies don't fit). Install
them beside the project and say where::

    pip install --target ORACLES/sanafe sanafe==2.2.9                     # GPL-3
    pip install --target ORACLES/neurobench --no-deps neurobench==2.3.0 snntorch==1.0.0
    LSNN_NEURO_ORACLES=ORACLES make test-all
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

VARIABLE = "LSNN_NEURO_ORACLES"


def ask(name: str, script: str, *arguments: object) -> dict:
    """Run a script of tests/ with an oracle on its path; gives the JSON it prints, or skips."""
    folder = Path(os.environ.get(VARIABLE, "no folder")) / name
    if not folder.is_dir():
        pytest.skip(f"{name} is not installed: set {VARIABLE}, see tests/oracles.py")
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, here / script, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": f"{here.parent}:{folder}", "PYTHONWARNINGS": "ignore"},
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])
