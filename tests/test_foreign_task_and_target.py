"""A closed-loop task with labels of its own, and a target with an option, from a package of their own.

From recipe to report, by the command line alone; nothing of this project knows their names.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from foreign_package import TARGET, TASK, fail, install, succeed

RECIPE = """name = "follow"
[task]
name = "follow"
[network]
regular = 12
adaptive = 4
tau_m = 4.0
tau_out = 3.0
n_ref = 1
n_delays = 2
tau_a = 30.0
input_connectivity = 0.6
recurrent_connectivity = 0.3
readout_connectivity = 0.6
[deep_r]
[quantization]
[training]
iterations = 30
batch_size = 16
validate_every = 10
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package, a run, and an artifact of it."""
    folder = tmp_path_factory.mktemp("site")
    install(folder, TASK | TARGET)
    (folder / "follow.toml").write_text(RECIPE)
    succeed(folder, "train", "follow.toml", "--out", "run", "--json")
    succeed(folder, "export", "run", "--target", "loihi-sim", "--out", "artifact", "--samples", 3)
    return folder


def test_it_trains_on_integers_by_its_own_loss_and_metric(site: Path) -> None:
    lines = [json.loads(line) for line in (site / "run" / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < lines[0]["loss"]
    best = min(line["validation_distance"] for line in lines if "validation_distance" in line)
    found = json.loads(succeed(site, "evaluate", "run", "--split", "validation", "--json"))
    assert (found["samples"], found["decisions"]) == (8, 48)
    assert found["distance"] == pytest.approx(best, rel=0.2)


@pytest.mark.slow
def test_it_is_played_on_every_target_that_runs_step_by_step(site: Path) -> None:
    emulator, lava = (
        json.loads(succeed(site, "evaluate", "run", "--target", target, "--json"))
        for target in ("emulator", "loihi-sim")
    )
    assert emulator["distance"] == lava["distance"]
    said = fail(site, "evaluate", "run", "--target", "paced")
    assert said == "Error: target 'paced': does not run step by step"


@pytest.mark.slow
def test_parity_compares_the_closed_loop_too(site: Path) -> None:
    levels = json.loads(succeed(site, "parity", "artifact", "--json"))
    assert set(levels) == {
        "golden", "P0", "P1", "P2", "P2 closed loop", "probe", "P2 probe",
    }  # fmt: skip
    assert levels["P2 closed loop"]["exact"]
    assert levels["P2 closed loop"]["populations"][0]["name"] == "input"


@pytest.mark.slow
def test_a_foreign_target_takes_its_option(site: Path) -> None:
    open_loop = ("parity", "artifact", "--target")
    said = fail(site, *open_loop, "paced")
    assert said == "Error: target 'paced': does not run step by step"
    said = fail(site, *open_loop, "paced", "--target-option", "pace=0")
    assert said == "Error: paced: its pace is 0"
    said = fail(site, *open_loop, "paced", "--target-option", "speed=2")
    assert said == "Error: target 'paced': there is no option 'speed=2'; it has pace"
    digits = ("evaluate", "models/smnist", "--target", "nowhere")
    assert "there are float, emulator, loihi-sim, loihi2, netx, recorded, paced" in fail(
        site, *digits
    )


def test_a_target_may_be_named_by_its_file(site: Path) -> None:
    exported = ("export", "run", "--target", "paced.py:PacedTarget", "--samples", 2, "--json")
    assert json.loads(succeed(site, *exported, "--out", "paced"))["target"] == "paced"
    said = fail(site, "evaluate", "run", "--target", "paced.py:PacedTarget")
    assert said == "Error: target 'paced': does not run step by step"


@pytest.mark.slow
def test_it_is_published_with_its_own_metric(site: Path) -> None:
    succeed(site, "publish", "run", "--out", "model", "--lava-samples", 2)
    card = json.loads((site / "model" / "card.json").read_text())
    assert card["metric"] == "distance"
    assert all(p["mismatches"] == 0 for p in card["integers"]["parity"].values())
    found = json.loads(succeed(site, "evaluate", "model", "--target", "emulator", "--json"))
    assert found["distance"] == pytest.approx(card["integers"]["score"])


@pytest.mark.slow
def test_the_report_and_the_design_rules_know_no_task(site: Path) -> None:
    succeed(site, "report", "artifact")
    page = (site / "artifact" / "report.html").read_text()
    assert "P2 closed loop" in page
    assert json.loads(succeed(site, "inspect", "artifact", "--json"))["synapses"] > 0


def test_without_the_package_the_name_is_said(site: Path, tmp_path: Path) -> None:
    said = fail(tmp_path, "evaluate", site / "run")
    assert "there is no task 'follow'; there are arrays, delayed-xor" in said
