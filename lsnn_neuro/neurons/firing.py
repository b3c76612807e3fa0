"""What neurons with a threshold share: comparison, reset, refractory time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from lsnn_neuro.arrays import Array
from lsnn_neuro.neurons.neuron import (
    Arithmetic,
    Constants,
    Neuron,
    Reset,
    State,
    choice,
    count,
    fixed,
    option,
    state,
    steps,
    surrogate,
    width,
)


@dataclass(frozen=True, kw_only=True)
class FiringConstants(Constants):
    """What :func:`fire` needs."""

    n_ref: Array = steps()
    reset: Reset = choice(*get_args(Reset))
    reset_by: Array = state(signed=True)
    reset_to: Array = state(signed=True)
    at_threshold: bool = choice(False, True)
    gamma: Array = surrogate()
    width: Array = width()


@dataclass(frozen=True, kw_only=True, eq=False)
class FiringNeuron(Neuron):
    """The parameters of :func:`fire`.

    - n_ref: refractory steps after a spike, 0 to 63
    - reset: "subtract" the threshold, "subtract_constant" ``reset_by``, set the membrane "to" ``reset_to``,
      or "hold" it there in the refractory steps too, whose input is lost
    - at_threshold: whether a membrane at the threshold spikes, or only one above it
    - unit_gain: whether weights act as they are; else they are multiplied by 1 - alpha, so that a constant
      input I leads to v = I
    - gamma: dampening of the pseudo-derivative
    """

    n_ref: Array = count()
    reset: Reset = option("subtract", *get_args(Reset))
    reset_by: Array = fixed()
    reset_to: Array = fixed()
    at_threshold: bool = option(False, False, True)
    unit_gain: bool = option(False, False, True)
    gamma: float = option(0.3)

    def firing(self, width: Array) -> dict[str, Any]:
        """These constants; ``width`` of the pseudo-derivative is that of the baseline threshold."""
        names = ("n_ref", "reset", "reset_by", "reset_to", "at_threshold", "gamma")
        return {name: getattr(self, name) for name in names} | {"width": width}


def firing_of(c: FiringConstants) -> dict[str, Any]:
    """The parameters that these constants came from."""
    names = ("n_ref", "reset", "reset_by", "reset_to", "at_threshold")
    return {name: getattr(c, name) for name in names}


def fire(s: State, v: Array, threshold: Array, c: Any, ar: Arithmetic) -> State:
    """Compare with the threshold, reset, start or count down the refractory time.

    ::

        z[t] = 1 if v[t] > threshold (or >=) and r[t-1] = 0, else 0
        v[t] = v[t] - z[t] threshold  ("subtract"),  v[t] - z[t] reset_by  ("subtract_constant"),
               reset_to where z[t]  ("to")  or  reset_to where z[t] or r[t-1] > 0  ("hold")
        r[t] = n_ref if z[t] = 1, else max(r[t-1] - 1, 0)

    While "subtract", "subtract_constant" and "to" are refractory, the membrane goes on integrating. A
    membrane that is held passes no gradient on.
    """
    free = s.r == 0
    z = ar.spike(v - threshold, c, free)
    if c.reset == "to":
        v = (1 - z) * v + z * c.reset_to
    elif c.reset == "hold":
        kept = (1 - z) * free
        v = kept * v + (1 - kept) * c.reset_to
    else:
        v = v - z * (threshold if c.reset == "subtract" else c.reset_by)
    return s.replace(v=v, z=z, r=ar.countdown(s.r, z, c.n_ref))


def most_adaptation(rho: Array, n_ref: Array) -> Array:
    """Largest filtered spike train of a neuron that fires every 1 + n_ref steps.

    (1 - rho) / (1 - rho^(1 + n_ref)): with a long tau close to 1 / (1 + n_ref), with a short one to 1.
    """
    longest = int(np.max(n_ref, initial=0))
    total = sum((rho**k * (n_ref >= k) for k in range(1 + longest)), np.zeros_like(rho))
    return 1 / total
