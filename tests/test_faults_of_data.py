"""Data are opened where the user says, and classes are known by their names."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from speech_folders import utterance
from tiny_runs import lsnn_neuro, said, succeed, train_tiny

SPOKEN = ("a", "e", "i", "o", "ii")
HELD = 4
"""Recordings of the test split."""


def vowels(folder: Path, names: Mapping[str, str | None] = {}) -> Path:
    """Always the same sounds, laid out like TIMIT; a label that is None leaves its sound unlabelled."""
    for part, number in (("TRAIN", 8), ("TEST", HELD)):
        for i in range(number):
            spoken = [SPOKEN[(i + k) % 5] for k in range(5)]
            file = utterance(folder / part / "DR1" / "MAAA0" / f"SX{i}.WAV", spoken)
            labels = file.with_suffix(".PHN")
            lines = [line.split() for line in labels.read_text().splitlines()]
            kept = [(a, b, names.get(name, name)) for a, b, name in lines]
            labels.write_text("".join(f"{a} {b} {name}\n" for a, b, name in kept if name))
    return folder


SMALL = (
    "network.regular=24", "network.adaptive=8", "training.iterations=40", "training.batch_size=8",
    "training.validate_every=20", "training.validation_samples=4", "task.max_frames=50",
)  # fmt: skip


def train(recipe: str, data: Path, out: Path, *extra: str) -> Path:
    overrides = [
        part for field in (*SMALL, f"task.data={data}", *extra) for part in ("--set", field)
    ]
    succeed("train", recipe, "--out", out, *overrides)
    return out


@pytest.fixture(scope="module", autouse=True)
def _pitches() -> Any:
    """Vowels of five pitches."""
    with pytest.MonkeyPatch.context() as patch:
        pitches = dict(zip(SPOKEN, (300, 800, 1500, 2600, 5000), strict=True))
        patch.setattr("speech_folders.PITCH", pitches)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, _pitches: None) -> Path:
    return vowels(tmp_path_factory.mktemp("vowels") / "all data")


@pytest.fixture(scope="module")
def run(data: Path) -> Path:
    return train("phones", data, data.parent / "run")


@pytest.fixture(scope="module")
def artifact(run: Path, data: Path) -> Path:
    out = run.parent / "artifact"
    succeed("export", run, "--target", "emulator", "--out", out, "--data", data)
    return out


NEEDED: dict[str, Callable[[Path], tuple[object, ...]]] = {
    "evaluate": lambda out: (),
    "parity": lambda out: ("--target", "emulator"),
    "export": lambda out: ("--target", "emulator", "--out", out / "artifact"),
    "report": lambda out: ("--target", "emulator", "--out", out / "report.html"),
    "publish": lambda out: ("--out", out / "model", "--lava-samples", 0),
}


@pytest.mark.parametrize("command", NEEDED)
def test_a_file_does_not_say_which_folder_is_opened(
    command: str, run: Path, data: Path, tmp_path: Path
) -> None:
    options = NEEDED[command](tmp_path)
    line = said(command, run, *options)
    assert line.endswith(f"--data '{data}'")  # as a shell takes it
    assert not list(tmp_path.iterdir())
    assert lsnn_neuro(command, run, *options, "--data", data).exit_code == 0
    if command == "publish":  # then its card says so too
        card = (tmp_path / "model" / "card.md").read_text()
        assert f"lsnn-neuro evaluate models/model --target emulator --data '{data}'" in card


def test_the_data_of_an_artifact_are_named_too_where_they_are_needed(
    artifact: Path, data: Path
) -> None:
    assert f"--data '{data}'" in said("evaluate", artifact)
    assert f"--data '{data}'" in said("parity", artifact, "--samples", 2)
    succeed("evaluate", artifact, "--data", data)
    succeed("parity", artifact, "--samples", 2, "--data", data)
    succeed("parity", artifact)  # golden samples need no data


def correct(path: Path, data: Path, *options: object) -> int:
    """How many decisions are right."""
    found = json.loads(succeed("evaluate", path, "--data", data, *options, "--json").stdout)
    return round(found["accuracy"] * found["decisions"])


def test_classes_are_known_by_their_names(
    run: Path, artifact: Path, data: Path, tmp_path: Path
) -> None:
    all_of_them = correct(run, data)
    assert all_of_them > 0.5 * HELD * 50
    parts = [
        vowels(
            tmp_path / "two", dict.fromkeys("aeo")
        ),  # as "i", "ii", which are the network's 2, 3
        vowels(tmp_path / "three", {"i": None, "ii": None}),
    ]
    assert [correct(run, part) > 0 for part in parts] == [True, True]
    assert sum(correct(run, part) for part in parts) == all_of_them
    on_integers = [correct(run, part, "--target", "emulator") for part in parts]
    assert [correct(artifact, part) for part in parts] == on_integers


def test_labels_that_are_all_timits_are_still_the_networks(run: Path, tmp_path: Path) -> None:
    known = train(
        "phones", vowels(tmp_path / "data", {"a": "aa", "e": "eh", "i": "click"}), tmp_path / "run"
    )
    names = {"a": "aa", "e": "eh", "i": None, "o": None, "ii": None}
    two = vowels(tmp_path / "two", names)  # not taken for all of TIMIT's classes
    found = json.loads(succeed("evaluate", known, "--data", two, "--json").stdout)
    assert found["decisions"] == HELD * 20


@pytest.mark.parametrize("command", NEEDED)
def test_another_class_is_refused_by_name(command: str, run: Path, tmp_path: Path) -> None:
    others = vowels(tmp_path / "others", {"a": "u"})  # as many of them as the network knows
    line = said(command, run, *NEEDED[command](tmp_path), "--data", others)
    assert (
        "the data have the class 'u', which the network was not trained on; it knows a, e, i"
        in line
    )


def test_a_task_of_another_width_is_named_by_its_option(run: Path, tmp_path: Path) -> None:
    line = said("evaluate", run, "--data", tmp_path / "nowhere")
    assert "nowhere" in line
    other = said("evaluate", run, "--task", "store-recall")
    assert "--task store-recall: its task 'store-recall' has 100 inputs and 2 outputs" in other


def test_a_task_for_other_data_is_not_needed_where_a_recipe_is_named(
    run: Path, data: Path, tmp_path: Path
) -> None:
    assert "task 'store-recall' reads no data" in said(
        "evaluate", run, "--task", "store-recall", "--data", data
    )


def test_a_recipe_that_was_edited_in_a_model_folder_is_told(
    run: Path, data: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    recipe = copy / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("max_frames = 50", "max_frames = 20"))
    result = succeed("evaluate", copy, "--data", data)
    assert (
        "recipe.toml: task.max_frames is 20, but the network was trained with 50" in result.stderr
    )
    recipe.write_text("name =")
    assert "recipe.toml" in succeed("evaluate", copy, "--data", data).stderr


def test_a_task_that_can_not_be_had_is_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise ValueError('boom')\n")
    empty = tmp_path / "empty.py"
    empty.write_text("class Nothing:\n    pass\n")
    model = Path(__file__).parents[1] / "models" / "delayed-xor"
    for text, wrong in (
        (f"{broken}:Own", "can't be imported (ValueError: boom)"),
        (f"{empty}:Nothing", "is no subclass of lsnn_neuro.tasks.task.Task"),
        (f"{empty}:Typo", "can't be imported (AttributeError"),
        (f"{empty}", "name the class too"),
        (":Own", "expected module:Class or FILE.py:Class"),
        ("delayed-xo", "did you mean delayed-xor?"),
    ):
        result = lsnn_neuro("evaluate", model, "--task", text, "--samples", 2)
        assert result.exit_code == 1
        assert wrong in result.stderr
        assert result.stderr.count("\n") == 1


def test_a_run_that_was_never_validated_says_so(tmp_path: Path) -> None:
    run = train_tiny(tmp_path / "run")
    (run / "best.safetensors").unlink()
    result = lsnn_neuro("evaluate", run, "--samples", 2)
    assert result.exit_code == 0
    assert "was never validated; this is the network of iteration 3 of 3" in result.stderr
    refused = lsnn_neuro("publish", run, "--out", tmp_path / "model")
    assert refused.exit_code == 1
    assert "was never validated, so no network of it was chosen" in refused.stderr
    assert not (tmp_path / "model").exists()
