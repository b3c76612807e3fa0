"""What can be done with a trained or integer network: the verbs behind the command line, for Python too."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from deploy.artifact import Artifact, load_artifact, versions, write_artifact
from deploy.emulated import Emulator
from deploy.exporting import (
    WATCHED,
    Export,
    about,
    check_rules,
    check_trained,
    encoder_of,
    files_of,
    golden_samples,
    refuse,
    watch,
)
from deploy.levels import Gathering, Sides, emulator_side
from deploy.manifest import MANIFEST
from deploy.mapping.chips import Chip, load_chip
from deploy.mapping.report import Resources, resources
from deploy.model import Model, Network, model_of
from deploy.parity_report import ParityReport
from deploy.player import LatePlayer, TargetPlayer
from deploy.probe import make_probe
from deploy.quiet import silence_on, spikes_of
from deploy.samples import SAMPLES, Samples, batches_of, check_samples, samples_of
from deploy.source import SourceRun
from deploy.target import FLOAT, Target
from deploy.targets import TARGETS, get_target
from lsnn_neuro.arrays import Events
from lsnn_neuro.errors import DataError, FileFormatError, NetworkError, RecipeError
from lsnn_neuro.evaluation import evaluate as score
from lsnn_neuro.files import check_new_folder, write_text
from lsnn_neuro.player import FloatPlayer, Player
from lsnn_neuro.silence import silence
from lsnn_neuro.tasks.score import Score
from lsnn_neuro.tasks.task import Split, Task, Trials
from quantize.design_rules import Violation, check
from quantize.emulator import check_inputs
from quantize.network import SPIKES, value_range
from quantize.record import SpikeRecord

BATCH = 128
"""Samples that run side by side when many are compared."""


def _target(given: Target | type[Target] | str) -> Target:
    """A target as it is, or of a class; NetworkError says what to give for a name."""
    made = given() if isinstance(given, type) else given
    if isinstance(made, str) or not hasattr(made, "level"):
        raise NetworkError(
            f"target is {given!r}, expected deploy.Emulator(), deploy.LoihiSim() or another target; "
            "deploy.get_target(name) finds one by its name"
        )
    return made


def run(network: Network, inputs: Events, target: Target | None = None) -> SpikeRecord:
    """Run a network on a target, by default the emulator.

    - inputs: bool or int8, (time, sample, input)
    - returns: spikes of every population and the readout, see :class:`quantize.record.SpikeRecord`
    """
    return _target(target or Emulator()).run(model_of(network).integers, inputs)


def evaluate(
    model: Network, target: Target | str | None = None, *, task: Task | None = None,
    split: Split = "test", max_samples: int | None = None, batch_size: int = 250,
    tell: Callable[[Iterable[object]], None] = lambda lines: None,
) -> Score:  # fmt: skip
    """Score a network on held-out samples of its task.

    - target: what runs it: a target, "float", or by default an artifact's own target, else float, or the
      emulator where there are integers alone
    - task: by default the one it was trained on; max_samples: None for all
    - tell: is given what a user should know beside the score: populations that do not spike
    """
    model = model_of(model)
    task = model.task if task is None else model.with_task(task)
    check_samples(task, split, max_samples)
    seen: list[Events] = []

    def watch(trials: Trials) -> None:
        if not seen:
            seen.append(trials.inputs[:, :SAMPLES])

    found = score(
        task, player_of(model, target), split, batch_size=batch_size, max_samples=max_samples,
        watch=watch,
    )  # fmt: skip
    in_float = (default_target(model) if target is None else target) == FLOAT
    tell(line for inputs in seen for line in silence_on(model, inputs, in_float=in_float))
    return found


def player_of(model: Model, target: Target | str | None = None) -> Player:
    """A model as something to play tasks on; see :func:`evaluate`."""
    target = default_target(model) if target is None else target
    if target == FLOAT and not model.has_float:
        raise NetworkError(
            f"{model.name}: holds integers alone, which target {FLOAT!r} can't run; give --target emulator"
        )
    player: Player = (
        FloatPlayer(model.float_network)
        if target == FLOAT
        else TargetPlayer(model.integers, _target(target))
    )
    late = 0 if model.imported is None else model.imported.late
    return LatePlayer(player, late) if late else player


def default_target(model: Model) -> Target | str:
    """What runs a model by default: an artifact's own target, else float, else the emulator."""
    if model.artifact is not None:
        return get_target(model.artifact.target)
    return FLOAT if model.has_float else Emulator()


def parity(
    model: Network, target: Target | None = None, *, inputs: Events | None = None,
    task: Task | None = None, max_samples: int | None = None, source: SourceRun | Path | str | None = None,
) -> ParityReport:  # fmt: skip
    """Prove spike by spike that a network is the same on every side: levels P0 to P3, and source.

    - target: compared with the emulator on its own level; None leaves that level out
    - inputs: (time, sample, input); by default an artifact's golden samples and probe, else test samples of
      ``task``, by default the model's own, 16 or ``max_samples`` of them
    - source: of an imported network, what its own framework did (:class:`deploy.source.SourceRun`, or its
      file); its inputs are then the usual ones
    """
    model = model_of(model)
    ran = SourceRun.read(source) if isinstance(source, Path | str) else source
    if ran is not None and inputs is None and task is None and max_samples is None:
        inputs = ran.events(model)
    found = _parity(model, target, inputs, task, max_samples)
    if ran is not None:
        found = ran.compared(model, found)
    if not found.levels:
        raise NetworkError(
            f"{model.name}: no float network is known to compare the emulator with; choose another target: "
            "--target loihi-sim"
        )
    return found


def _parity(
    model: Model, target: Target | None, inputs: Events | None, task: Task | None, max_samples: int | None
) -> ParityReport:  # fmt: skip
    """Levels P0 to P3."""
    _check_alone(inputs, task, max_samples)
    if inputs is not None:
        check_inputs(model.integers, inputs)
    target = None if target is None else _target(target)
    sides, gathering = Sides.of(model, target), Gathering(model.integers)
    if model.artifact is not None and inputs is None and task is None and max_samples is None:
        return _parity_of_artifact(model, model.artifact, sides, gathering)
    played = None if inputs is not None else task or model.task
    if played is not None:
        check_samples(played, "test", max_samples)
    n = max_samples or SAMPLES
    loops: Iterator[SpikeRecord] = (
        iter(()) if played is None else sides.closed_loops(played, BATCH, n)
    )
    for samples in _batches(model, inputs, played, n):
        gathering.add(sides.run(samples, loop=next(loops, None)), samples)
    return gathering.report(sides.skipped)


def _batches(
    model: Model, inputs: Events | None, task: Task | None, max_samples: int
) -> Iterator[Samples]:
    """Given inputs, or test samples of a task, in batches."""
    if inputs is not None:
        yield from batches_of(Samples(inputs=inputs), BATCH)
    elif task is not None:
        yield from samples_of(task, model.integers, batch_size=BATCH, max_samples=max_samples)


def _parity_of_artifact(
    model: Model, artifact: Artifact, sides: Sides, gathering: Gathering
) -> ParityReport:
    """Golden samples on every level, and the probe on the emulator and the target."""
    task, samples = _matching_task(model, artifact)
    n = artifact.inputs.shape[1]
    loops = iter(()) if task is None else sides.closed_loops(task, n, n)
    gathering.add(sides.run(samples, kept=artifact.golden, loop=next(loops, None)), samples)
    found = gathering.report(sides.skipped)
    if artifact.probe is None:
        return found
    probed = sides.run_probe(*artifact.probe)
    return replace(found, levels={**found.levels, **probed})


def _matching_task(model: Model, artifact: Artifact) -> tuple[Task | None, Samples]:
    """The task whose first test samples the golden ones are, and their labels.

    None, if they are not, or if the task's data are not at hand: an artifact may be where they are not,
    since speech is licensed, and parity needs none of it.
    """
    n = artifact.inputs.shape[1]
    try:
        task = model.task
        found = next(samples_of(task, model.integers, batch_size=n, max_samples=n))
    except (DataError, FileFormatError, RecipeError):
        return None, Samples(inputs=artifact.inputs)
    if not np.array_equal(found.inputs, artifact.inputs):
        return None, Samples(inputs=artifact.inputs)
    return task, found


@dataclass(frozen=True, kw_only=True, eq=False)
class Inspection:
    """What a network is on a chip: where it fits, what it costs, which rules it breaks."""

    model: Model
    resources: Resources
    violations: list[Violation]


def inspect(model: Network, chip: Chip | str = "loihi2") -> Inspection:
    """Place a network on a chip and check the design rules; of an artifact also cost its golden samples."""
    model = model_of(model)
    artifact = model.artifact
    known = () if artifact is None else (artifact.inputs, artifact.golden)
    found = resources(model.integers, _chip(chip), *known)
    values = SPIKES if artifact is None else value_range(artifact.inputs)
    return Inspection(
        model=model, resources=found, violations=[*check(model.integers, values), *found.violations]
    )


def _chip(chip: Chip | str) -> Chip:
    return load_chip(chip) if isinstance(chip, str) else chip


def export(
    model: Network, folder: Path | str, *, target: Target | type[Target],
    inputs: Events | None = None, task: Task | None = None, max_samples: int | None = None,
    chip: Chip | str = "loihi2", allow: Collection[str] = (), overwrite: bool = False,
    tell: Callable[[Iterable[object]], None] = lambda lines: None,
) -> Export:  # fmt: skip
    """Write a network as an artifact for a target: checked, placed, with golden and probe spikes.

    - inputs: golden ones, (time, sample, input); by default test samples of ``task``, by default the
      model's own, 16 or ``max_samples`` of them
    - chip: where it must find a place; allow: names of design rules it may break
    - tell: is given what is lost and which rules are broken, as it is found

    DesignRuleError names the first rule that is broken; nothing is written then.
    """
    model, target = model_of(model), _target(target)
    check_rules(allow)
    check_trained(model)
    _check_alone(inputs, task, max_samples)
    check_new_folder(Path(folder), MANIFEST, "an artifact", overwrite=overwrite)
    played = None if inputs is not None else task or model.task
    samples = golden_samples(model, inputs, played, max_samples)
    golden = emulator_side(model.integers, samples).record
    activity, why_not = watch(model, samples.inputs[:, :WATCHED])
    tell(silence(spikes_of(golden), f"the {samples.inputs.shape[1]} golden samples"))
    tell(f"rates in float are left out: {reason}" for reason in why_not)
    tell(f"quantization: {flag}" for a in activity for flag in a.flags())
    placed_on = _chip(chip)
    found = resources(model.integers, placed_on, samples.inputs, golden)
    violations = [*check(model.integers, value_range(samples.inputs)), *found.violations]
    tell(f"design rule {violation}" for violation in violations)
    refuse(violations, allow)
    write_artifact(
        Path(folder), model.integers, target=target.name, inputs=samples.inputs, golden=golden,
        about=about(model, samples, played, violations), files=files_of(model, found),
        probe=make_probe(model.integers, value_range(samples.inputs)),
        encoder=encoder_of(model, played), overwrite=overwrite,
    )  # fmt: skip
    return Export(
        artifact=load_artifact(Path(folder)), chip=placed_on, resources=found, activity=activity,
        violations=violations,
    )  # fmt: skip


def report(
    model: Network, target: Target | None = None, *, out: Path | str | None = None,
    inputs: Events | None = None, task: Task | None = None, max_samples: int | None = None,
    chip: Chip | str = "loihi2",
) -> tuple[Path, ParityReport]:  # fmt: skip
    """Write the parity of a network as one HTML file; gives the file and what is in it.

    - out: by default ``report.html`` in an artifact's folder; the others: see :func:`parity`
    """
    from deploy.reporting.html import parity_page
    from deploy.reporting.page import render
    from deploy.reporting.report import Report

    model = model_of(model)
    if out is None:
        if model.artifact is None:
            raise NetworkError(
                f"{model.name}: is no artifact to write a report into; name a file (--out)"
            )
        out = model.artifact.folder / "report.html"
    out = Path(out)
    found = parity(model, target, inputs=inputs, task=task, max_samples=max_samples)
    write_text(out, render(parity_page(Report.of(found, model, _chip(chip)))))
    return out, found


def _check_alone(inputs: Events | None, task: Task | None, max_samples: int | None) -> None:
    """Refuse inputs beside a task or a number of samples, one of which would be passed over."""
    if inputs is not None and (task is not None or max_samples is not None):
        raise NetworkError("inputs stand alone: leave task and max_samples out")


def system() -> dict[str, Any]:
    """What computes here: the kernel, versions, and every target with why it can't run."""
    from lsnn_neuro.network import kernel

    reasons = {name: TARGETS[name]().unavailable() for name in TARGETS}
    return {
        "kernel": kernel.description(),
        "versions": versions(),
        "targets": {name: reason or "ready" for name, reason in reasons.items()},
    }
