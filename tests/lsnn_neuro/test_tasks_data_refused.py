"""Data that say something else than they seem to: read as what they say, or refused by file and index."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from data_files import recipe, shd, signals, task_of, words
from speech_folders import tone, write_wav

from lsnn_neuro.data.events import spikes_of_dense
from lsnn_neuro.errors import DataError, RecipeError
from lsnn_neuro.recipe import parse_recipe
from lsnn_neuro.tasks.event_encoder import EventConfig, EventEncoder

LEVEL = {"name": "level", "levels": 2}
RATE = 8000


def arrays(data: Path, **fields: Any) -> dict[str, Any]:
    return {"name": "arrays", "data": str(data), "encoder": LEVEL, **fields}


def events(data: Path, **fields: Any) -> dict[str, Any]:
    return {"name": "events", "data": str(data), "units": 700, "bin": 0.01, "steps": 40, **fields}


def saved(file: Path, **other: Any) -> Path:
    """An NPZ file of 20 signals of three channels and two classes, with other arrays in their place."""
    inputs = np.random.default_rng(0).normal(size=(20, 6, 3))
    np.savez(file, **{"inputs": inputs, "labels": np.arange(20) % 2, **other})
    return file


def stored(file: Path, **other: Any) -> Path:
    """A small file in SHD's layout, with other data sets in their place."""
    shd(file, 20, classes=2)
    with h5py.File(file, "r+") as out:
        for name, values in other.items():
            place = {"keys": "extra/keys", "speaker": "extra/speaker"}.get(name, name)
            del out[place]
            if values is not None:
                out[place] = values
    return file


def targets(task: Any, split: str = "test") -> list[int]:
    return [int(c) for batch in task.batches(split, 100) for c in batch.labels.target]


# --- names


NOT_UTF8 = np.array([b"caf\xe9", b"caf\xe8"] * 10)


def test_labels_that_differ_in_bytes_never_become_one_class(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"s.npz: labels\[0\] is b'caf\\xe9', which is not UTF-8"):
        task_of(arrays(saved(tmp_path / "s.npz", labels=NOT_UTF8)))
    with pytest.raises(DataError, match=r"g.npz: groups\[0\] is b'caf"):
        task_of(arrays(saved(tmp_path / "g.npz", who=NOT_UTF8), groups="who"))
    steps = np.tile(np.array([b"a", b"\xff"]), (20, 3))
    steps_file = saved(tmp_path / "t.npz", labels=steps)
    with pytest.raises(DataError, match=r"t.npz: labels\[0, 1\] is b'\\xff'"):
        task_of(arrays(steps_file, decision="step"))
    for name, values in (("labels", NOT_UTF8), ("keys", NOT_UTF8[:2])):
        file = stored(tmp_path / f"{name}.h5", **{name: values})
        with pytest.raises(DataError, match=rf"{name}.h5: (extra/)?{name}\[0\] is b'caf"):
            task_of(events(file))


def test_names_in_utf_8_are_read(tmp_path: Path) -> None:
    named = np.array([text.encode() for text in ("café", "thé")] * 10)
    assert task_of(arrays(saved(tmp_path / "s.npz", labels=named))).class_names == ("café", "thé")


def test_labels_of_variable_length_are_read(tmp_path: Path) -> None:
    labels = np.array(["left", "right"] * 10, dtype=object)
    task = task_of(events(stored(tmp_path / "s.h5", labels=labels, keys=None)))
    assert task.class_names == ("left", "right")
    assert targets(task) == [int(i) % 2 for i in task._parts["test"].index]
    with h5py.File(stored(tmp_path / "t.h5", labels=None), "r+") as out:
        out.create_dataset("labels", (20,), h5py.string_dtype())[:] = [b"\xff", b"\xfe"] * 10
    with pytest.raises(DataError, match=r"t.h5: labels\[0\] is b'\\xff'"):
        task_of(events(tmp_path / "t.h5"))


def test_numbers_of_classes_are_those_that_each_file_names(tmp_path: Path) -> None:
    one, other = np.array(["left", "right"], "S8"), np.array(["right", "left"], "S8")
    stored(tmp_path / "a.h5", keys=one)
    stored(tmp_path / "b.h5", keys=other)
    task = task_of(events(tmp_path, train="a.h5", test="b.h5"))
    assert task.class_names == ("left", "right")
    assert targets(task) == [1 - i % 2 for i in range(20)]
    said = task_of(events(tmp_path, train="a.h5", test="b.h5", classes=["right", "left"]))
    assert targets(said) == [i % 2 for i in range(20)]  # the order that the recipe says
    assert targets(said, "validation") == [1 - int(i) % 2 for i in said._parts["validation"].index]


def test_classes_that_not_every_file_names_are_refused(tmp_path: Path) -> None:
    stored(tmp_path / "a.h5", keys=np.array(["left", "right"], "S8"))
    stored(tmp_path / "b.h5", keys=np.array(["left", "up"], "S8"))
    stored(tmp_path / "c.h5", keys=None)
    stored(tmp_path / "d.h5", keys=np.array(["left", "left"], "S8"))
    for train, test, said in (
        ("a", "b", r"b.h5: names the class 'up'; the classes are left, right"),
        ("a", "c", r"c.h5: its labels are numbers, but the classes have names in another file"),
        ("c", "a", r"a.h5: names the class 'left'; the classes are not named"),
        ("d", "a", r"d.h5: two classes have the name 'left'"),
    ):
        with pytest.raises(DataError, match=said):
            task_of(events(tmp_path, train=f"{train}.h5", test=f"{test}.h5"))
    task = task_of(events(tmp_path, train="a.h5", test="c.h5", classes=["left", "right"]))
    assert targets(task) == [i % 2 for i in range(20)]


def test_names_beside_numbers_are_refused(tmp_path: Path) -> None:
    saved(tmp_path / "a.npz", labels=np.array(["left", "right"] * 10))
    saved(tmp_path / "b.npz")
    with pytest.raises(DataError, match=r"b.npz: its labels are numbers, but the classes have"):
        task_of(arrays(tmp_path, train="a.npz", test="b.npz"))


# --- labels


def test_labels_in_a_column_are_no_one_hot_rows(tmp_path: Path) -> None:
    column = (np.arange(20) % 2)[:, None]
    file = stored(tmp_path / "s.h5", labels=column, speaker=np.arange(20)[:, None] // 5)
    task = task_of(events(file, groups="extra/speaker", test=["1"]))
    assert task.n_outputs == 2
    assert targets(task) == [1, 0, 1, 0, 1]
    n = np.arange(20)
    np.savez(tmp_path / "l.npz", times=n / 100, units=n, samples=n, labels=column)
    assert set(targets(task_of(events(tmp_path / "l.npz")))) <= {0, 1}
    assert task_of(events(tmp_path / "l.npz")).n_outputs == 2
    pairs = [(np.zeros((4, 3)) + i, np.array([i % 2])) for i in range(20)]
    assert task_of(arrays(tmp_path), train=pairs).n_outputs == 2


@pytest.mark.parametrize("label", [np.uint64(2**63 + 5), 1e300, 10**9, np.uint64(10_000)], ids=str)
def test_a_label_that_is_no_class_is_named_by_file_and_sample(label: Any, tmp_path: Path) -> None:
    labels = np.array([0, 1, label, *[0] * 17], np.asarray(label).dtype)
    with pytest.raises(DataError, match=r"s.npz, sample 2: its label is .* from 0 to 9999, or -1"):
        task_of(arrays(saved(tmp_path / "s.npz", labels=labels)))


def test_more_names_than_classes_can_be_are_refused(tmp_path: Path) -> None:
    keys = np.array([f"{i}" for i in range(10_001)], "S8")
    with pytest.raises(DataError, match="10001 classes, allowed are 10000"):
        task_of(events(stored(tmp_path / "s.h5", keys=keys)))


def test_a_class_without_a_sample_is_refused_unless_it_is_said(tmp_path: Path) -> None:
    labels = np.where(np.arange(20) % 2, 1000, 0)
    file = saved(tmp_path / "s.npz", labels=labels)
    with pytest.raises(
        DataError, match=r"sample 1: its label is 1000; no training sample of class 1, 2, "
    ):
        task_of(arrays(file))
    task = task_of(arrays(file, classes=1001))
    assert task.n_outputs == 1001
    assert task.splits.endswith("; no training sample of class 1, 2, 3, 4, 5 and 994 more")
    assert "no training sample" not in task_of(arrays(saved(tmp_path / "t.npz"))).splits


# --- values


def graded(folder: Path, value: float, scale: float) -> int:
    """What a value is coded as, among zeros."""
    inputs = np.zeros((20, 6, 3))
    inputs[:, 2, 1] = value
    file = saved(folder / "s.npz", inputs=inputs)
    task = task_of(arrays(file, encoder={"name": "graded", "scale": scale}))
    return int(next(task.batches("test", 1)).inputs[2, 0, 1])


def test_graded_values_never_wrap(tmp_path: Path) -> None:
    for value, scale in ((127.49999999, 1.0), (127.5, 1.0), (12.749999999, 10.0), (-128.51, 1.0)):
        with pytest.raises(DataError, match="from -128 to 127"):
            graded(tmp_path, value, scale)
    assert [graded(tmp_path, v, 10.0) for v in (12.74, -12.84)] == [127, -128]


CODINGS = {
    "level": {"name": "level"}, "poisson": {"name": "poisson"}, "latency": {"name": "latency"},
    "delta": {"name": "delta", "threshold": 0.1}, "graded": {"name": "graded", "scale": 1.0},
}  # fmt: skip


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300, -1e300])
@pytest.mark.parametrize("coding", CODINGS)
def test_a_training_value_that_is_no_number_is_named(
    coding: str, value: float, tmp_path: Path
) -> None:
    inputs = np.zeros((20, 6, 3))
    inputs[:, 4, 1] = value
    file = saved(tmp_path / "s.npz", inputs=inputs)
    with pytest.raises(DataError, match=r"s.npz, sample \d+: value \[4, 1\] is .*finite number"):
        task_of(arrays(file, encoder=CODINGS[coding])).train_batch(4, np.random.default_rng(0))


def test_complex_values_are_refused_and_none_are_cut_off() -> None:
    encoder = EventEncoder(EventConfig(units=3, bin=1, steps=5))
    for times, units, what in (
        (np.ones(2, complex), np.ones(2, int), "times are complex128"),
        (np.ones(2), np.ones(2, complex), "units are complex128"),
        (np.array(["1", "2"]), np.ones(2, int), "times are <U1"),
    ):
        with pytest.raises(DataError, match=f"sample 0: its {what}"):
            encoder.encode([(times, units)])
    pairs = [(np.zeros((4, 3)) + i, i % 2) for i in range(20)]
    task = task_of(arrays(Path("memory")), train=pairs)
    with pytest.raises(DataError, match="sample 0: is complex128, expected real numbers"):
        task.encoder.encode([np.zeros((4, 3), complex)])


def test_samples_of_other_channels_are_named_before_a_coding_is_fitted() -> None:
    pairs = [(np.zeros((4, 2 + i % 2)) + i, i % 2) for i in range(20)]
    with pytest.raises(DataError, match=r"data set 'train', sample \d+: has shape \(4, 3\)"):
        task_of(arrays(Path("memory")), train=pairs)


@pytest.mark.parametrize("width", [0.1, 0.01, 0.001, 0.3, 0.25, 0.7, 2.5e-5, 7.0])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_spike_where_a_step_begins_is_in_that_step(width: float, kind: Any) -> None:
    k = np.arange(1000)
    encoder = EventEncoder(EventConfig(units=1, bin=width, steps=1000))
    decimal = [float(f"{float(i) * width:.12g}") for i in k]
    for times in (
        (k * width).astype(kind), k.astype(kind) * kind(width), np.array(decimal, kind),
    ):  # fmt: skip
        inputs = encoder.encode([(times, np.zeros(1000, int))])
        assert (inputs == 1).all()
    before = np.nextafter(((k + 1) * (width * 0.9985)).astype(kind), kind(0))
    steps = encoder.checked((before, np.zeros(1000, int)), "")[0]
    expected = np.floor(before.astype(np.float64) / width)
    np.testing.assert_array_equal(np.unique(expected), steps)


def test_coarse_times_are_moved_by_a_tenth_of_a_step_at_most() -> None:
    encoder = EventEncoder(EventConfig(units=1, bin=0.001, steps=2000))
    times = np.array([1.2], np.float16)  # 1.2001953125, and float16 has a value every millisecond
    step = encoder.checked((np.repeat(times, 2), np.zeros(2, int)), "")[0]
    assert step.tolist() == [1200]
    late = np.array([1.3564453125], np.float16)
    assert encoder.checked((late, np.zeros(1, int)), "")[0].tolist() == [1356]


@pytest.mark.parametrize("count", [1e10, 2.0**40])
def test_a_count_that_would_fill_the_memory_is_named(count: float, tmp_path: Path) -> None:
    spikes = np.zeros((20, 5, 4))
    spikes[:, 3, 2] = count
    np.savez(tmp_path / "s.npz", spikes=spikes, labels=np.arange(20) % 2)
    task = task_of(events(tmp_path / "s.npz", units=4, bin=1.0, steps=5))
    with pytest.raises(DataError, match=r"s.npz, sample \d+: counts .* spikes\[3, 2\]"):
        next(task.batches("test", 1))
    many = np.full((300, 300), 2**60, np.uint64)  # whose sum is no 64 bit number
    with pytest.raises(DataError, match="sample 0: counts"):
        spikes_of_dense(many, "sample 0")


# --- splits


def linked(folder: Path) -> str:
    (folder / "b.npz").symlink_to(folder / "a.npz")
    return "b.npz"


def hard_linked(folder: Path) -> str:
    (folder / "b.npz").hardlink_to(folder / "a.npz")
    return "b.npz"


SAME: dict[str, Callable[[Path], str]] = {
    "name": lambda folder: "a.npz", "path": lambda folder: "./a.npz", "link": linked,
    "hard link": hard_linked,
}  # fmt: skip


@pytest.mark.parametrize("how", SAME)
@pytest.mark.parametrize("split", ["test", "validation"])
def test_no_split_reads_the_training_file(how: str, split: str, tmp_path: Path) -> None:
    saved(tmp_path / "a.npz")
    same = SAME[how](tmp_path)
    with pytest.raises(DataError, match=rf"task.{split} reads what the train split reads, .*a.npz"):
        task_of(arrays(tmp_path, train="a.npz", **{split: same}))


def test_files_of_other_kinds_are_not_read_by_two_splits_either(tmp_path: Path) -> None:
    saved(tmp_path / "a.npz")
    shutil.copy(tmp_path / "a.npz", tmp_path / "b.npz")
    with pytest.raises(DataError, match=r"task.validation reads what the test split reads"):
        task_of(arrays(tmp_path, train="a.npz", test="b.npz", validation="b.npz"))
    stored(tmp_path / "a.h5")
    with pytest.raises(DataError, match=r"task.test reads what the train split reads"):
        task_of(events(tmp_path, train="a.h5", test="a.h5"))
    sounds = arrays(words(tmp_path / "w", n=4), sound={"rate": RATE, "bands": 13}, labels=1)
    with pytest.raises(DataError, match=r"left: task.test reads what the train split reads"):
        task_of({**sounds, "test": "left"})
    pairs = [(np.zeros((4, 3)) + i, i % 2) for i in range(20)]
    with pytest.raises(DataError, match=r"task.test reads what the train split reads"):
        task_of(arrays(tmp_path), train=pairs, test=pairs)


def test_a_group_is_held_out_once(tmp_path: Path) -> None:
    file = signals(tmp_path / "s.npz")
    with pytest.raises(
        DataError, match=r"task.validation names group '1', which another split has; left are 0, 2"
    ):
        task_of(arrays(file, groups="person", test=["1"], validation=["1"]))
    with pytest.raises(DataError, match=r"task.validation names group '1', which another split"):
        task_of(arrays(file, groups="person", test=["1", "3"], validation=["0", "1"]))


def test_groups_of_another_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"groups: has shape \(20, 2\), expected one name a sample"):
        task_of(arrays(saved(tmp_path / "s.npz", who=np.zeros((20, 2))), groups="who"))


# --- settings


def test_settings_that_would_be_passed_over_are_refused() -> None:
    for fields, said in (
        ({"test": []}, r"task\.test: no groups in the list"),
        ({"validation": []}, r"task\.validation: no groups"),
        ({"classes": []}, r"task\.classes: 0 classes, allowed are 1 to 10000"),
        ({"classes": ["a", ""]}, "an empty name stands for no label"),
        ({"classes": 0}, r"task\.classes: 0 classes, allowed are 1 to"),
        ({"classes": -3}, r"task\.classes: -3 classes, allowed are 1 to"),
        ({"classes": 10_001}, r"task\.classes: 10001 classes, allowed are 1 to"),
        ({"labels": -5}, r"task\.labels: part -5 of a file's name; they count from 0"),
        ({"groups": -9}, r"task\.groups: part -9 of a file's name; they count from 0"),
    ):
        with pytest.raises(RecipeError, match=said):
            parse_recipe(recipe(arrays(Path("x.npz"), **fields)), "x")


def test_a_shift_that_leaves_nothing_is_refused(tmp_path: Path) -> None:
    file = saved(tmp_path / "s.npz")
    for fields in ({"shift_channels": 3}, {"shift_channels": 100}, {"shift_steps": 6}):
        with pytest.raises(DataError, match=r"by which nothing is left .*; allowed are 0 to [25]"):
            task_of(arrays(file, **fields))
    batch = task_of(arrays(file, shift_channels=2, shift_steps=5)).train_batch(
        8, np.random.default_rng(0)
    )
    assert batch.inputs.any()


def test_a_file_with_two_kinds_of_spikes_is_refused(tmp_path: Path) -> None:
    n = np.arange(20)
    dense = {"spikes": np.ones((20, 5, 4), np.uint8), "labels": n % 2}
    np.savez(tmp_path / "s.npz", **dense, times=n, units=n, samples=n)
    with pytest.raises(DataError, match=r"s.npz: holds both spikes \(dense\) and times, units, sa"):
        task_of(events(tmp_path / "s.npz", units=4, bin=1.0, steps=5))


# --- tables of sounds


def table(folder: Path, change: Callable[[list[str]], list[str]], encoding: str = "utf-8") -> Path:
    """Four sounds and a table of them, in which lines are others."""
    for i in range(4):
        write_wav(folder / f"{i}.wav", tone(300 + 500 * (i % 2), 1600, RATE), RATE)
    lines = ["file,label,who", *(f"{i}.wav,{'ab'[i % 2]},p{i}" for i in range(4))]
    (folder / "t.csv").write_text("\n".join(change(lines)) + "\n", encoding=encoding)
    return folder


def tabled(folder: Path) -> Any:
    sound = {"rate": RATE, "bands": 13}
    held = {"test": ["p0"], "validation": ["p1"]}
    return task_of(arrays(folder, sound=sound, labels="t.csv", groups="who", **held))


def test_a_table_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    assert tabled(table(tmp_path, lambda lines: lines, "utf-8-sig")).class_names == ("a", "b")


WRONG = {
    "blanks before a label": ([1, "0.wav, a,p0"], "t.csv, line 2: label is ' a', with blanks"),
    "blanks behind a group": ([2, "1.wav,b,p1 "], "t.csv, line 3: who is 'p1 ', with blanks"),
    "a comma in a label": ([3, "2.wav,a,b,p2"], "t.csv, line 4: has more cells than"),
    "two columns of a name": ([0, "file,label,label"], "t.csv: has two columns 'label'"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_cell_that_would_be_misread_is_named(what: str, tmp_path: Path) -> None:
    (line, text), said = WRONG[what]
    table(tmp_path, lambda lines: [*lines[:line], text, *lines[line + 1 :]])
    with pytest.raises(DataError, match=said):
        task_of(arrays(tmp_path, sound={"rate": RATE, "bands": 13}, labels="t.csv"))
