"""Imports point one way only: cli -> results -> deploy -> quantize -> lsnn_neuro."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = {"lsnn_neuro", "quantize", "deploy", "results", "cli"}


def modules(package):
    return sorted((ROOT / package).rglob("*.py"))


def imports(path):
    """Full names of all modules a file imports, wherever in the file; types' sake counts too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                yield f"{node.module}.{alias.name}"


def under(name, *prefixes):
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def named(path):
    return str(path.relative_to(ROOT))


def test_there_are_modules_to_check():
    assert all(len(modules(package)) > 5 for package in OURS - {"cli"})


@pytest.mark.parametrize("path", modules("lsnn_neuro"), ids=named)
def test_lsnn_neuro_knows_nothing_of_the_later_stages(path):
    wrong = [n for n in imports(path) if under(n, "quantize", "deploy", "results", "cli", "lava")]
    assert not wrong


DOOR = (
    "lsnn_neuro.spec",
    "lsnn_neuro.errors",
    "lsnn_neuro.tensor_file",
    "lsnn_neuro.kernel",
    "lsnn_neuro.session",
)


@pytest.mark.parametrize("path", modules("quantize"), ids=named)
def test_quantize_comes_through_the_named_door(path):
    door = [*DOOR]
    if path.name == "aware.py":
        door += [f"lsnn_neuro.{name}" for name in ("bptt", "network", "surrogate", "synapses")]
    for name in imports(path):
        assert not under(name, "deploy", "results", "cli", "lava")
        assert not under(name, "lsnn_neuro") or under(name, *door), name
        assert not under(name, "torch") or path.name == "aware.py", name


@pytest.mark.parametrize("path", modules("deploy"), ids=named)
def test_deploy_needs_neither_torch_nor_the_float_side(path):
    for name in imports(path):
        assert not under(name, "torch", "results", "cli", "quantize.aware"), name
        assert not under(name, "lsnn_neuro") or under(name, *DOOR, "lsnn_neuro.__version__"), name


@pytest.mark.parametrize("path", modules("results"), ids=named)
def test_results_stand_beneath_the_command_line(path):
    assert not [name for name in imports(path) if under(name, "cli")]


@pytest.mark.parametrize(
    "names",
    [
        ["lsnn_neuro", "lsnn_neuro.spec", "lsnn_neuro.tensor_file", "lsnn_neuro.tasks.base"],
        ["quantize", "quantize.convert", "quantize.emulator", "quantize.file_format"],
        ["deploy.targets", "deploy.artifact", "deploy.parity"],
    ],
    ids=lambda names: names[0],
)
def test_importing_brings_no_torch(names):
    code = f"import sys, {', '.join(names)}; sys.exit('torch' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr or "torch was imported"
