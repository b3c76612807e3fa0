"""Networks drawn in rockpool and exported by its ``to_nir``, written as they are.

Neurons subtract floor(v / threshold) thresholds and send as many spikes in a step, unless they are made
with ``max_spikes_per_dt=1``; the file does not say which. Recurrent weights and the neurons' own bias
are lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import nir
import numpy as np
import torch
from recording import READOUT, Drawn, Layer, record_all, sizes, uniform
from rockpool.nn.combinators import Sequential
from rockpool.nn.modules import ExpSynTorch, LIFNeuronTorch, LIFTorch, LinearTorch
from rockpool.nn.modules.torch.lif_torch import StepPWL
from rockpool.nn.modules.torch.nir import to_nir

ONE = torch.tensor(1.0)


class Step:
    """The default spikes, in the precision of the weights that they enter: else they are 32-bit."""

    @staticmethod
    def apply(*values: torch.Tensor) -> torch.Tensor:
        """See StepPWL."""
        spikes: torch.Tensor = StepPWL.apply(*values)
        return spikes.to(torch.get_default_dtype())


def drawn(
    modules: list[torch.nn.Module], layers: Mapping[str, Layer], code: str, *, one_spike: bool = True,
    **more: Any,
) -> Drawn:  # fmt: skip
    """A network of modules in a row; layers are named by their place in it."""
    network = Sequential(*modules)
    n_in = network.size_in
    heard = {name: layer.node for name, layer in layers.items()}
    if more.get("readout"):
        heard[READOUT] = more["readout"]

    def begin() -> None:
        network.reset_state()
        network.to(torch.get_default_dtype())  # rockpool makes parameters and states 32-bit

    def play(inputs: torch.Tensor) -> None:
        begin()
        network(inputs.transpose(0, 1))

    def run(inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        begin()
        _, _, record = network(inputs.transpose(0, 1), record=True)  # (batch, time, channel)
        return {n: record[f"{node}_output"].transpose(0, 1) for n, node in heard.items()}

    def graph() -> nir.NIRGraph:
        begin()
        found = to_nir(network)
        for node in found.nodes.values():
            if isinstance(node, nir.LI):
                node.tau = node.tau.detach()  # else it can't be written
        return found

    lost = ["the reset: subtracts, the file says v_reset=0"]
    return Drawn(
        code=code, input_shape=(n_in,), layers=layers, run=run, graph=graph, module=network, play=play,
        reading={"one_spike": one_spike}, lost_by_exporter=[*lost, *more.pop("words", ())], **more,
    )  # fmt: skip


def linear(rng: np.random.Generator, n_in: int, n: int) -> LinearTorch:
    """Random weights, with or without a bias."""
    has_bias = bool(rng.random() < 0.5)
    weight = uniform(rng, -1, 1, n_in * n).reshape(n_in, n)
    bias = uniform(rng, -0.2, 0.2, n) if has_bias else None
    return LinearTorch((n_in, n), weight=weight, bias=bias, has_bias=has_bias)


def driven_by(module: LinearTorch) -> list[torch.Tensor]:
    """Weights and bias."""
    return [p for p in module.parameters().values() if isinstance(p, torch.Tensor)]


def neurons(rng: np.random.Generator) -> Drawn:
    """One or two layers without a current, at one of several steps."""
    widths, dt = sizes(rng, int(rng.integers(1, 3))), float(rng.choice([1e-3, 2e-3]))
    modules: list[torch.nn.Module] = []
    layers = {}
    for n_in, n in pairwise(widths):
        fc = linear(rng, n_in, n)
        lif = LIFNeuronTorch(
            (n,), tau_mem=uniform(rng, 0.005, 0.04, n), threshold=uniform(rng, 0.6, 1.5, n),
            max_spikes_per_dt=ONE, dt=dt,
        )  # fmt: skip
        modules += [fc, lif]
        at = str(len(modules) - 1)
        layers[at] = Layer(node=f"{at}_LIFNeuronTorch", driven_by=driven_by(fc))
    return drawn(modules, layers, f"LIFNeuronTorch{widths}, max_spikes_per_dt=1, dt={dt}")


def currents(rng: np.random.Generator) -> Drawn:
    """A layer with a synaptic current, and a readout of exponential synapses."""
    n_in, n = sizes(rng, 1)
    fc, out = linear(rng, n_in, n), linear(rng, n, 5)
    lif = LIFTorch(
        (n,), tau_mem=uniform(rng, 0.005, 0.04, n), tau_syn=uniform(rng, 0.003, 0.02, n)[:, None],
        threshold=uniform(rng, 0.6, 1.5, n), bias=torch.zeros(n), max_spikes_per_dt=ONE,
        spike_generation_fn=Step,
    )  # fmt: skip
    readout = ExpSynTorch((5,), tau=uniform(rng, 0.005, 0.03, 5))
    layers = {"1": Layer(node="1_LIFTorch", driven_by=driven_by(fc))}
    return drawn(
        [fc, lif, out, readout], layers, f"LIFTorch[{n_in}, {n}], max_spikes_per_dt=1; ExpSynTorch",
        readout="3_ExpSynTorch",
    )  # fmt: skip


def recurrence_and_bias(rng: np.random.Generator) -> Drawn:
    """Recurrent weights and a bias of the neurons, which are lost."""
    n_in, n = sizes(rng, 1)
    fc = linear(rng, n_in, n)
    bias = uniform(rng, -0.02, 0.05, n)
    w_rec = torch.as_tensor(rng.normal(0, 0.3 / np.sqrt(n), (n, n)))  # (source, target)
    lif = LIFTorch(
        (n,), tau_mem=uniform(rng, 0.005, 0.04, n), tau_syn=uniform(rng, 0.003, 0.02, n)[:, None],
        threshold=uniform(rng, 0.6, 1.5, n), has_rec=True,
        w_rec=w_rec, bias=bias, max_spikes_per_dt=ONE, spike_generation_fn=Step,
    )  # fmt: skip
    layers = {"1": Layer(node="1_LIFTorch", driven_by=driven_by(fc))}
    return drawn(
        [fc, lif], layers, f"LIFTorch[{n_in}, {n}](has_rec=True, bias), max_spikes_per_dt=1",
        words=["w_rec and bias of LIFTorch"],
        lost={
            "1_LIFTorch.w_rec": w_rec.numpy().T,  # (target, source)
            "1_LIFTorch.bias": bias.numpy(),
        },
    )  # fmt: skip


def several_spikes(rng: np.random.Generator) -> Drawn:
    """The default: as many spikes a step as the membrane holds thresholds."""
    n_in, n = sizes(rng, 1)
    fc = linear(rng, n_in, n)
    lif = LIFNeuronTorch(
        (n,), tau_mem=uniform(rng, 0.005, 0.04, n), threshold=uniform(rng, 0.6, 1.5, n)
    )
    layers = {"1": Layer(node="1_LIFNeuronTorch", driven_by=driven_by(fc))}
    return drawn([fc, lif], layers, f"LIFNeuronTorch[{n_in}, {n}]", one_spike=False)


KINDS = {f.__name__: f for f in (neurons, currents, recurrence_and_bias, several_spikes)}

if __name__ == "__main__":
    record_all("rockpool", KINDS)
