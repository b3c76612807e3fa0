"""Small NIR graphs for tests."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import nir
import numpy as np


def graph_of(edges: list[tuple[str, str]] | None = None, **nodes: Any) -> nir.NIRGraph:
    """A graph of nodes, by default in a chain; a whole number is an input or output of so many values."""
    made = {
        name: (nir.Output if name == "output" else nir.Input)(
            {name if name == "output" else "input": np.atleast_1d(node)}
        )
        if isinstance(node, int | tuple)
        else node
        for name, node in nodes.items()
    }
    return nir.NIRGraph(made, edges or list(pairwise(nodes)), type_check=False)


def each(n: int, *values: float) -> list[Any]:
    return [np.full(n, v) for v in values]


def lif(n: int = 1, *, tau: float = 0.02, r: float = 1.0, threshold: float = 1.0) -> nir.LIF:
    tau_, r_, leak, thr = each(n, tau, r, 0.0, threshold)
    return nir.LIF(tau=tau_, r=r_, v_leak=leak, v_threshold=thr)


def relay(n: int = 1) -> nir.Threshold:
    """Neurons that pass a spike on, and keep nothing of it."""
    return nir.Threshold(np.full(n, 0.5))


def linear(*rows: Any) -> nir.Linear:
    return nir.Linear(np.atleast_2d(np.array(rows, np.float64)))
