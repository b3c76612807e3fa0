"""In one run of parity a path is resolved once, a network quantized once, and every side runs once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import succeed, train_tiny

import deploy.api
import deploy.artifact
import deploy.levels
import deploy.model
import quantize.aware
from deploy.emulated import Emulator
from deploy.lava.target import LoihiSim
from lsnn_neuro.checkpoint import Checkpoint


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_tiny(tmp_path_factory.mktemp("once") / "run")


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each of the steps was taken."""
    found: Counter[str] = Counter()

    def count(name: str, owner: Any, attribute: str) -> None:
        original: Callable[..., Any] = getattr(owner, attribute)

        def counting(*args: Any, **kwargs: Any) -> Any:
            found[name] += 1
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, attribute, counting)

    count("resolved", deploy.model, "find_checkpoint")
    count("artifact read", deploy.model, "load_artifact")
    count("checkpoint read", Checkpoint, "load")
    count("quantized", deploy.model, "convert")
    count("float module", deploy.model.Checkpoint, "network")
    count("emulator", Emulator, "run")
    count("lava", LoihiSim, "run")
    count("torch", quantize.aware, "record_torch")
    return found


def test_parity_of_a_run(run: Path, counts: Counter[str]) -> None:
    succeed("parity", run, "--target", "loihi-sim", "--samples", "4", "--json")
    assert counts == {
        "resolved": 1, "checkpoint read": 1, "quantized": 1, "float module": 1, "emulator": 1, "lava": 1,
        "torch": 2,  # P0 and P1
    }  # fmt: skip


def test_parity_of_an_artifact(run: Path, tmp_path: Path, counts: Counter[str]) -> None:
    succeed("export", run, "--target", "loihi-sim", "--out", tmp_path / "a", "--samples", "4")
    assert counts["quantized"] == counts["resolved"] == 1
    counts.clear()
    succeed("parity", tmp_path / "a", "--json")
    assert counts == {
        "artifact read": 1, "checkpoint read": 1, "float module": 1,
        "emulator": 2, "lava": 2,  # golden samples and probe
        "torch": 2,
    }  # fmt: skip
