"""Notebooks, clusters, full memories: a command says in one line what was in its way, or does its work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from test_faults import MODEL, ROOT, small
from tiny_runs import lsnn_neuro, said, succeed

import deploy
import lsnn_neuro as package
from lsnn_neuro.errors import NetworkError


@pytest.mark.slow
def test_commands_that_draw_do_without_a_notebooks_backend(tmp_path: Path) -> None:
    artifact = tmp_path / "artifact"
    code = (
        "import sys; sys.argv[0] = 'lsnn-neuro'; from cli import main\n"
        "for command in sys.argv[1:]: main(command.split('|'), standalone_mode=False)"
    )
    commands = (
        f"export|{MODEL}|--target|emulator|--samples|2|--out|{artifact}",
        f"inspect|{artifact}",
        f"report|{artifact}",
    )
    notebook = {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, *commands], env=os.environ | notebook, capture_output=True, text=True
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (artifact / "report.html").is_file()
    assert (artifact / "mapping.svg").is_file()


def test_a_mount_point_as_out_is_told_in_one_right_line() -> None:
    if not Path("/dev/shm").is_mount():
        pytest.skip("no mount point here")
    line = said("export", MODEL, "--target", "emulator", "--out", "/dev/shm")
    assert line == (
        "Error: /dev/shm: is a mount point, which can't be replaced; give a folder in it, e.g. /dev/shm/new"
    )


@pytest.mark.parametrize("out", ["file/out", "/proc/out"])
def test_a_place_where_no_folder_can_be_is_named(out: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line = said("export", MODEL, "--target", "emulator", "--out", tmp_path / out)
    assert line.startswith(f"Error: {tmp_path / out}: can't be written")


def test_too_little_memory_is_told_in_one_line(tmp_path: Path) -> None:
    batch = ("--set", f"training.batch_size={10**14}")
    line = said("train", small(tmp_path), "--out", tmp_path / "run", *batch)
    assert line.startswith("Error: out of memory (")
    assert line.endswith("take a smaller batch or network, fewer samples, or a larger machine")


def test_too_little_memory_for_torch_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "train", lambda *_, **__: torch.empty(2**56))
    line = said("train", small(tmp_path), "--out", tmp_path / "run")
    assert line.startswith("Error: out of memory (")
    assert "can't allocate memory" in line


def test_without_a_terminal_each_validation_has_a_line(tmp_path: Path) -> None:
    shown = succeed("train", small(tmp_path), "--out", tmp_path / "run").stdout.splitlines()
    assert [line.split(":")[0] for line in shown[:2]] == ["iteration 2 of 4", "iteration 4 of 4"]
    assert "validation accuracy 0." in shown[0]
    assert shown[2].startswith("run: ")


def test_the_lines_of_a_run_are_there_while_it_goes_on(tmp_path: Path) -> None:
    recipe = small(tmp_path, iterations=100_000)
    command = [
        sys.executable,
        str(ROOT / "cli.py"),
        "train",
        str(recipe),
        "--out",
        str(tmp_path / "run"),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().startswith("iteration 2 of 100000: loss ")
        process.terminate()
        process.stdout.read()
        told = process.stderr.read()
    assert process.returncode == 1
    assert "interrupted by SIGTERM after iteration" in told
    assert told.strip().endswith(f"lsnn-neuro train {tmp_path / 'run'} --resume")


def test_a_byte_order_mark_in_front_of_a_recipe_is_passed_over(tmp_path: Path) -> None:
    recipe = small(tmp_path)
    recipe.write_bytes(b"\xef\xbb\xbf" + recipe.read_bytes())
    succeed("train", recipe, "--out", tmp_path / "run")


def test_a_run_is_named_by_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    succeed("train", small(tmp_path), "--out", "runs/base")
    succeed("train", "runs/base", "--resume", "--set", "training.iterations=6")
    assert len(Path("runs/base/metrics.jsonl").read_text().splitlines()) == 6
    assert "runs/base: already holds a run" in said("train", "runs/base", "--out", "runs/base")
    assert said("train", "runs/bas", "--resume") == (
        "Error: runs/bas: no such folder; give a run folder, or a recipe's .toml file or name"
    )
    Path("runs/empty").mkdir()
    assert "runs/empty/recipe.toml: no such recipe file" in said("train", "runs/empty", "--resume")


def test_a_learning_rate_that_a_run_did_not_have_is_named_with_the_one_it_had(
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"
    succeed("train", small(tmp_path), "--out", run)
    line = said("train", run, "--resume", "--set", "training.lr=0.5")
    assert "belongs to another recipe: training.lr was 0.01, is 0.5;" in line


def test_an_optimizer_with_a_closure_is_refused_with_deep_r(tmp_path: Path) -> None:
    change = ("--set", "training.optimizer.name=LBFGS", "--set", "deep_r.l1=0.01")
    assert "LBFGS needs a closure" in said(
        "train", small(tmp_path), "--out", tmp_path / "r", *change
    )


def test_no_inputs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="input"):
        package.lsnn(n_inputs=0, n_outputs=2, regular=4, adaptive=0)
    model = deploy.load(MODEL)
    for shape in ((10, 0, 60), (0, 2, 60)):
        none = np.zeros(shape, bool)
        with pytest.raises(NetworkError, match="no step, sample or input"):
            deploy.parity(model, deploy.Emulator(), inputs=none)
        np.save(tmp_path / "none.npy", none)
        for command in ("parity", "report"):
            line = said(command, MODEL, "--inputs", tmp_path / "none.npy")
            assert f"inputs of shape {shape}, expected (time, sample, 60), none of them 0" in line


@pytest.mark.parametrize("kind", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_during_a_command_is_an_exit_code_and_a_line(
    kind: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploy, "load", lambda *_, **__: os.kill(os.getpid(), kind))
    result = lsnn_neuro("inspect", MODEL)
    assert result.exit_code == 128 + kind
    assert result.stderr.strip() == f"Error: ended by {kind.name}"
