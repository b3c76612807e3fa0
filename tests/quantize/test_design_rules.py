"""Each design rule has a network that breaks it and one that just does not."""

from dataclasses import replace

import numpy as np
import pytest

from quantize.design_rules import (
    RULES,
    accumulator_stays_in_16_bits,
    adaptation_stands_above_rounding,
    atrlif_current_does_not_wrap,
    check,
    every_population_is_driven,
)
from quantize.network import Population, Projection, QuantizedNetwork, Readout


def network(*, n_inputs=3, mantissa=200, step_a=700, decay_a=6, drop=()):
    ones = np.ones(n_inputs, int)
    links = {
        "in": Projection(
            name="in", source="input", target="pop", n_source=n_inputs, n_target=2,
            source_index=np.arange(n_inputs), target_index=ones, weight_mant=mantissa * ones,
            delay=0 * ones, weight_exp=0,
            sign_mode="excitatory" if mantissa > 0 else "inhibitory",
        ),
        "out": Projection(
            name="out", source="pop", target="readout", n_source=2, n_target=1, source_index=[1],
            target_index=[0], weight_mant=[2], delay=[0], weight_exp=0, sign_mode="mixed",
        ),
    }  # fmt: skip
    return QuantizedNetwork(
        n_inputs=n_inputs,
        populations=(
            Population(
                name="pop", decay_v=[200, 200], decay_a=[6, decay_a], step_a=[0, step_a],
                vth_mant=[100, 100], n_ref=0, reset="zero", scale=1.0,
            ),
        ),
        projections=tuple(link for name, link in links.items() if name not in drop),
        readout=Readout(decay=[200], bias=[0], scale=1.0),
    )  # fmt: skip


def test_a_sound_network_breaks_no_rule():
    assert check(network()) == []
    assert set(RULES) == {
        accumulator_stays_in_16_bits, adaptation_stands_above_rounding,
        atrlif_current_does_not_wrap, every_population_is_driven,
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


def test_a_step_of_adaptation_in_the_linear_range_is_reported():
    assert adaptation_stands_above_rounding(network(step_a=683)) == []
    (violation,) = adaptation_stands_above_rounding(network(step_a=682))
    assert violation.object == "population 'pop', neuron 1, step_a"
    assert violation.value == 682
    assert violation.limit == pytest.approx(4096 / 6)


def test_the_largest_step_of_adaptation_is_not_mistaken_for_a_small_one():
    assert adaptation_stands_above_rounding(network(step_a=2**20, decay_a=2048)) == []
    assert adaptation_stands_above_rounding(network(step_a=2**23 - 1, decay_a=4096)) == []


def test_without_adaptation_its_rule_is_silent():
    assert adaptation_stands_above_rounding(network(step_a=0)) == []
    assert adaptation_stands_above_rounding(network(decay_a=0)) == []


@pytest.mark.parametrize("sign", [1, -1])
def test_an_atrlif_current_that_could_wrap_around_is_reported(sign):
    def atrlif(mantissa):
        whole = network(n_inputs=2, mantissa=sign * mantissa)
        population = replace(
            whole.populations[0], neuron="atrlif", reset="subtract", decay_i=[8, 8],
            decay_r=[100, 100],
        )  # fmt: skip
        return replace(whole, populations=(population,))

    # two inputs of 64 x 128 in every step, of which a current that keeps all but 1/512 makes 2^23
    assert atrlif_current_does_not_wrap(atrlif(127)) == []
    (violation,) = atrlif_current_does_not_wrap(atrlif(128))
    assert violation.object == "population 'pop', neuron 1, synaptic current"
    assert (violation.value, violation.limit) == (2**23, 2**23 - 1)
    assert atrlif_current_does_not_wrap(network(mantissa=sign * 200)) == []


@pytest.mark.parametrize(("drop", "name"), [("in", "pop"), ("out", "readout")])
def test_what_nothing_drives_is_reported(drop, name):
    (violation,) = check(network(drop=[drop]))
    assert violation.rule == "driven"
    assert violation.object == f"{name!r}, incoming synapses"
