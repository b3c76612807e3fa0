"""Networks drawn in norse and exported by its ``to_nir``.

Parameters are vectors, as scalars can't be written. By default time constants are written a thousand
times too small; ``to_nir(dt=1.)`` writes them as they are. ``v_reset`` and the reset method are lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import nir
import numpy as np
import torch
from norse.torch import (
    IAFCell,
    IAFParameters,
    LIBoxCell,
    LIBoxParameters,
    LIFBoxCell,
    LIFBoxParameters,
    LIFCell,
    LIFParameters,
    SequentialState,
)
from norse.torch.functional.reset import reset_subtract, reset_value
from norse.torch.utils.export_nir import to_nir
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
from torch import nn


def drawn(
    modules: list[nn.Module], input_shape: tuple[int, ...], layers: Mapping[str, Layer],
    dt: float, code: str, readout: str | None = None, **more: Any,
) -> Drawn:  # fmt: skip
    """A network of modules in a row; layers are named by their place in it."""
    network = in_one_precision(SequentialState(*modules))
    heard = {name: name for name in layers} | ({READOUT: readout} if readout else {})

    def play(inputs: torch.Tensor) -> None:
        state = None
        for x in inputs:
            _, state = network(x, state)

    def run(inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        found = outputs_of(network, heard, lambda: play(inputs))
        return {n: torch.stack([dense_spikes(o[0]) for o in f]) for n, f in found.items()}

    def graph() -> nir.NIRGraph:
        with torch.no_grad():
            found = to_nir(network, torch.zeros(input_shape), dt=dt)
        if len(input_shape) > 1:
            found.infer_types()  # a convolution can't be written before
        return found

    return Drawn(
        code=f"{code}; to_nir(dt={dt})", input_shape=input_shape, layers=layers, run=run,
        graph=graph, module=network, play=play, readout=readout, **more,
    )  # fmt: skip


def dense_spikes(spikes: torch.Tensor) -> torch.Tensor:
    """LIFCell sends sparse tensors."""
    return spikes.to_dense() if spikes.is_sparse else spikes


def a_dt(rng: np.random.Generator) -> float:
    """The exporter's default, or the one that writes time constants as they are."""
    return float(rng.choice([0.001, 1.0]))


def box(rng: np.random.Generator, n: int, **more: Any) -> LIFBoxCell:
    """LIF without a current: time constants of 5 to 30 ms."""
    return LIFBoxCell(
        LIFBoxParameters(
            tau_mem_inv=1 / uniform(rng, 0.005, 0.03, n), v_th=uniform(rng, 0.6, 1.5, n),
            v_leak=torch.zeros(n), **more,
        )
    )  # fmt: skip


def boxes(rng: np.random.Generator) -> Drawn:
    """One or two layers without a current, and a leaky integrator."""
    widths = sizes(rng, int(rng.integers(1, 3)))
    modules: list[nn.Module] = []
    layers = {}
    method = str(rng.choice(["value", "subtract"]))
    for n_in, n in pairwise(widths):
        fc = nn.Linear(n_in, n, bias=bool(rng.random() < 0.5))
        reset = reset_value if method == "value" else reset_subtract
        modules += [fc, box(rng, n, v_reset=torch.zeros(n), reset_method=reset)]
        node = str(len(modules) - 1)
        layers[node] = Layer(node=node, driven_by=list(fc.parameters()))
    tau_inv = 1 / uniform(rng, 0.01, 0.03, 5)
    readout = LIBoxCell(LIBoxParameters(tau_mem_inv=tau_inv, v_leak=torch.zeros(5)))
    modules += [nn.Linear(widths[-1], 5), readout]
    return drawn(
        modules, (widths[0],), layers, a_dt(rng), f"LIFBoxCell{widths}, reset {method}; LIBoxCell",
        readout=str(len(modules) - 1), reading={"reset": method},
        lost_by_exporter=[f"reset_method {method}: the file says v_reset=0"],
    )  # fmt: skip


def leak_and_reset(rng: np.random.Generator) -> Drawn:
    """A leak potential, which the file has, and a reset potential, which it has not."""
    n_in, n = sizes(rng, 1)
    fc = nn.Linear(n_in, n)
    v_reset, v_leak = uniform(rng, -0.3, 0.1, n), uniform(rng, -0.2, 0.2, n)
    neurons = LIFBoxCell(
        LIFBoxParameters(
            tau_mem_inv=1 / uniform(rng, 0.005, 0.03, n), v_th=uniform(rng, 0.6, 1.5, n),
            v_leak=v_leak, v_reset=v_reset,
        )
    )  # fmt: skip
    layers = {"1": Layer(node="1", driven_by=list(fc.parameters()))}
    return drawn(
        [fc, neurons], (n_in,), layers, a_dt(rng), f"LIFBoxCell[{n_in}, {n}], v_leak, v_reset",
        lost={"1.v_reset": v_reset.numpy()}, lost_by_exporter=["v_reset: the file says 0"],
    )  # fmt: skip


def currents(rng: np.random.Generator) -> Drawn:
    """Two layers with a synaptic current."""
    widths = sizes(rng, 2)
    modules: list[nn.Module] = []
    layers = {}
    for n_in, n in pairwise(widths):
        fc = nn.Linear(n_in, n)
        p = LIFParameters(
            tau_mem_inv=1 / uniform(rng, 0.005, 0.03, n),
            tau_syn_inv=1 / uniform(rng, 0.002, 0.01, n), v_th=uniform(rng, 0.6, 1.5, n),
            v_leak=torch.zeros(n), v_reset=torch.zeros(n),
        )  # fmt: skip
        modules += [fc, LIFCell(p)]
        node = str(len(modules) - 1)
        layers[node] = Layer(node=node, driven_by=list(fc.parameters()))
    return drawn(modules, (widths[0],), layers, a_dt(rng), f"LIFCell{widths}")


def integrators(rng: np.random.Generator) -> Drawn:
    """Neurons without a leak."""
    n_in, n = sizes(rng, 1)
    fc = nn.Linear(n_in, n, bias=False)
    neurons = IAFCell(IAFParameters(v_th=uniform(rng, 0.6, 1.5, n), v_reset=torch.zeros(n)))
    layers = {"1": Layer(node="1", driven_by=list(fc.parameters()))}
    return drawn([fc, neurons], (n_in,), layers, a_dt(rng), f"IAFCell[{n_in}, {n}]")


def convolution(rng: np.random.Generator) -> Drawn:
    """A convolution, strided or not, over all channels or each for itself."""
    channels, maps, groups = 2, 2 * int(rng.integers(1, 3)), int(rng.integers(1, 3))
    conv = nn.Conv2d(channels, maps, 3, stride=int(rng.integers(1, 3)), padding=1, groups=groups)
    side = 6 // conv.stride[0]
    shape = (maps, side, side)
    p = LIFBoxParameters(
        tau_mem_inv=torch.full(shape, 1 / float(rng.uniform(0.005, 0.03))),
        v_th=torch.full(shape, float(rng.uniform(0.6, 1.5))), v_leak=torch.zeros(shape),
        v_reset=torch.zeros(shape),
    )  # fmt: skip
    layers = {"1": Layer(node="1", driven_by=list(conv.parameters()))}
    code = f"Conv2d({channels}, {maps}, 3, stride={conv.stride[0]}, groups={groups}), LIFBoxCell"
    return drawn([conv, LIFBoxCell(p)], (channels, 6, 6), layers, a_dt(rng), code)


KINDS = {f.__name__: f for f in (boxes, currents, leak_and_reset, integrators, convolution)}

if __name__ == "__main__":
    record_all("norse", KINDS)
