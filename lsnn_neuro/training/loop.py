"""The training loop: one loop for every network and task, resumable, never losing a run."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from lsnn_neuro import files
from lsnn_neuro.checkpoint import BEST, LAST, Checkpoint
from lsnn_neuro.errors import FileFormatError, TrainingError
from lsnn_neuro.parts import owned
from lsnn_neuro.places import anchored, with_data
from lsnn_neuro.recipe import Recipe
from lsnn_neuro.tasks import make_task
from lsnn_neuro.training.callbacks import (
    Callback,
    Checkpoints,
    Interrupt,
    Log,
    ProgressBar,
    Silence,
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
    data: str | None = None,
) -> Trainer:
    """Train a recipe in a run folder, to its last iteration or the accuracy it stops at.

    SIGINT, SIGTERM, SIGHUP and SIGUSR1 end the run after the current iteration, with a checkpoint to resume
    from and a TrainingError that says so. Other errors of training are TrainingErrors too, and so is a run
    folder in which another process trains.

    - run_dir: by default ``runs/<name of the recipe>``
    - resume: go on exactly where the folder's last checkpoint stands; without it the folder must be new
    - callbacks: what else is to happen, see :mod:`lsnn_neuro.training.callbacks`
    - progress: show a bar, or a line at each validation where there is no terminal
    - task: the recipe's, made by ``make_task(recipe.task, train=...)`` of data sets in memory
    - data: where the task's data are, in place of what the recipe says: a run can go on where they have
      moved, with the constants and the classes that it began with
    """
    run_dir = Path("runs") / recipe.name if run_dir is None else Path(run_dir)
    recipe = anchored(recipe) if data is None else anchored(with_data(recipe, data))
    with ExitStack() as ends:
        saved = None
        if resume:
            ends.enter_context(_owner(run_dir, resume=True))
            saved = Checkpoint.load(run_dir / LAST)
            _check_resumable(recipe, saved, run_dir, moved=data is not None)
            task = saved.as_trained(make_task(recipe.task) if task is None else task)
        folder = run_dir if resume else None
        trainer = Trainer(recipe, device=device, task=task, folder=folder)
        if not resume:  # nothing is left of a recipe that can't be trained
            ends.enter_context(_owner(run_dir, resume=False))
        _begin(trainer, run_dir, saved)
        called = [
            Validation(run_dir), *callbacks, Log(run_dir), TensorBoard(run_dir),
            *([ProgressBar()] if progress else []), Silence(), Interrupt(), Checkpoints(run_dir),
        ]  # fmt: skip
        for callback in called:
            callback.start(trainer)
            ends.callback(callback.end, trainer)
        while not trainer.finished and trainer.stopped is None:
            metrics = trainer.train_step()
            for callback in called:
                callback.after_iteration(trainer, metrics)
    if trainer.interrupted and not trainer.finished:
        on = f" --device {device}" if device != "cpu" else ""
        raise TrainingError(
            f"interrupted by {trainer.interrupted} after iteration {trainer.iteration}; nothing is lost, go "
            f"on with: lsnn-neuro train {shlex.quote(str(run_dir))} --resume{on}"
        )
    return trainer


@contextmanager
def _owner(run_dir: Path, *, resume: bool) -> Iterator[None]:
    """The run folder, made where the run is new, for this process alone."""
    if resume and not (run_dir / LAST).is_file():
        raise FileFormatError(f"{run_dir / LAST}: no such file; there is no run to resume")
    with ExitStack() as ends:
        try:
            run_dir.mkdir(parents=True, exist_ok=True)
            ours = ends.enter_context(owned(run_dir))
        except OSError as error:
            raise TrainingError(f"{run_dir}: can't be written ({error.strerror})") from error
        if not ours:
            raise TrainingError(
                f"{run_dir}: another process is training in it; wait for its end, or use another --out"
            )
        yield


def _begin(trainer: Trainer, run_dir: Path, saved: Checkpoint | None) -> None:
    """Bring a trainer to where its run stands, and write the run's recipe."""
    recipe, last = trainer.recipe, run_dir / LAST
    if saved is not None:
        trainer.restore(saved)
    elif last.exists():
        raise TrainingError(f"{run_dir}: already holds a run; use --resume or another --out")
    else:
        if recipe.training.start is not None:
            trainer.start_from(Path(recipe.training.start))
        recipe.network.keep(run_dir)
        trainer.checkpoint(resumable=True).save(last)
    files.write_text(run_dir / "recipe.toml", recipe.to_toml())


def _check_resumable(recipe: Recipe, saved: Checkpoint, run_dir: Path, *, moved: bool) -> None:
    """Refuse a checkpoint that a run of the recipe can't go on from; ``moved``: its data may be elsewhere."""
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
    before = with_data(saved.recipe, recipe.task.data) if moved else saved.recipe
    change = recipe.change(before, done)
    if change is not None:
        raise TrainingError(
            f"{last}: belongs to another recipe: {change}; resume with {run_dir / 'recipe.toml'} (only "
            "training.iterations, restarts and stop_at_accuracy may change, and the learning rates so "
            "far must stay what they were; where data have moved, --data PATH says it)"
        )


def summary(trainer: Trainer) -> dict[str, Any]:
    """What a finished run says of itself."""
    return {
        "recipe": trainer.recipe.name,
        "iterations": trainer.iteration,
        **({f"validation_{trainer.best.metric.name}": trainer.best.value} if trainer.best else {}),
        "seconds": round(trainer.seconds, 1),
    }
