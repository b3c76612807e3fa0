"""The sections of a recipe that say how a network is trained. Read without torch."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from lsnn_neuro.registry import TASKS
from lsnn_neuro.section import Section

if TYPE_CHECKING:
    from lsnn_neuro.recipe import Recipe


class WithArguments(Section):
    """A section whose further fields are arguments of a class of torch, by torch's names.

    They are checked when the run starts: reading a recipe does not import torch.
    """

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    @property
    def arguments(self) -> dict[str, Any]:
        """The further fields."""
        return dict(self.model_extra or {})


class OptimizerConfig(WithArguments):
    """An optimizer of ``torch.optim`` and its arguments; the learning rate is ``training.lr``."""

    name: str = Field("Adam", description="a class of torch.optim")

    @model_validator(mode="after")
    def _lr_has_one_place(self) -> OptimizerConfig:
        if "lr" in self.arguments:
            raise ValueError("the learning rate is training.lr; leave training.optimizer.lr out")
        return self


class ScheduleConfig(WithArguments):
    """A schedule of ``torch.optim.lr_scheduler`` and its arguments.

    Its step is an iteration. CosineAnnealingLR's T_max and OneCycleLR's total_steps are by default all
    iterations (from one restart to the next), OneCycleLR's max_lr is the learning rate.
    """

    name: str = Field(description="a class of torch.optim.lr_scheduler")


class GroupConfig(WithArguments):
    """Parameters with optimizer arguments of their own."""

    parameters: str = Field(
        min_length=1, description="their names in the network; * and ? stand for any"
    )
    lr: float | None = Field(None, gt=0, description="learning rate; by default training.lr")


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
    lr: float = Field(0.01, gt=0, description="learning rate")
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig | None = Field(
        None, description="how the learning rate changes; by default it stays"
    )
    restarts: tuple[int, ...] = Field(
        (), description="iterations in which the schedule starts again"
    )
    groups: tuple[GroupConfig, ...] = Field(
        (), description="parameters that are trained otherwise; the first group that matches holds"
    )
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
    def _restarts_lie_within_the_run(self) -> TrainingConfig:
        if self.restarts and self.schedule is None:
            raise ValueError("restarts need a schedule that can start again (training.schedule)")
        if any(start >= end for start, end in pairwise(self.cycles)):
            raise ValueError(
                f"restarts {list(self.restarts)} must rise and lie between 0 and iterations = "
                f"{self.iterations}; set training.restarts too, [] for none"
            )
        return self

    @property
    def cycles(self) -> tuple[int, ...]:
        """Iterations in which the schedule starts, and the end."""
        return (0, *self.restarts, self.iterations)


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
    gae_lambda: float = Field(
        0.9, ge=0, le=1, description="lambda of generalized advantage estimation"
    )
    epochs: int = Field(2, ge=1, description="iterations that learn from the same episodes")
    clip: float = Field(0.2, gt=0, lt=1, description="how far the policy's ratio may pay off")
    value_weight: float = Field(0.5, ge=0, description="weight of the critic's squared error")
    noise: float = Field(
        0.7, gt=0, description="noise of actions in the first iteration, see task.noise"
    )
    noise_decay_iterations: int = Field(
        2000, ge=1, description="iterations until it has come to task.noise, in a straight line"
    )
    max_speed: float = Field(1.2, gt=0, description="length of a mean velocity that costs nothing")
    speed_penalty: float = Field(0.02, ge=0, description="weight of the square of what is beyond")
    auxiliary_weight: float = Field(
        0.1,
        ge=0,
        description="weight of the auxiliary targets' squared error, see task.auxiliary_targets",
    )

    def check(self, recipe: Recipe) -> None:
        """Episodes are played in closed loops alone, and with noise."""
        if not TASKS[recipe.task.name].closed_loop:
            raise ValueError(
                f"reinforcement is for tasks played in a closed loop, {recipe.task.name!r} is none"
            )

    def objective(self, task: Any, recipe: Recipe, device: Any) -> Any:
        """Proximal policy optimization of the task's episodes."""
        from lsnn_neuro.training.ppo import ActorCritic

        return ActorCritic(task, recipe.training, self, device)
