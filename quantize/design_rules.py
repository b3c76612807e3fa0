"""Design rules: limits of the chip that no single constructor can check, one small function each.

A rule takes a network, and what its inputs send (by default spikes), and gives a list of violations, each
with object, value, limit and remedy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from quantize.loihi import (
    ACCUMULATOR_MAX,
    CURRENT_INPUT_MAX,
    DECAY_ONE,
    STATE_MAX,
    STATE_SHIFT,
)
from quantize.network import INPUT, SPIKES, QuantizedNetwork, ValueRange


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A broken rule: which, by what object, the value found, the limit and what to do."""

    rule: str
    object: str
    value: float
    limit: float
    remedy: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.object} has {self.value:g}, limit {self.limit:g}; {self.remedy}"


Rule = Callable[[QuantizedNetwork, ValueRange], list[Violation]]


def accumulator_stays_in_16_bits(
    network: QuantizedNetwork, values: ValueRange = SPIKES
) -> list[Violation]:
    """The worst sum of mantissas a neuron can receive in a step must fit its accumulator.

    Source: Lava's precision of 16 bits for synaptic input; all synapses of one sign active at once.
    """
    violations = []
    for projection in network.projections:
        lowest, highest = projection.sums(values if projection.source == INPUT else SPIKES)
        for sums in (highest.sum(axis=0), -lowest.sum(axis=0)):
            worst = int(sums.argmax())
            if sums[worst] > ACCUMULATOR_MAX:
                violations.append(
                    Violation(
                        rule="accumulator",
                        object=f"projection {projection.name!r}, neuron {worst}",
                        value=float(sums[worst]),
                        limit=ACCUMULATOR_MAX,
                        remedy="fewer synapses onto it, or smaller mantissas at a larger exponent",
                    )
                )
    return violations


def adaptation_stands_above_rounding(
    network: QuantizedNetwork, values: ValueRange = SPIKES
) -> list[Violation]:
    """A spike's step of adaptation must stand above the range in which decay is linear.

    dec() takes away at least 1 a step, so states below 4096/decay_a decay linearly. Source: dec()
    itself.
    """
    violations = []
    for population in network.populations:
        step_a = getattr(population.constants, "step_a", None)
        if step_a is None:
            continue
        decay_a = population.constants.decay_a
        adapts = (step_a > 0) & (decay_a > 0)
        ratio = np.where(adapts, step_a * (decay_a / DECAY_ONE), np.inf)
        if ratio.min() < 1:
            worst = int(ratio.argmin())
            violations.append(
                Violation(
                    rule="adaptation",
                    object=f"population {population.name!r}, neuron {worst}, step_a",
                    value=float(step_a[worst]),
                    limit=float(DECAY_ONE / decay_a[worst]),
                    remedy="larger beta, larger thresholds or smaller weights allow a larger scale",
                )
            )
    return violations


def current_input_wraps_once(
    network: QuantizedNetwork, values: ValueRange = SPIKES
) -> list[Violation]:
    """A step's input to a synaptic current must not be so large that it would wrap around twice.

    There Lava's current leaves its range, and targets would differ. Source: seen with lava-nc 0.10.0.
    """
    return [
        Violation(
            rule="current-input",
            object=f"population {population.name!r}, synaptic input of a step",
            value=worst,
            limit=CURRENT_INPUT_MAX,
            remedy="fewer or weaker synapses onto it",
        )
        for population in network.populations
        if population.decay_i is not None
        and (worst := network.worst_input(population.name, values)) > CURRENT_INPUT_MAX
    ]


def current_does_not_wrap(
    network: QuantizedNetwork, values: ValueRange = SPIKES
) -> list[Violation]:
    """A synaptic current must stay in 24 bits if all its inputs fire all the time.

    Beyond, it wraps around: strong excitation becomes inhibition. Source: Lava's models of LIF and ATRLIF.
    """
    violations = []
    for population in network.populations:
        if population.decay_i is None:
            continue
        low, high = network.input_extremes(population.name, values)
        for drive in (high, -low):
            most = drive * 2**STATE_SHIFT / np.maximum(population.decay_i / DECAY_ONE, 1e-9)
            worst = int(most.argmax())
            if most[worst] > STATE_MAX:
                violations.append(
                    Violation(
                        rule="current",
                        object=f"population {population.name!r}, neuron {worst}, synaptic current",
                        value=float(most[worst]),
                        limit=STATE_MAX,
                        remedy="fewer or weaker synapses onto it, or a shorter tau_i",
                    )
                )
    return violations


def graded_inputs_are_not_shifted_down(
    network: QuantizedNetwork, values: ValueRange = SPIKES
) -> list[Violation]:
    """Graded inputs need weights whose exponent is not negative.

    A chip rounds every synapse's product, Lava the sum. Source: integers that a Loihi 2 printed, in the
    tutorials ``lava_va`` of lava-nc.
    """
    return [
        Violation(
            rule="graded-exponent",
            object=f"projection {projection.name!r}, weight_exp under graded inputs",
            value=projection.weight_exp,
            limit=0,
            remedy="a chip rounds each product, not their sum: larger weights, or inputs as spikes",
        )
        for projection in network.out_of(INPUT)
        if values != SPIKES and projection.weight_exp < 0
    ]


def every_population_is_driven(
    network: QuantizedNetwork, values: ValueRange = SPIKES
) -> list[Violation]:
    """A population or a readout without synapses or bias does nothing and is surely a mistake."""
    return [
        Violation(
            rule="driven",
            object=f"{population.name!r}, incoming synapses",
            value=0,
            limit=1,
            remedy="its weights were all zero or rounded to zero; see the conversion report",
        )
        for population in network.populations
        if not (population.bias.any() or any(p.n_synapses for p in network.into(population.name)))
    ]


RULES: tuple[Rule, ...] = (
    accumulator_stays_in_16_bits,
    adaptation_stands_above_rounding,
    current_does_not_wrap,
    current_input_wraps_once,
    every_population_is_driven,
    graded_inputs_are_not_shifted_down,
)


def check(network: QuantizedNetwork, values: ValueRange = SPIKES) -> list[Violation]:
    """All violations of all rules, none for a network that every target runs as it should.

    - values: what the inputs send (:func:`quantize.network.value_range`)
    """
    return [violation for rule in RULES for violation in rule(network, values)]


NAMES = frozenset(
    {"accumulator", "adaptation", "current", "current-input", "driven", "graded-exponent"}
)
"""The names of all rules."""
