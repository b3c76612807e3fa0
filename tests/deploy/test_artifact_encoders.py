"""What an artifact carries beside the network: encoder, class names, decision rule, probe."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from speech_folders import fsdd, timit
from tiny_runs import TINY, succeed, train_tiny

import deploy
from deploy.manifest import OWN_HASH, hash_of
from lsnn_neuro.data.mnist import load_images
from lsnn_neuro.data.speech import DIGITS_RATE, find_digits, find_phones, read_samples
from lsnn_neuro.errors import FileFormatError

SPEECH = (*TINY[4:6], "training.iterations=2", "training.batch_size=4", "task.max_frames=20")


def exported(out: Path, run: Path, *options: object) -> deploy.Artifact:
    succeed("export", run, "--target", "emulator", "--out", out, *options)
    found = deploy.load(out).artifact
    assert found is not None
    return found


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> deploy.Artifact:
    folder = tmp_path_factory.mktemp("parts")
    return exported(folder / "a", train_tiny(folder / "run"), "--samples", 4)


def encoded(artifact: deploy.Artifact, raw: Any) -> np.ndarray:  # type: ignore[type-arg]
    assert artifact.encoder is not None
    return np.asarray(artifact.encoder.encode(raw))


def test_an_artifact_encodes_images(artifact: deploy.Artifact) -> None:
    images = load_images("mnist-5k", None).test.images[:4]
    np.testing.assert_array_equal(encoded(artifact, images), artifact.inputs)
    assert artifact.class_names == tuple("0123456789")
    decision = artifact.manifest["decision"]
    assert decision["labels"] == "ClassLabels"
    assert len(decision["windows"]) == 1


def speech_run(folder: Path, recipe: str, data: Path, *extra: str) -> Path:
    fields = (*SPEECH, f"task.data={data}", *extra)
    overrides = [part for field in fields for part in ("--set", field)]
    succeed("train", recipe, "--out", folder, *overrides)
    return folder


def test_an_artifact_encodes_sound_on_the_scale_of_its_training(tmp_path: Path) -> None:
    data = fsdd(tmp_path / "data")
    run = speech_run(tmp_path / "run", "fsdd", data)
    artifact = exported(tmp_path / "a", run, "--samples", 5, "--data", data)
    sounds = [read_samples(r.file, DIGITS_RATE) for r in find_digits(data).test[:5]]
    np.testing.assert_array_equal(encoded(artifact, sounds), artifact.inputs)


@pytest.mark.parametrize("bidirectional", ["false", "true"])
def test_an_artifact_encodes_speech_in_chunks(tmp_path: Path, bidirectional: str) -> None:
    data = timit(tmp_path / "data")
    run = speech_run(tmp_path / "run", "phones", data, f"task.bidirectional={bidirectional}")
    artifact = exported(tmp_path / "a", run, "--data", data)
    sounds = [read_samples(r.file, 16_000) for r in find_phones(data).test]
    found = encoded(artifact, sounds)
    n = artifact.inputs.shape[1]
    np.testing.assert_array_equal(found[:, :n], artifact.inputs)
    assert "aa" in artifact.class_names


def test_an_encoder_is_looked_up_in_the_registry_and_nowhere_else(
    artifact: deploy.Artifact, tmp_path: Path
) -> None:
    folder = tmp_path / "a"
    shutil.copytree(artifact.folder, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    known = manifest["encoder"]["name"]
    for about, wrong in (
        ({"name": "os:system", "settings": {}}, "there is no encoder 'os:system'"),
        ({"name": known}, "its encoder can't be used here"),
    ):
        manifest |= {"encoder": about}
        manifest.pop(OWN_HASH, None)
        (folder / "manifest.json").write_text(json.dumps(manifest | {OWN_HASH: hash_of(manifest)}))
        succeed("parity", folder)  # which needs none
        found = deploy.load(folder).artifact
        assert found is not None
        with pytest.raises(FileFormatError, match=wrong):
            _ = found.encoder
