"""Tasks whose samples are generated at random, as many as are needed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from pydantic import Field

from lsnn_neuro.section import Section
from lsnn_neuro.tasks.task import (
    Batch,
    Split,
    SupervisedTask,
    check_batch_size,
    check_split,
    sample_ranges,
)

_SPLIT_KEY = {"train": 0, "validation": 1, "test": 2}


class HeldOutConfig(Section):
    """How many held-out samples there are, and where they come from."""

    validation: int = Field(512, ge=1, le=1_000_000, description="samples for validation")
    test: int = Field(1024, ge=1, le=1_000_000, description="samples for the test")
    seed: int = Field(0, ge=0, description="seed of the validation and test samples")


Config = TypeVar("Config", bound=HeldOutConfig)


class HeldOut(Generic[Config]):
    """Held-out samples, each with a seed of its own: it depends neither on the others nor on their number."""

    config: Config

    def n_samples(self, split: Split) -> int:
        """Number of samples in a split."""
        check_split(split)
        return self.config.validation if split == "validation" else self.config.test

    def seed_of(self, split: Literal["train"] | Split, sample: int) -> tuple[int, int, int]:
        """The seed of a sample."""
        return self.config.seed, _SPLIT_KEY[split], int(sample)


class GeneratedTask(HeldOut[Config], SupervisedTask):
    """A task that draws its batches at random; its held-out samples are batches of one, put side by side."""

    def train_batch(self, batch_size: int, rng: np.random.Generator) -> Batch:
        """``batch_size`` new samples."""
        check_batch_size(batch_size)
        return self.new_batch(batch_size, rng)

    @abstractmethod
    def new_batch(self, batch_size: int, rng: np.random.Generator) -> Batch:
        """Draw new samples; all that is random comes from ``rng``."""

    def batches(
        self, split: Split, batch_size: int, max_samples: int | None = None
    ) -> Iterator[Batch]:
        """The first ``max_samples`` samples of a split (None: all), ``batch_size`` at a time."""
        for samples in sample_ranges(self.n_samples(split), batch_size, max_samples):
            seeds = (self.seed_of(split, sample) for sample in samples)
            yield side_by_side([self.new_batch(1, np.random.default_rng(seed)) for seed in seeds])


def side_by_side(batches: Sequence[Batch]) -> Batch:
    """The samples of several batches in one; all have labels of one kind."""
    labels: list[Any] = [batch.labels for batch in batches]
    return Batch(
        inputs=np.concatenate([batch.inputs for batch in batches], axis=1),
        labels=type(labels[0]).side_by_side(labels, [batch.size for batch in batches]),
    )
