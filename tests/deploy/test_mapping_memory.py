"""Words of synapse memory, against counts done by hand."""

import numpy as np
import pytest

from deploy.mapping.chips import load_chip
from deploy.mapping.synapse_memory import SynapseFormat, format_of, words
from lsnn_neuro.errors import NetworkError
from quantize.network import QuantizedProjection

LOIHI1 = load_chip("loihi1")
EIGHT = SynapseFormat(weight_bits=8, delay_bits=0)


def synapses(mantissas, sign_mode="excitatory", delay=0):
    n = len(mantissas)
    return QuantizedProjection(
        name="p", source="input", target="pop", n_source=n, n_target=1,
        source_index=np.arange(n), target_index=np.zeros(n, int), weight_mant=mantissas,
        delay=np.full(n, delay), weight_exp=0, sign_mode=sign_mode,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, 1),  # 10 + 14
        (3, 1),  # 10 + 42
        (4, 2),  # 10 + 56
        (64, 15),  # 10 + 896
        (65, 16),  # a second block
    ],
)
def test_a_list_takes_header_and_entries_rounded_up_to_words(count, expected):
    # 64 compartments: indices of 6 bits; many neurons, so that dense lists are longer
    assert words(np.array([count]), EIGHT, 1000, 63, LOIHI1) == (expected, False)


def test_indices_grow_with_the_last_compartment():
    assert words(np.array([3]), EIGHT, 1000, 63, LOIHI1)[0] == 1  # 10 + 3 (8 + 6)
    assert words(np.array([3]), EIGHT, 1000, 1023, LOIHI1)[0] == 1  # 10 + 3 (8 + 10)
    assert words(np.array([4]), EIGHT, 1000, 1023, LOIHI1)[0] == 2


def test_sources_without_synapses_here_take_nothing():
    assert words(np.array([0, 3, 0, 3]), EIGHT, 1000, 63, LOIHI1) == (2, False)


def test_full_lists_are_stored_without_indices():
    # sparse 10 + 40 * 14 = 570 bits, 9 words; dense 10 + 40 * 8 = 330 bits, 6 words
    assert words(np.array([40, 40]), EIGHT, 40, 63, LOIHI1) == (12, True)
    assert words(np.array([4, 4]), EIGHT, 40, 63, LOIHI1) == (4, False)


@pytest.mark.parametrize(
    ("mantissas", "sign_mode", "on_loihi1", "on_loihi2"),
    [
        ([1, 255], "excitatory", 8, 8),
        ([-2, -254], "inhibitory", 8, 7),  # Loihi 1 has no 7 bits
        ([4, 252], "excitatory", 6, 6),
        ([16, 240], "excitatory", 4, 4),
        ([128], "excitatory", 1, 1),
        ([-256, 254], "mixed", 8, 8),
        ([-256, 32], "mixed", 4, 4),
        ([-256, -256], "mixed", 1, 1),
        ([0], "excitatory", 1, 1),
    ],
)
def test_weights_are_stored_without_low_bits_that_are_always_zero(
    mantissas, sign_mode, on_loihi1, on_loihi2
):
    projection = synapses(mantissas, sign_mode)
    assert format_of(projection, LOIHI1).weight_bits == on_loihi1
    assert format_of(projection, load_chip("loihi2")).weight_bits == on_loihi2


@pytest.mark.parametrize(("delay", "bits"), [(0, 0), (1, 1), (9, 4), (62, 6)])
def test_delays_take_the_bits_of_the_longest(delay, bits):
    assert format_of(synapses([1], delay=delay), LOIHI1).delay_bits == bits


def test_an_index_that_no_width_reaches_is_refused():
    with pytest.raises(NetworkError, match="indices need 13 bits, the chip stores up to 12"):
        words(np.array([1]), EIGHT, 10, 4096, LOIHI1)
