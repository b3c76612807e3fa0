"""DEEP R: train a sparse network that stays sparse, by rewiring it after each optimizer step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.pairs import Pairs
from lsnn_neuro.network.synapses import Synapses
from lsnn_neuro.optimizer_check import rewiring_obstacle

REACTIVATED = 1e-12
"""theta of a synapse that has just been activated: positive, but a negligible weight."""

Cap = Literal["network", "group"]


class DeepR:
    """A wrapper around a torch optimizer that keeps the number of active synapses at a cap.

    After the optimizer's step on theta: dormant synapses go back to 0; active ones get
    ``theta += -lr l1 + sqrt(2 lr T) N(0, 1)``; those at or below 0 become dormant; random dormant
    ones are activated until the cap is reached again. A cap over several groups is reached by giving each
    missing synapse to a group at random, in proportion to the groups' synapses at the start (their size
    times connectivity).

    - optimizer: holds every theta; its learning rate lr is the one DEEP R uses. NetworkError if it needs a
      closure, or moves a parameter by the gradients of others (:mod:`lsnn_neuro.optimizer_check`)
    - synapses: the groups that are rewired (``network.synapses()``)
    - l1: strength of the L1 penalty; temperature: T above
    - cap: the number of active synapses at the start, over the whole "network" or of each "group"
    - rigl_every: None for the above; a number of iterations for the variant that replaces lost
      synapses only so often, by the dormant ones on which the loss falls most steeply
    - generator: of all random numbers; None is torch's own

    Source: Bellec et al., "Deep Rewiring: Training very sparse deep networks", ICLR 2018, algorithm
    1, with the cap over all matrices as in the LSNN paper's code. The variant: Evci et al., "Rigging
    the Lottery", ICML 2020, the choice of what grows.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        synapses: Sequence[Synapses],
        *,
        l1: float = 0.01,
        temperature: float = 0.0,
        cap: Cap = "network",
        rigl_every: int | None = None,
        generator: torch.Generator | None = None,
    ):
        if cap not in get_args(Cap):
            raise NetworkError(f"DEEP R: cap is {cap!r}, allowed are {', '.join(get_args(Cap))}")
        obstacle = rewiring_obstacle(optimizer)
        if obstacle is not None:
            raise NetworkError(
                f"DEEP R can't go with the optimizer {type(optimizer).__name__}, which {obstacle}; take "
                "another, as Adam or SGD, or leave deep_r out"
            )
        found = list(synapses) if isinstance(synapses, Iterable) else [synapses]
        if not all(isinstance(s, Synapses) for s in found):
            raise NetworkError(
                "DEEP R: synapses must be a network's groups of synapses, as net.synapses() gives them"
            )
        self.optimizer, self.synapses = optimizer, tuple(found)
        self.l1, self.temperature, self.generator = l1, temperature, generator
        self.rigl_every = rigl_every
        self._scores: list[tuple[Pairs, Tensor]] = []
        whole = cap == "network"
        self.capped = [self.synapses] if whole else [(s,) for s in self.synapses]
        for group in self.synapses:
            if not group.constrained:
                raise NetworkError(
                    f"group {group.name!r}: its signs are unconstrained; DEEP R needs them free or by "
                    "Dale's law"
                )
            self._learning_rate(group.theta)

    @torch.no_grad()
    def step(self) -> None:
        """One optimizer step on theta, then one rewiring step."""
        active = [s.active() for s in self.synapses]
        self.optimizer.step()
        for s, was_active in zip(self.synapses, active, strict=True):
            lr = self._learning_rate(s.theta)
            theta = s.theta - lr * self.l1
            if self.temperature > 0:
                noise = torch.randn(theta.shape, generator=self.generator).to(theta)
                theta += math.sqrt(2 * lr * self.temperature) * noise
            s.theta.copy_(torch.where(was_active, theta, 0.0).clamp(min=0))
            s.sign.mul_(s.theta > 0)
        if self.rigl_every is None or self._scores:
            for groups in self.capped:
                self._rewire(groups)
            self._scores = []

    def before_forward(self, iteration: int) -> None:
        """To be called before the forward pass of an iteration, counted from 0."""
        if self.rigl_every is not None and (iteration + 1) % self.rigl_every == 0:
            for s in self.synapses:
                s.score_dormant(self.generator)

    def after_backward(self) -> None:
        """To be called after the backward pass: takes the gradients of dormant synapses."""
        taken = [s.take_scores() for s in self.synapses]
        self._scores = [t for t in taken if t is not None]

    @property
    def cap(self) -> int:
        """Number of active synapses that is kept, over all groups."""
        return sum(s.n_active_at_start for s in self.synapses)

    @property
    def n_active(self) -> int:
        """Number of active synapses over all groups."""
        return sum(s.n_active for s in self.synapses)

    def _learning_rate(self, theta: Tensor) -> float:
        for group in self.optimizer.param_groups:
            if any(p is theta for p in group["params"]):
                return float(group["lr"])
        raise NetworkError(
            "DEEP R: the optimizer does not hold the synapses; give it all parameters"
        )

    def _rewire(self, groups: Sequence[Synapses]) -> None:
        """Activate dormant synapses, those of the highest scores or random ones, to reach the cap."""
        at_start, now = [s.n_active_at_start for s in groups], [s.n_active for s in groups]
        capacity = [s.max_active - n for s, n in zip(groups, now, strict=True)]
        wanted = share_out(sum(at_start) - sum(now), at_start, capacity, self.generator)
        for s, n in zip(groups, wanted, strict=True):
            if n == 0:
                continue
            if self._scores:
                pairs, score = self._scores[self.synapses.index(s)]
                taken = torch.from_numpy(np.isin(s.numbers(pairs), s.numbers()))
                best = torch.where(taken, -math.inf, score).argsort(descending=True, stable=True)
                pairs = pairs[best[:n]]
            else:
                pairs = s.draw_dormant(n, self.generator)
            self._renew_optimizer_state(s.theta, s.occupy(pairs, REACTIVATED))

    def _renew_optimizer_state(self, theta: Tensor, chosen: Tensor) -> None:
        """Forget the momentum of reactivated synapses; they get the typical step size of active ones.

        Second moments become the median over active synapses: 0 would make the first step as large
        as the optimizer allows, a stale one could make it tiny for thousands of steps.
        """
        active = theta > 0
        active[chosen] = False
        for name, value in self.optimizer.state.get(theta, {}).items():
            if isinstance(value, Tensor) and value.shape == theta.shape:
                second_moment = name in ("exp_avg_sq", "max_exp_avg_sq", "square_avg", "sum")
                typical = value[active].median() if second_moment and active.any() else 0.0
                value[chosen] = typical


def share_out(
    total: int, shares: Sequence[int], capacity: Sequence[int], generator: torch.Generator | None
) -> list[int]:
    """Give ``total`` things to parts at random, in proportion to ``shares``, no part above its ``capacity``.

    What does not fit goes where there is capacity left.
    """
    parts = [0] * len(shares)
    while total > sum(parts) and any(p < c for p, c in zip(parts, capacity, strict=True)):
        open_ = [float(p < c) for p, c in zip(parts, capacity, strict=True)]
        weight = torch.tensor([o * s for o, s in zip(open_, shares, strict=True)])
        if not weight.any():
            weight = torch.tensor(open_)
        drawn = torch.multinomial(weight, total - sum(parts), replacement=True, generator=generator)
        extra = torch.bincount(drawn, minlength=len(parts)).tolist()
        parts = [min(p + e, c) for p, e, c in zip(parts, extra, capacity, strict=True)]
    return parts
