"""``ALIF``: a population of leaky integrate-and-fire neurons with an adaptive threshold."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from lsnn_neuro.spec import Adaptation, Reset

IntArray = npt.NDArray[np.int32]


class ALIF(AbstractProcess):  # type: ignore[misc]
    r"""Adaptive leaky integrate-and-fire neurons (Bellec et al. 2018, in Loihi's integers).

    Per time step t (``dec`` and ``sat`` from :mod:`quantize.fixed_point`)::

        a[t] = sat(dec(a[t-1], decay_a) + step_a * z[t-1])
        A[t] = (vth_mant << 6) + a[t]
        v[t] = sat(dec(v[t-1], decay_v) + (a_in[t] << 6))
        z[t] = v[t] > A[t] and r[t-1] == 0
        if z[t]: v[t] = v[t] - A[t] (reset "subtract") or 0 (reset "zero"); r[t] = n_ref
        else:    r[t] = max(r[t-1] - 1, 0)

    or, with ``adaptation="current"``::

        a[t] = sat(dec(a[t-1], decay_a) - step_a * z[t-1])
        A[t] = vth_mant << 6
        v[t] = sat(dec(v[t-1], decay_v) + (a_in[t] << 6) + a[t])

    Parameters, one value per neuron unless said otherwise:

    - decay_v, decay_a: decay of membrane and adaptation in 1/4096, 0 to 4096
    - step_a: by what a spike raises the threshold, or lowers the current, 0 to 2^23 - 1; 0 makes the
      neuron a plain LIF
    - vth_mant: threshold divided by 64, 0 to 2^17 - 1
    - n_ref: refractory steps, 0 to 63, one for all neurons
    - reset: "subtract" or "zero"
    - adaptation: "threshold" or "current"

    State: v membrane, a adaptation (24 bit signed), r refractory steps left, z spikes of the last
    step (the adaptation needs them one step later). All start at zero.
    """

    def __init__(
        self,
        *,
        decay_v: IntArray,
        decay_a: IntArray,
        step_a: IntArray,
        vth_mant: IntArray,
        n_ref: int,
        reset: Reset,
        adaptation: Adaptation = "threshold",
        name: str | None = None,
    ):
        shape = vth_mant.shape
        super().__init__(shape=shape, reset=reset, adaptation=adaptation, name=name)
        self.a_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)
        self.v = Var(shape=shape, init=0)
        self.a = Var(shape=shape, init=0)
        self.r = Var(shape=shape, init=0)
        self.z = Var(shape=shape, init=0)
        self.decay_v = Var(shape=shape, init=decay_v)
        self.decay_a = Var(shape=shape, init=decay_a)
        self.step_a = Var(shape=shape, init=step_a)
        self.vth_mant = Var(shape=shape, init=vth_mant)
        self.n_ref = Var(shape=(1,), init=n_ref)
