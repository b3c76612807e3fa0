"""Make a small folder, fit to be committed, out of a training run."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from deploy.model import load
from lsnn_neuro import files
from lsnn_neuro.checkpoint import BEST, module_tensors
from lsnn_neuro.errors import FileFormatError
from results.card import CARD, Card
from results.measure import LAVA_SAMPLES, measure
from results.metrics import METRICS, RECIPE, read_metrics, write_thinned


def publish(
    run: Path, out: Path, *, lava_samples: int = LAVA_SAMPLES, overwrite: bool = False
) -> Card:
    """Write a run's best network, recipe, thinned log and card into a folder.

    The folder appears complete or not at all. This is where the test split is looked at: once, when
    nothing is left to choose.
    """
    if out.exists():
        if not overwrite:
            raise FileFormatError(f"{out}: already exists; use --overwrite or another --out")
        if not (out / CARD).is_file() and any(out.iterdir()):
            raise FileFormatError(f"{out}: is not a model and is not overwritten; choose another")
    trained = load(run)
    if trained.checkpoint is None:
        raise FileFormatError(f"{run}: holds no trained network; give a run or a checkpoint")
    compact = replace(
        trained.checkpoint,
        arrays=module_tensors(trained.float_network) if trained.spec is None else {},
        progress={k: v for k, v in trained.checkpoint.progress.items() if k != "rng"},
        resumable=False,
    )
    metrics = read_metrics(run)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
        new = Path(temporary) / out.name
        compact.save(new / BEST)
        files.write_text(new / RECIPE, trained.recipe.to_toml())
        write_thinned(metrics, new / METRICS)
        card = measure(new, lava_samples=lava_samples)
        card.save(new)
        if out.exists():
            out.replace(Path(temporary) / "old")
        new.replace(out)
    return card
