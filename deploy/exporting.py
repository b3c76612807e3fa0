"""What an export is made of: golden samples, what is looked at on them, and what the manifest says."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from deploy.artifact import SOURCE, Artifact
from deploy.mapping.chips import Chip
from deploy.mapping.report import Resources, resources_files, rule_names
from deploy.model import Model
from deploy.samples import SAMPLES, Samples, check_samples, samples_of
from deploy.target import FLOAT
from lsnn_neuro.arrays import Events
from lsnn_neuro.checkpoint import BEST
from lsnn_neuro.errors import DesignRuleError, NetworkError, RecipeError
from lsnn_neuro.registry import ENCODERS
from lsnn_neuro.tasks.encoder import Encoder
from lsnn_neuro.tasks.task import Task
from quantize.activity import PopulationActivity, measure_activity, rates_of
from quantize.design_rules import Violation

WATCHED = 4
"""Samples of an export on which firing rates and saturated states are looked at."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Export:
    """What an export came to.

    - activity: firing rates and saturated states on some samples; violations: design rules that are broken
      and were allowed
    """

    artifact: Artifact
    chip: Chip
    resources: Resources
    activity: tuple[PopulationActivity, ...]
    violations: list[Violation]

    def summary(self) -> dict[str, Any]:
        """The most important of it, as JSON values; energy is an estimate from the literature's figures."""
        network, placement = self.artifact.network, self.resources.placement
        estimate = self.resources.estimate
        return {
            "artifact": str(self.artifact.folder),
            "target": self.artifact.target,
            "neurons": network.n_neurons,
            "synapses": network.n_synapses,
            "golden_samples": self.artifact.inputs.shape[1],
            "chip": self.chip.name,
            "cores": len(placement.cores) if placement else None,
            "microjoule_estimate": estimate.joule * 1e6 if estimate else None,
        }


def golden_samples(
    model: Model, inputs: Events | None, task: Task | None, max_samples: int | None
) -> Samples:
    """The samples that are exported."""
    if task is None:
        assert inputs is not None
        return Samples(inputs=inputs)
    check_samples(task, "test", max_samples)
    n = max_samples or SAMPLES
    return next(samples_of(task, model.integers, batch_size=n, max_samples=n))


def about(
    model: Model, samples: Samples, task: Task | None, violations: Collection[Violation]
) -> dict[str, Any]:
    """What a manifest says of the network beside its files."""
    names = model.class_names or (() if task is None else task.class_names)
    found: dict[str, Any] = {
        "name": model.integers.provenance.recipe
        if model.known_recipe is None
        else model.known_recipe.name,
        "class_names": list(names) or None,
        "decision": None if samples.labels is None else samples.labels.decision(),
        "violations": [asdict(violation) for violation in violations],
    }
    if model.report is not None:
        found["conversion"] = asdict(model.report)
    elif model.artifact is not None and "conversion" in model.artifact.manifest:
        found["conversion"] = model.artifact.manifest["conversion"]
    return found


def encoder_of(model: Model, task: Task | None) -> Encoder | None:
    """How raw data become inputs: the task's way, else as in training, if that is installed here."""
    if task is not None:
        return task.encoder
    known = model.encoder_constants
    if known is None or known.name not in ENCODERS:
        return None
    return known.build(ENCODERS[known.name])


def files_of(model: Model, found: Resources) -> dict[str, bytes]:
    """What an artifact holds beside the network and its spikes."""
    files = resources_files(found)
    if model.file is not None:
        name = BEST if model.imported is None else SOURCE
        files[name] = model.file.read_bytes()
    if model.known_recipe is not None:
        files["recipe.toml"] = model.known_recipe.to_toml().encode()
    return files


def watch(model: Model, inputs: Events) -> tuple[tuple[PopulationActivity, ...], list[str]]:
    """Firing rates and saturated states on integers, beside the rates in float; or why these are missing."""
    rates, why_not = None, []
    if model.report is not None and model.has_float:
        try:
            from quantize.aware import record_torch
        except ImportError as error:
            why_not = [f"{error.name or 'torch'} is not installed"]
        else:
            net = model.float_network
            rates = rates_of(record_torch(net, net, inputs, name=FLOAT).spikes, model.integers.dt)
    return measure_activity(model.integers, inputs, rates), why_not


def check_rules(allow: Collection[str]) -> None:
    """Refuse names of design rules that are none."""
    given = {allow} if isinstance(allow, str) else set(allow)
    unknown = sorted(given - rule_names())
    if unknown:
        raise RecipeError(
            f"--allow {unknown[0]}: there is no such design rule; there are {', '.join(sorted(rule_names()))}"
        )


def check_trained(model: Model) -> None:
    """Refuse the network of a run that has not made an iteration."""
    if model.checkpoint is not None and model.checkpoint.is_untrained:
        raise NetworkError(
            f"{model.name}: its run has made no iteration, so its network is not trained; train it first "
            "(train --resume)"
        )


def refuse(violations: Collection[Violation], allow: Collection[str]) -> None:
    """Refuse a network that breaks rules which are not allowed to be broken."""
    allowed = {allow} if isinstance(allow, str) else set(allow)
    broken = sorted({violation.rule for violation in violations} - allowed)
    if broken:
        first = next(violation for violation in violations if violation.rule in broken)
        options = " ".join(f"--allow {rule}" for rule in broken)
        raise DesignRuleError(f"design rule {first}; {options} exports all the same")
