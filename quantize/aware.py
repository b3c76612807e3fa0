"""Quantization-aware training: forward the integer model itself, backward a surrogate of it.

The network's weights are converted anew in every forward pass by :func:`quantize.convert.convert`,
the very function that makes the deployed network, and the integer equations of
:mod:`quantize.emulator` run in float64, where every integer of this size is exact. Gradients pass
straight through all rounding.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lsnn_neuro.bptt import run
from lsnn_neuro.network import LSNN, NetworkOutput
from lsnn_neuro.session import LocalSession
from lsnn_neuro.spec import INPUT, READOUT
from lsnn_neuro.surrogate import spike
from lsnn_neuro.synapses import Synapses
from quantize.choose import STATE_ONE
from quantize.convert import convert
from quantize.emulator import session
from quantize.loihi import DECAY_ONE, STATE_MAX, WEIGHT_BITS
from quantize.network import QuantizedNetwork
from quantize.record import PopulationSpikes, PopulationState, SpikeRecord


def _straight_through(exact: Tensor, smooth: Tensor) -> Tensor:
    """The value of ``exact`` with the gradient of ``smooth``."""
    return exact.detach() + (smooth - smooth.detach())


def _decay(state: Tensor, d: Tensor) -> Tensor:
    """``dec`` of the integer model on float64 integers, straight through."""
    smooth = state * (DECAY_ONE - d) / DECAY_ONE
    return _straight_through(smooth.trunc(), smooth)


def _saturate(state: Tensor) -> Tensor:
    """``sat`` of the integer model; a saturated state passes no gradient."""
    return state.clamp(-STATE_MAX, STATE_MAX)


def _wrap(state: Tensor) -> Tensor:
    """``wrap`` of the integer model; wrapping shifts by a constant."""
    half = STATE_MAX + 1
    return state - 2 * half * ((state.detach() + half - 1) / (2 * half)).floor()


@dataclass(frozen=True, kw_only=True, eq=False)
class _Step:
    """State after a step: integers in float64, all (batch, neuron) except o, (batch, output)."""

    v: Tensor
    a: Tensor
    r: Tensor
    z: Tensor
    i: Tensor
    o: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class _Constants:
    """The neurons' constants (neuron,), in float64; ``step_a`` is negative for a current."""

    decay_v: Tensor
    decay_a: Tensor
    step_a: Tensor
    vth: Tensor
    decay_i: Tensor
    decay_r: Tensor


class QuantizationAware(nn.Module):
    """An LSNN whose forward pass computes Loihi's integers; inputs and parameters are the same.

    ``weight_bits`` as in :func:`quantize.convert.convert`.
    """

    def __init__(self, network: LSNN, *, weight_bits: int = WEIGHT_BITS):
        super().__init__()
        self.network, self.weight_bits = network, weight_bits

    def forward(self, x: Tensor) -> NetworkOutput:
        """Run a batch from rest; ``x`` holds input spikes, bool or 0 and 1, (time, batch, input).

        The readout is float64, (o + bias) / scale with the integers o of the integer model.
        """
        quantized, _ = convert(self.network.to_spec(), weight_bits=self.weight_bits)
        if self.network.runs_on_kernel():
            output = self._run_kernel(quantized, x)
        else:
            steps = list(self._steps(quantized, x.double()))
            z = torch.stack([s.z for s in steps])
            o = torch.stack([s.o for s in steps])
            output = NetworkOutput(readout=o, rate=z.mean(dim=(0, 1)), read_spikes=lambda: z)
        o, readout = output.readout.double(), quantized.readout
        bias = _straight_through(
            o.new_tensor(readout.bias) / readout.scale, self.network.bias.double()
        )
        return replace(output, readout=o / readout.scale + bias)

    def session(self, n_samples: int) -> LocalSession:
        """The integers of the network as it is now, to run some steps at a time."""
        quantized, _ = convert(self.network.to_spec(), weight_bits=self.weight_bits)
        return session(quantized, n_samples)

    def _run_kernel(self, quantized: QuantizedNetwork, x: Tensor) -> NetworkOutput:
        """The integer model on the native kernel; the readout is o."""
        net = self.network
        kappa = 1 - float(quantized.readout.decay[0]) / DECAY_ONE
        first = quantized.populations[0]  # all populations have these two in common
        core = replace(
            net.core(integer=True),
            kappa=kappa,
            kappa_i=1 - float(first.decay_i[0]) / DECAY_ONE,
            kappa_r=1 - float(first.decay_r[0]) / DECAY_ONE,
        )
        weights = tuple(
            STATE_ONE * w.values(m)
            for w, m in zip(core.wirings, self._weights(quantized, x.device), strict=True)
        )
        c = self._constants(quantized, x.device)
        keep = (1 - c.decay_v / DECAY_ONE, 1 - c.decay_a / DECAY_ONE)
        back = net.feedback_at(core.wirings[2], (1 - net.kappa) * quantized.readout.scale)
        output = run(core, x, weights, (*keep, c.step_a, c.vth, c.vth.clamp(min=1)), back)
        return NetworkOutput(readout=output.readout, rate=output.rate, read_spikes=output.spikes)

    @torch.no_grad()
    def states(self, inputs: npt.NDArray[np.bool_], step: int) -> tuple[PopulationState, ...]:
        """Integer states at the end of ``step`` for one sample, shape (time, input)."""
        quantized, _ = convert(self.network.to_spec(), weight_bits=self.weight_bits)
        x = torch.from_numpy(inputs[: step + 1, None]).double()
        *_, last = self._steps(quantized, x)
        integers = {
            name: getattr(last, name)[0].numpy().astype(np.int32) for name in ("v", "a", "r", "z")
        }
        return tuple(
            PopulationState(
                name=name,
                v=integers["v"][at],
                a=integers["a"][at],
                r=integers["r"][at],
                z=integers["z"][at].astype(bool),
            )
            for name, at in self.network.populations()
        )

    def _steps(self, quantized: QuantizedNetwork, x: Tensor) -> Iterator[_Step]:
        """The integer model of :mod:`quantize.emulator`, step by step, populations side by side."""
        net = self.network
        constants = self._constants(quantized, x.device)
        decay_out = x.new_tensor(quantized.readout.decay)
        input_weight, recurrent_weight, w_out = self._weights(quantized, x.device)
        w_in = _by_delay(input_weight, net.input)
        w_rec_stacked = (
            _by_delay(recurrent_weight, net.recurrent).transpose(1, 2).flatten(0, 1)
        )  # (delay x source, target)
        zero = x.new_zeros(x.shape[1], net.n_neurons)
        o = x.new_zeros(x.shape[1], len(decay_out))
        state = _Step(v=zero, a=zero, r=zero, z=zero, i=zero, o=o)
        advance = self._atrlif if net.config.neuron == "atrlif" else self._lif
        past = [zero] * net.recurrent.n_delays
        for current in self._delayed(x, w_in).unbind(0):
            current = current + torch.cat(past, dim=1) @ w_rec_stacked
            state = advance(state, current * STATE_ONE, constants)
            past = [net.heard(state.z), *past[:-1]]
            drive = net.read(state.z, w_out, (1 - net.kappa) * quantized.readout.scale / STATE_ONE)
            o = _saturate(_decay(o, decay_out) + drive * STATE_ONE)
            state = replace(state, o=o)
            yield state

    def _lif(self, s: _Step, inflow: Tensor, c: _Constants) -> _Step:
        """A step of LIF and ALIF neurons; ``inflow`` is the input in membrane units."""
        config = self.network.config
        a, threshold = _saturate(_decay(s.a, c.decay_a) + c.step_a * s.z), c.vth
        if config.adaptation == "current":
            inflow = inflow + a
        else:
            threshold = threshold + a
        v = _saturate(_decay(s.v, c.decay_v) + inflow)
        z = spike((v - threshold) / c.vth.clamp(min=1), s.r == 0, config.gamma)
        v = v - z * threshold if config.reset == "subtract" else (1 - z) * v
        r = torch.where(z > 0, float(config.n_ref), (s.r - 1).clamp(min=0)).detach()
        return replace(s, v=v, a=a, r=r, z=z)

    def _atrlif(self, s: _Step, inflow: Tensor, c: _Constants) -> _Step:
        """A step of ATRLIF neurons; ``inflow`` is the input in membrane units."""
        i = _wrap(_decay(s.i, c.decay_i) + inflow)
        v = _saturate(_decay(s.v, c.decay_v) + i)
        a, r = _decay(s.a, c.decay_a), _decay(s.r, c.decay_r)
        threshold = c.vth + a
        distance = (v - r - threshold) / c.vth.clamp(min=1)
        allowed = torch.ones_like(distance, dtype=torch.bool)
        z = spike(distance, allowed, self.network.config.gamma, at_threshold=True)
        return replace(s, v=v, a=a + c.step_a * z, r=r + 2 * threshold * z, z=z, i=i)

    def _delayed(self, x: Tensor, weight: Tensor) -> Tensor:
        """Input sums for all steps, shape (time, batch, neuron)."""
        current = x.new_zeros(*x.shape[:2], weight.shape[1])
        for d, w in enumerate(weight[: len(x)]):
            arriving = x[: len(x) - d] @ w.T
            current = current + nn.functional.pad(arriving, (0, 0, 0, 0, d, 0))
        return current

    def _constants(self, quantized: QuantizedNetwork, device: torch.device) -> _Constants:
        """The integer constants of all neurons, straight through to what is learnt of them."""
        p = self.network.parameters_of_neurons()
        alpha, rho, beta, b0 = (t.double() for t in (p.alpha, p.rho, p.beta, p.b0))
        scale = torch.from_numpy(_scales(quantized)).to(device)
        decay_v, decay_a, step_a, vth_mant, decay_i, decay_r = (
            torch.from_numpy(column).to(device) for column in _columns(quantized)
        )
        current = p.adaptation == "current"
        gain = 1 - alpha if current else torch.ones_like(alpha)
        return _Constants(
            decay_v=_straight_through(decay_v, DECAY_ONE * (1 - alpha)),
            decay_a=_straight_through(decay_a, DECAY_ONE * (1 - rho)),
            step_a=(-1 if current else 1)
            * _straight_through(step_a, scale * gain * beta * (1 - rho)),
            vth=_straight_through(vth_mant * STATE_ONE, scale * b0),
            decay_i=decay_i,
            decay_r=decay_r,
        )

    def _weights(
        self, quantized: QuantizedNetwork, device: torch.device
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Integer weights of input, recurrent and readout synapses, straight through, in float64.

        Each (target, source), in synaptic units: weight_mant * 2^weight_exp.
        """
        net = self.network
        place = dict(net.populations())
        readout = quantized.readout
        neurons = net.parameters_of_neurons()
        leak = (1 - neurons.alpha.double()) * (1 - neurons.kappa_i)
        gain = (torch.from_numpy(_scales(quantized)).to(device) * leak)[:, None] / STATE_ONE
        gain_out = (1 - net.kappa) * readout.scale / STATE_ONE
        exact = [np.zeros(s.theta.shape) for s in net.synapses()]
        whole = slice(None)
        for p in quantized.projections:
            matrix = exact[0 if p.source == INPUT else 2 if p.target == READOUT else 1]
            block = matrix[place.get(p.target, whole), place.get(p.source, whole)]
            np.add.at(block, (p.target_index, p.source_index), p.weight_mant * 2.0**p.weight_exp)
        w_in, w_rec, w_out = (
            _straight_through(torch.from_numpy(e).to(device), g * s.weight().double())
            for e, g, s in zip(exact, (gain, gain, gain_out), net.synapses(), strict=True)
        )
        return w_in, w_rec, w_out


def _scales(quantized: QuantizedNetwork) -> npt.NDArray[np.float64]:
    """Membrane units per float unit of all neurons, populations side by side."""
    return np.concatenate([np.full(p.size, p.scale) for p in quantized.populations])


def _columns(quantized: QuantizedNetwork) -> list[npt.NDArray[np.float64]]:
    """Integer constants of all neurons, populations side by side."""
    fields = ("decay_v", "decay_a", "step_a", "vth_mant", "decay_i", "decay_r")
    return [
        np.concatenate([getattr(p, field) for p in quantized.populations]).astype(np.float64)
        for field in fields
    ]


def _by_delay(weight: Tensor, synapses: Synapses) -> Tensor:
    """Weights apart by delay, shape (delay, target, source)."""
    steps = torch.arange(synapses.n_delays, device=weight.device)
    return weight * (synapses.delay == steps[:, None, None])


def record_torch(
    model: nn.Module, network: LSNN, inputs: npt.NDArray[np.bool_], *, name: str
) -> SpikeRecord:
    """Run an LSNN, or one wrapped in ``QuantizationAware``, as if it were a target.

    ``inputs`` is bool, shape (time, sample, input). The readout is given in the readout units of
    the network's quantization: exact for the integer forward pass, rounded for the float one.
    """
    start = time.perf_counter()
    with torch.no_grad():
        output = model(torch.from_numpy(inputs).float())
    readout = convert(network.to_spec())[0].readout
    spikes = output.spikes.bool().numpy()
    return SpikeRecord(
        spikes=tuple(
            PopulationSpikes(name=population, spikes=spikes[..., at])
            for population, at in network.populations()
        ),
        readout=np.rint(output.readout.numpy() * readout.scale - readout.bias).astype(np.int32),
        target=name,
        seconds=time.perf_counter() - start,
    )
