"""Which framework wrote a NIR file: a guess by what gives it away, or a refusal where two could have."""

from __future__ import annotations

import re
from collections.abc import Mapping

import nir
import numpy as np

from deploy.interchange.dialects import DIALECTS, LEAKY, Dialect, neurons_of, tau_of
from lsnn_neuro.errors import NetworkError

OURS = re.compile(
    r"population\d+|readout\d*(_offset)?|projection\d+_delay\d+|\w+_delay\d+|input|output\d*"
)
ROCKPOOL = re.compile(r"\d+_\w*Torch\w*")
NUMBERED = re.compile(r"\d+")
FX = re.compile(r"_\d+")
"""How torch.fx names the layers of a Sequential; nirtorch names them by their number."""
SNNTORCH_DT = 1e-4
CLOSE = 1e-4

Nodes = Mapping[str, nir.NIRNode]


def author_of(nodes: Nodes) -> tuple[Dialect, str]:
    """The dialect of the framework that wrote a graph, and why; NetworkError names who could have."""
    inner = {n for n, node in nodes.items() if not isinstance(node, nir.Input | nir.Output)}
    ends = set(nodes) - inner
    if inner and all(OURS.fullmatch(n) for n in nodes) and any("population" in n for n in inner):
        return DIALECTS["lsnn-neuro"], "its nodes have the names that convert gives"
    if any(ROCKPOOL.fullmatch(n) for n in inner):
        name = next(n for n in sorted(inner) if ROCKPOOL.fullmatch(n))
        return DIALECTS["rockpool"], f"its nodes are named after rockpool's modules ({name})"
    if inner and all(FX.fullmatch(n) for n in inner) and "input_1" in ends:
        return DIALECTS["spikingjelly"], "its nodes are named as torch.fx does (_0, input_1)"
    if "input" in ends and _steps_of_snntorch(nodes):
        return DIALECTS[
            "snntorch"
        ], f"tau / r is {SNNTORCH_DT:g} s, snntorch's own step, in all neurons"
    numbered = inner and all(NUMBERED.fullmatch(n) for n in inner) and "input" in ends
    leaky = [node for _, node in neurons_of(nodes) if isinstance(node, LEAKY)]
    if numbered and leaky and all((np.asarray(node.r) == 1).all() for node in leaky):
        tau = np.concatenate([np.ravel(tau_of(node)) for node in leaky])
        if tau.min() >= 1 and not any(isinstance(n, nir.CubaLIF) for n in leaky):
            return DIALECTS[
                "sinabs"
            ], "numbers as names, r = 1, and time constants that count steps"
        if tau.max() < 1:
            return DIALECTS["norse"], "numbers as names, r = 1, and time constants below 1 s"
    could = "norse or sinabs" if numbered else "any of them"
    raise NetworkError(
        f"NIR graph: no file says who wrote it, and this could be {could}, which mean different things; say "
        f"it: --from {'|'.join(DIALECTS)}"
    )


def _steps_of_snntorch(nodes: Nodes) -> bool:
    """Whether there are leaky neurons, and tau / r of all is the step that snntorch writes."""
    found = [
        tau_of(node) / np.asarray(node.r, np.float64)
        for _, node in neurons_of(nodes)
        if isinstance(node, LEAKY)
    ]
    values = np.concatenate([np.zeros(0), *(np.ravel(f) for f in found)])
    return bool(len(values)) and bool((np.abs(values / SNNTORCH_DT - 1) < CLOSE).all())
