"""Small files and folders of data, as users have them, and where real ones may be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import savemat
from speech_folders import SHARED, tone, write_wav

from lsnn_neuro.recipe import parse_recipe
from lsnn_neuro.tasks import make_task

QTDB = SHARED / "qtdb"
needs_qtdb = pytest.mark.skipif(not QTDB.is_dir(), reason=f"no ECG in {QTDB}")

SHD_UNITS, SHD_CLASSES = 700, 20
SMALL = {
    "network": {"regular": 16, "adaptive": 8, "tau_a": 50.0, "input_connectivity": 0.3},
    "training": {"iterations": 2, "batch_size": 6, "validate_every": 2, "validation_samples": 4},
    "deep_r": {},
    "quantization": {},
}


def recipe(task: dict[str, Any]) -> dict[str, Any]:
    """A recipe of a small network that learns for a moment."""
    return {"name": "mine", "task": task, **SMALL}


def task_of(task: dict[str, Any], **data_sets: Any) -> Any:
    """The task that a recipe's section describes, with its data."""
    return make_task(parse_recipe(recipe(task), "mine.toml").task, **data_sets)


def shd(
    file: Path, n: int = 80, *, units: int = SHD_UNITS, classes: int = SHD_CLASSES, seed: int = 0
) -> Path:
    """An HDF5 file in SHD's layout: each class has units of its own; four speakers."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    with h5py.File(file, "w") as out:
        times = out.create_dataset("spikes/times", (n,), h5py.vlen_dtype(np.float32))
        fired = out.create_dataset("spikes/units", (n,), h5py.vlen_dtype(np.uint16))
        for i, label in enumerate(labels):
            k = int(rng.integers(60, 90))
            t = np.sort(rng.uniform(0, 0.39, k))
            times[i] = t.astype(np.float32)
            fired[i] = (
                (label * units // classes + rng.integers(units // 10, size=k)) % units
            ).astype("u2")
        out["labels"] = labels.astype(np.uint8)
        out["extra/speaker"] = ((np.arange(n) + np.arange(n) // classes) % 4).astype(np.uint8)
        out["extra/keys"] = np.array([f"word {i}" for i in range(classes)], "S8")
    return file


def words(folder: Path, names: Sequence[str] = ("left", "right"), n: int = 10) -> Path:
    """A folder of WAV files, a folder for each class, with tones of 150 to 250 ms."""
    for k, name in enumerate(names):
        for i in range(n):
            samples = tone(400 + 900 * k + 10 * i, 1200 + 80 * i, 8000)
            write_wav(folder / name / f"{('ann', 'bob', 'cas')[i % 3]}_{i}.wav", samples, 8000)
    return folder


def signals(file: Path, n: int = 40, *, each_step: bool = False, seed: int = 0) -> Path:
    """An NPZ file of two channels that rise and fall; the class is which one leads, or which is higher."""
    rng = np.random.default_rng(seed)
    leads = np.arange(n) % 2
    phase = np.arange(30) / 5 + rng.uniform(0, 6, (n, 1))
    shifted = phase - np.where(leads[:, None], 1, -1)
    values = np.stack([np.sin(phase), np.sin(shifted)], axis=2).astype(np.float32)
    labels = (values[..., 0] > values[..., 1]).astype(np.int64) if each_step else leads
    np.savez(file, inputs=values, labels=labels, person=np.arange(n) % 5)
    return file


def qtdb(folder: Path, n: int = 30, steps: int = 1301) -> Path:
    """MATLAB files laid out like the ECG's: classes follow from the channel that fired last."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, seed, many in (("train", 0, n), ("test", 1, n // 3)):
        rng = np.random.default_rng(seed)
        x = (rng.random((many, steps, 4)) < 0.08).astype(np.int16)
        x[:, -1, 0] = -1
        last = np.maximum.accumulate(np.where(x.any(axis=2), np.arange(steps), 0), axis=1)
        fired = np.take_along_axis(np.where(x.any(2), x.argmax(axis=2), 0), last, axis=1)
        y = (fired[..., None] == np.arange(6)).astype(np.uint8)
        y[:, 19:60] = 0
        savemat(folder / f"QTDB_{part}.mat", {"x": x, "y": y}, do_compression=True)
    return folder
