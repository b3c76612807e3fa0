"""Networks as rewiring leaves them: slots in any order, with dormant and free ones among them."""

from __future__ import annotations

import torch

from lsnn_neuro.network.module import SpikingNetwork


def shuffle_slots(net: SpikingNetwork, seed: int) -> None:
    """Add dormant slots to every group and put all slots into another order; the network stays what it is."""
    generator = torch.Generator().manual_seed(seed)
    for group in net.groups:
        n = len(group.theta)
        if not n:
            continue
        order = torch.randperm(n + 3, generator=generator)
        again = torch.randint(
            0, n, (3,), generator=generator
        )  # pairs that an active slot holds too
        theta = torch.cat([group.theta.detach(), torch.zeros(3, dtype=group.theta.dtype)])[order]
        learns = group.theta.requires_grad
        group.theta = torch.nn.Parameter(theta, requires_grad=learns)
        for name in ("block", "source", "target", "sign", "delay"):
            whole = torch.cat([getattr(group, name), getattr(group, name)[again]])
            if name == "sign":
                whole[-1] = 0  # a free slot
                if not group.constrained:
                    whole[-3:] = 0
            setattr(group, name, whole[order])
