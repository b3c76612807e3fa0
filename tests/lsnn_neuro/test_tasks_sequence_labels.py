"""Sequences of labels without their times: scores by edits, training by CTC."""

import itertools

import numpy as np
import pytest
import torch

from lsnn_neuro.errors import DataError
from lsnn_neuro.tasks.labels import SequenceLabels
from lsnn_neuro.tasks.phones import UNLABELLED, sequence
from lsnn_neuro.tasks.task import Batch

BLANK = 3


def sequence_labels(counts, labels, **more):
    n = sum(counts)
    return SequenceLabels(
        sample=np.repeat(np.arange(len(counts)), counts),
        start=np.concatenate([np.arange(c) for c in counts]) if n else np.zeros(0, int),
        stop=np.concatenate([np.arange(c) + 1 for c in counts]) if n else np.zeros(0, int),
        labels=tuple(np.array(one, int) for one in labels),
        **more,
    )


def readout_of(chosen, n_outputs=4):
    """Each sample's largest output, step by step: (time, sample, output)."""
    readout = np.zeros((max(map(len, chosen)), len(chosen), n_outputs))
    for sample, outputs in enumerate(chosen):
        readout[np.arange(len(outputs)), sample, outputs] = 1
    return readout


def scored(chosen, reference, **more):
    labels = sequence_labels([len(c) for c in chosen], reference, **more)
    readout = readout_of(chosen)
    return Batch(inputs=np.zeros((*readout.shape[:2], 1), bool), labels=labels).labels.score(
        readout
    )


def test_repeats_and_blanks_say_nothing():
    found = scored([[0, 0, BLANK, 0, 1, 1], [BLANK, 2]], [[0, 1], [2]])
    assert (found.metric.name, found.total, found.decisions, found.samples) == (
        "error_rate",
        0,
        3,
        2,
    )


def test_edits_are_counted_per_reference_label():
    found = scored([[0, 2, 1], [BLANK], [1, 2]], [[0, 1], [2], [0, 2]])  # one too many, less, wrong
    assert (found.total, found.decisions) == (3, 5)
    assert found.value == 0.6


def test_classes_that_are_scored_alike_are_alike_and_neighbours_are_one():
    found = scored([[0, 1, 2], [1]], [[0, 2], [0]], class_map=np.array([7, 7, 8]))
    assert (found.total, found.decisions) == (0, 3)


def test_a_readout_of_other_classes_is_refused():
    with pytest.raises(DataError, match="4 outputs for a task of 2 classes and the blank"):
        scored([[0]], [[0]], class_map=np.array([0, 1]))


def test_the_loss_is_the_likelihood_of_all_paths_that_decode_to_the_sequence():
    """Against a sum over every path of the largest outputs, written out."""
    generator = torch.Generator().manual_seed(0)
    counts, labels = [4, 3], [[0, 2], [1]]
    logits = torch.randn(7, 4, generator=generator, dtype=torch.float64)
    p = torch.softmax(logits, 1).numpy()
    expected = 0.0
    for first, count, reference in [(0, counts[0], labels[0]), (4, counts[1], labels[1])]:
        likelihood = 0.0
        for path in itertools.product(range(4), repeat=count):
            decoded = [c for c, _ in itertools.groupby(path) if c != BLANK]
            if decoded == reference:
                likelihood += np.prod([p[first + i, c] for i, c in enumerate(path)])
        expected -= np.log(likelihood) / len(reference) / 2
    loss = sequence_labels(counts, labels).likelihood_loss(logits)
    assert float(loss) == pytest.approx(expected)


def test_a_sequence_too_long_for_its_windows_does_not_break_training():
    logits = torch.zeros(1, 4, requires_grad=True)
    loss = sequence_labels([1], [[0, 1]]).likelihood_loss(logits)
    loss.backward()
    assert torch.isfinite(logits.grad).all()


def test_phones_in_their_order():
    frames = np.array([UNLABELLED, 4, 4, UNLABELLED, 4, 2, 2, 0, UNLABELLED])
    np.testing.assert_array_equal(sequence(frames), [4, 2, 0])
    assert len(sequence(np.full(3, UNLABELLED))) == 0


@pytest.mark.parametrize(
    ("labels", "sample", "message"),
    [([[0]], [0, 1], "a window of sample 1"), ([[0], [0]], [1, 0], "sample after sample")],
)
def test_wrong_sequence_labels_are_refused(labels, sample, message):
    with pytest.raises(DataError, match=message):
        SequenceLabels(
            sample=np.array(sample), start=np.zeros(2, int), stop=np.ones(2, int),
            labels=tuple(map(np.array, labels)),
        )  # fmt: skip
