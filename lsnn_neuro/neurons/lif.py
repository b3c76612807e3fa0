"""LIF: leaky integrate-and-fire.

::

    v[t] = decay(v[t-1]) + drive[t]
    z[t] = 1 if v[t] > vth (or >=) and not refractory, else 0; then the reset (:func:`fire`)

- v membrane, z spike; drive: synaptic current and bias, times the gain (1 - alpha, or 1)
- alpha = exp(-dt/tau_m); b0 threshold

Source: Bellec et al. 2018, equation (1); the membrane is compared after its update, as on the chip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lsnn_neuro.arrays import Array
from lsnn_neuro.neurons.firing import FiringConstants, FiringNeuron, fire, firing_of
from lsnn_neuro.neurons.neuron import (
    Arithmetic,
    State,
    decay,
    positive,
    threshold,
    time_constant,
)


@dataclass(frozen=True, kw_only=True)
class LIFConstants(FiringConstants):
    """Decay of the membrane, and its threshold."""

    decay_v: Array = decay()
    vth: Array = threshold()


@dataclass(frozen=True, kw_only=True, eq=False)
class LIF(FiringNeuron):
    """Leaky integrate-and-fire neurons; ``LIF.of(100, 1.0, tau_m=20.0, b0=0.01)`` makes a hundred, dt 1 ms.

    - alpha: kept share of the membrane, exp(-dt/tau_m), (neuron,); b0: threshold, above 0, (neuron,)
    - all else as of :class:`lsnn_neuro.neurons.firing.FiringNeuron`
    """

    name = "lif"
    Constants = LIFConstants
    states: ClassVar[tuple[str, ...]] = ("v", "r", "z")
    kernel = "lif"

    alpha: Array = time_constant("tau_m")
    b0: Array = positive(above=True)

    def constants(self) -> LIFConstants:
        """The constants of a step."""
        return LIFConstants(decay_v=self.alpha, vth=self.b0, **self.firing(width=self.b0))

    def gain(self) -> Array:
        """1 - alpha, or 1."""
        return 1.0 + 0 * self.alpha if self.unit_gain else 1 - self.alpha

    def peak(self) -> Array:
        """The threshold."""
        return self.b0

    @staticmethod
    def step(s: State, drive: Array, c: LIFConstants, ar: Arithmetic) -> State:
        """One time step."""
        v = ar.saturate(ar.decay(s.v, c.decay_v) + drive)
        return fire(s, v, c.vth, c, ar)

    @classmethod
    def from_constants(cls, c: LIFConstants, *, gain_one: bool) -> LIF:
        """The neuron that has these constants."""
        return cls(alpha=c.decay_v, b0=c.vth, unit_gain=gain_one, **firing_of(c))
