"""Sections on the network itself: its parts, and what quantization made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from deploy.manifest import conversion_of, violations_of
from deploy.mapping.neurons import adapting
from deploy.reporting.page import Section, Table, number
from quantize.conversion_report import TimeConstant
from quantize.network import QuantizedNetwork, QuantizedPopulation


def network_section(network: QuantizedNetwork) -> Section:
    """Populations and projections as they are in the integer network."""
    steps = dict.fromkeys(
        name
        for p in network.populations
        for name, role, _ in p.constants.numbers()
        if role.kind == "steps"
    )
    populations = Table(
        caption="Populations",
        columns=("population", "neuron", "options", "neurons", "adaptive",
                 *(f"{name} (ms)" for name in steps), "scale (units per float unit)"),
        words=3,
        rows=tuple(
            (p.name, p.neuron.name, _options(p), number(p.size), number(int(adapting(p).sum())),
             *(_range(getattr(p.constants, name, None), network.dt) for name in steps),
             number(p.scale))
            for p in network.populations
        ),
    )  # fmt: skip
    projections = Table(
        caption="Projections",
        columns=("projection", "sign", "synapses", "connected", "weight exponent",
                 "longest delay (steps)"),
        words=2,
        rows=tuple(
            (_arrow(p.name), p.sign_mode, number(p.n_synapses),
             f"{p.n_synapses / (p.n_source * p.n_target):.1%}", number(p.weight_exp),
             number(p.reach))
            for p in network.projections
        ),
    )  # fmt: skip
    return Section(
        key="network",
        title="The network",
        lead=f"{network.n_inputs} inputs, {network.n_neurons:,} neurons, {network.n_outputs} outputs, "
        f"{network.n_synapses:,} synapses of {network.provenance.weight_bits} bits, steps of "
        f"{network.dt:g} ms.",
        tables=(populations,),
        folded=(projections,),
    )


def conversion_section(manifest: Mapping[str, Any]) -> Iterator[Section]:
    """What was lost on the way from float to integers; nothing where the artifact doesn't tell."""
    if (report := conversion_of(manifest)) is None:
        return
    violations = violations_of(manifest)
    taus = dict.fromkeys(t.name for p in report.populations for t in p.time_constants)
    populations = Table(
        caption="Scales and time constants",
        columns=("population", "scale", "threshold", "adaptation a spike", *taus),
        rows=tuple(
            (p.name, number(p.scale), _range(p.vth_mant), _range(p.step_a),
             *(_pair(p.tau(name)) for name in taus))
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


def _pair(constant: TimeConstant | None) -> str:
    return "none" if constant is None else f"{constant.wanted:.4g}, {constant.got:.4g}"


def _range(values: npt.ArrayLike | None, unit: float = 1.0) -> str:
    """Lowest and highest of some numbers."""
    if values is None:
        return "none"
    low, high = np.min(values) * unit, np.max(values) * unit
    return number(low) if low == high else f"{number(low)} to {number(high)}"


def _options(population: QuantizedPopulation) -> str:
    """What is chosen for a whole population, where its neurons have a choice."""
    roles = population.neuron.Constants.roles().items()
    chosen = {
        name.replace("_", " "): getattr(population.constants, name)
        for name, role in roles
        if role.kind == "choice" and len(role.options) > 1
    }
    return ", ".join(
        name if value is True else f"{name}: {value}"
        for name, value in chosen.items()
        if value is not False
    )


def _arrow(projection: str) -> str:
    """A projection's name that may be broken into lines at its arrow."""
    return projection.replace("->", " → ")
