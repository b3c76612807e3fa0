"""Folders of WAV files as a task: labels by folder, by name and by table; broken files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from data_files import task_of, words
from speech_folders import FSDD, needs_fsdd, tone, write_wav

from lsnn_neuro.errors import DataError, RecipeError

RATE = 8000


def section(data: Path, **fields: Any) -> dict[str, Any]:
    return {
        "name": "arrays", "data": str(data), "sound": {"rate": RATE, "bands": 13},
        "encoder": {"name": "level", "levels": 3}, **fields,
    }  # fmt: skip


def test_a_sound_is_labelled_by_its_folder(tmp_path: Path) -> None:
    task = task_of(section(words(tmp_path)))
    assert task.class_names == ("left", "right")
    assert task.n_inputs == 13 * 3
    assert task.n_steps == 24  # frames of 10 ms of the longest
    part = task._parts["test"]
    found = [part.samples.files[i].parent.name for i in part.index]
    labels = next(task.batches("test", 50)).labels
    assert [task.class_names[c] for c in labels.target] == found


def test_shorter_sounds_begin_at_the_start_or_end_at_the_end(tmp_path: Path) -> None:
    data = words(tmp_path)
    begun, ended = (
        next(task_of(section(data, align=a)).batches("test", 50)) for a in ("start", "end")
    )
    lengths = [np.flatnonzero(begun.inputs[:, i].any(axis=1)).max() + 1 for i in range(begun.size)]
    assert min(lengths) < 24
    for i, n in enumerate(lengths):
        np.testing.assert_array_equal(begun.inputs[:n, i][-5:], ended.inputs[-5:, i])


def table(folder: Path, rows: list[str], header: str = "file,label,who") -> Path:
    (folder / "labels.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder


def some_sounds(folder: Path, n: int = 8) -> list[str]:
    for i in range(n):
        write_wav(folder / f"x_{i}.wav", tone(300 + 500 * (i % 2), 1600, RATE), RATE)
    return [f"x_{i}.wav,{'low' if i % 2 else 'high'},p{i // 2}" for i in range(n)]


def test_a_table_says_labels_and_groups(tmp_path: Path) -> None:
    data = table(tmp_path, some_sounds(tmp_path))
    task = task_of(section(data, labels="labels.csv", groups="who", test=["p1"], validation=["p0"]))
    assert task.class_names == ("high", "low")
    assert [task.class_names[c] for c in next(task.batches("test", 9)).labels.target] == [
        "high",
        "low",
    ]
    assert "test: 2 samples, p1 of labels.csv" in task.splits


def test_a_part_of_a_name_is_a_label_or_a_group(tmp_path: Path) -> None:
    some_sounds(tmp_path)
    data = words(tmp_path / "w")
    by_speaker = task_of(section(data, groups=0, test=["ann"]))
    assert by_speaker.n_samples("test") == 8
    task = task_of(section(data, labels=0))
    assert task.class_names == ("ann", "bob", "cas")


def test_a_row_without_a_label_is_refused_or_left_out(tmp_path: Path) -> None:
    rows = some_sounds(tmp_path)
    rows[3] = "x_3.wav,,p1"
    data = table(tmp_path, rows)
    with pytest.raises(DataError, match=r"x_3.wav \(sample 3\): has no label"):
        task_of(section(data, labels="labels.csv"))
    task = task_of(section(data, labels="labels.csv", unlabelled="skip"))
    assert sum(len(p) for p in task._parts.values()) == 7
    assert "without 1 that have no label" in task.splits


TABLES = {
    "no label at all": (lambda rows: rows[:-1], "x_7.wav: has no label, since it has no row"),
    "a file that is not there": (lambda rows: [*rows, "y.wav,low,p0"], "line 10: no file 'y.wav'"),
    "a file elsewhere": (lambda rows: [*rows, "../y.wav,low,p0"], "line 10: no file"),
    "a row twice": (lambda rows: [*rows, rows[0]], "x_0.wav stands in two rows"),
    "nothing": (lambda rows: [], "has no rows"),
}


@pytest.mark.parametrize("what", TABLES)
def test_a_wrong_table_is_named_by_file_and_line(what: str, tmp_path: Path) -> None:
    change, said = TABLES[what]
    data = table(tmp_path, change(some_sounds(tmp_path)))
    with pytest.raises(DataError, match=said):
        task_of(section(data, labels="labels.csv"))


def test_a_table_without_its_columns_is_refused(tmp_path: Path) -> None:
    data = table(tmp_path, some_sounds(tmp_path), header="name,label,who")
    with pytest.raises(DataError, match=r"labels.csv: has no column 'file', only name, label, who"):
        task_of(section(data, labels="labels.csv"))
    with pytest.raises(DataError, match=r"none.csv: can't be read"):
        task_of(section(data, labels="none.csv"))


def stereo(file: Path) -> None:
    soundfile.write(file, np.zeros((1600, 2), np.int16), RATE)


def wide(file: Path) -> None:
    soundfile.write(file, np.zeros(1600), RATE, subtype="PCM_24")


BROKEN = {
    "stereo": (stereo, "2 channels, expected 1"),
    "24 bit": (wide, "its samples are PCM_24, expected PCM_16"),
    "empty": (lambda file: file.write_bytes(b""), r"is empty \(0 bytes\)"),
    "no sound": (lambda file: file.write_bytes(b"RIFF nonsense"), "can't be read as WAV"),
    "another rate": (lambda file: write_wav(file, tone(300, 1600, 8000), 16_000), "is 16000 Hz"),
    "too short": (
        lambda file: write_wav(file, tone(300, 79, 8000), 8000),
        "79 samples, fewer than",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_sound_is_named_at_once(what: str, tmp_path: Path) -> None:
    make, said = BROKEN[what]
    make(words(tmp_path) / "left" / "broken.wav")
    with pytest.raises(DataError, match=f"broken.wav: .*{said}"):
        task_of(section(tmp_path))


def test_a_folder_that_says_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no \.wav files in it"):
        task_of(section(tmp_path))
    with pytest.raises(DataError, match="no such folder"):
        task_of(section(tmp_path / "nowhere"))
    some_sounds(tmp_path)
    with pytest.raises(DataError, match=r"x_0.wav: has no label: it lies in no folder"):
        task_of(section(tmp_path))
    with pytest.raises(DataError, match=r"is a folder; name a file in it by task.train"):
        task_of({"name": "arrays", "data": str(tmp_path), "encoder": {"name": "graded"}})


def test_classes_of_other_data_are_those_of_the_network(tmp_path: Path) -> None:
    words(tmp_path / "a", ("left", "right", "up"))
    words(tmp_path / "b", ("right", "up"))
    known = task_of(section(tmp_path / "a")).class_names
    task = task_of(section(tmp_path / "b"))
    moved = task.relabelled(known)
    assert moved.n_outputs == 3
    own = [task.class_names[c] for c in next(task.batches("test", 50)).labels.target]
    assert [known[c] for c in next(moved.batches("test", 50)).labels.target] == own
    with pytest.raises(DataError, match="its label is 'right'; the classes are left, up"):
        task.relabelled(("left", "up"))


def test_sound_may_be_coded_sample_by_sample(tmp_path: Path) -> None:
    coding = {"name": "delta", "threshold": 0.02}
    fields = section(words(tmp_path), sound={"rate": RATE, "features": "samples"}, encoder=coding)
    task = task_of(fields)
    assert (task.n_inputs, task.n_steps) == (2, 1200 + 80 * 9)


def test_settings_of_sound_are_checked() -> None:
    with pytest.raises(RecipeError, match=r"task\.sound\.rate"):
        task_of(section(Path("x"), sound={"rate": 10}))


@needs_fsdd
def test_the_spoken_digits_are_read_by_their_names() -> None:
    fields = section(FSDD, train="recordings", labels=0, groups=1, test=["george"], validation=0.2)
    task = task_of(fields)
    assert task.class_names == tuple("0123456789")
    batch = next(task.batches("test", 20))
    assert batch.inputs.any()
