"""Make a small folder, fit to be committed, out of a training run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from deploy.model import load
from deploy.publishing.card import CARD, Card
from deploy.publishing.log import METRICS, RECIPE, read_metrics, write_thinned
from deploy.publishing.measurement import LAVA_SAMPLES, measure
from lsnn_neuro import files
from lsnn_neuro.checkpoint import BEST, LAST, module_tensors
from lsnn_neuro.errors import FileFormatError


def publish(
    run: Path, out: Path, *, lava_samples: int = LAVA_SAMPLES, data: str | None = None,
    overwrite: bool = False,
) -> Card:  # fmt: skip
    """Write a run's best network, recipe, thinned log and card into a folder.

    The folder appears complete or not at all. It scores the test split: publish once, when nothing is left
    to choose.

    - data: where the task's data are, in place of what the recipe says
    """
    trained = load(run)
    if trained.artifact is not None:
        raise FileFormatError(f"{run}: is an artifact; publish the run that it was exported from")
    if trained.checkpoint is None:
        raise FileFormatError(f"{run}: holds no trained network; give a run or a checkpoint")
    if trained.file == run / LAST:
        raise FileFormatError(
            f"{run}: was never validated, so no network of it was chosen; train it on (--resume)"
        )
    compact = replace(
        trained.checkpoint,
        arrays=module_tensors(trained.float_network) if trained.spec is None else {},
        progress={k: v for k, v in trained.checkpoint.progress.items() if k != "rng"},
        resumable=False,
    )
    metrics = read_metrics(run)
    with files.new_folder(out, CARD, "a model", overwrite=overwrite) as new:
        compact.save(new / BEST)
        files.write_text(new / RECIPE, trained.recipe.to_toml())
        write_thinned(metrics, new / METRICS)
        card = measure(new, data=data, lava_samples=lava_samples)
        card.save(new)
    return card
