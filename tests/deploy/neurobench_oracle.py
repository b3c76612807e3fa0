"""Runs a quantized network in torch under NeuroBench's own metrics and prints them.

    python neurobench_oracle.py NETWORK.safetensors INPUTS.npy

The network is computed step by step with one Linear layer for every pair of source and target, in
double precision, which holds the integers exactly: no delays, no negative exponents.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from neurobench.metrics.static import ConnectionSparsity, Footprint
from neurobench.metrics.workload.activation_sparsity import ActivationSparsity
from neurobench.metrics.workload.synaptic_operations import SynapticOperations
from neurobench.models.torch_model import TorchModel
from torch import nn

from quantize import file_format


def column(values):
    return torch.tensor(np.asarray(values), dtype=torch.float64)


def decayed(state, decay):
    return torch.sign(state) * torch.floor(torch.abs(state) * (4096 - decay) / 4096)


def saturated(state):
    return torch.clamp(state, -(2**23 - 1), 2**23 - 1)


class Fire(nn.Module):
    """Spikes of a population; what NeuroBench takes as an activation."""

    def forward(self, over_threshold):
        return over_threshold.to(torch.float64)


class Network(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network
        self.fire = nn.ModuleList(Fire() for _ in network.spiking)
        self.ends, weights = [], []
        for p in network.projections:
            if (p.source, p.target) not in self.ends:
                self.ends.append((p.source, p.target))
                weights.append(torch.zeros(p.n_target, p.n_source, dtype=torch.float64))
            at = self.ends.index((p.source, p.target))
            assert p.weight_exp >= 0
            assert not p.delay.any()
            weights[at][p.target_index, p.source_index] += column(p.weight_mant) * 2**p.weight_exp
        self.synapses = nn.ModuleList()
        for weight in weights:
            linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=torch.float64)
            linear.weight.data = weight
            self.synapses.append(linear)

    def arrive(self, source, spikes, current):
        for (start, end), linear in zip(self.ends, self.synapses, strict=True):
            if start == source:
                current[end] = current[end] + linear(spikes)

    @torch.no_grad()
    def forward(self, batch):  # (sample, time, input)
        populations = self.network.spiking
        (readout,) = self.network.readouts
        sizes = {p.name: p.size for p in (*populations, readout)}
        zero = {
            name: torch.zeros(len(batch), size, dtype=torch.float64) for name, size in sizes.items()
        }
        v, a, r, z = (dict(zero) for _ in range(4))
        o, spikes, current = zero[readout.name], 0, dict(zero)
        for t in range(batch.shape[1]):
            self.arrive("input", batch[:, t], current)
            now, current = current, dict(zero)
            for p, fire in zip(populations, self.fire, strict=True):
                name, c = p.name, p.constants
                threshold = column(c.vth)
                if hasattr(c, "step_a"):
                    a[name] = saturated(
                        decayed(a[name], column(c.decay_a)) + column(c.step_a) * z[name]
                    )
                    threshold = threshold + a[name]
                v[name] = saturated(decayed(v[name], column(c.decay_v)) + 64 * now[name])
                z[name] = fire((v[name] > threshold) & (r[name] == 0))
                after = v[name] - threshold if c.reset == "subtract" else zero[name]
                v[name] = torch.where(z[name] > 0, after, v[name])
                left = torch.clamp(r[name] - 1, min=0)
                r[name] = torch.where(z[name] > 0, column(c.n_ref), left)
                spikes += z[name].sum()
            for p in populations:
                self.arrive(p.name, z[p.name], current)
            o = saturated(
                decayed(o, column(readout.constants.decay_v)) + 64 * current.pop(readout.name)
            )
            current[readout.name] = zero[readout.name]
        self.last_readout, self.spikes = o, int(spikes)
        return o


class Bytes(nn.Module):
    """What the network holds, in the types it is held in."""

    def __init__(self, network):
        super().__init__()
        pairs = {(p.source, p.target): (p.n_target, p.n_source) for p in network.projections}
        arrays = {f"weight {i}": (shape, torch.uint8) for i, shape in enumerate(pairs.values())}
        types = {
            "decay_v": torch.int16, "decay_a": torch.int16, "step_a": torch.int32, "vth": torch.int32,
            "n_ref": torch.uint8, "v": torch.int32, "a": torch.int32, "r": torch.uint8,
        }  # fmt: skip
        for p in network.populations:
            held = [name for name, _, values in p.constants.numbers() if values.any()]
            held += [name for name in p.neuron.states if name != "z"]
            arrays |= {f"{p.name} {name}": ((p.size,), types[name]) for name in held}
            extra = "arriving" if p.spiking else "offset"
            arrays[f"{p.name} {extra}"] = ((p.size,), torch.int32)
        for name, (shape, dtype) in arrays.items():
            self.register_buffer(name.replace(".", " "), torch.zeros(shape, dtype=dtype))


def main():
    network = file_format.load(Path(sys.argv[1]))
    inputs = torch.tensor(np.load(sys.argv[2]), dtype=torch.float64).transpose(0, 1)
    net = Network(network)
    model = TorchModel(net)
    model.add_activation_module(Fire)
    model.register_hooks()
    predictions = model(inputs)
    data = (inputs, torch.zeros(len(inputs)))
    operations = SynapticOperations()(model, predictions, data)
    result = {
        "footprint": Footprint()(TorchModel(Bytes(network))),
        "connection_sparsity": ConnectionSparsity()(model),
        "activation_sparsity": ActivationSparsity()(model, predictions, data),
        "synaptic_operations": operations,
        "spikes": net.spikes,
        "last_readout": net.last_readout.tolist(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
