"""Learning to learn: a new function in every episode, learnt from examples while the weights stay fixed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field, model_validator

from lsnn_neuro.encoders import population
from lsnn_neuro.tasks.generated import GeneratedTask, HeldOutConfig
from lsnn_neuro.tasks.labels import ValueLabels
from lsnn_neuro.tasks.task import Batch, FloatArray, Split

if TYPE_CHECKING:
    from lsnn_neuro.player import Player

HIDDEN = 10  # units of a teacher


class LearningToLearnConfig(HeldOutConfig):
    """Settings of the families ``teacher-networks`` and ``sinusoids``."""

    name: Literal["teacher-networks", "sinusoids"]
    examples: int = Field(200, ge=2, le=10_000, description="examples in an episode")
    example_steps: int = Field(20, ge=2, le=1000, description="steps for which an example lasts")
    answer_steps: int = Field(
        10, ge=1, description="last steps of an example, over which the readout is the answer"
    )
    group_size: int = Field(
        30, ge=2, le=1000, description="input neurons for each number (two inputs, one target)"
    )
    peak_rate: float = Field(
        500.0, gt=0, le=1000, description="rate of a neuron at the centre of its tuning curve, Hz"
    )
    slope: float = Field(
        3.0, gt=0, description="slope of the teachers' sigmoids: the larger, the less linear"
    )
    sigmoid: bool = Field(
        False, description="the answer is a sigmoid of the mean readout, so between 0 and 1"
    )
    auxiliary_targets: bool = Field(
        False,
        description="in training, further outputs learn to predict the linear fit to the examples so far",
    )
    validation: int = Field(256, ge=1, le=1_000_000, description="episodes for validation")
    test: int = Field(512, ge=1, le=1_000_000, description="episodes for the test")

    @model_validator(mode="after")
    def _check(self) -> LearningToLearnConfig:
        if self.answer_steps > self.example_steps:
            raise ValueError(
                f"answer_steps is {self.answer_steps}, but an example lasts {self.example_steps} "
                "steps"
            )
        return self


class LearningToLearn(GeneratedTask[LearningToLearnConfig]):
    """Every episode has a function of its own, drawn from a family, and shows it by examples.

    An example lasts ``example_steps``. Its input, and the right answer to the example before, come
    population-coded (:func:`lsnn_neuro.encoders.population`; nothing for the answer in the first
    example). The mean readout over the example's last steps, or its sigmoid, is the network's answer.
    To do well it must find out about the function, from its state alone.

    That is hard to find by descent: a network first learns to predict the mean of the answers so far
    and stays there for long. With ``auxiliary_targets`` further outputs also learn to predict the
    weights of the linear fit so far (:func:`linear_fits`), which needs what the task needs: to multiply
    each input with the answer that comes an example later. These outputs are not scored.

    The families:

    - teacher-networks: y = s(w2 s(W1 x + b1) + b2), s(u) = 1 / (1 + exp(-slope u)), with 2 inputs
      drawn from [-1, 1], 10 hidden units, weights and biases drawn from [-1, 1]
    - sinusoids: y = 1/2 + A/10 sin(5 x + phi), amplitude A drawn from [0.1, 5], phase phi from
      [0, pi], x from [-1, 1]

    Source: Bellec et al. 2018, section "LSNNs learn-to-learn from a teacher"; the sinusoids, scaled
    to the unit interval, are those of Finn et al. 2017 (arXiv 1703.03400, section 5.1).
    """

    Config = LearningToLearnConfig

    def __init__(self, config: LearningToLearnConfig) -> None:
        """Keep the configuration; episodes are made on demand."""
        self.config = config
        self.name: str = config.name
        self.n_features = 2 if config.name == "teacher-networks" else 1
        self.n_inputs = (self.n_features + 1) * config.group_size
        self.n_outputs = 1 + (self.n_features + 1) * config.auxiliary_targets
        self.n_steps = config.examples * config.example_steps

    def new_batch(self, batch_size: int, rng: np.random.Generator) -> Batch:
        """Draw new episodes."""
        return self.encode(*self.draw(batch_size, rng))

    def episodes(self, split: Split) -> tuple[FloatArray, FloatArray]:
        """All episodes of a split as numbers, see :meth:`draw`."""
        seeds = [self.seed_of(split, sample) for sample in range(self.n_samples(split))]
        drawn = [self.draw(1, np.random.default_rng(seed)) for seed in seeds]
        x, y = (np.concatenate(part) for part in zip(*drawn, strict=True))
        return x, y

    def draw(self, n: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Examples of ``n`` new functions.

        - returns: x, shape (sample, example, feature), and y, shape (sample, example), in [0, 1]
        """
        x = rng.uniform(-1, 1, (n, self.config.examples, self.n_features))
        if self.name == "sinusoids":
            amplitude = rng.uniform(0.1, 5.0, (n, 1))
            phase = rng.uniform(0, np.pi, (n, 1))
            return x, 0.5 + amplitude / 10 * np.sin(5 * x[..., 0] + phase)
        w1 = rng.uniform(-1, 1, (n, self.n_features, HIDDEN))
        b1 = rng.uniform(-1, 1, (n, 1, HIDDEN))
        w2, b2 = rng.uniform(-1, 1, (n, HIDDEN, 1)), rng.uniform(-1, 1, (n, 1, 1))
        hidden = self._sigmoid(x @ w1 + b1)
        return x, self._sigmoid(hidden @ w2 + b2)[..., 0]

    def curves(self, players: Mapping[str, Player]) -> Mapping[str, list[float]]:
        """Mean squared error by example, of networks and of predictors that are fitted to the examples."""
        from lsnn_neuro.tasks.fitted_predictors import curves

        return curves(self, players)

    def _sigmoid(self, u: FloatArray) -> FloatArray:
        s: FloatArray = 1 / (1 + np.exp(-self.config.slope * u))
        return s

    def encode(self, x: FloatArray, y: FloatArray) -> Batch:
        """The batch of some episodes as given by :meth:`draw`."""
        config, n = self.config, len(x)
        rate = config.peak_rate / 1000
        groups = [
            population(x[..., i], (-1, 1), config.group_size, config.example_steps, rate)
            for i in range(self.n_features)
        ]
        before = population(y[:, :-1], (0, 1), config.group_size, config.example_steps, rate)
        none_yet = np.zeros((n, 1, *before.shape[2:]), np.bool_)
        groups.append(np.concatenate([none_yet, before], axis=1))
        spikes = np.concatenate(groups, axis=-1)  # (sample, example, step, input)
        stop = np.arange(1, config.examples + 1) * config.example_steps
        return Batch(
            inputs=np.ascontiguousarray(spikes.reshape(n, self.n_steps, -1).transpose(1, 0, 2)),
            labels=ValueLabels(
                sample=np.repeat(np.arange(n), config.examples),
                start=np.tile(stop - config.answer_steps, n),
                stop=np.tile(stop, n),
                target=y.reshape(-1, 1),
                sigmoid=config.sigmoid,
                auxiliary=self._auxiliary_targets(x, y).reshape(n * config.examples, -1)
                if config.auxiliary_targets
                else None,
            ),
        )

    def _auxiliary_targets(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """What the further outputs learn to predict; the slopes are shrunk more, as they are mostly small."""
        return linear_fits(x, y, penalty=np.array([1.0] * self.n_features + [0.05]))


def linear_fits(x: FloatArray, y: FloatArray, *, penalty: FloatArray) -> FloatArray:
    """Ridge regression of y - 1/2 on the examples before each one; nothing is known before the first.

    - x: shape (episode, example, feature); y: shape (episode, example)
    - penalty: on the square of each weight, shape (feature + 1,)
    - returns: the features' weights and the constant, (episode, example, feature + 1)
    """
    design = with_one(x)
    products = np.cumsum(design[..., :, None] * design[..., None, :], axis=1)
    moments = np.cumsum(design * (y[..., None] - 0.5), axis=1)
    before = slice(None, -1)
    weights = np.zeros_like(design)
    weights[:, 1:] = np.linalg.solve(
        products[:, before] + np.diag(penalty), moments[:, before, :, None]
    )[..., 0]
    return weights


def with_one(x: FloatArray) -> FloatArray:
    """The features and a constant beside them."""
    return np.concatenate([x, np.ones((*x.shape[:-1], 1))], axis=-1)
