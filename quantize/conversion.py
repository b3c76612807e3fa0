"""Post-training quantization: a float spec becomes a ``QuantizedNetwork`` and a report.

A population's decays are rounded first; the neuron then says which constants and which gain belong to
them, and each constant is rounded as its role says::

    decay       round(4096 (1 - share))
    threshold   round(S value / 64) * 64          state   round(S value)
    weight      round(S gain (1 - kappa_i) w / 64 / 2^exponent)       bias   round(S gain bias)

S is the population's scale (:mod:`quantize.scales`). Gain and 1 - kappa_i are those of the rounded decays,
so that the steady state of membrane, current and adaptation is exact. The converter knows no neuron.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro.arrays import FloatArray, IntArray, whole_number
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.spec import NetworkSpec, Population, Projection
from quantize.conversion_report import ConversionReport, report_population, report_projection
from quantize.loihi import (
    DECAY_ONE,
    STATE_ONE,
    WEIGHT_BITS,
    WEIGHT_EXP_MAX,
    quantize_decay,
    to_bias,
    to_integer,
)
from quantize.network import (
    UNKNOWN,
    Provenance,
    QuantizedNetwork,
    QuantizedPopulation,
    QuantizedProjection,
    SignMode,
)
from quantize.scales import (
    choose_scale,
    choose_weight_exp,
    input_gain,
    on_decay_grid,
    quantize_weight,
    without_outliers,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerWeights:
    """The weights of a spec's projection as integers, in its own order of synapses, zeros included.

    - exact: what should be, in synaptic units; mant: what is; clipped: which synapses are outliers
    - parts: name, sign mode, exponent and the synapses of each
    """

    spec: Projection
    exact: FloatArray
    clipped: npt.NDArray[np.bool_]
    mant: IntArray
    parts: tuple[tuple[str, SignMode, int, npt.NDArray[np.bool_]], ...]

    def values(self) -> FloatArray:
        """mant * 2^exponent, in synaptic units."""
        values = np.zeros(len(self.mant))
        for _, _, exponent, here in self.parts:
            values[here] = self.mant[here] * 2.0**exponent
        return values


@dataclass(frozen=True, kw_only=True, eq=False)
class Integers:
    """A spec in integers, in the spec's own order: what training on integers computes with."""

    populations: tuple[QuantizedPopulation, ...]
    weights: tuple[IntegerWeights, ...]


def to_integers(
    spec: NetworkSpec, *, weight_bits: int = WEIGHT_BITS, max_exp: int = WEIGHT_EXP_MAX
) -> Integers:
    """Round a network, constant by constant and synapse by synapse."""
    populations, gains = [], {}
    for p in spec.populations:
        neuron = on_decay_grid(p.neuron)
        scale = choose_scale(p, spec.into(p.name), max_exp)
        populations.append(_population(p, neuron, scale))
        gains[p.name] = input_gain(p, neuron) * scale / STATE_ONE
    weights = tuple(_weights(q, gains[q.target], weight_bits) for q in spec.projections)
    return Integers(populations=tuple(populations), weights=weights)


def convert(
    spec: NetworkSpec,
    *,
    weight_bits: int = WEIGHT_BITS,
    max_exp: int = WEIGHT_EXP_MAX,
    provenance: Provenance = UNKNOWN,
) -> tuple[QuantizedNetwork, ConversionReport]:
    """Quantize a network; gives the integer network and what was lost.

    - weight_bits: 2 to 8, coarsens the weights' grid without changing their range
    - max_exp: largest weight exponent, 0 to 7; a small one leaves the states fewer bits
    - spec: ``net.to_spec()``; provenance: kept in the network's file

    Raises NetworkError over a network whose integers would leave the ranges of the chip.
    """
    if not isinstance(spec, NetworkSpec):
        raise NetworkError(
            f"convert takes a NetworkSpec, got {type(spec).__name__}; use .to_spec()"
        )
    whole_number("convert", "max_exp", max_exp, 0, WEIGHT_EXP_MAX)
    integers = to_integers(spec, weight_bits=weight_bits, max_exp=max_exp)
    network = QuantizedNetwork(
        n_inputs=spec.n_inputs,
        dt=spec.dt,
        populations=integers.populations,
        projections=tuple(q for w in integers.weights for q in _projections(w, spec)),
        outputs=spec.outputs,
        provenance=replace(provenance, weight_bits=weight_bits),
    )
    return network, ConversionReport(
        populations=tuple(
            report_population(s, q, spec.dt)
            for s, q in zip(spec.populations, integers.populations, strict=True)
        ),
        projections=tuple(
            report_projection(
                w.spec, name, w.exact, w.mant, w.clipped, here, exponent, mode, weight_bits
            )
            for w in integers.weights
            for name, mode, exponent, here in w.parts
        ),
    )


def _population(population: Population, neuron: Any, scale: float) -> QuantizedPopulation:
    """Round each constant of the neuron, whose decays are on the grid, as its role says."""

    def rounded(name: str, role: Any, value: Any) -> Any:
        return to_integer(role, value, scale) if role.is_number else value

    current = population.has_current or neuron.current_wraps
    return QuantizedPopulation(
        name=population.name,
        neuron=type(neuron),
        constants=neuron.constants().map(rounded),
        decay_i=quantize_decay(population.kappa_i) if current else None,
        bias=to_bias(population.bias * neuron.gain(), scale),
        scale=scale,
        offset=np.rint(population.offset * scale) / scale,
    )


def _weights(projection: Projection, gain: FloatArray, bits: int) -> IntegerWeights:
    limited = without_outliers(projection)
    exact = gain[projection.target_index] * limited
    mant, parts = np.zeros(len(exact), np.int32), []
    for name, mode, here in _by_sign(projection):
        exponent = projection.weight_exp
        if exponent is None:
            exponent = choose_weight_exp(exact[here], mode, bits)
        mant[here] = quantize_weight(exact[here], exponent, mode, bits)
        parts.append((name, mode, exponent, here))
    return IntegerWeights(
        spec=projection, exact=gain[projection.target_index] * projection.weight,
        clipped=limited != projection.weight, mant=mant, parts=tuple(parts),
    )  # fmt: skip


def _by_sign(projection: Projection) -> Iterator[tuple[str, SignMode, npt.NDArray[np.bool_]]]:
    """With Dale's law an excitatory and an inhibitory part, 8 bits each; else one of mixed sign.

    What came in as integers (weight_exp) and has one sign stays one projection.
    """
    name, positive = projection.name, projection.weight > 0
    one_sign = positive.all() or not positive.any()
    if projection.weight_exp is not None and projection.dale and one_sign:
        yield name, "excitatory" if positive.all() else "inhibitory", np.ones_like(positive)
    elif projection.dale:
        yield f"{name} (excitatory)", "excitatory", positive
        yield f"{name} (inhibitory)", "inhibitory", ~positive
    else:
        yield name, "mixed", np.ones_like(positive)


def _projections(weights: IntegerWeights, spec: NetworkSpec) -> Iterator[QuantizedProjection]:
    """Synapses that are left after rounding, one projection for each sign mode."""
    p = weights.spec
    for name, mode, exponent, here in weights.parts:
        kept = here & (weights.mant != 0)
        if kept.any():
            yield QuantizedProjection(
                name=name, source=p.source, target=p.target, n_source=spec.size_of(p.source),
                n_target=spec.size_of(p.target), source_index=p.source_index[kept],
                target_index=p.target_index[kept], weight_mant=weights.mant[kept],
                delay=p.delay[kept], weight_exp=exponent, sign_mode=mode,
            )  # fmt: skip


def to_spec(network: QuantizedNetwork) -> NetworkSpec:
    """The float network that these integers stand for; ``convert`` gives the same integers back.

    Scales and exponents are carried along. Raises NetworkError where there is no such network: an
    adaptation that steps and never decays, a synaptic current that never does, a threshold of 0.
    """
    populations, gains = [], {}
    for p in network.populations:
        population = _float_population(p)
        populations.append(population)
        gain = input_gain(population, population.neuron)
        gains[p.name] = gain * p.scale / STATE_ONE
    return NetworkSpec(
        n_inputs=network.n_inputs,
        dt=network.dt,
        populations=tuple(populations),
        projections=tuple(_float_projection(q, gains[q.target]) for q in network.projections),
        outputs=network.outputs,
    )


def _float_population(p: QuantizedPopulation) -> Population:
    def real(name: str, role: Any, value: Any) -> Any:
        if role.kind == "decay":
            return 1 - value / DECAY_ONE
        return value / p.scale if role.has_unit else value

    decay_v = getattr(p.constants, "decay_v", np.zeros(1))
    gain_one = bool((np.asarray(decay_v) == 0).any())
    try:
        neuron = p.neuron.from_constants(p.constants.map(real), gain_one=gain_one)
    except NetworkError as error:
        raise NetworkError(f"population {p.name!r}: {error}") from error
    gain = np.asarray(neuron.gain(), np.float64)
    return Population(
        name=p.name,
        neuron=neuron,
        kappa_i=np.zeros(p.size) if p.decay_i is None else 1 - p.decay_i / DECAY_ONE,
        bias=p.bias / (p.scale * gain),
        offset=p.offset,
        scale=p.scale,
    )


def _float_projection(q: QuantizedProjection, gain: FloatArray) -> Projection:
    kept = q.weight_mant != 0
    target, mant = q.target_index[kept], q.weight_mant[kept]
    signs: Any = "free"
    if q.sign_mode != "mixed":
        signs = np.full(q.n_source, 1 if q.sign_mode == "excitatory" else -1, np.int8)
    return Projection(
        name=q.name, source=q.source, target=q.target, source_index=q.source_index[kept],
        target_index=target, weight=mant * 2.0**q.weight_exp / gain[target], delay=q.delay[kept],
        signs=signs, weight_exp=q.weight_exp,
    )  # fmt: skip
