"""Data that are not those of training: coded as in training, classes by name, found where they are now."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import soundfile
from data_files import recipe, shd, signals
from speech_folders import fsdd, timit
from tiny_runs import lsnn_neuro, said, succeed

import deploy
from deploy.tasks import task_of_user
from lsnn_neuro.checkpoint import Checkpoint
from lsnn_neuro.data.speech import find_digits, find_phones, read_samples
from lsnn_neuro.errors import DataError
from lsnn_neuro.recipe import parse_recipe
from lsnn_neuro.tasks import as_trained, make_task
from lsnn_neuro.tasks.encoder import Encoder, EncoderConstants
from lsnn_neuro.tasks.task import SupervisedTask

FAST = (
    "network.regular=10", "network.adaptive=8", "training.iterations=2", "training.batch_size=4",
    "training.validate_every=2", "training.validation_samples=4",
)  # fmt: skip


def options(*fields: str) -> list[str]:
    return [part for field in fields for part in ("--set", field)]


def train(name: str, data: Path, out: Path, *extra: str) -> Path:
    succeed("train", name, "--out", out, *options(*FAST, f"task.data={data}", *extra))
    return out


def quieter(folder: Path, other: Path) -> Path:
    """The same recordings, half of them at a hundredth of the loudness: other quantiles."""
    shutil.copytree(folder, other)
    for i, file in enumerate(sorted(f for f in other.rglob("*") if f.suffix.lower() == ".wav")):
        samples, rate = soundfile.read(file, dtype="float32")
        soundfile.write(file, samples * (0.01 if i % 2 else 1), rate, format="WAV")
    return other


def sounds(kind: str, data: Path) -> list[Any]:
    if kind == "fsdd":
        return [read_samples(r.file, 8000) for r in find_digits(data).test]
    return [read_samples(r.file, 16_000) for r in find_phones(data).test]


@pytest.mark.parametrize(("name", "make"), [("fsdd", fsdd), ("phones", timit)])
def test_other_speech_is_coded_with_the_constants_of_training(
    name: str, make: Any, tmp_path: Path
) -> None:
    data = make(tmp_path / "data")
    other = quieter(data, tmp_path / "other")
    run = train(name, data, tmp_path / "run", "task.max_frames=20")
    own, foreign = (make_task(deploy.load(run).recipe.task) for _ in range(2))
    edges = own.encoder.arrays()["edges"]
    for place in (data, other):
        out = tmp_path / f"artifact of {place.name}"
        succeed("export", run, "--target", "emulator", "--out", out, "--data", place)
        artifact = deploy.load(out).artifact
        assert artifact is not None
        assert artifact.encoder is not None
        np.testing.assert_array_equal(artifact.encoder.arrays()["edges"], edges)
        for path in (run, out):  # what evaluate and parity run on
            task = task_of_user(deploy.load(path), None, str(place))
            assert isinstance(task, SupervisedTask)
            batch = next(task.batches("test", 1000))
            expected = own.encoder.encode(sounds(name, place))
            np.testing.assert_array_equal(batch.inputs, expected)
    anew = type(foreign)(foreign.config.model_copy(update={"data": str(other)}))
    assert not np.array_equal(anew.encoder.arrays()["edges"], edges)  # or nothing would be shown


def waves(folder: Path, data: Path, **task: Any) -> Path:
    """A recipe of signals."""
    about = recipe({"name": "arrays", "data": str(data), "encoder": {"name": "level"}, **task})
    file = folder / "waves.toml"
    file.write_text(parse_recipe(about, "waves").to_toml())
    return file


def larger(file: Path, other: Path, steps: int = 30) -> Path:
    """The same signals, ten times as large, with fewer steps."""
    with np.load(file) as found:
        arrays = dict(found)
    np.savez(other, **arrays | {"inputs": 10 * arrays["inputs"][:, :steps]})
    return other


@pytest.mark.parametrize("coding", [{"name": "level"}, {"name": "poisson", "outside": "clip"}])
def test_other_signals_are_coded_with_the_constants_of_training(
    coding: dict[str, Any], tmp_path: Path
) -> None:
    data = signals(tmp_path / "a.npz")
    other = larger(data, tmp_path / "b.npz", steps=25)
    run = tmp_path / "run"
    succeed("train", waves(tmp_path, data, encoder=coding), "--out", run)
    constants = Checkpoint.load(run / "best.safetensors").encoder
    assert constants is not None
    task = task_of_user(deploy.load(run), None, str(other))
    assert task is not None
    assert task.encoder is not None
    assert EncoderConstants.of(task.encoder).same_as(constants)
    assert task.n_steps == 30  # of training, though these are shorter
    for command in (("evaluate",), ("parity", "--target", "emulator")):
        succeed(command[0], run, *command[1:], "--samples", 4, "--data", other)
    longer = signals(tmp_path / "c.npz")
    with np.load(longer) as found:
        twice = {**found, "inputs": np.concatenate([found["inputs"]] * 2, axis=1)}
    np.savez(longer, **twice)
    line = said("evaluate", run, "--data", longer)
    assert "60 values in time, but task.steps = 30 has room for 30" in line


def test_an_artifact_of_given_inputs_still_encodes_as_in_training(tmp_path: Path) -> None:
    data = signals(tmp_path / "a.npz")
    run, out = tmp_path / "run", tmp_path / "a"
    succeed("train", waves(tmp_path, data), "--out", run)
    succeed("export", run, "--target", "emulator", "--out", out, "--inputs", "random")
    artifact, constants = (
        deploy.load(out).artifact,
        Checkpoint.load(run / "best.safetensors").encoder,
    )
    assert artifact is not None
    assert artifact.encoder is not None
    assert constants is not None
    assert constants.same_as(EncoderConstants.of(artifact.encoder))


def test_a_resumed_run_keeps_the_constants_it_began_with(tmp_path: Path) -> None:
    data = signals(tmp_path / "a.npz")
    other = larger(data, tmp_path / "b.npz")
    run = tmp_path / "run"
    succeed("train", waves(tmp_path, data), "--out", run)
    before = Checkpoint.load(run / "last.safetensors")
    further = ("--resume", "--set", "training.iterations=4", "--json")
    succeed("train", run / "recipe.toml", *further, "--data", other)
    after = Checkpoint.load(run / "last.safetensors")
    assert before.encoder is not None
    assert after.encoder is not None
    assert after.encoder.same_as(before.encoder)
    assert after.progress["iteration"] == 4
    assert after.recipe.task.data == str(other)


class Scaled(Encoder):
    """Whether a value is above the mean of the training values, which stands among the settings."""

    name = "scaled"
    raw = "numbers"

    def __init__(self, mean: float):
        self.mean = mean

    def settings(self) -> dict[str, Any]:
        return {"mean": self.mean}

    @classmethod
    def of(cls, settings: Any, arrays: Any) -> Scaled:
        return cls(float(settings["mean"]))

    def encode(self, raw: Any) -> Any:
        return np.asarray(raw)[None] > self.mean


def test_a_foreign_task_that_can_not_take_constants_is_refused_where_they_differ() -> None:
    task = make_task(parse_recipe(recipe({"name": "delayed-xor"}), "x").task)
    task.encoder = Scaled(1.0)
    assert as_trained(task, EncoderConstants.of(Scaled(1.0)), ()) is task
    with pytest.raises(DataError, match="its class must have a method recoded"):
        as_trained(task, EncoderConstants.of(Scaled(2.0)), ())


# --- classes


def events(data: Path) -> dict[str, Any]:
    return {"name": "events", "data": str(data), "units": 70, "bin": 0.01, "steps": 40}


def keyed(file: Path, keys: list[str] | None) -> Path:
    """Spikes of three classes that are named, or not."""
    shd(file, 30, units=70, classes=3)
    with h5py.File(file, "r+") as out:
        del out["extra/keys"]
        if keys:
            out["extra/keys"] = np.array(keys, "S8")
    return file


def test_numbers_of_classes_that_a_file_names_are_taken_by_those_names(tmp_path: Path) -> None:
    names = ("one", "three", "two")
    file = keyed(tmp_path / "b.h5", ["three", "two", "one"])
    task = make_task(parse_recipe(recipe(events(file)), "x").task)
    own = [int(c) for b in task.batches("test", 100) for c in b.labels.target]
    moved = as_trained(task, None, names)
    assert moved.class_names == names
    found = [int(c) for b in moved.batches("test", 100) for c in b.labels.target]
    assert found == [[1, 2, 0][c] for c in own]
    with pytest.raises(DataError, match="names the class 'two'"):
        as_trained(task, None, ("one", "three", "four"))


def test_numbers_without_names_are_no_classes_of_a_network_whose_classes_have_names(
    tmp_path: Path,
) -> None:
    file = keyed(tmp_path / "b.h5", None)
    task = make_task(parse_recipe(recipe(events(file)), "x").task)
    with pytest.raises(DataError, match=r"b.h5: its labels are numbers, but the network's classes"):
        as_trained(task, None, ("one", "three", "two"))


@pytest.mark.slow
def test_other_data_are_scored_by_the_classes_and_the_constants_of_training(tmp_path: Path) -> None:
    """The same test samples count alike beside louder training samples and without the first class."""
    rng = np.random.default_rng(0)
    n, kind, part = 90, np.arange(90) % 3, np.repeat(["early", "middle", "late"], 30)
    inputs = 0.3 * rng.standard_normal((n, 30, 3))
    inputs += (kind[:, None] == np.arange(3))[:, None]  # each class has a channel
    names = np.array(["first", "second", "third"])[kind]

    def file(name: str, louder: float, kept: Any) -> Path:
        scaled = np.where((part == "late")[:, None, None], inputs, louder * inputs)
        np.savez(tmp_path / name, inputs=scaled[kept], labels=names[kept], part=part[kept])
        return tmp_path / name

    def accuracy(data: Path) -> float:
        found = succeed("evaluate", run, "--json", "--data", data).stdout
        return float(json.loads(found)["accuracy"])

    gone = names == "first"
    of_training = file("a.npz", 1, np.full(n, True))
    same = file("b.npz", 1, ~gone | (part != "late"))
    other = file("c.npz", 10, ~gone)
    about = {
        "name": "arrays", "data": str(of_training), "encoder": {"name": "level"}, "groups": "part",
        "test": ["late"], "validation": ["middle"],
    }  # fmt: skip
    recipe_file, run = tmp_path / "waves.toml", tmp_path / "run"
    recipe_file.write_text(parse_recipe(recipe(about), "waves").to_toml())
    learning = ("training.iterations=150", "training.lr=0.03", "network.input_connectivity=1")
    succeed("train", recipe_file, "--out", run, *options(*learning))
    own, anew = (
        make_task(parse_recipe(recipe(about | {"data": str(data)}), "x").task)
        for data in (of_training, other)
    )
    assert anew.class_names == own.class_names[1:]  # or nothing would be shown
    assert not EncoderConstants.of(anew.encoder).same_as(EncoderConstants.of(own.encoder))
    assert 0.7 < accuracy(same) == accuracy(other)


# --- data that have moved


def test_where_data_have_moved_every_command_asks_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    signals(Path("a.npz"))
    succeed("train", waves(tmp_path, Path("a.npz")), "--out", "run")
    monkeypatch.chdir(tmp_path / "there")  # relative paths don't depend on where one stands
    run, data = Path("../here/run"), tmp_path / "here" / "a.npz"
    asked = f"--data {data}"
    for command in (
        ("evaluate", run), ("parity", run), ("report", run, "--out", "r.html"),
        ("export", run, "--target", "emulator", "--out", "a"), ("publish", run, "--out", "m"),
    ):  # fmt: skip
        assert said(*command).endswith(asked)
    further = ("train", run / "recipe.toml", "--resume", "--set")
    assert lsnn_neuro(*further, "training.iterations=3").exit_code == 0
    data.rename(tmp_path / "moved.npz")
    for command in (("evaluate", run, "--data", data), (*further, "training.iterations=4")):
        assert f"{data}: no such file; name it by task.data, or --data" in said(*command)
    succeed(*further, "training.iterations=4", "--data", tmp_path / "moved.npz")
    assert f"--data {tmp_path / 'moved.npz'}" in said("export", run / "last.safetensors", "--target",
                                                      "emulator", "--out", "a")  # fmt: skip


def test_other_data_without_a_word_are_no_reason_to_go_on(tmp_path: Path) -> None:
    data = signals(tmp_path / "a.npz")
    other = larger(data, tmp_path / "b.npz")
    run = tmp_path / "run"
    succeed("train", waves(tmp_path, data), "--out", run)
    line = said("train", run / "recipe.toml", "--resume", "--set", f"task.data={other}")
    assert f"belongs to another recipe: task.data was {data}, is {other}" in line
    assert "where data have moved, --data PATH says it" in line


@pytest.mark.parametrize("name", ["fsdd", "phones", "ecg", "smnist-rows"])
def test_every_reader_of_a_folder_that_is_not_there_names_the_option(
    name: str, tmp_path: Path
) -> None:
    line = said("train", name, "--out", tmp_path / "run", "--data", tmp_path / "nowhere")
    assert "nowhere" in line
    assert "--data" in line


def test_a_task_without_data_takes_none(tmp_path: Path) -> None:
    line = said("train", "store-recall", "--out", tmp_path / "run", "--data", tmp_path)
    assert "task 'store-recall' reads no data; leave --data out" in line
