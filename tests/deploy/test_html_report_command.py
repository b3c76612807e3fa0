"""`lsnn-neuro report`: a trained network, exported, reported; a wrong one, reported all the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_runs import lsnn_neuro, succeed, train_tiny

from deploy.artifact import load_artifact, write_artifact


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    train_tiny(folder / "run")
    succeed(
        "export", folder / "run", "--target", "loihi-sim", "--out", folder / "a", "--samples", 4
    )
    return folder / "a"


@pytest.mark.slow
def test_the_report_of_lava_lies_in_the_artifact_which_stays_valid(artifact: Path) -> None:
    done = lsnn_neuro("report", artifact)
    assert done.exit_code == 0, done.output
    assert done.stdout.split() == [str(artifact / "report.html")]
    text = (artifact / "report.html").read_text(encoding="utf-8")
    for words in ("The same network", "P2", "loihi-sim", "Victor-Purpura", "tau_a", "Recipe",
                  "NeuroBench"):  # fmt: skip
        assert words in text
    assert 20_000 < len(text) < 2_000_000
    load_artifact(artifact)


def test_a_report_of_many_samples_scores_them_all(artifact: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "r.html"
    done = lsnn_neuro(
        "report", artifact, "--target", "emulator", "--samples", 130, "--out", out
    )  # two batches
    assert done.exit_code == 0, done.output
    text = out.read_text(encoding="utf-8")
    assert ">130<" in text
    assert "over 130 samples" in text
    assert "P2 is left out" in text


def test_a_network_with_one_wrong_weight_ends_with_exit_code_1_and_a_report(
    artifact: Path, tmp_path: Path
) -> None:
    loaded = load_artifact(artifact)
    projections = list(loaded.network.projections)
    index = next(i for i, p in enumerate(projections) if p.source == "input" and p.n_synapses)
    wrong = projections[index]
    spikes = loaded.inputs.sum(axis=(0, 1))[wrong.source_index]
    weights = np.array(wrong.weight_mant)
    weights[(np.abs(weights) * spikes).argmax()] = 0
    projections[index] = replace(wrong, weight_mant=weights)
    write_artifact(
        tmp_path / "bad", replace(loaded.network, projections=tuple(projections)),
        target="emulator", inputs=loaded.inputs, golden=loaded.golden, about={},
        files={"best.safetensors": (artifact / "best.safetensors").read_bytes()},
    )  # fmt: skip
    done = lsnn_neuro("report", tmp_path / "bad")
    assert done.exit_code == 1
    assert "no parity: golden, P1 must be exact and is not" in done.stderr
    text = (tmp_path / "bad" / "report.html").read_text(encoding="utf-8")
    assert "Not the same network" in text
    assert "P1 parts at step" in text


def test_a_chip_without_such_neurons_is_reported_not_refused(
    artifact: Path, tmp_path: Path
) -> None:
    done = lsnn_neuro(
        "report", artifact, "--target", "emulator", "--chip", "loihi1", "--out", tmp_path / "r.html"
    )
    assert done.exit_code == 0, done.output
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "What stands against this chip" in text
    assert "neuron-model" in text


def test_an_artifact_that_is_none_is_one_line(tmp_path: Path) -> None:
    done = lsnn_neuro("report", tmp_path)
    assert done.exit_code == 1
    assert "holds neither" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
