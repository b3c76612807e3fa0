"""The intermediate representation refuses what no chip can hold, and can't be changed."""

import dataclasses
import math

import numpy as np
import pytest
from random_graphs import random_graph
from random_networks import li, neurons, random_network
from same import differences

from lsnn_neuro.errors import NetworkError
from lsnn_neuro.registry import NEURONS
from quantize.network import QuantizedNetwork, QuantizedProjection, value_range

POPULATION = {
    "kind": "alif", "name": "pop", "decay_v": [200, 200], "decay_a": [6, 6], "step_a": [0, 9],
    "vth": [320, 384], "n_ref": 3, "reset": "to", "scale": 2.0,
}  # fmt: skip
PROJECTION = {
    "name": "in", "source": "input", "target": "pop", "n_source": 3, "n_target": 2,
    "source_index": [0, 2, 1], "target_index": [0, 0, 1], "weight_mant": [1, 255, 0],
    "delay": [0, 62, 1], "weight_exp": -8, "sign_mode": "excitatory",
}  # fmt: skip
READOUT = {"name": "readout", "decay_v": [4096], "offset": -3.0}
ATRLIF = {
    "kind": "atrlif", "decay_r": [1, 2], "decay_i": [1, 2], "n_ref": None, "reset": None,
    "step_a": [0, 64],
}  # fmt: skip


def make(part, **changes):
    def fields(defaults):
        return {k: v for k, v in (defaults | changes).items() if v is not None}

    return {"population": lambda: neurons(**fields(POPULATION)),
            "projection": lambda: QuantizedProjection(**fields(PROJECTION)),
            "readout": lambda: li(**fields(READOUT)),
            "network": lambda: QuantizedNetwork(**(whole() | changes))}[part]()  # fmt: skip


def whole():
    return {
        "n_inputs": 3,
        "populations": (make("population"), make("readout")),
        "projections": (make("projection"),),
    }


def with_target(target, **changes):
    return (make("projection", target=target, **changes),)


@pytest.mark.parametrize(
    ("part", "changes", "words"),
    [
        ("population", {"decay_v": [0, 4097]}, r"'pop': decay_v\[1\] is 4097, .* 0 to 4096"),
        ("population", {"decay_a": [-1, 0]}, r"'pop': decay_a\[0\] is -1, .* 0 to 4096"),
        ("population", {"step_a": [0, 2**23]}, r"step_a\[1\] is 8388608, .* 0 to 8388607"),
        ("population", {"step_a": [-1, 0]}, r"step_a\[0\] is -1, .* 0 to 8388607"),
        ("population", {"vth": [2**23, 0]}, r"vth\[0\] is 8388608, .* 0 to 8388544"),
        ("population", {"vth": [64, -64]}, r"vth\[1\] is -64"),
        ("population", {"vth": [64, 65]}, r"vth\[1\] is 65, allowed are multiples of 64"),
        ("population", {"decay_v": [1, 2, 3]}, r"vth has shape \(2,\), expected \(3,\)"),
        ("population", {"decay_v": [[1, 2]]}, r"decay_v has shape \(1, 2\)"),
        ("population", {"decay_v": [1.0, 2.0]}, "decay_v has type float64, expected integers"),
        ("population", {"decay_v": [True, False]}, "decay_v has type bool, expected integers"),
        (
            "population",
            {"kind": "lif", "decay_v": [], "vth": [], "n_ref": [], "decay_a": None, "step_a": None,
             "reset_by": [], "reset_to": []},
            "'pop': has 0 neurons",
        ),
        ("population", {"n_ref": [0, 64]}, r"n_ref\[1\] is 64, allowed are 0 to 63"),
        ("population", {"n_ref": -1}, r"n_ref\[0\] is -1"),
        ("population", {"n_ref": 1.5}, "n_ref has type float64"),
        ("population", {"reset": "soft"}, "reset is 'soft', allowed are 'subtract', 'subtract_c"),
        ("population", {"at_threshold": 2}, "at_threshold is 2, allowed are False, True"),
        ("population", {"reset_by": -(2**23)}, "reset_by.* -8388607 to 8388607"),
        ("population", {"reset_to": 2**23}, "reset_to.* -8388607 to 8388607"),
        ("population", {"decay_i": [0, 5000]}, r"decay_i\[1\] is 5000, allowed are 0 to 4096"),
        ("population", {"decay_i": [1, 2, 3]}, r"decay_i has shape \(3,\), expected \(2,\)"),
        ("population", {"bias": [0, 8191]}, r"bias\[1\] is 8191, which is no mantissa of 13 bits"),
        ("population", {"bias": [2**20, 0]}, r"bias\[0\] is 1048576, allowed are -524288 to 524288"),
        ("population", {"bias": 524288}, r"bias\[0\] is 524288, which is no mantissa"),
        ("population", {"bias": [0.5, 1]}, "bias has type float64"),
        ("population", {"offset": [1.0, 0.0]}, "only readouts have an offset"),
        ("population", ATRLIF | {"decay_i": None}, "'pop': 'atrlif' neurons need a decay_i"),
        ("population", ATRLIF | {"decay_r": [1, 5000]}, r"decay_r\[1\] is 5000, .* 0 to 4096"),
        ("population", ATRLIF | {"vth": [64, 2**18]}, r"vth\[1\] is 262144, .* 0 to 262080"),
        ("population", ATRLIF | {"step_a": [64, 32]}, r"step_a\[1\] is 32, .* multiples of 64"),
        ("population", ATRLIF | {"at_threshold": False}, "at_threshold is False, allowed are True"),
        ("population", {"scale": 0.0}, r"scale is 0\.0, must be finite and above 0"),
        ("population", {"scale": float("nan")}, "scale is nan"),
        ("projection", {"weight_mant": [1, 256, 0]}, r"weight_mant\[1\] is 256, .* 0 to 255"),
        ("projection", {"weight_mant": [-1, 2, 0]}, r"weight_mant\[0\] is -1, .* 0 to 255"),
        ("projection", {"sign_mode": "inhibitory"}, r"weight_mant\[0\] is 1, .* -255 to 0"),
        ("projection", {"sign_mode": "mixed"}, r"weight_mant\[1\] is 255, .* -256 to 254"),
        ("projection", {"sign_mode": "mixed", "weight_mant": [1, 2, 0]}, "must be even"),
        ("projection", {"sign_mode": "both"}, "sign_mode is 'both', allowed are"),
        ("projection", {"delay": [0, 63, 0]}, r"delay\[1\] is 63, .* 0 to 62"),
        ("projection", {"delay": [-1, 0, 0]}, r"delay\[0\] is -1"),
        ("projection", {"weight_exp": 8}, "weight_exp is 8, allowed are the integers -8 to 7"),
        ("projection", {"weight_exp": -9}, "weight_exp is -9"),
        ("projection", {"weight_exp": 0.5}, r"weight_exp is 0\.5"),
        ("projection", {"source_index": [0, 3, 1]}, r"source_index\[1\] is 3, .* 0 to 2"),
        ("projection", {"target_index": [0, 0, 2]}, r"target_index\[2\] is 2, .* 0 to 1"),
        ("projection", {"source_index": [2, 0, 1]}, "sorted by target, source"),
        ("projection", {"source_index": [0, 0, 1]}, "sorted by target, source, without repeats"),
        ("projection", {"delay": [0, 1]}, r"delay has shape \(2,\), expected \(3,\)"),
        ("projection", {"n_source": 0}, "n_source is 0"),
        ("projection", {"n_target": 2.0}, r"n_target is 2\.0"),
        ("readout", {"decay_v": [5000]}, r"'readout': decay_v\[0\] is 5000, .* 0 to 4096"),
        ("readout", {"offset": float("inf")}, r"'readout': offset\[0\] is inf"),
        ("readout", {"decay_v": []}, "'readout': has 0 neurons"),
        ("readout", {"scale": -1.0}, r"'readout': scale is -1\.0"),
        ("network", {"n_inputs": 0}, "n_inputs is 0"),
        ("network", {"n_inputs": 4}, "'input' has 4 neurons, not 3"),
        ("network", {"dt": 0.0}, r"dt is 0\.0 ms, must be finite and above 0"),
        ("network", {"dt": float("inf")}, "dt is inf"),
        ("network", {"populations": ()}, "has no population"),
        ("network", {"populations": (make("readout"),)}, "no such end 'pop'; there are"),
        (
            "network",
            {"populations": (make("population"), make("population"))},
            r"population names must be unique, got \['pop', 'pop'\]",
        ),
        ("network", {"populations": (make("population", name="input"),)}, "'input' is reserved"),
        ("network", {"populations": (make("population", name=""),)}, "'' is reserved or holds"),
        ("network", {"populations": (make("population", name="a/b"),)}, "'a/b' is reserved or"),
        ("network", {"populations": (make("population"),)}, "no outputs"),
        ("network", {"outputs": ("x",)}, "output 'x' is no population"),
        ("network", {"outputs": ("readout", "readout")}, "'readout' .* is named twice"),
        (
            "network",
            {"projections": (make("projection"), make("projection"))},
            "projection names must be unique",
        ),
        ("network", {"projections": (make("projection", source="x"),)}, "no such end 'x'"),
        ("network", {"projections": with_target("readout")}, "'readout' has 1 neurons, not 2"),
        (
            "network",
            {"projections": (make("projection", source="readout", name="back"),)},
            r"no such end 'readout'.*\(readouts have no outgoing projections\)",
        ),
    ],
)  # fmt: skip
def test_a_bad_value_is_refused_with_object_value_and_limit(part, changes, words):
    with pytest.raises(NetworkError, match=words) as caught:
        make(part, **changes)
    assert "\n" not in str(caught.value)


def test_constants_of_another_neuron_are_refused():
    population = make("population")
    with pytest.raises(
        NetworkError, match="constants are ALIFConstants, 'lif' neurons have LIFConst"
    ):
        dataclasses.replace(population, neuron=NEURONS["lif"])


def sums_up_to(n):
    """So many inputs of the largest weight onto one neuron."""
    into = QuantizedProjection.of_matrix(
        "in", "input", "pop", np.full((1, n), -255), np.zeros((1, n), int), 7, "inhibitory"
    )
    return QuantizedNetwork(
        n_inputs=n, populations=(neurons("lif", vth=[64]), li("readout", [1])), projections=(into,)
    )


def test_a_sum_that_would_leave_32_bits_is_refused():
    assert sums_up_to(1028).worst_input("pop") == 1028 * 255 * 128
    with pytest.raises(
        NetworkError, match=r"'pop': its synaptic input of a step can reach 33586560"
    ):
        sums_up_to(1029)


@pytest.mark.parametrize("values", [(0, 1), (-128, 127), (0, 90), (-3, 1)])
@pytest.mark.parametrize("seed", range(8))
def test_the_worst_input_is_the_worst_of_all_that_can_arrive(seed, values):
    """Each synapse's worst, summed for each delay and shifted down on its own, in plain integers."""
    network = random_graph(seed, graded=True)
    for population in network.populations:
        least, most = network.input_extremes(population.name, values)
        expected = [[0, 0] for _ in range(population.size)]
        for p in network.into(population.name):
            sent = values if p.source == "input" else (0, 1)
            arriving = {}
            for target, delay, weight in zip(p.target_index, p.delay, p.weight_mant, strict=True):
                products = [int(weight) * value for value in sent]
                low, high = arriving.get((target, delay), (0, 0))
                arriving[target, delay] = low + min(products), high + max(products)
            for (target, _), sums in arriving.items():
                for i, total in enumerate(sums):
                    expected[target][i] += math.floor(total * 2.0**p.weight_exp)
        assert np.stack([least, most], axis=1).tolist() == expected
        worst = max(abs(x) for pair in expected for x in pair)
        assert network.worst_input(population.name, values) == worst


def test_the_values_of_inputs_are_those_of_spikes_and_what_goes_beyond():
    assert value_range(np.ones((2, 1, 3), bool)) == (0, 1)
    assert value_range(np.zeros((2, 1, 3), np.int8)) == (0, 1)
    assert value_range(np.array([[[-1, 1]]], np.int8)) == (-1, 1)
    assert value_range(np.array([[[-128, -3]]], np.int8)) == (-128, 1)
    assert value_range(np.array([[[5, 127]]], np.int8)) == (0, 127)


def test_input_values_whose_sum_would_leave_32_bits_are_refused():
    sums_up_to(8).check_values((-128, 127))
    many = sums_up_to(9)
    many.check_values((0, 1))
    many.check_values((-114, 114))  # 9 * 255 * 128 * 114 = 33,488,640
    with pytest.raises(
        NetworkError, match=r"'pop': .* can reach 33782400 with input values from 0 to 115, allowed"
    ):
        many.check_values((0, 115))


def test_the_unchanged_parts_are_accepted():
    network = make("network")
    assert network.n_synapses == 3
    assert network.into("pop") == network.out_of("input") == network.projections
    assert network.projections[0].reach == 62
    assert network.reach_of("input") == 63
    assert network.populations[0].adaptive
    assert network.outputs == ("readout",)
    assert (network.n_neurons, network.n_outputs) == (2, 1)
    assert network.places() == {"pop": slice(0, 2), "readout": slice(0, 1)}
    with pytest.raises(NetworkError, match="no population 'x'; there are pop, readout"):
        network.population("x")


def test_outputs_are_read_in_units_of_the_float_network():
    network = make("network", populations=(make("population"), make("readout", scale=4.0)),
                   outputs=("pop", "readout"))  # fmt: skip
    assert network.output_scale.tolist() == [1, 1, 4]
    assert network.output_offset.tolist() == [0, 0, -3]
    assert network.to_float(np.array([1, 0, 10])).tolist() == [1, 0, -0.5]


@pytest.mark.parametrize("bias", [0, 1, -1, 4095, -4096, 8190, -8192, 4095 << 7, -4096 << 7])
def test_a_bias_is_a_mantissa_with_the_smallest_exponent(bias):
    mant, exponent = make("population", bias=[bias, 0]).bias_parts()
    assert mant[0] << exponent[0] == bias
    assert -4096 <= mant[0] <= 4095
    assert exponent[0] == 0 or not -4096 <= bias >> (exponent[0] - 1) <= 4095


def test_arrays_are_read_only_copies_of_32_bit():
    given = np.array([320, 384], np.int64)
    population = make("population", vth=given)
    given[0] = 77
    assert population.vth.tolist() == [320, 384]
    assert population.vth.dtype == np.int32
    parts = (population, population.constants, make("projection"), make("readout"))
    for part in parts:
        for field in dataclasses.fields(part):
            value = getattr(part, field.name)
            if isinstance(value, np.ndarray):
                with pytest.raises(ValueError, match="read-only"):
                    value[...] = 0


def test_fields_can_not_be_replaced():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make("population").scale = 7
    with pytest.raises(dataclasses.FrozenInstanceError):
        make("population").constants.n_ref = 7


def test_one_number_stands_for_all_neurons():
    assert make("population", n_ref=np.int64(3), bias=5).constants.n_ref.tolist() == [3, 3]


@pytest.mark.parametrize("draw", [random_network, random_graph])
def test_random_networks_are_valid_and_reproducible(draw):
    assert differences(draw(3), draw(3)) == []
    assert differences(draw(3), draw(4)) != []
