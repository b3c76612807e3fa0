"""Proximal policy optimization through time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lsnn_neuro.checkpoint import LAST, Checkpoint
from lsnn_neuro.errors import RecipeError
from lsnn_neuro.network import kernel
from lsnn_neuro.recipe import Recipe, parse_recipe
from lsnn_neuro.training import Trainer, train
from lsnn_neuro.training.ppo import advantages, clipped_gain


def recipe(**sections: dict[str, Any]) -> Recipe:
    data: dict[str, Any] = {
        "name": "tiny",
        "seed": 5,
        "task": {
            "name": "navigation", "actions": 10, "steps_per_action": 4, "place_cells": 3,
            "signal_cells": 2, "validation": 4, "test": 4,
        },
        "network": {
            "regular": 6, "adaptive": 6, "n_ref": 1, "beta": 0.5, "signs": "unconstrained",
            "input_connectivity": 1.0, "recurrent_connectivity": 1.0, "readout_connectivity": 1.0,
        },
        "training": {"iterations": 5, "batch_size": 3, "validate_every": 5, "validation_samples": 4},
        "reinforcement": {"epochs": 2, "noise_decay_iterations": 5},
    }  # fmt: skip
    for section, fields in sections.items():
        data[section] = data.get(section, {}) | fields
    return parse_recipe(data, "tiny")


def test_advantages_are_the_weighted_sum_of_all_temporal_differences() -> None:
    rng = np.random.default_rng(0)
    reward, value = rng.normal(size=(2, 7, 3))
    after = np.concatenate([value[1:], value[-1:]])
    delta = reward + 0.9 * after - value
    expected = [sum((0.9 * 0.8) ** (i - k) * delta[i] for i in range(k, 7)) for k in range(7)]
    np.testing.assert_allclose(advantages(reward, value, 0.9, 0.8), expected)


def test_the_gain_stops_growing_where_the_ratio_is_clipped() -> None:
    ratio = torch.tensor([1.5, 0.5, 1.5, 0.5])
    advantage = torch.tensor([1.0, 1.0, -1.0, -1.0])
    gain = clipped_gain(ratio, advantage, 0.2)
    np.testing.assert_allclose(gain.numpy(), [1.2, 0.5, -1.5, -0.8], rtol=1e-6)


@pytest.mark.skipif(kernel.native is None, reason="the native kernel is not built")
@pytest.mark.parametrize("sections", [{}, {"quantization": {"weight_bits": 8}}])
def test_the_ratio_of_the_first_update_is_exactly_one(sections: dict[str, Any]) -> None:
    config = recipe(**sections)
    trainer = Trainer(config)
    ratios = [trainer.train_step()["ratio"] for _ in range(4)]
    assert ratios[0] == ratios[2] == 1.0  # new episodes
    assert ratios[1] != 1.0  # the same ones, after an update


@pytest.mark.parametrize("network", [{}, {"kind": "lstm", "units": 4}], ids=["lsnn", "lstm"])
def test_an_interrupted_run_goes_on_exactly_even_between_two_epochs(
    tmp_path: Path, network: dict[str, Any]
) -> None:
    data = recipe().to_dict()
    data["network"] = network or data["network"]
    whole, cut = parse_recipe(data, "whole"), parse_recipe(data, "cut")
    cut = cut.model_copy(update={"training": cut.training.model_copy(update={"iterations": 3})})
    train(whole, tmp_path / "whole", progress=False)
    train(cut, tmp_path / "cut", progress=False)
    train(whole, tmp_path / "cut", resume=True, progress=False)
    one, two = (Checkpoint.load(tmp_path / name / LAST).arrays for name in ("whole", "cut"))
    assert one.keys() == two.keys()
    for name, array in one.items():
        assert np.array_equal(array, two[name]), name


def test_a_policy_learns_to_go_where_the_goal_is() -> None:
    """One goal for everyone, at the centre: the network must only learn to walk inwards."""
    config = recipe(
        task={"goal_distance": 0.0, "place_cells": 5, "actions": 16, "noise": 0.3},
        training={"iterations": 60, "batch_size": 32, "lr": 0.01, "rate_cost": 0.0},
        reinforcement={"epochs": 1, "noise": 0.5},
    )
    trainer = Trainer(config)
    goals = [trainer.train_step()["goals"] for _ in range(60)]
    assert np.mean(goals[-5:]) > 1.5 * np.mean(goals[:5])


def test_hints_teach_further_outputs_where_the_goal_is_and_nothing_before_it_was_found() -> None:
    config = recipe(
        task={"auxiliary_targets": True, "actions": 30, "goal_radius": 0.9, "goal_distance": 1.0},
        training={"iterations": 60, "batch_size": 48, "lr": 0.01, "rate_cost": 0.0},
        reinforcement={"epochs": 1, "auxiliary_weight": 10.0},
    )
    trainer = Trainer(config)
    assert trainer.network.spec.n_outputs == 5
    errors = [trainer.train_step()["hint"] for _ in range(60)]
    assert np.mean(errors[-5:]) < 0.8 * np.mean(errors[:5])
    rollout = trainer.objective._rollout
    assert not rollout.goal_known[0].any()
    assert (np.diff(rollout.goal_known.astype(int), axis=0) >= 0).all()
    assert len(np.unique(rollout.goal, axis=0)) == 48  # each episode has its own
    assert np.linalg.norm(rollout.goal, axis=1).max() <= 1


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            {"task": {"name": "store-recall"}},
            "played in a closed loop, 'store-recall' is none",
        ),
        ({"reinforcement": {"discount": 1.0}}, "discount"),
    ],
)
def test_what_does_not_go_together_is_refused(section: dict[str, Any], message: str) -> None:
    data = recipe().to_dict()
    for name, fields in section.items():
        data[name] = fields if "name" in fields else data[name] | fields
    with pytest.raises(RecipeError, match=message):
        parse_recipe(data, "wrong")
