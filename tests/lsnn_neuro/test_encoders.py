import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsnn_neuro.encoders import (
    crossing_levels,
    cue,
    levels_reached,
    poisson,
    population,
    threshold_crossing,
)
from lsnn_neuro.errors import DataError


def slow_threshold_crossing(signal, thresholds):
    """The code of one signal, straight from its description."""
    levels = [int(np.floor(level)) for level in np.linspace(0, 255, thresholds)]
    spikes = np.zeros((len(signal), 2 * thresholds - 1), bool)
    for t in range(len(signal)):
        for k, level in enumerate(levels[:-1]):
            if t + 1 < len(signal):
                spikes[t, 2 * k] = signal[t] < level <= signal[t + 1]
                spikes[t, 2 * k + 1] = signal[t] >= level > signal[t + 1]
        spikes[t, -1] = signal[t] == 255
    return spikes


def fired(spikes):
    """(step, channel) of every spike."""
    return [tuple(map(int, spike)) for spike in np.argwhere(spikes)]


def test_three_levels_by_hand():
    signal = np.array([0, 127, 126, 255, 255, 0], np.uint8)  # levels 0, 127, 255
    assert fired(threshold_crossing(signal, 3)) == [(0, 2), (1, 3), (2, 2), (3, 4), (4, 3), (4, 4)]


def test_levels_are_the_papers():
    assert crossing_levels(40).tolist() == np.floor(np.linspace(0, 255, 40)).tolist()


@pytest.mark.parametrize("thresholds", range(2, 257))
def test_levels_are_the_floor_of_evenly_spaced_ones(thresholds):
    exact = [255 * k // (thresholds - 1) for k in range(thresholds)]
    assert crossing_levels(thresholds).tolist() == exact


def test_forty_levels_make_the_published_79_channels():
    signal = np.arange(256, dtype=np.uint8)
    spikes = threshold_crossing(np.concatenate([signal, signal[::-1]]))
    assert spikes.shape == (512, 79)
    counts = spikes.sum(axis=0)
    assert counts[:2].tolist() == [0, 0]
    assert counts[2:78].tolist() == [1] * 76  # each level crossed once upwards, once downwards
    assert counts[78] == 2  # 255 is seen in two steps
    assert np.flatnonzero(spikes[:256, 2]).tolist() == [5]  # from 5 to level 6
    assert np.flatnonzero(spikes[256:, 3]).tolist() == [255 - 6]  # from level 6 to 5


@given(
    signals=hnp.arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 3))),
    thresholds=st.integers(2, 60),
)
def test_agrees_with_the_slow_reference(signals, thresholds):
    spikes = threshold_crossing(signals, thresholds)
    assert spikes.dtype == np.bool_
    for i, signal in enumerate(signals.T):
        expected = slow_threshold_crossing([int(value) for value in signal], thresholds)
        np.testing.assert_array_equal(spikes[:, i], expected)


def test_signals_in_a_batch_do_not_touch_each_other():
    values = np.random.default_rng(0).integers(0, 256, (28, 5, 7), dtype=np.uint8)
    spikes = threshold_crossing(values, 4)
    assert spikes.shape == (28, 5, 7, 7)
    for i in np.ndindex(5, 7):
        one = (slice(None), *i)
        np.testing.assert_array_equal(spikes[one], threshold_crossing(values[one], 4))


def test_a_held_value_crosses_only_once():
    spikes = threshold_crossing(np.array([0, 0, 200, 200, 200], np.uint8), 3)
    assert fired(spikes) == [(1, 2)]


@given(
    values=hnp.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 4))),
    thresholds=st.integers(1, 20),
)
def test_level_channels_fire_while_at_or_above_their_level(values, thresholds):
    spikes = levels_reached(values, thresholds)
    for k in range(thresholds):
        level = 255 * (k + 1) // (thresholds + 1)
        np.testing.assert_array_equal(spikes[..., k], values >= level)


def test_one_level_splits_the_grey_scale_in_the_middle():
    assert levels_reached(np.array([126, 127], np.uint8), 1)[:, 0].tolist() == [False, True]


@pytest.mark.parametrize("encoder", [threshold_crossing, levels_reached])
@pytest.mark.parametrize("values", [np.zeros((3, 2)), np.zeros(3, np.int64), np.ones((), np.uint8)])
def test_values_other_than_grey_levels_are_refused(encoder, values):
    with pytest.raises(DataError, match="expected uint8"):
        encoder(values, 3)


@pytest.mark.parametrize(
    ("encoder", "thresholds"),
    [
        (threshold_crossing, 1),
        (threshold_crossing, 257),
        (levels_reached, 0),
        (levels_reached, 255),
    ],
)
def test_impossible_numbers_of_levels_are_refused(encoder, thresholds):
    with pytest.raises(DataError, match=f"{thresholds} thresholds, allowed are"):
        encoder(np.zeros(3, np.uint8), thresholds)


def test_poisson_rates_are_met():
    rates = np.broadcast_to([0.0, 50.0, 1000.0], (40_000, 3))
    spikes = poisson(rates, 1.0, np.random.default_rng(0))
    assert spikes.dtype == np.bool_
    assert spikes[:, 0].sum() == 0
    assert spikes[:, 1].sum() == pytest.approx(2000, abs=5 * np.sqrt(2000))
    assert spikes[:, 2].all()


def test_poisson_counts_in_milliseconds():
    spikes = poisson(np.full((40_000, 1), 50.0), 2.0, np.random.default_rng(0))
    assert spikes.mean() == pytest.approx(0.1, abs=0.01)


def test_poisson_depends_on_nothing_but_the_generator():
    rates = np.full((100, 4), 100.0)
    first, second = (poisson(rates, 1.0, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("rate", [-1.0, 1001.0, np.nan])
def test_impossible_rates_are_refused(rate):
    with pytest.raises(DataError, match="0 to 1000 Hz"):
        poisson(np.array([[rate]]), 1.0, np.random.default_rng(0))


def test_cue_fires_in_its_steps_and_no_others():
    assert cue(6, 2, 5).tolist() == [False, False, True, True, True, False]
    assert not cue(6, 6, 6).any()


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (3, 2), (0, 7)])
def test_a_cue_outside_the_sample_is_refused(start, stop):
    with pytest.raises(DataError, match="do not lie within 6 steps"):
        cue(6, start, stop)


def test_a_population_fires_evenly_around_the_number():
    spikes = population(np.array([0.5]), (0, 1), size=5, n_steps=100, rate=0.4)[0]
    counts = spikes.sum(axis=0)
    expected = 40 * np.exp(-np.square(np.arange(5) - 2) / 2)
    np.testing.assert_allclose(counts, expected, atol=1)
    gaps = np.diff(np.flatnonzero(spikes[:, 2]))
    assert set(gaps) == {2, 3}


def test_a_population_refuses_what_is_not_a_number():
    with pytest.raises(DataError, match="NaN or infinite"):
        population(np.array([np.nan]), (0, 1), size=5, n_steps=10, rate=0.4)
