"""Score anything that turns input spikes into a readout on a task's held-out samples."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro.tasks.base import Batch, Split, Task, logits

if TYPE_CHECKING:
    import torch

Run = Callable[[npt.NDArray[np.bool_]], npt.NDArray[Any]]
"""Input spikes (time, sample, input) -> readout (time, sample, output)."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """Accuracy over all decisions of some samples, and the seconds it took to run them."""

    samples: int
    decisions: int
    correct: int
    seconds: float

    @property
    def accuracy(self) -> float:
        """Share of right decisions."""
        return self.correct / self.decisions


def evaluate(
    task: Task, split: Split, run: Run, *, batch_size: int, limit: int | None = None
) -> Score:
    """Run the first ``limit`` samples of a split (None: all) and count right decisions."""
    samples = decisions = correct = 0
    start = time.perf_counter()
    for batch in task.batches(split, batch_size, limit):
        correct += count_correct(batch, run(batch.inputs))
        samples += batch.size
        decisions += len(batch.decisions)
    seconds = time.perf_counter() - start
    return Score(samples=samples, decisions=decisions, correct=correct, seconds=seconds)


def count_correct(batch: Batch, readout: npt.NDArray[Any]) -> int:
    """Number of decisions of a batch that a readout gets right."""
    decided = logits(readout, batch.decisions).argmax(axis=1)
    return int(batch.decisions.right(decided).sum())


def float_runner(model: torch.nn.Module, device: torch.device) -> Run:
    """A torch network as something to evaluate."""
    import torch

    def run(inputs: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        with torch.no_grad():
            readout = model(torch.from_numpy(inputs).to(device)).readout
        array: npt.NDArray[Any] = readout.cpu().numpy()
        return array

    return run
