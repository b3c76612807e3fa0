"""Callbacks: in a stated order, a user's between the loop's own; they may log, stop and fail."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from random_lsnns import tiny_recipe

from lsnn_neuro.checkpoint import BEST, LAST, Checkpoint
from lsnn_neuro.errors import TrainingError
from lsnn_neuro.training import Callback, Trainer, callbacks, loop, train


class Told(Callback):
    """Notes when it is called, and what there is by then."""

    def __init__(self, name: str, notes: list[str], folder: Path | None = None):
        self.name, self.notes, self.folder = name, notes, folder

    def start(self, trainer: Trainer) -> None:
        self.notes.append(f"{self.name} starts at {trainer.iteration}")

    def after_iteration(self, trainer: Trainer, metrics: dict[str, float]) -> None:
        self.notes.append(f"{self.name} {trainer.iteration}{' validated' * trainer.validated}")

    def end(self, trainer: Trainer) -> None:
        self.notes.append(f"{self.name} ends")


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_they_are_called_in_the_order_given_and_end_in_the_reverse_one(tmp_path: Path) -> None:
    notes: list[str] = []
    recipe = tiny_recipe(training={"iterations": 2, "validate_every": 2})
    train(recipe, tmp_path, progress=False, callbacks=[Told("a", notes), Told("b", notes)])
    assert notes == [
        "a starts at 0", "b starts at 0", "a 1", "b 1", "a 2 validated", "b 2 validated", "b ends",
        "a ends",
    ]  # fmt: skip


def test_the_loops_own_callbacks_are_of_the_same_kind_in_the_order_that_is_stated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = [
        "Validation",
        "Log",
        "TensorBoard",
        "ProgressBar",
        "Silence",
        "Interrupt",
        "Checkpoints",
    ]
    stated = [
        word.split("`")[1].rsplit(".", 1)[-1] for word in callbacks.__doc__.split(":class:")[1:]
    ]
    assert stated == kinds
    notes: list[str] = []
    for kind in kinds:
        original = getattr(loop, kind)
        assert issubclass(original, Callback)

        def noted(self, trainer, metrics, kind=kind, call=original.after_iteration):
            notes.append(kind)
            call(self, trainer, metrics)

        monkeypatch.setattr(original, "after_iteration", noted)
    train(tiny_recipe(training={"iterations": 1}), tmp_path, callbacks=[Told("own", notes)])
    assert notes == ["own starts at 0", "Validation", "own 1 validated", *kinds[1:], "own ends"]


class StopAt(Callback):
    def __init__(self, iteration: int):
        self.iteration = iteration

    def after_iteration(self, trainer: Trainer, metrics: dict[str, float]) -> None:
        if trainer.iteration == self.iteration:
            trainer.stop(f"{self.iteration} are enough")


def test_one_may_stop_the_run_which_can_be_resumed(tmp_path: Path) -> None:
    trainer = train(tiny_recipe(), tmp_path, progress=False, callbacks=[StopAt(4)])
    assert (trainer.iteration, trainer.stopped) == (4, "4 are enough")
    assert not trainer.finished
    assert Checkpoint.load(tmp_path / LAST).progress["iteration"] == 4
    assert len(lines(tmp_path)) == 4
    assert train(tiny_recipe(), tmp_path, progress=False, resume=True).finished


def test_what_one_measures_is_logged(tmp_path: Path) -> None:
    class Count(Callback):
        def after_iteration(self, trainer: Trainer, metrics: dict[str, float]) -> None:
            metrics["seen"] = trainer.iteration * trainer.recipe.training.batch_size

    train(tiny_recipe(), tmp_path, progress=False, callbacks=[Count()])
    assert [line["seen"] for line in lines(tmp_path)] == [4, 8, 12, 16, 20, 24, 28]


def test_one_that_fails_lets_the_others_end_and_loses_nothing(tmp_path: Path) -> None:
    class Fails(Callback):
        def after_iteration(self, trainer: Trainer, metrics: dict[str, float]) -> None:
            if trainer.iteration == 5:
                raise RuntimeError("my own fault")

    notes: list[str] = []
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(RuntimeError, match="my own fault"):
        train(tiny_recipe(), tmp_path, progress=False, callbacks=[Told("a", notes), Fails()])
    assert notes[-1] == "a ends"
    assert signal.getsignal(signal.SIGINT) is before
    train(tiny_recipe(), tmp_path, progress=False, resume=True)
    train(tiny_recipe(), tmp_path.with_name("whole"), progress=False)
    one, two = (Checkpoint.load(f / BEST).progress for f in (tmp_path, tmp_path.with_name("whole")))
    assert one["score"] == two["score"]


def test_a_signal_beside_a_callback_that_stops_is_an_interruption(tmp_path: Path) -> None:
    class Signal(Callback):
        def after_iteration(self, trainer: Trainer, metrics: dict[str, float]) -> None:
            if trainer.iteration == 2:
                os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(TrainingError, match="interrupted by SIGTERM after iteration 2; nothing is"):
        train(tiny_recipe(), tmp_path, progress=False, callbacks=[Signal(), StopAt(2)])
    assert Checkpoint.load(tmp_path / LAST).progress["iteration"] == 2


def test_two_callbacks_change_no_digit(tmp_path: Path) -> None:
    train(tiny_recipe(), tmp_path / "one", progress=False)
    train(tiny_recipe(), tmp_path / "two", progress=False, callbacks=[Callback(), Told("a", [])])
    one, two = ([{**line, "seconds": 0} for line in lines(tmp_path / n)] for n in ("one", "two"))
    assert one == two
