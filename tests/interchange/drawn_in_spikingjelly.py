"""Networks drawn in spikingjelly and exported by its ``export_to_nir``.

Its files say the reset; soft resets are refused by the exporter, recurrent containers too.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import nir
import numpy as np
import torch
from recording import Drawn, Layer, in_one_precision, outputs_of, record_all, sizes
from spikingjelly.activation_based import functional, neuron
from spikingjelly.activation_based.nir_exchange import export_to_nir
from torch import nn


def drawn(
    network: nn.Module, input_shape: tuple[int, ...], layers: Mapping[str, Layer], dt: float,
    code: str, told: bool = False,
) -> Drawn:  # fmt: skip
    """A network; layers are named by their module in it. told: whether a reader must be told dt."""
    in_one_precision(network)

    def play(inputs: torch.Tensor) -> None:
        functional.reset_net(network)
        for x in inputs:
            network(x)

    def run(inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        modules = {name: name for name in layers}
        found = outputs_of(network, modules, lambda: play(inputs))
        return {name: torch.stack(spikes) for name, spikes in found.items()}

    def graph() -> nir.NIRGraph:
        functional.reset_net(network)
        found = export_to_nir(network, torch.zeros(1, *input_shape), dt=dt)
        functional.reset_net(network)
        return found

    return Drawn(
        code=f"{code}; dt={dt}", input_shape=input_shape, layers=layers, run=run, graph=graph,
        module=network, play=play, reading={"dt": 1000 * dt} if told else {},
    )  # fmt: skip


def a_dt(rng: np.random.Generator) -> float:
    """In seconds: the exporter's default, or 1 ms."""
    return float(rng.choice([1e-4, 1e-3]))


def in_a_row(
    rng: np.random.Generator, widths: list[int], neurons: list[nn.Module], bias: bool
) -> tuple[nn.Sequential, dict[str, Layer]]:
    """Dense layers and neurons by turns."""
    modules: list[nn.Module] = []
    for n_in, n, lif in zip(widths, widths[1:], neurons, strict=False):
        modules += [nn.Linear(n_in, n, bias=bias), lif]
    layers = {
        str(i): Layer(node=f"_{i}", driven_by=list(modules[i - 1].parameters()))
        for i in range(1, len(modules), 2)
    }
    return nn.Sequential(*modules), layers


def leaky(rng: np.random.Generator) -> Drawn:
    """One or two layers, with inputs that decay or not, and a reset potential."""
    widths, decay_input = sizes(rng, int(rng.integers(1, 3))), bool(rng.random() < 0.5)
    lifs = [
        neuron.LIFNode(
            tau=float(rng.uniform(3, 20)), decay_input=decay_input,
            v_threshold=float(rng.uniform(0.6, 1.5)), v_reset=float(rng.uniform(-0.3, 0.1)),
        )
        for _ in widths[1:]
    ]  # fmt: skip
    network, layers = in_a_row(rng, widths, lifs, bool(rng.random() < 0.5))
    code = f"LIFNode{widths}, decay_input={decay_input}, v_reset"
    return drawn(network, (widths[0],), layers, a_dt(rng), code, told=decay_input)


def ties(rng: np.random.Generator) -> Drawn:
    """Weights in powers of two: membranes meet the threshold exactly."""
    widths = sizes(rng, 2)
    network, layers = in_a_row(rng, widths, [neuron.IFNode(), neuron.IFNode()], bias=False)
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(torch.as_tensor(rng.integers(-2, 4, p.shape) / 4).to(p.dtype))
    held = {name: Layer(node=layer.node, driven_by=()) for name, layer in layers.items()}
    return drawn(network, (widths[0],), held, a_dt(rng), f"IFNode{widths}, weights k/4")


def currents(rng: np.random.Generator) -> Drawn:
    """A synaptic current."""
    widths = sizes(rng, 2)
    lifs = [
        neuron.CUBALIFNode(
            c_decay=float(rng.uniform(0.3, 0.8)), v_decay=float(rng.uniform(0.6, 0.95)),
            v_threshold=float(rng.uniform(0.4, 1.2)),
        )
        for _ in widths[1:]
    ]  # fmt: skip
    network, layers = in_a_row(rng, widths, lifs, bool(rng.random() < 0.5))
    return drawn(network, (widths[0],), layers, a_dt(rng), f"CUBALIFNode{widths}")


class Skip(nn.Module):
    """Two paths from the inputs to the second layer."""

    def __init__(self, widths: list[int], taus: list[float]) -> None:
        """Paths through ``a``, ``lif1``, ``b`` and through ``skip``."""
        super().__init__()
        n_in, n, n_out = widths
        self.a, self.b = nn.Linear(n_in, n, bias=False), nn.Linear(n, n_out, bias=False)
        self.skip = nn.Linear(n_in, n_out, bias=False)
        self.lif1, self.lif2 = (neuron.LIFNode(tau=tau) for tau in taus)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One step."""
        return self.lif2(self.b(self.lif1(self.a(x))) + self.skip(x))


def skip(rng: np.random.Generator) -> Drawn:
    """A layer that the inputs reach on two ways."""
    widths = sizes(rng, 2)
    network = Skip(widths, [float(rng.uniform(3, 20)) for _ in range(2)])
    layers = {
        "lif1": Layer(node="lif1", driven_by=[network.a.weight]),
        "lif2": Layer(node="lif2", driven_by=[network.b.weight, network.skip.weight]),
    }
    code = f"lif2(b(lif1(a(x))) + skip(x)){widths}"
    return drawn(network, (widths[0],), layers, a_dt(rng), code, told=True)


class LongSkip(nn.Module):
    """A chain of three layers; the first reaches the third past the second, too."""

    def __init__(self, widths: list[int], taus: list[float]) -> None:
        """Weights ``a``, ``b``, ``c``, and ``skip`` from the first layer to the third."""
        super().__init__()
        self.a, self.b, self.c = (nn.Linear(n, m) for n, m in pairwise(widths))
        self.skip = nn.Linear(widths[1], widths[3], bias=False)
        self.lif1, self.lif2, self.lif3 = (
            neuron.LIFNode(tau=tau, decay_input=False) for tau in taus
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One step."""
        first = self.lif1(self.a(x))
        return self.lif3(self.c(self.lif2(self.b(first))) + self.skip(first))


def long_skip(rng: np.random.Generator) -> Drawn:
    """A layer that another reaches on two ways, one of them through a third."""
    widths = sizes(rng, 3)
    network = LongSkip(widths, [float(rng.uniform(3, 20)) for _ in range(3)])
    layers = {
        "lif1": Layer(node="lif1", driven_by=list(network.a.parameters())),
        "lif2": Layer(node="lif2", driven_by=list(network.b.parameters())),
        "lif3": Layer(node="lif3", driven_by=[*network.c.parameters(), network.skip.weight]),
    }
    code = f"lif3(c(lif2(b(lif1(a(x))))) + skip(lif1)){widths}"
    return drawn(network, (widths[0],), layers, a_dt(rng), code)


def in_one_dimension(rng: np.random.Generator) -> Drawn:
    """A strided convolution over 12 places, and a dense layer."""
    channels, maps, n = 3, int(rng.integers(2, 5)), 10
    conv = nn.Conv1d(channels, maps, 3, stride=2, padding=1, bias=bool(rng.random() < 0.5))
    fc = nn.Linear(maps * 6, n, bias=False)
    lifs = [neuron.LIFNode(tau=float(rng.uniform(3, 20)), decay_input=False), neuron.IFNode()]
    network = nn.Sequential(conv, lifs[0], nn.Flatten(), fc, lifs[1])
    layers = {
        "1": Layer(node="_1", driven_by=list(conv.parameters())),
        "4": Layer(node="_4", driven_by=list(fc.parameters())),
    }
    code = f"Conv1d({channels}, {maps}, 3, stride=2), LIFNode, Linear, IFNode"
    return drawn(network, (channels, 12), layers, a_dt(rng), code)


def convolution(rng: np.random.Generator) -> Drawn:
    """A convolution, average pooling, and a dense layer."""
    channels, maps, n = 2, int(rng.integers(2, 5)), 10
    lifs = [
        neuron.LIFNode(tau=float(rng.uniform(3, 20)), decay_input=False),
        neuron.ParametricLIFNode(init_tau=float(rng.uniform(3, 20)), decay_input=False),
    ]
    conv = nn.Conv2d(channels, maps, 3, padding=1, bias=bool(rng.random() < 0.5))
    fc = nn.Linear(maps * 9, n)
    network = nn.Sequential(conv, lifs[0], nn.AvgPool2d(2), nn.Flatten(), fc, lifs[1])
    layers = {
        "1": Layer(node="_1", driven_by=list(conv.parameters())),
        "5": Layer(node="_5", driven_by=list(fc.parameters())),
    }
    code = f"Conv2d({channels}, {maps}, 3), LIFNode, AvgPool2d(2), Linear, ParametricLIFNode"
    return drawn(network, (channels, 6, 6), layers, a_dt(rng), code)


KINDS = {
    f.__name__: f for f in (leaky, ties, currents, skip, convolution, long_skip, in_one_dimension)
}

if __name__ == "__main__":
    record_all("spikingjelly", KINDS)
