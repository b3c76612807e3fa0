"""ATRLIF: adaptive threshold and refractoriness, the stock neuron of Lava.

::

    v[t] = decay(v[t-1]) + drive[t]
    a[t] = decay(a[t-1])          A[t] = vth + a[t]          r[t] = decay(r[t-1])
    z[t] = 1 if v[t] - r[t] >= A[t], else 0
    r[t] = r[t] + 2 A[t] z[t]     a[t] = a[t] + step_a z[t]

- v membrane, which a spike leaves as it is; a adaptation, A adapted threshold, z spike
- r refractory variable, which a spike raises by twice the adapted threshold and which is taken off the
  membrane; drive: synaptic current and bias, times the gain (1 - alpha, or 1)
- alpha = exp(-dt/tau_m), rho = exp(-dt/tau_a), keep_r = exp(-dt/tau_r); b0 baseline threshold, beta
  strength of adaptation, step_a = beta (1 - rho)

In integers neither a nor r can leave 25 bits: a neuron only spikes where A + r <= v.

Source: the process ATRLIF of lava-nc 0.10.0 and ``slayer.neuron.alif`` of lava-dl 0.6.0.
"""

from __future__ import annotations

from dataclasses import dataclass

from lsnn_neuro.arrays import Array
from lsnn_neuro.neurons.neuron import (
    Arithmetic,
    Constants,
    Neuron,
    State,
    beta_of,
    choice,
    decay,
    option,
    positive,
    surrogate,
    threshold,
    time_constant,
    width,
)


@dataclass(frozen=True, kw_only=True)
class ATRLIFConstants(Constants):
    """Decays, threshold and the adaptation's step, as Lava's process takes them."""

    decay_v: Array = decay()
    decay_a: Array = decay()
    decay_r: Array = decay()
    step_a: Array = threshold(bits=12)
    vth: Array = threshold(bits=12)
    at_threshold: bool = choice(True)
    gamma: Array = surrogate()
    width: Array = width()


@dataclass(frozen=True, kw_only=True, eq=False)
class ATRLIF(Neuron):
    """Lava's neurons with an adaptive threshold and a refractory variable.

    ``ATRLIF.of(n, dt, tau_m=, tau_a=, tau_r=, b0=, beta=)`` makes some.

    - alpha, rho, keep_r: kept shares of membrane, adaptation and refractory variable, exp(-dt/tau), (neuron,)
    - beta: strength of adaptation, at least 0; b0: threshold, above 0; both (neuron,)
    """

    name = "atrlif"
    Constants = ATRLIFConstants
    states = ("v", "a", "r", "z")
    kernel = "atrlif"
    current_wraps = True

    alpha: Array = time_constant("tau_m")
    rho: Array = time_constant("tau_a")
    keep_r: Array = time_constant("tau_r")
    beta: Array = positive()
    b0: Array = positive(above=True)
    unit_gain: bool = option(False, False, True)
    gamma: float = option(0.3)

    def constants(self) -> ATRLIFConstants:
        """The constants of a step."""
        return ATRLIFConstants(
            decay_v=self.alpha, decay_a=self.rho, decay_r=self.keep_r,
            step_a=self.beta * (1 - self.rho), vth=self.b0, at_threshold=True, gamma=self.gamma,
            width=self.b0,
        )  # fmt: skip

    def gain(self) -> Array:
        """1 - alpha, or 1."""
        return 1.0 + 0 * self.alpha if self.unit_gain else 1 - self.alpha

    def peak(self) -> Array:
        """The threshold of a neuron that fires in every step."""
        return self.b0 + self.beta

    @staticmethod
    def step(s: State, drive: Array, c: ATRLIFConstants, ar: Arithmetic) -> State:
        """One time step."""
        v = ar.saturate(ar.decay(s.v, c.decay_v) + drive)
        a, r = ar.decay(s.a, c.decay_a), ar.decay(s.r, c.decay_r)
        adapted = c.vth + a
        z = ar.spike(v - r - adapted, c, None)
        return s.replace(v=v, a=a + c.step_a * z, r=r + 2 * adapted * z, z=z)

    @classmethod
    def from_constants(cls, c: ATRLIFConstants, *, gain_one: bool) -> ATRLIF:
        """The neuron that has these constants."""
        return cls(
            alpha=c.decay_v, rho=c.decay_a, keep_r=c.decay_r, beta=beta_of(c.step_a, c.decay_a),
            b0=c.vth, unit_gain=gain_one,
        )  # fmt: skip
