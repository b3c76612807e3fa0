"""The task events: spikes of HDF5 files in SHD's layout, of NPZ files, and of data sets in memory."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from data_files import SHD_UNITS, shd, task_of

from lsnn_neuro.errors import DataError
from lsnn_neuro.tasks.event_encoder import EventConfig, EventEncoder

ROOT = Path(__file__).parents[2]


def section(data: Path, **fields: Any) -> dict[str, Any]:
    return {
        "name": "events",
        "data": str(data),
        "units": SHD_UNITS,
        "bin": 0.01,
        "steps": 40,
        **fields,
    }


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shd(tmp_path_factory.mktemp("shd") / "shd.h5")


def spikes_of(file: Path, index: int) -> list[tuple[float, int]]:
    with h5py.File(file) as found:
        return list(zip(found["spikes/times"][index], found["spikes/units"][index], strict=True))


def test_every_spike_is_in_its_step_and_on_its_input(file: Path) -> None:
    task = task_of(section(file))
    assert (task.n_inputs, task.n_outputs, task.n_steps) == (700, 20, 40)
    assert task.class_names[3] == "word 3"
    batch = next(task.batches("test", 3))
    expected = np.zeros((40, 3, 700), int)
    for i, sample in enumerate(task._parts["test"].index[:3]):
        for t, unit in spikes_of(file, sample):
            expected[int(np.floor(float(t) / 0.01)), i, unit] += 1
    np.testing.assert_array_equal(batch.inputs.astype(int), expected)


def test_units_are_merged_or_sub_sampled(file: Path) -> None:
    whole = next(task_of(section(file)).batches("test", 4)).inputs.astype(int)
    merged = task_of(section(file, merge_channels=5))
    assert merged.n_inputs == 140
    counted = whole.reshape(40, 4, 140, 5).sum(axis=3)
    np.testing.assert_array_equal(next(merged.batches("test", 4)).inputs, counted)
    every = task_of(section(file, every_channel=7))
    assert every.n_inputs == 100
    np.testing.assert_array_equal(next(every.batches("test", 4)).inputs, whole[:, :, ::7])


def test_several_spikes_in_a_step_are_counted_made_one_or_refused(file: Path) -> None:
    counted = next(task_of(section(file, merge_channels=50)).batches("test", 4)).inputs
    assert counted.dtype == np.int8
    assert counted.max() > 1
    one = next(task_of(section(file, merge_channels=50, several="one")).batches("test", 4)).inputs
    np.testing.assert_array_equal(one, counted > 0)
    with pytest.raises(DataError, match=r"shd.h5, sample \d+: input \d+ has \d spikes in step"):
        next(task_of(section(file, merge_channels=50, several="refuse")).batches("test", 4))


def test_more_spikes_than_a_graded_event_can_count_are_named() -> None:
    encoder = EventEncoder(EventConfig(units=3, bin=1, steps=5))
    times, units = np.full(128, 2.5), np.ones(128, int)
    with pytest.raises(
        DataError, match="sample 0: input 1 has 128 spikes in step 2, allowed are 127"
    ):
        encoder.encode([(times, units)])
    assert encoder.encode([(times[1:], units[1:])])[2, 0, 1] == 127


def test_late_spikes_are_refused_or_cut(file: Path) -> None:
    with pytest.raises(DataError, match=r"sample \d+: spike \d+ at time .* after the last of"):
        next(task_of(section(file, steps=20)).batches("test", 4))
    cut = next(task_of(section(file, steps=20, longer="cut")).batches("test", 4)).inputs
    np.testing.assert_array_equal(cut, next(task_of(section(file)).batches("test", 4)).inputs[:20])


def test_speakers_are_held_out_as_a_whole(file: Path) -> None:
    task = task_of(section(file, groups="extra/speaker", test=["1"], validation=0.2))
    with h5py.File(file) as found:
        speaker = found["extra/speaker"][:]
    heard = {name: set(speaker[part.index]) for name, part in task._parts.items()}
    assert heard["test"] == {1}
    assert [len(heard[name]) for name in ("train", "validation")] == [2, 1]
    for fields, said in (
        ({"test": ["1", "2", "3"]}, "task.validation = 0.1 of whole groups, but only group '0' is"),
        ({"test": ["7"]}, "task.test names group '7'; there are 0, 1, 2, 3"),
        ({"test": ["1", "2"], "validation": ["0", "3"]}, "no samples are left to train on"),
    ):
        with pytest.raises(DataError, match=said):
            task_of(section(file, groups="extra/speaker", **fields))


def test_npz_files_give_the_same_task(file: Path, tmp_path: Path) -> None:
    with h5py.File(file) as found:
        times, units = list(found["spikes/times"]), list(found["spikes/units"])
        labels = found["labels"][:]
    np.savez(
        tmp_path / "list.npz", times=np.concatenate(times), units=np.concatenate(units),
        samples=np.repeat(np.arange(len(times)), list(map(len, times))), labels=labels,
    )  # fmt: skip
    encoder = EventEncoder(EventConfig(units=SHD_UNITS, bin=0.01, steps=40))
    dense = encoder.encode(list(zip(times, units, strict=True))).astype(np.uint8)
    np.savez(tmp_path / "dense.npz", spikes=dense.swapaxes(0, 1), labels=labels)
    first, listed, counted = (
        next(task_of(section(f, **more)).batches("test", 8))
        for f, more in (
            (file, {}), (tmp_path / "list.npz", {}), (tmp_path / "dense.npz", {"bin": 1.0})
        )
    )  # fmt: skip
    for other in (listed, counted):
        np.testing.assert_array_equal(first.inputs, other.inputs)
        np.testing.assert_array_equal(first.labels.target, other.labels.target)


def test_steps_of_spikes_have_labels_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    spikes = (rng.random((20, 12, 6)) < 0.3).astype(np.uint8)
    labels = rng.integers(3, size=(20, 12))
    np.savez(tmp_path / "s.npz", spikes=spikes, labels=labels)
    task = task_of(section(tmp_path / "s.npz", units=6, bin=1, steps=12, decision="step"))
    found = next(task.batches("test", 50)).labels.target
    np.testing.assert_array_equal(found, labels[task._parts["test"].index].ravel())


# --- broken files


def broken(file: Path, change: Callable[[h5py.File], None]) -> Path:
    shd(file)
    with h5py.File(file, "r+") as out:
        change(out)
    return file


def put(name: str, sample: int, values: list[float]) -> Callable[[h5py.File], None]:
    def change(out: h5py.File) -> None:
        other = "spikes/units" if name == "spikes/times" else "spikes/times"
        out[name][sample] = np.array(values, out[name].dtype.metadata["vlen"])
        out[other][sample] = np.zeros(len(values), out[other].dtype.metadata["vlen"])

    return change


def replaced(name: str, **how: Any) -> Callable[[h5py.File], None]:
    def change(out: h5py.File) -> None:
        del out[name]
        if how:
            out.create_dataset(name, **how)

    return change


def read_all(task: Any) -> None:
    for name in ("test", "validation"):
        list(task.batches(name, 80))
    for seed in range(20):
        task.train_batch(20, np.random.default_rng(seed))


UNREADABLE = {
    "unit 700 of 700": (put("spikes/units", 5, [1, 700]), "spike 1 has unit 700, allowed are 0 to 699"),
    "negative time": (put("spikes/times", 5, [0.1, -0.1]), "spike 1 has time -0.1"),
    "NaN": (put("spikes/times", 5, [0.1, np.nan]), "spike 1 has time nan"),
    "infinity": (put("spikes/times", 5, [np.inf]), "spike 0 has time inf"),
    "a time without unit": (
        lambda out: out["spikes/times"].__setitem__(5, np.zeros(3, np.float32)), "3 times and "
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_wrong_spike_is_named_by_file_sample_and_index(what: str, tmp_path: Path) -> None:
    change, said = UNREADABLE[what]
    task = task_of(section(broken(tmp_path / "s.h5", change)))
    with pytest.raises(DataError, match=f"s.h5, sample 5: {said}"):
        read_all(task)


UNUSABLE = {
    "missing label": (replaced("labels", data=np.zeros(79, int)), "80, 80, 79 samples.*a label is missing"),
    "no labels": (replaced("labels"), "holds no array 'labels'"),
    "no spikes": (replaced("spikes/times"), "holds no array 'spikes/times'"),
    "no samples": (
        lambda out: [
            change(out) for change in (
                replaced("spikes/times", shape=(0,), dtype=h5py.vlen_dtype("f4")),
                replaced("spikes/units", shape=(0,), dtype=h5py.vlen_dtype("u2")),
                replaced("labels", data=np.zeros(0, int)),
            )
        ],
        "0, 0, 0 samples",
    ),
    "dense spikes": (replaced("spikes/times", data=np.zeros((80, 3))), "expected an array of numbers"),
    "a class too many": (replaced("labels", data=np.arange(80)), "sample 20: its label is 20"),
    "a link elsewhere": (
        lambda out: [
            replaced("labels")(out), out.__setitem__("labels", h5py.ExternalLink("other.h5", "labels"))
        ],
        "labels is a link",
    ),
    "data in another file": (
        replaced("labels", shape=(80,), dtype="u1", external=[("raw.bin", 0, 80)]),
        "lies in other files",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", UNUSABLE)
def test_a_file_that_can_not_be_used_is_named_at_once(what: str, tmp_path: Path) -> None:
    change, said = UNUSABLE[what]
    with pytest.raises(DataError, match=f"s.h5.*{said}"):
        task_of(section(broken(tmp_path / "s.h5", change)))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("s.h5", b"", "is empty"), ("s.h5", b"nonsense", "can't be read as HDF5"),
        ("s.npz", b"nonsense", "can't be read as .npz"), ("s.h5.gz", b"1", "unpack it"),
    ],
)  # fmt: skip
def test_a_broken_file_is_named(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name}: .*{said}"):
        task_of(section(tmp_path / name))


def test_events_of_a_list_stand_in_the_order_of_their_samples(tmp_path: Path) -> None:
    for samples, said in (([0, 1, 0], r"samples\[2\] is 0"), ([0, 1, 4], r"samples\[2\] is 4")):
        np.savez(
            tmp_path / "s.npz",
            times=[0, 1, 2],
            units=[0, 0, 0],
            samples=samples,
            labels=[0, 1, 0, 1],
        )
        with pytest.raises(DataError, match=f"s.npz: {said}"):
            task_of(section(tmp_path / "s.npz"))


# --- data sets in memory


class Recordings:
    """Events as tonic gives them: structured arrays, with time in microseconds; and a label."""

    def __init__(self, n: int, **more: int):
        self.n, self.more = n, more

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> tuple[Any, int]:
        rng = np.random.default_rng(index)
        names = [("t", "i8"), ("x", "i2"), *((name, "i2") for name in self.more)]
        events = np.zeros(50, names)
        events["t"] = np.sort(rng.integers(40_000, size=50))
        events["x"] = rng.integers(10, size=50) + 10 * (index % 2)
        for name, many in self.more.items():
            events[name] = np.arange(50) % many
        return events, index % 2


def test_a_data_set_of_events_is_a_task(tmp_path: Path) -> None:
    fields = section(tmp_path, units=20, bin=1000, steps=40)
    task = task_of(fields, train=Recordings(30, p=1), test=Recordings(10))
    assert (task.n_inputs, task.n_outputs, task.n_samples("test")) == (20, 2, 10)
    assert next(task.batches("test", 1)).inputs.astype(int).sum() == 50
    with pytest.raises(DataError, match="sample 0: its events have a field 'y' of several values"):
        task_of(fields, train=Recordings(30, y=3))
    with pytest.raises(DataError, match="without data to train on"):
        task_of(fields, test=Recordings(30))


# --- large files

READER = """
import sys
from pathlib import Path
import numpy as np
from lsnn_neuro.recipe import parse_recipe
from lsnn_neuro.tasks import make_task
sys.path.insert(0, "tests")
from data_files import task_of

task = task_of(eval(sys.argv[1]))
rng = np.random.default_rng(0)
for _ in range(5):
    task.train_batch(32, rng)
n = sum(b.size for s in ("validation", "test") for b in task.batches(s, 32))
peak = Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
print(n, peak)
"""
GIB = 2**30


def peak_of(fields: dict[str, Any]) -> tuple[int, int]:
    """Samples that were read, and the peak of memory in bytes.

    Not what getrusage says: a child's peak begins with the memory of the process that started it.
    """
    done = subprocess.run(
        [sys.executable, "-c", READER, repr(fields)], cwd=ROOT, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    n, peak = map(int, done.stdout.split())
    return n, peak * 1024


def stored(file: Path, n: int, values: np.ndarray) -> None:
    """An uncompressed NPZ file of n samples, written one after the other: it is larger than memory may be."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        with archive.open("inputs.npy", "w", force_zip64=True) as out:
            header = {
                "descr": values.dtype.str,
                "fortran_order": False,
                "shape": (n, *values.shape),
            }
            np.lib.format.write_array_header_1_0(out, header)
            for _ in range(n):
                out.write(values.tobytes())
        with archive.open("labels.npy", "w") as out:
            np.lib.format.write_array(out, np.arange(n) % 3)


@pytest.mark.slow
def test_spikes_of_2_gb_are_read_within_1_gb_of_memory(tmp_path: Path) -> None:
    file, n, each = tmp_path / "large.h5", 400, 900_000  # 6 bytes a spike
    rng = np.random.default_rng(0)
    with h5py.File(file, "w") as out:
        times = out.create_dataset("spikes/times", (n,), h5py.vlen_dtype(np.float32))
        units = out.create_dataset("spikes/units", (n,), h5py.vlen_dtype(np.uint16))
        t = np.sort(rng.random(each, np.float32))
        u = rng.integers(700, size=each).astype(np.uint16)
        for i in range(n):
            times[i], units[i] = t, u
        out["labels"] = np.arange(n) % 20
    assert file.stat().st_size > 2 * 10**9
    n_read, peak = peak_of(section(file, bin=0.001, steps=1000, several="count"))
    file.unlink()
    assert n_read == 120
    assert peak < GIB


@pytest.mark.slow
@pytest.mark.parametrize(
    "coding", [{"name": "level"}, {"name": "poisson"}], ids=lambda c: c["name"]
)
def test_signals_of_2_gb_are_read_within_1_gb_of_memory(
    coding: dict[str, Any], tmp_path: Path
) -> None:
    file, n = tmp_path / "large.npz", 2100
    values = np.random.default_rng(0).normal(size=(1000, 125)).astype(np.float64)
    stored(file, n, values)
    assert file.stat().st_size > 2 * 10**9
    fields = {
        "name": "arrays",
        "data": str(file),
        "encoder": coding,
        "test": 0.05,
        "validation": 0.05,
    }
    n_read, peak = peak_of(fields)
    file.unlink()
    assert n_read == 210
    assert peak < GIB
