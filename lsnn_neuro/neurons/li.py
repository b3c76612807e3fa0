"""LI: leaky integrator, a readout.

::

    v[t] = decay(v[t-1]) + drive[t]

- v is what is read; drive: synaptic current and bias, times the gain (1 - alpha, or 1)
- alpha = exp(-dt/tau_out)

It never spikes and reads the spikes of the same step. Source: Bellec et al. 2018, section 2.
"""

from __future__ import annotations

from dataclasses import dataclass

from lsnn_neuro.arrays import Array
from lsnn_neuro.neurons.neuron import (
    Arithmetic,
    Constants,
    Neuron,
    State,
    decay,
    option,
    time_constant,
)


@dataclass(frozen=True, kw_only=True)
class LIConstants(Constants):
    """Decay of what is read."""

    decay_v: Array = decay()


@dataclass(frozen=True, kw_only=True, eq=False)
class LI(Neuron):
    """Leaky integrators, which do not spike: a readout; ``LI.of(10, 1.0, tau_out=20.0)`` makes ten, dt 1 ms.

    - alpha: kept share of the state, exp(-dt/tau_out), (neuron,)
    - unit_gain: whether weights act as they are; else they are multiplied by 1 - alpha
    """

    name = "li"
    Constants = LIConstants
    states = ("v",)
    spiking = False
    kernel = "li"

    alpha: Array = time_constant("tau_out")
    unit_gain: bool = option(False, False, True)

    def constants(self) -> LIConstants:
        """The constants of a step."""
        return LIConstants(decay_v=self.alpha)

    def gain(self) -> Array:
        """1 - alpha, or 1."""
        return 1.0 + 0 * self.alpha if self.unit_gain else 1 - self.alpha

    def peak(self) -> Array:
        """It has no threshold."""
        return 0 * self.alpha

    @staticmethod
    def step(s: State, drive: Array, c: LIConstants, ar: Arithmetic) -> State:
        """One time step."""
        return s.replace(v=ar.saturate(ar.decay(s.v, c.decay_v) + drive))

    @classmethod
    def from_constants(cls, c: LIConstants, *, gain_one: bool) -> LI:
        """The neuron that has these constants."""
        return cls(alpha=c.decay_v, unit_gain=gain_one)
