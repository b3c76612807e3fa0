"""What training makes small: the loss of a batch, and how well the network does on held-out data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lsnn_neuro.evaluation import Score, evaluate, float_runner
from lsnn_neuro.network.module import NetworkOutput
from lsnn_neuro.sections import TrainingConfig
from lsnn_neuro.tasks.base import Asked, Decisions, Task, Transcripts


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
    """Cross-entropy of decisions, squared error of estimates, likelihood of transcripts."""

    def __init__(self, task: Task, config: TrainingConfig, device: torch.device):
        """Learn a task on a device."""
        self.task, self.config, self.device = task, config, device

    def loss(self, model: nn.Module, rng: np.random.Generator) -> Loss:
        """The loss of a batch."""
        batch = self.task.train_batch(self.config.batch_size, rng)
        output = model(torch.from_numpy(batch.inputs).to(self.device))
        asked = batch.decisions
        answers = window_means(output.readout, asked)
        if isinstance(asked, Transcripts):
            return Loss(
                value=transcript_loss(self.config.logit_scale * answers, asked), output=output
            )
        if isinstance(asked, Decisions):
            target = torch.from_numpy(asked.target.copy()).to(self.device)
            value = nn.functional.cross_entropy(self.config.logit_scale * answers, target)
            right = asked.right(answers.argmax(1).cpu().numpy())
            return Loss(value=value, output=output, metrics={"accuracy": float(right.mean())})
        if asked.sigmoid:
            judged, hints = answers.tensor_split([asked.target.shape[1]], dim=1)
            answers = torch.cat([torch.sigmoid(4 * judged - 2), hints], dim=1)
        lesson = torch.from_numpy(asked.lesson().copy()).to(self.device, answers.dtype)
        return Loss(value=nn.functional.mse_loss(answers, lesson), output=output)

    def validate(self, model: nn.Module) -> Score:
        """Score on the first samples of the validation split."""
        return evaluate(
            self.task, "validation", float_runner(model, self.device),
            batch_size=self.config.batch_size, limit=self.config.validation_samples,
        )  # fmt: skip

    def state(self) -> Mapping[str, npt.NDArray[Any]]:
        """Nothing: every iteration has a batch of its own."""
        return {}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Nothing to go back to."""


def transcript_loss(answers: Tensor, asked: Transcripts) -> Tensor:
    """Connectionist temporal classification: minus the log-likelihood of the right sequences, per label.

    - answers: logits of each window, (decision, output); the last output is the blank

    Source: Graves et al. 2006, "Connectionist temporal classification", as torch computes it.
    """
    counts = np.bincount(asked.sample, minlength=len(asked.labels))
    log_p = torch.split(nn.functional.log_softmax(answers, dim=1), counts.tolist())
    labels = torch.from_numpy(np.concatenate([np.zeros(0, np.int64), *asked.labels]))
    return nn.functional.ctc_loss(
        nn.utils.rnn.pad_sequence(list(log_p)),  # (window, sample, output)
        labels.to(answers.device),
        torch.from_numpy(counts),
        torch.tensor([len(one) for one in asked.labels]),
        blank=answers.shape[1] - 1,
        zero_infinity=True,  # more labels than windows
    )


def window_means(readout: Tensor, asked: Asked) -> Tensor:
    """Mean readout over each window, shape (decision, output); differentiable."""
    _, n_samples, n_outputs = readout.shape
    rows = readout.reshape(-1, n_outputs)  # (step and sample, output)
    lengths = asked.stop - asked.start
    means = readout.new_zeros(len(asked), n_outputs)
    for length in np.unique(lengths):  # few, where the windows of speech are hundreds
        here = np.flatnonzero(lengths == length)
        steps = asked.start[here] + np.arange(length)[:, None]  # (step, decision)
        at = torch.from_numpy(steps * n_samples + asked.sample[here]).to(readout.device)
        windows = rows.index_select(0, at.ravel()).reshape(*at.shape, n_outputs)
        decisions = torch.from_numpy(here).to(readout.device)
        means = means.index_copy(0, decisions, windows.mean(dim=0))
    if isinstance(asked, Decisions) and asked.group is not None:
        group = torch.from_numpy(asked.group.copy()).to(readout.device)
        return means.new_zeros(len(asked.target), n_outputs).index_add(0, group, means)
    return means
