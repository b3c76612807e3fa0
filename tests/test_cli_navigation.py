"""Navigation by the same commands as every other task."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_runs import succeed

from deploy.artifact import load_artifact
from deploy.emulated import Emulator
from deploy.lava.target import LoihiSim
from deploy.publishing.card import Card
from experiments.navigation import trial_lengths

TINY = (
    "task.actions=8", "task.steps_per_action=4", "task.place_cells=3", "task.validation=4", "task.test=6",
    "network.regular=8", "network.adaptive=8", "training.iterations=3", "training.batch_size=4",
    "training.validate_every=2", "training.validation_samples=4",
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("navigation") / "run"
    overrides = [part for field in TINY for part in ("--set", field)]
    succeed("train", "navigation", "--out", out, *overrides)
    return out


@pytest.fixture(scope="module")
def artifact(run: Path) -> Path:
    out = run.parent / "artifact"
    succeed("export", run, "--target", "loihi-sim", "--out", out, "--samples", "2")
    return out


def evaluated(path: Path, *arguments: object) -> dict[str, float]:
    found: dict[str, float] = json.loads(succeed("evaluate", path, *arguments, "--json").stdout)
    return found


def test_training_is_logged_and_validated_in_goals(run: Path) -> None:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert {"goals", "reward", "actor", "critic", "ratio", "rate_hz"} <= lines[0].keys()
    assert "validation_goals" in lines[1]


def test_evaluate_counts_goals_by_half_episode(run: Path) -> None:
    for target in ("float", "emulator"):
        found = evaluated(run, "--target", target)
        halves = found["goals_first_half"] + found["goals_second_half"]
        assert found["samples"] == 6
        assert found["goals"] == pytest.approx(halves)


def test_golden_spikes_are_recorded_episodes_and_parity_plays_them_again(artifact: Path) -> None:
    inputs = load_artifact(artifact).inputs
    assert inputs.shape[:2] == (32, 2)
    assert inputs.any()
    levels = json.loads(succeed("parity", artifact, "--json").stdout)
    assert set(levels) == {
        "golden", "P0", "P1", "P2", "P2 closed loop", "probe", "P2 probe",
    }  # fmt: skip
    assert all(levels[level]["exact"] for level in levels if level != "P0")
    compared = levels["P2 closed loop"]["populations"][0]
    assert (compared["name"], compared["spikes"]) == ("input", int(inputs.sum()))


def test_parity_of_more_episodes_than_are_golden(artifact: Path) -> None:
    levels = json.loads(
        succeed("parity", artifact, "--target", "emulator", "--samples", 5, "--json").stdout
    )
    assert levels["P1"]["exact"]
    assert levels["P1"]["samples"] == 5


@pytest.mark.slow
def test_report_shows_the_closed_loop(artifact: Path) -> None:
    succeed("report", artifact)
    assert "P2 closed loop" in (artifact / "report.html").read_text()


def test_a_published_run_has_its_goals_on_its_card(run: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    succeed("publish", run, "--out", model, "--lava-samples", 1)
    card = Card.load(model)
    assert card.metric == "goals"
    assert card.integers is not None
    on_emulator = evaluated(model, "--target", "emulator")
    assert card.integers.score == card.integers.aware == pytest.approx(on_emulator["goals"])
    assert {level for level, p in card.integers.parity.items() if p.exact} == {
        "P1", "P2", "P2 closed loop",
    }  # fmt: skip
    walk = card.episodes["random walk"]
    assert walk["goals"] == pytest.approx(walk["goals_first_half"] + walk["goals_second_half"])
    assert walk["goals"] == pytest.approx(on_emulator["goals_random_walk"])
    assert "an episode, network, integers" in card.page("model")


def test_trials_run_from_goal_to_goal() -> None:
    reached = np.zeros((9, 2), bool)
    reached[[3, 5, 8], 0] = True  # 4 actions, then (after the step at the goal) 1, and 2
    reached[6, 1] = True
    assert trial_lengths(reached) == [[4, 7], [1], [2]]
    reached = np.zeros((9, 1), bool)
    reached[[1, 7]] = True  # 2 actions; then 1 + 3 at the goal, and 2
    assert trial_lengths(reached, stay=3) == [[2], [2]]


def test_a_closed_loop_is_played_once_on_either_side(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions: Counter[str] = Counter()
    for kind in (Emulator, LoihiSim):
        original = kind.session

        def session(self: Any, *args: Any, original: Any = original) -> Any:
            sessions[self.name] += 1
            return original(self, *args)

        monkeypatch.setattr(kind, "session", session)
    runs: Counter[str] = Counter()
    monkeypatch.setattr(Emulator, "run", lambda *_: runs.update(["emulator"]))
    succeed("parity", run, "--target", "loihi-sim", "--samples", "2", "--target-option",
            "model=fused", "--json")  # fmt: skip
    assert sessions == {"emulator": 1, "loihi-sim": 1}
    assert not runs  # the record of the session is the reference
