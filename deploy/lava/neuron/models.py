"""How ``ALIF`` is computed: bit-accurate integers, and the same equations in real numbers.

Both models take the same integer parameters with the same meaning, and their methods have the same
names, so that they can be read side by side. The real-valued one neither rounds nor saturates.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from deploy.lava.neuron.process import ALIF
from quantize.fixed_point import decay, saturate
from quantize.loihi import DECAY_ONE, STATE_SHIFT

IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float64]


class AbstractALIFModel(PyLoihiProcessModel):  # type: ignore[misc]
    """The order of events in a time step, and what integers and real numbers share."""

    s_out = LavaPyType(PyOutPort.VEC_DENSE, np.bool_, precision=1)
    r: IntArray = LavaPyType(np.ndarray, np.int32, precision=6)
    z: npt.NDArray[np.bool_] = LavaPyType(np.ndarray, np.bool_, precision=1)
    decay_v: IntArray = LavaPyType(np.ndarray, np.int32, precision=13)
    decay_a: IntArray = LavaPyType(np.ndarray, np.int32, precision=13)
    step_a: IntArray = LavaPyType(np.ndarray, np.int32, precision=24)
    vth_mant: IntArray = LavaPyType(np.ndarray, np.int32, precision=17)
    n_ref: IntArray = LavaPyType(np.ndarray, np.int32, precision=6)

    @property
    def as_current(self) -> bool:
        """Whether adaptation is a current into the membrane instead of a raised threshold."""
        return bool(self.proc_params["adaptation"] == "current")

    def rise(self) -> IntArray:
        """What the spikes of the step before do to the adaptation."""
        step: IntArray = -self.step_a if self.as_current else self.step_a
        return step * self.z

    def run_spk(self) -> None:
        """One time step."""
        self.adapt()
        self.integrate(self.a_in.recv())
        self.spike()
        self.s_out.send(self.z)

    def spike(self) -> None:
        """Compare with the threshold, reset, start or count down the refractory time."""
        threshold = self.threshold()
        self.z[:] = (self.v > threshold) & (self.r == 0)
        after_spike = self.v - threshold if self.proc_params["reset"] == "subtract" else 0
        self.v[:] = np.where(self.z, after_spike, self.v)
        self.r[:] = np.where(self.z, self.n_ref, np.maximum(self.r - 1, 0))


@implements(proc=ALIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("bit_accurate_loihi", "fixed_pt")
class PyALIFModelFixed(AbstractALIFModel):
    """The integer model, equal to :mod:`quantize.emulator` in every bit."""

    a_in = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    v: IntArray = LavaPyType(np.ndarray, np.int32, precision=24)
    a: IntArray = LavaPyType(np.ndarray, np.int32, precision=24)

    def adapt(self) -> None:
        """Decay the adaptation and add the spikes of the step before."""
        self.a[:] = saturate(decay(self.a.astype(np.int64), self.decay_a) + self.rise())

    def integrate(self, current: IntArray) -> None:
        """Decay the membrane and add the synaptic input."""
        # 64 bit, because the input may exceed 32 bits once shifted; the membrane then saturates
        inflow = (current.astype(np.int64) << STATE_SHIFT) + self.a * self.as_current
        self.v[:] = saturate(decay(self.v.astype(np.int64), self.decay_v) + inflow)

    def threshold(self) -> IntArray:
        """The threshold A."""
        return (self.vth_mant << STATE_SHIFT) + self.a * (not self.as_current)


@implements(proc=ALIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyALIFModelFloat(AbstractALIFModel):
    """The same equations in real numbers: what the integers approximate."""

    a_in = LavaPyType(PyInPort.VEC_DENSE, np.float64)
    v: FloatArray = LavaPyType(np.ndarray, np.float64)
    a: FloatArray = LavaPyType(np.ndarray, np.float64)

    def adapt(self) -> None:
        """Decay the adaptation and add the spikes of the step before."""
        self.a[:] = self.a * (1 - self.decay_a / DECAY_ONE) + self.rise()

    def integrate(self, current: FloatArray) -> None:
        """Decay the membrane and add the synaptic input."""
        inflow = current * 2**STATE_SHIFT + self.a * self.as_current
        self.v[:] = self.v * (1 - self.decay_v / DECAY_ONE) + inflow

    def threshold(self) -> FloatArray:
        """The threshold A."""
        baseline: FloatArray = self.vth_mant * 2.0**STATE_SHIFT
        return baseline + self.a * (not self.as_current)
