"""DEEP R: train a sparse network that stays sparse, by rewiring it after each optimizer step."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lsnn_neuro.network.synapses import Synapses

AWAKENED = 1e-12
"""theta of a synapse that has just been activated: positive, and no weight to speak of."""


class DeepR:
    """A wrapper around any torch optimizer that keeps the number of active synapses at a cap.

    After the optimizer's step on theta: dormant synapses go back to 0; active ones get
    ``theta += -lr l1 + sqrt(2 lr T) N(0, 1)``; those at or below 0 become dormant; random dormant
    ones are activated until the *global* cap is reached again, the deficit shared out over the
    matrices in proportion to size x connectivity.

    - optimizer: holds every theta; its learning rate lr is the one DEEP R uses
    - synapses: the matrices that are rewired; the cap is the number of synapses active at the start
    - l1: strength of the L1 penalty; temperature: T above
    - redraw_delays: whether an activated synapse gets a new random delay, so that delays are searched
      too
    - gradient_every: None for the above; a number of iterations for the variant that replaces lost
      synapses only so often, by the dormant ones on which the loss falls most steeply

    Source: Bellec et al., "Deep Rewiring: Training very sparse deep networks", ICLR 2018, algorithm
    1, with the cap over all matrices as in the LSNN paper's code. The variant: Evci et al., "Rigging
    the Lottery", ICML 2020, the choice of what grows.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        synapses: Sequence[Synapses],
        *,
        l1: float,
        temperature: float,
        redraw_delays: bool = False,
        gradient_every: int | None = None,
        generator: torch.Generator,
    ):
        self.optimizer, self.synapses = optimizer, tuple(synapses)
        self.l1, self.temperature, self.generator = l1, temperature, generator
        self.redraw_delays, self.gradient_every = redraw_delays, gradient_every
        self._scores: list[Tensor] = []
        self.shares = [s.n_active_at_start for s in self.synapses]
        self.cap = sum(self.shares)

    @torch.no_grad()
    def step(self) -> None:
        """One optimizer step on theta, then one rewiring step."""
        active = [s.theta > 0 for s in self.synapses]
        self.optimizer.step()
        for s, was_active in zip(self.synapses, active, strict=True):
            lr = self._learning_rate(s.theta)
            theta = s.theta - lr * self.l1
            if self.temperature > 0:
                noise = torch.randn(theta.shape, generator=self.generator).to(theta)
                theta += math.sqrt(2 * lr * self.temperature) * noise
            s.theta.copy_(torch.where(was_active, theta, 0.0).clamp(min=0))
        if self.gradient_every is None or self._scores:
            self._rewire(self._scores)
            self._scores = []

    def before_forward(self, iteration: int) -> None:
        """To be called before the forward pass of an iteration, counted from 0."""
        due = self.gradient_every is not None and (iteration + 1) % self.gradient_every == 0
        for s in self.synapses:
            s.reaches_dormant = due

    def after_backward(self) -> None:
        """To be called before the gradients are used: takes away those of dormant synapses.

        They say how fast the loss would fall with each dormant synapse; nobody else wants them.
        """
        for s in self.synapses:
            if s.reaches_dormant and s.theta.grad is not None:
                self._scores.append(-s.theta.grad.flatten())
                s.theta.grad.masked_fill_(s.theta <= 0, 0.0)
            s.reaches_dormant = False

    @property
    def n_active(self) -> int:
        """Number of active synapses over all matrices."""
        return sum(int((s.theta > 0).sum()) for s in self.synapses)

    def _learning_rate(self, theta: Tensor) -> float:
        for group in self.optimizer.param_groups:
            if any(p is theta for p in group["params"]):
                return float(group["lr"])
        raise AssertionError("a rewired matrix is not in the optimizer")

    def _rewire(self, scores: Sequence[Tensor]) -> None:
        """Activate dormant synapses, those of the highest scores or random ones, to reach the cap."""
        dormant = [
            torch.nonzero(((s.theta <= 0) & (s.sign != 0)).cpu()).flatten() for s in self.synapses
        ]
        deficit = self.cap - self.n_active
        wanted = _share_out(deficit, self.shares, [len(d) for d in dormant])
        for i, (s, candidates, n) in enumerate(zip(self.synapses, dormant, wanted, strict=True)):
            if n == 0:
                continue
            if scores:
                order = scores[i].cpu()[candidates].argsort(descending=True, stable=True)
            else:
                order = torch.randperm(len(candidates), generator=self.generator)
            chosen = candidates[order[:n]].to(s.theta.device)
            self._renew_optimizer_state(s.theta, chosen)
            s.theta.view(-1)[chosen] = AWAKENED
            n_delays = max(p.reach for p in s.projections) + 1
            if self.redraw_delays and n_delays > 1:
                delays = torch.randint(n_delays, (n,), generator=self.generator)
                s.delay.view(-1)[chosen] = delays.to(s.delay)

    def _renew_optimizer_state(self, theta: Tensor, chosen: Tensor) -> None:
        """Forget the momentum of awakened synapses; they get the typical step size of active ones.

        Second moments become the median over active synapses: 0 would make the first step as large
        as the optimizer allows, a stale one could make it tiny for thousands of steps.
        """
        active = (theta > 0).flatten()
        for name, value in self.optimizer.state.get(theta, {}).items():
            if isinstance(value, Tensor) and value.shape == theta.shape:
                flat = value.view(-1)
                second_moment = name in ("exp_avg_sq", "max_exp_avg_sq", "square_avg", "sum")
                typical = flat[active].median() if second_moment and active.any() else 0.0
                flat[chosen] = typical


def _share_out(total: int, shares: Sequence[int], room: Sequence[int]) -> list[int]:
    """Split ``total`` in proportion to ``shares``, no part above its ``room``.

    What does not fit goes where there is room.
    """
    parts = [0] * len(shares)
    while total > sum(parts) and any(p < r for p, r in zip(parts, room, strict=True)):
        left = total - sum(parts)
        open_ = [i for i, (p, r) in enumerate(zip(parts, room, strict=True)) if p < r]
        weight = sum(shares[i] for i in open_)
        exact = {i: left * (shares[i] / weight if weight else 1 / len(open_)) for i in open_}
        extra = {i: int(exact[i]) for i in open_}
        by_remainder = sorted(open_, key=lambda i: (extra[i] - exact[i], i))
        for i in by_remainder[: left - sum(extra.values())]:
            extra[i] += 1
        for i in open_:
            parts[i] = min(parts[i] + extra[i], room[i])
    return parts
