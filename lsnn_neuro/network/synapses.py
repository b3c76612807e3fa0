"""A group of projections whose synapses learn together: a list of slots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lsnn_neuro.arrays import FloatArray
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.pairs import NumberedPairs, Numbers, Pairs
from lsnn_neuro.network.spec import Projection

SCORED_MAX = 10**7
"""Most dormant pairs of a group that can be scored at once."""


class Synapses(nn.Module):
    """The synapses of one group of projections, with DEEP R's parametrization.

    w = sign * max(theta, 0): a synapse with theta > 0 is active, the others are dormant and carry
    no weight (Bellec et al., "Deep Rewiring", ICLR 2018, section 2). Where signs are "unconstrained"
    the weight is theta itself; that is for networks without DEEP R.

    A slot holds one active synapse, or none: then it is free, has the sign 0 and gets no gradient. All
    tensors have shape (slot,).

    - theta: parameter
    - block: which of the group's projections; source, target: neurons within that projection's ends
    - sign: +1, -1, or 0; delay: in steps
    """

    theta: nn.Parameter
    block: Tensor
    source: Tensor
    target: Tensor
    sign: Tensor
    delay: Tensor

    def __init__(
        self, name: str, projections: Sequence[Projection], ends: Sequence[tuple[int, int]],
        *, capacity: int, dtype: torch.dtype,
    ):  # fmt: skip
        """Put the synapses of some projections into slots.

        - ends: number of sources and targets of each projection
        - capacity: most synapses that rewiring may ever need here; there are as many slots, or as many as
          there are pairs
        """
        super().__init__()
        self.name, self.projections = name, tuple(projections)
        self.possible = NumberedPairs(self.projections, ends)
        self.constrained = not projections[0].unconstrained
        n = sum(p.n_synapses for p in projections)
        self.n_active_at_start = n
        grows = self.constrained and projections[0].plastic
        slots = max(n, min(capacity, self.possible.n)) if grows else n

        def slot(values: Sequence[npt.NDArray[np.generic]], dtype: torch.dtype) -> Tensor:
            tensor = torch.zeros(slots, dtype=dtype)
            if n:
                tensor[:n] = torch.from_numpy(np.concatenate(values)).to(dtype)
            return tensor

        weight = [p.weight for p in projections]
        block = [np.full(p.n_synapses, i) for i, p in enumerate(projections)]
        theta = slot([np.abs(w) for w in weight] if self.constrained else weight, dtype)
        self.theta = nn.Parameter(theta, requires_grad=projections[0].plastic)
        self.register_buffer("block", slot(block, torch.int64))
        self.register_buffer("source", slot([p.source_index for p in projections], torch.int64))
        self.register_buffer("target", slot([p.target_index for p in projections], torch.int64))
        self.register_buffer("sign", slot([np.sign(w) for w in weight], torch.int8))
        self.register_buffer("delay", slot([p.delay for p in projections], torch.int64))
        self.scored: Pairs | None = None
        self.score: Tensor | None = None

    # --- the synapses there are ----------------------------------------------------------------------

    @property
    def plastic(self) -> bool:
        """Whether they learn."""
        return self.theta.requires_grad

    def weight(self) -> Tensor:
        """The weights w, shape (slot,), 0 where there is no active synapse; then those that are scored."""
        weight = self.sign * torch.relu(self.theta) if self.constrained else self.theta
        return weight if self.score is None else torch.cat([weight, self.score])

    @property
    def n_weights(self) -> int:
        """Length of :meth:`weight`."""
        return len(self.theta) + (0 if self.scored is None else len(self.scored))

    def active(self) -> Tensor:
        """Which slots hold an active synapse, bool, shape (slot,)."""
        taken = self.sign != 0
        return taken & (self.theta > 0) if self.constrained else taken

    def listed(self) -> tuple[Tensor, Pairs]:
        """Every synapse that has a gradient: its place in :meth:`weight`, and its pair."""
        place = self.active().nonzero().flatten()
        here = Pairs(
            block=self.block, source=self.source, target=self.target, sign=self.sign,
            delay=self.delay,
        )[place]  # fmt: skip
        if self.scored is None:
            return place, here
        more = torch.arange(len(self.scored), device=place.device) + len(self.theta)
        joined = {
            name: torch.cat([tensor, getattr(self.scored, name)])
            for name, tensor in vars(here).items()
        }
        return torch.cat([place, more]), Pairs(**joined)

    def slot_pairs(self) -> list[tuple[Pairs, Tensor]]:
        """The meaning of :meth:`weight`: the pair of each place, and whether it has a synapse."""
        here = Pairs(
            block=self.block, source=self.source, target=self.target, sign=self.sign,
            delay=self.delay,
        )  # fmt: skip
        found = [(here, self.active())]
        if self.scored is not None:
            found.append((self.scored, torch.ones(len(self.scored), dtype=torch.bool)))
        return found

    @property
    def n_active(self) -> int:
        """Number of active synapses."""
        return int(self.active().sum())

    def slots(self) -> list[npt.NDArray[np.int64]]:
        """Of each projection, the slots of its active synapses, sorted by target, then source."""
        with torch.no_grad():
            here = (self.active() & (self.theta != 0)).nonzero().flatten().cpu()
        block, source, target = (t.cpu()[here] for t in (self.block, self.source, self.target))
        order = self.possible.numbers(block.numpy(), source.numpy(), target.numpy()).argsort()
        sizes = torch.bincount(block, minlength=len(self.projections)).cumsum(0)
        return np.split(here.numpy()[order], sizes[:-1].numpy())

    def to_projections(
        self, slots: Sequence[npt.NDArray[np.int64]] | None = None
    ) -> list[Projection]:
        """The projections as they are now; dormant synapses are left out.

        - slots: what :meth:`slots` gives, where it is known
        """
        if not bool(torch.isfinite(self.theta).all()):
            raise NetworkError(
                f"group {self.name!r}: its weights hold NaN or infinity; training has diverged, go back to "
                "an earlier state"
            )
        source, target, delay = (t.cpu().numpy() for t in (self.source, self.target, self.delay))
        weight: FloatArray = self.weight().detach().cpu().double().numpy()
        return [
            replace(
                p, source_index=source[own], target_index=target[own], weight=weight[own],
                delay=delay[own],
            )
            for p, own in zip(self.projections, slots or self.slots(), strict=True)
        ]  # fmt: skip

    # --- synapses that come and go -------------------------------------------------------------------

    def draw_dormant(self, n: int, generator: torch.Generator | None) -> Pairs:
        """Random pairs without an active synapse, none twice, each as likely as another."""
        return self.possible.pairs(
            self.possible.draw_others(self.numbers(), n, generator), generator
        )

    def score_dormant(self, generator: torch.Generator | None) -> None:
        """Let every dormant pair have a gradient in the next backward pass, as a synapse of weight 0."""
        if self.possible.n > SCORED_MAX:
            raise NetworkError(
                f"group {self.name!r}: has {self.possible.n} pairs, allowed are {SCORED_MAX} where the "
                "gradient of dormant synapses decides (deep_r.rigl_every); leave that out"
            )
        self.scored = self.possible.pairs(self.possible.all_but(self.numbers()), generator)
        self.score = torch.zeros(len(self.scored), dtype=self.theta.dtype, requires_grad=True)

    def take_scores(self) -> tuple[Pairs, Tensor] | None:
        """The dormant pairs that had a gradient, and how fast the loss would fall with each; then forget.

        A free sign becomes the one by which the loss falls.
        """
        pairs, score = self.scored, self.score
        self.scored = self.score = None
        if pairs is None or score is None or score.grad is None:
            return None
        dale = torch.tensor([p.dale for p in self.projections])[pairs.block]
        down = -score.grad.sign().to(pairs.sign)
        sign = torch.where(dale | (down == 0), pairs.sign, down)
        return replace(pairs, sign=sign), -score.grad * sign

    @torch.no_grad()
    def occupy(self, pairs: Pairs, theta: float) -> Tensor:
        """Put synapses with this theta into free slots; gives the slots."""
        free = (~self.active()).nonzero().flatten()[: len(pairs)]
        for name, tensor in vars(pairs).items():
            getattr(self, name)[free] = tensor.to(getattr(self, name))
        self.theta[free] = theta
        return free

    @property
    def max_active(self) -> int:
        """The most synapses that can be active here, by the numbers of slots and of pairs."""
        return min(len(self.theta), self.possible.n)

    def numbers(self, pairs: Pairs | None = None) -> Numbers:
        """Numbers of some pairs, by default of those with an active synapse."""
        if pairs is not None:
            ends = (t.cpu().numpy() for t in (pairs.block, pairs.source, pairs.target))
            return self.possible.numbers(*ends)
        ends = (t.cpu().numpy() for t in (self.block, self.source, self.target))
        here: Numbers = self.possible.numbers(*ends)[self.active().cpu().numpy()]
        return here
