"""An LSNN of any size, drawn as lists of synapses: no matrix of all pairs is made.

The setting is the paper's (80 inputs, 10 outputs, 6 of 11 neurons regular, Dale's law, delays to 9), inputs
and outputs at 12 %; recurrent synapses get what is left, with weights such that a neuron hears as much as
there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

INPUTS, OUTPUTS, CONNECTIVITY, MAX_DELAY = 80, 10, 0.12, 9
EXCITATORY, BALANCE = 0.75, 3.0
"""Share of excitatory sources; inhibitory weights are so many times stronger."""
SCALE = 0.55
"""Of these weights: neurons then fire at 15 to 20 Hz, as in a network that has learnt for a while."""
INPUT_RATE = 0.028
"""Spikes per step of an input, as the digits have."""
Group = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawing:
    """The synapses of the three groups, each with source, target, weight and delay, arrays (synapse,)."""

    neurons: int
    inputs: Group
    recurrent: Group
    readout: Group

    @property
    def regular(self) -> int:
        """How many neurons have no adaptation; they come first."""
        return self.neurons * 6 // 11


def draw(neurons: int, synapses: int) -> Drawing:
    """Draw a network with so many synapses in all."""
    rng = np.random.default_rng(0)
    into, out = (round(CONNECTIVITY * n * neurons) for n in (INPUTS, OUTPUTS))
    left, pairs = synapses - into - out, neurons * (neurons - 1)
    if not 0 < left <= pairs // 2:
        raise ValueError(
            f"{synapses} synapses for {neurons} neurons: allowed are {into + out + 1} to "
            f"{into + out + pairs // 2}"
        )
    return Drawing(
        neurons=neurons,
        inputs=_group(rng, INPUTS, neurons, into, dale=True),
        recurrent=_group(rng, neurons, neurons, left, dale=True, autapses=False),
        readout=_group(rng, neurons, OUTPUTS, out, dale=False),
    )


def _group(
    rng: np.random.Generator,
    sources: int,
    targets: int,
    n: int,
    *,
    dale: bool,
    autapses: bool = True,
) -> Group:
    rows = targets if autapses else targets - 1
    keys = np.zeros(0, np.int64)
    while len(keys) < n:  # pairs that came twice are drawn again
        more = rng.integers(0, sources * rows, n - len(keys))
        keys = np.unique(np.concatenate([keys, more]))
    source, target = keys % sources, keys // sources
    if not autapses:
        target += target >= source
    positive = rng.permutation(sources) < round(EXCITATORY * sources)
    chosen = positive[source] if dale else rng.random(n) < 0.5
    weight = np.abs(rng.standard_normal(n)) * math.sqrt(CONNECTIVITY / (n / targets))
    if dale:
        weight = SCALE * np.where(chosen, weight, BALANCE * weight)
    return {
        "source": source.astype(np.int32),
        "target": target.astype(np.int32),
        "weight": np.where(chosen, weight, -weight),
        "delay": rng.integers(0, (MAX_DELAY if dale else 0) + 1, n).astype(np.int32),
        "signs": np.where(positive, 1, -1).astype(np.int8) if dale else "free",
    }


def network(drawing: Drawing) -> Any:
    """The network of this checkout."""
    import torch

    from lsnn_neuro.network.constants import USUAL
    from lsnn_neuro.network.graph import INPUT
    from lsnn_neuro.network.lsnn import READOUT, draw_population, readout
    from lsnn_neuro.network.module import SpikingNetwork
    from lsnn_neuro.network.spec import NetworkSpec
    from lsnn_neuro.registry import NEURONS

    constants, generator = USUAL | {"n_ref": 5}, torch.Generator().manual_seed(0)
    sizes = {"regular": drawing.regular, "adaptive": drawing.neurons - drawing.regular}
    kinds = {"regular": "lif", "adaptive": "alif"}
    populations = [
        draw_population(name, NEURONS[kinds[name]], size, constants, generator, dt=1.0)
        for name, size in sizes.items()
    ]
    places = {"regular": (0, drawing.regular), "adaptive": (drawing.regular, drawing.neurons)}
    inputs, outputs = {INPUT: (0, INPUTS)}, {READOUT: (0, OUTPUTS)}
    spec = NetworkSpec(
        n_inputs=INPUTS,
        populations=(*populations, readout(OUTPUTS, USUAL["tau_out"], dt=1.0)),
        projections=(
            *_projections("input", drawing.inputs, inputs, places),
            *_projections("recurrent", drawing.recurrent, places, places),
            *_projections("readout", drawing.readout, places, outputs),
        ),
        dt=1.0,
    )
    return SpikingNetwork(spec)


def _projections(
    name: str, group: Group, sources: Mapping[str, tuple[int, int]],
    targets: Mapping[str, tuple[int, int]],
) -> Iterator[Any]:  # fmt: skip
    """One projection for each pair of populations."""
    from lsnn_neuro.network.spec import Projection

    signs: Any = group["signs"]
    longest = int(group["delay"].max())
    for target, (first_row, last_row) in targets.items():
        rows = (first_row <= group["target"]) & (group["target"] < last_row)
        for source, (first, last) in sources.items():
            here = rows & (first <= group["source"]) & (group["source"] < last)
            yield Projection(
                source=source, target=target, source_index=group["source"][here] - first,
                target_index=group["target"][here] - first_row, weight=group["weight"][here],
                delay=group["delay"][here], max_delay=longest, autapses=name != "recurrent",
                signs=signs if isinstance(signs, str) else signs[first:last],
                excitatory=EXCITATORY, group=name,
            )  # fmt: skip


def older_network(drawing: Drawing) -> Any:
    """The same network in a checkout that still kept synapses as matrices of all pairs."""
    import torch
    from torch import nn

    from lsnn_neuro.network import LSNN  # type: ignore[attr-defined]
    from lsnn_neuro.recipe import LSNNConfig  # type: ignore[attr-defined]

    n = drawing.neurons
    two = LSNNConfig(regular=1, adaptive=1)  # then its tensors make way for those of n neurons
    net = LSNN(two, INPUTS, OUTPUTS, generator=torch.Generator().manual_seed(0))
    for name in ("alpha", "rho", "b0"):
        setattr(net, name, getattr(net, name)[:1].repeat(n))
    net.beta = (torch.arange(n) >= drawing.regular) * two.beta
    shapes = {"input": (n, INPUTS), "recurrent": (n, n), "readout": (OUTPUTS, n)}
    groups = {"input": drawing.inputs, "recurrent": drawing.recurrent, "readout": drawing.readout}
    for name, group in groups.items():
        synapses, at = getattr(net, name), (group["target"], group["source"])
        theta = np.zeros(shapes[name], np.float32)
        theta[at] = np.abs(group["weight"])
        sign, delay = np.ones(shapes[name], np.int8), np.zeros(shapes[name], np.uint8)
        sign[at], delay[at] = np.sign(group["weight"]), group["delay"]
        synapses.theta = nn.Parameter(torch.from_numpy(theta))
        synapses.sign, synapses.delay = torch.from_numpy(sign), torch.from_numpy(delay)
        synapses.allowed = torch.ones(shapes[name], dtype=torch.bool)
    return net
