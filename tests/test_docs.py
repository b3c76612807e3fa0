"""The Python in the pages about doors runs as it is written, from top to bottom."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


DOORS = ("data.md", "loop.md", "networks.md", "neurons.md", "targets.md", "tasks.md", "training.md")
LONG = ("data.md", "loop.md", "training.md")
"""Whose code trains for more than a moment."""


@pytest.mark.parametrize("page", [
    pytest.param(page, marks=pytest.mark.slow) if page in LONG else page for page in DOORS
])  # fmt: skip
def test_the_code_of_a_page_runs(page: str, tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.S)
    assert len(blocks) > 1
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks))
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(ROOT), "PATH": ""}, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda p: p.name)
def test_what_a_page_links_to_is_there(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
        assert "://" in link or (page.parent / link).exists(), link


@pytest.mark.parametrize("page", DOORS)
def test_the_files_and_modules_that_a_door_names_are_there(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    for name in re.findall(
        r"`((?:lsnn_neuro|quantize|deploy|tests|native|examples)/[\w./]+)`", text
    ):
        assert (ROOT / name).exists(), name
