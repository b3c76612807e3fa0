"""``GeneralLIF``: leaky integrate-and-fire with all that Lava's own LIF lacks."""

from __future__ import annotations

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from deploy.lava.neurons.process import FiringModel, FiringProcess, Integers, Numbers, Reals


class GeneralLIF(FiringProcess):
    """Leaky integrate-and-fire neurons; every constant is one for each neuron.

    Per time step t (``dec``, ``sat`` and ``wrap`` from :mod:`quantize.arithmetic`)::

        i[t] = wrap(dec(i[t-1], decay_i) + (a_in[t] << 6))      or  a_in[t] << 6  without a current
        v[t] = sat(dec(v[t-1], decay_v) + i[t] + bias)
        z[t] = v[t] > vth (or >=, with at_threshold) and r[t-1] == 0
        if z[t]: v[t] = v[t] - vth (reset "subtract"), v[t] - reset_by ("subtract_constant") or
                 reset_to ("to", "hold");  r[t] = n_ref
        else:    r[t] = max(r[t-1] - 1, 0);  with "hold" v[t] = reset_to where r[t-1] > 0

    - decay_v: decay of the membrane in 1/4096, 0 to 4096
    - vth: threshold in membrane units, a multiple of 64, 17 bits before the shift; n_ref: 0 to 63
    - reset_by, reset_to: membrane units, 24 bits signed
    """

    state_names = ("v", "r", "z")


class GeneralLIFModel(FiringModel):
    """A time step."""

    def integrate(self, drive: Numbers) -> None:
        """Membrane, then spikes."""
        self.leak(drive)
        self.fire(self.vth)


@implements(proc=GeneralLIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("bit_accurate_loihi", "fixed_pt")
class PyGeneralLIFModelFixed(Integers, GeneralLIFModel):
    """In integers."""


@implements(proc=GeneralLIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyGeneralLIFModelFloat(Reals, GeneralLIFModel):
    """In real numbers."""
