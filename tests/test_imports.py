"""Imports point one way only: cli -> deploy -> quantize -> lsnn_neuro."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = {"lsnn_neuro", "quantize", "deploy", "experiments", "cli"}


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
    assert len((ROOT / "cli.py").read_text().splitlines()) < 350  # parse, call, print
    assert all(len(modules(package)) > 5 for package in OURS - {"cli"})


LIBRARY = [p for p in modules("lsnn_neuro") if p.name != "__main__.py"]  # that one is the command


@pytest.mark.parametrize("path", LIBRARY, ids=named)
def test_lsnn_neuro_knows_nothing_of_the_later_stages(path):
    wrong = [
        n for n in imports(path) if under(n, "quantize", "deploy", "experiments", "cli", "lava")
    ]
    assert not wrong


DOOR = tuple(
    f"lsnn_neuro.{name}"
    for name in (
        "__version__", "arrays", "bounded", "checkpoint", "errors", "files", "lazy", "migrations",
        "network.dynamics", "network.double",
        "network.graph", "network.imported", "network.kernel", "network.spec",
        "network.spec_file", "neurons", "recipe", "registry", "section",
        "session", "tasks",
    )
)  # fmt: skip
"""What the later stages use of the float side; none of it needs torch."""
TORCH_DOOR = tuple(
    f"lsnn_neuro.network.{name}"
    for name in ("module", "population", "real", "torch_synapses", "wiring")
)
"""What training on integers uses besides."""


@pytest.mark.parametrize("path", modules("quantize"), ids=named)
def test_quantize_comes_through_the_named_door(path):
    door = (*DOOR, *TORCH_DOOR) if path.name == "aware.py" else DOOR
    for name in imports(path):
        assert not under(name, "deploy", "experiments", "cli", "lava")
        assert not under(name, "lsnn_neuro") or under(name, *door), name
        assert not under(name, "torch") or path.name == "aware.py", name


JUDGES = tuple(f"lsnn_neuro.{name}" for name in ("data", "evaluation", "player", "recipe_page"))
"""What deploy uses of the float side beside the door; none of it needs torch."""
ASK_FOR_A_FLOAT_NETWORK = {
    "deploy/exporting.py",
    "deploy/levels.py",
    "deploy/publishing/measurement.py",
}
"""Files of deploy in which a float network is asked for, within functions; publishing needs one anyway."""


@pytest.mark.parametrize("path", modules("deploy"), ids=named)
def test_deploy_needs_torch_only_where_a_float_network_is_asked_for(path):
    asks = named(path) in ASK_FOR_A_FLOAT_NETWORK
    publishes = path.parent.name == "publishing"
    for name in imports(path):
        assert not under(name, "experiments", "cli"), name
        assert not under(name, "torch") or publishes, name
        assert not under(name, "quantize.aware") or asks, name
        door = (*DOOR, *JUDGES, "lsnn_neuro.network") if publishes else (*DOOR, *JUDGES)
        assert not under(name, "lsnn_neuro") or under(name, *door), name


@pytest.mark.parametrize("path", modules("experiments"), ids=named)
def test_experiments_stand_beneath_the_command_line(path):
    assert not [name for name in imports(path) if under(name, "cli")]


@pytest.mark.parametrize(
    "names",
    [
        ["lsnn_neuro", "lsnn_neuro.tasks.task", *(n for n in DOOR if "__" not in n)],
        ["quantize", "quantize.conversion", "quantize.emulator", "quantize.file_format"],
        ["deploy.targets", "deploy.api", "deploy.console", "cli"],
    ],
    ids=lambda names: names[0],
)
def test_importing_brings_no_torch(names):
    code = f"import sys, {', '.join(names)}; sys.exit('torch' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr or "torch was imported"
