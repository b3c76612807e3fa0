"""What ``import lsnn_neuro``, ``import quantize`` and ``import deploy`` give, and what they cost."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from lsnn_without_torch import run

import lsnn_neuro
from lsnn_neuro.lazy import lazy

ROOT = Path(__file__).parents[1]
PUBLIC = {
    "lsnn_neuro": """
        SpikingNetwork NetworkOutput NetworkSpec Population Projection lsnn stack
        Neuron LIF ALIF AHP ATRLIF IF LI ResettingLI
        DeepR rate_penalty Recipe load_recipe train Checkpoint
        Task SupervisedTask Batch Trials make_task ClassLabels ValueLabels SequenceLabels Metric Score
        FloatPlayer evaluate Events threshold_crossing poisson
        LSNNError RecipeError DataError FileFormatError NetworkError TrainingError
        TargetUnavailableError TargetFailedError
    """,
    "quantize": """
        convert ConversionReport QuantizationAware QuantizedNetwork QuantizedPopulation QuantizedProjection
        emulate SpikeRecord PopulationSpikes PopulationState check Violation load save
    """,
    "deploy": """
        load Model from_nir from_slayer evaluate export parity inspect report run Artifact SourceRun
        ParityReport compare Target get_target TargetPlayer Emulator LoihiSim Loihi2 Netx LavaOptions
    """,
}
NAMES = [(package, name) for package, names in PUBLIC.items() for name in names.split()]
NEEDS_TORCH = {
    "SpikingNetwork", "NetworkOutput", "lsnn", "stack", "DeepR", "train", "QuantizationAware",
}  # fmt: skip
ALIASES = {"Events"}
"""Types without a text of their own."""


@pytest.mark.parametrize("package", PUBLIC)
def test_the_public_names_are_these(package: str) -> None:
    found = importlib.import_module(package)
    assert set(found.__all__) == set(PUBLIC[package].split())
    assert set(found.__all__) <= set(dir(found))
    assert found.__doc__


@pytest.mark.parametrize(("package", "name"), NAMES, ids=lambda x: x)
def test_every_public_name_is_there_and_documented(package: str, name: str) -> None:
    thing = getattr(importlib.import_module(package), name)
    if name in ALIASES:
        return
    text = inspect.getdoc(thing) or ""
    assert thing.__name__ == name
    assert len(text) > 20
    assert not text.startswith(f"{name}("), "made by dataclass, nobody wrote it"


@pytest.mark.parametrize("package", PUBLIC)
def test_no_public_name_is_that_of_a_module(package: str) -> None:
    modules = {m.name for m in pkgutil.iter_modules(importlib.import_module(package).__path__)}
    assert not modules & set(PUBLIC[package].split())


@pytest.mark.parametrize("package", PUBLIC)
def test_editors_are_told_the_same_names(package: str) -> None:
    tree = ast.parse((ROOT / package / "__init__.py").read_text())
    (block,) = (n for n in tree.body if isinstance(n, ast.If))
    told = {
        (line.module, a.name, a.asname)
        for line in block.body
        if isinstance(line, ast.ImportFrom)
        for a in line.names
    }
    where = importlib.import_module(package)._WHERE
    assert told == {(module, name, name) for name, module in where.items()}


def test_a_name_that_is_none_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'lsnn_neuro' has no attribute 'Spiking'"):
        lsnn_neuro.Spiking  # type: ignore[attr-defined]  # noqa: B018


def test_a_name_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    get, names, public = lazy(__name__, {"OrderedDict": "collections"})
    monkeypatch.setattr(sys.modules[__name__], "OrderedDict", None, raising=False)
    assert get("OrderedDict") is importlib.import_module("collections").OrderedDict
    assert globals()["OrderedDict"] is get("OrderedDict")
    assert "OrderedDict" in names()
    assert public == ["OrderedDict"]


def loaded(statement: str) -> set[str]:
    """The modules in a fresh interpreter after a statement."""
    code = f"{statement}; import sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def ours(modules: set[str]) -> set[str]:
    return {m for m in modules if m.partition(".")[0] in PUBLIC}


HEAVY = {
    "torch",
    "numpy",
    "gymnasium",
    "pydantic",
    "lava",
    "matplotlib",
    "scipy",
    "h5py",
    "soundfile",
}


@pytest.mark.parametrize("package", PUBLIC)
def test_importing_a_package_loads_next_to_nothing(package: str) -> None:
    found = loaded(f"import {package}")
    assert ours(found) == {"lsnn_neuro", "lsnn_neuro.lazy", package}
    assert not HEAVY & found


def test_a_network_loads_no_task_no_recipe_and_no_arena() -> None:
    found = loaded(
        "import lsnn_neuro; lsnn_neuro.SpikingNetwork; lsnn_neuro.lsnn; lsnn_neuro.DeepR"
    )
    assert not {"gymnasium", "lava", "matplotlib", "h5py", "soundfile", "tensorboard"} & found
    assert not {m for m in ours(found) if m.startswith(("lsnn_neuro.tasks", "lsnn_neuro.data"))}


def test_only_what_computes_with_torch_needs_it() -> None:
    asked = "\n".join(
        f"import {package}; {package}.{name}" for package, name in NAMES if name not in NEEDS_TORCH
    )
    run(asked)


@pytest.mark.parametrize("arguments", [("--help",), ("train", "--help")])
def test_the_package_is_the_command_whatever_the_folder_holds(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "cli.py").write_text("raise SystemExit('another one')")
    done = subprocess.run(
        [sys.executable, "-m", "lsnn_neuro", *arguments], cwd=tmp_path, capture_output=True, text=True,
        check=False, env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: python -m lsnn_neuro")
