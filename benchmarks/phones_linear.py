"""The linear baseline of the phones: one frame at a time, without memory.

Multinomial logistic regression on what the network hears in a frame (and, with ``--context``, in so
many frames before and after it), trained on the recipe's training recordings and scored on the test
split as ``lsnn-neuro evaluate`` scores networks.

    python benchmarks/phones_linear.py --data FOLDER [--recipe phones] [--context 4]
"""

from __future__ import annotations

import json

import click
import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from lsnn_neuro.encoders import levels_reached
from lsnn_neuro.recipe import load_recipe
from lsnn_neuro.tasks.phones import UNLABELLED, Phones, PhonesConfig, Recording


def frames_of(
    recordings: tuple[Recording, ...], levels: int, context: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """The code of each labelled frame and its neighbours, (frame, input), and its class."""
    rows, targets = [], []
    for recording in recordings:
        n = len(recording.frames)
        code = levels_reached(recording.frames, levels).reshape(n, -1)
        padded = np.pad(code, ((context, context), (0, 0)))  # silence before and after
        seen = np.concatenate([padded[i : i + n] for i in range(2 * context + 1)], axis=1)
        judged = recording.target != UNLABELLED
        rows.append(seen[judged])
        targets.append(recording.target[judged])
    return np.concatenate(rows).astype(np.float32), np.concatenate(targets)


@click.command()
@click.option("--recipe", default="phones", show_default=True)
@click.option("--data", help="Folder laid out like TIMIT, instead of the recipe's choice.")
@click.option("--context", default=0, show_default=True, help="Frames seen on either side.")
def main(recipe: str, data: str | None, context: int) -> None:
    """Train the linear classifier and print its accuracy as JSON."""
    config = load_recipe(recipe, [] if data is None else [f"task.data={data}"]).task
    if not isinstance(config, PhonesConfig):
        raise click.UsageError(f"recipe {recipe!r}: its task is {config.name!r}, not 'phones'")
    task = Phones(config)
    train, test = (
        frames_of(task.recordings[part], config.levels, context) for part in ("train", "test")
    )
    model = LogisticRegression(max_iter=300, tol=1e-3)
    model.fit(*train)
    result = {"train_frames": len(train[1]), "test_frames": len(test[1]), "context": context}
    for part, (seen, target) in (("train", train), ("test", test)):
        scored = task.folding.class_map
        result[f"{part}_accuracy"] = float((scored[model.predict(seen)] == scored[target]).mean())
    click.echo(json.dumps(result))


if __name__ == "__main__":
    main()
