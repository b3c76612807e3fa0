"""Projections of the time loop in torch: a matrix for each delay, or a list where that takes less."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

DENSE_PER_SYNAPSE = 400
"""Entries of the matrices for each synapse, up to which matrices are faster than a list."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DenseSynapses:
    """Synapses as matrices stacked by delay, (delay and source, target).

    - detached: whether gradients stop here (random feedback)
    """

    source: str
    delays: tuple[int, ...]
    matrix: Tensor
    detached: bool = False

    def current(self, history: tuple[Tensor, ...]) -> Tensor:
        """The synaptic current of this step, (sample, target)."""
        sent = torch.cat([history[d] for d in self.delays], dim=1)
        return (sent.detach() if self.detached else sent) @ self.matrix


@dataclass(frozen=True, kw_only=True, eq=False)
class ListedSynapses:
    """Synapses one by one: sources of each delay side by side are gathered, then summed by target."""

    source: str
    delays: tuple[int, ...]
    index: Tensor
    target: Tensor
    weight: Tensor
    n_target: int
    detached: bool = False

    def current(self, history: tuple[Tensor, ...]) -> Tensor:
        """The synaptic current of this step, (sample, target)."""
        sent = torch.cat([history[d] for d in self.delays], dim=1)
        each = (sent.detach() if self.detached else sent)[:, self.index] * self.weight
        return each.new_zeros(len(each), self.n_target).index_add(1, self.target, each)


@dataclass(frozen=True, kw_only=True, eq=False)
class RoundedSynapses:
    """Synapses whose sum of each delay is rounded on its own; ``matrix`` is (delay, source, target)."""

    source: str
    delays: tuple[int, ...]
    matrix: Tensor
    rounded: Callable[[Tensor], Tensor]
    detached: bool = False

    def current(self, history: tuple[Tensor, ...]) -> Tensor:
        """The synaptic current of this step, (sample, target)."""
        sent = torch.stack([history[d] for d in self.delays])
        return self.rounded((sent.detach() if self.detached else sent) @ self.matrix).sum(dim=0)


@dataclass(frozen=True, kw_only=True, eq=False)
class WithFeedback:
    """Synapses whose errors come back by other weights than spikes go forth; ``forth`` is detached."""

    forth: DenseSynapses | ListedSynapses | RoundedSynapses
    back: DenseSynapses | ListedSynapses | RoundedSynapses

    @property
    def source(self) -> str:
        """The source of both."""
        return self.forth.source

    def current(self, history: tuple[Tensor, ...]) -> Tensor:
        """The synaptic current of this step, (sample, target)."""
        back = self.back.current(history)
        return self.forth.current(history) + (back - back.detach())


TorchSynapses = DenseSynapses | ListedSynapses | RoundedSynapses | WithFeedback


def make_synapses(
    source: str, ends: tuple[int, int], where: tuple[Tensor, ...], weight: Tensor,
    *, detached: bool = False, rounded: Callable[[Tensor], Tensor] | None = None,
) -> DenseSynapses | ListedSynapses | RoundedSynapses | None:  # fmt: skip
    """Synapses of a projection for the loop; None if there are none.

    - ends: number of sources and targets; where: source, target and delay of each synapse
    - rounded: what becomes of the sum of each delay; None: nothing
    """
    (n_source, n_target), (pre, post, delay) = ends, where
    if not len(weight):
        return None
    delays, slot = torch.unique(delay, return_inverse=True)
    row = slot * n_source + pre
    steps = tuple(delays.tolist())
    size = len(delays) * n_source * n_target
    if rounded is None and size > DENSE_PER_SYNAPSE * len(weight):
        return ListedSynapses(
            source=source, delays=steps, index=row, target=post, weight=weight, n_target=n_target,
            detached=detached,
        )  # fmt: skip
    matrix = weight.new_zeros(size).index_add(0, row * n_target + post, weight)
    if rounded is not None:
        apart = matrix.reshape(len(delays), n_source, n_target)
        return RoundedSynapses(
            source=source, delays=steps, matrix=apart, rounded=rounded, detached=detached
        )
    stacked = matrix.reshape(len(delays) * n_source, n_target)
    return DenseSynapses(source=source, delays=steps, matrix=stacked, detached=detached)
