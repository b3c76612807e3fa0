"""Training objectives: the loss of a batch, and how well the network does on held-out data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lsnn_neuro.evaluation import evaluate
from lsnn_neuro.network.module import NetworkOutput
from lsnn_neuro.player import FloatPlayer
from lsnn_neuro.tasks.score import Score
from lsnn_neuro.tasks.task import SupervisedTask
from lsnn_neuro.training.config import TrainingConfig


@dataclass(frozen=True, kw_only=True, eq=False)
class Loss:
    """The loss of one iteration.

    - value: differentiable
    - output: what the network gave, for the cost of its firing rates
    - metrics: more to log
    """

    value: Tensor
    output: NetworkOutput
    metrics: dict[str, float] = field(default_factory=dict)


class Objective(Protocol):
    """A way to train a network."""

    def loss(self, model: nn.Module, rng: np.random.Generator) -> Loss:
        """Run the model on new samples drawn by ``rng`` and judge it."""

    def validate(self, model: nn.Module) -> Score:
        """How well the model does on the validation split."""

    def state(self) -> Mapping[str, npt.NDArray[Any]]:
        """What a run that is resumed between two iterations needs to go on exactly."""

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go back to a state."""


class Supervised:
    """The loss of a task's labels."""

    def __init__(self, task: SupervisedTask, config: TrainingConfig, device: torch.device):
        """Learn a task on a device."""
        self.task, self.config, self.device = task, config, device

    def loss(self, model: nn.Module, rng: np.random.Generator) -> Loss:
        """The loss of a batch."""
        batch = self.task.train_batch(self.config.batch_size, rng)
        output = model(torch.from_numpy(batch.inputs).to(self.device))
        value, metrics = batch.labels.loss(output.readout, scale=self.config.logit_scale)
        return Loss(value=value, output=output, metrics=metrics)

    def validate(self, model: nn.Module) -> Score:
        """Score on the first samples of the validation split."""
        return evaluate(
            self.task, FloatPlayer(model, self.device), "validation",
            batch_size=self.config.batch_size, max_samples=self.config.validation_samples,
        )  # fmt: skip

    def state(self) -> Mapping[str, npt.NDArray[Any]]:
        """Nothing: every iteration has a batch of its own."""
        return {}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Nothing to go back to."""
