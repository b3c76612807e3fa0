"""The NIR paper's Braille network in snnTorch: the weights of its file, run by the framework.

    braille_in_snntorch.py FILE FOLDER SEED

The file holds CubaLIF neurons with a recurrence (12 inputs, 40), then CubaLIF without (7); the paper
trained them in snnTorch as RSynaptic and Synaptic, reset by subtraction. Source: Pedersen et al. 2024,
whose repository has the file (``braille_noDelay_noBias_subtract.nir``).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nir
import numpy as np
import snntorch as snn
import torch
from drawn_in_snntorch import reset
from recording import Drawn, Layer, in_one_precision, outputs_of, random_inputs, write
from torch import nn

DT = 1e-4
"""Step in seconds of all that snnTorch exports."""
LAYERS = {"lif1": "lif1.lif", "lif2": "lif2"}


def kept(tau: np.ndarray) -> torch.Tensor:
    """What a step keeps, as the exporter writes it: tau = dt / (1 - what is kept)."""
    return torch.as_tensor(1 - DT / np.asarray(tau, np.float64))


def network_of(graph: nir.NIRGraph) -> nn.Module:
    """The modules that the paper trained, with the file's weights."""
    first, second = graph.nodes["lif1.lif"], graph.nodes["lif2"]
    recurrent = graph.nodes["lif1.w_rec"].weight
    weights = [graph.nodes["fc1"].weight, graph.nodes["fc2"].weight]
    dense = [nn.Linear(w.shape[1], w.shape[0], bias=False) for w in weights]
    lif1 = snn.RSynaptic(
        kept(first.tau_syn), kept(first.tau_mem), linear_features=len(recurrent),
        threshold=torch.as_tensor(first.v_threshold), init_hidden=True, reset_mechanism="subtract",
    )  # fmt: skip
    lif2 = snn.Synaptic(
        kept(second.tau_syn), kept(second.tau_mem), torch.as_tensor(second.v_threshold),
        init_hidden=True, reset_mechanism="subtract",
    )  # fmt: skip
    with torch.no_grad():
        for layer, values in zip([*dense, lif1.recurrent], [*weights, recurrent], strict=True):
            layer.weight.copy_(torch.as_tensor(values))
        lif1.recurrent.bias.zero_()
    network = nn.Sequential()
    for name, module in {"fc1": dense[0], "lif1": lif1, "fc2": dense[1], "lif2": lif2}.items():
        network.add_module(name, module)
    return in_one_precision(network)


def drawn_from(file: Path) -> Drawn:
    """The network of the file; only its inputs are drawn."""
    graph = nir.read(file, type_check=False)
    network = network_of(graph)

    def run(inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        reset(network)
        names = {name: name for name in LAYERS}
        found = outputs_of(network, names, lambda: [network(x) for x in inputs])
        return {name: torch.stack(spikes) for name, spikes in found.items()}

    return Drawn(
        code="RSynaptic(12, 40), Synaptic(7) of the NIR paper", input_shape=(12,),
        layers={name: Layer(node=node, driven_by=()) for name, node in LAYERS.items()}, run=run,
        graph=lambda: graph, reading={"reset": "subtract"},
    )  # fmt: skip


if __name__ == "__main__":
    file, folder, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    drawn = drawn_from(file)
    inputs = random_inputs(drawn.input_shape, np.random.default_rng(seed), batch=64)
    with torch.no_grad():
        found = drawn.run(inputs)
    entry = write("braille", "snntorch", drawn, inputs, found, folder)
    (folder / "meta.json").write_text(json.dumps({"braille": entry}))
