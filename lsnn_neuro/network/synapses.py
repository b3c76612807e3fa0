"""A group of projections whose synapses learn together: a list of slots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lsnn_neuro.arrays import FloatArray
from lsnn_neuro.network.spec import Projection


class Synapses(nn.Module):
    """The synapses of one group of projections, with DEEP R's parametrization.

    w = sign * max(theta, 0): a synapse with theta > 0 is active, the others are dormant and carry
    no weight (Bellec et al., "Deep Rewiring", ICLR 2018, section 2). Where signs are "unconstrained"
    the weight is theta itself; that is for networks without DEEP R.

    A slot holds one synapse; all tensors have shape (slot,). A free slot has the sign 0 and holds no pair.

    - theta: parameter
    - block: which of the group's projections; source, target: neurons within that projection's ends
    - sign: +1, -1, or 0; delay: in steps
    - reaches_dormant: whether the gradient reaches dormant synapses (theta = 0), as if they were active
      ones of weight 0; it costs as much as a dense matrix
    """

    theta: nn.Parameter
    block: Tensor
    source: Tensor
    target: Tensor
    sign: Tensor
    delay: Tensor

    def __init__(
        self, name: str, projections: Sequence[Projection], *, capacity: int, dtype: torch.dtype
    ):
        """Put the synapses of some projections into as many slots, or ``capacity`` if that is more."""
        super().__init__()
        self.name, self.projections = name, tuple(projections)
        self.reaches_dormant = False
        self.constrained = not projections[0].unconstrained
        n = sum(p.n_synapses for p in projections)
        self.n_active_at_start = n
        slots = max(n, capacity)

        def slot(values: Sequence[npt.NDArray[Any]], dtype: torch.dtype) -> Tensor:
            tensor = torch.zeros(slots, dtype=dtype)
            if n:
                tensor[:n] = torch.from_numpy(np.concatenate(values)).to(dtype)
            return tensor

        weight = [p.weight for p in projections]
        block = [np.full(p.n_synapses, i) for i, p in enumerate(projections)]
        theta = slot([np.abs(w) for w in weight] if self.constrained else weight, dtype)
        self.theta = nn.Parameter(theta, requires_grad=projections[0].plastic)
        self.register_buffer("block", slot(block, torch.int16))
        self.register_buffer("source", slot([p.source_index for p in projections], torch.int32))
        self.register_buffer("target", slot([p.target_index for p in projections], torch.int32))
        self.register_buffer("sign", slot([np.sign(w) for w in weight], torch.int8))
        self.register_buffer("delay", slot([p.delay for p in projections], torch.uint8))

    @property
    def plastic(self) -> bool:
        """Whether they learn."""
        return self.theta.requires_grad

    def weight(self) -> Tensor:
        """The weights w, shape (slot,); 0 where there is no active synapse."""
        if not self.constrained:
            return self.theta
        return self.sign * (self.theta if self.reaches_dormant else torch.relu(self.theta))

    def trainable(self) -> Tensor:
        """Which slots have a gradient: the active ones; with ``reaches_dormant`` all that hold a pair."""
        return self.sign != 0 if self.reaches_dormant else self.active()

    def active(self) -> Tensor:
        """Which slots hold an active synapse, bool, shape (slot,)."""
        return self.theta > 0 if self.constrained else self.sign != 0

    @property
    def n_active(self) -> int:
        """Number of active synapses."""
        return int(self.active().sum())

    def slots(self, *, dormant: bool = False) -> list[npt.NDArray[np.int64]]:
        """Of each projection, the slots of its active synapses, sorted by target, then source.

        - dormant: whether to give those too that a gradient reaches
        """
        with torch.no_grad():
            chosen = self.trainable() if dormant else self.active() & (self.theta != 0)
            here = chosen.cpu().numpy().nonzero()[0]
        block, source, target = (
            t.cpu().numpy()[here] for t in (self.block, self.source, self.target)
        )
        order = np.lexsort((source, target, block))
        ends = np.searchsorted(block[order], np.arange(1, len(self.projections)))
        return np.split(here[order], ends)

    def to_projections(self) -> list[Projection]:
        """The projections as they are now; dormant synapses are left out."""
        source, target, delay = (t.cpu().numpy() for t in (self.source, self.target, self.delay))
        weight: FloatArray = self.weight().detach().cpu().double().numpy()
        return [
            replace(
                p, source_index=source[own], target_index=target[own], weight=weight[own],
                delay=delay[own].astype(np.int32),
            )
            for p, own in zip(self.projections, self.slots(), strict=True)
        ]  # fmt: skip

    def take(self, other: Synapses) -> None:
        """Have the active synapses of another group, in the slots of their pairs."""
        mine, theirs = (
            torch.stack([g.block, g.target, g.source], dim=1).long() for g in (self, other)
        )
        sizes = torch.cat([mine, theirs]).max(dim=0).values + 1
        scale = torch.tensor([int(sizes[1] * sizes[2]), int(sizes[2]), 1])
        order = (mine * scale).sum(1).argsort()
        at = order[torch.searchsorted((mine * scale).sum(1)[order], (theirs * scale).sum(1))]
        self.theta.zero_()
        for name in ("theta", "sign", "delay"):
            getattr(self, name)[at] = getattr(other, name)
