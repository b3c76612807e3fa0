"""Chip files: every number has a source, and a wrong file is refused in one line."""

from importlib import resources

import numpy as np
import pytest
from random_networks import random_events, random_network

from deploy.mapping.chips import CHIPS, Figure, load_chip
from deploy.mapping.filling import event_widths
from deploy.mapping.report import resources as placed
from lsnn_neuro.errors import RecipeError
from quantize.emulator import emulate

SECTIONS = ("limits", "memory", "neurons", "costs")


def text_of(name):
    return (resources.files("deploy.mapping") / f"{name}.toml").read_text()


@pytest.mark.parametrize("name", CHIPS)
def test_every_number_of_a_chip_names_its_source(name):
    chip = load_chip(name)
    figures = [
        f for section in SECTIONS for _, f in getattr(chip, section) if isinstance(f, Figure)
    ]
    assert len(figures) > 30
    assert all(len(figure.source) > 5 for figure in figures)


def test_loihi_1_has_its_published_limits():
    limits = load_chip("loihi1").limits
    assert (limits.cores.value, limits.compartments.value) == (128, 1024)
    assert (limits.input_axons.value, limits.output_axons.value) == (4096, 4096)
    assert limits.synapse_words.value * 8 == 128 * 1024
    assert 7 not in load_chip("loihi1").memory.weight_bits.value


def test_what_is_not_public_of_loihi_2_is_marked_as_assumed():
    assumed = load_chip("loihi2").assumptions()
    for name in ("synapse_words", "input_axons", "output_axons", "fan_in"):
        assert f"limits.{name}" in assumed
    assert "limits.compartments" not in assumed


def test_costs_of_loihi_2_are_said_to_be_those_of_loihi_1():
    assert load_chip("loihi2").costs == load_chip("loihi1").costs
    assert load_chip("loihi2").costs.chip == "loihi1"


def test_a_file_of_ones_own_is_a_chip(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(text_of("loihi1").replace("value = 1024,", "value = 512,"))
    chip = load_chip(str(path))
    assert chip.limits.compartments.value == 512
    assert chip.limits.cores == load_chip("loihi1").limits.cores


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[limits]\n", "[limits]\nspeed = 1\n", "limits.speed"),
        ("value = 1024,", "value = 0,", "limits.compartments.value"),
        ("value = 1024,", "value = 5000,", "12 bits can't reach 5000"),
        ("mesh_rows = { value = 4,", "mesh_rows = { value = 3,", "96 cores can't hold 128"),
        ("spike_pj = { value = 69.3,", "spike_pj = { value = -1.0,", "costs.spike_pj.value"),
        ("value = [6, 7, 8,", "value = [7, 6, 8,", "index_bits must ascend"),
        ("[memory]", "[memory", "TOML"),
        ('spike_pj = { value = 69.3, source = "Davies et al. 2018 (SPICE), as in SANA-FE 2.2.9" }',
         "spike_pj = { value = 69.3 }", "costs.spike_pj.source"),
    ],
)  # fmt: skip
def test_a_wrong_chip_file_is_refused_and_the_place_named(tmp_path, old, new, message):
    text = text_of("loihi1")
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(RecipeError) as error:
        load_chip(str(path))
    assert message in str(error.value)
    assert str(path) in str(error.value)


def test_an_unknown_chip_is_refused_with_what_there_is():
    with pytest.raises(
        RecipeError, match=r"chip is 'loihi3', allowed are loihi2, loihi1 or the path"
    ):
        load_chip("loihi3")


def test_cores_fill_tiles_and_tiles_columns():
    chip = load_chip("loihi1")
    assert [chip.tile(core) for core in (0, 3, 4, 15, 16, 127)] == [
        (0, 0), (0, 0), (0, 1), (0, 3), (1, 0), (7, 3),
    ]  # fmt: skip


def test_loihi_1_has_no_graded_inputs_and_says_so():
    network = random_network(0)
    inputs = random_events(0, network, n_steps=5, n_samples=1)
    for given, chip, rules in (
        (inputs, "loihi1", ["event-bits"]),
        (inputs != 0, "loihi1", []),
        ((inputs != 0).astype(np.int8), "loihi1", []),
        (inputs, "loihi2", []),
    ):
        found = placed(network, load_chip(chip), given, emulate(network, given)).violations
        assert [v.rule for v in found if v.rule != "neuron-model"] == rules


@pytest.mark.parametrize(
    ("values", "bits"), [([0, 2], 2), ([127], 7), ([-1, 1], 2), ([-128], 8), ([-2, 127], 8)]
)
def test_an_event_is_as_wide_as_its_largest_value(values, bits):
    (violation,) = event_widths(np.array([[values]], np.int8), load_chip("loihi1"))
    assert (violation.value, violation.limit) == (bits, 0)


def test_a_chip_file_that_says_nothing_of_graded_events_is_read(tmp_path):
    text = text_of("loihi1")
    silent = "\n".join(line for line in text.splitlines() if "event_bits" not in line)
    path = tmp_path / "mine.toml"
    path.write_text(silent)
    assert event_widths(np.full((1, 1, 1), -5, np.int8), load_chip(str(path))) == []
