"""Recipes: everything that decides a training run, in one TOML file checked into typed objects."""

from __future__ import annotations

import math
from collections.abc import Iterable
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tomli
import tomli_w
from pydantic import Field, ValidationError, model_validator

from lsnn_neuro import migrations
from lsnn_neuro.errors import RecipeError
from lsnn_neuro.network.config import GraphConfig, LSNNConfig, Section, StackConfig
from lsnn_neuro.tasks import TaskConfig
from lsnn_neuro.tasks.navigation import NavigationConfig

if TYPE_CHECKING:
    from importlib.abc import Traversable  # elsewhere on Python 3.14


class LSTMConfig(Section):
    """The LSTM baseline."""

    kind: Literal["lstm"]
    units: int = Field(128, ge=1)
    bin_steps: int = Field(
        1, ge=1, description="steps whose input spikes it counts, and hears as one of its own"
    )
    forget_bias: float = Field(
        0.0,
        description="added to the forget gates' first bias: the larger, the longer it remembers",
    )


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


class QuantizationConfig(Section):
    """Quantization-aware training; leave the section out to train in float."""

    weight_bits: int = Field(8, ge=2, le=8, description="width of the weights, sign not counted")


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
        0.1, ge=0, description="weight of the hints' squared error, see task.hints"
    )


class Recipe(Section):
    """A named training run. A time step is 1 ms."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    seed: int = Field(0, ge=0, lt=2**63)
    task: TaskConfig
    network: Annotated[
        LSNNConfig | StackConfig | GraphConfig | LSTMConfig, Field(discriminator="kind")
    ]
    deep_r: DeepRConfig | None = None
    quantization: QuantizationConfig | None = None
    training: TrainingConfig
    reinforcement: ReinforcementConfig | None = None

    @model_validator(mode="after")
    def _sections_fit_the_network(self) -> Recipe:
        spiking = None if isinstance(self.network, LSTMConfig) else self.network
        if self.deep_r and (spiking is None or spiking.unconstrained):
            raise ValueError("deep_r needs a spiking network with signs 'dale' or 'free'")
        if self.quantization and spiking is None:
            raise ValueError("quantization needs a spiking network")
        if (self.reinforcement is not None) != isinstance(self.task, NavigationConfig):
            raise ValueError(
                "a section reinforcement goes with the task 'navigation', and only with it"
            )
        if isinstance(self.task, NavigationConfig) and self.task.noise == 0:
            raise ValueError("task.noise is 0: reinforcement learning needs noise to learn from")
        return self

    def to_toml(self) -> str:
        """The recipe as TOML, every field spelled out."""
        return tomli_w.dumps(self.model_dump(exclude_none=True))

    def same_run(self, other: Recipe, iteration: int) -> bool:
        """Whether a run of the other recipe that has come to an iteration can go on with this one.

        Only when and where the training ends may differ: the learning rates up to here must agree.
        """
        end: dict[str, object] = {"stop_at_accuracy": None, "iterations": 1, "restarts": ()}
        one, two = (
            r.model_copy(update={"training": r.training.model_copy(update=end)})
            for r in (self, other)
        )
        return one == two and all(
            self.training.learning_rate(i) == other.training.learning_rate(i)
            for i in range(iteration)
        )


def built_in() -> tuple[str, ...]:
    """Names of the recipes that come with the package."""
    files = _built_in_folder().iterdir()
    return tuple(sorted(f.name[:-5] for f in files if f.name.endswith(".toml")))


def _built_in_folder() -> Traversable:
    """Inside the installed package, or beside it in a source tree."""
    installed = resources.files("lsnn_neuro") / "recipes"
    return installed if installed.is_dir() else Path(__file__).parents[1] / "recipes"


def load_recipe(source: str, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe from a TOML file or by the name of a built-in one.

    ``overrides`` are ``section.field=value`` texts, the value in TOML notation (a bare word is a
    string).
    """
    path = Path(source)
    if path.suffix == ".toml":
        if not path.is_file():
            raise RecipeError(f"{path}: no such recipe file")
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(f"{path}: can't be read ({error})") from error
    elif source in built_in():
        text = _built_in_folder().joinpath(f"{source}.toml").read_text("utf-8")
    else:
        raise RecipeError(
            f"no recipe {source!r}; give a .toml file or one of {', '.join(built_in())}"
        )
    try:
        data = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise RecipeError(f"{source}: not valid TOML ({error})") from error
    for override in overrides:
        _override(data, override)
    return parse_recipe(data, source)


def parse_recipe(data: dict[str, Any], source: str) -> Recipe:
    """Check a recipe given as a dictionary; ``source`` names it in errors."""
    data = migrations.recipe(data)
    network = data.get("network", {})
    if isinstance(network, dict):
        data = data | {"network": {"kind": "lsnn"} | network}
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in _section_and_field(first["loc"])) or "recipe"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        found = f", got {first['input']!r}" if not isinstance(first["input"], dict) else ""
        said = first["msg"].removeprefix("Value error, ")
        raise RecipeError(f"{source}: {where}: {said}{found}{more}") from error


def _section_and_field(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Where an error is in a recipe's own words, without what pydantic adds for its unions.

    network.lsnn.tau_a.tuple is network.tau_a; network.graph.projections.0.signs keeps number and field.
    """
    union = location[:1] in (("task",), ("network",))
    words = location[:1] + location[1 + union :]
    in_list = len(words) > 2 and isinstance(words[2], int)
    return words[:4] if in_list else words[:2]


def _override(data: dict[str, Any], override: str) -> None:
    """Set one field of a nested dictionary from ``section.field=value``."""
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise RecipeError(f"--set {override!r}: expected section.field=value")
    try:
        value = tomli.loads(f"x = {text}")["x"]
    except tomli.TOMLDecodeError:
        value = text
    *sections, field = key.strip().split(".")
    for section in sections:
        data = data.setdefault(section, {})
        if not isinstance(data, dict):
            raise RecipeError(f"--set {override!r}: {section!r} is a value, not a section")
    data[field] = value
