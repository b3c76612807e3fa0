"""Networks trained on digits elsewhere tell as many here, and more once they are trained in integers.

Three seeds of each framework; minutes each. The framework gets the very inputs that the recipe's task
gives, moved digits included, and its accuracy is over the task's 1000 test digits.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from digits import RECIPE, write
from environments import FRAMEWORKS
from readings import Readings

from cli import main
from deploy.imported import Imported
from lsnn_neuro.network.double import run_in_double

pytestmark = pytest.mark.slow

SEEDS = (0, 1, 2)
TRAINED: dict[str, tuple[list[str], list[str], list[str]]] = {
    "snntorch": (
        ["--epochs", "10"], ["--reset", "subtract", "--put", "readout.reset=none"],
        ["training.logit_scale=1"],
    ),
    "norse": (["--epochs", "12", "--lr", "0.01"], ["--reset", "value"], []),
}  # fmt: skip
"""Options of its training, of the import (what its file does not say), and fields of the fine-tuning."""
ITERATIONS = 200
FIELDS = (
    "network.signs=free", f"training.iterations={ITERATIONS}", "training.validate_every=50",
    "training.lr=0.001",
    "training.rate_cost=0",  # its rates are the framework's business
    "deep_r.l1=0",  # and its synapses stay
)  # fmt: skip
BELOW = 0.005
"""At most so far below the framework's own accuracy, on average over the seeds."""


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("digits") / "digits.npz"
    write(file)
    return file


def command(*arguments: str | Path) -> str:
    done = CliRunner().invoke(main, [*map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.stdout


def accuracy(model: Path, target: str) -> float:
    found: dict[str, Any] = json.loads(command("evaluate", model, "--target", target, "--json"))
    return float(found["accuracy"])


def in_framework_time(model: Path, digits: Path) -> float:
    """Accuracy of the float network where every layer is read as much later as it lags behind."""
    found = Imported.load(model)
    assert found.spec is not None
    lag = next(x.lag for x in found.layers if x.population == found.spec.outputs[0])
    with np.load(digits) as arrays:
        inputs, labels = arrays["test_inputs"].astype(float), arrays["test_labels"]
        window = int(arrays["window"])
    _, readout = run_in_double(
        found.spec, np.concatenate([inputs, np.zeros((lag, *inputs.shape[1:]))])
    )
    return float((readout[-window:].mean(0).argmax(1) == labels).mean())


@pytest.mark.parametrize("framework", TRAINED)
def test_training_goes_on_in_integers_to_the_frameworks_accuracy(
    framework: str, digits: Path, tmp_path: Path, readings: Readings
) -> None:
    obstacle = FRAMEWORKS[framework].obstacle()
    if obstacle:
        pytest.skip(obstacle)
    training, reading, fields = TRAINED[framework]
    settings = [f"--set={field}" for field in (*FIELDS, *fields)]
    theirs, ours, integers, tuned = [], [], [], []
    for seed in SEEDS:
        file, model, run = (tmp_path / f"{seed}{end}" for end in (".nir", ".safetensors", ""))
        script = f"trained_in_{framework}.py"
        said = FRAMEWORKS[framework].run(script, digits, file, "--seed", str(seed), *training)
        theirs.append(float(json.loads(said.splitlines()[-1])["accuracy"]))
        command(
            "import", "nir", file, "--from", framework, *reading, "--recipe", RECIPE, "--out", model
        )
        ours.append(in_framework_time(model, digits))
        integers.append(accuracy(model, "emulator"))
        command("train", RECIPE, "--start", model, "--quantize", "--out", run, *settings)
        tuned.append(accuracy(run, "emulator"))
    readings.lines.append(
        f"{framework:14} digits told: {theirs}, here in float {ours}, in integers {integers}, after "
        f"{ITERATIONS} iterations on them {tuned}"
    )
    np.testing.assert_allclose(ours, theirs, atol=0.0011)  # theirs computes in 32 bits: one digit
    assert np.mean(theirs) > 0.8
    assert np.mean(tuned) >= np.mean(theirs) - BELOW
