import numpy as np
import pytest

from lsnn_neuro.errors import DataError, RecipeError
from lsnn_neuro.recipe import parse_recipe
from lsnn_neuro.tasks import make_task
from lsnn_neuro.tasks.labels import ClassLabels, ValueLabels
from lsnn_neuro.tasks.sequential_mnist import SequentialMNIST, SequentialMNISTConfig
from lsnn_neuro.tasks.store_recall import StoreRecall, StoreRecallConfig
from lsnn_neuro.tasks.task import Batch, sample_ranges


def recipe(task):
    return parse_recipe({"name": "x", "task": task, "training": {"iterations": 1}}, "x")


def decisions(sample=(0, 1, 1), start=(0, 1, 2), stop=(2, 3, 3), target=(1, 0, 1)):
    return ClassLabels(
        sample=np.array(sample), start=np.array(start), stop=np.array(stop), target=np.array(target)
    )


def test_logits_are_sums_over_windows_by_hand():
    readout = np.arange(12).reshape(3, 2, 2)  # (time, sample, output)
    # sample 0, steps 0 and 1: [0, 1] + [4, 5]; sample 1, steps 1, 2: [6, 7] + [10, 11]; step 2
    assert decisions().sums(readout).tolist() == [[4, 6], [16, 18], [10, 11]]


def test_integer_logits_are_exact_beyond_the_width_of_the_readout():
    largest = 2**23 - 1
    readout = np.full((840, 1, 1), largest, np.int32)
    result = decisions([0], [0], [840], [0]).sums(readout)
    assert result.dtype == np.int64
    assert result.item() == 840 * largest


def test_float_logits_are_summed_in_double_precision():
    readout = np.full((1000, 1, 1), 0.1, np.float32)
    result = decisions([0], [0], [1000], [0]).sums(readout)
    assert result.dtype == np.float64
    assert result.item() == pytest.approx(1000 * float(np.float32(0.1)), rel=1e-12)


def test_logits_agree_with_a_loop_over_decisions():
    rng = np.random.default_rng(0)
    readout = rng.integers(-99, 99, (20, 5, 3))
    start = rng.integers(0, 19, 50)
    labels = decisions(
        rng.integers(5, size=50), start, start + 1 + rng.integers(20 - start), [0] * 50
    )
    expected = [
        readout[a:b, s].sum(axis=0)
        for s, a, b in zip(labels.sample, labels.start, labels.stop, strict=True)
    ]
    np.testing.assert_array_equal(labels.sums(readout), expected)


def test_no_decisions_give_no_logits():
    assert decisions([], [], [], []).sums(np.zeros((3, 2, 4))).shape == (0, 4)


@pytest.mark.parametrize(
    ("readout", "message"),
    [
        (np.zeros((3, 2)), "expected three axes"),
        (np.zeros((3, 2, 2), complex), "expected integers or floats"),
        (np.zeros((3, 2, 2), bool), "expected integers or floats"),
        (np.zeros((2, 2, 2)), "window ends at step 3 of 2"),
        (np.zeros((3, 1, 2)), "a label of sample 1 of a batch of 1"),
    ],
)
def test_a_readout_that_does_not_fit_is_refused(readout, message):
    with pytest.raises(DataError, match=message):
        decisions().sums(readout)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sample": [[0]]}, "sample is int64 of shape"),
        ({"target": [0.5, 0.5, 0.5]}, "target is float64"),
        ({"start": [0, 1]}, "lengths 3, 2, 3"),
        ({"sample": [0, -1, 1]}, "must be at least 0"),
        ({"target": [0, -1, 1]}, "must be at least 0"),
        ({"target": [0, 1]}, "2 targets for 3 windows"),
        ({"start": [0, 3, 2]}, r"decision 1: its window \[3, 3\) is empty"),
    ],
)
def test_wrong_decisions_are_refused(fields, message):
    with pytest.raises(DataError, match=message):
        decisions(**fields)


def test_decisions_are_read_only_copies():
    mine = np.array([0, 1, 1])
    made = decisions(sample=mine)
    mine[0] = 7
    assert made.sample[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        made.sample[0] = 1


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros((3, 2, 4)), "expected bool"),
        (np.zeros((3, 2), bool), "expected bool"),
        (np.zeros((2, 2, 4), bool), "window ends at step 3 of 2"),
        (np.zeros((3, 1, 4), bool), "a label of sample 1 of a batch of 1"),
    ],
)
def test_a_batch_that_does_not_fit_its_decisions_is_refused(inputs, message):
    with pytest.raises(DataError, match=message):
        Batch(inputs=inputs, labels=decisions())


def test_a_split_is_taken_in_order_up_to_its_limit():
    assert list(sample_ranges(10, 4, None)) == [range(4), range(4, 8), range(8, 10)]
    assert list(sample_ranges(10, 4, 5)) == [range(4), range(4, 5)]
    assert list(sample_ranges(10, 4, 99)) == list(sample_ranges(10, 4, None))


@pytest.mark.parametrize(("batch_size", "max_samples"), [(0, None), (4, 0), (-1, 3)])
def test_empty_batches_are_refused(batch_size, max_samples):
    with pytest.raises(DataError, match="must be at least 1"):
        list(sample_ranges(10, batch_size, max_samples))


@pytest.mark.parametrize(
    ("config", "kind"),
    [(SequentialMNISTConfig(), SequentialMNIST), (StoreRecallConfig(), StoreRecall)],
)
def test_the_name_in_a_recipe_selects_the_task(config, kind):
    read = recipe(config.model_dump()).task
    assert read == config
    assert isinstance(make_task(read), kind)
    assert make_task(read).name == config.name


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": "sequential-mist"}, "did you mean sequential-mnist\\?"),
        ({}, "has no name; there are arrays, delayed-xor"),
        ({"name": 3}, "there is no task '3'"),
        ({"name": "store-recall", "x": 1}, "task.x: there is no such field .there are"),
        ({"name": "store-recall", "rat": 1}, "did you mean rate"),
    ],
)
def test_unknown_tasks_and_fields_are_refused(wrong, words):
    with pytest.raises(RecipeError, match=words):
        recipe(wrong)


@pytest.mark.parametrize(
    "target", [[[1.0]], [1.0, 2.0], [[np.nan], [0.0]]], ids=["too few", "one axis", "NaN"]
)
def test_wrong_estimates_are_refused(target):
    with pytest.raises(DataError, match=r"expected finite numbers of shape \(2, output\)"):
        ValueLabels(sample=[0, 1], start=[0, 0], stop=[1, 2], target=target)


def test_outputs_that_are_scored_as_the_same_are_no_mistake():
    one = np.ones(4, np.int64)
    labels = ClassLabels(
        sample=0 * one, start=0 * one, stop=one, target=np.array([0, 1, 2, 0]),
        class_map=np.array([0, 1, 0]),
    )  # fmt: skip
    decided = np.array([2, 1, 1, 1])
    assert labels.correct(decided).tolist() == [True, True, False, False]
    labels = ClassLabels(sample=0 * one, start=0 * one, stop=one, target=labels.target)
    assert labels.correct(decided).tolist() == [False, True, False, False]


def test_every_output_that_is_a_target_must_be_scored():
    with pytest.raises(DataError, match="target 2, but class_map names 2 outputs"):
        ClassLabels(
            sample=np.array([0]), start=np.array([0]), stop=np.array([1]), target=np.array([2]),
            class_map=np.array([0, 1]),
        )  # fmt: skip
