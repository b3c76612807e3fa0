"""IF: integrate-and-fire without a leak.

::

    v[t] = v[t-1] + drive[t]
    z[t] = 1 if v[t] > vth (or >=) and not refractory, else 0; then the reset (:func:`fire`)

- v membrane, z spike; drive: synaptic current and bias, as they are
- b0 threshold

Source: Pedersen et al. 2024 (NIR), primitive IF.
"""

from __future__ import annotations

from dataclasses import dataclass

from lsnn_neuro.arrays import Array
from lsnn_neuro.neurons.firing import FiringConstants, FiringNeuron, fire, firing_of
from lsnn_neuro.neurons.neuron import Arithmetic, State, option, positive, threshold


@dataclass(frozen=True, kw_only=True)
class IFConstants(FiringConstants):
    """The threshold."""

    vth: Array = threshold()


@dataclass(frozen=True, kw_only=True, eq=False)
class IF(FiringNeuron):
    """Integrate-and-fire neurons, which do not leak; ``IF.of(n, dt, b0=1.0)`` makes some.

    - b0: threshold, above 0, (neuron,)
    - all else as of :class:`lsnn_neuro.neurons.firing.FiringNeuron`; weights act as they are
    """

    name = "if"
    Constants = IFConstants
    states = ("v", "r", "z")
    kernel = "if"

    b0: Array = positive(above=True)
    unit_gain: bool = option(True, True)

    def constants(self) -> IFConstants:
        """The constants of a step."""
        return IFConstants(vth=self.b0, **self.firing(width=self.b0))

    def gain(self) -> Array:
        """1."""
        return 1.0 + 0 * self.b0

    def peak(self) -> Array:
        """The threshold."""
        return self.b0

    @staticmethod
    def step(s: State, drive: Array, c: IFConstants, ar: Arithmetic) -> State:
        """One time step."""
        return fire(s, ar.saturate(s.v + drive), c.vth, c, ar)

    @classmethod
    def from_constants(cls, c: IFConstants, *, gain_one: bool) -> IF:
        """The neuron that has these constants."""
        return cls(b0=c.vth, **firing_of(c))
