"""The same on Lava."""

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from deploy.lava.neurons.process import FiringModel, FiringProcess, Integers


class ADP(FiringProcess):
    state_names = ("v", "u", "r", "z")


@implements(proc=ADP, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyADPModelFixed(Integers, FiringModel):
    u = LavaPyType(np.ndarray, np.int32, precision=24)
    decay_u = LavaPyType(np.ndarray, np.int32, precision=13)
    step_u = LavaPyType(np.ndarray, np.int32, precision=23)

    def integrate(self, drive):
        self.u[:] = self.saturate(self.decay(self.u, self.decay_u) + self.step_u * self.z)
        self.leak(drive + self.u)
        self.fire(self.vth)
