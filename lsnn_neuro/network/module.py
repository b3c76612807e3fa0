"""``SpikingNetwork``: a network of any graph as a torch module. A spec comes in, a spec goes out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network import kernel, wiring
from lsnn_neuro.network.dynamics import (
    NetworkState,
    RunningNetwork,
    RunningPopulation,
    at_rest,
    simulate,
)
from lsnn_neuro.network.graph import INPUT
from lsnn_neuro.network.identity import differing, identify
from lsnn_neuro.network.population import TrainedPopulation
from lsnn_neuro.network.real import Real
from lsnn_neuro.network.spec import NetworkSpec, Projection
from lsnn_neuro.network.synapses import Synapses
from lsnn_neuro.network.torch_synapses import TorchSynapses, WithFeedback, make_synapses
from lsnn_neuro.session import LocalSession


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkOutput:
    """What a network gives back for a batch.

    - readout: what the outputs give, side by side, shape (time, batch, output), offsets included; of an
      output that spikes, its spikes
    - rate: mean spikes per step over time and batch, shape (neuron,), differentiable; None for
      networks that do not spike
    - read_spikes: gives the spikes, see ``spikes``
    - read_state: gives the state, see ``state``
    - engine: what computed it, "kernel" or "loop"
    """

    readout: Tensor
    rate: Tensor | None = None
    read_spikes: Callable[[], Tensor] | None = None
    read_state: Callable[[], NetworkState] | None = None
    engine: str = "loop"

    @property
    def state(self) -> NetworkState | None:
        """Where the network stands after the last step; None for networks that have no such state."""
        return self.read_state() if self.read_state else None

    @property
    def spikes(self) -> Tensor | None:
        """0 or 1, shape (time, batch, neuron), differentiable; made on demand, since it is large."""
        return self.read_spikes() if self.read_spikes else None


class SpikingNetwork(nn.Module):
    """A network whose neurons, synapses and dynamics are those of a spec; its parameters learn.

    The neurons' equations are in :mod:`lsnn_neuro.neurons`, the network around them in
    :mod:`lsnn_neuro.network.dynamics`. Runs on the native kernel where that computes the same, and
    on the time loop everywhere else; :meth:`kernel_obstacle` says why not.

    - spec: drawn by ``lsnn()`` or ``stack()``, written by hand, or of a checkpoint
    - dtype: of weights and learnt constants

    ``net(x)`` takes x of shape (time, batch, input) and gives a :class:`NetworkOutput`; NetworkError over a
    wrong shape, device, NaN or infinity. ``net.synapses()`` is what :class:`lsnn_neuro.DeepR` rewires,
    ``net.to_spec()`` the network as it is now, to quantize.
    """

    def __init__(self, spec: NetworkSpec, *, dtype: torch.dtype = torch.float32):
        super().__init__()
        if not isinstance(spec, NetworkSpec):
            raise NetworkError(
                f"SpikingNetwork: spec is a {type(spec).__name__}, expected a NetworkSpec, as lsnn() and "
                "stack() draw it"
            )
        self.spec = spec
        self.populations = nn.ModuleList(TrainedPopulation(p, dtype) for p in spec.populations)
        self.groups = nn.ModuleList(self._group(name, dtype) for name in spec.groups)
        feedback = None if spec.feedback is None else torch.tensor(spec.feedback, dtype=dtype)
        self.register_buffer("feedback", feedback)

    def _group(self, name: str, dtype: torch.dtype) -> Synapses:
        """The synapses of a group, with slots for all that rewiring could bring here."""
        spec = self.spec
        members = [p for p in spec.projections if p.group == name]
        rewired = [p for p in spec.projections if p.plastic and not p.unconstrained]
        return Synapses(
            name, members, [(spec.size_of(p.source), spec.size_of(p.target)) for p in members],
            capacity=sum(p.n_synapses for p in rewired), dtype=dtype,
        )  # fmt: skip

    # --- what it is ------------------------------------------------------------------------------

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights."""
        bias: Tensor = self.populations[0].bias
        return bias.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        kappa: Tensor = self.populations[0].kappa
        return kappa.device

    @property
    def n_neurons(self) -> int:
        """Number of spiking neurons."""
        return self.spec.n_neurons

    def synapses(self) -> tuple[Synapses, ...]:
        """The groups of synapses that learn and keep their signs: what DEEP R rewires."""
        return tuple(g for g in self.groups if g.plastic and g.constrained)

    def to_spec(
        self, slots: Sequence[Sequence[npt.NDArray[np.int64]]] | None = None
    ) -> NetworkSpec:
        """The network as it is now; ``slots`` of each group where they are known."""
        known = slots or [g.slots() for g in self.groups]
        projections = {
            p.name: p
            for g, own in zip(self.groups, known, strict=True)
            for p in g.to_projections(own)
        }
        return replace(
            self.spec,
            populations=tuple(p.to_spec() for p in self.populations),
            projections=tuple(projections[p.name] for p in self.spec.projections),
        )

    def get_extra_state(self) -> Tensor:
        """The part of the network that does not learn, so that a state can't be loaded into another one."""
        return torch.frombuffer(bytearray(identify(self.spec).encode()), dtype=torch.uint8).clone()

    def set_extra_state(self, state: Tensor) -> None:
        """Refuse the state of a network that differs in what does not learn."""
        for what in differing(json.loads(bytes(state.cpu().numpy()).decode()), self.spec):
            raise NetworkError(
                f"state dict: belongs to another network: {what}; make a SpikingNetwork of its own spec"
            )

    # --- running it --------------------------------------------------------------------------------

    def forward(self, x: Tensor, start: NetworkState | None = None) -> NetworkOutput:
        """Run a batch, shape (time, batch, input), from rest or from a given state.

        ``x`` multiplies the weights: bool or 0 and 1 are spikes, other numbers graded events.
        """
        events = checked_inputs(x, self.spec.n_inputs, self.device)
        if start is not None:
            check_start(self.spec, start, events.shape[1])
        if self.kernel_obstacle(events) is None and not needs_gradient(start):
            return self.forward_kernel(events, start)
        return self.forward_loop(events, start)

    def kernel_obstacle(self, x: Tensor | None = None) -> str | None:
        """Why the native kernel can't run this network (on inputs ``x``); None if it can."""
        return wiring.kernel_obstacle(self, x)

    def forward_loop(self, x: Tensor, start: NetworkState | None = None) -> NetworkOutput:
        """``forward`` as the readable time loop: the reference the kernel is checked against."""
        rest = self.at_rest(x.shape[1]) if start is None else start
        steps = simulate(self.running(), rest, x.to(self.dtype).unbind(0), Real())
        output = outputs_of_steps(self.spec, steps, rest)
        return replace(output, readout=output.readout + self.offset().to(self.dtype))

    def forward_kernel(self, x: Tensor, start: NetworkState | None = None) -> NetworkOutput:
        """``forward`` on the native kernel; the same network up to rounding of sums."""
        run = wiring.run(self, wiring.float_arguments(self), x, start)
        readout = run.readout()
        return NetworkOutput(
            readout=readout + self.offset().to(readout), rate=run.output.rate,
            read_spikes=run.spikes, read_state=lambda: run.state(self.dtype), engine="kernel",
        )  # fmt: skip

    def session(self, n_samples: int) -> LocalSession:
        """The network as it is now, to run some steps at a time; no gradients."""
        offset = self.offset().detach().cpu().numpy().copy()
        if self.kernel_obstacle() is None:
            found = wiring.float_arguments(self)
            run = kernel.KernelSession(found.native(), found.layout, n_samples=n_samples)
            return LocalSession(run=kernel.outputs_of(run, self.spec), bias=offset)
        state = self.at_rest(n_samples)
        with torch.no_grad():
            as_it_is = self.running()  # whatever training does to it later

        @torch.no_grad()
        def run_on(inputs: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
            nonlocal state
            x = checked_inputs(
                torch.from_numpy(inputs).to(self.device), self.spec.n_inputs, self.device
            )
            steps = simulate(as_it_is, state, x.to(self.dtype).unbind(0), Real())
            output = outputs_of_steps(self.spec, steps, state)
            assert output.state is not None
            state = output.state
            readout: npt.NDArray[np.float64] = output.readout.cpu().double().numpy()
            return readout

        return LocalSession(run=run_on, bias=offset)

    def at_rest(self, n_samples: int, dtype: torch.dtype | None = None) -> NetworkState:
        """The state of ``n_samples`` samples before the first step, in the type to compute in."""
        dtype, device = dtype or self.dtype, self.device
        return at_rest(self.spec, lambda n: torch.zeros(n_samples, n, dtype=dtype, device=device))

    # --- its parts as the engines need them ----------------------------------------------------------

    def weights(self) -> Tensor:
        """The weights of all slots of all groups, one after the other."""
        none = torch.zeros(0, dtype=self.dtype, device=self.device)
        return torch.cat([none, *(g.weight() for g in self.groups)])

    def offset(self) -> Tensor:
        """What the host adds to each output, (output,)."""
        return torch.cat([self._trained(name).offset for name in self.spec.outputs])

    def slot_gain(self, gains: dict[str, Tensor]) -> Tensor:
        """Of every slot of all groups, the gain of its target, (slot,); ``gains`` of each population."""
        first, side_by_side, n = {}, [], 0
        for name, gain in gains.items():
            first[name] = n
            n += len(gain)
            side_by_side.append(gain)
        whole = torch.cat(side_by_side)
        parts = [whole[:0]]
        for group in self.groups:
            base = torch.tensor([first[p.target] for p in group.projections], device=self.device)
            parts.append(whole[base[group.block] + group.target])
            if group.scored is not None:
                parts.append(whole[base[group.scored.block] + group.scored.target])
        return torch.cat(parts)

    def running(self) -> RunningNetwork:
        """The network as the loop runs it, in real numbers."""
        dtype = self.dtype
        gains = {p.name: p.gain().to(dtype) for p in self.populations}
        weights = self.slot_gain(gains) * self.weights()
        populations = []
        for p in self.populations:
            bias = p.drive_bias()
            populations.append(
                RunningPopulation(
                    name=p.name, neuron=type(p.spec.neuron), constants=p.neuron(dtype).constants(),
                    incoming=tuple(self.incoming(p.name, gain=gains[p.name], weights=weights)),
                    decay_i=p.kappa_i().to(dtype) if p.spec.has_current else None,
                    bias=None if bias is None else bias.to(dtype),
                )
            )  # fmt: skip
        return running_network(populations)

    def incoming(
        self, target: str, *, gain: Tensor, weights: Tensor,
        floor: Callable[[Tensor], Tensor] | None = None,
    ) -> Iterator[TorchSynapses]:  # fmt: skip
        """The projections onto a population for the loop.

        - gain: of the population, (neuron,); weights: of all slots, gains included, in the type to compute in
        - floor: what each delay's sum becomes in integers where a projection has a negative exponent
        """
        first = 0
        for group in self.groups:
            place, pairs = group.listed()
            for i, p in enumerate(group.projections):
                if p.target == target:
                    own = pairs.block == i
                    where = pairs.source[own], pairs.target[own], pairs.delay[own]
                    rounded = floor if (p.weight_exp or 0) < 0 else None
                    yield from self._synapses(p, where, weights[first + place[own]], gain, rounded)
            first += group.n_weights

    def _synapses(
        self, p: Projection, where: tuple[Tensor, ...], weight: Tensor, gain: Tensor,
        rounded: Callable[[Tensor], Tensor] | None,
    ) -> Iterator[TorchSynapses]:  # fmt: skip
        """One projection for the loop, with random feedback where the network has it."""
        ends = (self.spec.size_of(p.source), self.spec.size_of(p.target))
        outside = p.source == INPUT or self.feedback is None
        forth = make_synapses(p.source, ends, where, weight, detached=not outside, rounded=rounded)
        if forth is None:
            return
        if outside or self.spec.population(p.target).spiking:
            yield forth
            return
        assert self.feedback is not None
        places = self.spec.places()
        row, column = places[p.target].start + where[1], places[p.source].start + where[0]
        fixed = self.feedback[row, column].to(weight) * gain.to(weight)[where[1]]
        back = make_synapses(p.source, ends, where, fixed)
        assert back is not None
        yield WithFeedback(forth=forth, back=back)

    def _trained(self, name: str) -> TrainedPopulation:
        for population in self.populations:
            if isinstance(population, TrainedPopulation) and population.name == name:
                return population
        raise NetworkError(f"there is no population {name!r}")


def running_network(populations: Sequence[RunningPopulation]) -> RunningNetwork:
    """Populations sorted into those that spike and those that are read."""
    return RunningNetwork(
        spiking=tuple(p for p in populations if p.neuron.spiking),
        readouts=tuple(p for p in populations if not p.neuron.spiking),
    )


def outputs_of_steps(
    spec: NetworkSpec, steps: Iterable[NetworkState], rest: NetworkState
) -> NetworkOutput:
    """The output of a network, offsets left out, from the states after its steps; ``rest``: before."""
    z, y, state = [], [], rest
    none = next(iter(rest.currents.values()))[:, :0]
    for state in steps:
        z.append(torch.cat([none, *(state.populations[p.name].z for p in spec.spiking)], dim=1))
        read = [
            getattr(state.populations[p.name], "z" if p.spiking else "v")
            for p in spec.output_populations
        ]
        y.append(torch.cat(read, dim=1))
    empty = (none.new_zeros(0, len(none), n) for n in (spec.n_neurons, spec.n_outputs))
    spikes, readout = (torch.stack(a) if a else e for a, e in zip((z, y), empty, strict=True))
    rate = spikes.mean(dim=(0, 1)) if spikes.numel() else spikes.new_zeros(spec.n_neurons)
    return NetworkOutput(
        readout=readout, rate=rate, read_spikes=lambda: spikes, read_state=lambda: state
    )


def needs_gradient(start: NetworkState | None) -> bool:
    """Whether gradients are to flow back through a state to start from."""
    if start is None or not torch.is_grad_enabled():
        return False
    tensors = [v for state in start.populations.values() for v in vars(state).values()]
    history = [h for past in start.history.values() for h in past]
    return any(t.requires_grad for t in (*tensors, *start.currents.values(), *history))


def check_start(spec: NetworkSpec, start: NetworkState, n_samples: int) -> None:
    """Refuse a state to start from that is not of this network or batch."""
    if not isinstance(start, NetworkState):
        raise NetworkError(f"start is {type(start).__name__}, expected a NetworkState")
    for p in spec.populations:
        found = start.populations.get(p.name)
        names = set(p.neuron.states)
        if found is None or not names <= set(vars(found)) or p.name not in start.currents:
            raise NetworkError(f"start: is not a state of this network, population {p.name!r}")
        shapes = {tuple(getattr(found, name).shape) for name in names}
        if shapes != {(n_samples, p.size)}:
            raise NetworkError(
                f"start: the states of {p.name!r} have shape {shapes.pop()}, expected {(n_samples, p.size)}"
            )


def checked_inputs(x: Tensor, n_inputs: int, device: torch.device) -> Tensor:
    """Inputs as the engines take them: bool where they are spikes, else what multiplies the weights.

    Raises NetworkError over a wrong shape, NaN and infinity, and inputs on another device.
    """
    if not isinstance(x, Tensor) or x.is_complex():
        kind = f"{x.dtype}" if isinstance(x, Tensor) else type(x).__name__
        raise NetworkError(f"inputs are {kind}, expected a tensor of real numbers")
    if x.ndim != 3 or x.shape[2] != n_inputs:
        raise NetworkError(
            f"inputs have shape {tuple(x.shape)}, expected (time, batch, {n_inputs})"
        )
    if x.device != device:
        raise NetworkError(
            f"inputs are on {x.device}, the network is on {device}; move one of them"
        )
    if x.is_floating_point() and not torch.isfinite(x).all():
        raise NetworkError("inputs hold NaN or infinity; every event must be a finite number")
    if x.dtype == torch.bool or x.requires_grad:
        return x
    return x.bool() if bool(((x == 0) | (x == 1)).all()) else x
