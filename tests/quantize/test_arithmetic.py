"""Loihi's arithmetic against the same in plain Python integers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from integer_oracle import dec, sat, times_power_of_two, wrapped

from quantize.arithmetic import decay, round_each_product, saturate, shift, wrap

states = st.lists(st.integers(-(2**23 - 1), 2**23 - 1), min_size=1, max_size=20)


def ints(values):
    return np.array(values, np.int64)


@given(state=states, d=st.integers(0, 4096))
def test_decay_rounds_toward_zero(state, d):
    assert decay(ints(state), d).tolist() == [dec(s, d) for s in state]


@given(pairs=st.lists(st.tuples(st.integers(-(2**23), 2**23), st.integers(0, 4096)), min_size=1))
def test_each_neuron_has_its_own_decay(pairs):
    state, d = zip(*pairs, strict=True)
    assert decay(ints(state), np.array(d, np.int32)).tolist() == [dec(*pair) for pair in pairs]


@given(state=states)
def test_decay_0_keeps_and_4096_forgets(state):
    assert decay(ints(state), 0).tolist() == state
    assert not decay(ints(state), 4096).any()


@given(state=states, d=st.integers(1, 4096))
def test_decay_is_symmetric_and_ends_at_zero(state, d):
    assert decay(ints(state), d).tolist() == (-decay(-ints(state), d)).tolist()
    assert (np.abs(decay(ints(state), d)) <= np.maximum(np.abs(ints(state)) - 1, 0)).all()


@given(state=st.lists(st.integers(-(2**40), 2**40), min_size=1))
def test_saturates_instead_of_wrapping(state):
    assert saturate(ints(state)).tolist() == [sat(s) for s in state]


@given(state=st.lists(st.integers(-3 * 2**23 + 1, 3 * 2**23), min_size=1))
def test_a_current_wraps_as_lavas_does_as_long_as_its_input_is_no_more_than_2_to_the_24(state):
    assert wrap(ints(state)).tolist() == [wrapped(s) for s in state]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (2**23, 2**23),
        (2**23 + 1, -(2**23) + 1),
        (-(2**23), 2**23),
        (1 - 2**23, 1 - 2**23),
        (2**24, 0),
    ],
)
def test_wrapping_by_hand(state, expected):
    assert wrap(ints([state])).tolist() == [expected]


@given(value=states, exponent=st.integers(-8, 7))
def test_a_negative_exponent_rounds_down(value, exponent):
    expected = [times_power_of_two(v, exponent) for v in value]
    assert shift(ints(value), exponent).tolist() == expected


@pytest.mark.parametrize(
    ("state", "d", "expected"),
    [(1, 1, 0), (-1, 1, 0), (4096, 1, 4095), (-4096, 1, -4095), (100, 2048, 50), (-3, 2048, -1)],
)
def test_decay_by_hand(state, d, expected):
    assert decay(ints([state]), d).tolist() == [expected]


def test_a_chips_graded_products_are_rounded_one_by_one_half_away_from_zero():
    one = np.array([[1, 1], [-1, -1], [3, 1]])
    halves = np.array([64, 64])
    assert round_each_product(one, halves, -7).tolist() == [2, -2, 3]
    assert shift(one @ halves, -7).tolist() == [1, -1, 2]
    assert round_each_product(one, np.array([63, 1]), -7).tolist() == [0, 0, 1]
