"""What a task is: spikes in, and labels that say what a network should answer.

NumPy only: a machine without torch can make the same batches and score a network's readout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from lsnn_neuro.errors import DataError
from lsnn_neuro.tasks.labels import FloatArray, IntArray, Labels

__all__ = ["Batch", "FloatArray", "IntArray", "Split", "Task"]

Split = Literal["validation", "test"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Input spikes of some samples, and their labels.

    - inputs: bool, shape (time, sample, input)
    - labels: they lie within ``inputs``
    """

    inputs: npt.NDArray[np.bool_]
    labels: Labels

    def __post_init__(self) -> None:
        """Check that the inputs are spikes and that the labels lie within them."""
        if self.inputs.dtype != np.bool_ or self.inputs.ndim != 3:
            raise DataError(
                f"batch: inputs are {self.inputs.dtype} of shape {self.inputs.shape}, "
                "expected bool of shape (time, sample, input)"
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


class Task(Protocol):
    """A source of batches, all of ``n_steps`` steps and ``n_inputs`` inputs."""

    name: str
    n_inputs: int
    n_outputs: int
    n_steps: int

    def train_batch(self, size: int, rng: np.random.Generator) -> Batch:
        """``size`` training samples drawn at random by ``rng``, which is all the state there is."""

    def batches(self, split: Split, size: int, limit: int | None = None) -> Iterator[Batch]:
        """The first ``limit`` samples of a split (None: all), ``size`` at a time, always the same.

        The last batch may be smaller.
        """

    def n_samples(self, split: Split) -> int:
        """Number of samples in a split."""


def check_size(size: int) -> None:
    """Refuse a batch of less than one sample."""
    if size < 1:
        raise DataError(f"a batch of {size} samples; must be at least 1")


def check_split(split: str) -> None:
    """Refuse what is no held-out split."""
    if split not in ("validation", "test"):
        raise DataError(f"split {split!r}: allowed are 'validation' and 'test'")


def sample_ranges(n_samples: int, size: int, limit: int | None) -> Iterator[range]:
    """The samples of each batch: the first ``limit`` of a split, ``size`` at a time."""
    if size < 1 or (limit is not None and limit < 1):
        raise DataError(f"batches of {size} samples, limit {limit}: both must be at least 1")
    end = n_samples if limit is None else min(limit, n_samples)
    for first in range(0, end, size):
        yield range(first, min(first + size, end))
