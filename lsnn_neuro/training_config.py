"""The sections of a recipe that say how a network is trained."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from lsnn_neuro.registry import TASKS
from lsnn_neuro.section import Section

if TYPE_CHECKING:
    from lsnn_neuro.recipe import Recipe


class TrainingConfig(Section):
    """The training loop."""

    start: str | None = Field(
        None,
        min_length=1,
        description="run folder, model or checkpoint whose network is trained further; by default a "
        "new one is drawn",
    )
    iterations: int = Field(ge=1)
    batch_size: int = Field(256, ge=1)
    lr: float = Field(0.01, gt=0, description="learning rate of Adam")
    schedule: Literal["steps", "cosine"] = Field(
        "steps", description="lr falls in steps, or along half a cosine to 0 at the last iteration"
    )
    restarts: tuple[int, ...] = Field(
        (), description="iterations in which the cosine starts again from lr"
    )
    lr_decay: float = Field(1.0, gt=0, le=1, description="factor on lr every lr_decay_every")
    lr_decay_every: int = Field(2500, ge=1, description="iterations between decays")
    logit_scale: float = Field(
        1.0, gt=0, description="factor on the mean readout of a window before the cross-entropy"
    )
    rate_cost: float = Field(0.1, ge=0, description="weight of sum over neurons (rate - target)^2")
    rate_target: float = Field(10.0, ge=0, description="target firing rate, Hz")
    clip_gradient: float | None = Field(None, gt=0, description="largest norm of the gradient")
    validate_every: int = Field(100, ge=1, description="iterations between validations")
    validation_samples: int = Field(512, ge=1, description="samples per validation, at most")
    stop_at_accuracy: float | None = Field(
        None, gt=0, le=1, description="stop when the validation accuracy reaches this"
    )
    divergence_loss: float = Field(1e3, gt=0, description="a loss above this stops the run")
    divergence_gradient: float = Field(
        1e5, gt=0, description="a norm of the gradient above this stops the run"
    )

    @model_validator(mode="after")
    def _restarts_lie_within_a_cosine_schedule(self) -> TrainingConfig:
        cycles = (0, *self.restarts, self.iterations)
        if self.restarts and self.schedule != "cosine":
            raise ValueError("restarts go with the schedule 'cosine'")
        if any(start >= end for start, end in pairwise(cycles)):
            raise ValueError(
                f"restarts {list(self.restarts)}: they must rise, between 0 and iterations = "
                f"{self.iterations}"
            )
        return self

    def learning_rate(self, iteration: int) -> float:
        """Learning rate in an iteration, the first of which is 0.

        The cosine with its warm restarts is equation 5 of Loshchilov and Hutter 2017 (SGDR).
        """
        if self.schedule == "cosine":
            start = max((r for r in self.restarts if r <= iteration), default=0)
            end = min((r for r in self.restarts if r > iteration), default=self.iterations)
            return self.lr * (1 + math.cos(math.pi * (iteration - start) / (end - start))) / 2
        return self.lr * self.lr_decay ** (iteration // self.lr_decay_every)


class DeepRConfig(Section):
    """DEEP R; leave the section out to train the initial connectivity without rewiring."""

    l1: float = Field(0.01, ge=0, description="strength of the L1 penalty on active synapses")
    temperature: float = Field(0.0, ge=0, description="temperature of the noise on active synapses")
    cap: Literal["network", "group"] = Field(
        "network",
        description="what keeps its number of active synapses: all groups together, or each",
    )
    rigl_every: int | None = Field(
        None,
        ge=1,
        description="replace lost synapses only every so many iterations, by the dormant ones whose "
        "gradient is largest (RigL); by default in each iteration, at random",
    )

    def check(self, recipe: Recipe) -> None:
        """Only synapses that keep their signs can be rewired."""
        if not recipe.network.spiking or recipe.network.unconstrained:
            raise ValueError("deep_r needs a spiking network with signs 'dale' or 'free'")

    def build(self, optimizer: Any, network: Any, generator: Any) -> Any:
        """DEEP R around an optimizer that holds the network's synapses."""
        from lsnn_neuro.deep_r import DeepR

        return DeepR(
            optimizer, network.synapses(), l1=self.l1, temperature=self.temperature, cap=self.cap,
            rigl_every=self.rigl_every, generator=generator,
        )  # fmt: skip


class ReinforcementConfig(Section):
    """Proximal policy optimization; for tasks that are played in episodes."""

    discount: float = Field(0.95, ge=0, lt=1, description="gamma, of a reward one action later")
    trace: float = Field(0.9, ge=0, le=1, description="lambda of generalized advantage estimation")
    epochs: int = Field(2, ge=1, description="iterations that learn from the same episodes")
    clip: float = Field(0.2, gt=0, lt=1, description="how far the policy's ratio may pay off")
    value_weight: float = Field(0.5, ge=0, description="weight of the critic's squared error")
    noise: float = Field(
        0.7, gt=0, description="noise of actions in the first iteration, see task.noise"
    )
    noise_iterations: int = Field(
        2000, ge=1, description="iterations until it has come to task.noise, in a straight line"
    )
    longest: float = Field(1.2, gt=0, description="length of a mean velocity that costs nothing")
    excess_weight: float = Field(0.02, ge=0, description="weight of the square of what is beyond")
    hint_weight: float = Field(
        0.1, ge=0, description="weight of the hints' squared error, see task.auxiliary_targets"
    )

    def check(self, recipe: Recipe) -> None:
        """Episodes are there to be played in closed loops alone, and with noise."""
        if not TASKS[recipe.task.name].closed_loop:
            raise ValueError(
                f"reinforcement is for tasks played in a closed loop, {recipe.task.name!r} is none"
            )

    def objective(self, task: Any, recipe: Recipe, device: Any) -> Any:
        """Proximal policy optimization of the task's episodes."""
        from lsnn_neuro.reinforcement import ActorCritic

        return ActorCritic(task, recipe.training, self, device)
