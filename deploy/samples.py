"""Inputs to run a network on: a task's test samples, a file's, or random ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from deploy.emulated import Emulator
from deploy.player import TargetPlayer
from lsnn_neuro.arrays import EVENT_MAX, EVENT_MIN, Events, as_events
from lsnn_neuro.bounded import in_a_line
from lsnn_neuro.data.npz import is_npz, open_npz, read_npy
from lsnn_neuro.errors import DataError, RecipeError
from lsnn_neuro.tasks.labels import Labels
from lsnn_neuro.tasks.task import Split, SupervisedTask, Task
from quantize.network import QuantizedNetwork
from quantize.record import SpikeRecord

SAMPLES = 16
"""Samples that are exported or compared where nothing says how many."""
RANDOM = "random"
"""What users give for a file of inputs to have them drawn."""
RANDOM_SAMPLES, RANDOM_STEPS = 16, 200
LARGEST = 2**31
"""Bytes of inputs that are read from a file, at most."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """Some inputs, (time, sample, input), and what is known of them.

    - labels: of a task; record: what the emulator did with them, where that is known already
    """

    inputs: Events
    labels: Labels | None = None
    record: SpikeRecord | None = None


def samples_of(
    task: Task, network: QuantizedNetwork, *, batch_size: int, max_samples: int, split: Split = "test"
) -> Iterator[Samples]:  # fmt: skip
    """The first samples of a split, ``batch_size`` at a time.

    In a closed loop a network's inputs depend on what it does: then the network itself plays the task on the
    emulator, which leaves its record.
    """
    if not task.closed_loop:
        for batch in cast(SupervisedTask, task).batches(split, batch_size, max_samples):
            yield Samples(inputs=batch.inputs, labels=batch.labels)
        return
    player = TargetPlayer(network, Emulator(), records=True)
    for trials in task.trials(split, player, batch_size=batch_size, max_samples=max_samples):
        yield Samples(inputs=trials.inputs, labels=trials.labels, record=trials.record)


def batches_of(samples: Samples, batch_size: int) -> Iterator[Samples]:
    """Inputs without labels, ``batch_size`` at a time."""
    for first in range(0, samples.inputs.shape[1], batch_size):
        yield Samples(inputs=samples.inputs[:, first : first + batch_size])


def named_inputs(text: str, network: QuantizedNetwork, seed: int = 0) -> Events:
    """Inputs that a user names: a file, or "random"."""
    return random_inputs(network, seed=seed) if text == RANDOM else read_inputs(Path(text), network)


def random_inputs(
    network: QuantizedNetwork, *, n_steps: int = RANDOM_STEPS, n_samples: int = RANDOM_SAMPLES, seed: int = 0
) -> Events:  # fmt: skip
    """Spikes at random, each sample with a probability of its own, from 1 % to 50 % a step."""
    rng = np.random.default_rng(seed)
    probability = np.geomspace(0.01, 0.5, n_samples)[:, None]
    return rng.random((n_steps, n_samples, network.n_inputs), np.float32) < probability


def read_inputs(file: Path, network: QuantizedNetwork) -> Events:
    """Inputs from an ``.npy`` file, or from the array ``inputs`` of an ``.npz`` file.

    - returns: bool or int8, (time, sample, input); zeros and ones of any type are spikes. DataError names the
      file, and what is wrong with it
    """
    array = read_array(file, "inputs")
    if array.ndim != 3 or array.shape[2] != network.n_inputs or 0 in array.shape:
        raise DataError(
            f"{file}: inputs of shape {array.shape}, expected (time, sample, {network.n_inputs}), none of "
            "them 0"
        )
    if array.dtype in (np.bool_, np.int8):
        known: Events = array
        return known
    if array.dtype.kind not in "iuf":
        raise DataError(f"{file}: inputs are {array.dtype}, expected numbers")
    wrong = ~np.isfinite(array) if array.dtype.kind == "f" else np.zeros(array.shape, np.bool_)
    wrong |= (array != np.round(array)) | (array < EVENT_MIN) | (array > EVENT_MAX)
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise DataError(
            f"{file}: inputs[{', '.join(map(str, at))}] is {array[at]}, expected whole numbers, {EVENT_MIN} "
            f"to {EVENT_MAX}"
        )
    return as_events(array)


def check_size(file: Path, size: int) -> None:
    """Refuse more bytes of inputs than are read."""
    if size > LARGEST:
        raise DataError(
            f"{file}: {size} bytes; inputs are read up to {LARGEST}, give fewer samples"
        )


def read_array(file: Path, name: str) -> npt.NDArray[Any]:
    """The array in an ``.npy`` file, or the one of a name in an ``.npz`` file; DataError if it has none."""
    if not file.is_file():
        raise DataError(f"{file}: no such file of inputs; give an .npy or .npz file, or {RANDOM!r}")
    check_size(file, file.stat().st_size)
    if not is_npz(file):
        return read_npy(file)
    with open_npz(file, most=LARGEST) as found:
        if name not in found.names:
            only = in_a_line(", ".join(found.names))
            raise DataError(f"{file}: holds no array {name!r}, only {only}")
        check_size(file, found.size(name))
        return found.whole(name)


def array_names(file: Path) -> list[str]:
    """The names of the arrays in an ``.npz`` file; none of an ``.npy`` file."""
    if not is_npz(file):
        return []
    with open_npz(file) as found:
        return found.names


def check_samples(task: Task, split: Split, max_samples: int | None) -> None:
    """Refuse more samples than there are."""
    if max_samples is not None and max_samples > task.n_samples(split):
        raise RecipeError(
            f"--samples {max_samples}: the {split} split of task {task.name!r} has {task.n_samples(split)}"
        )
