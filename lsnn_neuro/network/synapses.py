"""A group of projections whose synapses learn together: a list of slots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lsnn_neuro.arrays import FloatArray
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.spec import Projection

SCORED_MAX = 10**7
"""Most dormant pairs of a group that can be scored at once."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """Some pairs of neurons with what a synapse between them would be; tensors (pair,)."""

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
        self.name, self.projections, self.ends = name, tuple(projections), tuple(ends)
        self.constrained = not projections[0].unconstrained
        n = sum(p.n_synapses for p in projections)
        self.n_active_at_start = n
        grows = self.constrained and projections[0].plastic
        slots = max(n, min(capacity, self.n_pairs)) if grows else n

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

    @property
    def n_pairs(self) -> int:
        """Number of pairs that may have a synapse."""
        return sum(s * t - s * loops for s, t, loops in self._blocks())

    def _blocks(self) -> list[tuple[int, int, bool]]:
        """Of each projection the sizes of its ends, and whether loops are forbidden."""
        return [
            (s, t, p.source == p.target and not p.autapses)
            for p, (s, t) in zip(self.projections, self.ends, strict=True)
        ]

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
        """What stands behind :meth:`weight`: the pair of each place, and whether it has a synapse."""
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
        block = self.block.cpu()[here]
        ends = self.source.cpu()[here], self.target.cpu()[here]
        order = self._numbers(block, *ends).argsort()
        sizes = torch.bincount(block, minlength=len(self.projections)).cumsum(0)
        return np.split(here[order].numpy(), sizes[:-1].numpy())

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
        """Random pairs without an active synapse, none twice, each as likely as another.

        Drawn by rejection; where most pairs are taken, from a list of all that are not.
        """
        taken = self.numbers()
        if 2 * (len(taken) + n) > self.n_pairs:
            free = self._dormant(taken)
            ids = free[torch.randperm(len(free), generator=generator)[:n]]
        else:
            ids, taken = taken[:0], taken.sort().values
            while len(ids) < n:
                more = torch.randint(self._n_ids(), (2 * n + 16,), generator=generator)
                more = more[~self._is_loop(more) & ~_among(more, taken)]
                ids = _first_of_each(torch.cat([ids, more]))
            ids = ids[:n]
        return self._pairs(ids, generator)

    def score_dormant(self, generator: torch.Generator | None) -> None:
        """Let every dormant pair have a gradient in the next backward pass, as a synapse of weight 0."""
        if self.n_pairs > SCORED_MAX:
            raise NetworkError(
                f"group {self.name!r}: has {self.n_pairs} pairs, allowed are {SCORED_MAX} where the "
                "gradient of dormant synapses decides (deep_r.rigl_every); leave that out"
            )
        self.scored = self._pairs(self._dormant(self.numbers()), generator)
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
        """Put synapses of so much theta into free slots; gives the slots."""
        free = (~self.active()).nonzero().flatten()[: len(pairs)]
        for name, tensor in vars(pairs).items():
            getattr(self, name)[free] = tensor.to(getattr(self, name))
        self.theta[free] = theta
        return free

    @property
    def n_free(self) -> int:
        """Synapses that can be added: free slots, and pairs without a synapse."""
        return min(len(self.theta), self.n_pairs) - self.n_active

    def _firsts(self) -> Tensor:
        """The number of the first pair of each projection."""
        sizes = [s * t for s, t in self.ends]
        return torch.tensor([0, *np.cumsum(sizes)[:-1].tolist()])

    def _n_ids(self) -> int:
        return sum(s * t for s, t in self.ends)

    def numbers(self, pairs: Pairs | None = None) -> Tensor:
        """Numbers of some pairs, by default of those with an active synapse."""
        if pairs is None:
            here = self.active().cpu()
            ends = (t.cpu()[here] for t in (self.block, self.source, self.target))
        else:
            ends = (t.cpu() for t in (pairs.block, pairs.source, pairs.target))
        return self._numbers(*ends)

    def _numbers(self, block: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Numbers of pairs, by projection, then target, then source."""
        n_source = torch.tensor([s for s, _ in self.ends])
        return self._firsts()[block] + target * n_source[block] + source

    def _dormant(self, taken: Tensor) -> Tensor:
        """Numbers of all pairs without one."""
        free = torch.ones(self._n_ids(), dtype=torch.bool)
        free[taken] = False
        ids = free.nonzero().flatten()
        return ids[~self._is_loop(ids)]

    def _split(self, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Projection, source and target of numbered pairs."""
        firsts = self._firsts()
        block = torch.searchsorted(firsts, ids, right=True) - 1
        n_source = torch.tensor([s for s, _ in self.ends])[block]
        within = ids - firsts[block]
        return block, within % n_source, within // n_source

    def _is_loop(self, ids: Tensor) -> Tensor:
        """Which of some numbered pairs are a forbidden synapse onto the neuron itself."""
        block, source, target = self._split(ids)
        forbidden = torch.tensor([loops for *_, loops in self._blocks()])
        return forbidden[block] & (source == target)

    def _pairs(self, ids: Tensor, generator: torch.Generator | None) -> Pairs:
        """Numbered pairs with signs as their projections rule, and random delays."""
        block, source, target = self._split(ids)
        uniform = torch.rand(2, len(ids), generator=generator)
        reach = torch.tensor([p.reach for p in self.projections])[block]
        share = torch.tensor([p.excitatory for p in self.projections])[block]
        sign = torch.where(uniform[0] < share, 1, -1).to(torch.int8)
        for i, p in enumerate(self.projections):
            if p.dale:
                here = block == i
                sign[here] = torch.tensor(p.signs)[source[here]]
        delay = torch.minimum((uniform[1] * (reach + 1)).long(), reach)
        return Pairs(block=block, source=source, target=target, sign=sign, delay=delay)


def _among(ids: Tensor, ordered: Tensor) -> Tensor:
    """Which numbers are among others that are sorted."""
    if not len(ordered):
        return torch.zeros_like(ids, dtype=torch.bool)
    place = torch.searchsorted(ordered, ids).clamp(max=len(ordered) - 1)
    return ordered[place] == ids


def _first_of_each(ids: Tensor) -> Tensor:
    """The numbers without repeats, in the order in which they came."""
    found, inverse = torch.unique(ids, return_inverse=True)
    first = torch.full((len(found),), len(ids)).scatter_reduce(
        0, inverse, torch.arange(len(ids)), "amin"
    )
    return ids[first.sort().values]
