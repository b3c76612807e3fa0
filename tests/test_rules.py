"""Rules about the code itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from lsnn_neuro.registry import NEURONS

ROOT = Path(__file__).parents[1]
PACKAGES = ("lsnn_neuro", "quantize", "deploy", "results")
OWN = ("lsnn_neuro/neurons/", "lsnn_neuro/registry.py", "lsnn_neuro/migrations.py")
FILES = [
    file
    for file in [ROOT / "cli.py", *(f for p in PACKAGES for f in sorted((ROOT / p).rglob("*.py")))]
    if not str(file.relative_to(ROOT)).startswith(OWN)
]
NAMES = set(NEURONS)


def compared_strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of every string that something is compared with."""
    for node in ast.walk(tree):
        parts: list[ast.AST] = []
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        for part in parts:
            for inner in ast.walk(part):
                if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                    yield inner.lineno, inner.value


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_the_name_of_a_neuron_is_compared_nowhere_outside_its_own_file(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = [(line, text) for line, text in compared_strings(tree) if text in NAMES]
    assert not found


def test_the_rule_can_fail() -> None:
    tree = ast.parse("if neuron.name == 'alif' or kind in ('lif', 'x'): pass")
    assert {text for _, text in compared_strings(tree)} == {"alif", "lif", "x"}
