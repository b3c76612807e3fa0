"""Scores of readouts: right decisions, squared errors of estimates."""

import numpy as np
import pytest
import torch

from lsnn_neuro.errors import DataError
from lsnn_neuro.tasks.labels import ClassLabels, ValueLabels
from lsnn_neuro.tasks.score import ACCURACY, Score, join_scores
from lsnn_neuro.tasks.task import Batch

READOUT = np.array([[[1, 5], [4, 0]], [[3, 1], [4, 2]]])  # (time, sample, output)


def batch(labels):
    return Batch(inputs=np.zeros((2, 2, 1), bool), labels=labels)


def test_the_largest_sum_is_chosen():
    labels = ClassLabels(sample=[0, 1, 0], start=[0, 0, 1], stop=[2, 2, 2], target=[1, 1, 0])
    found = batch(labels).labels.score(READOUT)
    assert (found.metric.name, found.total, found.decisions, found.samples) == ("accuracy", 2, 3, 2)
    assert found.value == 2 / 3


def test_estimates_are_means_over_their_windows():
    labels = ValueLabels(sample=[0, 1], start=[0, 1], stop=[2, 2], target=[[2, 0], [5, 2]])
    found = batch(labels).labels.score(READOUT)
    assert found.metric.name == "squared_error"
    assert found.total == (0 + 9) / 2 + (1 + 0) / 2
    assert found.value == 2.5


def test_joined_scores_weigh_decisions_alike():
    one = Score(metric=ACCURACY, samples=1, decisions=1, total=1)
    three = Score(metric=ACCURACY, samples=2, decisions=3, total=0)
    joined = join_scores([one, three])
    assert joined.value == 0.25
    assert (joined.samples, joined.decisions) == (3, 4)


def test_a_score_of_nothing_is_refused():
    with pytest.raises(DataError, match="have no labels"):
        _ = Score(metric=ACCURACY, samples=2, decisions=0, total=0).value


def test_windows_of_a_group_add_up_to_one_decision():
    labels = ClassLabels(
        sample=[0, 1, 0], start=[0, 0, 1], stop=[1, 1, 2], target=[0, 1], group=[0, 0, 1]
    )
    found = batch(labels).labels.score(
        READOUT
    )  # [1, 5] + [4, 0] chooses 0 of a tie, [3, 1] chooses 0
    assert (found.total, found.decisions) == (1, 2)
    means = labels.means(torch.from_numpy(READOUT).double())
    np.testing.assert_array_equal(means.numpy(), [[5, 5], [3, 1]])


def test_every_target_needs_a_group():
    with pytest.raises(DataError, match="each target needs a group"):
        ClassLabels(sample=[0, 1], start=[0, 0], stop=[1, 1], target=[0, 1], group=[0, 0])
