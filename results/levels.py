"""Both sides of every parity level, P0 to P3, over an artifact's golden samples or the test set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import cast

import numpy as np

from deploy.artifact import Artifact
from deploy.mapping.chips import Chip
from deploy.model import Model
from deploy.parity import Comparison, Side, compare_levels, join_levels
from deploy.player import TargetPlayer
from deploy.report.evidence import Evidence, TaskScore
from deploy.report.parity import failed_levels
from deploy.target import REFERENCE, Target
from deploy.targets import get_target
from lsnn_neuro.arrays import Events
from lsnn_neuro.errors import DataError, NetworkError, RecipeError
from lsnn_neuro.network.graph import INPUT
from lsnn_neuro.network.module import SpikingNetwork
from lsnn_neuro.tasks.labels import Labels
from lsnn_neuro.tasks.score import Score, join_scores
from lsnn_neuro.tasks.task import SupervisedTask, Task
from quantize.aware import QuantizationAware, record_torch
from quantize.emulator import trace
from quantize.network import QuantizedNetwork
from quantize.record import PopulationSpikes, PopulationState

BATCH = 128
"""Samples that run side by side when many are compared."""
PARITY_SAMPLES = 16
"""Test samples that are compared where nothing says which."""
EMULATOR = "emulator"
"""The reference of every level."""
GOLDEN = "golden"
"""Level, and side, of the spikes that were kept at export."""

Sides = dict[str, tuple[Side, Side]]


@dataclass(frozen=True, kw_only=True, eq=False)
class ParityRun:
    """A batch of samples that ran on both sides of every level.

    - inputs: bool or int8, shape (time, sample, input)
    - labels: the task's; None where the golden inputs aren't from the task, or it has none
    """

    inputs: Events
    labels: Labels | None
    sides: Sides


def parity_runs(model: Model, target: Target, *, samples: int | None) -> Iterator[ParityRun]:
    """An artifact's golden samples in one batch, or the first ``samples`` of the test set in several."""
    quantized, network, artifact = model.integers, model.float_network, model.artifact
    if artifact is None or samples is not None:
        task, limit = model.task, samples or PARITY_SAMPLES
        loops = closed_loop(task, quantized, target, BATCH, limit)
        for inputs, labels in held_out(task, quantized, BATCH, limit):
            _, sides = _sides(quantized, network, inputs, target)
            if not sides:
                raise NetworkError(
                    f"{model.path}: was made elsewhere, so there is no float network to compare the emulator "
                    "with; choose another --target"
                )
            yield ParityRun(inputs=inputs, labels=labels, sides=sides | next(loops, {}))
        return
    events = artifact.inputs
    emulator, sides = _sides(quantized, network, events, target)
    golden = Side(record=replace(artifact.golden, target=GOLDEN))
    matching, labels = _matching_task(model, events)
    n = events.shape[1]
    if matching is not None:
        sides |= next(closed_loop(matching, quantized, target, n, n), {})
    yield ParityRun(
        inputs=events,
        labels=labels,
        sides={GOLDEN: (golden, emulator), **sides},
    )


def held_out(
    task: Task, quantized: QuantizedNetwork, size: int, limit: int
) -> Iterator[tuple[Events, Labels | None]]:
    """Inputs of the first test samples, ``size`` at a time, and their labels.

    In a closed loop those of the network itself on the emulator.
    """
    if not task.closed_loop:  # what it hears does not depend on who plays: nothing has to run
        for batch in cast(SupervisedTask, task).batches("test", size, limit):
            yield batch.inputs, batch.labels
        return
    player = TargetPlayer(quantized, get_target(EMULATOR))
    for trials in task.trials("test", player, batch_size=size, max_samples=limit):
        yield trials.inputs, trials.labels


def closed_loop(
    task: Task, quantized: QuantizedNetwork, target: Target, size: int, limit: int
) -> Iterator[Sides]:
    """One more level where the task is played on another target than the emulator, batch by batch.

    What the network hears is part of the record: equal input spikes mean equal trajectories.
    """
    if not task.closed_loop or target.level == REFERENCE:
        return

    def sides(target: Target) -> Iterator[Side]:
        player = TargetPlayer(quantized, target, records=True)
        for trials in task.trials("test", player, batch_size=size, max_samples=limit):
            heard = PopulationSpikes(name=INPUT, spikes=trials.inputs.astype(np.bool_))
            yield Side(record=replace(trials.record, spikes=(heard, *trials.record.spikes)))

    for ours, theirs in zip(sides(get_target(EMULATOR)), sides(target), strict=True):
        yield {f"{target.level} closed loop": (ours, theirs)}


def _matching_task(model: Model, inputs: Events) -> tuple[Task | None, Labels | None]:
    """The task whose first test samples these are, and their labels.

    Neither, if they are not, or if the task's data are not at hand: an artifact may be where they are
    not, since speech is licensed, and parity needs none of it.
    """
    n = inputs.shape[1]
    try:
        task = model.task
        heard, labels = next(held_out(task, model.integers, n, n))
    except (DataError, RecipeError):
        return None, None
    return (task, labels) if np.array_equal(heard, inputs) else (None, None)


def _sides(
    quantized: QuantizedNetwork, network: SpikingNetwork | None, inputs: Events, target: Target
) -> tuple[Side, Sides]:
    """The emulator's side, and both sides of every level that target and float network allow."""

    @cache
    def emulated(sample: int) -> list[tuple[PopulationState, ...]]:
        return list(trace(quantized, inputs[:, sample]))

    emulator = Side(
        record=get_target(EMULATOR).run(quantized, inputs),
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
    if target.level != REFERENCE:
        deployed = Side(
            record=target.run(quantized, inputs),
            states=lambda sample, step: target.states(quantized, inputs[:, sample], step),
        )
        sides[target.level] = (emulator, deployed)
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
        if run.labels is None:
            continue
        sides = (side for pair in run.sides.values() for side in pair)
        records = {side.record.target: side.record for side in sides}
        for name, record in records.items():
            if name == GOLDEN:
                continue
            scores[name].append(run.labels.score(artifact.network.to_float(record.readout)))
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
