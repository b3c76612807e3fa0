"""Draw the LSNN of Bellec et al. 2018."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lsnn_neuro.network.module import SpikingNetwork
from lsnn_neuro.network.spec import NetworkSpec, Population, Projection
from lsnn_neuro.recipe import LSNNConfig
from lsnn_neuro.registry import NEURONS

READOUT = "readout"
Ends = list[tuple[str, int]]
"""Names and sizes of populations."""


def draw_lsnn(
    config: LSNNConfig, n_inputs: int, n_outputs: int, generator: torch.Generator
) -> SpikingNetwork:
    """Draw an LSNN; the draws are those of release 0.1.0."""
    n = config.regular + config.adaptive
    low, high = config.tau_a if isinstance(config.tau_a, tuple) else (config.tau_a,) * 2
    tau_a = low + (high - low) * torch.rand(n, generator=generator)
    rho = torch.exp(-1.0 / tau_a)
    alpha = float(np.float32(math.exp(-1.0 / config.tau_m)))
    both = (("regular", config.regular), ("adaptive", config.adaptive))
    sizes = [(name, size) for name, size in both if size]
    populations = []
    first = 0
    for name, size in sizes:
        populations.append(_population(config, name, size, alpha, rho[first : first + size]))
        first += size
    kappa = math.exp(-1.0 / config.tau_out)
    li = NEURONS["li"](alpha=np.full(n_outputs, kappa))
    populations.append(Population(name=READOUT, neuron=li, learn=("offset",)))
    plastic = config.learning != "liquid"
    delays = config.n_delays
    groups = [
        _Drawn("input", [("input", n_inputs)], sizes, n, n_inputs, connectivity=config.input_connectivity,
               signs=config.signs, excitatory=config.excitatory, n_delays=config.input_delays or delays,
               scale=config.input_scale, generator=generator, plastic=plastic),
        _Drawn("recurrent", sizes, sizes, n, n, connectivity=config.recurrent_connectivity,
               signs=config.signs, excitatory=config.excitatory, n_delays=delays,
               scale=config.recurrent_scale, autapses=False, generator=generator, plastic=plastic),
        _Drawn("readout", sizes, [(READOUT, n_outputs)], n_outputs, n,
               connectivity=config.readout_connectivity,
               signs="unconstrained" if config.signs == "unconstrained" else "free", generator=generator),
    ]  # fmt: skip
    feedback = None
    if config.learning == "random-feedback":
        feedback = (torch.randn(n_outputs, n, generator=generator) / math.sqrt(n)).double().numpy()
    return SpikingNetwork(
        NetworkSpec(
            n_inputs=n_inputs, populations=tuple(populations),
            projections=tuple(p for g in groups for p in g.projections()), feedback=feedback,
        )
    )  # fmt: skip


def _population(config: LSNNConfig, name: str, size: int, alpha: float, rho: Tensor) -> Population:
    common = {
        "alpha": np.full(size, alpha),
        "b0": np.full(size, np.float32(config.b0)),
        "gamma": config.gamma,
    }
    adaptation = {"rho": rho.double().numpy(), "beta": np.full(size, np.float32(config.beta))}
    reset = {"n_ref": config.n_ref, "reset": "to" if config.reset == "zero" else "subtract"}
    kappa_i = np.full(size, config.kappa_i)
    if config.neuron == "atrlif":
        adaptation["beta"] = adaptation["beta"] * (name == "adaptive")
        neuron = NEURONS["atrlif"](**common, **adaptation, keep_r=np.full(size, config.kappa_r))
    elif name == "regular":
        neuron = NEURONS["lif"](**common, **reset)
    else:
        kind = NEURONS["ahp" if config.adaptation == "current" else "alif"]
        neuron = kind(**common, **adaptation, **reset)
    learn = tuple(c for c in config.learn if c in neuron.learnable())
    return Population(name=name, neuron=neuron, kappa_i=kappa_i, learn=learn)


class _Drawn:
    """A matrix drawn as release 0.1.0 drew it."""

    def __init__(
        self, name: str, sources: Ends, targets: Ends, n_target: int, n_source: int, *,
        connectivity: float, signs: str, excitatory: float = 0.5, n_delays: int = 1,
        scale: float = 1.0, autapses: bool = True, generator: torch.Generator, plastic: bool = True,
    ):  # fmt: skip
        self.name, self.sources, self.targets, self.plastic = name, sources, targets, plastic
        self.signs, self.excitatory, self.n_delays, self.autapses = (
            signs,
            excitatory,
            n_delays,
            autapses,
        )
        shape = (n_target, n_source)
        constrained = signs != "unconstrained"
        allowed = torch.ones(shape, dtype=torch.bool)
        if not autapses:
            allowed.fill_diagonal_(False)
        n_active = round(connectivity * int(allowed.sum()))
        if signs == "dale":  # a fixed share of the sources, in random order
            order = torch.randperm(n_source, generator=generator)
            positive = (order < round(excitatory * n_source)).expand(shape)
        else:
            positive = torch.rand(shape, generator=generator) < excitatory
        theta = torch.randn(shape, generator=generator) * (scale / math.sqrt(n_source))
        if constrained:
            balance = excitatory / (1 - excitatory) if excitatory < 1 else 1.0
            theta = theta.abs() * torch.where(positive, 1.0, balance)
        rank = torch.rand(shape, generator=generator).masked_fill(~allowed, 2.0).flatten()
        active = torch.zeros(rank.numel(), dtype=torch.bool)
        active[rank.argsort()[:n_active]] = True
        active = active.reshape(shape)
        self.constrained, self.active, self.allowed = constrained, active, allowed
        self.theta = theta * active
        self.delay = torch.randint(0, n_delays, shape, generator=generator)
        self.sign = torch.where(positive, 1, -1).to(torch.int8)

    def blocks(self) -> Iterator[tuple[str, str, slice, slice]]:
        """Source, target, rows and columns of each pair of populations."""
        row = 0
        for target, n_target in self.targets:
            column = 0
            for source, n_source in self.sources:
                yield source, target, slice(row, row + n_target), slice(column, column + n_source)
                column += n_source
            row += n_target

    def projections(self) -> Iterator[Projection]:
        """The active synapses, one projection for each pair of populations."""
        for source, target, rows, columns in self.blocks():
            weight = self.theta[rows, columns]
            if self.constrained:
                weight = weight * self.sign[rows, columns]
            signs: Any = self.sign[0, columns].numpy() if self.signs == "dale" else self.signs
            yield Projection.of_matrix(
                source,
                target,
                weight.double().numpy(),
                delay=self.delay[rows, columns].numpy(),
                signs=signs,
                max_delay=self.n_delays - 1,
                autapses=self.autapses,
                excitatory=self.excitatory,
                plastic=self.plastic,
                group=self.name,
            )
