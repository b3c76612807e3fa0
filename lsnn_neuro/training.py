"""The training loop: one loop for every network and task, resumable, never losing a run."""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.utils.tensorboard.writer import SummaryWriter

from lsnn_neuro import files
from lsnn_neuro.checkpoint import (
    BEST,
    LAST,
    Checkpoint,
    find_checkpoint,
    load_tensors,
    module_tensors,
    to_numpy,
)
from lsnn_neuro.deep_r import DeepR
from lsnn_neuro.encoders import DT
from lsnn_neuro.errors import TrainingError
from lsnn_neuro.network.module import NetworkOutput
from lsnn_neuro.objectives import Objective, Supervised
from lsnn_neuro.recipe import Recipe
from lsnn_neuro.tasks import make_task
from lsnn_neuro.tasks.score import Score

Wrap = Callable[[nn.Module], nn.Module]


class Trainer:
    """One training run: network, optimizer, generators and counters, all of it restorable.

    - wrap: puts another forward pass around the drawn network than the recipe does; the checkpoint holds the
      network inside
    """

    def __init__(self, recipe: Recipe, *, wrap: Wrap | None = None, device: str = "cpu"):
        self.recipe, self.device = recipe, _device(device)
        self.task = make_task(recipe.task)
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.rng = np.random.default_rng(recipe.seed)
        self.network = recipe.network.build(
            self.task.n_inputs, self.task.n_outputs, self.generator
        ).to(self.device)
        self.model = (wrap or recipe.model)(self.network)
        own = recipe.objective(self.task, self.device)
        self.objective: Objective = own or Supervised(self.task, recipe.training, self.device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=recipe.training.lr)
        rewiring = recipe.section("deep_r")
        self.deep_r: DeepR | None = rewiring and rewiring.build(
            self.optimizer, self.network, self.generator
        )
        self.iteration = 0
        self.score: Score | None = None
        self.best: Score | None = None
        self.seconds = 0.0

    @property
    def finished(self) -> bool:
        """Whether the last iteration, or the accuracy to stop at, is reached."""
        config = self.recipe.training
        goal = config.stop_at_accuracy
        reached = goal is not None and self.score is not None and self.score.reaches(goal)
        return self.iteration >= config.iterations or reached

    def train_step(self) -> dict[str, float]:
        """One iteration: a batch forward and backward, the optimizer, DEEP R; gives the metrics."""
        config = self.recipe.training
        start = time.perf_counter()
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate(self.iteration)
        if self.deep_r:
            self.deep_r.before_forward(self.iteration)
        judged = self.objective.loss(self.model, self.rng)
        loss = judged.value + self._rate_cost(judged.output)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self.deep_r:
            self.deep_r.after_backward()
        norm = self._clip_gradient()
        self._check_finite(loss.item(), norm)
        (self.deep_r or self.optimizer).step()
        self.iteration += 1
        self.seconds += time.perf_counter() - start
        metrics = {
            "loss": judged.value.item(),
            **judged.metrics,
            "gradient_norm": norm,
            "lr": self.optimizer.param_groups[0]["lr"],
        }
        if judged.output.rate is not None:
            metrics["rate_hz"] = judged.output.rate.mean().item() * 1000 / DT
        if self.deep_r:
            metrics["active_synapses"] = self.deep_r.n_active
        return metrics

    def _clip_gradient(self) -> float:
        """Norm of the whole gradient, before it is shortened to ``clip_gradient`` if that is set.

        Summed by NumPy in one thread: the same with any number of threads.
        """
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        norm = math.sqrt(sum(float(np.square(to_numpy(g), dtype=float).sum()) for g in gradients))
        most = self.recipe.training.clip_gradient
        if most is not None and norm > most:
            for gradient in gradients:
                gradient.mul_(most / norm)
        return norm

    def _rate_cost(self, output: NetworkOutput) -> Tensor:
        """Firing-rate regularization: cost * sum over neurons (rate - target)^2, rates in kHz."""
        config = self.recipe.training
        if output.rate is None or config.rate_cost == 0:
            return torch.zeros((), device=self.device)
        rate = output.rate / DT  # (neuron,) in spikes per ms
        cost: Tensor = config.rate_cost * ((rate - config.rate_target / 1000) ** 2).sum()
        return cost

    def _check_finite(self, loss: float, norm: float) -> None:
        limit = self.recipe.training.divergence_loss
        if not (np.isfinite(loss) and np.isfinite(norm)):
            raise TrainingError(
                f"iteration {self.iteration}: loss is {loss}, gradient norm is {norm}; lower "
                "training.lr or network.gamma, or set training.clip_gradient"
            )
        if loss > limit:
            raise TrainingError(
                f"iteration {self.iteration}: the run diverges, loss is {loss:.4g}, above "
                f"training.divergence_loss = {limit:g}; lower training.lr"
            )
        largest = self.recipe.training.divergence_gradient
        if norm > largest:
            raise TrainingError(
                f"iteration {self.iteration}: the gradient explodes, its norm is {norm:.4g}, above "
                f"training.divergence_gradient = {largest:g}; lower training.lr, network.gamma or the "
                "scale of the recurrent weights"
            )

    def checkpoint(self, *, resumable: bool) -> Checkpoint:
        """The network now, compact; with ``resumable`` dense, with optimizer and random numbers."""
        spec = self.network.to_spec() if self.recipe.network.spiking else None
        arrays = module_tensors(self.network) if resumable or spec is None else {}
        progress: dict[str, Any] = {
            "iteration": self.iteration,
            "score": self.score and asdict(self.score),
            "best": self.best and asdict(self.best),
            "seconds": self.seconds,
        }
        if resumable:
            progress["rng"] = self.rng.bit_generator.state
            arrays |= {f"objective.{k}": array for k, array in self.objective.state().items()}
            arrays["generator"] = to_numpy(self.generator.get_state())
            for index, state in self.optimizer.state_dict()["state"].items():
                for name, value in state.items():
                    arrays[f"optimizer.{index}.{name}"] = to_numpy(value)
        return Checkpoint(
            recipe=self.recipe, spec=spec, arrays=arrays, progress=progress, resumable=resumable,
            n_inputs=self.task.n_inputs, n_outputs=self.task.n_outputs,
        )  # fmt: skip

    def start_from(self, path: Path) -> None:
        """Take the network of a run, model or checkpoint, and nothing else of it."""
        found = find_checkpoint(path)
        saved = Checkpoint.load(found)
        if saved.recipe.network != self.recipe.network:
            raise TrainingError(
                f"{found}: its section network differs from the recipe's, so training can't start "
                "from it (training.start)"
            )
        theirs = saved.n_inputs, saved.n_outputs
        ours = self.task.n_inputs, self.task.n_outputs
        if theirs != ours:
            raise TrainingError(
                f"{found}: a network of {theirs[0]} inputs and {theirs[1]} outputs, but the task has "
                f"{ours[0]} and {ours[1]}; training can't start from it (training.start)"
            )
        network = saved.network(found)
        load_tensors(self.network, {k: to_numpy(t) for k, t in network.state_dict().items()}, found)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to the state of a resumable checkpoint."""
        tensors = {name: torch.from_numpy(a.copy()) for name, a in checkpoint.arrays.items()}
        load_tensors(self.network, checkpoint.module_arrays(), Path(LAST))
        self.objective.restore(
            {
                k.removeprefix("objective."): array
                for k, array in checkpoint.arrays.items()
                if k.startswith("objective.")
            }
        )
        self.generator.set_state(tensors["generator"])
        self.rng.bit_generator.state = checkpoint.progress["rng"]
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            if key.startswith("optimizer."):
                _, index, name = key.split(".", 2)
                state.setdefault(int(index), {})[name] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.iteration = checkpoint.progress["iteration"]
        self.score, self.best = (
            Score.of_dict(saved) if (saved := checkpoint.progress[name]) else None
            for name in ("score", "best")
        )
        self.seconds = checkpoint.progress["seconds"]


def _device(name: str) -> torch.device:
    """A torch device that can be used here."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch raises both
        reason = str(error).splitlines()[0]
        raise TrainingError(f"device {name!r}: can't be used here ({reason}); use cpu") from None
    if device.type == "meta":
        raise TrainingError(f"device {name!r}: computes nothing; use cpu")
    return device


def train(
    recipe: Recipe,
    run_dir: Path,
    *,
    resume: bool = False,
    wrap: Wrap | None = None,
    device: str = "cpu",
    progress: bool = True,
) -> Trainer:
    """Train a recipe in a run folder, to its last iteration or the accuracy it stops at.

    ``resume`` goes on exactly where the folder's last checkpoint stands; without it the folder must
    be new. SIGINT and SIGTERM end the run after the current iteration, with a checkpoint to resume
    from.
    """
    trainer = Trainer(recipe, wrap=wrap, device=device)
    last = run_dir / LAST
    if resume:
        saved = Checkpoint.load(last)
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
        if not recipe.same_run(saved.recipe, done):
            raise TrainingError(
                f"{last}: belongs to another recipe; resume with {run_dir / 'recipe.toml'} "
                "(only training.iterations, restarts and stop_at_accuracy may change, and the "
                "learning rates so far must stay what they were)"
            )
        trainer.restore(saved)
    elif last.exists():
        raise TrainingError(f"{run_dir}: already holds a run; use --resume or another --out")
    else:
        if recipe.training.start is not None:
            trainer.start_from(Path(recipe.training.start))
        trainer.checkpoint(resumable=True).save(last)
    files.write_text(run_dir / "recipe.toml", recipe.to_toml())
    with (
        _Log(run_dir, trainer.iteration) as log,
        _interrupt_flag() as interrupted,
        _bar(progress) as bar,
    ):
        total = recipe.training.iterations
        row = bar.add_task(recipe.name, total=total, completed=trainer.iteration, info="")
        while not trainer.finished:
            metrics = trainer.train_step()
            validated = _validate_when_due(trainer, run_dir)
            log.write(trainer.iteration, metrics | validated | {"seconds": trainer.seconds})
            best = f"  best {trainer.best.value:.4g}" if trainer.best else ""
            info = f"loss {metrics['loss']:.3f}{best}"
            bar.update(row, completed=trainer.iteration, info=info)
            stop = interrupted()  # read once: whoever is told that nothing is lost has a checkpoint
            if validated or stop:
                trainer.checkpoint(resumable=True).save(last)
            if stop and not trainer.finished:
                raise TrainingError(
                    f"interrupted after iteration {trainer.iteration}; nothing is lost, go on "
                    f"with: lsnn-neuro train {run_dir / 'recipe.toml'} --out {run_dir} --resume"
                )
    return trainer


def _validate_when_due(trainer: Trainer, run_dir: Path) -> dict[str, float]:
    """Validate every so often and at the end; keep the best network."""
    config = trainer.recipe.training
    if trainer.iteration % config.validate_every and trainer.iteration != config.iterations:
        return {}
    trainer.score = trainer.objective.validate(trainer.model)
    if trainer.best is None or trainer.score.better_than(trainer.best):
        trainer.best = trainer.score
        trainer.checkpoint(resumable=False).save(run_dir / BEST)
    return {f"validation_{trainer.score.metric.name}": trainer.score.value}


class _Log:
    """``metrics.jsonl`` and TensorBoard events; what came after a checkpoint is cut off."""

    def __init__(self, run_dir: Path, iteration: int):
        self.path = run_dir / "metrics.jsonl"
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        kept = [line for line in lines if _iteration_of(line) <= iteration]
        files.write_text(self.path, "".join(f"{line}\n" for line in kept))
        self.file = self.path.open("a")
        board: Any = SummaryWriter  # torch leaves it untyped
        self.board = board(str(run_dir / "tensorboard"), purge_step=iteration + 1)

    def write(self, iteration: int, metrics: dict[str, float]) -> None:
        """Append the metrics of an iteration."""
        self.file.write(json.dumps({"iteration": iteration, **metrics}) + "\n")
        self.file.flush()
        for name, value in metrics.items():
            self.board.add_scalar(name, value, iteration)

    def __enter__(self) -> _Log:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.board.close()


def _iteration_of(line: str) -> float:
    """The iteration of a metrics line; a line cut short by a crash counts as never written."""
    try:
        return float(json.loads(line)["iteration"])
    except (ValueError, KeyError):
        return float("inf")


@contextmanager
def _interrupt_flag() -> Iterator[Callable[[], bool]]:
    """Turn SIGINT and SIGTERM into a flag that is read between iterations."""
    seen: list[int] = []

    def note(signum: int, frame: FrameType | None) -> None:
        if seen:  # a second Ctrl-C means it
            raise KeyboardInterrupt
        seen.append(signum)

    before = {}
    for signum in (signal.SIGINT, signal.SIGTERM):
        try:
            before[signum] = signal.signal(signum, note)
        except ValueError:  # not in the main thread: nobody can interrupt us that way
            break
    try:
        yield lambda: bool(seen)
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _bar(visible: bool) -> Progress:
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[info]}"),
    )  # fmt: skip
    return Progress(*columns, disable=not visible, transient=False)


def summary(trainer: Trainer) -> dict[str, Any]:
    """What a finished run says of itself."""
    return {
        "recipe": trainer.recipe.name,
        "iterations": trainer.iteration,
        **({f"validation_{trainer.best.metric.name}": trainer.best.value} if trainer.best else {}),
        "seconds": round(trainer.seconds, 1),
    }
