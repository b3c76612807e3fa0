"""Which neurons a chip can be is read from its file, by what the neurons are."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from placed_networks import lsnn
from random_networks import li, neurons

from deploy.mapping.chips import load_chip
from deploy.mapping.neurons import FORMS, neuron_models
from lsnn_neuro.neurons.lif import LIF
from lsnn_neuro.registry import NEURONS
from quantize.network import QuantizedNetwork, QuantizedPopulation

LOIHI1, LOIHI2 = load_chip("loihi1"), load_chip("loihi2")
FROZEN = Path(__file__).parents[1] / "frozen" / "files"


@dataclass(frozen=True, kw_only=True, eq=False)
class Foreign(LIF):
    """A neuron from elsewhere."""

    name = "foreign"


def network(*populations: QuantizedPopulation) -> QuantizedNetwork:
    return QuantizedNetwork(n_inputs=1, populations=populations, projections=(), outputs=("pop",))


def foreign() -> QuantizedPopulation:
    own = neurons("lif", decay_v=np.full(3, 9), reset="to")
    return QuantizedPopulation(name="pop", neuron=Foreign, constants=own.constants, scale=1.0)


def test_a_chip_refuses_neurons_it_can_not_be() -> None:
    adaptive = lsnn(20, 4)
    (violation,) = neuron_models(adaptive, LOIHI1)
    assert str(violation) == (
        "neuron-model: population 'adaptive', neurons with adaptation 'threshold' has 10, limit 0; "
        "loihi1 has adaptation current"
    )
    assert neuron_models(adaptive, LOIHI2) == []
    assert neuron_models(lsnn(20, 4, step_a=0), LOIHI1) == []


@pytest.mark.parametrize(
    ("population", "words"),
    [
        (neurons("lif", decay_v=[9] * 3, reset="to"), None),
        (neurons("if", vth=[64] * 3, reset="to"), None),
        (neurons("ahp", step_a=[5, 0, 5], reset="to"), None),
        (neurons("alif", step_a=[5, 0, 5], reset="to"), "adaptation 'threshold' has 2,"),
        (neurons("alif", step_a=[0] * 3, reset="to"), None),
        (neurons("atrlif", vth=[64] * 3, decay_i=9), "equations 'atrlif' has 3,"),
        (neurons("lif", decay_v=[9] * 3), "reset 'subtract' has 3,"),
        (neurons("if", vth=[64] * 3, reset="subtract_constant"), "reset 'subtract_constant' has 3,"),
        (neurons("lif", decay_v=[9] * 3, reset="to", reset_to=64), "reset 'to' has 3,"),
        (neurons("lif", decay_v=[9] * 3, reset="hold", n_ref=1), "reset 'hold' has 3,"),
        (neurons("lif", decay_v=[9] * 3, reset="to", at_threshold=True), "comparison 'at' has 3,"),
        (foreign(), "equations 'foreign' has 3,"),
        (li("pop", [9] * 3), None),
    ],
)  # fmt: skip
def test_loihi_1_has_one_neuron_and_loihi_2_any(
    population: QuantizedPopulation, words: str | None
) -> None:
    found = [str(v) for v in neuron_models(network(population), LOIHI1)]
    assert len(found) == (words is not None)
    assert words is None or words in found[0]
    assert neuron_models(network(population), LOIHI2) == []


def test_every_spiking_neuron_of_the_package_has_a_form() -> None:
    own = {NEURONS[n] for n in NEURONS if NEURONS[n].__module__.startswith("lsnn_neuro.neurons.")}
    assert {neuron for neuron in own if neuron.spiking} == set(FORMS)


def test_a_chip_file_can_name_a_neuron_from_elsewhere(tmp_path: Path) -> None:
    text = (resources.files("deploy.mapping") / "loihi1.toml").read_text()
    path = tmp_path / "mine.toml"
    path.write_text(text.replace('models = { value = ["lif"]', 'models = { value = ["foreign"]'))
    assert neuron_models(network(foreign()), load_chip(str(path))) == []


def test_a_chip_file_of_an_older_release_says_what_it_said() -> None:
    chip = load_chip(str(FROZEN / "chip.toml"))
    at_threshold = neurons("alif", step_a=[5] * 3, at_threshold=True)
    assert neuron_models(network(at_threshold), chip) == []
    assert neuron_models(network(neurons("atrlif", vth=[64] * 3, decay_i=9)), chip) == []
    constant = neurons("if", vth=[64] * 3, reset="subtract_constant")
    (violation,) = neuron_models(network(constant), chip)
    assert violation.remedy == "loihi2-tile has reset zero, subtract"
