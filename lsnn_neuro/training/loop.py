"""The training loop: one loop for every network and task, resumable, never losing a run."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from lsnn_neuro import files
from lsnn_neuro.checkpoint import BEST, LAST, Checkpoint
from lsnn_neuro.errors import TrainingError
from lsnn_neuro.recipe import Recipe
from lsnn_neuro.training.callbacks import (
    Callback,
    Checkpoints,
    Interrupt,
    Log,
    ProgressBar,
    Validation,
)
from lsnn_neuro.training.tensorboard import TensorBoard
from lsnn_neuro.training.trainer import Trainer

__all__ = ["Trainer", "summary", "train"]


def train(
    recipe: Recipe,
    run_dir: Path | str | None = None,
    *,
    resume: bool = False,
    device: str = "cpu",
    callbacks: Iterable[Callback] = (),
    progress: bool = True,
    task: Any = None,
) -> Trainer:
    """Train a recipe in a run folder, to its last iteration or the accuracy it stops at.

    SIGINT and SIGTERM end the run after the current iteration, with a checkpoint to resume from and a
    TrainingError that says so. Other errors of training are TrainingErrors too.

    - run_dir: by default ``runs/<name of the recipe>``
    - resume: go on exactly where the folder's last checkpoint stands; without it the folder must be new
    - callbacks: what else is to happen, see :mod:`lsnn_neuro.training.callbacks`
    - progress: show a bar
    - task: the recipe's, made by ``make_task(recipe.task, train=...)`` of data sets in memory
    """
    run_dir = Path("runs") / recipe.name if run_dir is None else Path(run_dir)
    trainer = Trainer(recipe, device=device, task=task, folder=run_dir if resume else None)
    _begin(trainer, run_dir, resume=resume)
    bar = [ProgressBar()] if progress else []
    called = [
        Validation(run_dir), *callbacks, Log(run_dir), TensorBoard(run_dir), *bar, Interrupt(),
        Checkpoints(run_dir),
    ]  # fmt: skip
    with ExitStack() as ends:
        for callback in called:
            callback.start(trainer)
            ends.callback(callback.end, trainer)
        while not trainer.finished and trainer.stopped is None:
            metrics = trainer.train_step()
            for callback in called:
                callback.after_iteration(trainer, metrics)
    if trainer.interrupted and not trainer.finished:
        raise TrainingError(
            f"interrupted after iteration {trainer.iteration}; nothing is lost, go on "
            f"with: lsnn-neuro train {run_dir / 'recipe.toml'} --out {run_dir} --resume"
        )
    return trainer


def _begin(trainer: Trainer, run_dir: Path, *, resume: bool) -> None:
    """Bring a trainer to where its run stands, and write the run's recipe."""
    recipe, last = trainer.recipe, run_dir / LAST
    if resume:
        saved = Checkpoint.load(last)
        _check_resumable(recipe, saved, run_dir)
        trainer.restore(saved)
    elif last.exists():
        raise TrainingError(f"{run_dir}: already holds a run; use --resume or another --out")
    else:
        if recipe.training.start is not None:
            trainer.start_from(Path(recipe.training.start))
        recipe.network.keep(run_dir)
        trainer.checkpoint(resumable=True).save(last)
    files.write_text(run_dir / "recipe.toml", recipe.to_toml())


def _check_resumable(recipe: Recipe, saved: Checkpoint, run_dir: Path) -> None:
    """Refuse a checkpoint that a run of the recipe can't go on from."""
    last = run_dir / LAST
    if not saved.resumable:
        raise TrainingError(
            f"{last}: holds a network without the state to go on from (a copy of {BEST}, or made "
            "by an older version)"
        )
    done = saved.progress["iteration"]
    if done > recipe.training.iterations:
        raise TrainingError(
            f"{last}: has come to iteration {done}, beyond training.iterations = "
            f"{recipe.training.iterations}; resume with more"
        )
    change = recipe.change(saved.recipe, done)
    if change is not None:
        raise TrainingError(
            f"{last}: belongs to another recipe: {change}; resume with {run_dir / 'recipe.toml'} (only "
            "training.iterations, restarts and stop_at_accuracy may change, and the learning rates so "
            "far must stay what they were)"
        )


def summary(trainer: Trainer) -> dict[str, Any]:
    """What a finished run says of itself."""
    return {
        "recipe": trainer.recipe.name,
        "iterations": trainer.iteration,
        **({f"validation_{trainer.best.metric.name}": trainer.best.value} if trainer.best else {}),
        "seconds": round(trainer.seconds, 1),
    }
