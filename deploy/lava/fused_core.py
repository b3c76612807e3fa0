"""``LSNNCore``: a whole LSNN, synapses and readout included, as a single Lava process.

Lava pays some 0.2 to 0.4 ms per process and step for synchronization. A network as a graph of many
processes is what maps to a chip; this one is for running many samples in the simulation.

Its arithmetic is the emulator's own (:class:`quantize.emulator.Emulator`, one step at a time).
So the emulator agreeing with it says that Lava carried the spikes in and out unchanged, and nothing
about the equations: that takes the graph, whose synapses and neurons are computed independently.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from quantize.emulator import Emulator
from quantize.network import QuantizedNetwork

IntArray = npt.NDArray[np.int32]


class LSNNCore(AbstractProcess):  # type: ignore[misc]
    """``copies`` independent copies of a network side by side; equations: :mod:`quantize.emulator`.

    Ports, flat and in C order; the answer to a step's input is sent in that same step:

    - s_in: input spikes, (copy, input)
    - s_out: spikes of all populations in the network's order, (copy, neuron)
    - o_out: state of the readout, (copy, output)

    State, for looking inside: v membrane, a adaptation, r refractory steps left, of the first copy
    only, over all populations.
    """

    def __init__(self, *, network: QuantizedNetwork, copies: int, name: str | None = None):
        super().__init__(network=network, copies=copies, name=name)
        n_neurons = sum(p.size for p in network.populations)
        self.s_in = InPort(shape=(copies * network.n_inputs,))
        self.s_out = OutPort(shape=(copies * n_neurons,))
        self.o_out = OutPort(shape=(copies * network.readout.size,))
        self.v = Var(shape=(n_neurons,), init=0)
        self.a = Var(shape=(n_neurons,), init=0)
        self.r = Var(shape=(n_neurons,), init=0)


@implements(proc=LSNNCore, protocol=LoihiProtocol)
@requires(CPU)
@tag("bit_accurate_loihi", "fixed_pt")
class PyLSNNCoreModelFixed(PyLoihiProcessModel):  # type: ignore[misc]
    """The integer model, by the emulator itself."""

    s_in = LavaPyType(PyInPort.VEC_DENSE, np.bool_, precision=1)
    s_out = LavaPyType(PyOutPort.VEC_DENSE, np.bool_, precision=1)
    o_out = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    v: IntArray = LavaPyType(np.ndarray, np.int32, precision=24)
    a: IntArray = LavaPyType(np.ndarray, np.int32, precision=24)
    r: IntArray = LavaPyType(np.ndarray, np.int32, precision=6)

    def __init__(self, proc_params: dict[str, Any]):
        super().__init__(proc_params)
        self.network: QuantizedNetwork = proc_params["network"]
        self.copies: int = proc_params["copies"]
        self.emulator = Emulator(self.network, self.copies)

    def run_spk(self) -> None:
        """One time step."""
        self.emulator.step(self.s_in.recv().reshape(self.copies, -1))
        trains = [self.emulator.spikes(p.name) for p in self.network.populations]
        self.s_out.send(np.concatenate(trains, axis=1).reshape(-1))  # (copy, neuron)
        self.o_out.send(self.emulator.readout.reshape(-1))  # (copy, output)
        states = self.emulator.states()
        for var in ("v", "a", "r"):
            getattr(self, var)[:] = np.concatenate([getattr(s, var) for s in states])
