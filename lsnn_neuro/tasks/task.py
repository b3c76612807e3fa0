"""The interface of a task: input spikes, and labels that say what a network should answer.

NumPy only: a machine without torch can make the same batches and score a network's readout.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from lsnn_neuro.arrays import Events
from lsnn_neuro.errors import DataError
from lsnn_neuro.section import Section
from lsnn_neuro.tasks.encoder import Encoder, EncoderConstants
from lsnn_neuro.tasks.labels import FloatArray, IntArray, Labels
from lsnn_neuro.tasks.score import Score

if TYPE_CHECKING:
    from lsnn_neuro.player import Player

__all__ = ["Batch", "FloatArray", "IntArray", "Split", "SupervisedTask", "Task", "Trials"]

Split = Literal["validation", "test"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Inputs of some samples, and their labels.

    - inputs: bool spikes or int8 graded events, shape (time, sample, input)
    - labels: they lie within ``inputs``
    """

    inputs: Events
    labels: Labels

    def __post_init__(self) -> None:
        """Check that the inputs are events and that the labels lie within them."""
        if self.inputs.dtype not in (np.bool_, np.int8) or self.inputs.ndim != 3:
            raise DataError(
                f"batch: inputs are {self.inputs.dtype} of shape {self.inputs.shape}, "
                "expected bool or int8 of shape (time, sample, input)"
            )
        self.labels.check_within(self.n_steps, self.size)

    @property
    def n_steps(self) -> int:
        """Number of time steps."""
        return self.inputs.shape[0]

    @property
    def size(self) -> int:
        """Number of samples."""
        return self.inputs.shape[1]


@dataclass(frozen=True, kw_only=True, eq=False)
class Trials:
    """Some samples or episodes that a network has gone through, and how well it did.

    - inputs: (time, sample, input); labels: None where the task judges by other means
    - record: of everything that happened, where the player keeps one
    """

    inputs: Events
    readout: npt.NDArray[Any]
    score: Score
    labels: Labels | None = None
    record: Any = None


class Task(ABC):
    """Something for a network of ``n_inputs`` inputs and ``n_outputs`` outputs to do in ``n_steps`` steps.

    It is made of its ``Config``, the section task of a recipe.

    - closed_loop: whether what the network does decides its next inputs; if not, the task is a
      :class:`SupervisedTask`
    - class_names: what each output stands for, where outputs are classes that have names
    - encoder: how raw data become inputs; None where the task makes its inputs itself
    - splits: how its data are split, in words, where they are a user's
    """

    name: str
    Config: ClassVar[type[Section]]
    closed_loop: ClassVar[bool] = False
    n_inputs: int
    n_outputs: int
    n_steps: int
    class_names: tuple[str, ...] = ()
    encoder: Encoder | None = None
    splits: str = ""

    @abstractmethod
    def n_samples(self, split: Split) -> int:
        """Number of samples, or episodes, in a split."""

    @abstractmethod
    def trials(
        self, split: Split, player: Player, *, batch_size: int, max_samples: int | None = None
    ) -> Iterator[Trials]:
        """Let a network go through the first ``max_samples`` samples of a split (None: all).

        ``batch_size`` at a time, always the same; the last batch may be smaller.
        """

    def baselines(self, split: Split, max_samples: int | None = None) -> Mapping[str, Score]:
        """Scores of agents that have learnt nothing, by name; none where chance level is obvious."""
        return {}

    def curves(self, players: Mapping[str, Player]) -> Mapping[str, list[float]]:
        """What a model's card shows as curves, by name, of some players on the test split; nothing."""
        return {}

    def relabelled(self, class_names: tuple[str, ...]) -> Task:
        """The task with the classes that a network was trained on; DataError where they are others.

        A task whose classes come from the data puts them in the network's order.
        """
        if self.class_names and self.class_names != class_names:
            raise DataError(
                f"task {self.name!r}: the data's classes are {', '.join(self.class_names)}, the network was "
                f"trained on {', '.join(class_names)}"
            )
        return self

    def recoded(self, encoder: EncoderConstants) -> Task:
        """The task with what a network's encoder learnt in training, which these data would make otherwise.

        A task whose encoder learns from its data overrides this. It keeps its own encoder where its settings
        ask for another coding, as they may where a user names it for a network of another task.
        """
        raise DataError(
            f"task {self.name!r}: these data give its encoder {encoder.name!r} other constants than the "
            "network was trained with, and it does not take those; its class must have a method recoded"
        )


class SupervisedTask(Task):
    """A source of batches with labels."""

    @abstractmethod
    def train_batch(self, batch_size: int, rng: np.random.Generator) -> Batch:
        """``batch_size`` training samples drawn at random by ``rng``, which is all the state there is."""

    @abstractmethod
    def batches(
        self, split: Split, batch_size: int, max_samples: int | None = None
    ) -> Iterator[Batch]:
        """The first ``max_samples`` samples of a split (None: all), ``batch_size`` at a time.

        They are always the same; the last batch may be smaller.
        """

    def trials(
        self, split: Split, player: Player, *, batch_size: int, max_samples: int | None = None
    ) -> Iterator[Trials]:
        """Let a network go through the first samples of a split; see :class:`Task`."""
        for batch in self.batches(split, batch_size, max_samples):
            readout = player.run(batch.inputs)
            yield Trials(
                inputs=batch.inputs, readout=readout, labels=batch.labels,
                score=batch.labels.score(readout),
            )  # fmt: skip


def check_batch_size(batch_size: int) -> None:
    """Refuse a batch of less than one sample."""
    if batch_size < 1:
        raise DataError(f"a batch of {batch_size} samples; must be at least 1")


def check_split(split: str) -> None:
    """Refuse what is no held-out split."""
    if split not in ("validation", "test"):
        raise DataError(f"split {split!r}: allowed are 'validation' and 'test'")


def sample_ranges(n_samples: int, batch_size: int, max_samples: int | None) -> Iterator[range]:
    """The samples of each batch: the first ``max_samples`` of a split, ``batch_size`` at a time."""
    if batch_size < 1 or (max_samples is not None and max_samples < 1):
        raise DataError(
            f"batch_size is {batch_size} and max_samples {max_samples}; both must be at least 1"
        )
    end = n_samples if max_samples is None else min(max_samples, n_samples)
    for first in range(0, end, batch_size):
        yield range(first, min(first + batch_size, end))
