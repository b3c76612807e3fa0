"""Which neurons a chip can run: the one place that knows what a neuron needs of a chip.

A chip names what it has (:class:`deploy.mapping.chips.Neurons`): equations, resets, comparisons with the
threshold, and what an adaptation acts on. A neuron that is not in :data:`FORMS` needs equations of its own
name; a chip whose neurons are microcode has ``"any"``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from deploy.mapping.chips import Chip, Figure
from lsnn_neuro.arrays import BoolArray
from lsnn_neuro.neurons.ahp import AHP
from lsnn_neuro.neurons.alif import ALIF
from lsnn_neuro.neurons.atrlif import ATRLIF
from lsnn_neuro.neurons.integrate_and_fire import IF
from lsnn_neuro.neurons.lif import LIF
from lsnn_neuro.neurons.neuron import Neuron
from quantize.design_rules import Violation
from quantize.network import QuantizedNetwork, QuantizedPopulation


@dataclass(frozen=True, kw_only=True)
class Form:
    """What a neuron needs of a chip.

    - model: whose equations; adaptation: what its adaptation acts on, "" if that is part of the equations
    """

    model: str
    adaptation: str = ""


FORMS: Mapping[type[Neuron], Form] = {
    LIF: Form(model="lif"),
    IF: Form(model="lif"),  # a leak of 0
    ALIF: Form(model="lif", adaptation="threshold"),
    AHP: Form(model="lif", adaptation="current"),
    ATRLIF: Form(model="atrlif"),
}


def adapting(population: QuantizedPopulation) -> BoolArray:
    """Which neurons a spike leaves with more than a reset, (neuron,); these take a compartment more."""
    step = getattr(population.constants, "step_a", np.zeros(population.size))
    return np.asarray(step > 0)


def neuron_models(network: QuantizedNetwork, chip: Chip) -> list[Violation]:
    """Neurons that the chip can't run, with what it has instead.

    Readouts are left out: the host can compute them from the spikes.
    """
    return [
        Violation(
            rule="neuron-model",
            object=f"population {population.name!r}, neurons with {what} {form!r}",
            value=count,
            limit=0,
            remedy=f"{chip.name} has {what} {', '.join(has.value)}",
        )
        for population in network.spiking
        for what, form, has, count in _needs(population, chip)
        if count and form not in has.value and "any" not in has.value
    ]


def _needs(
    population: QuantizedPopulation, chip: Chip
) -> Iterator[tuple[str, str, Figure[tuple[Any, ...]], int]]:
    """What is needed of the chip, in which form, what it has, and by how many neurons."""
    form = FORMS.get(population.neuron, Form(model=population.neuron.name))
    yield "equations", form.model, chip.neurons.models, population.size
    c = population.constants
    chosen = {
        name
        for name, role in population.neuron.Constants.roles().items()
        if role.kind == "choice" and len(role.options) > 1
    }
    if "reset" in chosen:
        to_zero = c.reset == "to" and not c.reset_to.any()
        yield "reset", "zero" if to_zero else c.reset, chip.neurons.resets, population.size
    if "at_threshold" in chosen and chip.neurons.comparisons:
        side = "at" if c.at_threshold else "above"
        yield "comparison", side, chip.neurons.comparisons, population.size
    if form.adaptation:
        count = int(np.count_nonzero(adapting(population)))
        yield "adaptation", form.adaptation, chip.neurons.adaptations, count
