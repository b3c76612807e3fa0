"""Sections on the network itself: its parts, and what quantization made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from deploy.report.page import Section, Table, number
from lsnn_neuro.errors import FileFormatError
from lsnn_neuro.spec import DT
from quantize.convert import ConversionReport
from quantize.design_rules import Violation
from quantize.network import Population, QuantizedNetwork


def network_section(network: QuantizedNetwork) -> Section:
    """Populations and projections as they are in the integer network."""
    populations = Table(
        caption="Populations",
        columns=("population", "neuron", "reset", "neurons", "adaptive", "refractory (ms)",
                 "scale (units per float unit)"),
        words=3,
        rows=tuple(
            (p.name, _neuron(p), p.reset, number(p.size), number(int((p.step_a > 0).sum())),
             number(p.n_ref * DT), number(p.scale))
            for p in network.populations
        ),
    )  # fmt: skip
    projections = Table(
        caption="Projections",
        columns=("projection", "sign", "synapses", "connected", "weight exponent", "longest delay"),
        words=2,
        rows=tuple(
            (_arrow(p.name), p.sign_mode, number(p.n_synapses),
             f"{p.n_synapses / (p.n_source * p.n_target):.1%}", number(p.weight_exp),
             number(p.max_delay))
            for p in network.projections
        ),
    )  # fmt: skip
    return Section(
        key="network",
        title="The network",
        lead=f"{network.n_inputs} inputs, {sum(p.size for p in network.populations):,} neurons, "
        f"{network.readout.size} outputs, {network.n_synapses:,} synapses of "
        f"{network.provenance.weight_bits} bits.",
        tables=(populations,),
        folded=(projections,),
    )


def conversion_section(manifest: Mapping[str, Any]) -> Iterator[Section]:
    """What was lost on the way from float to integers; nothing where the artifact doesn't tell."""
    if "conversion" not in manifest:
        return
    try:
        report = TypeAdapter(ConversionReport).validate_python(manifest["conversion"])
        violations = TypeAdapter(list[Violation]).validate_python(manifest.get("violations", []))
    except ValidationError as error:
        raise FileFormatError(
            f"artifact: its manifest holds no readable conversion report "
            f"({error.errors()[0]['msg']}); export it again"
        ) from error
    constants = [
        c for c in ("tau_m", "tau_a", "tau_i", "tau_r")
        if any(getattr(p, c) for p in report.populations)
    ]  # fmt: skip
    populations = Table(
        caption="Scales and time constants",
        columns=("population", "scale", "threshold", "adaptation a spike", *constants),
        rows=tuple(
            (p.name, number(p.scale), _range(p.vth_mant), _range(p.step_a),
             *(_pair(getattr(p, c)) for c in constants))
            for p in report.populations
        ),
        note="Scale: membrane units a float unit. Threshold: vth_mant, the threshold divided by 64. "
        "Time constants: asked for, and got, in ms; means over the neurons.",
    )  # fmt: skip
    projections = Table(
        caption="Weights",
        columns=("projection", "synapses", "bits in use", "exponent", "clipped", "rounded to zero",
                 "rounding error"),
        rows=tuple(
            (_arrow(p.name), number(p.synapses), number(p.bits), number(p.weight_exp), number(p.clipped),
             number(p.zeroed), f"{p.error:.2%}")
            for p in report.projections
        ),
        note="Rounding error: root mean square, relative to the weights' own.",
    )  # fmt: skip
    broken = Table(
        caption="Design rules that are violated",
        columns=("rule", "object", "remedy", "value", "limit"),
        words=3,
        rows=tuple(
            (v.rule, v.object, v.remedy, number(v.value), number(v.limit)) for v in violations
        ),
        marked=frozenset(range(len(violations))),
    )
    clipped = sum(p.clipped for p in report.projections)
    zeroed = sum(p.zeroed for p in report.projections)
    synapses = sum(p.synapses for p in report.projections)
    rules = f"{len(violations)} design rules are" if violations else "No design rule is"
    yield Section(
        key="conversion",
        title="What quantization made of it",
        lead=f"Of {synapses:,} synapses {clipped:,} were clipped and {zeroed:,} rounded to zero. "
        f"{rules} violated.",
        tables=(*((broken,) if violations else ()), populations, projections),
    )


def _pair(values: tuple[float, float] | None) -> str:
    return "none" if values is None else f"{values[0]:.4g}, {values[1]:.4g}"


def _range(values: tuple[int, int] | None) -> str:
    if values is None:
        return "none"
    low, high = values
    return number(low) if low == high else f"{low:,} to {high:,}"


def _neuron(population: Population) -> str:
    """Which equations a population has."""
    if population.neuron == "lif" and population.adaptive:
        return f"ALIF, adapting {population.adaptation}"
    return population.neuron.upper()


def _arrow(projection: str) -> str:
    """A projection's name that may be broken into lines at its arrow."""
    return projection.replace("->", " → ")
