"""Reports of real runs: a random network, and the same with one weight changed."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from random_networks import random_inputs, random_network

from deploy.artifact import load_artifact, write_artifact
from deploy.comparison import Side, compare_levels
from deploy.mapping.chips import load_chip
from deploy.reporting.report import Report
from lsnn_neuro.arrays import Events
from lsnn_neuro.tasks.score import ACCURACY, Score
from quantize.conversion_report import (
    ConversionReport,
    PopulationReport,
    ProjectionReport,
    TimeConstant,
)
from quantize.emulator import emulate, trace
from quantize.network import QuantizedNetwork

N_STEPS, N_SAMPLES, SEED = 80, 3, 1


def network() -> QuantizedNetwork:
    return random_network(SEED)


def changed_at(name: str) -> QuantizedNetwork:
    """The network with the largest weight of a projection taken out."""
    original = network()
    projections = list(original.projections)
    index = [p.name for p in projections].index(name)
    weights = np.array(projections[index].weight_mant)
    weights[np.abs(weights).argmax()] = 0
    projections[index] = replace(projections[index], weight_mant=weights)
    return replace(original, projections=tuple(projections))


def evidence_of(folder: Path, own: QuantizedNetwork, inputs: Events) -> Report:
    """P2 exact, of any network and inputs."""
    emulator = side(own, inputs, "emulator")
    sides = {"P2": (emulator, side(own, inputs, "loihi-sim"))}
    write_artifact(folder, own, target="loihi-sim", inputs=inputs, golden=emulator.record, about={})
    return Report(
        **of_artifact(folder), chip=load_chip("loihi1"), levels=compare_levels(sides), sides=sides,
        inputs=inputs, first_sample=0,
    )  # fmt: skip


def of_artifact(folder: Path) -> dict[str, Any]:
    """What a report says of an artifact."""
    artifact = load_artifact(folder)
    return {"network": artifact.network, "name": folder.name, "manifest": artifact.manifest}


def side(ran: QuantizedNetwork, inputs: Events, name: str) -> Side:
    @cache
    def course(sample: int):
        return list(trace(ran, inputs[:, sample]))

    record = replace(emulate(ran, inputs), target=name)
    return Side(record=record, states_at=lambda sample, step: course(sample)[step])


def evidence(folder: Path, other: QuantizedNetwork, *, recipe: str = "random") -> Report:
    """P0 against a network that must differ, P1 exact, P2 against ``other``."""
    own = network()
    own = replace(own, provenance=replace(own.provenance, recipe=recipe))
    inputs = random_inputs(SEED, own, n_steps=N_STEPS, n_samples=N_SAMPLES)
    emulator = side(own, inputs, "emulator")
    write_artifact(
        folder, own, target="loihi-sim", inputs=inputs, golden=emulator.record,
        about={"conversion": asdict(conversion(own)), "violations": []},
    )  # fmt: skip
    first = own.projections[0].name
    sides = {
        "P0": (Side(record=side(changed_at(first), inputs, "float").record), emulator),
        "P1": (side(own, inputs, "quantization-aware"), emulator),
        "P2": (emulator, side(other, inputs, "loihi-sim")),
    }
    return Report(
        **of_artifact(folder),
        chip=load_chip("loihi2"),
        levels=compare_levels(sides),
        sides=sides,
        inputs=inputs,
        first_sample=0,
        scores={
            "float": Score(metric=ACCURACY, samples=3, decisions=3, total=3),
            "emulator": Score(metric=ACCURACY, samples=3, decisions=3, total=2),
        },
        recipe='name = "random"\n',
    )


def conversion(own: QuantizedNetwork) -> ConversionReport:
    return ConversionReport(
        populations=tuple(
            PopulationReport(
                name=p.name, neuron=p.neuron.name, scale=p.scale,
                time_constants=(
                    TimeConstant(name="tau_m", wanted=20.0, got=19.98),
                    *((TimeConstant(name="tau_a", wanted=700.0, got=682.2),) if p.adaptive else ()),
                ),
                vth_mant=(1, 2) if p.spiking else None, step_a=(3, 4) if p.adaptive else None,
                linear_below=0.1 if p.adaptive else None,
            )
            for p in own.populations
        ),
        projections=tuple(
            ProjectionReport(
                name=p.name, weight_exp=p.weight_exp, bits=8, synapses=p.n_synapses, clipped=0,
                zeroed=1, error=0.01,
            )
            for p in own.projections
        ),
    )  # fmt: skip


SPIKING, READING = "pop0->pop0 inhibitory", "pop0->readout excitatory"
"""Projections whose largest weight changes spikes, and nothing but the readout."""
