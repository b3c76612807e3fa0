"""``LeakyReadout``: leaky integrators that read spikes and never spike."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var


class LeakyReadout(AbstractProcess):  # type: ignore[misc]
    """Leaky integrators (``dec`` and ``sat`` from :mod:`quantize.fixed_point`)::

        o[t] = sat(dec(o[t-1], decay_o) + (a_in[t] << 6))

    - decay_o: decay per output in 1/4096, 0 to 4096
    - o: state, 24 bit signed, zero at the start; sent from ``o_out`` in every step

    The bias is not part of it: the host adds it to the output.
    """

    def __init__(self, *, decay_o: npt.NDArray[np.int32], name: str | None = None):
        shape = decay_o.shape
        super().__init__(shape=shape, name=name)
        self.a_in = InPort(shape=shape)
        self.o_out = OutPort(shape=shape)
        self.o = Var(shape=shape, init=0)
        self.decay_o = Var(shape=shape, init=decay_o)
