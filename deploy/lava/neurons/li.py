"""``LI`` and ``ResettingLI``: leaky integrators that read spikes and never spike."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import OutPort
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from deploy.lava.neurons.process import Integers, NeuronModel, NeuronProcess, Numbers, Reals
from lsnn_neuro.arrays import IntArray


class LI(NeuronProcess):
    """Leaky integrators (``dec``, ``sat`` and ``wrap`` from :mod:`quantize.arithmetic`)::

        i[t] = wrap(dec(i[t-1], decay_i) + (a_in[t] << 6))      or  a_in[t] << 6  without a current
        v[t] = sat(dec(v[t-1], decay_v) + i[t] + bias)

    - decay_v: decay in 1/4096, 0 to 4096, one for each
    - v: state, sent from ``v_out`` in every step

    The offset is not part of it: the host adds it to what is read.
    """

    state_names = ("v",)

    def __init__(self, **parameters: Any):
        super().__init__(**parameters)
        self.v_out = OutPort(shape=self.a_in.shape)


class LIModel(NeuronModel):
    """A time step."""

    def integrate(self, drive: Numbers) -> None:
        """Only a membrane."""
        self.leak(drive)

    def send(self, started: bool) -> None:
        """The state, whether it has changed or not."""
        self.v_out.send(self.v)


class ResettingLI(LI):
    """Leaky integrators that are 0 again above a threshold::

        v[t] = as of LI, then 0 where it is above vth

    - vth: threshold in membrane units, a multiple of 64, 17 bits before the shift
    """


class ResettingLIModel(LIModel):
    """A time step."""

    vth: IntArray = LavaPyType(np.ndarray, np.int32, precision=24)

    def integrate(self, drive: Numbers) -> None:
        """A membrane and its reset."""
        self.leak(drive)
        self.v[self.v > self.vth] = 0


@implements(proc=LI, protocol=LoihiProtocol)
@requires(CPU)
@tag("bit_accurate_loihi", "fixed_pt")
class PyLIModelFixed(Integers, LIModel):
    """In integers."""

    v_out = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)


@implements(proc=LI, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyLIModelFloat(Reals, LIModel):
    """In real numbers."""

    v_out = LavaPyType(PyOutPort.VEC_DENSE, np.float64)


@implements(proc=ResettingLI, protocol=LoihiProtocol)
@requires(CPU)
@tag("bit_accurate_loihi", "fixed_pt")
class PyResettingLIModelFixed(Integers, ResettingLIModel):
    """In integers."""

    v_out = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)


@implements(proc=ResettingLI, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyResettingLIModelFloat(Reals, ResettingLIModel):
    """In real numbers."""

    v_out = LavaPyType(PyOutPort.VEC_DENSE, np.float64)
