import time

import numpy as np
import pytest
from pydantic import ValidationError

from lsnn_neuro.data.mnist import load_images
from lsnn_neuro.encoders import threshold_crossing
from lsnn_neuro.errors import DataError
from lsnn_neuro.tasks.sequential_mnist import (
    SequentialMNIST,
    SequentialMNISTConfig,
    average_pool,
    distorted,
    pixel_order,
    translated,
)


@pytest.fixture(scope="module")
def paper():
    return SequentialMNIST(SequentialMNISTConfig())


@pytest.fixture(scope="module")
def images():
    return load_images("mnist-5k").test.images[:3]


def task(**fields):
    return SequentialMNIST(SequentialMNISTConfig(**fields))


def test_the_default_is_the_papers_840_steps_and_80_inputs(paper):
    batch = paper.train_batch(4, np.random.default_rng(0))
    assert batch.inputs.shape == (840, 4, 80)
    assert (paper.n_steps, paper.n_inputs, paper.n_outputs) == (840, 80, 10)


def test_two_ms_per_pixel_make_1680_steps():
    two = task(ms_per_pixel=2, cue_steps=112, decision_steps=56)
    batch = two.train_batch(2, np.random.default_rng(0))
    assert batch.inputs.shape == (1680, 2, 80)
    assert batch.labels.start.tolist() == [1624, 1624]


def test_pixels_are_coded_in_reading_order(paper, images):
    inputs = paper.encode(images)
    for i, image in enumerate(images):
        np.testing.assert_array_equal(inputs[:784, i, :79], threshold_crossing(image.ravel()))


def test_the_cue_is_the_last_input_and_fires_after_the_image_only(paper, images):
    inputs = paper.encode(images)
    assert not inputs[:784, :, 79].any()
    assert inputs[784:, :, 79].all()
    assert not inputs[784:, :, :79].any()


def test_the_class_is_judged_over_the_last_28_steps(paper):
    batch = next(paper.batches("test", 5))
    assert batch.labels.sample.tolist() == [0, 1, 2, 3, 4]
    assert set(batch.labels.start) == {812}
    assert set(batch.labels.stop) == {840}
    assert batch.labels.target.tolist() == load_images("mnist-5k").test.labels[:5].tolist()


def test_rows_show_all_columns_at_once(images):
    rows = task(layout="rows", thresholds=3)
    inputs = rows.encode(images)
    assert inputs.shape == (28 + 56, 3, 28 * 5 + 1)
    for column in (0, 13, 14):
        np.testing.assert_array_equal(
            inputs[:28, 1, 5 * column : 5 * column + 5],
            threshold_crossing(images[1, :, column], 3),
        )


def test_levels_show_a_row_as_a_bar_code(images):
    rows = task(layout="rows", coding="level", thresholds=1, ms_per_pixel=3)
    inputs = rows.encode(images)
    assert inputs.shape == (84 + 56, 3, 29)
    for row in (0, 14, 27):
        for step in range(3):
            np.testing.assert_array_equal(inputs[3 * row + step, 2, :28], images[2, row] >= 127)


def test_a_pixel_is_held_for_its_time(images):
    held = task(ms_per_pixel=2, cue_steps=112).encode(images)[: 2 * 784, :, :79]
    for i, image in enumerate(images):
        np.testing.assert_array_equal(held[:, i], threshold_crossing(image.ravel().repeat(2)))


@pytest.mark.parametrize(("downsample", "steps"), [(1, 784), (2, 196), (4, 49)])
def test_downsampling_shortens_the_image(images, downsample, steps):
    small = task(downsample=downsample)
    assert small.encode(images).shape == (steps + 56, 3, 80)


def test_average_pooling_by_hand():
    image = np.array([[[0, 1, 255, 255], [2, 4, 255, 254]]], np.uint8)
    assert average_pool(image, 2).tolist() == [[[1, 254]]]  # 7 / 4 and 1019 / 4, rounded down


def test_a_split_is_the_same_every_time_and_at_every_batch_size(paper):
    whole = next(paper.batches("validation", 30, max_samples=30))
    parts = list(paper.batches("validation", 7, max_samples=30))
    assert [part.size for part in parts] == [7, 7, 7, 7, 2]
    np.testing.assert_array_equal(
        np.concatenate([part.inputs for part in parts], axis=1), whole.inputs
    )
    targets = np.concatenate([part.labels.target for part in parts])
    np.testing.assert_array_equal(targets, whole.labels.target)


def test_splits_have_their_sizes(paper):
    assert (paper.n_samples("validation"), paper.n_samples("test")) == (500, 1000)
    assert sum(batch.size for batch in paper.batches("test", 300)) == 1000
    assert task(validation=100).n_samples("validation") == 100


def test_training_depends_on_nothing_but_the_generator(paper):
    first, second = (paper.train_batch(3, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first.inputs, second.inputs)
    rng = np.random.default_rng(5)
    assert not np.array_equal(paper.train_batch(3, rng).inputs, paper.train_batch(3, rng).inputs)


def test_a_batch_may_be_larger_than_the_training_set():
    assert task(validation=3999, downsample=4).train_batch(5, np.random.default_rng(0)).size == 5


def test_encoding_keeps_up_with_training(paper):
    images = np.random.default_rng(0).integers(0, 256, (256, 28, 28), dtype=np.uint8)
    took = []
    for _ in range(3):
        start = time.perf_counter()
        paper.encode(images)
        took.append(time.perf_counter() - start)
    assert min(took) < 0.5  # about 0.02 s; a training step takes about 1 s


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"thresholds": 2}, "needs 3 or more"),
        ({"thresholds": 0}, "thresholds"),
        ({"coding": "level", "thresholds": 0}, "thresholds"),
        ({"downsample": 3}, "downsample"),
        ({"ms_per_pixel": 0}, "ms_per_pixel"),
        ({"cue_steps": -1}, "cue_steps"),
        ({"decision_steps": 0}, "decision_steps"),
        ({"decision_steps": 841}, "there are only 840 steps"),
        ({"layout": "columns"}, "layout"),
        ({"coding": "rate"}, "coding"),
        ({"validation": 0}, "validation"),
        ({"data": ""}, "data"),
        ({"pixels": 784}, "pixels"),
    ],
)
def test_wrong_settings_are_refused_by_name(fields, message):
    with pytest.raises(ValidationError, match=message):
        SequentialMNISTConfig(**fields)


def test_settings_cannot_be_changed_afterwards(paper):
    with pytest.raises(ValidationError, match="frozen"):
        paper.config.cue_steps = 3


def test_data_that_is_not_there_is_refused():
    with pytest.raises(DataError, match="no such folder"):
        task(data="nowhere")


@pytest.mark.parametrize("wrong", [np.zeros((2, 784), np.uint8), np.zeros((2, 28, 28))])
def test_images_of_a_wrong_shape_or_type_are_refused(paper, wrong):
    with pytest.raises(DataError, match="expected uint8 of shape"):
        paper.encode(wrong)


def test_unknown_splits_and_empty_batches_are_refused(paper):
    with pytest.raises(DataError, match="'train': allowed are"):
        next(paper.batches("train", 4))
    with pytest.raises(DataError, match="at least 1"):
        paper.train_batch(0, np.random.default_rng(0))
    with pytest.raises(DataError, match="at least 1"):
        next(paper.batches("test", 4, max_samples=0))


@pytest.fixture(scope="module")
def permuted():
    return task(permutation=3)


@pytest.fixture(scope="module")
def order():
    """Which pixel each step shows with permutation = 3: image i is white in pixel i alone."""
    images = (255 * np.eye(784)).astype(np.uint8).reshape(784, 28, 28)
    bars = task(permutation=3, coding="level", thresholds=1).encode(images)[:784, :, 0]
    assert (bars.sum(axis=1) == 1).all()
    return bars.argmax(axis=1)


def test_a_permutation_shows_every_pixel_once_in_another_order(order):
    assert sorted(order) == list(range(784))
    assert (order != np.arange(784)).mean() > 0.9


def test_permuted_pixels_are_coded_in_their_new_order(permuted, order, images):
    inputs = permuted.encode(images)
    for i, image in enumerate(images):
        np.testing.assert_array_equal(
            inputs[:784, i, :79], threshold_crossing(image.ravel()[order])
        )
    assert inputs[784:, :, 79].all()


def test_all_splits_share_one_permutation_and_a_seed_means_the_same_one_everywhere(permuted):
    for split in ("validation", "test"):
        plain = next(task().batches(split, 4))
        batch = next(permuted.batches(split, 4))
        assert batch.labels.target.tolist() == plain.labels.target.tolist()
    images = load_images("mnist-5k").train.take(
        np.random.default_rng(1).integers(3500, size=4)  # as train_batch draws them
    )
    np.testing.assert_array_equal(
        permuted.train_batch(4, np.random.default_rng(1)).inputs, permuted.encode(images.images)
    )
    again, other = task(permutation=3), task(permutation=4)
    np.testing.assert_array_equal(again.encode(images.images), permuted.encode(images.images))
    assert not np.array_equal(other.encode(images.images), permuted.encode(images.images))


def test_the_order_of_a_seed_is_part_of_every_published_number():
    assert pixel_order(0, 784)[:8].tolist() == [269, 11, 403, 600, 196, 608, 657, 150]


def test_pixels_of_a_smaller_image_can_be_permuted(images):
    small = task(permutation=0, downsample=2)
    assert small.encode(images).shape == (196 + 56, 3, 80)


def test_rows_are_not_permuted():
    with pytest.raises(ValidationError, match="permutation is 2 and layout is 'rows'"):
        SequentialMNISTConfig(layout="rows", permutation=2)


def dot(row, column):
    image = np.zeros((1, 9, 9), np.uint8)
    image[0, row, column] = 200
    return image


def test_translated_images_reach_every_place_within_the_most_and_no_other():
    rng = np.random.default_rng(0)
    moved = translated(np.repeat(dot(4, 4), 500, axis=0), 2, rng)
    assert set(moved.sum(axis=(1, 2))) == {200}
    assert sorted(set(zip(*np.nonzero(moved)[1:], strict=True))) == [
        (row, column) for row in range(2, 7) for column in range(2, 7)
    ]


def test_what_is_moved_out_is_gone():
    moved = translated(np.repeat(dot(0, 4), 50, axis=0), 1, np.random.default_rng(0))
    assert set(moved.sum(axis=(1, 2))) == {0, 200}


def test_a_turn_keeps_the_centre_and_the_distance_to_it():
    images = np.concatenate([dot(4, 4), np.repeat(dot(1, 4), 300, axis=0)])
    turned = distorted(images, 30.0, 0.0, np.random.default_rng(0))
    assert turned[0, 4, 4] == 200
    grid = np.arange(9.0) - 4
    mass = turned[1:].sum(axis=(1, 2))
    down = (turned[1:].sum(axis=2) * grid).sum(axis=1) / mass
    right = (turned[1:].sum(axis=1) * grid).sum(axis=1) / mass
    np.testing.assert_allclose(np.hypot(down, right), 3, atol=0.3)
    angle = np.rad2deg(np.arctan2(right, -down))
    assert angle.min() < -25
    assert angle.max() > 25
    assert np.abs(angle).max() < 33


def test_stretching_moves_what_is_off_the_centre_by_its_share():
    image = np.zeros((300, 29, 29), np.uint8)
    image[:, 13:16, 23:26] = 200  # 10 right of the centre
    stretched = distorted(image, 0.0, 0.2, np.random.default_rng(0))
    grid = np.arange(29.0) - 14
    right = (stretched.sum(axis=1) * grid).sum(axis=1) / stretched.sum(axis=(1, 2))
    assert right.min() == pytest.approx(8, abs=0.2)
    assert right.max() == pytest.approx(12, abs=0.2)


def test_what_is_turned_is_then_stretched_along_rows_and_columns():
    image = np.zeros((500, 29, 29), np.uint8)
    image[:, 13:16, 23:26] = 200
    moved = distorted(image, 90.0, 0.2, np.random.default_rng(0))
    grid = np.arange(29.0) - 14
    mass = moved.sum(axis=(1, 2))
    right, down = ((moved.sum(axis=axis) * grid).sum(axis=1) / mass for axis in (1, 2))
    rng = np.random.default_rng(0)
    angle = np.deg2rad(rng.uniform(-90, 90, 500))
    scales = 1 + rng.uniform(-0.2, 0.2, (500, 2))
    np.testing.assert_allclose(right, 10 * np.cos(angle) * scales[:, 1], atol=0.3)
    np.testing.assert_allclose(np.abs(down), np.abs(10 * np.sin(angle) * scales[:, 0]), atol=0.3)


def test_images_are_distorted_in_training_only_and_the_same_again_from_the_same_seed():
    plain, distorts = task(), task(rotation=15.0, scaling=0.1)
    one, again, other = (
        some.train_batch(3, np.random.default_rng(0)).inputs for some in (distorts, distorts, plain)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    held_out = [next(some.batches("validation", 3)).inputs for some in (plain, distorts)]
    assert np.array_equal(*held_out)
