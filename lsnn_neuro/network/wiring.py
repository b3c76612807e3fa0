"""A ``SpikingNetwork`` as the native kernel takes it: one array of numbers, one list of synapses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network import kernel
from lsnn_neuro.network.dynamics import NetworkState
from lsnn_neuro.network.graph import INPUT, Graph
from lsnn_neuro.network.kernel import Layout, PopulationLayout
from lsnn_neuro.network.operator import Arguments, KernelOutput, simulate
from lsnn_neuro.neurons.neuron import State

if TYPE_CHECKING:
    from lsnn_neuro.network.module import SpikingNetwork


@dataclass(frozen=True, kw_only=True, eq=False)
class Numbers:
    """The numbers of a population: constants of a step (decays as shares), and what else there is."""

    constants: Any
    decay_i: Tensor | None
    bias: Tensor | None


def arguments(
    net: SpikingNetwork, numbers: Mapping[str, Numbers], weights: Tensor, gains: Mapping[str, Tensor],
    *, integer: bool,
) -> Arguments:  # fmt: skip
    """What the kernel's operator takes.

    - numbers: of every population; weights: of all slots of all groups, gains included
    - gains: of each population, (neuron,): factors of random feedback
    """
    spec = net.spec
    ordered = (*spec.spiking, *spec.readouts)
    populations, columns, n_ref = [], [], []
    for p in ordered:
        n = numbers[p.name]
        layout = PopulationLayout.of(
            p.name, type(p.neuron), p.size, n.constants,
            current=n.decay_i is not None, bias=n.bias is not None,
        )  # fmt: skip
        populations.append(layout)
        for name in layout.columns:
            value = getattr(n, name) if name in ("decay_i", "bias") else getattr(n.constants, name)
            columns.append(torch.zeros(p.size) if value is None else value.float())
        if p.spiking:
            steps = getattr(n.constants, "n_ref", None)
            n_ref.append(torch.zeros(p.size) if steps is None else steps)
    ends = _ends(net)
    return Arguments(
        layout=Layout(n_inputs=spec.n_inputs, integer=integer, populations=tuple(populations)),
        numbers=torch.cat(columns), n_ref=torch.cat([torch.zeros(0), *n_ref]).long(),
        weight=weights.float(), back=_feedback(net, ends, weights, gains),
        source=ends["source"], target=ends["target"], delay=ends["delay"], active=ends["active"],
    )  # fmt: skip


def float_arguments(net: SpikingNetwork) -> Arguments:
    """The network in real numbers."""
    dtype = net.dtype
    gains = {p.name: p.gain().to(dtype) for p in net.populations}
    numbers = {
        p.name: Numbers(
            constants=p.neuron(dtype).constants(),
            decay_i=p.kappa_i().to(dtype) if p.spec.has_current else None, bias=p.drive_bias(),
        )
        for p in net.populations
    }  # fmt: skip
    return arguments(net, numbers, net.slot_gain(gains) * net.weights(), gains, integer=False)


def _ends(net: SpikingNetwork) -> dict[str, Tensor]:
    """Source, target, delay of all slots as the kernel numbers them, and which are active."""
    spec, places = net.spec, net.spec.places()

    def first_source(name: str) -> int:
        return 0 if name == INPUT else spec.n_inputs + int(places[name].start)

    def first_target(name: str) -> int:
        after = 0 if spec.population(name).spiking else spec.n_neurons
        return after + int(places[name].start)

    parts: dict[str, list[Tensor]] = {"source": [], "target": [], "delay": [], "active": []}
    for group in net.groups:
        sources = torch.tensor([first_source(p.source) for p in group.projections])
        targets = torch.tensor([first_target(p.target) for p in group.projections])
        for pairs, active in group.slot_pairs():
            parts["source"].append(sources[pairs.block] + pairs.source)
            parts["target"].append(targets[pairs.block] + pairs.target)
            parts["delay"].append(pairs.delay)
            parts["active"].append(active)
    return {
        name: torch.cat([torch.zeros(0, dtype=torch.bool if name == "active" else torch.int64), *p])
        for name, p in parts.items()
    }


def _feedback(
    net: SpikingNetwork, ends: Mapping[str, Tensor], weights: Tensor, gains: Mapping[str, Tensor]
) -> Tensor | None:
    """Weights that errors come back by: fixed ones at readouts, none between neurons."""
    if net.feedback is None:
        return None
    spec = net.spec
    source, target = ends["source"] - spec.n_inputs, ends["target"] - spec.n_neurons
    gain = torch.cat([gains[p.name].detach().float() for p in spec.readouts])
    at = (target.clamp(min=0), source.clamp(min=0))
    fixed = gain[at[0]] * net.feedback.float()[at] if len(gain) else torch.zeros_like(weights)
    back = torch.where(target >= 0, fixed, torch.zeros_like(fixed))
    return torch.where(source < 0, weights.detach().float(), back)


# --- what comes back --------------------------------------------------------------------------------------


def run(net: SpikingNetwork, found: Arguments, x: Tensor, start: NetworkState | None) -> KernelRun:
    """Run a network on the kernel."""
    if x.dtype not in (torch.bool, torch.int8):
        x = x.float()
    if start is not None:
        found = started(net.spec, found, start, x.shape[1])
    return KernelRun(spec=net.spec, arguments=found, x=x, start=start, output=simulate(found, x))


def started(spec: Graph, found: Arguments, start: NetworkState, n_samples: int) -> Arguments:
    """The arguments with a state to start from."""
    arrays = NetworkState(
        populations={
            name: State(**{k: v.detach().numpy() for k, v in vars(state).items()})
            for name, state in start.populations.items()
        },
        currents={name: c.detach().numpy() for name, c in start.currents.items()},
        history={name: tuple(h.detach().numpy() for h in past) for name, past in start.history.items()},
    )  # fmt: skip
    inputs, spikes = past = kernel.past_of(spec, arrays, n_samples)
    state = kernel.start_of(found.native(), found.layout, arrays, past, n_samples)
    sent = torch.from_numpy(inputs).float(), torch.from_numpy(spikes).bool()
    return replace(found, start=(torch.from_numpy(state), *sent))


@dataclass(frozen=True, kw_only=True, eq=False)
class KernelRun:
    """A run on the kernel, and its results."""

    spec: Graph
    arguments: Arguments
    x: Tensor
    start: NetworkState | None
    output: KernelOutput

    def readout(self) -> Tensor:
        """The network's outputs, in order, (time, batch, output)."""
        places = self.spec.places()
        read = [
            self.output.spikes(p.name) if p.spiking else self.output.readout[..., places[p.name]]
            for p in self.spec.output_populations
        ]
        return read[0] if len(read) == 1 else torch.cat(read, dim=2)

    def spikes(self) -> Tensor:
        """All spikes, (time, batch, neuron)."""
        parts = [self.output.spikes(p.name) for p in self.spec.spiking]
        if not parts:
            return self.output.readout[..., :0]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)

    def state(self, dtype: torch.dtype) -> NetworkState:
        """Where the run ended. It takes no gradients: only the loop goes back through a state."""
        layout, n = self.arguments.layout, self.x.shape[1]
        found = kernel.read_states(self.arguments.native(), layout, self.output.state.numpy(), n)
        populations, currents = {}, {}
        for p in self.spec.populations:
            values = vars(found[p.name])
            currents[p.name] = _closed(torch.from_numpy(values["current"]).to(dtype))
            populations[p.name] = State(
                **{k: _closed(torch.from_numpy(values[k]).to(dtype)) for k in p.neuron.states}
            )
        with torch.no_grad():
            sent = {INPUT: self.x.to(dtype)} | {
                p.name: self.output.spikes(p.name).to(dtype) for p in self.spec.spiking
            }
        history = {}
        for name, steps in sent.items():
            before = () if self.start is None else self.start.history[name]
            reach = self.spec.reach_of(name)
            recent = (*steps[-reach:].flip(0).unbind(0), *before)[:reach]
            zeros = steps.new_zeros(steps.shape[1:])
            history[name] = (*recent, *(zeros,) * (reach - len(recent)))
        return NetworkState(populations=populations, currents=currents, history=history)


class _Closed(torch.autograd.Function):
    """A state that refuses gradients rather than lose them."""

    @staticmethod
    def forward(ctx: Any, anchor: Tensor, state: Tensor) -> Tensor:
        """The state."""
        return state.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """There is none."""
        raise NetworkError(
            "the state at the end of a run on the kernel takes no gradients; use forward_loop, or detach it"
        )


def _closed(state: Tensor) -> Tensor:
    if not torch.is_grad_enabled():
        return state
    closed: Tensor = _Closed.apply(torch.zeros((), requires_grad=True), state)  # type: ignore[no-untyped-call]
    return closed


def kernel_obstacle(net: SpikingNetwork, x: Tensor | None) -> str | None:
    """Why the native kernel can't run a float network (on inputs ``x``); None if it can."""
    if not kernel.available():
        return "the native kernel is not built, or switched off"
    if net.device.type != "cpu" or net.dtype != torch.float32:
        return f"the kernel computes float32 on the CPU, the network is {net.dtype} on {net.device}"
    if x is not None and 0 in x.shape[:2]:
        return f"inputs of shape {tuple(x.shape)} hold nothing"
    for p in net.spec.populations:
        if found := kernel.obstacle(type(p.neuron)):
            return f"population {p.name!r}: the kernel {found}"
    return None


def largest_drive(net: SpikingNetwork, weights: Tensor, largest_input: float) -> dict[str, float]:
    """The most that can arrive at a neuron of each population in a step, in the weights' unit.

    - weights: of all slots of all groups; largest_input: magnitude of the largest event
    """
    ends, spec = _ends(net), net.spec
    strength = weights.detach().abs().double() * ends["active"]
    strength = torch.where(ends["source"] < spec.n_inputs, strength * largest_input, strength)
    n_rows = spec.n_neurons + sum(p.size for p in spec.readouts)
    rows = torch.zeros(n_rows, dtype=torch.float64).index_add(0, ends["target"], strength)
    most, first = {}, 0
    for p in (*spec.spiking, *spec.readouts):
        most[p.name] = float(rows[first : first + p.size].max()) if p.size else 0.0
        first += p.size
    return most
