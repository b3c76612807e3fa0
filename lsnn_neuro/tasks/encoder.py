"""What checkpoints and artifacts keep of a task so that new raw data are encoded as in training."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from lsnn_neuro.arrays import Events
from lsnn_neuro.errors import FileFormatError

Arrays = Mapping[str, npt.NDArray[Any]]


class Encoder(ABC):
    """From raw data to a network's inputs, with every constant that takes.

    It is written into checkpoints and artifacts, and found again by its name among the encoders of the
    registry.

    - name: in the table; raw: what it encodes, in words
    - fitted: whether any of its constants comes from the data, rather than all from the recipe
    """

    name: ClassVar[str]
    raw: ClassVar[str]
    fitted: ClassVar[bool] = True

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


@dataclass(frozen=True, kw_only=True, eq=False)
class EncoderConstants:
    """An encoder as files keep it: its name, and its constants as JSON values and as arrays."""

    name: str
    settings: Mapping[str, Any]
    arrays: Arrays = field(default_factory=dict)

    @classmethod
    def of(cls, encoder: Encoder) -> EncoderConstants:
        """Those of an encoder."""
        settings = json.loads(json.dumps(encoder.settings()))
        return cls(name=encoder.name, settings=settings, arrays=dict(encoder.arrays()))

    def build(self, kind: type[Encoder]) -> Encoder:
        """The encoder; FileFormatError over constants that are none of its kind's."""
        try:
            return kind.of(dict(self.settings), self.arrays)
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(
                f"encoder {self.name!r}: its constants can't be used here ({error})"
            ) from error

    def same_as(self, other: EncoderConstants) -> bool:
        """Whether both encode alike."""
        return (
            (self.name, self.settings) == (other.name, other.settings)
            and self.arrays.keys() == other.arrays.keys()
            and all(np.array_equal(a, other.arrays[name]) for name, a in self.arrays.items())
        )


def decision_windows(start: npt.NDArray[Any], stop: npt.NDArray[Any]) -> list[list[int]]:
    """The different windows [start, stop) of some decisions, in order."""
    return [[int(a), int(b)] for a, b in np.unique(np.stack([start, stop], axis=1), axis=0)]
