"""Measure a model: all of its task's test split in float and on integers, and a look at Lava."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from deploy.mapping.metrics import neurobench_metrics
from deploy.parity import Comparison, compare, join
from deploy.targets import get_target
from lsnn_neuro import __version__, tensor_file
from lsnn_neuro.checkpoint import BEST
from lsnn_neuro.errors import FileFormatError, RecipeError
from lsnn_neuro.evaluation import Measure, Run, evaluate, float_runner, join_scores, score
from lsnn_neuro.network import LSNN
from lsnn_neuro.spec import DT
from lsnn_neuro.tasks.base import Task
from lsnn_neuro.tasks.learning_to_learn import LearningToLearn
from lsnn_neuro.tasks.navigation import Navigation
from quantize.aware import QuantizationAware, record_torch
from quantize.convert import convert
from quantize.emulator import emulate
from quantize.loihi import WEIGHT_BITS
from quantize.network import QuantizedNetwork
from results.card import Card, Integers, ParityCount
from results.learning_to_learn import IN_FLOAT, ON_INTEGERS, curves
from results.metrics import METRICS, RECIPE, read_metrics
from results.networks import load_trained

BATCH = 250
WIDTHS = range(2, WEIGHT_BITS + 1)
LAVA_SAMPLES = 16
"""Test samples that Lava's own graph runs: half a minute for 220 neurons and 840 steps."""


def measure(folder: Path, *, lava_samples: int = LAVA_SAMPLES) -> Card:
    """The card of a model's folder. ``lava_samples``: how many P2 compares; 0 leaves P2 out."""
    trained = load_trained(folder)
    recipe, progress = trained.recipe, trained.checkpoint.progress
    task, network = trained.task, trained.network
    if isinstance(task, Navigation):
        raise RecipeError(
            f"{folder}: a card of the task 'navigation' can't be made yet; use lsnn-neuro evaluate"
        )
    last = [progress, *read_metrics(folder)][-1]
    places = sum(parameter.numel() for parameter in network.parameters())
    dormant, integers = 0, None
    run = float_runner(network, torch.device("cpu"))
    runs = {IN_FLOAT: (run, 1.0)}
    if isinstance(network, LSNN):
        dormant = sum(s.theta.numel() - s.n_active for s in network.synapses())
        integers = _integers(task, network, trained.weight_bits, lava_samples)
        quantized, _ = trained.quantized()
        runs[ON_INTEGERS] = emulator_runner(quantized), 1 / quantized.readout.scale
    tested = evaluate(task, "test", run, batch_size=BATCH)
    return Card(
        measure=tested.measure,
        recipe=recipe.name,
        seed=recipe.seed,
        trained_bits=recipe.quantization.weight_bits if recipe.quantization else None,
        iterations=last["iteration"],
        planned=recipe.training.iterations,
        best=progress["iteration"],
        seconds=round(last["seconds"], 1),
        validation_score=_validated(folder, progress["iteration"], tested.measure),
        test_samples=task.n_samples("test"),
        score=tested.value,
        parameters=places - dormant,
        places=places,
        integers=integers,
        curves=curves(task, runs) if isinstance(task, LearningToLearn) else {},
        tool_version=__version__,
        sha256={name: tensor_file.sha256(folder / name) for name in (BEST, RECIPE, METRICS)},
    )


def _integers(task: Task, network: LSNN, weight_bits: int, lava_samples: int) -> Integers:
    """Everything about the network on integers; P1 and the rates over the complete test split."""
    spec = network.to_spec()
    quantized, _ = convert(spec, weight_bits=weight_bits)
    aware = QuantizationAware(network, weight_bits=weight_bits)
    spikes: Counter[str] = Counter()
    operations = 0.0
    comparisons, on_emulator, on_aware = [], [], []
    for batch in task.batches("test", BATCH):
        ours = emulate(quantized, batch.inputs)
        theirs = record_torch(aware, network, batch.inputs, name="quantization-aware")
        comparisons.append(compare(ours, theirs))
        bias, unit = quantized.readout.bias, 1 / quantized.readout.scale
        on_emulator.append(score(batch, ours.readout + bias, unit=unit))
        on_aware.append(score(batch, theirs.readout + bias, unit=unit))
        spikes.update({p.name: int(p.spikes.sum()) for p in ours.spikes})
        metrics = neurobench_metrics(quantized, batch.inputs, ours)
        operations += batch.size * metrics.synaptic_operations.Effective_ACs
    p1 = join(comparisons)
    parity = {"P1": _count(p1)}
    if lava_samples:
        parity["P2"] = _count(_on_lava(task, quantized, lava_samples))
    seconds = p1.samples * p1.steps * DT / 1000
    rounded = {bits: convert(spec, weight_bits=bits)[0] for bits in WIDTHS}
    by_width = {
        bits: evaluate(
            task, "test", emulator_runner(n), batch_size=BATCH, unit=1 / n.readout.scale
        ).value
        for bits, n in rounded.items()
    }
    return Integers(
        weight_bits=weight_bits,
        score=join_scores(on_emulator).value,
        aware=join_scores(on_aware).value,
        by_weight_bits=by_width,
        synapses=quantized.n_synapses,
        rates_hz={p.name: spikes[p.name] / p.size / seconds for p in quantized.populations},
        operations=operations / p1.samples,
        parity=parity,
    )


def _validated(folder: Path, iteration: int, measure: Measure) -> float:
    """What the log says of the validation at an iteration."""
    key = f"validation_{measure}"
    for line in read_metrics(folder):
        if line["iteration"] == iteration and key in line:
            return float(line[key])
    raise FileFormatError(f"{folder}: its log has no {key} at iteration {iteration}")


def emulator_runner(quantized: QuantizedNetwork) -> Run:
    """The emulator as something to evaluate."""

    def run(inputs: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        return emulate(quantized, inputs, spikes=False).readout + quantized.readout.bias

    return run


def _on_lava(task: Task, quantized: QuantizedNetwork, samples: int) -> Comparison:
    """The emulator against Lava's processes on the first test samples."""
    batch = next(islice(task.batches("test", samples, samples), 1))
    target = get_target("loihi-sim")
    return compare(emulate(quantized, batch.inputs), target.run(quantized, batch.inputs))


def _count(comparison: Comparison) -> ParityCount:
    return ParityCount(
        other=comparison.other,
        samples=comparison.samples,
        spikes=comparison.spikes,
        mismatches=comparison.mismatches,
        readout_mismatches=comparison.readout_mismatches,
    )
