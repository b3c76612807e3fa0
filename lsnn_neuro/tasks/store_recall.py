"""Store-recall: keep a bit in mind until its recall, while other bits pass by."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from lsnn_neuro.encoders import DT, poisson
from lsnn_neuro.tasks.generated import GeneratedTask, HeldOutConfig
from lsnn_neuro.tasks.labels import ClassLabels
from lsnn_neuro.tasks.task import Batch

VALUE, STORE, RECALL = 0, 1, 2  # kinds of symbols
N_GROUPS = 4  # value 0, value 1, store, recall


class StoreRecallConfig(HeldOutConfig):
    """Settings of store-recall; the defaults are those of the authors' public tutorial."""

    name: Literal["store-recall"] = "store-recall"
    group_size: int = Field(
        25, ge=1, le=1000, description="inputs in each group: value 0, value 1, store, recall"
    )
    rate: float = Field(
        50.0, gt=0, le=1000, description="rate of an active group in Hz; others are silent"
    )
    symbol_steps: int = Field(200, ge=1, le=10_000, description="steps for which a symbol lasts")
    symbols: int = Field(12, ge=3, le=1000, description="symbols in a sequence")
    expected_delay: float = Field(
        6.0,
        ge=1,
        description="mean number of symbols between store and recall, were sequences endless",
    )

    @model_validator(mode="after")
    def _check(self) -> StoreRecallConfig:
        if self.expected_delay > self.symbols - 2:
            raise ValueError(
                f"expected_delay is {self.expected_delay:g}, but with {self.symbols} symbols at "
                f"most {self.symbols - 2} lie between store and recall"
            )
        return self


class StoreRecall(GeneratedTask[StoreRecallConfig]):
    """The task of Bellec et al. 2018 as in the authors' public tutorial.

    Every symbol is a random bit, shown by the inputs of group "value 0" or "value 1". With some of
    them the group "store" fires as well; at a later symbol "recall" fires alone, and the readout
    has to give the bit that came with the last store. At the start and after a recall each symbol
    is a store with probability 1 / (1 + expected_delay). After a store one symbol always passes,
    then each is a recall with probability 1 / expected_delay. A sequence is drawn again until it
    holds a store, and a recall after every store; that makes the delays shorter than expected.

    Inputs are ordered by group: value 0, value 1, store, recall. Each recall is one decision, its
    window is the symbol.
    """

    Config = StoreRecallConfig

    name = "store-recall"
    class_names = ("0", "1")

    def __init__(self, config: StoreRecallConfig) -> None:
        """Keep the configuration; sequences are made on demand."""
        self.config = config
        self.n_inputs = N_GROUPS * config.group_size
        self.n_outputs = 2
        self.n_steps = config.symbols * config.symbol_steps

    def new_batch(self, batch_size: int, rng: np.random.Generator) -> Batch:
        """Draw new sequences."""
        kinds, bits = self.draw(batch_size, rng)
        return Batch(inputs=self.encode(kinds, bits, rng), labels=self._labels(kinds, bits))

    def draw(
        self, n: int, rng: np.random.Generator
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Symbols of ``n`` sequences.

        - returns: kinds (VALUE, STORE, RECALL) and bits, both of shape (sample, symbol); the bit of
          a recall is never shown
        """
        shape = (n, self.config.symbols)
        kinds = np.empty(shape, np.int64)
        todo = np.arange(n)
        while len(todo):
            chance = rng.random((len(todo), self.config.symbols))
            kinds[todo], complete = _take_turns(chance, self.config.expected_delay)
            todo = todo[~complete]
        return kinds, rng.integers(2, size=shape)

    def encode(
        self,
        kinds: npt.NDArray[np.int64],
        bits: npt.NDArray[np.int64],
        rng: np.random.Generator,
    ) -> npt.NDArray[np.bool_]:
        """Input spikes of sequences as given by :meth:`draw`, shape (time, sample, input)."""
        config = self.config
        active = np.stack(  # (symbol, sample, group)
            [
                (kinds != RECALL).T & (bits == 0).T,
                (kinds != RECALL).T & (bits == 1).T,
                (kinds == STORE).T,
                (kinds == RECALL).T,
            ],
            axis=-1,
        )
        rates = active.repeat(config.group_size, axis=-1) * np.float32(config.rate)
        inputs = np.empty((self.n_steps, len(kinds), self.n_inputs), np.bool_)
        for symbol, rate in enumerate(rates):  # one at a time, for the sake of memory
            start = symbol * config.symbol_steps
            held = np.broadcast_to(rate, (config.symbol_steps, *rate.shape))
            inputs[start : start + config.symbol_steps] = poisson(held, DT, rng)
        return inputs

    def _labels(self, kinds: npt.NDArray[np.int64], bits: npt.NDArray[np.int64]) -> ClassLabels:
        """One decision per recall: the bit of the last store."""
        symbol = np.arange(self.config.symbols)
        last_store = np.maximum.accumulate(np.where(kinds == STORE, symbol, -1), axis=1)
        sample, recall = np.nonzero(kinds == RECALL)
        return ClassLabels(
            sample=sample,
            start=recall * self.config.symbol_steps,
            stop=(recall + 1) * self.config.symbol_steps,
            target=bits[sample, last_store[sample, recall]],
        )


def _take_turns(
    chance: npt.NDArray[np.float64], expected_delay: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Kinds of symbols, from one random number in [0, 1) per symbol.

    - chance: shape (sample, symbol)
    - returns: kinds, shape (sample, symbol), and whether a sequence is complete, shape (sample,):
      it holds a store, and a recall after every store
    """
    kinds = np.full(chance.shape, VALUE)
    free = np.ones(len(chance), np.bool_)  # nothing is stored
    ready = np.zeros(len(chance), np.bool_)  # something is, and a symbol has passed since
    for symbol, drawn in enumerate(chance.T):
        store = free & (drawn < 1 / (1 + expected_delay))
        recall = ready & (drawn < 1 / expected_delay)
        kinds[store, symbol] = STORE
        kinds[recall, symbol] = RECALL
        ready = ~free & ~recall
        free = (free & ~store) | recall
    return kinds, free & (kinds == STORE).any(axis=1)
