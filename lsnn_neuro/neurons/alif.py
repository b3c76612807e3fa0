"""ALIF: leaky integrate-and-fire with an adaptive threshold.

::

    a[t] = decay(a[t-1]) + step_a z[t-1]            A[t] = vth + a[t]
    v[t] = decay(v[t-1]) + drive[t]
    z[t] = 1 if v[t] > A[t] (or >=) and not refractory, else 0; then the reset (:func:`fire`)

- v membrane, a adaptation, A adapted threshold, z spike; drive: synaptic current and bias, times the
  gain (1 - alpha, or 1)
- alpha = exp(-dt/tau_m), rho = exp(-dt/tau_a); b0 baseline threshold, beta strength of adaptation:
  a = beta b with the filtered spike train b[t] = rho b[t-1] + (1 - rho) z[t-1]

Source: Bellec et al. 2018, equations (1) to (3); the membrane is compared after its update, as on the chip.
"""

from __future__ import annotations

from dataclasses import dataclass

from lsnn_neuro.arrays import Array
from lsnn_neuro.neurons.firing import fire, firing_of, most_adaptation
from lsnn_neuro.neurons.lif import LIF, LIFConstants
from lsnn_neuro.neurons.neuron import (
    Arithmetic,
    State,
    beta_of,
    decay,
    positive,
    state,
    time_constant,
)


@dataclass(frozen=True, kw_only=True)
class ALIFConstants(LIFConstants):
    """A LIF's, and the adaptation's decay and step."""

    decay_a: Array = decay()
    step_a: Array = state()


@dataclass(frozen=True, kw_only=True, eq=False)
class ALIF(LIF):
    """Adaptive leaky integrate-and-fire neurons; ``ALIF.of(n, dt, tau_m=, tau_a=, b0=, beta=)`` makes some.

    - rho: kept share of the adaptation, exp(-dt/tau_a), (neuron,); beta: its strength, at least 0, (neuron,)
    - alpha, b0 and all else as of :class:`lsnn_neuro.neurons.lif.LIF`
    """

    name = "alif"
    Constants = ALIFConstants
    states = ("v", "a", "r", "z")
    kernel = "alif"

    rho: Array = time_constant("tau_a")
    beta: Array = positive()

    def constants(self) -> ALIFConstants:
        """The constants of a step."""
        return ALIFConstants(
            decay_v=self.alpha, decay_a=self.rho, step_a=self.beta * (1 - self.rho), vth=self.b0,
            **self.firing(width=self.b0),
        )  # fmt: skip

    def peak(self) -> Array:
        """The threshold of a neuron that fires whenever it may."""
        return self.b0 + self.beta * most_adaptation(self.rho, self.n_ref)

    @staticmethod
    def step(s: State, drive: Array, c: ALIFConstants, ar: Arithmetic) -> State:  # type: ignore[override]
        """One time step."""
        a = ar.saturate(ar.decay(s.a, c.decay_a) + c.step_a * s.z)
        v = ar.saturate(ar.decay(s.v, c.decay_v) + drive)
        return fire(s.replace(a=a), v, c.vth + a, c, ar)

    @classmethod
    def from_constants(cls, c: ALIFConstants, *, gain_one: bool) -> ALIF:  # type: ignore[override]
        """The neuron that has these constants."""
        return cls(
            alpha=c.decay_v, rho=c.decay_a, beta=beta_of(c.step_a, c.decay_a), b0=c.vth,
            unit_gain=gain_one, **firing_of(c),
        )  # fmt: skip
