"""AHP: leaky integrate-and-fire with an after-hyperpolarizing current.

::

    a[t] = decay(a[t-1]) - step_a z[t-1]
    v[t] = decay(v[t-1]) + drive[t] + a[t]
    z[t] = 1 if v[t] > vth (or >=) and not refractory, else 0; then the reset (:func:`fire`)

- v membrane, a adaptation current (at most 0), z spike; drive: synaptic current and bias, times the
  gain (1 - alpha, or 1)
- alpha = exp(-dt/tau_m), rho = exp(-dt/tau_a); b0 threshold; beta strength of adaptation, in the units of
  ALIF's: a steady a lowers the membrane by as much as it would raise an ALIF neuron's threshold

Source: the form of the LSNN published for Loihi 1 (Intel, 2021).
"""

from __future__ import annotations

from dataclasses import dataclass

from lsnn_neuro.arrays import Array
from lsnn_neuro.neurons.alif import ALIF, ALIFConstants
from lsnn_neuro.neurons.firing import fire, firing_of
from lsnn_neuro.neurons.neuron import Arithmetic, State, beta_of


@dataclass(frozen=True, kw_only=True, eq=False)
class AHP(ALIF):
    """Neurons with an after-hyperpolarizing current; made by ``AHP.of(n, dt, tau_m=, tau_a=, b0=, beta=)``.

    - alpha, rho, beta, b0: as of :class:`lsnn_neuro.neurons.alif.ALIF`, but a spike lowers the membrane for
      some time instead of raising the threshold
    """

    name = "ahp"
    kernel = "ahp"

    def constants(self) -> ALIFConstants:
        """The constants of a step."""
        rise = (1 - self.alpha) * (self.beta * (1 - self.rho))
        return ALIFConstants(
            decay_v=self.alpha, decay_a=self.rho, step_a=rise, vth=self.b0,
            **self.firing(width=self.b0),
        )  # fmt: skip

    @staticmethod
    def step(s: State, drive: Array, c: ALIFConstants, ar: Arithmetic) -> State:  # type: ignore[override]
        """One time step."""
        a = ar.saturate(ar.decay(s.a, c.decay_a) - c.step_a * s.z)
        v = ar.saturate(ar.decay(s.v, c.decay_v) + (drive + a))
        return fire(s.replace(a=a), v, c.vth, c, ar)

    @classmethod
    def from_constants(cls, c: ALIFConstants, *, gain_one: bool) -> AHP:  # type: ignore[override]
        """The neuron that has these constants."""
        rise = beta_of(c.step_a, c.decay_v)  # over the membrane's leak, then over the adaptation's
        return cls(
            alpha=c.decay_v, rho=c.decay_a, beta=beta_of(rise, c.decay_a), b0=c.vth,
            unit_gain=gain_one, **firing_of(c),
        )  # fmt: skip
