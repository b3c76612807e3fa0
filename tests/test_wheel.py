"""The wheel installs into an empty environment and works from another folder."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
import tomli

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    source = tmp_path_factory.mktemp("source") / "tree"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(source)], check=True)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(source)],
        check=True, capture_output=True,
    )  # fmt: skip
    return next(out.glob("*.whl"))


def test_every_folder_of_code_is_packed() -> None:
    packed = tomli.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {
        ".".join(file.relative_to(ROOT).parent.parts)
        for package in ("lsnn_neuro", "quantize", "deploy", "results")
        for file in (ROOT / package).rglob("*.py")
    }
    assert folders <= set(packed)


@pytest.mark.slow
def test_wheel_holds_code_and_recipes_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "cli.py" in names
    assert "lsnn_neuro/recipes/store-recall.toml" in names
    assert {"lsnn_neuro/native/foreign.cpp", "lsnn_neuro/native/neurons/firing.hpp"} <= set(names)
    assert "deploy/lava/neurons/alif.py" in names
    assert "lsnn_neuro/network/module.py" in names
    assert not [name for name in names if name.startswith(("tests/", "hw_tests/"))]


@pytest.mark.slow
@pytest.mark.skipif(
    sys.version_info >= (3, 11), reason="pip alone installs Lava on Python 3.10 only"
)
def test_wheel_works_in_an_empty_environment_from_another_folder(
    wheel: Path, tmp_path: Path
) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    binaries = tmp_path / "env" / "bin"
    subprocess.run(
        [binaries / "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel], check=True
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [binaries / "lsnn-neuro", *arguments], check=True, cwd=elsewhere, text=True,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        return done.stdout

    small = ("network.regular=8", "network.adaptive=8", "training.iterations=2",
             "training.batch_size=4", "training.validation_samples=4")  # fmt: skip
    run("train", "smnist-rows", *(part for field in small for part in ("--set", field)))
    run("export", "runs/smnist-rows", "--target", "loihi-sim", "--out", "a", "--samples", "2")
    assert json.loads(run("parity", "a", "--json"))["P2"]["exact"]
