"""Rules about the code itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.targets import TARGETS
from lsnn_neuro.registry import NEURONS, TASKS

ROOT = Path(__file__).parents[1]
PACKAGES = ("lsnn_neuro", "quantize", "deploy")
OWN = (
    "lsnn_neuro/neurons/", "lsnn_neuro/registry.py", "lsnn_neuro/migrations.py", "lsnn_neuro/tasks/",
    "deploy/targets.py", "deploy/emulated.py", "deploy/lava/target.py", "deploy/loihi2.py",
    "deploy/netx.py", "deploy/recorded.py",
)  # fmt: skip
FILES = [
    file
    for file in [ROOT / "cli.py", *(f for p in PACKAGES for f in sorted((ROOT / p).rglob("*.py")))]
    if not str(file.relative_to(ROOT)).startswith(OWN)
]
NAMES = {*NEURONS, *TASKS, *TARGETS}


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
def test_the_name_of_a_neuron_task_or_target_is_compared_nowhere_outside_its_own_file(
    file: Path,
) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = [(line, text) for line, text in compared_strings(tree) if text in NAMES]
    assert not found


def test_the_rule_can_fail() -> None:
    tree = ast.parse("if neuron.name == 'alif' or kind in ('lif', 'x'): pass")
    assert {text for _, text in compared_strings(tree)} == {"alif", "lif", "x"}


KINDS = {
    "Task", "SupervisedTask", "Navigation", "LearningToLearn", "Labels", "ClassLabels", "ValueLabels",
    "SequenceLabels", "SpikingNetwork", "LSTM", "Target", "Emulator", "LoihiSim",
}  # fmt: skip


def checked_types(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of every class that something is checked to be an instance of."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
            yield from ((n.lineno, n.id) for n in ast.walk(node.args[1]) if isinstance(n, ast.Name))


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_no_code_asks_which_task_labels_network_or_target_it_has(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert not [(line, name) for line, name in checked_types(tree) if name in KINDS]
