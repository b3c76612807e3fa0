"""What was lost on the way from float to integers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lsnn_neuro.arrays import BoolArray, FloatArray, IntArray
from lsnn_neuro.network.spec import Population, Projection
from quantize import arithmetic
from quantize.loihi import DECAY_ONE
from quantize.network import QuantizedPopulation, SignMode
from quantize.scales import (
    dequantize_decay,
    dequantize_weight,
    on_decay_grid,
    weight_step,
)

TAU_OFF, CONSTANT_OFF, ZEROED, COLLIDE = 0.2, 0.2, 0.25, 1.05
"""Losses that are reported: a time constant or another constant off by more than 20 %, more than a quarter
of a projection's synapses rounded to 0, time constants more than 5 % apart that share one decay."""


@dataclass(frozen=True, kw_only=True)
class TimeConstant:
    """A time constant, ms, mean over neurons: wanted, and got.

    - worst: the neuron whose time constant is off most, what was wanted and got; None without any
    - simulated: what an adaptation takes to fall to 1/e of one step, rounding included, of the neuron in
      which that is shortest; None where there is no adaptation
    - shared: the shortest and the longest wanted one that share a decay, of those farthest apart
    """

    name: str
    wanted: float
    got: float
    worst: tuple[int, float, float] | None = None
    simulated: float | None = None
    shared: tuple[float, float] | None = None

    def flags(self, label: str) -> Iterator[str]:
        """What was lost beyond the limits, a line each."""
        if self.worst and abs(self.worst[2] / self.worst[1] - 1) > TAU_OFF:
            neuron, wanted, got = self.worst
            yield f"{label}: {self.name} of neuron {neuron} is {got:.4g} ms, asked for {wanted:.4g} ms"
        if self.simulated is not None and self.simulated < (1 - TAU_OFF) * self.got:
            yield (
                f"{label}: one step of adaptation falls to 1/e in {self.simulated:.4g} ms, "
                f"{self.name} is {self.got:.4g} ms; larger steps decay as they should"
            )
        if self.shared and self.shared[1] / self.shared[0] > COLLIDE:
            low, high = self.shared
            yield f"{label}: neurons with {self.name} from {low:.4g} to {high:.4g} ms share one decay"


@dataclass(frozen=True, kw_only=True)
class PopulationReport:
    """What quantization made of a population.

    - vth_mant: lowest and highest threshold / 64, None without one; step_a: likewise, None without any
    - linear_below: adaptation below this many spikes' worth decays linearly, not exponentially; the
      smallest state dec() treats as an exponential is 4096 / decay_a
    - off: constants that rounding or the end of their range puts off by more than 20 %, in words
    """

    name: str
    neuron: str
    scale: float
    time_constants: tuple[TimeConstant, ...]
    vth_mant: tuple[int, int] | None
    step_a: tuple[int, int] | None
    linear_below: float | None
    off: tuple[str, ...] = ()

    def flags(self) -> Iterator[str]:
        """What was lost beyond the limits, a line each."""
        for tau in self.time_constants:
            yield from tau.flags(f"population {self.name!r}")
        yield from (f"population {self.name!r}: {what}" for what in self.off)

    def tau(self, name: str) -> TimeConstant | None:
        """The time constant of a name, if the population has it."""
        return next((t for t in self.time_constants if t.name == name), None)


@dataclass(frozen=True, kw_only=True)
class ProjectionReport:
    """What quantization made of a projection.

    - bits: width of the largest mantissa in use, sign not counted
    - clipped: synapses beyond the end of the range; zeroed: synapses that rounded to nothing
    - error: root-mean-square rounding error relative to the root-mean-square weight
    - halved: synapses off by more than half their size, those rounded to nothing among them
    - outliers: those so much larger than the rest that they were clipped, in words
    """

    name: str
    weight_exp: int
    bits: int
    synapses: int
    clipped: int
    zeroed: int
    error: float
    halved: int = 0
    outliers: tuple[str, ...] = ()

    def flags(self) -> Iterator[str]:
        """What was lost beyond the limits, a line each."""
        label = f"projection {self.name!r}"
        if self.zeroed > ZEROED * self.synapses:
            yield f"{label}: {self.zeroed} of {self.synapses} synapses round to 0"
        if self.clipped > len(self.outliers):
            yield (
                f"{label}: {self.clipped} of {self.synapses} synapses lie beyond the range of their weights "
                "and are clipped"
            )
        yield from (f"{label}: {outlier}" for outlier in self.outliers)


@dataclass(frozen=True, kw_only=True)
class ConversionReport:
    """What was lost on the way from float to integers, of every population and projection.

    ``flags()`` says in words what is worth a second look.
    """

    populations: tuple[PopulationReport, ...]
    projections: tuple[ProjectionReport, ...]

    def flags(self) -> list[str]:
        """What was lost beyond the limits, a line each; none where all is well."""
        of_populations = [flag for p in self.populations for flag in p.flags()]
        return of_populations + [flag for p in self.projections for flag in p.flags()]


def report_projection(
    spec: Projection, name: str, exact: FloatArray, mant: IntArray, clipped: BoolArray,
    here: BoolArray, exponent: int, mode: SignMode, bits: int,
) -> ProjectionReport:  # fmt: skip
    """What was lost of a projection's synapses ``here``, of one sign mode; ``exact`` in synaptic units."""
    exact, mant = exact[here], mant[here]
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
        halved=int((np.abs(error) > np.abs(exact) / 2).sum()),
        outliers=tuple(_outlier(spec, k) for k in np.flatnonzero(clipped & here)),
    )


def _outlier(spec: Projection, synapse: int) -> str:
    """Which synapse was clipped, and by how much it stands out."""
    usual = float(np.quantile(np.abs(spec.weight), 0.995))
    times = abs(float(spec.weight[synapse])) / usual
    return (
        f"the weight from {spec.source_index[synapse]} to {spec.target_index[synapse]} is {times:.3g} "
        "times the 99.5 % quantile and was clipped"
    )


def _norm(values: FloatArray) -> float:
    """2-norm, without waking up BLAS and its threads."""
    return float(np.sqrt(np.square(values).sum()))


def report_population(
    spec: Population, quantized: QuantizedPopulation, dt: float
) -> PopulationReport:
    """What was lost of a population."""
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
        off=tuple(_off(spec, quantized)),
    )


def _off(spec: Population, quantized: QuantizedPopulation) -> Iterator[str]:
    """Constants and biases whose value changed, the worst neuron of each."""
    neuron = on_decay_grid(spec.neuron)
    numbers = [
        (name, value, getattr(quantized.constants, name))
        for name, role, value in neuron.constants().numbers()
        if role.has_unit
    ]
    numbers.append(("bias", spec.bias * np.asarray(neuron.gain()), quantized.bias))
    for name, value, integer in numbers:
        wanted, got = np.broadcast_arrays(np.asarray(value, np.float64), integer / quantized.scale)
        error = np.abs(got - wanted) / np.maximum(np.abs(wanted), 1e-300)
        worst = int(error.argmax())
        if error[worst] > CONSTANT_OFF:
            yield f"{name} of neuron {worst} is {got[worst]:.4g}, asked for {wanted[worst]:.4g}"


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
        step = getattr(quantized.constants, name.replace("decay", "step"), None)
        yield _time_constant(taus.get(id(kept), name), kept, decay, dt, step)
    if spec.has_current and quantized.decay_i is not None:
        yield _time_constant("tau_i", spec.kappa_i, quantized.decay_i, dt, None)


def _time_constant(
    name: str, kept: FloatArray, decay: IntArray, dt: float, step: IntArray | None
) -> TimeConstant:
    """A decay as rounded; ``step``: what a spike adds to the state, where one does."""
    with np.errstate(divide="ignore"):
        wanted = dt / np.abs(np.log(kept))
    got = dequantize_decay(decay, dt)
    finite = np.flatnonzero(np.isfinite(wanted) & np.isfinite(got) & (wanted > 0))
    worst = shared = None
    if len(finite):
        off = np.abs(np.log(np.maximum(got[finite], 1e-9) / wanted[finite]))
        k = finite[off.argmax()]
        worst = (int(k), float(wanted[k]), float(got[k]))
        ranges = [wanted[finite][decay[finite] == d] for d in np.unique(decay[finite])]
        low, high = max(((r.min(), r.max()) for r in ranges), key=lambda r: r[1] / r[0])
        shared = (float(low), float(high)) if high > low else None
    return TimeConstant(
        name=name, wanted=float(np.mean(wanted)), got=float(got.mean()), worst=worst, shared=shared,
        simulated=_simulated(decay, step, dt),
    )  # fmt: skip


def _simulated(decay: IntArray, step: IntArray | None, dt: float) -> float | None:
    """How long, ms, one step of adaptation takes to fall to 1/e in integers, in the quickest neuron."""
    if step is None or not (here := (step > 0) & (decay > 0)).any():
        return None
    pairs = np.unique(np.stack([step[here], decay[here]]), axis=1).astype(np.int64)
    start, d = pairs
    state, end, t = start, start / np.e, 0
    while (state > end).all():
        state, t = arithmetic.decay(state, d), t + 1
    return t * dt
