"""Score a network on its task, in float or on a target: one way for samples and for episodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from deploy.emulated import EmulatorTarget
from deploy.targets import Target
from lsnn_neuro.closed_loop import episodes_score, random_walk
from lsnn_neuro.evaluation import Run, evaluate, float_runner
from lsnn_neuro.tasks.base import Split
from lsnn_neuro.tasks.navigation import Navigation
from lsnn_neuro.tasks.score import Score
from quantize.network import QuantizedNetwork
from results.episodes import float_session, played, target_session

BATCH = 250


def float_score(
    task: Any, network: nn.Module, split: Split, *, size: int = BATCH, limit: int | None = None
) -> Score:
    """Of a float network on the first ``limit`` samples of a split (None: all), ``size`` at a time."""
    if isinstance(task, Navigation):
        return episodes_score(played(task, split, float_session(network), size=size, limit=limit))
    run = float_runner(network, torch.device("cpu"))
    return evaluate(task, split, run, batch_size=size, limit=limit)


def integer_score(
    task: Any, quantized: QuantizedNetwork, target: Target, split: Split,
    *, size: int = BATCH, limit: int | None = None,
) -> Score:  # fmt: skip
    """The same of an integer network on a target."""
    if isinstance(task, Navigation):
        session = target_session(task, quantized, target)
        return episodes_score(played(task, split, session, size=size, limit=limit))
    run = target_runner(quantized, target)
    return evaluate(task, split, run, batch_size=size, limit=limit)


def walk_score(task: Navigation, split: Split, limit: int | None = None) -> Score:
    """Of an agent that walks at random."""
    n = task.n_samples(split)
    return episodes_score([random_walk(task, task.chances(split, range(min(limit or n, n))))])


def target_runner(quantized: QuantizedNetwork, target: Target) -> Run:
    """A target as something to evaluate; the emulator leaves out the spikes, not needed for scoring."""
    if isinstance(target, EmulatorTarget):
        target = EmulatorTarget(spikes=False)

    def run(inputs: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        return quantized.to_float(target.run(quantized, inputs).readout)

    return run
