"""MNIST a row at a time, as the recipe ``smnist-rows`` gives it to its network, for other frameworks.

    PYTHONPATH=. python tests/interchange/digits.py FILE

writes an NPZ: ``train_inputs``, ``validation_inputs`` and ``test_inputs`` (time, sample, input),
``train_labels`` and so on (sample,), and ``window``: the steps at the end whose readout decides.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lsnn_neuro.recipe import load_recipe
from lsnn_neuro.tasks.sequential_mnist import SequentialMNIST
from lsnn_neuro.tasks.task import Batch

RECIPE = "smnist-rows"
TRAIN = 14_000
"""Drawn from 3500 digits, and moved by a pixel as the recipe says."""


def write(file: Path) -> None:
    """Write training digits, and all validation and test digits in order."""
    task = SequentialMNIST(load_recipe(RECIPE).task)
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    splits: dict[str, Batch] = {
        "train": task.train_batch(TRAIN, np.random.default_rng(0)),
        **{s: next(task.batches(s, task.n_samples(s))) for s in ("validation", "test")},
    }
    for split, batch in splits.items():
        arrays[f"{split}_inputs"] = batch.inputs.astype(np.uint8)
        arrays[f"{split}_labels"] = batch.labels.target
    np.savez_compressed(file, window=task.config.decision_steps, **arrays)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
