r"""The integer model: what every target must compute, bit for bit. Readable, batched NumPy.

Per step t, neuron j, all states zero before t = 0 (``dec``, ``sat`` and
``wrap`` from :mod:`quantize.fixed_point`)::

    I[t] = sum over projections and delays d of (sum of weight_mant * s[t - d]) << weight_exp
    a[t] = sat(dec(a[t-1], decay_a) + step_a * z[t-1])
    A[t] = vth + a[t]                                     vth = vth_mant << 6
    v[t] = sat(dec(v[t-1], decay_v) + (I[t] << 6))
    z[t] = v[t] > A[t] and r[t-1] == 0
    if z[t]: v[t] = v[t] - A[t] (reset "subtract") or 0 (reset "zero"); r[t] = n_ref
    else:    r[t] = max(r[t-1] - 1, 0)
    o[t] = sat(dec(o[t-1], decay_out) + (I_out[t] << 6))

Where adaptation is a current, it acts on the membrane instead of the threshold::

    a[t] = sat(dec(a[t-1], decay_a) - step_a * z[t-1])
    A[t] = vth
    v[t] = sat(dec(v[t-1], decay_v) + (I[t] << 6) + a[t])

ATRLIF neurons compute what Lava's process of that name does, theta being A::

    i[t] = wrap(dec(i[t-1], decay_i) + (I[t] << 6))
    v[t] = sat(dec(v[t-1], decay_v) + i[t])
    a[t] = dec(a[t-1], decay_a)                           A[t] = vth + a[t]
    r[t] = dec(r[t-1], decay_r)
    z[t] = v[t] - r[t] >= A[t]
    if z[t]: r[t] = r[t] + 2 A[t]; a[t] = a[t] + step_a

There neither a nor r can leave 25 bits: a neuron only spikes where A + r <= v.

s[t] are the input spikes of step t, or a population's spikes z[t-1] (a recurrent hop takes one
step); the readout takes z[t] of the same step. A negative weight_exp rounds each delay's sum down
on its own, which is what Lava's DelaySparse does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from lsnn_neuro.errors import NetworkError
from lsnn_neuro.session import LocalSession
from lsnn_neuro.spec import INPUT, READOUT
from quantize.fixed_point import Ints, decay, saturate, shift, wrap
from quantize.loihi import STATE_SHIFT
from quantize.native_emulator import (
    emulate_on_kernel,
    runs_on_kernel,
    session_on_kernel,
    trace_on_kernel,
)
from quantize.network import Population, Projection, QuantizedNetwork
from quantize.record import PopulationSpikes, PopulationState, SpikeRecord

Spikes = npt.NDArray[np.bool_]


class _Synapses:
    """A projection with its delay line: a ring of input sums that are still on their way."""

    def __init__(self, projection: Projection, n_samples: int):
        self.projection = projection
        self.length = projection.max_delay + 1
        rows = projection.delay.astype(np.int64) * projection.n_target + projection.target_index
        self.matrix = csr_array(  # one block of rows per delay: (delay x target, source)
            (projection.weight_mant.astype(np.int64), (rows, projection.source_index)),
            shape=(self.length * projection.n_target, projection.n_source),
        )
        self.ring = np.zeros((self.length, projection.n_target, n_samples), np.int64)
        self.head = 0

    def step(self, spikes: Spikes) -> Ints:
        """Take the spikes of a step, shape (source, sample); give the input that arrives in it."""
        sums = (self.matrix @ spikes.astype(np.int64)).reshape(self.ring.shape)
        slots = (self.head + np.arange(self.length)) % self.length
        self.ring[slots] += shift(sums, self.projection.weight_exp)
        arriving: Ints = self.ring[self.head].copy()
        self.ring[self.head] = 0
        self.head = (self.head + 1) % self.length
        return arriving


class _Neurons:
    """LIF and ALIF neurons: states of one population, each of shape (neuron, sample)."""

    def __init__(self, population: Population, n_samples: int):
        shape = (population.size, n_samples)
        self.v = np.zeros(shape, np.int64)
        self.a = np.zeros(shape, np.int64)
        self.r = np.zeros(shape, np.int64)
        self.z = np.zeros(shape, np.bool_)
        self.population = population
        columns = (population.decay_v, population.decay_a, population.step_a, population.vth_mant)
        self.decay_v, self.decay_a, self.step_a, vth_mant = (
            column.astype(np.int64)[:, None] for column in columns
        )
        self.vth = vth_mant << STATE_SHIFT

    def step(self, current: Ints) -> None:
        """One time step with synaptic input ``current``, shape (neuron, sample)."""
        inflow, threshold = current << STATE_SHIFT, self.vth
        if self.population.adaptation == "current":
            self.a = saturate(decay(self.a, self.decay_a) - self.step_a * self.z)
            inflow = inflow + self.a
        else:
            self.a = saturate(decay(self.a, self.decay_a) + self.step_a * self.z)
            threshold = threshold + self.a
        v = saturate(decay(self.v, self.decay_v) + inflow)
        self.z = (v > threshold) & (self.r == 0)
        after_spike = v - threshold if self.population.reset == "subtract" else np.zeros_like(v)
        self.v = np.where(self.z, after_spike, v)
        self.r = np.where(self.z, self.population.n_ref, np.maximum(self.r - 1, 0))


class _ATRLIF(_Neurons):
    """ATRLIF neurons."""

    def __init__(self, population: Population, n_samples: int):
        super().__init__(population, n_samples)
        self.i = np.zeros_like(self.v)
        self.decay_i = population.decay_i.astype(np.int64)[:, None]
        self.decay_r = population.decay_r.astype(np.int64)[:, None]

    def step(self, current: Ints) -> None:
        """One time step with synaptic input ``current``, shape (neuron, sample)."""
        self.i = wrap(decay(self.i, self.decay_i) + (current << STATE_SHIFT))
        self.v = saturate(decay(self.v, self.decay_v) + self.i)
        a, r = decay(self.a, self.decay_a), decay(self.r, self.decay_r)
        threshold = self.vth + a
        self.z = self.v - r >= threshold
        self.r = r + 2 * threshold * self.z
        self.a = a + self.step_a * self.z


class Emulator:
    """The integer network, stepped by hand: for closed loops and for looking inside.

    Holds ``n_samples`` independent copies side by side, all states zero at the start.
    """

    def __init__(self, network: QuantizedNetwork, n_samples: int):
        self.network = network
        self._neurons = {
            p.name: (_ATRLIF if p.neuron == "atrlif" else _Neurons)(p, n_samples)
            for p in network.populations
        }
        self._synapses = [_Synapses(p, n_samples) for p in network.projections]
        self._readout = np.zeros((network.readout.size, n_samples), np.int64)

    def step(self, inputs: Spikes) -> None:
        """Advance by one step; ``inputs`` is bool, shape (sample, input)."""
        sources = {name: neurons.z for name, neurons in self._neurons.items()} | {INPUT: inputs.T}
        for name, neurons in self._neurons.items():
            current = np.zeros_like(neurons.v)
            for synapses in self._synapses:
                if synapses.projection.target == name:
                    current += synapses.step(sources[synapses.projection.source])
            neurons.step(current)
        output = np.zeros_like(self._readout)
        for synapses in self._synapses:
            if synapses.projection.target == READOUT:
                output += synapses.step(self._neurons[synapses.projection.source].z)
        decay_out = self.network.readout.decay.astype(np.int64)[:, None]
        self._readout = saturate(decay(self._readout, decay_out) + (output << STATE_SHIFT))

    def spikes(self, population: str) -> Spikes:
        """Spikes of the last step, shape (sample, neuron)."""
        return self._neurons[population].z.T

    @property
    def readout(self) -> npt.NDArray[np.int32]:
        """Readout state after the last step, shape (sample, output)."""
        return self._readout.T.astype(np.int32)

    def states(self, sample: int = 0) -> tuple[PopulationState, ...]:
        """States of every population after the last step, one sample."""
        return tuple(
            PopulationState(
                name=name,
                v=neurons.v[:, sample].astype(np.int32),
                a=neurons.a[:, sample].astype(np.int32),
                r=neurons.r[:, sample].astype(np.int32),
                z=neurons.z[:, sample].copy(),
            )
            for name, neurons in self._neurons.items()
        )


def check_inputs(network: QuantizedNetwork, inputs: Spikes) -> None:
    """Refuse anything but bool input spikes of shape (time, sample, input) that fit the network."""
    if inputs.dtype != np.bool_ or inputs.ndim != 3 or inputs.shape[2] != network.n_inputs:
        raise NetworkError(
            f"input spikes have type {inputs.dtype} and shape {inputs.shape}, expected bool "
            f"(time, sample, {network.n_inputs})"
        )
    if 0 in inputs.shape:
        raise NetworkError(f"input spikes have shape {inputs.shape}: no step, sample or input")


def emulate(network: QuantizedNetwork, inputs: Spikes, *, spikes: bool = True) -> SpikeRecord:
    """Run a batch of samples from rest; ``inputs`` is bool, shape (time, sample, input).

    On the native kernel where that can be, else on the reference: the integers are the same. With
    ``spikes=False`` the record holds the readout alone, which saves time and memory.
    """
    check_inputs(network, inputs)
    start = time.perf_counter()
    if runs_on_kernel(network):
        trains, readout = emulate_on_kernel(network, inputs, spikes=spikes)
    else:
        trains, readout = emulate_reference(network, inputs)
    return SpikeRecord(
        spikes=trains if spikes else (),
        readout=readout,
        target="emulator",
        seconds=time.perf_counter() - start,
    )


def emulate_reference(
    network: QuantizedNetwork, inputs: Spikes
) -> tuple[tuple[PopulationSpikes, ...], npt.NDArray[np.int32]]:
    """The integer model step by step in NumPy: spikes and readout of a batch."""
    n_steps, n_samples, _ = inputs.shape
    trains = {p.name: np.zeros((n_steps, n_samples, p.size), np.bool_) for p in network.populations}
    readout = np.zeros((n_steps, n_samples, network.readout.size), np.int32)
    emulator = Emulator(network, n_samples)
    for t in range(n_steps):
        emulator.step(inputs[t])
        for name, train in trains.items():
            train[t] = emulator.spikes(name)
        readout[t] = emulator.readout
    spikes = tuple(PopulationSpikes(name=name, spikes=train) for name, train in trains.items())
    return spikes, readout


def session(network: QuantizedNetwork, n_samples: int) -> LocalSession:
    """The network as something to run some steps at a time: in a closed loop."""
    if runs_on_kernel(network):
        run = session_on_kernel(network, n_samples).step
    else:
        emulator = Emulator(network, n_samples)

        def run(inputs: Spikes) -> npt.NDArray[np.int32]:
            readout = []
            for x in inputs:
                emulator.step(x)
                readout.append(emulator.readout)
            return np.stack(readout)

    readout = network.readout
    return LocalSession(run=run, scale=readout.scale, bias=readout.bias / readout.scale)


def trace(network: QuantizedNetwork, inputs: Spikes) -> Iterator[tuple[PopulationState, ...]]:
    """States of every population, step by step, for one sample of shape (time, input)."""
    check_inputs(network, inputs[:, None])
    if runs_on_kernel(network):
        return trace_on_kernel(network, inputs)
    return trace_reference(network, inputs)


def trace_reference(
    network: QuantizedNetwork, inputs: Spikes
) -> Iterator[tuple[PopulationState, ...]]:
    """:func:`trace` in NumPy."""
    emulator = Emulator(network, 1)
    for x in inputs:
        emulator.step(x[None])
        yield emulator.states()
