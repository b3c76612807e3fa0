"""Resetting LI: a leaky integrator that starts again from 0 above a threshold; a readout of Loihi 1.

::

    v[t] = decay(v[t-1]) + drive[t]
    v[t] = 0 where v[t] > vth

- v is what is read; drive: synaptic current and bias, times the gain (1 - alpha, or 1)
- alpha = exp(-dt/tau_out); b0 threshold

It sends nothing and reads the spikes of the same step. A chip that has no neurons but LIF reads out one
whose threshold is as high as it goes, (2^17 - 1) * 64 on Loihi; where it is reached all the same, the
membrane is reset. No gradient passes through a reset.

Source: the published LSNN for Loihi 1 (intel-nrc-ecosystem/models, module ``lsnn``), whose recorded
answers need the reset.
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
    fixed,
    option,
    threshold,
    time_constant,
)


@dataclass(frozen=True, kw_only=True)
class ResettingLIConstants(Constants):
    """Decay of what is read, and above what it is 0 again."""

    decay_v: Array = decay()
    vth: Array = threshold()


@dataclass(frozen=True, kw_only=True, eq=False)
class ResettingLI(Neuron):
    """Leaky integrators that start again above a threshold; ``ResettingLI.of(9, 1.0, tau_out=20.0, b0=8.0)``.

    - alpha: kept share of the state, exp(-dt/tau_out), (neuron,); b0: threshold, above 0, (neuron,)
    - unit_gain: whether weights act as they are; else they are multiplied by 1 - alpha
    """

    name = "resetting-li"
    Constants = ResettingLIConstants
    states = ("v",)
    spiking = False

    alpha: Array = time_constant("tau_out")
    b0: Array = fixed(None, above=True)
    unit_gain: bool = option(False, False, True)

    def constants(self) -> ResettingLIConstants:
        """The constants of a step."""
        return ResettingLIConstants(decay_v=self.alpha, vth=self.b0)

    def gain(self) -> Array:
        """1 - alpha, or 1."""
        return 1.0 + 0 * self.alpha if self.unit_gain else 1 - self.alpha

    def peak(self) -> Array:
        """The threshold."""
        return self.b0

    @staticmethod
    def step(s: State, drive: Array, c: ResettingLIConstants, ar: Arithmetic) -> State:
        """One time step."""
        v = ar.saturate(ar.decay(s.v, c.decay_v) + drive)
        return s.replace(v=v * (v <= c.vth))

    @classmethod
    def from_constants(cls, c: ResettingLIConstants, *, gain_one: bool) -> ResettingLI:
        """The neuron that has these constants."""
        return cls(alpha=c.decay_v, b0=c.vth, unit_gain=gain_one)
