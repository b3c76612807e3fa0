"""The task arrays: signals and labels of files, split, coded and scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_files import QTDB, needs_qtdb, qtdb, recipe, shd, signals, task_of, words
from scipy.io import savemat

from lsnn_neuro.errors import DataError, RecipeError
from lsnn_neuro.recipe import load_recipe, parse_recipe
from lsnn_neuro.tasks import make_task
from lsnn_neuro.tasks.labels import ClassLabels, ValueLabels

LEVEL = {"name": "level", "levels": 3}
STEPS = {"decision": "step", "encoder": {"name": "graded"}}


def section(data: Path, **fields: Any) -> dict[str, Any]:
    return {"name": "arrays", "data": str(data), "encoder": LEVEL, **fields}


def test_a_file_becomes_a_task_of_its_sizes(tmp_path: Path) -> None:
    task = task_of(section(signals(tmp_path / "s.npz"), decision_steps=5))
    assert (task.n_inputs, task.n_outputs, task.n_steps) == (2 * 3, 2, 30)
    assert [task.n_samples(s) for s in ("validation", "test")] == [4, 8]
    batch = task.train_batch(7, np.random.default_rng(0))
    assert batch.inputs.shape == (30, 7, 6)
    assert isinstance(batch.labels, ClassLabels)
    assert set(batch.labels.start) == {25}


def test_held_out_samples_are_always_the_same_and_in_no_other_split(tmp_path: Path) -> None:
    file = signals(tmp_path / "s.npz")
    one, two = (task_of(section(file)) for _ in range(2))
    for name in ("validation", "test"):
        a, b = (next(t.batches(name, 100)) for t in (one, two))
        np.testing.assert_array_equal(a.inputs, b.inputs)
        np.testing.assert_array_equal(a.labels.target, b.labels.target)
    parts = [set(p.index) for p in one._parts.values()]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 40
    other = task_of(section(file, split_seed=1))
    assert set(other._parts["test"].index) != parts[1]
    assert one.splits == (
        "train: 28 samples, the rest of s.npz; test: 8 samples, 0.2 of s.npz, drawn with seed 0; "
        "validation: 4 samples, 0.1 of s.npz, drawn with seed 0"
    )


def test_a_group_is_never_in_two_splits(tmp_path: Path) -> None:
    file = signals(tmp_path / "s.npz")
    task = task_of(section(file, groups="person", test=0.2, validation=0.2))
    of_sample = np.arange(40) % 5
    groups = [set(of_sample[p.index]) for p in task._parts.values()]
    assert [len(g) for g in groups] == [3, 1, 1]
    assert len(set.union(*groups)) == 5
    named = task_of(section(file, groups="person", test=["3"], validation=["0", "1"]))
    assert set(of_sample[named._parts["test"].index]) == {3}
    assert "test: 8 samples, 3 of" in named.splits


def test_splits_by_file_lie_in_the_folder_that_is_named(tmp_path: Path) -> None:
    signals(tmp_path / "a.npz"), signals(tmp_path / "b.npz", 12, seed=1)
    task = task_of(section(tmp_path, train="a.npz", test="b.npz"))
    assert task.n_samples("test") == 12
    assert "test: 12 samples, all of b.npz" in task.splits
    for elsewhere in ("/etc/b.npz", "../b.npz", ""):
        with pytest.raises(RecipeError, match=r"task\.test: .* in task\.data"):
            task_of(section(tmp_path, train="a.npz", test=elsewhere))


def test_every_step_has_a_decision_of_its_own(tmp_path: Path) -> None:
    file = signals(tmp_path / "s.npz", each_step=True)
    task = task_of(section(file, decision="step", lag_steps=3))
    batch = next(task.batches("test", 2))
    assert batch.n_steps == 33
    assert len(batch.labels) == 2 * 30
    assert (batch.labels.stop - batch.labels.start == 1).all()
    assert batch.labels.start.max() == 32
    assert not batch.inputs[30:].any()
    with np.load(file) as found:
        expected = found["labels"][task._parts["test"].index[:2]]
    np.testing.assert_array_equal(batch.labels.target, expected.ravel())


def test_a_value_that_lasts_gives_its_decision_as_long(tmp_path: Path) -> None:
    encoder = {**LEVEL, "value_steps": 4}
    task = task_of(
        section(signals(tmp_path / "s.npz", each_step=True), decision="step", encoder=encoder)
    )
    labels = next(task.batches("test", 1)).labels
    assert task.n_steps == 120
    assert labels.start[:3].tolist() == [0, 4, 8]
    assert labels.stop[:3].tolist() == [4, 8, 12]


def one_hot(file: Path, y: np.ndarray) -> Path:
    np.savez(file, inputs=np.zeros((len(y), y.shape[1], 2), np.int8), labels=y)
    return file


def test_steps_without_a_label_are_neither_trained_nor_scored(tmp_path: Path) -> None:
    y = np.eye(3, dtype=np.uint8)[np.arange(60).reshape(10, 6) % 3]
    y[:, 2:4] = 0
    task = task_of(
        section(one_hot(tmp_path / "s.npz", y), unlabelled="skip", unlabelled_also_as=1, **STEPS)
    )
    labels = next(task.batches("test", 2)).labels
    assert task.n_outputs == 3
    assert len(labels) == 2 * 4
    assert not np.isin(labels.start, [2, 3]).any()
    readout = np.zeros((6, 2, 3))
    readout[..., 1] = 1  # always says class 1
    score = labels.score(readout)
    right = int((y.argmax(2) == 1)[task._parts["test"].index][:, [0, 1, 4, 5]].sum())
    assert (score.decisions, score.total) == (8, right)
    beside = score.beside["unlabelled_as_1"]
    assert (beside.decisions, beside.total) == (12, right + 4)
    assert score.as_dict()["accuracy_unlabelled_as_1"] == (right + 4) / 12


def test_a_second_score_needs_a_class_of_the_task(tmp_path: Path) -> None:
    y = np.eye(3, dtype=np.uint8)[np.arange(60).reshape(10, 6) % 3]
    with pytest.raises(DataError, match="unlabelled_also_as is 3, but there are 3"):
        task_of(
            section(
                one_hot(tmp_path / "s.npz", y), unlabelled="skip", unlabelled_also_as=3, **STEPS
            )
        )


def test_numbers_are_predicted_by_sample_and_by_step(tmp_path: Path) -> None:
    x, y = np.zeros((20, 6, 2)), np.arange(240.0).reshape(20, 6, 2)
    y[3, 2] = np.nan
    np.savez(tmp_path / "n.npz", inputs=x, labels=y, mean=y[:, 0, 0])
    fields = {"answer": "number", "encoder": {"name": "graded"}, "unlabelled": "skip"}
    task = task_of(section(tmp_path / "n.npz", decision="step", **fields))
    assert task.n_outputs == 2
    every = [b.labels for s in ("validation", "test") for b in task.batches(s, 50)]
    assert all(isinstance(labels, ValueLabels) for labels in every)
    whole = task_of(section(tmp_path / "n.npz", labels="mean", **fields))
    assert whole.n_outputs == 1
    labels = next(whole.batches("test", 50)).labels
    np.testing.assert_array_equal(labels.target[:, 0], y[whole._parts["test"].index, 0, 0])


def test_matlab_files_are_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(-3, 4, (20, 8, 3)), rng.integers(2, size=20)
    savemat(tmp_path / "m.mat", {"x": x.astype(np.int16), "y": y})  # y becomes (1, 20)
    task = task_of(section(tmp_path / "m.mat", inputs="x", labels="y", encoder={"name": "graded"}))
    batch = next(task.batches("test", 50))
    index = task._parts["test"].index
    assert batch.inputs.dtype == np.int8
    np.testing.assert_array_equal(batch.inputs, x[index].swapaxes(0, 1))
    np.testing.assert_array_equal(batch.labels.target, y[index])


def test_the_same_arrays_compressed_or_in_another_order_are_the_same(tmp_path: Path) -> None:
    with np.load(signals(tmp_path / "s.npz")) as found:
        arrays = dict(found)
    np.savez_compressed(tmp_path / "z.npz", **arrays)
    np.savez(tmp_path / "f.npz", **{k: np.asfortranarray(a) for k, a in arrays.items()})
    first, *others = (
        next(task_of(section(tmp_path / f"{name}.npz")).batches("test", 50)) for name in "szf"
    )
    for other in others:
        np.testing.assert_array_equal(first.inputs, other.inputs)


WRONG = {
    "a class that is none": ({"labels": np.arange(20) / 2}, "sample 1: its label is 0.5"),
    "a class below none": ({"labels": np.arange(20) - 4}, "sample 0: its label is -4"),
    "a missing label": ({"labels": np.arange(20) - 1}, r"sample 0: has no label \(-1\)"),
    "too few labels": ({"labels": np.arange(19)}, "labels: 19 of them for 20 samples"),
    "no labels": ({"other": np.arange(20)}, "holds no array 'labels'; there are inputs, other"),
    "labels of steps": ({"labels": np.zeros((20, 5, 2, 2))}, r"labels are .* expected classes"),
    "objects": ({"labels": np.array([{}] * 20)}, "holds Python objects"),
    "no time": ({"inputs": np.zeros((20, 0, 2)), "labels": np.arange(20)}, r"shape \(20, 0, 2\)"),
    "complex": ({"inputs": np.zeros((20, 5), complex), "labels": np.arange(20)}, "complex128"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit_is_named_by_file_and_index(what: str, tmp_path: Path) -> None:
    arrays, said = WRONG[what]
    np.savez(tmp_path / "s.npz", **{"inputs": np.zeros((20, 5, 2)), **arrays})
    with pytest.raises(DataError, match=f"s.npz.*{said}"):
        task_of(section(tmp_path / "s.npz", encoder={"name": "graded"}))


def test_a_class_that_the_training_file_does_not_have_is_named(tmp_path: Path) -> None:
    x = np.zeros((20, 5, 2), np.int8)
    np.savez(tmp_path / "a.npz", inputs=x, labels=np.arange(20) % 3)
    np.savez(tmp_path / "b.npz", inputs=x, labels=np.arange(20) % 4)
    with pytest.raises(
        DataError, match=r"b.npz, sample 3: its label is 3, but there are 3 classes"
    ):
        task_of(section(tmp_path, train="a.npz", test="b.npz", encoder={"name": "graded"}))
    task = task_of(
        section(tmp_path, train="a.npz", test="b.npz", encoder={"name": "graded"}, classes=4)
    )
    assert task.n_outputs == 4


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_no_number_is_named_when_it_is_read(value: float, tmp_path: Path) -> None:
    with np.load(signals(tmp_path / "s.npz")) as found:
        arrays = dict(found)
    arrays["inputs"][:, 7, 1] = value
    np.savez(tmp_path / "s.npz", **arrays)
    task = task_of(section(tmp_path / "s.npz", encoder={"name": "delta", "threshold": 0.1}))
    with pytest.raises(DataError, match=rf"s.npz, sample \d+: value \[7, 1\] is {value}"):
        next(task.batches("test", 4))


def test_longer_samples_are_refused_or_cut_with_their_labels(tmp_path: Path) -> None:
    file = signals(tmp_path / "s.npz", each_step=True)
    with pytest.raises(DataError, match=r"labels of 30 steps, but task.steps has room for 20"):
        task_of(section(file, decision="step", steps=20))
    task = task_of(section(file, decision="step", steps=20, longer="cut"))
    labels = next(task.batches("test", 1)).labels
    assert len(labels) == 20
    whole = task_of(section(signals(tmp_path / "t.npz"), steps=20))
    with pytest.raises(DataError, match="30 values in time"):
        next(whole.batches("test", 1))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("s.npz", b"", "is empty"), ("s.npz", b"PK nonsense", "can't be read as .npz"),
        ("s.mat", b"", "is empty"), ("s.mat", b"nonsense" * 99, "can't be read as a MATLAB file"),
        ("s.csv", b"1,2", "ends in .npz or .mat"), (None, b"", "no such file"),
    ],
)  # fmt: skip
def test_a_broken_file_is_named(
    name: str | None, content: bytes, said: str, tmp_path: Path
) -> None:
    file = tmp_path / (name or "missing.npz")
    if name is not None:
        file.write_bytes(content)
    with pytest.raises(DataError, match=f"{file.name}.*{said}"):
        task_of(section(file))


def test_a_file_that_is_cut_short_is_named_by_the_sample(tmp_path: Path) -> None:
    file = signals(tmp_path / "s.npz")
    task = task_of(section(file))
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(DataError, match=r"s.npz, sample \d+: the file ends before it"):
        next(task.batches("test", 8))


def scrambled(content: bytes, rng: np.random.Generator) -> bytes:
    """A file with a few bytes that are others, near its start or anywhere; some are cut short."""
    wrong = bytearray(content)
    for at in rng.integers(len(wrong) if rng.random() < 0.5 else min(len(wrong), 400), size=3):
        wrong[at] = rng.integers(256)
    return bytes(wrong if rng.random() < 0.9 else wrong[: rng.integers(len(wrong))])


def scrambled_section(kind: str, folder: Path) -> tuple[Path, dict[str, Any]]:
    """A file of a kind, and the section of a task that reads it."""
    if kind == "h5":
        file = shd(folder / "s.h5", 20)
        return file, {"name": "events", "data": str(file), "units": 700, "bin": 0.01, "steps": 40}
    if kind == "wav":
        words(folder, n=4)
        return folder / "left" / "ann_0.wav", section(folder, sound={"rate": 8000})
    file = signals(folder / "s.npz")
    if kind != "npz":
        with np.load(file) as found:
            arrays = dict(found)
        file = folder / f"t.{kind}"
        savemat(file, arrays) if kind == "mat" else np.savez_compressed(file, **arrays)
    return file, section(file)


@pytest.mark.parametrize("kind", ["npz", "zipped.npz", "mat", "wav", "h5"])
def test_a_scrambled_file_is_read_or_refused_but_never_a_crash(kind: str, tmp_path: Path) -> None:
    file, fields = scrambled_section(kind, tmp_path)
    content, rng = file.read_bytes(), np.random.default_rng(0)
    refused = 0
    for i in range(60):
        if kind == "h5":  # a new file each time: HDF5 keeps in mind those that are still open
            file = tmp_path / f"{i}.h5"
            fields["data"] = str(file)
        file.write_bytes(scrambled(content, rng))
        try:
            task = task_of(fields)
            for name in ("test", "validation"):
                list(task.batches(name, 40))
        except DataError:
            refused += 1
    assert refused > 5


def test_settings_that_do_not_go_together_are_refused() -> None:
    for fields, said in (
        ({"decision": "step", "shift_steps": 2}, "decisions in each step"),
        ({"unlabelled_also_as": 0}, "leave it out"),
        ({"classes": ["a", "a"]}, "the same name"),
        ({"answer": "number", "classes": 3}, "numbers are answered"),
        ({"test": 1.5}, "between 0 and 1"),
        ({"encoder": {"name": "phones"}}, "there are graded, level, delta, poisson, latency"),
        ({"encoder": {"name": "delta"}}, "delta.threshold: Field required"),
        ({"encoder": {"name": "level", "levels": [2, 1]}}, "levels must rise"),
    ):
        with pytest.raises(RecipeError, match=said):
            parse_recipe(recipe(section(Path("x.npz"), **fields)), "x")


def test_a_recipe_with_a_coding_survives_its_own_text(tmp_path: Path) -> None:
    text = parse_recipe(recipe(section(Path("x.npz"))), "x").to_toml()
    (tmp_path / "r.toml").write_text(text)
    again = load_recipe(tmp_path / "r.toml")
    assert again.to_toml() == text
    assert again.task.encoder.levels == 3


def test_the_ecg_recipe_reads_files_of_its_layout(tmp_path: Path) -> None:
    task = make_task(load_recipe("ecg", [f"task.data={qtdb(tmp_path, 12)}"]).task)
    batch = task.train_batch(3, np.random.default_rng(0))
    assert batch.inputs.dtype == np.bool_  # the mark in the last step is cut off
    assert batch.inputs.shape == (1300, 3, 4)
    assert len(batch.labels) == 3 * (1300 - 41)


@needs_qtdb
def test_the_ecg_has_the_steps_and_labels_that_are_known_of_it() -> None:
    task = make_task(load_recipe("ecg", [f"task.data={QTDB}"]).task)
    assert (task.n_inputs, task.n_outputs, task.n_steps) == (4, 6, 1300)
    assert (task.n_samples("test"), task.n_samples("validation")) == (141, 62)
    batch = next(task.batches("test", 141))
    score = batch.labels.score(np.zeros((1300, 141, 6)))
    assert score.decisions == 164_266  # of 183,300: 10.4 % carry no label
    assert score.beside["unlabelled_as_0"].decisions == 183_300
