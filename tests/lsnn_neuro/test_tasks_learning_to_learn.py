"""Learning to learn: functions of a family, shown by examples."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.optimize import minimize

from lsnn_neuro.errors import DataError
from lsnn_neuro.network.module import NetworkOutput
from lsnn_neuro.tasks.learning_to_learn import LearningToLearn, LearningToLearnConfig, linear_fits
from lsnn_neuro.training.config import TrainingConfig
from lsnn_neuro.training.objectives import Supervised

FAMILIES = ("teacher-networks", "sinusoids")


def make(name="teacher-networks", **settings):
    return LearningToLearn(LearningToLearnConfig(name=name, **({"examples": 12} | settings)))


def decode(spikes, low, high):
    """The number a group says, from its mean rates: (sample, example, step, neuron) -> (..., )."""
    counts = spikes.sum(axis=2)
    return (counts * np.linspace(low, high, spikes.shape[-1])).sum(-1) / counts.sum(-1)


@pytest.mark.parametrize("name", FAMILIES)
def test_inputs_say_x_and_the_answer_to_the_example_before(name):
    task = make(name, group_size=40)
    x, y = task.draw(3, np.random.default_rng(0))
    x, y = 0.9 * x, 0.1 + 0.8 * y  # away from the ends, where a group knows half of its curve
    inputs = task.encode(x, y).inputs
    spikes = inputs.transpose(1, 0, 2).reshape(3, 12, 20, -1, 40)
    for i in range(task.n_features):
        np.testing.assert_allclose(decode(spikes[..., i, :], -1, 1), x[..., i], atol=0.03)
    before = spikes[..., -1, :]
    assert not before[:, 0].any()
    np.testing.assert_allclose(decode(before[:, 1:], 0, 1), y[:, :-1], atol=0.015)


@pytest.mark.parametrize("name", FAMILIES)
def test_answers_are_asked_for_in_the_last_steps_of_every_example(name):
    task = make(name, example_steps=8, answer_steps=3)
    x, y = task.draw(2, np.random.default_rng(1))
    labels = task.encode(x, y).labels
    np.testing.assert_array_equal(labels.sample, np.repeat([0, 1], 12))
    np.testing.assert_array_equal(labels.start[:12], 8 * np.arange(12) + 5)
    np.testing.assert_array_equal(labels.stop, labels.start + 3)
    np.testing.assert_array_equal(labels.target[:, 0], y.ravel())


def test_a_teacher_is_the_network_of_its_equation():
    class Known:
        """Gives what a teacher draws in the order x, W1, b1, w2, b2."""

        values = (
            np.full((1, 12, 2), 0.5),
            np.full((1, 2, 10), 0.2),
            np.full((1, 1, 10), -0.1),
            np.full((1, 10, 1), 0.3),
            np.full((1, 1, 1), -0.4),
        )

        def __init__(self):
            self.left = list(self.values)

        def uniform(self, low, high, size):
            value = self.left.pop(0)
            assert (low, high, size) == (-1, 1, value.shape)
            return value

    _, y = make(slope=2.0).draw(1, Known())
    hidden = 1 / (1 + np.exp(-2 * (2 * 0.5 * 0.2 - 0.1)))
    np.testing.assert_allclose(y, 1 / (1 + np.exp(-2 * (10 * hidden * 0.3 - 0.4))))


def test_sinusoids_fill_the_unit_interval():
    x, y = make("sinusoids", examples=200).draw(300, np.random.default_rng(2))
    assert x.shape == (300, 200, 1)
    assert 0 <= y.min() < 0.02
    assert 0.98 < y.max() <= 1
    amplitude = y.max(axis=1) - y.min(axis=1)
    assert amplitude.min() < 0.1 < 0.9 < amplitude.max()


@pytest.mark.parametrize("name", FAMILIES)
def test_held_out_episodes_do_not_depend_on_the_batch_size_and_differ_between_splits(name):
    task = make(name, validation=5, test=5)
    whole = next(task.batches("test", 5))
    parts = list(task.batches("test", 2))
    assert [p.size for p in parts] == [2, 2, 1]
    np.testing.assert_array_equal(whole.inputs, np.concatenate([p.inputs for p in parts], axis=1))
    other = next(task.batches("validation", 5))
    assert (whole.labels.target != other.labels.target).all()


def test_wrong_settings_are_refused():
    with pytest.raises(ValidationError, match="an example lasts 5 steps"):
        LearningToLearnConfig(name="sinusoids", example_steps=5, answer_steps=6)
    with pytest.raises(DataError, match="batch of 0 samples"):
        make().train_batch(0, np.random.default_rng(0))
    with pytest.raises(DataError, match="'train'"):
        make().n_samples("train")


@pytest.mark.parametrize("name", FAMILIES)
def test_a_linear_fit_is_the_least_penalized_one_of_the_examples_before(name):
    task = make(name)
    x, y = task.draw(3, np.random.default_rng(3))
    penalty = np.array([0.5] * task.n_features + [0.1])
    fits = linear_fits(x, y, penalty=penalty)
    assert (fits[:, 0] == 0).all()
    for episode, k in [(0, 1), (1, 2), (2, 11)]:

        def cost(weights, episode=episode, k=k):
            fitted = 0.5 + x[episode, :k] @ weights[:-1] + weights[-1]
            return np.square(fitted - y[episode, :k]).sum() + penalty @ np.square(weights)

        assert minimize(cost, np.zeros(len(penalty))).x == pytest.approx(fits[episode, k], abs=1e-4)


def test_auxiliary_targets_are_taught_to_outputs_of_their_own_and_are_not_judged():
    task = make(auxiliary_targets=True)
    assert (task.n_outputs, make().n_outputs) == (4, 1)
    batch = task.train_batch(2, np.random.default_rng(4))
    labels = batch.labels
    assert labels.all_targets().shape == (24, 4)
    readout = np.zeros((batch.n_steps, 2, 4))
    for sample, start, stop, numbers in zip(
        labels.sample, labels.start, labels.stop, labels.all_targets(), strict=True
    ):
        readout[start:stop, sample] = numbers
    assert batch.labels.score(readout).value == pytest.approx(0)
    readout[..., 1:] = 7.0
    assert batch.labels.score(readout).value == pytest.approx(0)
    readout[..., 0] += 0.5
    assert batch.labels.score(readout).value == pytest.approx(0.25)


@pytest.mark.parametrize(("readout", "answer"), [(0.5, 0.5), (0.51, 0.51), (9.0, 1.0), (-9.0, 0.0)])
def test_a_sigmoid_keeps_answers_between_0_and_1(readout, answer):
    labels = (
        make(sigmoid=True, auxiliary_targets=True).train_batch(2, np.random.default_rng(4)).labels
    )
    predicted = labels.predictions(np.full((len(labels), 4), readout))
    assert predicted.shape == (len(labels), 1)
    np.testing.assert_allclose(predicted, answer, atol=1e-5)


def test_the_loss_is_that_of_the_answers_that_are_judged_and_of_the_auxiliary_targets_as_they_are():
    task = make(sigmoid=True, auxiliary_targets=True)
    batch = task.train_batch(3, np.random.default_rng(4))
    readout = np.random.default_rng(5).normal(0.5, 1.0, (batch.n_steps, 3, 4))

    def model(_):
        return NetworkOutput(readout=torch.from_numpy(readout))

    config = TrainingConfig(iterations=1, batch_size=3)
    loss = Supervised(task, config, torch.device("cpu")).loss(model, np.random.default_rng(4))
    labels = batch.labels
    means = labels.sums(readout) / task.config.answer_steps
    auxiliary = np.square(means[:, 1:] - labels.auxiliary)
    judged = np.square(labels.predictions(means) - labels.target)
    assert loss.value.item() == pytest.approx(np.hstack([judged, auxiliary]).mean())
    assert batch.labels.score(readout).value == pytest.approx(judged.mean())
