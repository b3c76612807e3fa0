"""Networks drawn in sinabs and exported by its ``to_nir``.

Time constants are in steps. The spike and reset functions, ``tau_syn`` and ``norm_input=False`` are not
in the file.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import nir
import numpy as np
import sinabs
import torch
from recording import (
    BATCH,
    READOUT,
    Drawn,
    Layer,
    in_one_precision,
    outputs_of,
    record_all,
    sizes,
    uniform,
)
from sinabs import layers as sl
from sinabs.activation import MembraneReset, MembraneSubtract, MultiSpike, SingleSpike
from sinabs.nir import to_nir
from torch import nn

RESETS = {"subtract": MembraneSubtract, "zero": MembraneReset}


def drawn(
    modules: list[nn.Module], input_shape: tuple[int, ...], layers: list[str], reset: str, code: str,
    *, one_spike: bool = True, readout: str | None = None, **more: Any,
) -> Drawn:  # fmt: skip
    """A network of modules in a row; a layer is named by its place, behind what drives it."""
    network = in_one_precision(nn.Sequential(*modules).to(torch.get_default_dtype()))
    heard = {name: name for name in layers} | ({READOUT: readout} if readout else {})

    def run(inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        sinabs.reset_states(network)
        flat = inputs.transpose(0, 1).flatten(0, 1)  # (batch * time, *shape)
        found = outputs_of(network, heard, lambda: network(flat))
        return {n: f[0].unflatten(0, (BATCH, -1)).transpose(0, 1) for n, f in found.items()}

    def graph() -> nir.NIRGraph:
        sinabs.reset_states(network)
        found = to_nir(network, torch.zeros(BATCH, *input_shape))
        if len(input_shape) > 1:
            found.infer_types()  # a convolution can't be written before
        return found

    driven = {n: Layer(node=n, driven_by=list(modules[int(n) - 1].parameters())) for n in layers}
    return Drawn(
        code=code, input_shape=input_shape, layers=driven, run=run, graph=graph, readout=readout,
        reading={"reset": reset, "one_spike": one_spike}, **more,
    )  # fmt: skip


def lif(rng: np.random.Generator, n: int, reset: str, **more: Any) -> sl.LIFSqueeze:
    """Leaky neurons that send one spike a step."""
    return sl.LIFSqueeze(
        batch_size=BATCH, tau_mem=uniform(rng, 4, 30, n), spike_threshold=uniform(rng, 0.6, 1.5, n),
        spike_fn=SingleSpike, reset_fn=RESETS[reset](), **more,
    )  # fmt: skip


def a_reset(rng: np.random.Generator) -> str:
    """How spikes reset."""
    return str(rng.choice(list(RESETS)))


def leaky(rng: np.random.Generator) -> Drawn:
    """One or two layers."""
    widths, reset = sizes(rng, int(rng.integers(1, 3))), a_reset(rng)
    modules: list[nn.Module] = []
    for n_in, n in pairwise(widths):
        modules += [nn.Linear(n_in, n, bias=bool(rng.random() < 0.5)), lif(rng, n, reset)]
    layers = [str(i) for i in range(1, len(modules), 2)]
    code = f"LIFSqueeze{widths}, SingleSpike, reset {reset}"
    return drawn(modules, (widths[0],), layers, reset, code)


def not_normalized(rng: np.random.Generator) -> Drawn:
    """``norm_input=False``, which is lost, and a readout, whose default that is."""
    (n_in, n), reset = sizes(rng, 1), a_reset(rng)
    modules = [
        nn.Linear(n_in, n), lif(rng, n, reset, norm_input=False),
        nn.Linear(n, 5), sl.ExpLeakSqueeze(batch_size=BATCH, tau_mem=uniform(rng, 5, 30, 5)),
    ]  # fmt: skip
    code = f"LIFSqueeze[{n_in}, {n}](norm_input=False), SingleSpike, reset {reset}; ExpLeakSqueeze"
    return drawn(
        modules, (n_in,), ["1"], reset, code, readout="3", lost={"1.norm_input": False},
        lost_by_exporter=["norm_input=False"],
    )  # fmt: skip


def integrators(rng: np.random.Generator) -> Drawn:
    """A convolution, pooling by sums, and a dense layer; neurons without leaks."""
    channels, maps, n, reset = 2, int(rng.integers(2, 5)), 10, a_reset(rng)

    def iaf(threshold: float) -> sl.IAFSqueeze:
        return sl.IAFSqueeze(
            batch_size=BATCH, spike_threshold=torch.tensor(threshold), spike_fn=SingleSpike,
            reset_fn=RESETS[reset](),
        )  # fmt: skip

    thresholds = rng.uniform(0.6, 1.5, 2)
    modules = [
        nn.Conv2d(channels, maps, 3, padding=1, bias=False), iaf(float(thresholds[0])),
        sl.SumPool2d(2), nn.Flatten(), nn.Linear(maps * 9, n, bias=False), iaf(float(thresholds[1])),
    ]  # fmt: skip
    code = f"Conv2d({channels}, {maps}, 3), IAFSqueeze, SumPool2d(2), Linear, IAFSqueeze, reset {reset}"
    return drawn(modules, (channels, 6, 6), ["1", "5"], reset, code)


def synaptic_current(rng: np.random.Generator) -> Drawn:
    """``tau_syn``, which is lost."""
    (n_in, n), reset, tau_syn = sizes(rng, 1), a_reset(rng), float(rng.uniform(2, 8))
    modules = [nn.Linear(n_in, n), lif(rng, n, reset, tau_syn=torch.tensor(tau_syn))]
    code = f"LIFSqueeze[{n_in}, {n}](tau_syn={tau_syn:.3f}), SingleSpike, reset {reset}"
    return drawn(
        modules, (n_in,), ["1"], reset, code, lost={"1.tau_syn": float(np.float32(tau_syn))},
        lost_by_exporter=["tau_syn: the file has no synaptic current"],
    )  # fmt: skip


def several_spikes(rng: np.random.Generator) -> Drawn:
    """The default: as many spikes a step as the membrane holds thresholds."""
    n_in, n = sizes(rng, 1)
    neurons = sl.LIFSqueeze(
        batch_size=BATCH, tau_mem=uniform(rng, 4, 30, n), spike_threshold=uniform(rng, 0.6, 1.5, n),
        spike_fn=MultiSpike,
    )  # fmt: skip
    modules = [nn.Linear(n_in, n), neurons]
    code = f"LIFSqueeze[{n_in}, {n}], MultiSpike"
    return drawn(modules, (n_in,), ["1"], "subtract", code, one_spike=False)


if __name__ == "__main__":
    functions = (leaky, not_normalized, integrators, synaptic_current, several_spikes)
    record_all("sinabs", {f.__name__: f for f in functions})
