"""Each design rule has a network that breaks it and one that just does not."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from random_networks import li, neurons

from deploy.mapping.report import rule_names
from quantize.design_rules import (
    NAMES,
    RULES,
    accumulator_stays_in_16_bits,
    adaptation_stands_above_rounding,
    check,
    current_does_not_wrap,
    current_input_wraps_once,
    every_population_is_driven,
    graded_inputs_are_not_shifted_down,
)
from quantize.network import QuantizedNetwork, QuantizedProjection


def network(kind="alif", *, n_inputs=3, mantissa=200, exponent=0, drop=(), **fields):
    """Inputs onto the second of two neurons, whose spikes are read; ``fields`` are the neurons'."""
    weight = np.zeros((2, n_inputs), int)
    weight[1] = mantissa
    links = {
        "in": QuantizedProjection.of_matrix(
            "in", "input", "pop", weight, 0 * weight, exponent,
            "excitatory" if mantissa > 0 else "inhibitory",
        ),
        "out": QuantizedProjection.of_matrix(
            "out", "pop", "readout", np.array([[0, 2]]), np.zeros((1, 2), int), 0, "mixed"
        ),
    }  # fmt: skip
    defaults = {"decay_v": 200, "vth": [6400, 6400]}
    if kind == "alif":
        defaults |= {"decay_a": 6, "step_a": [0, 700]}
    return QuantizedNetwork(
        n_inputs=n_inputs,
        populations=(neurons(kind, **defaults | fields), li("readout", [200])),
        projections=tuple(link for name, link in links.items() if name not in drop),
    )


def test_a_sound_network_breaks_no_rule():
    assert check(network()) == []
    assert set(RULES) == {
        accumulator_stays_in_16_bits, adaptation_stands_above_rounding, current_does_not_wrap,
        current_input_wraps_once, every_population_is_driven, graded_inputs_are_not_shifted_down,
    }  # fmt: skip


@pytest.mark.parametrize("sign", [1, -1])
def test_an_accumulator_beyond_16_bits_is_reported(sign):
    assert accumulator_stays_in_16_bits(network(n_inputs=217, mantissa=sign * 151)) == []
    (violation,) = accumulator_stays_in_16_bits(network(n_inputs=218, mantissa=sign * 151))
    assert violation.object == "projection 'in', neuron 1"
    assert (violation.value, violation.limit) == (218 * 151, 32767)
    assert str(violation).startswith(
        "accumulator: projection 'in', neuron 1 has 32918, limit 32767"
    )


@pytest.mark.parametrize("kind", ["alif", "ahp"])
def test_a_step_of_adaptation_in_the_linear_range_is_reported(kind):
    fields = {"decay_a": 6}
    assert adaptation_stands_above_rounding(network(kind, step_a=[0, 683], **fields)) == []
    (violation,) = adaptation_stands_above_rounding(network(kind, step_a=[0, 682], **fields))
    assert violation.object == "population 'pop', neuron 1, step_a"
    assert violation.value == 682
    assert violation.limit == pytest.approx(4096 / 6)


@pytest.mark.parametrize(("step_a", "decay_a"), [(2**20, 2048), (2**23 - 1, 4096)])
def test_the_largest_step_of_adaptation_is_not_mistaken_for_a_small_one(step_a, decay_a):
    assert adaptation_stands_above_rounding(network(step_a=step_a, decay_a=decay_a)) == []


def test_without_adaptation_its_rule_is_silent():
    assert adaptation_stands_above_rounding(network(step_a=0)) == []
    assert adaptation_stands_above_rounding(network(decay_a=0)) == []
    assert adaptation_stands_above_rounding(network("lif")) == []


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("kind", ["lif", "atrlif"])
def test_a_current_that_could_wrap_around_is_reported(kind, sign):
    def with_current(mantissa):
        return network(kind, n_inputs=2, mantissa=sign * mantissa, decay_i=8)

    # two inputs of 64 x 128 in every step, of which a current that keeps all but 1/512 makes 2^23
    assert current_does_not_wrap(with_current(127)) == []
    (violation,) = current_does_not_wrap(with_current(128))
    assert violation.object == "population 'pop', neuron 1, synaptic current"
    assert (violation.value, violation.limit) == (2**23, 2**23 - 1)
    assert current_does_not_wrap(network(mantissa=sign * 200)) == []


def test_an_input_that_could_wrap_a_current_twice_is_reported():
    fine = network(n_inputs=16, mantissa=128, exponent=7, decay_i=4096)
    assert current_input_wraps_once(fine) == []
    large = network(n_inputs=17, mantissa=128, exponent=7, decay_i=4096)
    (violation,) = current_input_wraps_once(large)
    assert violation.rule == "current-input"
    assert violation.object == "population 'pop', synaptic input of a step"
    assert (violation.value, violation.limit) == (17 * 2**14, 2**18)
    without = replace(large, populations=(network().populations[0], large.populations[1]))
    assert current_input_wraps_once(without) == []


@pytest.mark.parametrize(("drop", "name"), [("in", "pop"), ("out", "readout")])
def test_what_nothing_drives_is_reported(drop, name):
    (violation,) = check(network(drop=[drop]))
    assert violation.rule == "driven"
    assert violation.object == f"{name!r}, incoming synapses"


def test_a_bias_drives_too():
    assert check(network(drop=["in"], bias=[1, 0])) == []


def test_the_largest_input_value_counts():
    quiet = network(n_inputs=2, mantissa=128, decay_i=2048)
    assert check(quiet) == check(quiet, (-127, 127)) == []
    (violation,) = check(quiet, (-128, 127))  # below 0 twice 128 * 128 arrives
    assert (violation.rule, violation.value) == ("accumulator", 2**15)
    loud = network(n_inputs=9, mantissa=-255, exponent=0, decay_i=2048)
    assert check(loud) == []
    found = {v.rule: (v.object, v.value) for v in check(loud, (-128, 3))}
    most = 9 * 255 * 128
    assert found == {
        "accumulator": ("projection 'in', neuron 1", most),
        "current-input": ("population 'pop', synaptic input of a step", most),
        "current": ("population 'pop', neuron 1, synaptic current", most * 64 * 2),
    }


def test_what_populations_send_is_not_graded():
    alone = network(drop=["in"])
    assert check(alone) == check(alone, (-128, 127))


def test_a_graded_input_under_a_negative_exponent_is_reported():
    shifted = network(n_inputs=1, mantissa=2, exponent=-1)
    assert check(shifted) == []
    (violation,) = check(shifted, (-1, 1))
    assert (violation.rule, violation.value, violation.limit) == ("graded-exponent", -1, 0)
    assert violation.object == "projection 'in', weight_exp under graded inputs"
    assert check(network(n_inputs=1, mantissa=2, exponent=0), (-1, 1)) == []


def test_the_names_of_all_rules_are_known():
    root = Path(__file__).parents[2]
    files = [root / "quantize" / "design_rules.py", *(root / "deploy" / "mapping").glob("*.py")]
    used = {name for f in files for name in re.findall(r'rule="([a-z-]+)"', f.read_text())}
    assert used - {"cores", "neuron-model"} == NAMES
    assert used <= rule_names()
