"""``ALIF``: leaky integrate-and-fire with an adaptive threshold."""

from __future__ import annotations

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from deploy.lava.neurons.process import AdaptingModel, FiringProcess, Integers, Numbers, Reals


class ALIF(FiringProcess):
    """Adaptive neurons (Bellec et al. 2018, in Loihi's integers); every constant is one for each neuron.

    Per time step t (``dec``, ``sat`` and ``wrap`` from :mod:`quantize.arithmetic`)::

        i[t] = wrap(dec(i[t-1], decay_i) + (a_in[t] << 6))      or  a_in[t] << 6  without a current
        a[t] = sat(dec(a[t-1], decay_a) + step_a * z[t-1])
        A[t] = vth + a[t]
        v[t] = sat(dec(v[t-1], decay_v) + i[t] + bias)
        z[t] = v[t] > A[t] (or >=, with at_threshold) and r[t-1] == 0
        if z[t]: v[t] = v[t] - A[t] (reset "subtract"), v[t] - reset_by ("subtract_constant") or
                 reset_to ("to", "hold");  r[t] = n_ref
        else:    r[t] = max(r[t-1] - 1, 0);  with "hold" v[t] = reset_to where r[t-1] > 0

    - decay_v, decay_a: decay of membrane and adaptation in 1/4096, 0 to 4096
    - step_a: by what a spike raises the threshold, membrane units, 0 to 2^23 - 1
    - vth: threshold in membrane units, a multiple of 64, 17 bits before the shift; n_ref: 0 to 63
    - reset_by, reset_to: membrane units, 24 bits signed
    """

    state_names = ("v", "a", "r", "z")


class ALIFModel(AdaptingModel):
    """A time step."""

    def integrate(self, drive: Numbers) -> None:
        """Adaptation, membrane, then spikes."""
        self.adapt(self.step_a)
        self.leak(drive)
        self.fire(self.vth + self.a)


@implements(proc=ALIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("bit_accurate_loihi", "fixed_pt")
class PyALIFModelFixed(Integers, ALIFModel):
    """In integers."""

    a: Numbers = LavaPyType(np.ndarray, np.int32, precision=24)


@implements(proc=ALIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyALIFModelFloat(Reals, ALIFModel):
    """In real numbers."""

    a: Numbers = LavaPyType(np.ndarray, np.float64)
