"""What TensorBoard gets: scalars, a raster, weights and delays; the run is the same without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_lsnns import tiny_recipe
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lsnn_neuro.checkpoint import LAST, Checkpoint
from lsnn_neuro.recipe import Recipe, parse_recipe
from lsnn_neuro.training import Callback, loop, train
from lsnn_neuro.training.tensorboard import raster


def events(folder: Path) -> Any:
    found = EventAccumulator(
        str(folder / "tensorboard"), {"histograms": 0, "images": 0, "scalars": 0}
    )
    found.Reload()
    return found


def navigation() -> Recipe:
    data = tiny_recipe().to_dict()
    data["task"] = {
        "name": "navigation", "actions": 5, "steps_per_action": 4, "place_cells": 3,
        "signal_cells": 2, "validation": 4, "test": 4,
    }  # fmt: skip
    return parse_recipe(data | {"reinforcement": {}}, "navigation")


def lstm() -> Recipe:
    data = tiny_recipe(deep_r=None).to_dict()
    return parse_recipe(data | {"network": {"kind": "lstm", "units": 4}}, "lstm")


@pytest.mark.parametrize(
    "recipe",
    [tiny_recipe(), tiny_recipe(quantization={}), navigation()],
    ids=["float", "integers", "closed loop"],
)
def test_each_validation_shows_spikes_weights_and_delays(tmp_path: Path, recipe: Recipe) -> None:
    train(recipe, tmp_path, progress=False)
    found = events(tmp_path)
    assert [e.step for e in found.Scalars("loss")] == [1, 2, 3, 4, 5, 6, 7]
    assert [e.step for e in found.Images("spikes")] == [3, 6, 7]
    image = found.Images("spikes")[0]
    assert (image.width, image.height) == (800, 400)
    groups = ("input", "recurrent", "readout")
    tags = {f"{what}/{group}" for what in ("weights", "delays") for group in groups}
    assert set(found.Tags()["histograms"]) == tags
    assert [e.step for e in found.Histograms("weights/input")] == [3, 6, 7]
    delays = found.Histograms("delays/recurrent")[-1].histogram_value
    assert 0 <= delays.min <= delays.max <= 1
    assert delays.num > 0


def test_a_network_that_does_not_spike_has_its_scalars_alone(tmp_path: Path) -> None:
    train(lstm(), tmp_path, progress=False)
    tags = events(tmp_path).Tags()
    assert not tags["images"]
    assert not tags["histograms"]
    assert "gradient_norm" in tags["scalars"]


@pytest.mark.parametrize("recipe", [tiny_recipe(), navigation()], ids=["tiny", "closed loop"])
def test_it_changes_no_digit_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: Recipe
) -> None:
    train(recipe, tmp_path / "with", progress=False)
    monkeypatch.setattr(loop, "TensorBoard", lambda folder: Callback())
    train(recipe, tmp_path / "without", progress=False)
    one, two = (Checkpoint.load(tmp_path / name / LAST) for name in ("with", "without"))
    assert dict(one.progress, seconds=0) == dict(two.progress, seconds=0)
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, two.arrays[name], err_msg=name)


def test_a_raster_has_a_mark_for_each_spike() -> None:
    spikes = np.zeros((50, 10))
    empty = raster(spikes)
    spikes[25, 5] = 1
    image = raster(spikes)
    assert image.shape == (400, 800, 3)
    assert image.dtype == np.uint8
    rows, columns = np.nonzero((image != empty).any(axis=2))
    assert np.ptp(rows) < 10
    assert np.ptp(columns) < 10
