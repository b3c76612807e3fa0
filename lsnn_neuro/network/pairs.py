"""Pairs of neurons that may have a synapse, and their numbers: by projection, then target, then source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lsnn_neuro.network.spec import Projection

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """Some pairs of neurons with the signs and delays that synapses would have; tensors (pair,)."""

    block: Tensor
    source: Tensor
    target: Tensor
    sign: Tensor
    delay: Tensor

    def __getitem__(self, index: Tensor) -> Pairs:
        """Some of them."""
        return Pairs(**{name: tensor[index] for name, tensor in vars(self).items()})

    def __len__(self) -> int:
        return len(self.block)


class NumberedPairs:
    """All pairs between the ends of some projections.

    They are counted, and drawn, in NumPy: each draw is of few, and NumPy calls are short.
    """

    def __init__(self, projections: Sequence[Projection], ends: Sequence[tuple[int, int]]):
        self._projections = tuple(projections)
        sizes = [s * t for s, t in ends]
        self._firsts = np.array([0, *np.cumsum(sizes)[:-1]], np.int64)
        self._n_source = np.array([s for s, _ in ends], np.int64)
        self._loops = np.array([p.source == p.target and not p.autapses for p in projections])
        self._n_ids = sum(sizes)
        self.n = self._n_ids - int(self._n_source[self._loops].sum())
        self._reach = np.array([p.reach for p in projections], np.int64)
        self._excitatory = np.array([p.excitatory for p in projections], np.float32)

    def numbers(self, block: Numbers, source: Numbers, target: Numbers) -> Numbers:
        """The numbers of some pairs."""
        found: Numbers = self._firsts[block] + target * self._n_source[block] + source
        return found

    def all_but(self, taken: Numbers) -> Numbers:
        """The numbers of all other pairs."""
        free = np.ones(self._n_ids, np.bool_)
        free[taken] = False
        ids = free.nonzero()[0]
        return ids[~self._is_loop(ids)]

    def draw_others(self, taken: Numbers, n: int, generator: torch.Generator | None) -> Numbers:
        """Numbers of random other pairs, none twice, each as likely as another.

        Drawn by rejection; where most pairs are taken, from a list of all that are not.
        """
        if 2 * (len(taken) + n) > self.n:
            free = self.all_but(taken)
            drawn: Numbers = free[torch.randperm(len(free), generator=generator)[:n].numpy()]
            return drawn
        ids, ordered = taken[:0], np.sort(taken)
        while len(ids) < n:
            more = torch.randint(self._n_ids, (2 * n + 16,), generator=generator).numpy()
            more = more[~self._is_loop(more) & ~_among(more, ordered)]
            ids = _first_of_each(np.concatenate([ids, more]))
        return ids[:n]

    def pairs(self, ids: Numbers, generator: torch.Generator | None) -> Pairs:
        """Numbered pairs with signs by the rule of their projections, and random delays."""
        block, source, target = self._split(ids)
        uniform: npt.NDArray[Any] = torch.rand(2, len(ids), generator=generator).numpy()
        reach = self._reach[block]
        sign = np.where(uniform[0] < self._excitatory[block], 1, -1).astype(np.int8)
        for i, p in enumerate(self._projections):
            if p.dale:
                here = block == i
                sign[here] = np.asarray(p.signs)[source[here]]
        drawn = uniform[1] * (reach + 1).astype(np.float32)
        delay = np.minimum(drawn.astype(np.int64), reach)
        made = {"block": block, "source": source, "target": target, "sign": sign, "delay": delay}
        return Pairs(**{name: torch.from_numpy(array) for name, array in made.items()})

    def _split(self, ids: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        """Projection, source and target of numbered pairs."""
        block = np.searchsorted(self._firsts, ids, side="right") - 1
        n_source, within = self._n_source[block], ids - self._firsts[block]
        return block, within % n_source, within // n_source

    def _is_loop(self, ids: Numbers) -> npt.NDArray[np.bool_]:
        """Which of some numbered pairs are forbidden autapses."""
        if not self._loops.any():
            return np.zeros(len(ids), np.bool_)
        block, source, target = self._split(ids)
        loops: npt.NDArray[np.bool_] = self._loops[block] & (source == target)
        return loops


def _among(ids: Numbers, ordered: Numbers) -> npt.NDArray[np.bool_]:
    """Which numbers are among others that are sorted."""
    if not len(ordered):
        return np.zeros(len(ids), np.bool_)
    place = np.searchsorted(ordered, ids).clip(max=len(ordered) - 1)
    among: npt.NDArray[np.bool_] = ordered[place] == ids
    return among


def _first_of_each(ids: Numbers) -> Numbers:
    """The numbers without repeats, in the order in which they came."""
    first = np.unique(ids, return_index=True)[1]
    return ids[np.sort(first)]
