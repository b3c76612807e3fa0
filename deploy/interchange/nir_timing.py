"""When things happen: frameworks pass a spike on in the same step, here a hop takes one step.

Each population lags behind the framework's by a number of steps L, found so that no synapse would have to
be faster than it can be. A synapse from s to t then has the delay::

    L_t - L_s - 1 + D       between spiking populations, D: its delay in the framework
    L_t - L_s + D           from inputs (L = 0), and into readouts

so that a skip connection waits for those that it overtakes. In a framework a spike that runs back in a loop
arrives one step later; a loop of several populations would take more here, and is refused.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from lsnn_neuro.errors import NetworkError


@dataclass(frozen=True, kw_only=True)
class Hop:
    """Synapses from one node to another, all of one delay; ``wait``: D, steps in the framework."""

    source: str
    target: str
    delay: int
    wait: int
    spiking: bool

    @property
    def least(self) -> int:
        """By how much the target must lag behind the source, at least."""
        return (1 if self.spiking else 0) - self.wait


def with_waits(edges: Sequence[tuple[str, str, int, bool]], inputs: str, *, hop: int) -> list[Hop]:
    """Edges (source, target, delay, between spiking populations) with their delays in the framework.

    - hop: 1 where the framework itself takes a step for each hop
    """
    names = list(dict.fromkeys([inputs, *(n for a, b, *_ in edges for n in (a, b))]))
    place = {name: i for i, name in enumerate(names)}
    ends = np.array([[place[a], place[b]] for a, b, *_ in edges], np.int64).reshape(-1, 2)
    size = len(names), len(names)
    links = sparse.csr_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), size)
    _, loop = csgraph.connected_components(links, connection="strong")
    order = _order(inputs, edges)
    found = []
    for source, target, delay, spiking in edges:
        back = loop[place[source]] == loop[place[target]] and order[target] <= order[source]
        later = 1 if spiking and (back or hop) else 0
        found.append(
            Hop(source=source, target=target, delay=delay, wait=delay + later, spiking=spiking)
        )
    return found


def _order(inputs: str, edges: Sequence[tuple[str, str, int, bool]]) -> dict[str, int]:
    """The order in which inputs reach the nodes."""
    after: dict[str, list[str]] = {}
    for source, target, *_ in edges:
        after.setdefault(source, []).append(target)
    order, ready = {inputs: 0}, deque([inputs])
    while ready:
        for other in after.get(ready.popleft(), ()):
            if other not in order:
                order[other] = len(order)
                ready.append(other)
    for source, target, *_ in edges:  # what no input reaches
        for name in (source, target):
            order.setdefault(name, len(order))
    return order


def lags(nodes: Sequence[str], inputs: str, hops: Sequence[Hop]) -> dict[str, int]:
    """The smallest lag of each node, such that every synapse's delay is at least 0.

    NetworkError names the feedback that no lag makes possible.
    """
    found: dict[str, int] = dict.fromkeys(nodes, 0)
    inner = [h for h in hops if h.source != inputs]
    after: dict[str, list[Hop]] = {}
    for h in inner:
        after.setdefault(h.source, []).append(h)
    ready, visits = deque(nodes), dict.fromkeys(nodes, 0)
    waiting = set(nodes)
    while ready:
        name = ready.popleft()
        waiting.discard(name)
        visits[name] += 1
        if visits[name] > len(nodes) + 1:
            raise NetworkError(_why_not(inner, found))
        for h in after.get(name, ()):
            if found[h.target] < found[name] + h.least:
                found[h.target] = found[name] + h.least
                if h.target not in waiting:
                    waiting.add(h.target)
                    ready.append(h.target)
    return found


def _why_not(hops: Sequence[Hop], found: Mapping[str, int]) -> str:
    """Which feedback comes back too late."""
    back = next(
        h for h in hops if h.source != h.target and h.wait > h.delay and found[h.source] > 0
    )
    return (
        f"NIR node {back.source!r}: feeds back to {back.target!r} in one step, which takes a step for each "
        "population on the way here; allowed are feedback of a population onto itself, and longer delays "
        "(a Delay node)"
    )
