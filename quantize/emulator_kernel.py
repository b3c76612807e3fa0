"""The integer model on the native kernel: the same integers as the loop, much faster.

Whole test sets run in seconds, a batch at a time, with as many threads as there are cores; the result does
not depend on their number.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro.arrays import Events
from lsnn_neuro.network import kernel
from lsnn_neuro.network.dynamics import NetworkState
from lsnn_neuro.network.graph import INPUT
from lsnn_neuro.network.kernel import (
    KernelSession,
    Layout,
    PopulationLayout,
    SynapseArrays,
    unpack_spikes,
)
from lsnn_neuro.neurons.neuron import State
from quantize.loihi import CURRENT_INPUT_MAX, DECAY_ONE, STATE_MAX, STATE_SHIFT
from quantize.network import SPIKES, QuantizedNetwork, ValueRange
from quantize.record import PopulationSpikes, PopulationState

INT32_MAX = 2**31 - 1


def kernel_obstacle(network: QuantizedNetwork, values: ValueRange = SPIKES) -> str | None:
    """Why the kernel can't run this network in its 32-bit lanes; None if it can.

    Negative weight exponents round each sum of a delay down on its own; only the loop does that.

    - values: the lowest and the highest input event
    """
    if not kernel.available():
        return "the native kernel is not built, or switched off"
    for q in network.projections:
        if q.weight_exp < 0:
            return f"projection {q.name!r} has a negative exponent"
    for p in network.populations:
        if found := kernel.obstacle(p.neuron):
            return f"population {p.name!r}: the kernel {found}"
        worst = network.worst_input(p.name, values)
        if p.decay_i is not None and worst > CURRENT_INPUT_MAX:
            return f"population {p.name!r}: its current can wrap more than once"
        # beside the input: the decayed membrane, an adaptation current and a bias
        others = 2 * STATE_MAX + int(np.abs(p.bias).max(initial=0))
        if (worst << STATE_SHIFT) + others > INT32_MAX:
            return f"population {p.name!r}: its input can exceed 32 bits"
    return None


class KernelEmulator:
    """A network as the kernel runs it, made once."""

    def __init__(self, network: QuantizedNetwork):
        self.network = network
        ordered = (*network.spiking, *network.readouts)
        layouts, columns = [], []
        for p in ordered:
            layout = PopulationLayout.of(
                p.name, p.neuron, p.size, p.constants,
                current=p.decay_i is not None, bias=bool(p.bias.any()),
            )  # fmt: skip
            layouts.append(layout)
            kept = vars(p.constants.map(_kept))
            kept["decay_i"] = 0 if p.decay_i is None else DECAY_ONE - p.decay_i
            kept["bias"] = p.bias
            columns += [np.broadcast_to(kept[name], p.size) for name in layout.columns]
        self.layout = Layout(n_inputs=network.n_inputs, integer=True, populations=tuple(layouts))
        n_ref = [np.broadcast_to(getattr(p.constants, "n_ref", 0), p.size) for p in network.spiking]
        self.native = kernel.build(
            self.layout, np.concatenate(columns).astype(np.int32),
            np.concatenate([np.zeros(0, np.int64), *n_ref]).astype(np.int64), self._synapses(),
        )  # fmt: skip

    def _synapses(self) -> SynapseArrays:
        """All synapses, numbered as the kernel does, weights in membrane units."""
        network, places = self.network, self.network.places()
        parts: list[list[npt.NDArray[Any]]] = [[], [], [], []]
        for q in network.projections:
            source = 0 if q.source == INPUT else network.n_inputs + places[q.source].start
            target = places[q.target].start
            if not network.population(q.target).spiking:
                target += network.n_neurons
            weight = q.weight_mant.astype(np.int64) << (q.weight_exp + STATE_SHIFT)
            arrays = q.source_index + source, q.target_index + target, q.delay, weight
            for part, array in zip(parts, arrays, strict=True):
                part.append(array)
        joined = [np.concatenate([np.zeros(0, np.int64), *p]).astype(np.int64) for p in parts]
        return SynapseArrays(
            source=joined[0], target=joined[1], delay=joined[2], weight=joined[3].astype(np.int32)
        )  # fmt: skip

    def run(
        self, inputs: Events, *, spikes: bool, start: NetworkState | None = None
    ) -> tuple[tuple[PopulationSpikes, ...], npt.NDArray[np.int32]]:
        """Run a batch; gives the spikes (only on request) and the readout."""
        n, network = inputs.shape[1], self.network
        read = spikes or any(p.spiking for p in network.output_populations)
        state = None
        if start is not None:
            state = kernel.start_of(
                self.native, self.layout, start, kernel.past_of(network, start, n), n
            )
        found = kernel.forward(self.native, np.ascontiguousarray(inputs), spikes=read, state=state)
        trains = unpack_spikes(found["spikes"], n) if read else None
        readout = kernel.outputs(network, found["readout"], trains)
        if not spikes or trains is None:
            return (), readout
        places = network.places()
        return tuple(
            PopulationSpikes(name=p.name, spikes=trains[..., places[p.name]])
            for p in network.spiking
        ), readout

    def session(self, n_samples: int, start: NetworkState | None = None) -> KernelSession:
        """The network to run some steps at a time, from a state or from rest."""
        past = None if start is None else kernel.past_of(self.network, start, n_samples)
        return KernelSession(self.native, self.layout, n_samples=n_samples, start=start, past=past)

    def trace(self, inputs: Events) -> Iterator[tuple[PopulationState, ...]]:
        """States of every spiking population, step by step, for one sample of shape (time, input)."""
        running = self.session(1)
        for x in inputs:
            running.run(x[None, None])
            found = running.states()
            yield tuple(
                PopulationState(
                    name=p.name,
                    variables=State(
                        **{name: getattr(found[p.name], name)[0] for name in p.neuron.states}
                    ),
                )
                for p in self.network.spiking
            )


def _kept(name: str, role: Any, value: Any) -> Any:
    """A decay as the share it keeps, in 1/4096; everything else as it is."""
    return DECAY_ONE - value if role.kind == "decay" else value
