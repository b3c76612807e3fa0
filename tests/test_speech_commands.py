"""The speech tasks and delayed XOR through the command line, from a folder of sound to parity."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from speech_folders import fsdd, timit, utterance
from tiny_runs import lsnn_neuro, succeed

SMALL = (
    "network.regular=12", "network.adaptive=8", "training.iterations=2", "training.batch_size=4",
    "training.validation_samples=4",
)  # fmt: skip


def train(out: Path, recipe: str, *extra: str) -> Path:
    overrides = [part for field in (*SMALL, *extra) for part in ("--set", field)]
    succeed("train", recipe, "--out", out, *overrides)
    return out


@pytest.mark.parametrize("recipe", ["phones", "phones-lif", "fsdd"])
def test_speech_goes_from_a_folder_to_integers_and_parity(tmp_path: Path, recipe: str) -> None:
    data = (fsdd if recipe == "fsdd" else timit)(tmp_path / "data")
    out = train(tmp_path / "run", recipe, f"task.data={data}", "task.max_frames=20")
    of = ("--target", "emulator", "--data", data)
    result = json.loads(succeed("evaluate", out, *of, "--json").stdout)
    samples, decisions = (100, 100) if recipe == "fsdd" else (4, 80)
    assert (result["samples"], result["decisions"]) == (samples, decisions)
    levels = json.loads(succeed("parity", out, *of, "--json").stdout)
    assert levels["P1"]["exact"] is True


def test_a_folder_that_a_file_names_is_not_opened_unasked(tmp_path: Path) -> None:
    data = timit(tmp_path / "data")
    out = train(tmp_path / "run", "phones", f"task.data={data}", "task.max_frames=20")
    for command in (
        ["evaluate", out],
        ["parity", out],
        ["report", out, "--out", tmp_path / "r.html"],
        ["export", out, "--target", "emulator", "--out", tmp_path / "a"],
        ["publish", out, "--out", tmp_path / "m"],
    ):
        failed = lsnn_neuro(*command)
        assert failed.exit_code == 1
        assert f"its recipe reads '{data}'; files open no folders" in failed.output
        assert f"name it, wherever it is now: --data {data}" in failed.output
        assert "Traceback" not in failed.output


def test_the_data_of_a_run_can_be_elsewhere(tmp_path: Path) -> None:
    data = timit(tmp_path / "data")
    out = train(tmp_path / "run", "phones", f"task.data={data}", "task.max_frames=20")
    moved = tmp_path / "moved"
    data.rename(moved)
    utterance(moved / "TEST" / "DR1" / "MAAAE" / "SX9.WAV")
    failed = lsnn_neuro("evaluate", out, "--data", data)
    assert failed.exit_code == 1
    assert "no such folder; task.data, or --data, must name your copy of TIMIT" in failed.output
    result = json.loads(succeed("evaluate", out, "--data", moved, "--json").stdout)
    assert result["decisions"] == 3 * 40


def test_runs_are_read_and_artifacts_proved_without_the_data(tmp_path: Path) -> None:
    data = timit(tmp_path / "data")
    out = train(tmp_path / "run", "phones", f"task.data={data}", "task.max_frames=20")
    artifact = tmp_path / "artifact"
    succeed("export", out, "--target", "emulator", "--out", artifact, "--data", data)
    data.rename(tmp_path / "moved")
    assert json.loads(succeed("inspect", out, "--json").stdout)["synapses"] > 0
    levels = json.loads(succeed("parity", artifact, "--json").stdout)
    assert levels["P1"]["exact"] is True
    assert levels["P1"]["samples"] == 4


def test_a_run_is_not_scored_on_other_labels_than_it_was_trained_on(tmp_path: Path) -> None:
    data = timit(tmp_path / "data")
    out = train(tmp_path / "run", "phones", f"task.data={data}", "task.max_frames=20")
    utterance(data / "TEST" / "DR1" / "MAAAE" / "SX9.WAV", ["iy", "click", "s", "aa"])
    failed = lsnn_neuro("evaluate", out, "--data", data)
    assert failed.exit_code == 1
    assert "the data have the class 'click', which the network was not trained on" in failed.output


def test_classes_are_compared_by_name(tmp_path: Path) -> None:
    """Other data: the same number of classes, another one among them; fewer; and in another order."""
    data = timit(tmp_path / "data")
    for file in data.rglob("*.PHN"):
        file.unlink()
    for file in data.rglob("*.WAV"):
        utterance(file, ["xa", "xe", "xi", "xo"])
    out = train(tmp_path / "run", "phones", f"task.data={data}", "task.max_frames=20")

    def score(labels: list[str]) -> dict[str, float]:
        for file in (data / "TEST").rglob("*.WAV"):
            utterance(file, labels)
        found = lsnn_neuro("evaluate", out, "--data", data, "--json")
        return json.loads(found.stdout) if found.exit_code == 0 else {"refused": found.output}

    whole = score(["xa", "xe", "xi", "xo"])
    assert whole["decisions"] == 80
    assert "the data have the class 'xu'" in str(score(["xe", "xi", "xo", "xu"])["refused"])


@pytest.mark.slow
def test_delayed_xor_is_learnt_on_integers(tmp_path: Path) -> None:
    succeed("train", "delayed-xor", "--out", tmp_path, "--set", "training.iterations=150")
    result = json.loads(succeed("evaluate", tmp_path, "--target", "emulator", "--json").stdout)
    assert result["accuracy"] > 0.95
