"""``export`` and ``inspect`` say where a network goes on a chip, and stop where it doesn't."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tiny_runs import lsnn_neuro, succeed, train_tiny


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_tiny(tmp_path_factory.mktemp("mapping") / "run", "training.iterations=1")


@pytest.fixture(scope="module")
def artifact(trained: Path) -> Path:
    out = trained.parent / "artifact"
    succeed("export", trained, "--target", "emulator", "--out", out, "--samples", 3)
    return out


def test_export_writes_mapping_costs_and_picture(artifact: Path) -> None:
    found = json.loads((artifact / "resources.json").read_text())
    (core,) = found["mapping"]["cores"]
    assert found["mapping"]["chip"] == "loihi2"
    assert core["usage"]["compartments"] == 10 + 8 + 10
    assert found["estimate"]["samples"] == 3
    assert found["estimate"]["joule"] == pytest.approx(
        sum(event["joule"] for event in found["estimate"]["events"])
    )
    assert found["neurobench"]["synaptic_operations"]["Effective_ACs"] > 0
    assert ET.fromstring((artifact / "mapping.svg").read_text()).tag.endswith("svg")
    hashed = json.loads((artifact / "manifest.json").read_text())["sha256"]
    assert {"resources.json", "mapping.svg"} <= hashed.keys()


def test_inspect_shows_mapping_energy_and_metrics_of_an_artifact(artifact: Path) -> None:
    output = succeed("inspect", artifact).output
    assert "loihi2: 1 of 128 cores" in output
    assert "synapse words: mean" in output
    assert "costs are those of loihi1; none are published for loihi2" in output
    assert "not counted: static power" in output
    assert "activation_sparsity: 0." in output
    as_json = json.loads(succeed("inspect", artifact, "--json").output)
    assert as_json["resources"]["mapping"]["assumptions"]["limits.synapse_words"]


def test_inspect_of_a_run_shows_the_mapping_on_the_chip_that_is_asked_for(trained: Path) -> None:
    result = lsnn_neuro("inspect", trained, "--chip", "loihi1")
    assert result.exit_code == 1  # it can't be there
    output = result.output
    assert "loihi1: 1 of 128 cores" in output
    assert "neuron-model: population 'regular', neurons with reset 'subtract'" in output
    assert "inference" not in output  # no spikes, no costs


def test_neurons_the_chip_can_not_be_stop_an_export_until_allowed(
    trained: Path, tmp_path: Path
) -> None:
    export = ("export", trained, "--target", "emulator", "--samples", 2, "--chip", "loihi1",
              "--out", tmp_path / "a")  # fmt: skip
    refused = lsnn_neuro(*export)
    assert refused.exit_code == 1
    assert refused.stderr.splitlines()[-1] == (
        "Error: design rule neuron-model: population 'regular', neurons with reset 'subtract' has "
        "10, limit 0; loihi1 has reset zero; --allow neuron-model exports all the same"
    )
    assert not (tmp_path / "a").exists()
    assert lsnn_neuro(*export, "--allow", "driven").exit_code == 1
    succeed(*export, "--allow", "neuron-model")
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert {violation["rule"] for violation in manifest["violations"]} == {"neuron-model"}


def test_a_network_too_large_for_a_chip_file_is_refused_and_exported_without_a_mapping_if_allowed(
    trained: Path, tmp_path: Path
) -> None:
    text = (resources.files("deploy.mapping") / "loihi2.toml").read_text()
    small = text.replace("value = 8192", "value = 10").replace("value = 128,", "value = 1,", 1)
    small = small.replace("chips = { value = 8", "chips = { value = 2")
    chip = tmp_path / "small.toml"
    chip.write_text(small)
    export = ("export", trained, "--target", "emulator", "--samples", 2, "--chip", chip,
              "--out", tmp_path / "a")  # fmt: skip
    refused = lsnn_neuro(*export)
    assert refused.exit_code == 1
    assert "cores: network of 28 neurons, full at 'readout', neuron 2" in refused.stderr
    assert "has 3, limit 2; most cores are bound by compartments" in refused.stderr
    result = json.loads(succeed(*export, "--allow", "cores", "--json").stdout)
    assert (result["cores"], result["microjoule_estimate"]) == (None, None)
    assert not (tmp_path / "a" / "mapping.svg").exists()
    found = json.loads((tmp_path / "a" / "resources.json").read_text())
    assert found["mapping"] is None
    assert found["alternatives"][0] == {"change": "as it is", "cores": None}


def test_an_unknown_chip_is_one_line(trained: Path) -> None:
    result = lsnn_neuro("inspect", trained, "--chip", "loihi3")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: chip is 'loihi3', allowed are loihi2, loihi1 or the")
