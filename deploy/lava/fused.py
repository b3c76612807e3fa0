"""``FusedNetwork``: a whole network, synapses and readouts included, as a single Lava process.

Lava pays some 0.2 to 0.4 ms per process and step for synchronization. A network as a graph of many
processes is what maps to a chip; this one is for running many samples in the simulation.

Its arithmetic is the emulator's own (:class:`quantize.emulator.Emulator`, one step at a time).
So the emulator agreeing with it says that Lava carried events in and spikes out unchanged, and nothing
about the equations: that takes the graph, whose synapses and neurons are computed independently.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lsnn_neuro.arrays import IntArray
from quantize.emulator import Emulator
from quantize.network import QuantizedNetwork


def state_places(network: QuantizedNetwork) -> dict[tuple[str, str], slice]:
    """Where each state variable but ``z`` stands among all, by population and variable."""
    places, first = {}, 0
    for p in network.spiking:
        for variable in p.neuron.states:
            if variable != "z":
                places[p.name, variable] = slice(first, first := first + p.size)
    return places


class FusedNetwork(AbstractProcess):  # type: ignore[misc]
    """``samples`` independent copies of a network side by side; equations: :mod:`quantize.emulator`.

    Ports, flat and in C order; the answer to a step's input is sent in that same step:

    - s_in: input events, (sample, input)
    - s_out: spikes of all populations in the network's order, (sample, neuron)
    - o_out: what the outputs give, (sample, output)

    states, for looking inside: those of the first sample, one after the other (:func:`state_places`).
    """

    def __init__(self, *, network: QuantizedNetwork, samples: int, name: str | None = None):
        super().__init__(network=network, samples=samples, name=name)
        n_states = sum(p.stop - p.start for p in state_places(network).values())
        self.s_in = InPort(shape=(samples * network.n_inputs,))
        self.s_out = OutPort(shape=(samples * max(network.n_neurons, 1),))
        self.o_out = OutPort(shape=(samples * network.n_outputs,))
        self.states = Var(shape=(max(n_states, 1),), init=0)


@implements(proc=FusedNetwork, protocol=LoihiProtocol)
@requires(CPU)
@tag("bit_accurate_loihi", "fixed_pt")
class PyFusedNetworkModelFixed(PyLoihiProcessModel):  # type: ignore[misc]
    """The integer model, by the emulator itself."""

    s_in = LavaPyType(PyInPort.VEC_DENSE, np.int8, precision=8)
    s_out = LavaPyType(PyOutPort.VEC_DENSE, np.bool_, precision=1)
    o_out = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    states: IntArray = LavaPyType(np.ndarray, np.int32, precision=24)

    def __init__(self, proc_params: dict[str, Any]):
        super().__init__(proc_params)
        self.network: QuantizedNetwork = proc_params["network"]
        self.samples: int = proc_params["samples"]
        self.emulator = Emulator(self.network, self.samples)
        self.places = state_places(self.network)

    def run_spk(self) -> None:
        """One time step."""
        self.emulator.step(self.s_in.recv().reshape(self.samples, -1))
        trains = [self.emulator.spikes(p.name) for p in self.network.spiking]
        if trains:
            self.s_out.send(np.concatenate(trains, axis=1).reshape(-1))  # (sample, neuron)
        self.o_out.send(self.emulator.readout.reshape(-1))  # (sample, output)
        for (name, variable), place in self.places.items():
            self.states[place] = getattr(self.emulator.state.populations[name], variable)[0]
