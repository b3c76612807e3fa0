"""Make a small folder, fit to be committed, out of a training run."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lsnn_neuro import tensor_file
from lsnn_neuro.checkpoint import (
    BEST,
    Checkpoint,
    compact_arrays,
    find_checkpoint,
    restore_network,
)
from lsnn_neuro.errors import FileFormatError
from lsnn_neuro.tasks import make_task
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
    file = find_checkpoint(run)
    checkpoint = Checkpoint.load(file)
    task = make_task(checkpoint.recipe.task)
    network = restore_network(checkpoint, file, task.n_inputs, task.n_outputs)
    compact = Checkpoint(
        recipe=checkpoint.recipe,
        arrays=compact_arrays(network),
        progress={k: v for k, v in checkpoint.progress.items() if k != "rng"},
    )
    metrics = read_metrics(run)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
        new = Path(temporary) / out.name
        compact.save(new / BEST)
        tensor_file.write_text(new / RECIPE, checkpoint.recipe.to_toml())
        write_thinned(metrics, new / METRICS)
        card = measure(new, lava_samples=lava_samples)
        card.save(new)
        if out.exists():
            out.replace(Path(temporary) / "old")
        new.replace(out)
    return card
