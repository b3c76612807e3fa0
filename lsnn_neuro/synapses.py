"""Sparse synapses with fixed signs and per-synapse delays."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

Signs = Literal["dale", "free", "unconstrained"]


class Synapses(nn.Module):
    """The synapses from a source layer onto a target layer, with DEEP R's parametrization.

    w = sign * max(theta, 0): a synapse with theta > 0 is active, the others are dormant and carry
    no weight (Bellec et al., "Deep Rewiring", ICLR 2018, section 2). With ``signs="unconstrained"``
    the weight is theta itself; that is for dense networks without DEEP R.

    - theta: parameter, shape (target, source)
    - sign: +1 or -1, same shape, never changes; with "dale" one sign per source neuron
    - delay: extra steps, same shape, uniform in 0 to n_delays - 1
    - allowed: bool, same shape; False where no synapse may ever be (autapses)
    - reaches_dormant: whether the gradient reaches dormant synapses (theta = 0), as if they were active
      ones of weight 0; it costs as much as a dense matrix
    """

    theta: nn.Parameter
    sign: Tensor
    delay: Tensor
    allowed: Tensor

    def __init__(
        self,
        n_target: int,
        n_source: int,
        *,
        connectivity: float,
        signs: Signs,
        excitatory: float = 0.5,
        n_delays: int = 1,
        scale: float = 1.0,
        autapses: bool = True,
        generator: torch.Generator,
    ):
        """Draw signs, delays and the initially active synapses.

        - connectivity: fraction of the allowed synapses that is active, above 0 to 1
        - excitatory: fraction of sources (Dale) or synapses (free) of positive sign
        - scale: active weights start as scale * |N(0, 1)| / sqrt(n_source), inhibitory ones
          stronger by excitatory / (1 - excitatory) so that excitation and inhibition balance
        """
        super().__init__()
        shape = (n_target, n_source)
        self.constrained = signs != "unconstrained"
        self.reaches_dormant = False
        allowed = torch.ones(shape, dtype=torch.bool)
        if not autapses:
            allowed.fill_diagonal_(False)
        self.n_active_at_start = round(connectivity * int(allowed.sum()))
        if signs == "dale":  # a fixed share of the sources, in random order
            order = torch.randperm(n_source, generator=generator)
            positive = (order < round(excitatory * n_source)).expand(shape)
        else:
            positive = torch.rand(shape, generator=generator) < excitatory
        theta = torch.randn(shape, generator=generator) * (scale / math.sqrt(n_source))
        if self.constrained:
            balance = excitatory / (1 - excitatory) if excitatory < 1 else 1.0
            theta = theta.abs() * torch.where(positive, 1.0, balance)
        rank = torch.rand(shape, generator=generator).masked_fill(~allowed, 2.0).flatten()
        active = torch.zeros(rank.numel(), dtype=torch.bool)
        active[rank.argsort()[: self.n_active_at_start]] = True
        active = active.reshape(shape)
        if not self.constrained:
            allowed = active
        self.theta = nn.Parameter(theta * active)
        delay = torch.randint(0, n_delays, shape, generator=generator)
        self.register_buffer("sign", torch.where(positive, 1, -1).to(torch.int8))
        self.register_buffer("delay", delay.to(torch.uint8))
        self.register_buffer("allowed", allowed)
        self.n_delays = n_delays

    def weight(self) -> Tensor:
        """The weights w, shape (target, source); 0 where there is no active synapse."""
        if not self.constrained:
            return self.theta * self.allowed
        return self.sign * (
            self.theta * self.allowed if self.reaches_dormant else torch.relu(self.theta)
        )

    def weight_by_delay(self) -> Tensor:
        """The weights apart by delay, shape (delay, target, source)."""
        steps = torch.arange(self.n_delays, device=self.delay.device)
        return self.weight() * (self.delay == steps[:, None, None])

    def active(self) -> Tensor:
        """Where there is an active synapse, bool, shape (target, source)."""
        return self.theta > 0 if self.constrained else self.allowed

    def wired(self) -> Tensor:
        """Where weights have a gradient, bool, shape (target, source)."""
        return self.allowed if self.reaches_dormant else self.active()

    @property
    def n_active(self) -> int:
        """Number of active synapses."""
        return int((self.weight() != 0).sum())
