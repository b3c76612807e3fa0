"""How ``LeakyReadout`` is computed: bit-accurate integers, and the same in real numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from deploy.lava.readout.process import LeakyReadout
from quantize.fixed_point import decay, saturate
from quantize.loihi import DECAY_ONE, STATE_SHIFT

IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float64]


class AbstractLeakyReadoutModel(PyLoihiProcessModel):  # type: ignore[misc]
    """The order of events in a time step."""

    decay_o: IntArray = LavaPyType(np.ndarray, np.int32, precision=13)

    def run_spk(self) -> None:
        """One time step."""
        self.integrate(self.a_in.recv())
        self.o_out.send(self.o)


@implements(proc=LeakyReadout, protocol=LoihiProtocol)
@requires(CPU)
@tag("bit_accurate_loihi", "fixed_pt")
class PyLeakyReadoutModelFixed(AbstractLeakyReadoutModel):
    """The integer model, equal to :mod:`quantize.emulator` in every bit."""

    a_in = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    o_out = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    o: IntArray = LavaPyType(np.ndarray, np.int32, precision=24)

    def integrate(self, current: IntArray) -> None:
        """Decay the state and add the synaptic input."""
        inflow = current.astype(np.int64) << STATE_SHIFT
        self.o[:] = saturate(decay(self.o.astype(np.int64), self.decay_o) + inflow)


@implements(proc=LeakyReadout, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyLeakyReadoutModelFloat(AbstractLeakyReadoutModel):
    """The same equation in real numbers: what the integers approximate."""

    a_in = LavaPyType(PyInPort.VEC_DENSE, np.float64)
    o_out = LavaPyType(PyOutPort.VEC_DENSE, np.float64)
    o: FloatArray = LavaPyType(np.ndarray, np.float64)

    def integrate(self, current: FloatArray) -> None:
        """Decay the state and add the synaptic input."""
        self.o[:] = self.o * (1 - self.decay_o / DECAY_ONE) + current * 2**STATE_SHIFT
