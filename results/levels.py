"""Both sides of every parity level, P0 to P3, over an artifact's golden samples or the test set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from deploy.artifact import Artifact
from deploy.mapping.chips import Chip
from deploy.parity import Comparison, Side, compare_levels, join_levels
from deploy.report.evidence import Evidence, TaskScore
from deploy.report.parity import failed_levels
from deploy.targets import Target, get_target
from lsnn_neuro.arrays import BoolArray, Events
from lsnn_neuro.errors import DataError, NetworkError
from lsnn_neuro.network.module import SpikingNetwork
from lsnn_neuro.recipe import Recipe
from lsnn_neuro.tasks import make_task
from lsnn_neuro.tasks.base import Batch
from lsnn_neuro.tasks.navigation import Navigation
from lsnn_neuro.tasks.score import Score, join_scores
from quantize.aware import QuantizationAware, record_torch
from quantize.emulator import trace
from quantize.network import QuantizedNetwork
from quantize.record import PopulationState
from results.episodes import closed_loop_sides, played, target_session
from results.networks import load_imported, load_recipe_of, load_trained

BATCH = 128
"""Samples that run side by side when many are compared."""
PARITY_SAMPLES = 16
"""Test samples that are compared where nothing says which."""
GOLDEN = "golden"
"""Level, and side, of the spikes that were kept at export."""

Sides = dict[str, tuple[Side, Side]]


@dataclass(frozen=True, kw_only=True, eq=False)
class ParityRun:
    """A batch of samples that ran on both sides of every level.

    - inputs: bool or int8, shape (time, sample, input)
    - batch: the task's, with what is right; None where the golden inputs aren't from the task
    """

    inputs: Events
    batch: Batch | None
    sides: Sides


def parity_runs(
    path: Path,
    quantized: QuantizedNetwork,
    target: Target,
    *,
    artifact: Artifact | None,
    samples: int | None,
) -> Iterator[ParityRun]:
    """An artifact's golden samples in one batch, or the first ``samples`` of the test set in several.

    - path: where the float network is; quantized: the integer one
    """
    network = None if load_imported(path) else load_trained(path).spiking_network
    recipe = load_recipe_of(path)
    if artifact is None or samples is not None:
        task = make_task(recipe.task)
        seen = 0
        for inputs, batch in held_out(task, quantized, BATCH, samples or PARITY_SAMPLES):
            _, sides = _sides(quantized, network, inputs, target)
            if not sides:
                raise NetworkError(
                    f"{path}: was made elsewhere, so there is no float network to compare the emulator "
                    "with; choose another --target"
                )
            sides |= closed_loop(task, quantized, target, range(seen, seen + inputs.shape[1]))
            seen += inputs.shape[1]
            yield ParityRun(inputs=inputs, batch=batch, sides=sides)
        return
    events = artifact.inputs
    emulator, sides = _sides(quantized, network, events, target)
    golden = Side(record=replace(artifact.golden, target=GOLDEN))
    whence, batch = _whence(recipe, quantized, events)
    sides |= closed_loop(whence, quantized, target, range(events.shape[1]))
    yield ParityRun(
        inputs=events,
        batch=batch,
        sides={GOLDEN: (golden, emulator), **sides},
    )


def held_out(
    task: Any, quantized: QuantizedNetwork, size: int, limit: int
) -> Iterator[tuple[BoolArray, Batch | None]]:
    """Input spikes of the first test samples, ``size`` at a time, and what is asked of them.

    In navigation, where nothing is asked, the network's own episodes on the emulator.
    """
    if isinstance(task, Navigation):
        emulator = target_session(task, quantized, get_target("emulator"))
        for episodes in played(task, "test", emulator, size=size, limit=limit):
            yield episodes.inputs, None
        return
    for batch in task.batches("test", size, limit):
        yield batch.inputs, batch


def closed_loop(task: Any, quantized: QuantizedNetwork, target: Target, episodes: range) -> Sides:
    """One more level where the task is played on another target than the emulator."""
    if not isinstance(task, Navigation) or target.name == "emulator":
        return {}
    return {f"{_level(target)} closed loop": closed_loop_sides(task, quantized, target, episodes)}


def _level(target: Target) -> str:
    return "P3" if target.name == "loihi2" else "P2"


def _whence(
    recipe: Recipe, quantized: QuantizedNetwork, inputs: Events
) -> tuple[Any, Batch | None]:
    """The task whose first test samples these are, and what it asks of them.

    Neither, if they are not, or if the task's data are not at hand: an artifact may be where they are
    not, since speech is licensed, and parity needs none of it.
    """
    n = inputs.shape[1]
    try:
        task = make_task(recipe.task)
        heard, batch = next(held_out(task, quantized, n, n))
    except DataError:
        return None, None
    return (task, batch) if np.array_equal(heard, inputs) else (None, None)


def _sides(
    quantized: QuantizedNetwork, network: SpikingNetwork | None, inputs: Events, target: Target
) -> tuple[Side, Sides]:
    """The emulator's side, and both sides of every level that target and float network allow."""

    @cache
    def emulated(sample: int) -> list[tuple[PopulationState, ...]]:
        return list(trace(quantized, inputs[:, sample]))

    emulator = Side(
        record=get_target("emulator").run(quantized, inputs),
        states=lambda sample, step: emulated(sample)[step],
    )
    sides: Sides = {}
    if network is not None:
        aware = QuantizationAware(network, weight_bits=quantized.provenance.weight_bits)
        sides["P0"] = Side(record=record_torch(network, network, inputs, name="float")), emulator
        record = record_torch(aware, network, inputs, name="quantization-aware")
        sides["P1"] = (
            Side(
                record=record,
                states=lambda sample, step: aware.states(inputs[:, sample], step),
            ),
            emulator,
        )
    if target.name != "emulator":
        deployed = Side(
            record=target.run(quantized, inputs),
            states=lambda sample, step: target.states(quantized, inputs[:, sample], step),
        )
        sides[_level(target)] = (emulator, deployed)
    return emulator, sides


def gather_evidence(artifact: Artifact, chip: Chip, runs: Iterator[ParityRun]) -> Evidence:
    """Compare and score every batch; keep the first one that fails, else the first."""
    parts: list[dict[str, Comparison]] = []
    scores: dict[str, list[Score]] = defaultdict(list)
    seen = 0
    for run in runs:
        parts.append(compare_levels(run.sides))
        exact_so_far = not any(failed_levels(part) for part in parts[:-1])
        if seen == 0 or (exact_so_far and failed_levels(parts[-1])):
            shown, first_sample = run, seen
        seen += run.inputs.shape[1]
        if run.batch is None:
            continue
        sides = (side for pair in run.sides.values() for side in pair)
        records = {side.record.target: side.record for side in sides}
        for name, record in records.items():
            if name == GOLDEN:
                continue
            scores[name].append(run.batch.labels.score(artifact.network.to_float(record.readout)))
    recipe = artifact.folder / "recipe.toml"
    return Evidence(
        artifact=artifact,
        chip=chip,
        levels=join_levels(parts),
        sides=shown.sides,
        inputs=shown.inputs,
        first_sample=first_sample,
        scores=tuple(_task_score(name, join_scores(found)) for name, found in scores.items()),
        recipe=recipe.read_text(encoding="utf-8") if recipe.is_file() else "",
    )


def _task_score(side: str, found: Score) -> TaskScore:
    return TaskScore(
        side=side,
        measure=found.metric.name.replace("_", " "),
        value=found.text,
        decisions=found.decisions,
    )
