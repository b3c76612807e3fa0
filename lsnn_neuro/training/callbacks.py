"""Callbacks: what happens around the iterations of a run.

After each iteration they are called in this order, in which they also start; they end in the reverse one:

1. :class:`Validation` scores the network when that is due, and keeps the best one
2. those given to :func:`lsnn_neuro.training.train`, in the order given
3. :class:`Log` writes ``metrics.jsonl``
4. :class:`lsnn_neuro.training.tensorboard.TensorBoard` writes what TensorBoard shows
5. :class:`ProgressBar`, unless it is turned off
6. :class:`Silence` says which populations do not spike
7. :class:`Interrupt` stops the run after a signal that asks it to end
8. :class:`Checkpoints` writes what the run can be resumed from
"""

from __future__ import annotations

import json
import signal
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lsnn_neuro import files
from lsnn_neuro.bounded import parse_table, read_text
from lsnn_neuro.checkpoint import BEST, LAST
from lsnn_neuro.errors import TrainingError
from lsnn_neuro.signals import REQUESTS, handled
from lsnn_neuro.silence import silence

if TYPE_CHECKING:
    from lsnn_neuro.training.trainer import Trainer

METRICS = "metrics.jsonl"


class Callback:
    """Something that happens around the iterations of a run; override what is needed.

    A callback may read all of the trainer: ``network``, ``model``, ``task``, ``recipe``, ``optimizer``,
    ``deep_r``, ``iteration``, ``score``, ``best``, ``seconds``; while iterations are under way ``validated``
    says whether this one was scored. It may call ``trainer.stop(reason)``. What it does to the network or
    the optimizer is trained on and checkpointed; random numbers it must draw from a generator of its own,
    and a state of its own is not in the checkpoint.
    """

    def start(self, trainer: Trainer) -> None:
        """Before the first iteration of this run or resumed run."""

    def after_iteration(self, trainer: Trainer, metrics: dict[str, float]) -> None:
        """After each iteration, when ``trainer.iteration`` have been made.

        - metrics: of this iteration, by name; numbers that are added here go into the log
        """

    def end(self, trainer: Trainer) -> None:
        """After the last iteration, or after an error; called if ``start`` was."""


class Validation(Callback):
    """Scores the network every ``training.validate_every`` iterations and at the end; keeps the best one."""

    def __init__(self, run_dir: Path):
        self.file = run_dir / BEST

    def after_iteration(self, trainer: Trainer, metrics: dict[str, float]) -> None:
        """Score the network when that is due."""
        config = trainer.recipe.training
        if trainer.iteration % config.validate_every and trainer.iteration != config.iterations:
            return
        score = trainer.validate()
        if score is trainer.best:
            trainer.checkpoint(resumable=False).save(self.file)
        metrics[f"validation_{score.metric.name}"] = score.value


class Log(Callback):
    """``metrics.jsonl``, one line an iteration; what came after a checkpoint is cut off."""

    def __init__(self, run_dir: Path):
        self.path = run_dir / METRICS

    def start(self, trainer: Trainer) -> None:
        """Open the file, cut to the iterations that the run has made."""
        there = self.path.exists()
        lines = read_text(self.path, str(self.path), TrainingError).splitlines() if there else []
        kept = [line for line in lines if _iteration_of(line) <= trainer.iteration]
        files.write_text(self.path, "".join(f"{line}\n" for line in kept))
        self.file = self.path.open("a")

    def after_iteration(self, trainer: Trainer, metrics: dict[str, float]) -> None:
        """Append a line."""
        line = {"iteration": trainer.iteration, **metrics, "seconds": trainer.seconds}
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()

    def end(self, trainer: Trainer) -> None:
        """Close the file."""
        self.file.close()


def _iteration_of(line: str) -> float:
    """The iteration of a metrics line; a line cut short by a crash counts as never written."""
    try:
        return float(parse_table(line)["iteration"])
    except (ValueError, KeyError, TypeError, OverflowError):
        return float("inf")


class ProgressBar(Callback):
    """A bar on the terminal, with the loss and the best score; elsewhere a line at each validation."""

    def start(self, trainer: Trainer) -> None:
        """Show the bar."""
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            TextColumn("{task.fields[info]}"),
        )  # fmt: skip
        self.bar = Progress(*columns, transient=False)
        self.seen = self.bar.console.is_terminal
        total = trainer.recipe.training.iterations
        self.row = self.bar.add_task(
            trainer.recipe.name, total=total, completed=trainer.iteration, info=""
        )
        if self.seen:
            self.bar.start()

    def after_iteration(self, trainer: Trainer, metrics: dict[str, float]) -> None:
        """Move the bar, or print a line."""
        best = f"  best {trainer.best.value:.4g}" if trainer.best else ""
        info = f"loss {metrics['loss']:.3f}{best}"
        if self.seen:
            self.bar.update(self.row, completed=trainer.iteration, info=info)
        elif trainer.validated and trainer.score:
            score, total = trainer.score, trainer.recipe.training.iterations
            now = f"validation {score.metric.name} {score.value:.4g}, {trainer.seconds:.0f} s"
            with suppress(OSError):  # nobody reads, or a full disk: no reason to lose a run
                print(f"iteration {trainer.iteration} of {total}: {info}, {now}", flush=True)

    def end(self, trainer: Trainer) -> None:
        """Leave it as it stands."""
        if self.seen:
            self.bar.stop()


class Silence(Callback):
    """Says on stderr, at a validation, which populations do not spike in the last training batch.

    Nothing is said again until others, or none, are silent.
    """

    def __init__(self) -> None:
        self.said: tuple[str, ...] = ()

    def after_iteration(self, trainer: Trainer, metrics: dict[str, float]) -> None:
        """Look at the rates if the network was scored."""
        if not trainer.validated:
            return
        rates = trainer.rates()
        quiet = tuple(name for name, rate in rates.items() if rate == 0)
        if quiet and quiet != self.said:
            batch = f"the training batch of iteration {trainer.iteration}"
            print(*silence(rates, batch), file=sys.stderr)
        self.said = quiet


class Interrupt(Callback):
    """Turns SIGINT (Ctrl-C) and :data:`~lsnn_neuro.signals.REQUESTS` into a stop after the iteration."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.ends = ExitStack()

    def start(self, trainer: Trainer) -> None:
        """Take the signals."""
        self.ends.enter_context(handled((signal.SIGINT, *REQUESTS), self._note))

    def _note(self, signum: int, frame: FrameType | None) -> None:
        if signum == signal.SIGINT and signum in self.seen:  # a second Ctrl-C means it
            raise KeyboardInterrupt
        self.seen.append(signum)

    def after_iteration(self, trainer: Trainer, metrics: dict[str, float]) -> None:
        """Stop the run if a signal came; one that comes later counts after the next iteration."""
        if self.seen:
            trainer.interrupted = signal.Signals(self.seen[0]).name
            trainer.stop("interrupted")

    def end(self, trainer: Trainer) -> None:
        """Give the signals back."""
        self.ends.close()


class Checkpoints(Callback):
    """``last.safetensors`` after each validation and when the run stops."""

    def __init__(self, run_dir: Path):
        self.file = run_dir / LAST

    def after_iteration(self, trainer: Trainer, metrics: dict[str, float]) -> None:
        """Write what the run can be resumed from."""
        if trainer.validated or trainer.stopped is not None:
            trainer.checkpoint(resumable=True).save(self.file)
