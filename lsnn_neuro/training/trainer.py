"""One training run: its state, its iteration, its checkpoints."""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lsnn_neuro import files
from lsnn_neuro.arrays import whole_number
from lsnn_neuro.checkpoint import (
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
from lsnn_neuro.penalties import rate_penalty
from lsnn_neuro.recipe import Recipe
from lsnn_neuro.tasks import make_task
from lsnn_neuro.tasks.encoder import EncoderConstants
from lsnn_neuro.tasks.score import Score
from lsnn_neuro.training.objectives import Objective, Supervised
from lsnn_neuro.training.optimizers import Schedule, build_optimizer


class Trainer:
    """One training run: network, optimizer, generators and counters, all of it restorable.

    - recipe: what to train; its sections may put another forward pass around the network (``model``)
    - device: of torch; TrainingError if it can't be used here
    - task: the recipe's, made with data sets in memory; by default it is made of files
    - folder: of a run that goes on
    """

    def __init__(
        self, recipe: Recipe, *, device: str = "cpu", task: Any = None, folder: Path | None = None
    ):  # fmt: skip
        self.recipe, self.device = recipe, _device(device)
        if task is not None and task.name != recipe.task.name:
            raise TrainingError(
                f"task {task.name!r} for a recipe of task {recipe.task.name!r}; make it of recipe.task"
            )
        self.task = make_task(recipe.task) if task is None else task
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.rng = np.random.default_rng(recipe.seed)
        network = recipe.network if folder is None else recipe.network.kept(folder)
        self.network = network.build(self.task.n_inputs, self.task.n_outputs, self.generator).to(
            self.device
        )
        self.dt = self.network.spec.dt if recipe.network.spiking else DT
        self.model = recipe.model(self.network)
        own = recipe.objective(self.task, self.device)
        self.objective: Objective = own or Supervised(self.task, recipe.training, self.device)
        self.optimizer = build_optimizer(recipe.training, self.network)
        self.schedule = Schedule(recipe.training)
        rewiring = recipe.section("deep_r")
        self.deep_r: DeepR | None = rewiring and rewiring.build(
            self.optimizer, self.network, self.generator
        )
        self.iteration = 0
        self.score: Score | None = None
        self.best: Score | None = None
        self.seconds = 0.0
        self.stopped: str | None = None
        self.interrupted: str | None = None
        self.validated = False
        self._rate: Tensor | None = None

    @property
    def finished(self) -> bool:
        """Whether the last iteration, or the accuracy to stop at, is reached."""
        config = self.recipe.training
        goal = config.stop_at_accuracy
        reached = goal is not None and self.score is not None and self.score.reaches(goal)
        return self.iteration >= config.iterations or reached

    def stop(self, reason: str) -> None:
        """End the run after this iteration, with a checkpoint to resume from; for callbacks."""
        self.stopped = reason

    def train_step(self) -> dict[str, float]:
        """One iteration: a batch forward and backward, the optimizer, DEEP R; gives the metrics."""
        start = time.perf_counter()
        self.validated = False
        self.schedule.apply(self.optimizer, self.iteration)
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
            self._rate = judged.output.rate.detach()
            metrics["rate_hz"] = judged.output.rate.mean().item() * 1000 / self.dt
        if self.deep_r:
            metrics["active_synapses"] = self.deep_r.n_active
        return metrics

    def rates(self) -> dict[str, float]:
        """Firing rates in the last training batch, Hz, by population; of networks that spike."""
        if self._rate is None:
            return {}
        rate, spec = to_numpy(self._rate), self.network.spec
        places = spec.places()
        return {p.name: float(rate[places[p.name]].mean()) * 1000 / self.dt for p in spec.spiking}

    def validate(self) -> Score:
        """Score the network on the validation split; the score becomes the best one if it is better."""
        self.score, self.validated = self.objective.validate(self.model), True
        if self.best is None or self.score.better_than(self.best):
            self.best = self.score
        return self.score

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
        """What the recipe charges for firing rates; nothing of networks that have none."""
        config = self.recipe.training
        if output.rate is None or config.rate_cost == 0:
            return torch.zeros((), device=self.device)
        return rate_penalty(output.rate, config.rate_target, cost=config.rate_cost, dt=self.dt)

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
                    if value is not None:
                        tensor = value if isinstance(value, Tensor) else torch.tensor(value)
                        arrays[f"optimizer.{index}.{name}"] = to_numpy(tensor)
        return Checkpoint(
            recipe=self.recipe, spec=spec, arrays=arrays, progress=progress, resumable=resumable,
            n_inputs=self.task.n_inputs, n_outputs=self.task.n_outputs, class_names=self.task.class_names,
            encoder=None if self.task.encoder is None else EncoderConstants.of(self.task.encoder),
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
        """Go back to the state of a resumable checkpoint; FileFormatError over one that lacks a part."""
        with files.parts_of(LAST, files.CHECKPOINT.name):
            self._restore(checkpoint)

    def _restore(self, checkpoint: Checkpoint) -> None:
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
        iteration = checkpoint.progress["iteration"]
        self.iteration = whole_number("progress", "iteration", iteration, 0, 2**62)
        self.score, self.best = (
            Score.of_dict(saved) if (saved := checkpoint.progress[name]) else None
            for name in ("score", "best")
        )
        self.seconds = float(checkpoint.progress["seconds"])


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
