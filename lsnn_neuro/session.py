"""Networks that run some steps at a time, so that what they do can decide their next inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lsnn_neuro.arrays import Events

Spikes = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]


class Session(Protocol):
    """A network that starts at rest, runs some steps at a time, and keeps its state in between."""

    @property
    def lag(self) -> int:
        """Steps by which its answer comes late; 0 where a step's readout is there after that step."""

    def step(self, inputs: Events) -> FloatArray:
        """Run on for some steps; gives the readouts that have come out since.

        - inputs: (step, sample, input)
        - returns: (step, sample, output), bias included, in the float network's units; ``lag`` steps
          fewer in the first call
        """

    def record(self) -> Any:
        """What the network did, once all steps have run; None where nothing is kept."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LocalSession:
    """A network in this process: ``run(inputs) / scale + bias``.

    - run: inputs (step, sample, input) -> readout (step, sample, output) in units of its own
    """

    run: Callable[[Any], npt.NDArray[Any]]
    scale: float | FloatArray = 1.0
    bias: npt.NDArray[Any]
    lag: int = 0

    def step(self, inputs: Events) -> FloatArray:
        """Run on for some steps; see :class:`Session`."""
        readout: FloatArray = (self.run(inputs) / self.scale + self.bias).astype(np.float64)
        return readout

    def record(self) -> None:
        """Nothing is kept."""
