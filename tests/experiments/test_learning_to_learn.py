"""Predictors that are fitted to an episode, and the curves of a network beside them."""

import numpy as np
import pytest

from lsnn_neuro.tasks.fitted_predictors import (
    LINEAR_OF_ALL,
    backpropagation,
    curves,
    linear_of_all,
    linear_so_far,
)
from lsnn_neuro.tasks.learning_to_learn import LearningToLearn, LearningToLearnConfig


def episodes(n=6, examples=40):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (n, examples, 2))
    slopes, level = rng.uniform(-0.2, 0.2, (n, 2, 1)), rng.uniform(0.4, 0.6, (n, 1))
    return x, (x @ slopes)[..., 0] + level


def test_linear_functions_are_told_exactly_by_linear_predictors():
    x, y = episodes()
    assert linear_of_all(x, y).max() < 1e-20
    so_far = linear_so_far(x, y, ridge=1e-9)
    assert so_far[:, 3:].max() < 1e-6  # three numbers are known after three examples
    np.testing.assert_allclose(so_far[:, 0], (y[:, 0] - 0.5) ** 2)


def test_the_best_linear_fit_is_least_squares():
    x, y = episodes()
    y = y + 0.1 * np.sin(5 * x[..., 0])
    for episode in range(len(x)):
        design = np.c_[x[episode], np.ones(len(x[episode]))]
        _, (residual,), *_ = np.linalg.lstsq(design, y[episode], rcond=None)
        assert linear_of_all(x, y)[episode].sum() == pytest.approx(residual)


def test_predictors_know_nothing_of_what_comes_later():
    x, y = episodes()
    later_x, later_y = x.copy(), y.copy()
    later_x[:, 20:], later_y[:, 20:] = 0.3, 0.9
    for predictor in (linear_so_far, backpropagation):
        one, other = predictor(x, y), predictor(later_x, later_y)
        np.testing.assert_allclose(one[:, :20], other[:, :20], rtol=1e-4, atol=1e-7)


def test_backpropagation_learns():
    x, y = episodes()
    errors = backpropagation(x, y).mean(axis=0)
    assert errors[-5:].mean() < errors[:3].mean() / 20


def test_curves_are_means_over_the_test_episodes():
    settings = {"name": "teacher-networks", "examples": 6, "example_steps": 4, "answer_steps": 2}
    task = LearningToLearn(LearningToLearnConfig(**settings, test=70))
    _, y = task.episodes("test")

    class Half:
        def run(self, inputs):
            return np.full((task.n_steps, inputs.shape[1], 1), 0.5)

    found = curves(task, {"half": Half()})
    np.testing.assert_allclose(found["half"], np.square(y - 0.5).mean(axis=0), rtol=1e-6)
    assert len(found) == 4
    assert np.mean(found[LINEAR_OF_ALL]) < np.mean(found["half"])
