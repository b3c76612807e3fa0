"""The integer model on the native kernel: the same integers as the loop, much faster.

All populations become one list of neurons side by side. Whole test sets run in seconds, a batch at a
time, with as many threads as there are cores; the result does not depend on their number.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro.arrays import Events
from lsnn_neuro.network import kernel
from lsnn_neuro.network.graph import INPUT
from lsnn_neuro.network.kernel import (
    KEEP_READOUT,
    KEEP_SPIKES,
    KEEP_STATES,
    Columns,
    KernelNetwork,
    KernelSession,
    Part,
    SynapseList,
    unpack_spikes,
)
from lsnn_neuro.neurons.neuron import State
from quantize.loihi import CURRENT_INPUT_MAX, DECAY_ONE, STATE_MAX, STATE_SHIFT
from quantize.network import QuantizedNetwork, QuantizedProjection
from quantize.record import PopulationSpikes, PopulationState

INT32_MAX = 2**31 - 1


def kernel_obstacle(network: QuantizedNetwork) -> str | None:
    """Why the kernel can't run this network in its 32-bit lanes; None if it can.

    Negative weight exponents round each sum of a delay down on its own; only the loop does that.
    """
    if not kernel.available():
        return "the native kernel is not built, or switched off"
    if network.n_neurons == 0:
        return "the network has no spiking neurons"
    for q in network.projections:
        if q.weight_exp < 0:
            return f"projection {q.name!r} has a negative exponent"
        if not network.population(q.target).spiking and (q.source == INPUT or q.reach):
            return f"projection {q.name!r}: a readout hears populations, without delays"
    for p in network.populations:
        if p.bias.any():
            return f"population {p.name!r} has a bias"
        if p.spiking and (found := kernel.obstacle(p.neuron, p.constants)):
            return f"population {p.name!r}: the kernel {found}"
        if p.decay_i is not None and p.neuron.kernel_form != "refractory":
            return f"population {p.name!r} has a synaptic current"
        if p.decay_i is not None and network.worst_input(p.name) > CURRENT_INPUT_MAX:
            return f"population {p.name!r}: its current can wrap more than once"
        # beside the input: the decayed membrane and an adaptation current
        if (network.worst_input(p.name) << STATE_SHIFT) + 2 * STATE_MAX > INT32_MAX:
            return f"population {p.name!r}: its input can exceed 32 bits"
    return None


class KernelEmulator:
    """A network as the kernel runs it, made once."""

    def __init__(self, network: QuantizedNetwork):
        self.network, self.places = network, network.places()
        parts = [
            Part(
                form=p.neuron.kernel_form or "",
                size=p.size,
                constants=p.constants.map(_kept),
                decay_i=0 if p.decay_i is None else DECAY_ONE - p.decay_i,
            )
            for p in network.spiking
        ]
        for part in parts:
            if np.ndim(part.decay_i) == 0:
                object.__setattr__(part, "decay_i", np.zeros(part.size, np.int32))
        columns = {
            name: np.concatenate(kernel.column(parts, name, unit=DECAY_ONE))
            for name in ("decay_v", "decay_a", "step_a", "vth")
        }
        width = np.ones(network.n_neurons, np.float32)  # no gradients are needed
        fixed = kernel.fixed_columns(parts, unit=DECAY_ONE)
        decays = [DECAY_ONE - p.constants.decay_v for p in network.readouts]
        counted = [p for p in network.output_populations if p.spiking]
        n_read = sum(p.size for p in network.readouts)
        self.kernel_network = KernelNetwork(
            columns=Columns(**columns, width=width, **fixed),
            decay_out=np.concatenate([*decays, *(np.zeros(p.size, np.int32) for p in counted)]),
            inputs=self._list(network.n_inputs, [q for q in self._spiking() if q.source == INPUT]),
            recurrent=self._list(
                network.n_neurons, [q for q in self._spiking() if q.source != INPUT]
            ),
            readout=self._readout(counted, n_read),
            integer=True,
        )
        self.columns = self._columns(n_read)

    def _spiking(self) -> list[QuantizedProjection]:
        network = self.network
        return [q for q in network.projections if network.population(q.target).spiking]

    def _columns(self, n_read: int) -> npt.NDArray[np.int64]:
        """Where each of the network's outputs stands in what the kernel reads."""
        columns, after = [], n_read
        for p in self.network.output_populations:
            start = after if p.spiking else self.places[p.name].start
            after += p.size * p.spiking
            columns.append(np.arange(start, start + p.size))
        joined: npt.NDArray[np.int64] = np.concatenate(columns)
        return joined

    def _list(self, n_source: int, projections: list[QuantizedProjection]) -> SynapseList:
        """All synapses of some projections, numbered side by side, sorted by source."""
        return self._sorted(n_source, *(self._rows(projections)))

    def _rows(self, projections: list[QuantizedProjection]) -> list[npt.NDArray[np.int64]]:
        def column(values: list[Any]) -> npt.NDArray[np.int64]:
            joined: npt.NDArray[np.int64] = np.concatenate([np.zeros(0, np.int64), *values])
            return joined.astype(np.int64)

        def first(name: str) -> int:
            return 0 if name == INPUT else self.places[name].start

        return [
            column([q.source_index + first(q.source) for q in projections]),
            column([q.target_index + first(q.target) for q in projections]),
            column([q.delay for q in projections]),
            column([q.weight_mant << (q.weight_exp + STATE_SHIFT) for q in projections]),
        ]

    def _readout(self, counted: list[Any], n_read: int) -> SynapseList:
        """Synapses onto readouts, and one of weight 1 from each neuron whose spikes are read."""
        network = self.network
        rows = self._rows(
            [q for q in network.projections if not network.population(q.target).spiking]
        )
        neurons = [np.arange(self.places[p.name].start, self.places[p.name].stop) for p in counted]
        source = np.concatenate([np.zeros(0, np.int64), *neurons])
        n = len(source)
        more = source, n_read + np.arange(n), np.zeros(n, np.int64), np.ones(n, np.int64)
        joined = [np.concatenate([a, b]) for a, b in zip(rows, more, strict=True)]
        return self._sorted(network.n_neurons, *joined)

    def _sorted(
        self, n_source: int, source: Any, target: Any, delay: Any, weight: Any
    ) -> SynapseList:
        order = np.argsort(source, kind="stable")
        return SynapseList.of(
            n_source, source[order], target[order], delay[order], weight[order].astype(np.int32)
        )

    def run(
        self, inputs: Events, *, spikes: bool
    ) -> tuple[tuple[PopulationSpikes, ...], npt.NDArray[np.int32]]:
        """Run a batch from rest; gives the spikes (none unless asked for) and the readout."""
        keep = KEEP_SPIKES if spikes else KEEP_READOUT
        result = kernel.forward(self.kernel_network, inputs, keep=keep)
        readout = self.read(result.readout)
        if not spikes:
            return (), readout
        assert result.bits is not None
        trains = unpack_spikes(result.bits, inputs.shape[1])
        return tuple(
            PopulationSpikes(name=p.name, spikes=trains[..., self.places[p.name]])
            for p in self.network.spiking
        ), readout

    def read(self, readout: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
        """The network's outputs, in order, from what the kernel reads."""
        if np.array_equal(self.columns, np.arange(readout.shape[-1])):
            return readout
        return readout[..., self.columns]

    def session(self, n_samples: int) -> KernelSession:
        """The network to run some steps at a time."""
        return KernelSession(self.kernel_network, n_samples=n_samples)

    def trace(self, inputs: Events) -> Iterator[tuple[PopulationState, ...]]:
        """States of every spiking population, step by step, for one sample of shape (time, input)."""
        result = kernel.forward(self.kernel_network, inputs[:, None], keep=KEEP_STATES)
        assert result.bits is not None
        assert result.states is not None
        z = unpack_spikes(result.bits, 1)[:, 0]  # (time, neuron)
        left = {p.name: np.zeros(p.size, np.int32) for p in self.network.spiking}
        for t, state in enumerate(result.states):  # (neuron, 3)
            populations = []
            for p in self.network.spiking:
                here = self.places[p.name]
                v, a, r = state[here].T
                fired = z[t, here]
                if hasattr(p.constants, "n_ref"):  # the kernel counts refractory steps in bits
                    n_ref = p.constants.n_ref
                    r = np.where(fired, n_ref, np.maximum(left[p.name] - 1, 0)).astype(np.int32)
                    left[p.name] = r
                values = {"v": v, "a": a, "r": r, "z": fired}
                variables = {k: values[k] for k in p.neuron.states}
                populations.append(PopulationState(name=p.name, variables=State(**variables)))
            yield tuple(populations)


def _kept(name: str, role: Any, value: Any) -> Any:
    """A decay as the share it keeps, in 1/4096; everything else as it is."""
    return DECAY_ONE - value if role.kind == "decay" else value
