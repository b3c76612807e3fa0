"""What an artifact holds beside its network: every part is checked, and says what it does not cover."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_runs import lsnn_neuro, said, succeed, train_tiny

from deploy.artifact import ENCODER, PROBE, load_artifact, load_golden, save_golden
from deploy.manifest import MANIFEST, hash_of
from deploy.probe import make_probe
from lsnn_neuro.files import sha256
from quantize.activity import measure_activity
from quantize.record import PopulationSpikes, SpikeRecord

FROZEN = Path(__file__).parents[1] / "frozen" / "files"
FILES = (
    "best.safetensors", "golden.safetensors", "mapping.svg", "network.safetensors", "probe.safetensors",
    "recipe.toml", "resources.json", "run.py",
)  # fmt: skip


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of digits, row by row, for Lava."""
    folder = tmp_path_factory.mktemp("parts")
    run, out = train_tiny(folder / "run"), folder / "artifact"
    succeed("export", run, "--target", "loihi-sim", "--out", out, "--samples", 3)
    return out


@pytest.fixture
def copy(artifact: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(artifact, tmp_path / "copy"))


def manifest_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    return found


def sign(folder: Path, manifest: dict[str, Any]) -> None:
    """Write a manifest with its hash, as an export does."""
    manifest = {k: v for k, v in manifest.items() if k != "manifest_sha256"}
    (folder / MANIFEST).write_text(json.dumps(manifest | {"manifest_sha256": hash_of(manifest)}))


def test_every_file_is_listed(artifact: Path) -> None:
    assert sorted(manifest_of(artifact)["sha256"]) == sorted(FILES)
    assert {file.name for file in artifact.iterdir()} == {*FILES, MANIFEST}


@pytest.mark.parametrize("command", ["evaluate", "parity", "inspect", "report"])
@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_one_flipped_bit_is_refused_by_the_name_of_its_file(
    copy: Path, name: str, command: str
) -> None:
    file = copy / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert said(command, copy).startswith(f"Error: {file}: ")
    assert not (copy / "report.html").exists()


def test_the_decision_is_described(artifact: Path) -> None:
    found = manifest_of(artifact)
    inputs = load_artifact(artifact).inputs
    assert found["decision"] == {
        "labels": "ClassLabels",
        "rule": "the output with the largest sum over the window",
        "windows": [[len(inputs) - 4, len(inputs)]],
    }


def test_the_encoder_is_described(artifact: Path) -> None:
    about = manifest_of(artifact)["encoder"]
    assert set(about) == {"name", "raw", "settings"}
    assert about["settings"]["downsample"] == 4
    assert "data" not in about["settings"]  # nobody's folders


def test_what_the_probe_does_not_reach_is_listed(artifact: Path) -> None:
    found = load_artifact(artifact)
    assert found.probe is not None
    inputs, record = found.probe
    about = manifest_of(artifact)["probe"]
    assert (about["steps"], about["samples"]) == inputs.shape[:2]
    silent = {
        p.name: np.flatnonzero(~p.spikes.any(axis=(0, 1))).tolist()
        for p in record.spikes
        if not p.spikes.any(axis=(0, 1)).all()
    }
    within = [a.name for a in measure_activity(found.network, inputs) if not a.saturated]
    assert about["not_reached"] == {"silent_neurons": silent, "limits": within}
    golden = {p.name: p.spikes.any(axis=(0, 1)).sum() for p in found.golden.spikes}
    for p in record.spikes:  # it reaches more than three digits do
        assert p.spikes.any(axis=(0, 1)).sum() >= golden[p.name]


def test_the_probe_is_always_the_same(artifact: Path) -> None:
    found = load_artifact(artifact)
    assert found.probe is not None
    again = make_probe(found.network)
    np.testing.assert_array_equal(again.inputs, found.probe[0])


def test_a_wrong_spike_in_the_probe_is_found(copy: Path) -> None:
    inputs, record = load_golden(copy / PROBE)
    first, *others = record.spikes
    flipped = first.spikes.copy()
    flipped[9, 1, 2] ^= True
    wrong = SpikeRecord(
        spikes=(PopulationSpikes(name=first.name, spikes=flipped), *others), readout=record.readout,
        target=record.target, seconds=0,
    )  # fmt: skip
    save_golden(copy / PROBE, inputs, wrong)
    manifest = manifest_of(copy)
    sign(copy, manifest | {"sha256": manifest["sha256"] | {PROBE: sha256(copy / PROBE)}})
    result = lsnn_neuro("parity", copy, "--target", "emulator", "--json")
    assert result.exit_code == 1
    assert "no parity: probe must be exact and is not" in result.stderr
    where = json.loads(result.stdout)["probe"]["first_divergence"]
    assert (where["population"], where["step"], where["sample"], where["neuron"]) == (
        first.name,
        9,
        1,
        2,
    )


def older(copy: Path) -> Iterator[Path]:
    """Artifacts of formats 1 and 2."""
    yield FROZEN / "artifact"
    yield FROZEN / "older" / "artifact-1-network-1"
    manifest = manifest_of(copy)
    (copy / PROBE).unlink()
    (copy / ENCODER).unlink(missing_ok=True)
    for name in ("probe", "encoder", "decision", "class_names", "release"):
        del manifest[name]
    listed = {k: v for k, v in manifest["sha256"].items() if k not in (PROBE, ENCODER)}
    sign(copy, manifest | {"format_version": 2, "sha256": listed})
    yield copy


def test_older_formats_go_through_every_command(copy: Path, tmp_path: Path) -> None:
    for folder in older(copy):
        levels = json.loads(succeed("parity", folder, "--target", "emulator", "--json").stdout)
        assert levels["golden"]["exact"]
        assert "probe" not in levels
        assert json.loads(succeed("inspect", folder, "--json").stdout)["populations"][0]["tau_m"]
        succeed("inspect", folder)
        succeed("report", folder, "--target", "emulator", "--out", tmp_path / "r.html")
        succeed("evaluate", folder, "--target", "emulator", "--samples", 2)
        again = tmp_path / "again"
        succeed("export", folder, "--target", "emulator", "--out", again, "--overwrite")
        assert manifest_of(again)["format_version"] == 3
        assert json.loads(succeed("parity", again, "--json").stdout)["probe"]["exact"]


def test_an_artifact_that_is_exported_again_keeps_its_float_network(
    artifact: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    succeed("export", artifact, "--target", "emulator", "--out", again, "--samples", 3)
    levels = json.loads(succeed("parity", again, "--json").stdout)
    assert levels["P1"]["exact"]
    assert levels["P0"]["spikes"] > 0


@pytest.mark.parametrize("values", [(0, 5), (-3, 0), (-3, 5)])
def test_the_probe_of_graded_inputs_sends_the_least_and_the_largest_value(
    artifact: Path, values: tuple[int, int]
) -> None:
    inputs = make_probe(load_artifact(artifact).network, values).inputs
    assert inputs.dtype == np.int8
    assert (inputs.min(), inputs.max()) == values
