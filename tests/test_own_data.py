"""A user's files go from recipe to parity report by commands alone: spikes, sounds, signals with steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from data_files import recipe, shd, signals, task_of, words
from speech_folders import tone
from tiny_runs import said, succeed

import deploy
import lsnn_neuro as ln
from lsnn_neuro.recipe import parse_recipe

SHD = """name = "words"
[task]
name = "events"
data = "spikes.h5"
units = 700
merge_channels = 5
bin = 0.01
steps = 40
groups = "extra/speaker"
test = ["1"]
validation = 0.25
shift_channels = 3
drop_spikes = 0.1
"""
SOUNDS = """name = "sounds"
[task]
name = "arrays"
data = "sounds"
test = 0.25
decision_steps = 10
[task.sound]
rate = 8000
bands = 13
[task.encoder]
name = "level"
levels = 3
value_steps = 2
"""
STEPS = """name = "steps"
[task]
name = "arrays"
data = "signals.npz"
decision = "step"
lag_steps = 2
encoder = { name = "delta", threshold = 0.1 }
"""
SMALL = """[network]
regular = 12
adaptive = 6
tau_a = 50.0
input_connectivity = 0.3
[deep_r]
[quantization]
[training]
iterations = 3
batch_size = 6
validate_every = 3
validation_samples = 4
"""
RECIPES = {"spikes.h5": SHD, "sounds": SOUNDS, "signals.npz": STEPS}


def make_data(folder: Path, name: str) -> Path:
    """The data that a recipe names."""
    where = folder / name
    if name == "sounds":
        return words(where)
    if name == "signals.npz":
        return signals(where, each_step=True)
    return shd(where)


@pytest.fixture(scope="module", params=RECIPES)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Folder and name of data, with a run and an artifact, by commands."""
    folder, name = tmp_path_factory.mktemp("own"), request.param
    make_data(folder, name)
    (folder / "r.toml").write_text(RECIPES[name] + SMALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        succeed("train", "r.toml", "--out", "run")
        succeed("export", "run", "--data", name, "--target", "loihi-sim", "--out", "artifact",
                "--samples", 3)  # fmt: skip
        yield folder, name


@pytest.mark.parametrize("exported", [
    "spikes.h5", *[pytest.param(name, marks=pytest.mark.slow) for name in ("sounds", "signals.npz")],
], indirect=True)  # fmt: skip
def test_the_same_network_runs_on_lava_and_a_report_is_written(exported: Any) -> None:
    folder, name = exported
    levels = json.loads(succeed("parity", "artifact", "--json").stdout)
    for level in ("golden", "P1", "P2", "probe", "P2 probe"):
        assert levels[level]["exact"], level
        assert levels[level]["mismatches"] == 0
    assert levels["P2"]["spikes"] > 0
    succeed("report", "artifact", "--target", "emulator")
    assert "P1" in (folder / "artifact" / "report.html").read_text()
    scores = [
        json.loads(succeed("evaluate", where, "--data", name, *options, "--json").stdout)[
            "accuracy"
        ]
        for where, options in (
            ("run", ("--target", "emulator")),
            ("artifact", ("--target", "emulator")),
        )
    ]
    assert scores[0] == scores[1]


def test_a_file_in_a_checkpoint_is_not_opened_unasked(exported: Any) -> None:
    folder, name = exported
    for command in (
        ("evaluate", "run"),
        ("evaluate", "artifact"),
        ("parity", "artifact", "--samples", 1),
    ):
        assert said(*command).endswith(f"--data {folder / name}")


def raw_of(folder: Path, name: str, samples: Any, index: int) -> Any:
    """A sample as a user measures it."""
    if name == "sounds":
        return soundfile.read(samples.files[index], dtype="float32")[0]
    return samples.read(index)


def test_an_artifact_encodes_what_it_has_never_seen(exported: Any) -> None:
    folder, name = exported
    artifact = deploy.load("artifact").artifact
    assert artifact is not None
    assert artifact.encoder is not None
    task = ln.make_task(deploy.load("run").recipe.task)
    part = task._parts["test"]
    raw = [raw_of(folder, name, part.samples, int(i)) for i in part.index[:3]]
    inputs = artifact.encoder.encode(raw)
    np.testing.assert_array_equal(inputs, artifact.inputs[: len(inputs)])
    assert not artifact.inputs[len(inputs) :].any()  # a lag
    assert artifact.class_names == task.class_names
    assert artifact.manifest["decision"]["windows"][-1][1] == task.n_steps


def test_a_card_says_how_data_were_split(exported: Any) -> None:
    folder, name = exported
    succeed("publish", "run", "--data", name, "--out", "model", "--lava-samples", 0)
    card = (folder / "model" / "card.md").read_text()
    task = ln.make_task(deploy.load("run").recipe.task)
    assert f"Data: {task.splits}." in card
    assert "samples, the rest of" in card


def test_second_scores_are_in_the_card_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with np.load(signals(Path("s.npz"), each_step=True)) as found:
        arrays = dict(found)
    arrays["labels"][:, 5:9] = -1
    np.savez("s.npz", **arrays)
    fields = 'unlabelled = "skip"\nunlabelled_also_as = 0\n'
    (tmp_path / "r.toml").write_text(STEPS.replace("signals", "s") + fields + SMALL)
    succeed("train", "r.toml", "--out", "run")
    found = json.loads(succeed("evaluate", "run", "--data", "s.npz", "--json").stdout)
    assert found["decisions"] == 8 * 26
    succeed("publish", "run", "--data", "s.npz", "--out", "m", "--lava-samples", 0)
    card = json.loads((tmp_path / "m" / "card.json").read_text())
    assert card["beside"]["accuracy unlabelled as 0, float"] == found["accuracy_unlabelled_as_0"]
    assert "accuracy unlabelled as 0, integers" in (tmp_path / "m" / "card.md").read_text()
    succeed(
        "train", "run/recipe.toml", "--out", "run", "--resume", "--set", "training.iterations=4"
    )


class Pairs:
    """What a ``torch.utils.data.Dataset`` is to a task."""

    def __init__(self, n: int, seed: int):
        rng = np.random.default_rng(seed)
        self.classes = rng.integers(2, size=n)
        course = np.where(self.classes[:, None] == 0, 1, -1) * np.linspace(-1, 1, 25)
        self.signals = course[..., None] + rng.normal(0, 0.3, (n, 25, 3))

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.signals[index], int(self.classes[index])


def test_a_data_set_in_memory_trains_and_exports_by_a_call(tmp_path: Path) -> None:
    fields = {"name": "arrays", "data": "memory", "encoder": {"name": "level", "levels": 4}}
    own = recipe(fields) | {
        "training": {"iterations": 40, "batch_size": 32, "lr": 0.02, "logit_scale": 20.0}
    }
    loaded = parse_recipe(own, "mine")
    task = ln.make_task(loaded.task, train=Pairs(300, 0), test=Pairs(100, 1))
    trainer = ln.train(loaded, tmp_path / "run", task=task, progress=False)
    assert trainer.task is task
    trained = deploy.load(tmp_path / "run")
    assert deploy.evaluate(trained, task=task).value > 0.8
    made = deploy.export(
        trained, tmp_path / "a", target=deploy.Emulator(), task=task, max_samples=4
    )
    new = [signal for signal, _ in (Pairs(100, 1)[i] for i in range(4))]
    assert made.artifact.encoder is not None
    np.testing.assert_array_equal(made.artifact.encoder.encode(new), made.artifact.inputs)
    with pytest.raises(ln.DataError, match="its recipe reads 'memory'"):
        deploy.evaluate(trained)


class Sounds(Pairs):
    """Tones of two pitches, as they are measured."""

    def __getitem__(self, index: int) -> tuple[Any, str]:
        sound = tone(400 + 900 * self.classes[index], 1600, 8000) / 2**15
        return sound, ("low", "high")[self.classes[index]]


def test_a_data_set_of_sounds_is_coded_as_files_of_them() -> None:
    fields = {"name": "arrays", "data": "memory", "encoder": {"name": "level", "levels": 2}}
    task = task_of(fields | {"sound": {"rate": 8000, "bands": 13}}, train=Sounds(40, 0))
    assert (task.class_names, task.n_inputs) == (("high", "low"), 26)
    raw = [Sounds(40, 0)[int(i)][0] for i in task._parts["test"].index[:3]]
    np.testing.assert_array_equal(task.encoder.encode(raw), next(task.batches("test", 3)).inputs)
    with pytest.raises(ln.DataError, match=r"has no groups; leave task\.groups out"):
        task_of(fields | {"groups": "who"}, train=Pairs(40, 0))


def test_a_task_of_another_recipe_is_not_trained(tmp_path: Path) -> None:
    task = task_of(
        {"name": "arrays", "data": "memory", "encoder": {"name": "level"}}, train=Pairs(50, 0)
    )
    other = ln.load_recipe("delayed-xor")
    with pytest.raises(ln.TrainingError, match="task 'arrays' for a recipe of task 'delayed-xor'"):
        ln.train(other, tmp_path / "run", task=task, progress=False)
