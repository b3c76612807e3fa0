"""Score anything that turns input spikes into a readout on a task's held-out samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro.tasks.base import Split, Task
from lsnn_neuro.tasks.score import Score, join_scores

if TYPE_CHECKING:
    import torch

Run = Callable[[npt.NDArray[np.bool_]], npt.NDArray[Any]]
"""Input spikes (time, sample, input) -> readout (time, sample, output)."""


def evaluate(
    task: Task, split: Split, run: Run, *, batch_size: int, limit: int | None = None
) -> Score:
    """Run the first ``limit`` samples of a split (None: all) and score them."""
    return join_scores(
        batch.labels.score(run(batch.inputs)) for batch in task.batches(split, batch_size, limit)
    )


def float_runner(model: torch.nn.Module, device: torch.device) -> Run:
    """A torch network as something to evaluate."""
    import torch

    def run(inputs: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        with torch.no_grad():
            readout = model(torch.from_numpy(inputs).to(device)).readout
        array: npt.NDArray[Any] = readout.cpu().numpy()
        return array

    return run
