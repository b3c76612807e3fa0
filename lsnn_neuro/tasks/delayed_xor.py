"""Delayed-memory XOR: two bits, one after the other, and later the question whether they differ."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from lsnn_neuro.encoders import DT, poisson
from lsnn_neuro.tasks.generated import GeneratedTask, HeldOutConfig
from lsnn_neuro.tasks.labels import ClassLabels
from lsnn_neuro.tasks.task import Batch

N_GROUPS = 3  # bit 0, bit 1, go
_GO = 2


class DelayedXORConfig(HeldOutConfig):
    """Settings of delayed-memory XOR."""

    name: Literal["delayed-xor"] = "delayed-xor"
    group_size: int = Field(20, ge=1, le=1000, description="inputs in each group: bit 0, bit 1, go")
    rate: float = Field(
        100.0, gt=0, le=1000, description="rate of an active group in Hz; others are silent"
    )
    cue_steps: int = Field(40, ge=1, le=10_000, description="steps for which a cue lasts")
    delay: tuple[int, int] = Field(
        (200, 400),
        description="fewest and most steps between two cues; each of the two delays is drawn anew",
    )
    test: int = Field(2048, ge=1, le=1_000_000, description="samples for the test")

    @model_validator(mode="after")
    def _check(self) -> DelayedXORConfig:
        least, most = self.delay
        if not 0 <= least <= most <= 10_000:
            raise ValueError(
                f"delay is [{least}, {most}]: the fewest steps must not be above the most, and both "
                "lie in 0 to 10000"
            )
        return self

    @property
    def n_steps(self) -> int:
        """Steps of a sample with the longest delays."""
        return N_GROUPS * self.cue_steps + 2 * self.delay[1]


class DelayedXOR(GeneratedTask[DelayedXORConfig]):
    """Two bits shown by the same inputs, a delay between them and another before the go cue.

    Every cue is a burst of Poisson spikes of one group: "bit 0" or "bit 1", the same again for the
    second bit, and at last "go", which says nothing of the bits. While go lasts, in the last
    ``cue_steps`` steps of the sample, the readout has to say whether the bits differed. Shorter
    delays leave silence before the first cue. Neither bit alone, nor both without the memory of
    one while the other comes, says anything about the answer.

    Inputs are ordered by group: bit 0, bit 1, go. The form is that of the delayed-memory XOR task
    with which working memory is tested in trained spiking networks (e.g. Kim, Li, Sejnowski 2019).
    """

    Config = DelayedXORConfig

    name = "delayed-xor"
    class_names = ("equal", "different")

    def __init__(self, config: DelayedXORConfig) -> None:
        """Keep the configuration; samples are made on demand."""
        self.config = config
        self.n_inputs = N_GROUPS * config.group_size
        self.n_outputs = 2
        self.n_steps = config.n_steps

    def new_batch(self, batch_size: int, rng: np.random.Generator) -> Batch:
        """Draw new samples."""
        bits, delays = self.draw(batch_size, rng)
        return Batch(inputs=self.encode(bits, delays, rng), labels=self._labels(bits))

    def draw(
        self, n: int, rng: np.random.Generator
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The bits of ``n`` samples and the steps after each, both of shape (sample, 2)."""
        bits = rng.integers(2, size=(n, 2))
        return bits, rng.integers(self.config.delay[0], self.config.delay[1] + 1, size=(n, 2))

    def encode(
        self,
        bits: npt.NDArray[np.int64],
        delays: npt.NDArray[np.int64],
        rng: np.random.Generator,
    ) -> npt.NDArray[np.bool_]:
        """Input spikes of samples as given by :meth:`draw`, shape (time, sample, input)."""
        config, sample = self.config, np.arange(len(bits))
        cue_steps = np.arange(config.cue_steps)[:, None]
        go = self.n_steps - config.cue_steps
        second = go - delays[:, 1] - config.cue_steps
        first = second - delays[:, 0] - config.cue_steps
        active = np.zeros((self.n_steps, len(bits), N_GROUPS), np.bool_)
        active[first + cue_steps, sample, bits[:, 0]] = True
        active[second + cue_steps, sample, bits[:, 1]] = True
        active[go:, :, _GO] = True
        rates = active.repeat(config.group_size, axis=-1) * np.float32(config.rate)
        return poisson(rates, DT, rng)

    def _labels(self, bits: npt.NDArray[np.int64]) -> ClassLabels:
        return ClassLabels.at_the_end(
            bits[:, 0] ^ bits[:, 1], n_steps=self.n_steps, decision_steps=self.config.cue_steps
        )
