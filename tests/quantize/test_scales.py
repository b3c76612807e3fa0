"""Choosing parameters, quantizing and dequantizing."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.spec import Population, Projection
from lsnn_neuro.registry import NEURONS
from quantize.loihi import quantize_decay, role_range, to_bias, to_integer
from quantize.scales import (
    choose_population_scale,
    choose_readout_scale,
    choose_scale,
    choose_weight_exp,
    dequantize_decay,
    dequantize_weight,
    quantize_weight,
    weight_step,
)

RANGES = {"excitatory": (0, 255), "inhibitory": (-255, 0), "mixed": (-256, 254)}
modes, widths, exponents = st.sampled_from(sorted(RANGES)), st.integers(2, 8), st.integers(0, 7)
weights = st.lists(st.floats(-50_000, 50_000), min_size=1, max_size=10)


def of_sign(mode, values):
    weight = np.array(values)
    return {"excitatory": np.abs(weight), "inhibitory": -np.abs(weight)}.get(mode, weight)


def grid(mode, bits):
    return 2 ** (8 - bits + (mode == "mixed"))


@given(mode=modes, bits=widths, exponent=exponents, values=weights)
def test_mantissas_lie_on_their_grid_and_in_their_range(mode, bits, exponent, values):
    mant = quantize_weight(of_sign(mode, values), exponent, mode, bits)
    assert mant.dtype == np.int32
    assert not (mant % grid(mode, bits)).any()
    assert RANGES[mode][0] <= mant.min()
    assert mant.max() <= RANGES[mode][1]


@given(mode=modes, bits=widths, exponent=exponents, values=weights)
def test_the_error_is_at_most_half_a_step_unless_clipped(mode, bits, exponent, values):
    weight = of_sign(mode, values)
    mant = quantize_weight(weight, exponent, mode, bits)
    step = weight_step(exponent, mode, bits)
    assert step == grid(mode, bits) * 2**exponent
    error = np.abs(dequantize_weight(mant, exponent) - weight)
    low, high = RANGES[mode]
    inside = (weight >= -(-low // grid(mode, bits)) * step - step / 2) & (
        weight <= high // grid(mode, bits) * step + step / 2
    )
    assert (error[inside] <= step / 2).all()


@given(mode=modes, bits=widths, exponent=exponents, values=weights)
def test_quantizing_is_monotone(mode, bits, exponent, values):
    weight = np.sort(of_sign(mode, values))
    assert (np.diff(quantize_weight(weight, exponent, mode, bits)) >= 0).all()


@given(mode=modes, bits=widths, exponent=exponents, values=weights)
def test_quantizing_what_was_quantized_changes_nothing(mode, bits, exponent, values):
    mant = quantize_weight(of_sign(mode, values), exponent, mode, bits)
    again = quantize_weight(dequantize_weight(mant, exponent), exponent, mode, bits)
    assert again.tolist() == mant.tolist()


@given(mode=modes, bits=widths, values=weights)
def test_the_smallest_exponent_without_clipping_is_chosen(mode, bits, values):
    weight = of_sign(mode, values)
    exponent = choose_weight_exp(weight, mode, bits)
    assert 0 <= exponent <= 7

    def error(e):
        found = dequantize_weight(quantize_weight(weight, e, mode, bits), e)
        return np.abs(found - weight).max() / weight_step(e, mode, bits)

    if exponent < 7:
        assert error(exponent) <= 0.5
    if exponent > 0:
        mant = quantize_weight(weight, exponent - 1, mode, bits)
        assert error(exponent - 1) > 0.5 or mant.max() > 240 or mant.min() < -240


@pytest.mark.parametrize("bits", [-1, 0, 1, 9])
def test_weight_bits_outside_2_to_8_are_refused(bits):
    with pytest.raises(NetworkError, match=f"weight_bits is {bits}, allowed are 2 to 8"):
        quantize_weight(np.ones(3), 0, "mixed", bits)


@given(tau=st.floats(0.2, 2000))
def test_decays_are_off_by_at_most_half_a_step(tau):
    decay = quantize_decay([math.exp(-1 / tau)])
    assert 0 <= decay[0] <= 4096
    assert abs(decay[0] / 4096 - (1 - math.exp(-1 / tau))) <= 0.5 / 4096


@pytest.mark.parametrize(
    ("tau", "decay", "effective"), [(20, 200, 19.98), (700, 6, 682.17), (1e9, 1, 4095.5)]
)
def test_the_effective_time_constant_of_a_decay(tau, decay, effective):
    assert quantize_decay([math.exp(-1 / tau)]).tolist() == [decay]
    assert dequantize_decay(np.array([decay]))[0] == pytest.approx(effective, abs=0.01)


def test_constants_end_where_the_bits_of_the_chip_do():
    """A threshold is 17 bits times 64: what Lava's LIF takes as ``vth``, shifted by 6."""
    vth = NEURONS["lif"].Constants.roles()["vth"]
    largest = 64 * (2**17 - 1)
    assert role_range(vth) == (0, largest)
    assert to_integer(vth, [largest, largest + 64, 1e12, -1.0], 1.0).tolist() == [largest] * 3 + [0]


def test_the_extreme_decays():
    assert quantize_decay([0.0, 1.0]).tolist() == [4096, 0]
    assert dequantize_decay(np.array([4096, 0])).tolist() == [0.0, math.inf]


def test_the_effective_time_constant_is_in_milliseconds():
    assert dequantize_decay(np.array([200]), dt=0.5)[0] == pytest.approx(19.98 / 2, abs=0.01)


def population(kind="alif", *, scale=None, kappa_i=0.0, bias=0.0, **changes):
    fields = {"alpha": 0.95, "rho": 0.99, "beta": 1.8, "b0": 0.01, "n_ref": 5} | changes
    neuron = NEURONS[kind]
    fields = {k: v for k, v in fields.items() if k in neuron.parameters() or k in changes}
    fields = {k: np.array([v]) if isinstance(v, float) else v for k, v in fields.items()}
    return Population(name="pop", neuron=neuron(**fields), scale=scale, kappa_i=kappa_i, bias=bias)


def synapses(values, target="pop"):
    kept = [v for v in values if v]
    return Projection(
        source="input", target=target, source_index=np.arange(len(kept)),
        target_index=np.zeros(len(kept), int), weight=kept,
    )  # fmt: skip


@settings(max_examples=200)
@given(
    alpha=st.floats(0, 0.999), rho=st.floats(0, 0.9999), beta=st.floats(0, 5),
    b0=st.floats(0.005, 1), n_ref=st.integers(0, 6),
    values=st.lists(st.floats(-2, 2), min_size=1, max_size=8),
)  # fmt: skip
def test_the_scale_keeps_the_worst_case_inside_24_bits(alpha, rho, beta, b0, n_ref, values):
    spec = population(alpha=alpha, rho=rho, beta=beta, b0=b0, n_ref=n_ref)
    try:
        scale = choose_population_scale(spec, [synapses(values)])
    except NetworkError:
        assume(False)
    limit = 2**23 - 1
    assert math.log2(scale).is_integer()
    decay_v, decay_a = (int(quantize_decay([x])[0]) for x in (alpha, rho))
    positive = sum(max(v, 0) for v in values)
    negative = sum(max(-v, 0) for v in values)
    assert scale * decay_v / 4096 * max(positive, negative) <= limit
    assert scale * b0 / 64 <= 2**17 - 1
    adaptation = highest = 0.0
    for t in range(400):  # a neuron that fires whenever it may
        fired = t > 0 and (t - 1) % (1 + n_ref) == 0
        adaptation = (1 - decay_a / 4096) * adaptation + fired * decay_a / 4096
        highest = max(highest, adaptation)
    assert scale * (b0 + beta * highest) <= limit * (1 + 1e-12)


def test_the_scale_is_as_large_as_it_can_be():
    scale = choose_population_scale(population(beta=0.0), [synapses([1e-3])])
    assert 2 * scale * 0.01 / 64 > 2**17 - 1


def test_the_mantissas_of_atrlif_have_fewer_bits():
    spec = population("atrlif", keep_r=0.9, beta=0.0)
    scale = choose_population_scale(spec, [synapses([1e-3])])
    assert scale * 0.01 / 64 <= 4095 < 2 * scale * 0.01 / 64


@pytest.mark.parametrize("field", ["reset_by", "reset_to"])
def test_what_a_reset_takes_off_or_leaves_fits_too(field):
    spec = population(reset="subtract_constant", **{field: -1000.0})
    assert choose_population_scale(spec, [synapses([1e-3])]) * 1000 <= 2**23 - 1


@pytest.mark.parametrize("bias", [0.001, 3.0, -700.0])
def test_no_bias_is_clipped_at_its_scale(bias):
    for spec, choose in (
        (population(bias=bias), choose_population_scale),
        (readout(0.0, bias=bias), choose_readout_scale),
    ):
        scale = choose(spec, [synapses([1e-3], spec.name)])
        drive = scale * np.round(4096 * (1 - spec.neuron.alpha)) / 4096 * bias
        np.testing.assert_allclose(to_bias(drive, 1.0), drive, rtol=2**-12, atol=0.5)


def test_a_bias_has_the_smallest_exponent_that_holds_it():
    exact = [4095, 4096, 4098, 8190, -4096, -4098, 4095 << 7, -4096 << 7]
    assert to_bias(exact, 1.0).tolist() == exact
    assert to_bias([4097, -4099, 5000 << 7], 1.0).tolist() == [4096, -4100, 4095 << 7]


def test_a_bias_does_not_saturate_a_readout():
    scale = choose_readout_scale(readout(0.0, bias=4.0), [synapses([1.0, -2.0], "readout")])
    assert scale * 7 <= 2**23 - 1


def test_weights_of_neurons_without_a_gain_count_as_they_are():
    usual, whole = (population(unit_gain=unit, beta=0.0, b0=1.0) for unit in (False, True))
    one, two = (choose_population_scale(p, [synapses([3e3])]) for p in (usual, whole))
    assert 16 <= one / two <= 32  # 1 / (1 - 0.95), to a power of two


def test_what_came_in_as_integers_keeps_its_scale():
    assert choose_scale(population(scale=3.25), [synapses([1e-3])]) == 3.25
    assert choose_scale(readout(0.0, scale=3.25), [synapses([1e-3], "readout")]) == 3.25


def test_inputs_that_drown_the_threshold_are_refused():
    with pytest.raises(NetworkError, match=r"'pop'.*threshold 0\.01 rounds to 0 .* 8,"):
        choose_population_scale(population(), [synapses([2e5 * 4096 / 205])])


def readout(offset, **fields):
    li = NEURONS["li"](alpha=np.array([0.9]))
    return Population(name="readout", neuron=li, offset=offset, **fields)


@given(values=st.lists(st.floats(-10, 10), min_size=1, max_size=8), offset=st.floats(-10, 10))
def test_no_readout_can_saturate_at_its_scale(values, offset):
    scale = choose_readout_scale(readout(offset), [synapses(values, "readout")])
    worst = sum(map(abs, values))  # the host adds the offset, which takes no bits
    assert scale * worst <= 2**23 - 1
    assert worst < 1e-10 or scale == 1.0 or 2 * scale * worst > 2**23 - 1


def test_a_readout_that_nothing_drives_has_a_scale_of_1():
    assert choose_readout_scale(readout(0.0), []) == 1.0
