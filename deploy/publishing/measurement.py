"""Measure a model: all of its task's test split in float and on integers, and a look at Lava."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from torch import nn

from deploy.comparison import Comparison, compare, compare_levels, join
from deploy.emulated import Emulator
from deploy.levels import Sides
from deploy.mapping.metrics import neurobench_metrics
from deploy.model import Model, load
from deploy.player import TargetPlayer
from deploy.publishing.card import Card, Integers, ParityCount
from deploy.publishing.log import METRICS, RECIPE, read_metrics
from deploy.samples import samples_of
from deploy.targets import get_target
from deploy.tasks import task_of_user
from lsnn_neuro import __version__, files
from lsnn_neuro.checkpoint import BEST
from lsnn_neuro.errors import FileFormatError
from lsnn_neuro.evaluation import evaluate
from lsnn_neuro.network.module import SpikingNetwork
from lsnn_neuro.network.spec import NetworkSpec
from lsnn_neuro.network.synapses import Synapses
from lsnn_neuro.player import FloatPlayer, Player
from lsnn_neuro.tasks.score import Score
from quantize.aware import QuantizationAware, record_torch
from quantize.conversion import convert
from quantize.emulator import emulate
from quantize.loihi import WEIGHT_BITS
from quantize.network import QuantizedNetwork

BATCH = 250
IN_FLOAT, ON_INTEGERS = "network, float", "network, integers"
WIDTHS = range(2, WEIGHT_BITS + 1)
LAVA_SAMPLES = 16
"""Test samples that Lava's own graph runs: half a minute for 220 neurons and 840 steps."""


def measure(folder: Path, *, data: str | None = None, lava_samples: int = LAVA_SAMPLES) -> Card:
    """The card of a model's folder.

    - data: where the task's data are, in place of what the recipe says
    - lava_samples: how many P2 compares; 0 leaves P2 out
    """
    trained = load(folder)
    assert trained.checkpoint is not None  # a model's folder has one
    recipe, progress = trained.recipe, trained.checkpoint.progress
    task = task_of_user(trained, None, data) or trained.task
    network = trained.float_network
    last = [progress, *read_metrics(folder)][-1]
    parameters = count_parameters(network)
    dormant, integers = 0, None
    players: dict[str, Player] = {IN_FLOAT: FloatPlayer(network)}
    tested = evaluate(task, players[IN_FLOAT], "test")
    scores = {IN_FLOAT: tested}
    if trained.spec is not None:
        dormant = count_dormant(trained.spec)
        quantized = trained.integers
        players[ON_INTEGERS] = TargetPlayer(quantized, Emulator())
        scores[ON_INTEGERS] = evaluate(task, players[ON_INTEGERS], "test")
        integers = _integers(task, network, quantized, scores[ON_INTEGERS], lava_samples)
    scores |= task.baselines("test")
    trained_for = recipe.section("quantization")
    return Card(
        metric=tested.metric.name,
        recipe=recipe.name,
        data=trained.place_to_name,
        splits=task.splits or None,
        seed=recipe.seed,
        trained_bits=trained_for.weight_bits if trained_for else None,
        initialized_from=recipe.training.start,
        iterations=last["iteration"],
        max_iterations=recipe.training.iterations,
        best_iteration=progress["iteration"],
        seconds=round(last["seconds"], 1),
        validation_score=_validated(folder, progress["iteration"], tested.metric.name),
        test_samples=task.n_samples("test"),
        score=tested.value,
        active_parameters=parameters,
        total_parameters=parameters + dormant,
        integers=integers,
        curves=dict(task.curves(players)),
        episodes={
            name: {score.metric.name: score.value, **score.extra_each}
            for name, score in scores.items()
            if score.extra
        },
        beside={
            f"{one.metric.name} {name.replace('_', ' ')}, {who.removeprefix('network, ')}": one.value
            for who, score in scores.items()
            for name, one in score.beside.items()
        },
        tool_version=__version__,
        sha256={name: files.sha256(folder / name) for name in (BEST, RECIPE, METRICS)},
    )


def count_parameters(network: nn.Module) -> int:
    """Learnt numbers; slots that hold no synapse don't count."""
    free = sum(
        len(module.theta) - module.n_active
        for module in network.modules()
        if isinstance(module, Synapses)
    )
    return sum(parameter.numel() for parameter in network.parameters()) - free


def count_dormant(spec: NetworkSpec) -> int:
    """How many pairs of neurons the spec's projections join without a synapse."""
    pairs = sum(spec.size_of(p.source) * spec.size_of(p.target) for p in spec.projections)
    return pairs - spec.n_synapses


def _integers(
    task: Any, network: SpikingNetwork, quantized: QuantizedNetwork, tested: Score,
    lava_samples: int,
) -> Integers:  # fmt: skip
    """Everything about the network on integers; P1 and the rates over the complete test split."""
    spec, bits = network.to_spec(), quantized.provenance.weight_bits
    aware = QuantizationAware(network, weight_bits=bits)
    spikes: Counter[str] = Counter()
    operations = 0.0
    comparisons = []
    whole = samples_of(task, quantized, batch_size=BATCH, max_samples=task.n_samples("test"))
    for samples in whole:
        inputs = samples.inputs
        ours = samples.record or emulate(quantized, inputs)
        theirs = record_torch(aware, network, inputs, name="quantization-aware")
        comparisons.append(compare(ours, theirs))
        spikes.update({p.name: int(p.spikes.sum()) for p in ours.spikes})
        metrics = neurobench_metrics(quantized, inputs, ours)
        operations += inputs.shape[1] * metrics.synaptic_operations.Effective_ACs
    p1 = join(comparisons)
    parity = {"P1": _count(p1)}
    if lava_samples:
        parity |= _on_lava(task, quantized, lava_samples)
    seconds = p1.samples * p1.steps * quantized.dt / 1000
    by_width = {
        width: evaluate(
            task, TargetPlayer(convert(spec, weight_bits=width)[0], Emulator()), "test"
        ).value
        for width in WIDTHS
    }
    return Integers(
        weight_bits=bits,
        score=tested.value,
        aware=evaluate(task, FloatPlayer(aware), "test").value,
        by_weight_bits=by_width,
        synapses=quantized.n_synapses,
        rates_hz={p.name: spikes[p.name] / p.size / seconds for p in quantized.spiking},
        operations=operations / p1.samples,
        parity=parity,
    )


def _validated(folder: Path, iteration: int, measure: str) -> float:
    """What the log says of the validation at an iteration."""
    key = f"validation_{measure}"
    for line in read_metrics(folder):
        if line["iteration"] == iteration and key in line:
            return float(line[key])
    raise FileFormatError(f"{folder}: its log has no {key} at iteration {iteration}")


def _on_lava(task: Any, quantized: QuantizedNetwork, samples: int) -> dict[str, ParityCount]:
    """The emulator against Lava's processes on the first test samples, in closed loop too if it is one."""
    model, target = Model(network=quantized), get_target("loihi-sim")
    sides = Sides.of(model, target)
    batch = next(samples_of(task, quantized, batch_size=samples, max_samples=samples))
    loop = next(sides.closed_loops(task, samples, samples), None)
    found = compare_levels(sides.run(batch, loop=loop))
    return {level: _count(comparison) for level, comparison in found.items()}


def _count(comparison: Comparison) -> ParityCount:
    return ParityCount(
        other=comparison.other,
        samples=comparison.samples,
        spikes=comparison.spikes,
        mismatches=comparison.mismatches,
        readout_mismatches=comparison.readout_mismatches,
    )
