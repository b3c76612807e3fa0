"""What was lost on the way from float to integers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lsnn_neuro.arrays import FloatArray, IntArray
from lsnn_neuro.network.spec import Population
from quantize.loihi import DECAY_ONE
from quantize.network import QuantizedPopulation, SignMode
from quantize.scales import dequantize_decay, dequantize_weight, weight_step


@dataclass(frozen=True, kw_only=True)
class TimeConstant:
    """A time constant, ms, mean over neurons: asked for, and got."""

    name: str
    wanted: float
    got: float


@dataclass(frozen=True, kw_only=True)
class PopulationReport:
    """What quantization made of a population.

    - vth_mant: lowest and highest threshold / 64, None without one; step_a: likewise, None without any
    - linear_below: adaptation below this many spikes' worth decays linearly, not exponentially; the
      smallest state dec() treats as an exponential is 4096 / decay_a
    """

    name: str
    neuron: str
    scale: float
    time_constants: tuple[TimeConstant, ...]
    vth_mant: tuple[int, int] | None
    step_a: tuple[int, int] | None
    linear_below: float | None

    def tau(self, name: str) -> TimeConstant | None:
        """The time constant of a name, if the population has it."""
        return next((t for t in self.time_constants if t.name == name), None)


@dataclass(frozen=True, kw_only=True)
class ProjectionReport:
    """What quantization made of a projection.

    - bits: width of the largest mantissa in use, sign not counted
    - clipped: synapses beyond the end of the range; zeroed: synapses that rounded to nothing
    - error: root-mean-square rounding error relative to the root-mean-square weight
    """

    name: str
    weight_exp: int
    bits: int
    synapses: int
    clipped: int
    zeroed: int
    error: float


@dataclass(frozen=True, kw_only=True)
class ConversionReport:
    """What was lost on the way from float to integers."""

    populations: tuple[PopulationReport, ...]
    projections: tuple[ProjectionReport, ...]


def report_projection(
    name: str, exact: FloatArray, mant: IntArray, exponent: int, mode: SignMode, bits: int
) -> ProjectionReport:
    """What became of some synapses of one sign mode; ``exact`` in synaptic units."""
    error = dequantize_weight(mant, exponent) - exact
    norm = _norm(exact)
    return ProjectionReport(
        name=name,
        weight_exp=exponent,
        bits=int(np.abs(mant).max(initial=0)).bit_length(),
        synapses=len(exact),
        clipped=int((np.abs(error) > weight_step(exponent, mode, bits) / 2).sum()),
        zeroed=int((mant == 0).sum()),
        error=_norm(error) / norm if norm else 0.0,
    )


def _norm(values: FloatArray) -> float:
    """2-norm, without waking up BLAS and its threads."""
    return float(np.sqrt(np.square(values).sum()))


def report_population(
    spec: Population, quantized: QuantizedPopulation, dt: float
) -> PopulationReport:
    """What became of a population."""
    constants = quantized.constants
    step_a = getattr(constants, "step_a", np.zeros(0, np.int32))
    adapts, linear = step_a > 0, None
    if adapts.any():
        linear = DECAY_ONE / np.maximum(constants.decay_a, 1) / np.maximum(step_a, 1)
    return PopulationReport(
        name=spec.name,
        neuron=spec.neuron.name,
        scale=quantized.scale,
        time_constants=tuple(_time_constants(spec, quantized, dt)),
        vth_mant=_range(quantized.vth >> 6) if hasattr(constants, "vth") else None,
        step_a=_range(step_a) if linear is not None else None,
        linear_below=float(linear[adapts].max()) if linear is not None else None,
    )


def _range(values: Any) -> tuple[int, int]:
    return int(np.min(values)), int(np.max(values))


def _time_constants(
    spec: Population, quantized: QuantizedPopulation, dt: float
) -> Iterator[TimeConstant]:
    """Every decay of a population's constants, and its synaptic current's."""
    names = {f: p.name for f, p in type(spec.neuron).parameters().items() if p.name}
    wanted = spec.neuron.constants()
    decays = {
        name: (getattr(wanted, name), value)
        for name, role, value in quantized.constants.numbers()
        if role.kind == "decay"
    }
    taus = {id(getattr(spec.neuron, field)): tau for field, tau in names.items()}
    for name, (kept, decay) in decays.items():
        yield _time_constant(taus.get(id(kept), name), kept, decay, dt)
    if spec.has_current and quantized.decay_i is not None:
        yield _time_constant("tau_i", spec.kappa_i, quantized.decay_i, dt)


def _time_constant(name: str, kept: FloatArray, decay: IntArray, dt: float) -> TimeConstant:
    with np.errstate(divide="ignore"):
        wanted = dt / np.abs(np.log(kept))
    return TimeConstant(
        name=name, wanted=float(np.mean(wanted)), got=float(dequantize_decay(decay, dt).mean())
    )
