"""The neuron nodes of NIR as neurons of ours, under a reading: the equations of :mod:`.dialects`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nir
import numpy as np

from deploy.interchange.dialects import CUBA, ResetRule, tau_of
from deploy.interchange.nir_merge import parameters_shape
from deploy.interchange.reading import Reading
from lsnn_neuro.arrays import FloatArray
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.spec import Population
from lsnn_neuro.neurons.integrate_and_fire import IF
from lsnn_neuro.neurons.li import LI
from lsnn_neuro.neurons.lif import LIF
from lsnn_neuro.neurons.neuron import Neuron

UNIT = 1e-5
"""Relative; a factor this close to 1 is 1: exporters write 32-bit floats."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """A neuron node in steps; arrays (neuron,).

    - neuron: equations and parameters; kappa: share of the synaptic current that a step keeps
    - weight: factor on what arrives, to be a weight here; before NIR's own drive and jump are divided by
      those of the neuron
    - leak: enters the drive in every step beside the current
    - offset: of a readout
    """

    neuron: Neuron
    kappa: FloatArray
    weight: FloatArray
    leak: FloatArray
    offset: FloatArray

    @property
    def has_current(self) -> bool:
        """Whether what arrives is kept in a synaptic current."""
        return bool(self.kappa.any())

    @property
    def forgets(self) -> bool:
        """Whether nothing of a step is left in the next."""
        return not (self.has_current or self.neuron.spiking or np.any(_alpha(self.neuron)))

    def population(self, name: str, bias: FloatArray) -> Population:
        """The population of these neurons; ``bias`` stands for what arrives in every step."""
        return Population(
            name=name, neuron=self.neuron, kappa_i=self.kappa, offset=self.offset, bias=bias
        )


def _alpha(neuron: Any) -> FloatArray:
    alpha: FloatArray = np.asarray(getattr(neuron, "alpha", np.ones(neuron.size)))
    return alpha


def cell_of(name: str, node: Any, size: int, reading: Reading, *, recurrent: bool) -> Cell:
    """A neuron node as a cell of ``size`` neurons; NetworkError over what a network here can't hold.

    - recurrent: whether it feeds itself
    """
    if parameters_shape(node) not in ((), (1,)) and np.prod(parameters_shape(node)) != size:
        raise NetworkError(
            f"NIR node {name!r}: has parameters of shape {parameters_shape(node)}, {size} values come in"
        )
    for field, values in vars(node).items():
        if isinstance(values, np.ndarray) and np.isnan(values).any():
            index = int(np.flatnonzero(np.isnan(values))[0])
            raise NetworkError(
                f"NIR node {name!r}: {field} of neuron {index} is nan, must be a number"
            )
    try:
        if isinstance(node, nir.Threshold):
            return _threshold(_each(node.threshold, size))
        return _integrator(
            name, node, size, reading, plain=isinstance(node, nir.LIF) and not recurrent
        )
    except NetworkError as error:
        raise NetworkError(f"NIR node {name!r}: {error}") from error


def _each(values: Any, size: int) -> FloatArray:
    return np.broadcast_to(np.asarray(values, np.float64).ravel(), size)


def _threshold(threshold: FloatArray) -> Cell:
    """A spike in every step in which what arrives is above the threshold, and no memory."""
    n = len(threshold)
    _check_above("threshold", threshold, "", np.zeros(n))
    zero, one = np.zeros(n), np.ones(n)
    neuron = LIF(alpha=zero, b0=threshold, reset="to", unit_gain=True)
    return Cell(neuron=neuron, kappa=zero, weight=one, leak=zero, offset=zero)


def _check_above(field: str, values: FloatArray, what: str, least: FloatArray) -> None:
    for index in np.flatnonzero(~(values > least))[:1]:
        raise NetworkError(
            f"{field} of neuron {index} is {values[index]:g}, must be above {what}{least[index]:g}"
        )


def _integrator(name: str, node: Any, size: int, reading: Reading, *, plain: bool) -> Cell:
    """All other neurons: a membrane, behind a synaptic current or not, that spikes or is read."""
    alpha, lost = _membrane(node, size, reading)
    gain, unit = _gain(name, node, alpha, lost, size, reading)
    kappa, jump = _current(name, node, size, reading)
    leak = _each(getattr(node, "v_leak", 0.0), size)
    start = leak if reading.dialect.starts_at_leak else np.zeros(size)  # v is counted from there
    factor = lost if unit else np.ones(size)
    more = reading.number(name, "bias", size)
    spikes = hasattr(node, "v_threshold") and reading.rule(name) != "none"
    if spikes:
        rule = reading.rule(name)
        rule = "to" if plain and rule == "late-to" else rule
        neuron: Neuron = _spiking(name, node, alpha, unit, start, reading, rule)
    else:
        neuron = LI(alpha=alpha, unit_gain=unit)
    return Cell(
        neuron=neuron, kappa=kappa, weight=gain * jump,
        leak=factor * (leak - start) + (0.0 if more is None else more),
        offset=np.zeros(size) if spikes else start,
    )  # fmt: skip


def _membrane(node: Any, size: int, reading: Reading) -> tuple[FloatArray, FloatArray]:
    """What a step keeps of the membrane, and what it loses; IF and I keep all."""
    if isinstance(node, nir.IF | nir.I):
        return np.ones(size), np.zeros(size)
    field = "tau_mem" if isinstance(node, CUBA) else "tau"
    return _kept(field, _each(tau_of(node), size), reading)


def _kept(
    field: str,
    tau: FloatArray,
    reading: Reading,
    remedy: str = "another --dt, --integration or --from",
) -> tuple[FloatArray, FloatArray]:
    """The share that a step keeps under a time constant, and the share that it loses."""
    with np.errstate(divide="ignore", invalid="ignore"):
        u = reading.step / tau
    least = 1.0 + UNIT if reading.integration == "euler" else np.inf
    for index in np.flatnonzero(~((tau > 0) & (u <= least)))[:1]:
        raise NetworkError(
            f"{field} of neuron {index} is {tau[index]:g}, allowed at a step of {reading.step:g} are those "
            f"{'of at least a step' if least < np.inf else 'above 0'}; {remedy}"
        )
    if reading.integration == "euler":
        lost: FloatArray = np.minimum(u, 1.0)
        return 1 - lost, lost
    kept: FloatArray = np.exp(-u)
    return kept, -np.expm1(-u)


def _gain(
    name: str, node: Any, alpha: FloatArray, lost: FloatArray, size: int, reading: Reading
) -> tuple[FloatArray, bool]:
    """The factor on what is integrated beside the neuron's own gain, and whether that is 1."""
    r = _each(node.r, size)
    reading.check_r(node, r)
    drive = reading.drive(name, node)
    if drive == "one":
        return np.ones(size), True
    if isinstance(node, nir.IF | nir.I):
        return _snapped(r * reading.step), True
    u = reading.step / _each(tau_of(node), size)
    if drive == "step":
        return _snapped(r * u), True
    whole = r * lost
    if (np.abs(whole - 1) < UNIT).all() or (lost == 0).any():
        return _snapped(np.where(np.isfinite(whole), whole, 1.0)), True
    return r, False


def _snapped(factor: FloatArray) -> FloatArray:
    return np.where(np.abs(factor - 1) < UNIT, 1.0, factor)


def _current(name: str, node: Any, size: int, reading: Reading) -> tuple[FloatArray, FloatArray]:
    """What a step keeps of the synaptic current, and the factor on what enters it, over 1 - kappa."""
    put = reading.number(name, "tau_syn", size)
    if put is None and not isinstance(node, CUBA):
        return np.zeros(size), np.ones(size)
    if put is not None and isinstance(node, CUBA):
        raise NetworkError("has a tau_syn already; leave --put of it out")
    tau = _each(node.tau_syn, size) if put is None else put
    kappa, lost = (
        _kept("tau_syn", tau, reading)
        if put is None
        else _kept("--put tau_syn", tau, reading, "give a positive value")
    )
    w_in = _each(node.w_in, size) if put is None else np.ones(size)
    if reading.dialect.jump == "equation":
        return kappa, _snapped_product(w_in, lost)
    enters = kappa if reading.dialect.jump == "before-decay" else np.ones(size)
    return kappa, enters * w_in / lost


def _snapped_product(w_in: FloatArray, lost: FloatArray) -> FloatArray:
    """w_in, or exactly what makes the whole jump 1 where it is that up to rounding."""
    return np.where(np.abs(w_in * lost - 1) < UNIT, 1 / lost, w_in)


def _spiking(
    name: str, node: Any, alpha: FloatArray, unit: bool, start: FloatArray, reading: Reading,
    rule: ResetRule,
) -> Neuron:  # fmt: skip
    """The neurons with their reset; ``start``: what v is counted from."""
    n = len(alpha)
    threshold, to = _each(node.v_threshold, n), _each(node.v_reset, n)
    _check_above("v_threshold", threshold, "v_leak, where its membrane starts: ", start)
    more: dict[str, Any] = {"b0": threshold - start, "at_threshold": reading.dialect.at_threshold}
    if rule == "to":
        put = reading.number(name, "v_reset", n)
        more |= {"reset": "to", "reset_to": (to if put is None else put) - start}
    elif rule == "late-to":
        more |= {"reset": "hold", "reset_to": to - start, "n_ref": 1}
    elif rule == "late-subtract":
        if (alpha == 0).any():
            raise NetworkError(
                "keeps nothing of a step, so that a reset one step late takes nothing off; give --reset zero"
            )
        more |= {"reset": "subtract_constant", "reset_by": threshold / alpha}
    elif start.any():
        more |= {"reset": "subtract_constant", "reset_by": threshold}
    else:
        more |= {"reset": "subtract"}
    if isinstance(node, nir.IF):
        return IF(**more)
    return LIF(alpha=alpha, unit_gain=unit, **more)
