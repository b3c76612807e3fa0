import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from speech_folders import tone

from lsnn_neuro.errors import DataError
from lsnn_neuro.features import QuantileScale, n_features, speech_features


def features(samples, rate=16_000, **settings):
    given = {"kind": "fbank", "bands": 26, "derivatives": 0} | settings
    return speech_features((samples / 32768).astype(np.float32), rate, **given)


@pytest.mark.parametrize("kind", ["fbank", "mfcc"])
@pytest.mark.parametrize("derivatives", [0, 1, 2])
@pytest.mark.parametrize("rate", [8000, 16_000])
def test_there_is_a_row_for_each_10_ms_and_a_column_for_each_feature(kind, derivatives, rate):
    found = features(tone(500, 3333, rate), rate, kind=kind, derivatives=derivatives)
    assert found.shape == (3333 // (rate // 100), n_features(kind, 26, derivatives))
    assert np.isfinite(found).all()


def test_a_higher_tone_is_loudest_in_a_higher_band():
    loudest = [features(tone(hertz, 1600, 16_000))[5].argmax() for hertz in (200, 700, 2000, 5000)]
    assert loudest == sorted(set(loudest))


def test_a_frame_describes_the_sound_around_its_middle():
    click = np.zeros(16_000)
    click[160 * 30 + 80] = 20_000  # the middle of frame 30
    assert features(click).sum(axis=1).argmax() == 30


def test_features_are_the_same_every_time():
    samples = tone(500, 16_000, 16_000)
    first, second = (features(samples, derivatives=2) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("kind", ["fbank", "mfcc"])
def test_derivatives_are_the_slopes_of_a_regression_over_five_frames(kind):
    rng = np.random.default_rng(0)
    found = features(rng.normal(0, 3000, 16_000), kind=kind, derivatives=2)
    plain, first, second = np.split(found, 3, axis=1)
    for of, slope in ((plain, first), (first, second)):
        # sum of k (x[t + k] - x[t - k]) / (2 sum of k^2), k = 1, 2
        expected = ((of[3:-1] - of[1:-3]) + 2 * (of[4:] - of[:-4])) / 10
        np.testing.assert_allclose(slope[2:-2], expected, rtol=1e-4, atol=1e-4)


def test_sound_shorter_than_a_frame_is_refused():
    with pytest.raises(DataError, match="159 samples, fewer than a frame \\(160"):
        features(np.ones(159))


@given(seed=st.integers(0, 999))
@settings(max_examples=20, deadline=None)
def test_codes_divide_the_training_frames_evenly_and_keep_their_order(seed):
    rng = np.random.default_rng(seed)
    train = np.exp(rng.normal(0, rng.uniform(0.1, 3), (2000, 3))).astype(np.float32)
    scale = QuantileScale.of(train)
    found = scale.codes(train)
    assert found.dtype == np.uint8
    for level in (51, 102, 153, 204):
        np.testing.assert_allclose((found >= level).mean(axis=0), 1 - level / 255, atol=0.01)
    for values, ranks in zip(train.T, found.T, strict=True):
        assert (np.diff(ranks[np.argsort(values)].astype(int)) >= 0).all()


def test_what_lies_outside_the_training_frames_is_0_or_255():
    scale = QuantileScale.of(np.linspace(0, 1, 100, dtype=np.float32)[:, None])
    assert scale.codes(np.float32([[-5], [9]])).tolist() == [[0], [255]]
