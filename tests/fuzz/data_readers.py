"""Readers of data: how small good files are made, and how they are read."""

from __future__ import annotations

import gzip
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from data_files import recipe, shd, signals
from random_graphs import random_graph
from scipy.io import savemat
from speech_folders import tone, utterance, write_labels, write_sphere, write_wav

from deploy.interchange.real_inputs import read_real
from deploy.recorded import _read
from deploy.recording import Recording, write_recording
from deploy.recording import read_recording as read_one_recording
from deploy.samples import read_inputs as read_events_of
from deploy.source import SourceRun
from lsnn_neuro.data.idx import idx_bytes
from lsnn_neuro.data.mnist import SHA256, load_images
from lsnn_neuro.data.speech import find_digits, find_phones, phone_of_frames, read_samples
from lsnn_neuro.recipe import parse_recipe
from lsnn_neuro.tasks import make_task

NETWORK = random_graph(3)


def rng() -> np.random.Generator:
    """The same numbers in every file."""
    return np.random.default_rng(0)


@lru_cache
def config(section: str) -> Any:
    """The section of a recipe, checked."""
    return parse_recipe(recipe(json.loads(section)), "mine.toml").task


def some(section: dict[str, Any]) -> None:
    """The task of a recipe's section, and samples of its splits."""
    made = make_task(config(json.dumps(section)))
    for split in ("test", "validation"):
        for batch in made.batches(split, 4, 4):
            assert len(batch.inputs)


# --- inputs and recordings ------------------------------------------------------------------------


def make_inputs(folder: Path) -> None:
    """Spikes in both forms."""
    spikes = rng().random((6, 2, NETWORK.n_inputs)) < 0.3
    np.save(folder / "a.npy", spikes.astype(np.int16))
    np.savez(folder / "b.npz", inputs=spikes)
    np.savez_compressed(folder / "c.npz", inputs=spikes.astype(np.float32))


def read_inputs(folder: Path) -> None:
    """As events, and as real numbers."""
    for file in sorted(folder.iterdir()):
        read_events_of(file, NETWORK)
        read_real(file)


def make_source(folder: Path) -> None:
    """What a framework did."""
    np.savez(
        folder / "s.npz", inputs=rng().random((5, 2, 3)), spikes_one=rng().random((5, 2, 4)) < 0.5,
        readout=rng().random((5, 2, 2)),
    )  # fmt: skip


def read_source(folder: Path) -> None:
    """Read it."""
    SourceRun.read(folder / "s.npz")


def make_recording(folder: Path) -> None:
    """What a chip did."""
    steps, samples = 5, 2
    recording = Recording(
        inputs=rng().random((steps, samples, 3)) < 0.5, chip="Loihi", run="first",
        spikes={"a": rng().random((steps, samples, 4)) < 0.5},
        states={("a", "v"): rng().integers(-9, 9, (steps, samples, 4))},
        readout=rng().integers(-9, 9, (steps, samples, 2)), labels=np.array([0, 1]), label_steps=(2, 5),
        resets={"a": (0, 2)},
    )  # fmt: skip
    write_recording(folder / "r.npz", recording)


def read_recording(folder: Path) -> None:
    """Read it, and as the target does."""
    read_one_recording(folder / "r.npz")
    _read(folder / "r.npz", 0)
    _read.cache_clear()


# --- events and arrays ----------------------------------------------------------------------------


def make_shd(folder: Path) -> None:
    """An HDF5 file."""
    shd(folder / "s.h5", n=8, units=20, classes=2)


def events(folder: Path, **fields: Any) -> dict[str, Any]:
    """The section of a task."""
    file = next(iter(sorted(folder.iterdir())))
    return {
        "name": "events",
        "data": str(file),
        "bin": 0.05,
        "steps": 8,
        "units": 20,
        "test": 0.25,
    } | fields


def read_shd(folder: Path) -> None:
    """With groups."""
    some(events(folder, groups="extra/speaker"))


def make_listed(folder: Path) -> None:
    """Spikes one after the other."""
    np.savez(
        folder / "s.npz", times=rng().uniform(0, 0.3, 80), units=rng().integers(0, 20, 80),
        samples=np.sort(rng().integers(0, 8, 80)), labels=np.arange(8) % 2,
    )  # fmt: skip


def make_dense(folder: Path) -> None:
    """Spikes in steps."""
    np.savez(
        folder / "s.npz", spikes=rng().integers(0, 2, (8, 6, 20)), labels=np.array(["a", "b"] * 4)
    )


def read_events(folder: Path) -> None:
    """Spikes one after the other."""
    some(events(folder))


def read_dense(folder: Path) -> None:
    """Spikes in steps."""
    some(events(folder, bin=1.0))


def make_arrays(folder: Path) -> None:
    """Signals."""
    signals(folder / "s.npz", n=8)


def make_mat(folder: Path) -> None:
    """The same for MATLAB."""
    file = folder / "s.mat"
    savemat(file, {"inputs": rng().random((8, 6, 2)), "labels": np.arange(8) % 2})
    data = file.read_bytes()
    file.write_bytes(b"MATLAB 5.0 MAT-file".ljust(116) + data[116:])  # without the time of day


def read_arrays(folder: Path) -> None:
    """With an encoder that learns its range."""
    file = next(iter(sorted(folder.iterdir())))
    coding = {"name": "level", "levels": 4}
    some({"name": "arrays", "data": str(file), "test": 0.25, "encoder": coding})


# --- sounds and images ----------------------------------------------------------------------------


def make_sounds(folder: Path) -> None:
    """A folder for each class."""
    for name, hertz in (("high", 900), ("low", 300)):
        for i in range(3):
            write_wav(folder / name / f"x_{i}.wav", tone(hertz, 240 + i, 8000), 8000)


def read_sounds(folder: Path, **fields: Any) -> None:
    """All of them."""
    some(
        {"name": "arrays", "data": str(folder), "test": 0.4, "validation": 0.2, "sound": {"rate": 8000},
         "encoder": {"name": "level", "levels": 4}} | fields
    )  # fmt: skip


def make_table(folder: Path) -> None:
    """A table of labels."""
    make_sounds(folder)
    rows = (f"{name}/x_{i}.wav,{name},p{i}" for name in ("high", "low") for i in range(3))
    (folder / "labels.csv").write_text("file,label,person\n" + "\n".join(rows) + "\n")


def read_table(folder: Path) -> None:
    """By it."""
    read_sounds(folder, labels="labels.csv", groups="person")


def make_phones(folder: Path) -> None:
    """A folder laid out like TIMIT."""
    for part in ("TRAIN", "TEST"):
        for i in range(2):
            utterance(folder / part / "DR1" / "MAAA0" / f"SX{i}.WAV", n=200)
    sphere = folder / "TRAIN" / "DR1" / "MAAA0" / "SX9.WAV"
    write_sphere(sphere, tone(900, 400, 16_000), 16_000)
    write_labels(sphere.with_suffix(".PHN"), [(0, 200, "h#"), (200, 400, "s")])


def read_phones(folder: Path) -> None:
    """The phone of every frame."""
    splits = find_phones(folder)
    for recording in (*splits.train, *splits.validation, *splits.test):
        n = len(read_samples(recording.file, 16_000))
        phone_of_frames(recording, n, n // 160, 160)


def make_digits(folder: Path) -> None:
    """A few digits."""
    for digit in range(2):
        for i in (0, 5, 6):
            write_wav(folder / "recordings" / f"{digit}_ann_{i}.wav", tone(400, 160, 8000), 8000)


def read_digits(folder: Path) -> None:
    """All of them."""
    splits = find_digits(folder)
    for recording in (*splits.train, *splits.validation, *splits.test):
        read_samples(recording.file, 8000)


def make_images(folder: Path) -> None:
    """Four files, two of them packed."""
    for name in SHA256:
        n = 4 if name.startswith("train") else 2
        labels = np.arange(n, dtype=np.uint8)
        array = labels if "labels" in name else rng().integers(0, 255, (n, 28, 28)).astype(np.uint8)
        if name.startswith("train"):
            (folder / name).write_bytes(idx_bytes(array))
        else:
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx_bytes(array), mtime=0))


def read_images(folder: Path) -> None:
    """All of them."""
    load_images(str(folder), 1)
