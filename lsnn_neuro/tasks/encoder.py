"""What an artifact keeps of a task so that it can encode new raw data by itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from lsnn_neuro.arrays import Events

Arrays = Mapping[str, npt.NDArray[Any]]


class Encoder(ABC):
    """From raw data to a network's inputs, with every constant that takes.

    It is written into artifacts and found again by its name among the encoders of the registry.

    - name: in the table; raw: what it encodes, in words
    """

    name: ClassVar[str]
    raw: ClassVar[str]

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Its constants that are numbers and texts, as JSON values."""

    def arrays(self) -> Arrays:
        """Its constants that are arrays; none."""
        return {}

    @classmethod
    @abstractmethod
    def of(cls, settings: Mapping[str, Any], arrays: Arrays) -> Encoder:
        """The encoder of such constants; ValueError over what is none."""

    @abstractmethod
    def encode(self, raw: Sequence[Any]) -> Events:
        """Inputs, (time, sample, input), of some samples; DataError over what can't be encoded."""


def decision_windows(start: npt.NDArray[Any], stop: npt.NDArray[Any]) -> list[list[int]]:
    """The different windows [start, stop) of some decisions, in order."""
    return [[int(a), int(b)] for a, b in np.unique(np.stack([start, stop], axis=1), axis=0)]
