"""Post-training quantization: a float description becomes a ``QuantizedNetwork`` and a report.

    w_int    = S (decay_v / 4096) w / 64         so that the membrane's steady state is exact
    step_a   = S beta decay_a / 4096             so that the adaptation's steady state is exact
    vth_mant = S b0 / 64

An adaptation current passes the membrane's leak like any input: its step_a has the factor decay_v / 4096
too. ATRLIF's weights have the factor decay_i / 4096 of their filter, and its step_a is rounded to a
multiple of 64, as Lava wants it.

S is the population's scale (:mod:`quantize.choose`), w_int = weight_mant * 2^weight_exp.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from lsnn_neuro.spec import (
    DT,
    READOUT,
    FloatArray,
    IntArray,
    LSNNSpec,
    PopulationSpec,
    ProjectionSpec,
)
from quantize.choose import (
    STATE_ONE,
    choose_population_scale,
    choose_readout_scale,
    choose_weight_exp,
    dequantize_decay,
    dequantize_weight,
    quantize_decay,
    quantize_weight,
    weight_step,
)
from quantize.loihi import (
    ATRLIF_MANT_MAX,
    DECAY_ONE,
    STATE_MAX,
    VTH_MANT_MAX,
    WEIGHT_BITS,
    WEIGHT_EXP_MAX,
)
from quantize.network import (
    UNKNOWN,
    Population,
    Projection,
    Provenance,
    QuantizedNetwork,
    Readout,
    SignMode,
)


@dataclass(frozen=True, kw_only=True)
class PopulationReport:
    """What quantization made of a population.

    - tau_m, tau_a, tau_i, tau_r: (asked for, got), ms, mean over neurons; None where there is none
    - linear_below: adaptation below this many spikes' worth decays linearly, not exponentially; the
      smallest state dec() treats as an exponential is 4096 / decay_a
    """

    name: str
    scale: float
    vth_mant: tuple[int, int]
    tau_m: tuple[float, float]
    tau_a: tuple[float, float] | None
    tau_i: tuple[float, float] | None
    tau_r: tuple[float, float] | None
    step_a: tuple[int, int] | None
    linear_below: float | None


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
    readout_scale: float


def convert(
    spec: LSNNSpec,
    *,
    weight_bits: int = WEIGHT_BITS,
    max_exp: int = WEIGHT_EXP_MAX,
    provenance: Provenance = UNKNOWN,
) -> tuple[QuantizedNetwork, ConversionReport]:
    """Quantize a network; gives the integer network and what was lost.

    - weight_bits: 2 to 8, coarsens the weights' grid without changing their range
    - max_exp: largest weight exponent, 0 to 7; a small one leaves the states fewer bits
    """
    scales = {
        p.name: choose_population_scale(p, spec.into(p.name), max_exp) for p in spec.populations
    }
    populations = tuple(_population(p, scales[p.name]) for p in spec.populations)
    readout_scale = choose_readout_scale(spec.readout, spec.into(READOUT), max_exp)
    decay_out = quantize_decay(spec.readout.kappa)
    gains = {
        p.name: p.decay_v / DECAY_ONE * (p.decay_i / DECAY_ONE) * p.scale / STATE_ONE
        for p in populations
    }
    gains[READOUT] = decay_out / DECAY_ONE * readout_scale / STATE_ONE
    projections, reports = [], []
    for projection in spec.projections:
        weight = gains[projection.target][:, None] * projection.weight
        for name, sign_mode, part in _by_sign(projection, weight):
            quantized, report = _projection(name, sign_mode, part, projection, weight_bits)
            if quantized.n_synapses:
                projections.append(quantized)
            reports.append(report)
    network = QuantizedNetwork(
        n_inputs=spec.n_inputs,
        populations=populations,
        projections=tuple(projections),
        readout=Readout(
            decay=decay_out,
            bias=np.rint(spec.readout.bias * readout_scale).astype(np.int32),
            scale=readout_scale,
        ),
        provenance=replace(provenance, weight_bits=weight_bits),
    )
    return network, ConversionReport(
        populations=tuple(
            _population_report(s, q) for s, q in zip(spec.populations, populations, strict=True)
        ),
        projections=tuple(reports),
        readout_scale=readout_scale,
    )


def _population(spec: PopulationSpec, scale: float) -> Population:
    atrlif = spec.neuron == "atrlif"
    decay_v, decay_a = quantize_decay(spec.alpha), quantize_decay(spec.rho)
    gain = decay_v / DECAY_ONE if spec.adaptation == "current" else 1.0
    grid = STATE_ONE if atrlif else 1
    step_a = np.rint(scale * spec.beta * gain * decay_a / DECAY_ONE / grid) * grid
    vth_mant = np.rint(scale * spec.b0 / STATE_ONE)
    vth_max = ATRLIF_MANT_MAX if atrlif else VTH_MANT_MAX
    return Population(
        name=spec.name,
        neuron=spec.neuron,
        adaptation=spec.adaptation,
        decay_v=decay_v,
        decay_a=decay_a,
        step_a=np.minimum(step_a, vth_max * STATE_ONE if atrlif else STATE_MAX).astype(np.int32),
        vth_mant=np.minimum(vth_mant, vth_max).astype(np.int32),
        decay_i=np.full(spec.size, quantize_decay(spec.kappa_i) if atrlif else DECAY_ONE),
        decay_r=np.full(spec.size, quantize_decay(spec.kappa_r) if atrlif else DECAY_ONE),
        n_ref=spec.n_ref,
        reset=spec.reset,
        scale=scale,
    )


def _by_sign(
    projection: ProjectionSpec, weight: FloatArray
) -> Iterator[tuple[str, SignMode, FloatArray]]:
    """With Dale's law an excitatory and an inhibitory part, 8 bits each; else one of mixed sign."""
    if not projection.dale:
        yield projection.name, "mixed", weight
        return
    yield f"{projection.name} (excitatory)", "excitatory", np.maximum(weight, 0)
    yield f"{projection.name} (inhibitory)", "inhibitory", np.minimum(weight, 0)


def _projection(
    name: str, sign_mode: SignMode, weight: FloatArray, spec: ProjectionSpec, bits: int
) -> tuple[Projection, ProjectionReport]:
    """Round the synapses of one sign mode; those that round to nothing are left out."""
    exponent = choose_weight_exp(weight, sign_mode, bits)
    mant = quantize_weight(weight, exponent, sign_mode, bits)
    error = dequantize_weight(mant, exponent) - weight
    clipped = np.abs(error) > weight_step(exponent, sign_mode, bits) / 2
    quantized = Projection.of_matrix(
        name, spec.source, spec.target, mant, spec.delay, exponent, sign_mode
    )
    norm = _norm(weight)
    report = ProjectionReport(
        name=name,
        weight_exp=exponent,
        bits=int(np.abs(mant).max(initial=0)).bit_length(),
        synapses=int(np.count_nonzero(weight)),
        clipped=int(clipped.sum()),
        zeroed=int(((mant == 0) & (weight != 0)).sum()),
        error=_norm(error) / norm if norm else 0.0,
    )
    return quantized, report


def _norm(values: FloatArray) -> float:
    """2-norm, without waking up BLAS and its threads."""
    return float(np.sqrt(np.square(values).sum()))


def _population_report(spec: PopulationSpec, quantized: Population) -> PopulationReport:
    def taus(alpha: FloatArray, decay: IntArray) -> tuple[float, float]:
        with np.errstate(divide="ignore"):
            return float(np.mean(DT / np.abs(np.log(alpha)))), float(dequantize_decay(decay).mean())

    low, high = quantized.vth_mant.min(), quantized.vth_mant.max()
    adapts = quantized.step_a > 0
    linear = DECAY_ONE / np.maximum(quantized.decay_a, 1) / np.maximum(quantized.step_a, 1)
    return PopulationReport(
        name=spec.name,
        scale=quantized.scale,
        vth_mant=(int(low), int(high)),
        tau_m=taus(spec.alpha, quantized.decay_v),
        tau_a=taus(spec.rho[adapts], quantized.decay_a[adapts]) if adapts.any() else None,
        tau_i=taus(np.array(spec.kappa_i), quantized.decay_i) if spec.kappa_i > 0 else None,
        tau_r=taus(np.array(spec.kappa_r), quantized.decay_r) if spec.kappa_r > 0 else None,
        step_a=(int(quantized.step_a.min()), int(quantized.step_a.max())) if adapts.any() else None,
        linear_below=float(linear[adapts].max()) if adapts.any() else None,
    )
