"""Networks drawn in snnTorch and exported by its ``export_to_nir``.

What its exporter can't take is kept away from it: scalar beta and threshold, the batch dimension. Reset
mechanisms are not in the file; a readout, ``Leaky(reset_mechanism="none")``, is written as spiking LIF.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import nir
import numpy as np
import snntorch as snn
import torch
from recording import (
    READOUT,
    Drawn,
    Layer,
    in_one_precision,
    outputs_of,
    record_all,
    sizes,
    uniform,
)
from snntorch.export_nir import export_to_nir
from torch import nn


def reset(network: nn.Module) -> None:
    """States to zero, the last spikes too, which ``snntorch.utils.reset`` forgets."""
    for module in network.modules():
        if hasattr(module, "reset_mem"):
            module.reset_mem()


def drawn(
    modules: Mapping[str, nn.Module], input_shape: tuple[int, ...], layers: Mapping[str, Layer],
    mechanism: str, code: str, **more: Any,
) -> Drawn:  # fmt: skip
    """A network of modules in a row."""
    network = nn.Sequential()
    for name, module in modules.items():
        network.add_module(name, module)
    in_one_precision(network)
    heard = {name: name for name in layers} | ({READOUT: READOUT} if READOUT in modules else {})

    def play(inputs: torch.Tensor) -> None:
        reset(network)
        for x in inputs:
            network(x)

    def run(inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        found = outputs_of(network, heard, lambda: play(inputs))
        # the readout gives (spike, membrane)
        return {n: torch.stack([o[1] if n == READOUT else o for o in f]) for n, f in found.items()}

    def graph() -> nir.NIRGraph:
        reset(network)
        return export_to_nir(network, torch.zeros(1, *input_shape), ignore_dims=[0])

    return Drawn(
        code=code, input_shape=input_shape, layers=layers, run=run, graph=graph, module=network, play=play,
        entries={READOUT: 1} if READOUT in modules else {}, reading={"reset": mechanism},
        lost_by_exporter=[f"reset_mechanism={mechanism!r}: the file says v_reset=0"], **more,
    )  # fmt: skip


def dense(rng: np.random.Generator, n_in: int, n_out: int) -> nn.Linear:
    """Random weights, with or without a bias."""
    return nn.Linear(n_in, n_out, bias=bool(rng.random() < 0.5))


def mechanism_of(rng: np.random.Generator) -> str:
    """How spikes reset."""
    return str(rng.choice(["subtract", "zero"]))


def leaky(rng: np.random.Generator) -> Drawn:
    """One or two layers of Leaky with a readout that does not spike."""
    widths, mechanism = sizes(rng, int(rng.integers(1, 3))), mechanism_of(rng)
    modules: dict[str, nn.Module] = {}
    layers = {}
    for i, (n_in, n) in enumerate(pairwise(widths), start=1):
        modules[f"fc{i}"] = fc = dense(rng, n_in, n)
        modules[f"lif{i}"] = snn.Leaky(
            uniform(rng, 0.7, 0.97, n), uniform(rng, 0.6, 1.5, n), init_hidden=True,
            reset_mechanism=mechanism,
        )  # fmt: skip
        layers[f"lif{i}"] = Layer(node=f"lif{i}", driven_by=list(fc.parameters()))
    modules["fc"] = dense(rng, widths[-1], 5)
    modules[READOUT] = snn.Leaky(
        uniform(rng, 0.8, 0.97, 5), torch.ones(5), init_hidden=True, output=True,
        reset_mechanism="none",
    )  # fmt: skip
    return drawn(
        modules, (widths[0],), layers, mechanism,
        f"Leaky{widths}, reset {mechanism}; readout Leaky(reset none)",
        readout=READOUT, lost={f"{READOUT}.reset": "none"},
    )  # fmt: skip


def rleaky(rng: np.random.Generator) -> Drawn:
    """Recurrent leaky neurons."""
    (n_in, n), mechanism = sizes(rng, 1), mechanism_of(rng)
    fc = dense(rng, n_in, n)
    neurons = snn.RLeaky(
        float(rng.uniform(0.7, 0.97)), linear_features=n, threshold=float(rng.uniform(0.6, 1.5)),
        init_hidden=True, reset_mechanism=mechanism,
    )  # fmt: skip
    layers = {
        "rlif": Layer(
            node="rlif.lif", driven_by=[*fc.parameters(), *neurons.recurrent.parameters()]
        )
    }
    code = f"RLeaky[{n_in}, {n}], reset {mechanism}"
    return drawn({"fc": fc, "rlif": neurons}, (n_in,), layers, mechanism, code)


def one_to_one(rng: np.random.Generator) -> Drawn:
    """Each neuron hears itself, and no other."""
    (n_in, n), mechanism = sizes(rng, 1), mechanism_of(rng)
    fc = dense(rng, n_in, n)
    neurons = snn.RLeaky(
        float(rng.uniform(0.7, 0.97)), all_to_all=False, V=uniform(rng, -0.8, 0.5, n),
        threshold=float(rng.uniform(0.6, 1.5)), init_hidden=True, reset_mechanism=mechanism,
    )  # fmt: skip
    layers = {"rlif": Layer(node="rlif.lif", driven_by=list(fc.parameters()))}
    code = f"RLeaky[{n_in}, {n}](all_to_all=False), reset {mechanism}"
    return drawn({"fc": fc, "rlif": neurons}, (n_in,), layers, mechanism, code)


def stacked(rng: np.random.Generator) -> Drawn:
    """A recurrent layer with a synaptic current on one without."""
    (n_in, n, n_out), mechanism = sizes(rng, 2), mechanism_of(rng)
    more: dict[str, Any] = {"init_hidden": True, "reset_mechanism": mechanism}
    first = snn.RLeaky(float(rng.uniform(0.7, 0.97)), linear_features=n, **more)
    second = snn.RSynaptic(
        float(rng.uniform(0.5, 0.9)), float(rng.uniform(0.7, 0.97)), linear_features=n_out, **more
    )
    fc1, fc2 = dense(rng, n_in, n), dense(rng, n, n_out)
    layers = {
        "rlif": Layer(
            node="rlif.lif", driven_by=[*fc1.parameters(), *first.recurrent.parameters()]
        ),
        "rsyn": Layer(
            node="rsyn.lif", driven_by=[*fc2.parameters(), *second.recurrent.parameters()]
        ),
    }
    modules = {"fc1": fc1, "rlif": first, "fc2": fc2, "rsyn": second}
    code = f"RLeaky, RSynaptic{[n_in, n, n_out]}, reset {mechanism}"
    return drawn(modules, (n_in,), layers, mechanism, code)


def synaptic(rng: np.random.Generator) -> Drawn:
    """Two layers with a synaptic current."""
    widths, mechanism = sizes(rng, 2), mechanism_of(rng)
    modules: dict[str, nn.Module] = {}
    layers = {}
    for i, (n_in, n) in enumerate(pairwise(widths), start=1):
        modules[f"fc{i}"] = fc = dense(rng, n_in, n)
        modules[f"syn{i}"] = snn.Synaptic(
            uniform(rng, 0.5, 0.9, n), uniform(rng, 0.7, 0.97, n), uniform(rng, 0.6, 1.5, n),
            init_hidden=True, reset_mechanism=mechanism,
        )  # fmt: skip
        layers[f"syn{i}"] = Layer(node=f"syn{i}", driven_by=list(fc.parameters()))
    return drawn(modules, (widths[0],), layers, mechanism, f"Synaptic{widths}, reset {mechanism}")


def rsynaptic(rng: np.random.Generator) -> Drawn:
    """Recurrent neurons with a synaptic current."""
    (n_in, n), mechanism = sizes(rng, 1), mechanism_of(rng)
    fc = dense(rng, n_in, n)
    neurons = snn.RSynaptic(
        uniform(rng, 0.5, 0.9, n), uniform(rng, 0.7, 0.97, n), linear_features=n,
        init_hidden=True, reset_mechanism=mechanism,
    )  # fmt: skip
    layers = {
        "rsyn": Layer(
            node="rsyn.lif", driven_by=[*fc.parameters(), *neurons.recurrent.parameters()]
        )
    }
    code = f"RSynaptic[{n_in}, {n}], reset {mechanism}"
    return drawn({"fc": fc, "rsyn": neurons}, (n_in,), layers, mechanism, code)


def convolution(rng: np.random.Generator) -> Drawn:
    """A convolution, average pooling, and a dense layer."""
    channels, maps, n, mechanism = 2, int(rng.integers(2, 5)), 10, mechanism_of(rng)
    conv = nn.Conv2d(channels, maps, 3, padding=1, bias=bool(rng.random() < 0.5))
    fc = dense(rng, maps * 9, n)
    beta, threshold = rng.uniform(0.7, 0.95, 2), rng.uniform(0.6, 1.5, 2)
    lifs = [
        snn.Leaky(
            torch.full(shape, float(b)), torch.full(shape, float(th)), init_hidden=True,
            reset_mechanism=mechanism,
        )
        for shape, b, th in zip([(maps, 6, 6), (n,)], beta, threshold, strict=True)
    ]  # fmt: skip
    modules = {
        "conv": conv, "lif1": lifs[0], "pool": nn.AvgPool2d(2), "flat": nn.Flatten(), "fc": fc,
        "lif2": lifs[1],
    }  # fmt: skip
    layers = {
        "lif1": Layer(node="lif1", driven_by=list(conv.parameters())),
        "lif2": Layer(node="lif2", driven_by=list(fc.parameters())),
    }
    code = f"Conv2d({channels}, {maps}, 3), Leaky, AvgPool2d(2), Linear, Leaky; reset {mechanism}"
    return drawn(modules, (channels, 6, 6), layers, mechanism, code)


KINDS = {
    f.__name__: f for f in (leaky, rleaky, synaptic, rsynaptic, convolution, one_to_one, stacked)
}

if __name__ == "__main__":
    record_all("snntorch", KINDS)
