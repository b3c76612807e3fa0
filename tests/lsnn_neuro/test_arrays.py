"""NumPy's scalars are taken, refused and quoted as Python's, whichever NumPy is installed."""

import numpy as np
import pytest

import lsnn_neuro as ln
from lsnn_neuro.arrays import plain, whole_number


@pytest.mark.parametrize(("value", "said"), [
    (np.float64(0.5), "0.5"), (np.int8(3), "3"), (np.str_("a"), "'a'"), (np.True_, "True"),
    ((np.float64(2), [np.int64(1), "b"]), "(2.0, [1, 'b'])"), ("c", "'c'"), (None, "None"),
])  # fmt: skip
def test_they_become_pythons(value, said):
    assert repr(plain(value)) == said


def test_a_refusal_quotes_what_was_computed_as_a_number():
    for value, said in ((np.float64(1.5), "1.5"), (np.int64(9), "9")):
        with pytest.raises(
            ln.NetworkError, match=f"^a: b is {said}, allowed are the integers 0 to 3"
        ):
            whole_number("a", "b", value, 0, 3)
    range_of_two = (np.float64(20), np.float64(10))
    with pytest.raises(ln.NetworkError, match=r"tau_m is \(20.0, 10.0\), a range that ends before"):
        ln.lsnn(n_inputs=3, n_outputs=2, tau_m=range_of_two)


def test_options_are_taken_and_complex_numbers_refused():
    fields = {"n_inputs": 3, "n_outputs": 2}
    taken = ln.lsnn(**fields, at_threshold=np.True_, gamma=np.float32(0.5))
    assert taken.populations[0].neuron.at_threshold is True
    with pytest.raises(ln.NetworkError, match=r"tau_m is \(1\+2j\), expected a number"):
        ln.lsnn(**fields, tau_m=np.complex64(1 + 2j))
