"""Quantization-aware training: forward the integer model itself, backward a surrogate of it.

The network's constants and weights are rounded anew in every forward pass by
:func:`quantize.conversion.to_integers`, the function that makes the deployed network, and the one time
loop runs in float64, where every integer of this size is exact. Gradients pass straight through all
rounding, constant by constant as its role says.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lsnn_neuro.arrays import Events
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network import wiring
from lsnn_neuro.network.dynamics import NetworkState, RunningNetwork, RunningPopulation, simulate
from lsnn_neuro.network.module import (
    NetworkOutput,
    SpikingNetwork,
    check_start,
    checked_inputs,
    needs_gradient,
    outputs_of_steps,
    running_network,
)
from lsnn_neuro.network.population import TrainedPopulation
from lsnn_neuro.network.real import Real
from lsnn_neuro.neurons.neuron import Role, State
from quantize.conversion import Integers, convert, to_integers
from quantize.emulator import EmulatorSession
from quantize.loihi import CURRENT_INPUT_MAX, DECAY_ONE, STATE_MAX, STATE_ONE, WEIGHT_BITS
from quantize.network import ANY_EVENT, QuantizedPopulation
from quantize.record import PopulationSpikes, PopulationState, SpikeRecord


def _straight_through(exact: Tensor, smooth: Tensor) -> Tensor:
    """The value of ``exact`` with the gradient of ``smooth``."""
    return exact.detach() + (smooth - smooth.detach())


def _floor(current: Tensor) -> Tensor:
    """A delay's sum in membrane units with its synaptic input rounded down, straight through."""
    return _straight_through((current / STATE_ONE).floor() * STATE_ONE, current)


def _doubles(array: npt.NDArray[Any], like: Tensor) -> Tensor:
    """An array in double precision, where ``like`` is."""
    return torch.tensor(array, dtype=torch.float64, device=like.device)


class StraightThrough(Real):
    """Loihi's integers forward, in float64, and real gradients backward."""

    def decay(self, state: Tensor, d: Tensor) -> Tensor:
        """``dec`` of the integer model, straight through."""
        smooth = state * (DECAY_ONE - d) / DECAY_ONE
        return _straight_through(smooth.trunc(), smooth)

    def saturate(self, state: Tensor) -> Tensor:
        """``sat`` of the integer model; a saturated state passes no gradient."""
        return state.clamp(-STATE_MAX, STATE_MAX)

    def wrap(self, state: Tensor) -> Tensor:
        """``wrap`` of the integer model; wrapping shifts by a constant."""
        half = STATE_MAX + 1
        beyond = (state > half).to(state) - (state <= -half).to(state)
        return state - 2 * half * beyond.detach()


def aware_constants(trained: TrainedPopulation, quantized: QuantizedPopulation) -> Any:
    """A population's constants in integers, as float64, straight through to what is learnt of them."""
    smooth = trained.neuron().constants()
    scale = quantized.scale

    def aware(name: str, role: Role, exact: Any) -> Any:
        value = getattr(smooth, name)
        if role.kind == "decay":
            return _straight_through(_doubles(exact, value), DECAY_ONE * (1 - value))
        if role.kind in ("state", "threshold"):
            return _straight_through(_doubles(exact, value), scale * value)
        if role.kind == "width":  # rounded as the threshold is
            rounded = (scale * value / role.grid).detach().round() * role.grid
            return _straight_through(rounded, scale * value).clamp(min=1)
        return value

    return quantized.constants.map(aware)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Aware:
    """A network's integers of this moment, with the gradients of what is learnt.

    - constants: of each population; weights: of all slots of all groups, in membrane units
    - gains: membrane units per float weight, of each population, (neuron,)
    """

    net: SpikingNetwork
    integers: Integers
    constants: dict[str, Any]
    gains: dict[str, Tensor]
    weights: Tensor

    @classmethod
    def of(cls, net: SpikingNetwork, weight_bits: int) -> _Aware:
        slots = [group.slots() for group in net.groups]
        spec = net.to_spec(slots)
        integers = to_integers(spec, weight_bits=weight_bits)
        device = net.device
        gains = {
            p.name: p.gain() * q.scale
            for p, q in zip(net.populations, integers.populations, strict=True)
        }
        values = {w.spec.name: w.values() for w in integers.weights}
        exact, first = np.zeros(sum(g.n_weights for g in net.groups)), 0
        for group, own in zip(net.groups, slots, strict=True):
            for projection, places in zip(group.projections, own, strict=True):
                exact[first + places] = values[projection.name]
            first += group.n_weights
        smooth = net.slot_gain(gains) * net.weights().double()
        return cls(
            net=net,
            integers=integers,
            constants={
                p.name: aware_constants(p, q)
                for p, q in zip(net.populations, integers.populations, strict=True)
            },
            gains=gains,
            weights=_straight_through(torch.from_numpy(exact * STATE_ONE).to(device), smooth),
        )

    def pairs(self) -> list[tuple[TrainedPopulation, QuantizedPopulation]]:
        """Each population with its integers."""
        return list(zip(self.net.populations, self.integers.populations, strict=True))

    @staticmethod
    def drive(p: TrainedPopulation, q: QuantizedPopulation) -> tuple[Tensor | None, Tensor | None]:
        """The decay of a population's synaptic current, and its bias, where it has them."""
        decay_i = bias = None
        if q.decay_i is not None:
            smooth = DECAY_ONE * (1 - p.kappa_i())
            decay_i = _straight_through(_doubles(q.decay_i, smooth), smooth)
        if (drive := p.drive_bias()) is not None:
            bias = _straight_through(_doubles(q.bias, drive), q.scale * drive)
        return decay_i, bias

    def running(self) -> RunningNetwork:
        """The network for the loop."""
        populations = []
        for p, q in self.pairs():
            decay_i, bias = self.drive(p, q)
            populations.append(
                RunningPopulation(
                    name=p.name, neuron=q.neuron, constants=self.constants[p.name],
                    incoming=tuple(
                        self.net.incoming(
                            p.name, gain=self.gains[p.name], weights=self.weights, floor=_floor
                        )
                    ),
                    decay_i=decay_i, bias=bias,
                )
            )  # fmt: skip
        return running_network(populations)

    def arguments(self) -> Any:
        """The network for the native kernel (:class:`lsnn_neuro.network.operator.Arguments`)."""
        numbers = {}
        for p, q in self.pairs():
            decay_i, bias = self.drive(p, q)
            numbers[p.name] = wiring.Numbers(
                constants=self.constants[p.name].map(_as_share),
                decay_i=None if decay_i is None else 1 - decay_i / DECAY_ONE, bias=bias,
            )  # fmt: skip
        return wiring.arguments(self.net, numbers, self.weights, self.gains, integer=True)


def _as_share(name: str, role: Role, value: Any) -> Any:
    """A decay in 1/4096 as the share it keeps; everything else as it is."""
    return 1 - value / DECAY_ONE if role.kind == "decay" else value


class QuantizationAware(nn.Module):
    """A network whose forward pass computes Loihi's integers; inputs and parameters are the same.

    ``weight_bits`` as in :func:`quantize.conversion.convert`. Train it like the network itself: gradients
    pass straight through the rounding to the network's own parameters, and DEEP R takes
    ``network.synapses()``.
    ``model(x)`` gives what ``emulate(convert(network.to_spec())[0], x)`` computes, in float units.
    NetworkError over a module that is no spiking network, and over weights without integers.
    """

    def __init__(self, network: SpikingNetwork, *, weight_bits: int = WEIGHT_BITS):
        super().__init__()
        if not hasattr(network, "to_spec"):  # an LSTM, or a module of another package
            raise NetworkError(
                f"QuantizationAware takes a SpikingNetwork, got {type(network).__name__}"
            )
        self.network, self.weight_bits = network, weight_bits

    def forward(self, x: Tensor, start: NetworkState | None = None) -> NetworkOutput:
        """Run a batch from rest or a given state; ``x`` as of :class:`SpikingNetwork`.

        The readout is float64, o / scale + offset with the integers o of the integer model.
        """
        net = self.network
        events = checked_inputs(x, net.spec.n_inputs, net.device)
        if start is not None:
            check_start(net.spec, start, events.shape[1])
        aware = _Aware.of(net, self.weight_bits)
        obstacle = net.kernel_obstacle(events) or _needs_loop(aware, events)
        if obstacle is None and not needs_gradient(start):
            run = wiring.run(net, aware.arguments(), events, start)
            output = NetworkOutput(
                readout=run.readout(), rate=run.output.rate, read_spikes=run.spikes,
                read_state=lambda: run.state(torch.float64), engine="kernel",
            )  # fmt: skip
        else:
            output = self._loop(aware, events, start)
        quantized = {q.name: q for q in aware.integers.populations}
        outputs = [quantized[name] for name in net.spec.outputs]
        scale = np.concatenate([np.full(q.size, 1.0 if q.spiking else q.scale) for q in outputs])
        exact = torch.from_numpy(np.concatenate([q.offset for q in outputs])).to(net.device)
        offset = _straight_through(exact, net.offset().double())
        o = output.readout.double()
        return replace(output, readout=o / torch.from_numpy(scale).to(o) + offset)

    def session(self, n_samples: int) -> EmulatorSession:
        """The integers of the network as it is now, to run some steps at a time."""
        quantized, _ = convert(self.network.to_spec(), weight_bits=self.weight_bits)
        return EmulatorSession(quantized, n_samples)

    @torch.no_grad()
    def states(self, inputs: Events, step: int) -> tuple[PopulationState, ...]:
        """Integer states at the end of ``step`` for one sample, shape (time, input)."""
        aware = _Aware.of(self.network, self.weight_bits)
        x = torch.from_numpy(inputs[: step + 1, None])
        state = self._loop(aware, x, None).state
        assert state is not None
        return tuple(
            PopulationState(
                name=p.name,
                variables=State(
                    **{
                        name: value[0].numpy().astype(np.bool_ if name == "z" else np.int32)
                        for name, value in vars(state.populations[p.name]).items()
                    }
                ),
            )
            for p in self.network.spec.spiking
        )

    def _loop(self, aware: _Aware, x: Tensor, start: NetworkState | None) -> NetworkOutput:
        """The integer model on the time loop; the readout is in integers."""
        net = self.network
        rest = net.at_rest(x.shape[1], torch.float64) if start is None else start
        steps = simulate(aware.running(), rest, x.double().unbind(0), StraightThrough())
        return outputs_of_steps(net.spec, steps, rest)


def _needs_loop(aware: _Aware, x: Tensor) -> str | None:
    """Why only the loop computes these integers: the kernel has 32 bits, and rounds no sum down."""
    if any((p.weight_exp or 0) < 0 for p in aware.net.spec.projections):
        return "a projection has a negative exponent"
    largest = 1.0
    if x.dtype != torch.bool:
        largest = max(1.0, float(x.detach().abs().max()))
        low, high = ANY_EVENT
        if not bool(((x >= low) & (x <= high) & (x == x.round())).all()):
            return "inputs are not whole numbers of 8 bits"
    most = wiring.largest_drive(aware.net, aware.weights, largest)
    for q in aware.integers.populations:
        if q.decay_i is not None and most[q.name] > CURRENT_INPUT_MAX * STATE_ONE:
            return f"population {q.name!r}: its current can wrap more than once"
        # beside the input: the decayed membrane, an adaptation current and a bias
        if most[q.name] + 2 * STATE_MAX + int(np.abs(q.bias).max(initial=0)) > 2**31 - 1:
            return f"population {q.name!r}: its input can exceed 32 bits"
    return None


def record_torch(
    model: nn.Module, network: SpikingNetwork, inputs: Events, *, name: str
) -> SpikeRecord:
    """Run a network, or one wrapped in ``QuantizationAware``, as if it were a target.

    ``inputs`` are events, shape (time, sample, input). The readout is given in the readout units of
    the network's quantization: exact for the integer forward pass, rounded for the float one.
    """
    start = time.perf_counter()
    with torch.no_grad():
        output = model(torch.from_numpy(inputs))
    quantized, _ = convert(network.to_spec())
    spikes, places = output.spikes.bool().numpy(), network.spec.places()
    readout = (output.readout.numpy() - quantized.output_offset) * quantized.output_scale
    return SpikeRecord(
        spikes=tuple(
            PopulationSpikes(name=p.name, spikes=spikes[..., places[p.name]])
            for p in network.spec.spiking
        ),
        readout=np.rint(readout).astype(np.int32),
        target=name,
        seconds=time.perf_counter() - start,
    )
