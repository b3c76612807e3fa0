"""The float model once more, in double precision: neuron by neuron, synapse by synapse, plain torch.

Imports nothing of the neurons, the time loop or the modules; a spec comes in as data, and a neuron's name
picks an equation. Everything that can be learnt is a leaf whose gradient can be asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


class _Heaviside(torch.autograd.Function):
    """1 where x is above 0 (or at it) and allowed; derivative gamma max(0, 1 - |x|), 0 where not allowed."""

    @staticmethod
    def forward(ctx, x, allowed, gamma, at_threshold):
        ctx.slope = gamma * (1 - x.abs()).clamp(min=0) * allowed
        return ((x >= 0 if at_threshold else x > 0) & allowed).double()

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.slope, None, None, None


@dataclass
class Output:
    """Readout (time, sample, output), offsets included, and spikes (time, sample, neuron)."""

    readout: Tensor
    spikes: Tensor

    @property
    def rate(self) -> Tensor:
        """Mean spikes per step of every neuron."""
        return self.spikes.mean(dim=(0, 1))


class FloatReference:
    """The network of a spec.

    - theta: of each projection, what its weights are made of; bias, offset: of each population
    - factor: (population, constant) -> what the constant is multiplied by, as exp(factor); starts at 0
    """

    def __init__(self, spec):
        self.spec = spec
        self.theta, self.sign = {}, {}
        for p in spec.projections:
            weight = torch.tensor(p.weight)
            free = isinstance(p.signs, str) and p.signs == "unconstrained"
            self.sign[p.name] = torch.ones_like(weight) if free else weight.sign()
            self.theta[p.name] = (weight * self.sign[p.name]).requires_grad_()
        self.bias = {p.name: torch.tensor(p.bias).requires_grad_() for p in spec.populations}
        self.offset = {p.name: torch.tensor(p.offset).requires_grad_() for p in spec.populations}
        self.factor = {
            (p.name, name): torch.zeros(p.size).double().requires_grad_()
            for p in spec.populations
            for name in p.learn
            if name not in ("bias", "offset")
        }

    def _times(self, population, constant, value):
        """A positive constant, (neuron,), times its learnt factor."""
        factor = self.factor.get((population, constant))
        return value if factor is None else value * torch.exp(factor)

    def _kept(self, population, constant, share):
        """exp(-dt / tau), (neuron,), of a time constant that is multiplied by its learnt factor."""
        share = torch.tensor(share)
        factor = self.factor.get((population, constant))
        if factor is None:
            return share
        tau = -self.spec.dt / torch.log(share)
        return torch.exp(-self.spec.dt / (tau * torch.exp(factor)))

    def _constants(self, p):
        """The constants of a population by the names of the equations."""
        n, name = p.neuron, p.name
        c = {k: getattr(n, k, None) for k in ("reset", "at_threshold", "gamma")}
        for field, constant in (("alpha", "tau_m"), ("rho", "tau_a"), ("keep_r", "tau_r")):
            if hasattr(n, field):
                tau = "tau_out" if n.name == "li" else constant
                c[field] = self._kept(name, tau, getattr(n, field))
        for field in ("beta", "b0"):
            if hasattr(n, field):
                c[field] = self._times(name, field, torch.tensor(getattr(n, field)))
        for field in ("n_ref", "reset_by", "reset_to"):
            if hasattr(n, field):
                c[field] = torch.tensor(getattr(n, field)).double()
        one = torch.ones(p.size).double()
        c["gain"] = one if n.name == "if" or n.unit_gain else 1 - c["alpha"]
        c["alpha"] = c.get("alpha", one)
        c["kappa"] = self._kept(name, "tau_i", p.kappa_i) if p.kappa_i.any() else 0 * one
        c["bias"] = self.bias[name]
        return c

    def run(self, x):
        """Run inputs (time, sample, input) from rest."""
        spec, batch = self.spec, x.shape[1]
        constants = {p.name: self._constants(p) for p in spec.populations}
        weight = {q.name: self.sign[q.name] * self.theta[q.name] for q in spec.projections}
        zeros = torch.zeros(batch).double()
        cells = {
            p.name: [dict.fromkeys(("i", "v", "b", "r", "z"), zeros) for _ in range(p.size)]
            for p in spec.populations
        }
        sent = {p.name: [] for p in spec.populations if p.neuron.name != "li"}  # [step][neuron]
        sent["input"] = [[x[t, :, k] for k in range(spec.n_inputs)] for t in range(len(x))]

        def input_of(p, j, t):
            total = zeros
            for q in spec.projections:
                if q.target != p.name:
                    continue
                hop = 1 if q.source != "input" and p.neuron.name != "li" else 0
                for s in range(len(q.weight)):
                    step = t - hop - int(q.delay[s])
                    if int(q.target_index[s]) == j and step >= 0:
                        total = total + weight[q.name][s] * sent[q.source][step][q.source_index[s]]
            return total

        spikes, readout = [], []
        for t in range(len(x)):
            for layer in (True, False):  # what spikes, then what reads its spikes
                for p in spec.populations:
                    if (p.neuron.name == "li") == layer:
                        continue
                    c = constants[p.name]
                    for j in range(p.size):
                        own = {k: v[j] if isinstance(v, Tensor) else v for k, v in c.items()}
                        cells[p.name][j] = _step(
                            p.neuron.name, cells[p.name][j], input_of(p, j, t), own
                        )
                if layer:
                    for name in sent:
                        if name != "input":
                            sent[name].append([cell["z"] for cell in cells[name]])
            fired = [
                cell["z"]
                for p in spec.populations
                if p.neuron.name != "li"
                for cell in cells[p.name]
            ]
            spikes.append(torch.stack(fired, dim=1))
            read = []
            for name in spec.outputs:
                what = "z" if name in sent else "v"
                offset = self.offset[name]
                read += [cell[what] + offset[j] for j, cell in enumerate(cells[name])]
            readout.append(torch.stack(read, dim=1))
        return Output(torch.stack(readout), torch.stack(spikes))


def _step(kind, s, current, c):
    """One neuron, one step; ``current`` is what its synapses bring."""
    i = c["kappa"] * s["i"] + (1 - c["kappa"]) * current
    drive = c["gain"] * (i + c["bias"])
    v, b, r = c["alpha"] * s["v"] + drive, s["b"], s["r"]
    if kind == "li":
        return {**s, "i": i, "v": v}
    if kind == "atrlif":
        b, r = c["rho"] * b, c["keep_r"] * r
        threshold = c["b0"] + c["beta"] * b
        free = torch.ones_like(v, dtype=torch.bool)
        z = _Heaviside.apply((v - r - threshold) / c["b0"], free, c["gamma"], True)
        return {"i": i, "v": v, "b": b + (1 - c["rho"]) * z, "r": r + 2 * threshold * z, "z": z}
    threshold = c["b0"]
    if kind in ("alif", "ahp"):
        b = c["rho"] * b + (1 - c["rho"]) * s["z"]
    if kind == "alif":
        threshold = threshold + c["beta"] * b
    if kind == "ahp":
        v = v - (1 - c["alpha"]) * c["beta"] * b
    z = _Heaviside.apply((v - threshold) / c["b0"], r == 0, c["gamma"], c["at_threshold"])
    if c["reset"] in ("to", "hold"):
        v = v + z * (c["reset_to"] - v)
        if c["reset"] == "hold":
            v = torch.where(r > 0, c["reset_to"], v)
    else:
        v = v - z * (threshold if c["reset"] == "subtract" else c["reset_by"])
    r = torch.where(z > 0, c["n_ref"], (r - 1).clamp(min=0)).detach()
    return {"i": i, "v": v, "b": b, "r": r, "z": z}
