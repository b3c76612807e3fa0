"""An artifact folder holds what was written, notices what was changed, and old ones are read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from random_graphs import random_graph
from random_networks import random_events, random_inputs

from deploy.artifact import SCRIPT, Artifact, load_artifact, write_artifact
from deploy.comparison import compare
from deploy.manifest import MANIFEST
from deploy.reporting.conversion import conversion_section
from lsnn_neuro.arrays import Events
from lsnn_neuro.errors import FileFormatError
from quantize.emulator import emulate
from quantize.network import QuantizedNetwork

FROZEN = Path(__file__).parents[1] / "frozen" / "files"


def written(folder: Path, network: QuantizedNetwork, inputs: Events, **about: object) -> Artifact:
    golden = emulate(network, inputs)
    write_artifact(
        folder, network, target="loihi-sim", inputs=inputs, golden=golden, about=about,
        files={"recipe.toml": b""},
    )  # fmt: skip
    return load_artifact(folder)


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    network = random_graph(3)
    return written(
        tmp_path / "a", network, random_inputs(3, network, n_steps=7, n_samples=3), name="é"
    )


@pytest.mark.parametrize("draw", [random_inputs, random_events])
@pytest.mark.parametrize("seed", range(8))
def test_inputs_spikes_and_readouts_come_back(tmp_path, seed, draw):
    network = random_graph(seed, graded=True)
    inputs = draw(seed, network, n_steps=7, n_samples=3)
    found = written(tmp_path / "a", network, inputs)
    assert found.inputs.dtype == inputs.dtype
    np.testing.assert_array_equal(found.inputs, inputs)
    golden = emulate(network, inputs)
    assert compare(golden, found.golden).exact
    assert compare(golden, emulate(found.network, found.inputs)).exact


@pytest.mark.parametrize("folder", ["artifact", "older/artifact-1-network-1"])
def test_artifacts_of_older_releases_are_read(folder):
    found = load_artifact(FROZEN / folder)
    assert found.golden.n_spikes > 0
    assert compare(found.golden, emulate(found.network, found.inputs)).exact


def refused(artifact: Artifact) -> str:
    with pytest.raises(FileFormatError) as error:
        load_artifact(artifact.folder)
    assert "\n" not in str(error.value)
    return str(error.value)


def change_manifest(artifact: Artifact, **changes: object) -> None:
    path = artifact.folder / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_manifest_in_another_layout_is_the_same(artifact):
    change_manifest(artifact)
    assert load_artifact(artifact.folder).manifest == artifact.manifest


def test_a_changed_manifest_is_noticed(artifact):
    change_manifest(artifact, target="loihi2")
    assert "manifest.json: was changed since the export (SHA-256)" in refused(artifact)


@pytest.mark.parametrize(
    "name", ["network.safetensors", "golden.safetensors", SCRIPT, "recipe.toml"]
)
def test_a_changed_or_missing_file_is_noticed(artifact, name):
    file = artifact.folder / name
    file.write_bytes(file.read_bytes() + b" ")
    assert f"{name}: was changed since the export" in refused(artifact)
    file.unlink()
    assert f"{name}: is missing from the artifact" in refused(artifact)


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (4, "artifact version 4, this release reads 1 to 3; upgrade lsnn-neuro"),
        (0, "artifact version 0, this release reads 1 to 3; export it again"),
        ("new", "not a readable manifest"),
        (None, "not a readable manifest"),
    ],
)
def test_another_format_is_refused_with_what_to_do(artifact, version, words):
    change_manifest(artifact, format_version=version)
    assert words in refused(artifact)


def test_a_folder_that_is_no_artifact_is_neither_read_nor_overwritten(artifact):
    (artifact.folder / MANIFEST).unlink()
    assert "not an artifact" in refused(artifact)
    with pytest.raises(FileFormatError, match="is not an artifact and is not overwritten"):
        write_artifact(
            artifact.folder, artifact.network, target="emulator", inputs=artifact.inputs,
            golden=artifact.golden, about={}, overwrite=True,
        )  # fmt: skip


@pytest.mark.parametrize("old", ["artifact", "older/artifact-1-network-1"])
def test_the_conversion_report_of_an_artifact_of_format_1_is_read(old):
    manifest = json.loads((FROZEN / old / "manifest.json").read_text())
    assert manifest["format_version"] == 1
    (section,) = conversion_section(manifest)
    (populations, *_) = section.tables
    assert [row[0] for row in populations.rows] == ["regular", "adaptive"]
    assert "tau_m" in populations.columns
