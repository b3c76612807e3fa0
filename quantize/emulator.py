r"""The integer model: what every target must compute, bit for bit.

The neurons' equations (:mod:`lsnn_neuro.neurons`) in the one time loop
(:mod:`lsnn_neuro.network.dynamics`), computed in Loihi's integers (:mod:`quantize.arithmetic`). What
arrives in a step is, with I the synaptic input::

    I[t] = sum over projections, sum over delays d of shift(sum of weight_mant * s[t - h - d], weight_exp)

shifted left by 6 into the membrane. A negative weight_exp rounds each delay's sum down on its own, which
is what Lava's DelaySparse does. s[t] are input spikes, or graded events that multiply the weight; h is 1
between spiking populations and 0 from inputs and into readouts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from lsnn_neuro.arrays import Events
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network import kernel
from lsnn_neuro.network.dynamics import (
    NetworkState,
    RunningNetwork,
    RunningPopulation,
    at_rest,
    simulate,
)
from lsnn_neuro.neurons.neuron import Role, State
from quantize.arithmetic import Ints, Loihi, shift
from quantize.emulator_kernel import KernelEmulator, kernel_obstacle
from quantize.loihi import STATE_SHIFT
from quantize.network import (
    ANY_EVENT,
    QuantizedNetwork,
    QuantizedPopulation,
    QuantizedProjection,
    value_range,
)
from quantize.record import PopulationSpikes, PopulationState, SpikeRecord


@dataclass(frozen=True, kw_only=True, eq=False)
class SparseSynapses:
    """A projection for the loop; what leaves the source at once is summed for each delay."""

    projection: QuantizedProjection

    @property
    def source(self) -> str:
        """Name of the source."""
        return self.projection.source

    @cached_property
    def _by_delay(self) -> tuple[list[int], Any]:
        """The delays there are, and the weights (delay and target, delay and source)."""
        p = self.projection
        delays, slot = np.unique(p.delay, return_inverse=True)
        rows = slot.astype(np.int64) * p.n_target + p.target_index
        columns = slot.astype(np.int64) * p.n_source + p.source_index
        shape = (len(delays) * p.n_target, len(delays) * p.n_source)
        matrix = csr_array((p.weight_mant.astype(np.int64), (rows, columns)), shape=shape)
        return delays.tolist(), matrix

    def current(self, history: tuple[Ints, ...]) -> Ints | int:
        """The synaptic current of this step in membrane units, (sample, target)."""
        delays, matrix = self._by_delay
        if not delays:
            return 0
        sent = np.concatenate([history[d] for d in delays], axis=1)  # (sample, delay and source)
        sums = (matrix @ sent.T).reshape(len(delays), self.projection.n_target, -1)
        total: Ints = shift(sums, self.projection.weight_exp).sum(axis=0).T
        return total << STATE_SHIFT


def running(network: QuantizedNetwork) -> RunningNetwork:
    """The network as the loop runs it, in integers of 64 bits: no intermediate product can overflow."""

    def wide(name: str, role: Role, value: Any) -> Any:
        return value.astype(np.int64) if role.is_number else value

    def population(p: QuantizedPopulation) -> RunningPopulation:
        return RunningPopulation(
            name=p.name,
            neuron=p.neuron,
            constants=p.constants.map(wide),
            incoming=tuple(SparseSynapses(projection=q) for q in network.into(p.name)),
            decay_i=None if p.decay_i is None else p.decay_i.astype(np.int64),
            bias=p.bias.astype(np.int64) if p.bias.any() else None,
        )

    return RunningNetwork(
        spiking=tuple(population(p) for p in network.spiking),
        readouts=tuple(population(p) for p in network.readouts),
    )


class Emulator:
    """The integer network, one step at a time: for closed loops and for looking inside.

    Holds ``n_samples`` independent copies side by side; starts at rest, or in a given state.
    """

    def __init__(
        self, network: QuantizedNetwork, n_samples: int, start: NetworkState | None = None
    ):
        self.network = network
        rest = at_rest(network, lambda n: np.zeros((n_samples, n), np.int64))
        self._running = running(network)
        self.state = rest if start is None else start

    def step(self, inputs: Events) -> None:
        """Advance by one step; ``inputs`` has shape (sample, input), bool or int8."""
        check_inputs(self.network, inputs[None])
        steps = simulate(self._running, self.state, [np.asarray(inputs, np.int64)], Loihi())
        (self.state,) = steps

    def spikes(self, population: str) -> npt.NDArray[np.bool_]:
        """Spikes of the last step, shape (sample, neuron)."""
        z: Ints = self.state.populations[population].z
        return z.astype(np.bool_)

    @property
    def readout(self) -> npt.NDArray[np.int32]:
        """What the outputs give after the last step, shape (sample, output)."""
        parts = [
            getattr(self.state.populations[p.name], "z" if p.spiking else "v")
            for p in self.network.output_populations
        ]
        joined: npt.NDArray[np.int32] = np.concatenate(parts, axis=1).astype(np.int32)
        return joined

    def states(self, sample: int = 0) -> tuple[PopulationState, ...]:
        """States of every spiking population after the last step, one sample."""
        return tuple(
            PopulationState(
                name=p.name, variables=_of_sample(self.state.populations[p.name], sample)
            )
            for p in self.network.spiking
        )


def _of_sample(state: State, sample: int) -> State:
    return State(
        **{
            name: value[sample].astype(np.bool_ if name == "z" else np.int32)
            for name, value in vars(state).items()
        }
    )


def check_inputs(network: QuantizedNetwork, inputs: Events) -> None:
    """Refuse anything but events of shape (time, sample, input) that fit the network.

    Values with which the synaptic input of a step could overflow don't: NetworkError names the population.
    """
    if inputs.dtype not in (np.bool_, np.int8) or inputs.ndim != 3:
        raise NetworkError(
            f"inputs have type {inputs.dtype} and shape {inputs.shape}, expected bool or int8 "
            f"(time, sample, {network.n_inputs})"
        )
    if inputs.shape[2] != network.n_inputs:
        raise NetworkError(
            f"inputs have shape {inputs.shape}, expected (time, sample, {network.n_inputs})"
        )
    if 0 in inputs.shape:
        raise NetworkError(f"inputs have shape {inputs.shape}: no step, sample or input")
    network.check_values(value_range(inputs))


def emulate(
    network: QuantizedNetwork, inputs: Events, *, spikes: bool = True,
    start: NetworkState | None = None,
) -> SpikeRecord:  # fmt: skip
    """Run a batch of samples; inputs are bool spikes or int8 events, shape (time, sample, input).

    On the native kernel where that can be, else on the loop: the integers are the same. With
    ``spikes=False`` the record holds the readout alone, which saves time and memory.

    - start: the state to start from; by default rest
    - returns: spikes of each population, (time, sample, neuron), and the readout in integers, (time, sample,
      output); ``network.to_float(record.readout)`` has the units and offsets of the float network

    Raises NetworkError over inputs of another type or shape, or so large that a sum could overflow.
    """
    check_inputs(network, inputs)
    begin = time.perf_counter()
    if kernel_obstacle(network, value_range(inputs)) is None:
        trains, readout = KernelEmulator(network).run(inputs, spikes=spikes, start=start)
    else:
        trains, readout = emulate_reference(network, inputs, start)
    return SpikeRecord(
        spikes=trains if spikes else (),
        readout=readout,
        target="emulator",
        seconds=time.perf_counter() - begin,
    )


def emulate_reference(
    network: QuantizedNetwork, inputs: Events, start: NetworkState | None = None
) -> tuple[tuple[PopulationSpikes, ...], npt.NDArray[np.int32]]:
    """The integer model step by step in NumPy: spikes and readout of a batch."""
    n_steps, n_samples, _ = inputs.shape
    trains = {p.name: np.zeros((n_steps, n_samples, p.size), np.bool_) for p in network.spiking}
    readout = np.zeros((n_steps, n_samples, network.n_outputs), np.int32)
    emulator = Emulator(network, n_samples, start)
    for t in range(n_steps):
        emulator.step(inputs[t])
        for name, train in trains.items():
            train[t] = emulator.spikes(name)
        readout[t] = emulator.readout
    spikes = tuple(PopulationSpikes(name=name, spikes=train) for name, train in trains.items())
    return spikes, readout


class EmulatorSession:
    """A network on the emulator that runs some steps at a time: for closed loops.

    - record: whether to keep what it does; start: the state to start from, by default rest
    """

    lag = 0

    def __init__(
        self, network: QuantizedNetwork, n_samples: int, *, record: bool = False,
        start: NetworkState | None = None,
    ):  # fmt: skip
        self.network, self.n_samples = network, n_samples
        self._kept: list[tuple[Any, npt.NDArray[np.int32]]] = []
        self._record = record
        self._seconds = 0.0
        self._spikes = record or any(p.spiking for p in network.output_populations)
        self._kernel, self._loop = None, None
        if kernel_obstacle(network, ANY_EVENT) is None:  # whatever comes
            self._kernel = KernelEmulator(network).session(n_samples, start)
        else:
            self._loop = Emulator(network, n_samples, start)

    def step(self, inputs: Events) -> npt.NDArray[np.float64]:
        """Run on for some steps; see :class:`lsnn_neuro.session.Session`."""
        check_inputs(self.network, inputs)
        begin = time.perf_counter()
        trains, readout = self._on_kernel(inputs) if self._kernel else self._on_loop(inputs)
        if self._record:
            self._kept.append((trains, readout))
        self._seconds += time.perf_counter() - begin
        return self.network.to_float(readout)

    def _on_kernel(self, inputs: Events) -> tuple[Any, npt.NDArray[np.int32]]:
        assert self._kernel is not None
        found = self._kernel.run(inputs, spikes=self._spikes)
        trains = kernel.unpack_spikes(found["spikes"], self.n_samples) if self._spikes else None
        return trains, kernel.outputs(self.network, found["readout"], trains)

    def _on_loop(self, inputs: Events) -> tuple[Any, npt.NDArray[np.int32]]:
        assert self._loop is not None
        none = np.zeros((self.n_samples, 0), np.bool_)
        trains, readout = [], []
        for x in inputs:
            self._loop.step(x)
            spikes = [self._loop.spikes(p.name) for p in self.network.spiking]
            trains.append(np.concatenate([none, *spikes], axis=1))
            readout.append(self._loop.readout)
        return np.stack(trains), np.stack(readout)

    def record(self) -> SpikeRecord:
        """What the network did in all steps so far; NetworkError if that was not kept."""
        if not self._kept:
            raise NetworkError("session: nothing was kept; open it with record=True and run it")
        places, network = self.network.places(), self.network
        joined: Any = np.concatenate([part for part, _ in self._kept]) if network.spiking else None
        return SpikeRecord(
            spikes=tuple(
                PopulationSpikes(
                    name=p.name, spikes=np.ascontiguousarray(joined[..., places[p.name]])
                )
                for p in network.spiking
            ),
            readout=np.concatenate([part for _, part in self._kept]),
            target="emulator",
            seconds=self._seconds,
        )


def trace(network: QuantizedNetwork, inputs: Events) -> Iterator[tuple[PopulationState, ...]]:
    """States of every spiking population, step by step, for one sample of shape (time, input)."""
    check_inputs(network, inputs[:, None])
    if kernel_obstacle(network, value_range(inputs)) is None:
        return KernelEmulator(network).trace(inputs)
    return trace_reference(network, inputs)


def trace_reference(
    network: QuantizedNetwork, inputs: Events
) -> Iterator[tuple[PopulationState, ...]]:
    """:func:`trace` on the loop."""
    emulator = Emulator(network, 1)
    for x in inputs:
        emulator.step(x[None])
        yield emulator.states()
