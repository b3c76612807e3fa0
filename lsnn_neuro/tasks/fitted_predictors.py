"""How fast a network learns to tell a new function, beside predictors that are fitted to it.

Errors are squared, shape (episode, example): how well example k is told after k others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from lsnn_neuro.player import Player
from lsnn_neuro.tasks.learning_to_learn import HIDDEN, LearningToLearn, linear_fits, with_one
from lsnn_neuro.tasks.task import FloatArray

BATCH = 64
LINEAR_OF_ALL = "linear, fitted to the whole episode"
LINEAR_SO_FAR = "linear, fitted to the examples so far"
BACKPROPAGATION = "backpropagation on a network of the teacher's shape"


def network_errors(task: LearningToLearn, player: Player) -> FloatArray:
    """Errors of a network on the test episodes."""
    batches: Iterable[Any] = task.batches("test", BATCH)
    errors: FloatArray = np.concatenate([b.labels.each(player.run(b.inputs)) for b in batches])
    return errors.reshape(-1, task.config.examples)


def curves(task: LearningToLearn, players: Mapping[str, Player]) -> dict[str, list[float]]:
    """Mean error by example on the test episodes: networks, by name, and the baselines."""
    x, y = task.episodes("test")
    errors = {name: network_errors(task, player) for name, player in players.items()}
    errors[LINEAR_OF_ALL] = linear_of_all(x, y)
    errors[LINEAR_SO_FAR] = linear_so_far(x, y)
    errors[BACKPROPAGATION] = backpropagation(x, y)
    return {name: e.mean(axis=0).round(9).tolist() for name, e in errors.items()}


def linear_of_all(x: FloatArray, y: FloatArray) -> FloatArray:
    """Least squares on all of an episode's examples, the judged one included: no linear one is better.

    - x: shape (episode, example, feature); y: shape (episode, example)
    """
    design = with_one(x)
    weights = np.linalg.pinv(design) @ y[..., None]
    errors: FloatArray = np.square((design @ weights)[..., 0] - y)
    return errors


def linear_so_far(x: FloatArray, y: FloatArray, *, ridge: float = 0.01) -> FloatArray:
    """Ridge regression on the examples before; it starts from 1/2, the family's mean."""
    weights = linear_fits(x, y, penalty=np.full(x.shape[-1] + 1, ridge))
    errors: FloatArray = np.square((weights * with_one(x)).sum(axis=-1) + 0.5 - y)
    return errors


def backpropagation(
    x: FloatArray, y: FloatArray, *, updates: int = 10, lr: float = 0.03, seed: int = 0
) -> FloatArray:
    """A network of the teacher's shape, trained with Adam on the examples before.

    After every example it makes so many updates on all that it has seen. Its weights start small;
    each episode has a network of its own.
    """
    generator = torch.Generator().manual_seed(seed)
    n, examples, features = x.shape
    shapes = ((n, features, HIDDEN), (n, 1, HIDDEN), (n, HIDDEN, 1), (n, 1, 1))
    parameters = [(torch.rand(s, generator=generator) - 0.5).requires_grad_() for s in shapes]
    optimizer = torch.optim.Adam(parameters, lr=lr)
    inputs, targets = torch.from_numpy(x).float(), torch.from_numpy(y).float()

    def tell(these: torch.Tensor) -> torch.Tensor:
        w1, b1, w2, b2 = parameters
        hidden = torch.tanh(torch.baddbmm(b1, these, w1))
        return torch.sigmoid(torch.baddbmm(b2, hidden, w2))[..., 0]

    errors = torch.empty(n, examples)
    for k in range(examples):
        with torch.no_grad():
            errors[:, k] = (tell(inputs[:, k : k + 1])[:, 0] - targets[:, k]) ** 2
        for _ in range(updates):
            optimizer.zero_grad()
            loss = ((tell(inputs[:, : k + 1]) - targets[:, : k + 1]) ** 2).mean(dim=1).sum()
            loss.backward()
            optimizer.step()
    found: FloatArray = errors.double().numpy()
    return found
