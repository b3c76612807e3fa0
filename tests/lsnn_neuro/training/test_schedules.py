"""Schedules: closed forms to the bit, torch's own step by step, restarts for all of them."""

from __future__ import annotations

import math
import warnings
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_lsnns import tiny_recipe
from torch.optim import lr_scheduler

from lsnn_neuro.errors import TrainingError
from lsnn_neuro.recipe import parse_recipe
from lsnn_neuro.training import Trainer
from lsnn_neuro.training.config import TrainingConfig
from lsnn_neuro.training.optimizers import Schedule


def rates(**training: Any) -> list[float]:
    config = TrainingConfig.model_validate(training)
    schedule = Schedule(config)
    return [schedule.at(i)[0]["lr"] for i in range(config.iterations)]


def of_torch(name: str, lr: float, n: int, **arguments: Any) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr, momentum=0.9)
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = getattr(lr_scheduler, name)(optimizer, **arguments)
        for _ in range(n):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    return found


def as_release_0_1_0(
    old: dict[str, Any], lr: float, iterations: int, restarts: tuple[int, ...]
) -> list[float]:
    """The learning rates of the two schedules that were there."""

    def rate(i: int) -> float:
        if old.get("schedule") == "cosine":
            start = max((r for r in restarts if r <= i), default=0)
            end = min((r for r in restarts if r > i), default=iterations)
            return lr * (1 + math.cos(math.pi * (i - start) / (end - start))) / 2
        return lr * old["lr_decay"] ** (i // old["lr_decay_every"])

    return [rate(i) for i in range(iterations)]


@settings(max_examples=30, deadline=None)
@given(
    lr=st.floats(1e-6, 10), iterations=st.integers(1, 300), decay=st.floats(0.01, 1.0),
    every=st.integers(1, 100), cosine=st.booleans(), cut=st.integers(1, 299),
)  # fmt: skip
def test_old_recipes_have_the_learning_rates_they_had_bit_for_bit(
    lr, iterations, decay, every, cosine, cut
):
    old = {"schedule": "cosine"} if cosine else {"lr_decay": decay, "lr_decay_every": every}
    restarts = (cut,) if cosine and cut < iterations else ()
    data = tiny_recipe().to_dict()
    data["training"] = old | {"lr": lr, "iterations": iterations, "restarts": restarts}
    config = parse_recipe(data, "old").training
    found = [Schedule(config).at(i)[0]["lr"] for i in range(iterations)]
    assert found == as_release_0_1_0(old, lr, iterations, restarts)


@settings(max_examples=50, deadline=None)
@given(
    lr=st.floats(1e-3, 1), n=st.integers(1, 200), gamma=st.floats(0.1, 1.0),
    every=st.integers(1, 50), lowest=st.floats(0, 1e-3), half=st.integers(1, 250),
)  # fmt: skip
def test_the_closed_forms_are_those_of_torch(lr, n, gamma, every, lowest, half):
    step = {"name": "StepLR", "step_size": every, "gamma": gamma}
    expected = of_torch("StepLR", lr, n, step_size=every, gamma=gamma)
    assert rates(lr=lr, iterations=n, schedule=step) == pytest.approx(expected, abs=1e-12)
    cosine = {"name": "CosineAnnealingLR", "T_max": half, "eta_min": lowest}
    expected = of_torch("CosineAnnealingLR", lr, n, T_max=half, eta_min=lowest)
    # torch adds up its steps: where it comes back from the lowest rate, what it lost grows
    assert rates(lr=lr, iterations=n, schedule=cosine)[: half + 1] == pytest.approx(
        expected[: half + 1], abs=1e-12
    )


OTHERS = {
    "ConstantLR": {"factor": 0.5, "total_iters": 4},
    "CosineAnnealingWarmRestarts": {"T_0": 5},
    "CyclicLR": {"base_lr": 0.001, "max_lr": 0.1, "step_size_up": 3},
    "ExponentialLR": {"gamma": 0.9},
    "LinearLR": {"start_factor": 0.2},
    "MultiStepLR": {"milestones": [3, 9]},
    "OneCycleLR": {"max_lr": 0.1, "total_steps": 20},
    "PolynomialLR": {"total_iters": 15, "power": 2.0},
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_schedules_are_torchs_own_and_start_again_at_restarts(name: str) -> None:
    schedule = {"name": name, **OTHERS[name]}
    optimizer = {"name": "SGD", "momentum": 0.9}
    fields = {"lr": 0.1, "optimizer": optimizer, "schedule": schedule}
    once = rates(**fields, iterations=20)
    assert once == of_torch(name, 0.1, 20, **OTHERS[name])
    assert rates(**fields, iterations=30, restarts=[13]) == once[:13] + once[:17]


def test_every_schedule_of_torch_is_known_or_refused_with_a_reason() -> None:
    there = {
        name
        for name, kind in vars(lr_scheduler).items()
        if isinstance(kind, type) and issubclass(kind, lr_scheduler.LRScheduler) and name[0] != "_"
    } - {"LRScheduler"}
    there |= {"ReduceLROnPlateau"}
    for name in there - {"StepLR", "CosineAnnealingLR", *OTHERS}:
        with pytest.raises(TrainingError, match=rf"training\.schedule\.name: {name} (is|follows)"):
            rates(iterations=3, schedule={"name": name})


def test_it_can_be_asked_in_any_order() -> None:
    fields = {"name": "ExponentialLR", "gamma": 0.9}
    config = TrainingConfig(iterations=20, schedule=fields)
    schedule, whole = Schedule(config), rates(iterations=20, schedule=fields)
    assert [schedule.at(i)[0]["lr"] for i in (7, 3, 19, 0)] == [whole[i] for i in (7, 3, 19, 0)]


def test_a_cycle_has_the_length_of_the_run_and_moves_momentum_too() -> None:
    optimizer = {"name": "SGD", "momentum": 0.5}
    groups = [{"parameters": "groups.0.*", "lr": 0.4}]
    training = {
        "lr": 0.2, "iterations": 10, "optimizer": optimizer, "groups": groups,
        "schedule": {"name": "OneCycleLR", "pct_start": 0.5},
    }  # fmt: skip
    trainer = Trainer(tiny_recipe(training=training))
    seen = []
    for _ in range(10):
        seen.append(trainer.train_step()["lr"])
        assert trainer.optimizer.param_groups[1]["lr"] == pytest.approx(2 * seen[-1])
    assert max(seen) == pytest.approx(0.2)
    assert trainer.optimizer.param_groups[0]["momentum"] == pytest.approx(0.95)
    assert seen == of_torch("OneCycleLR", 0.1, 10, max_lr=0.2, total_steps=10, pct_start=0.5)


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ({"name": "StepLr", "step_size": 1}, r"no 'StepLr' in torch\.\S+ \(did you mean StepLR"),
        ({"name": "_LRScheduler"}, "there is no '_LRScheduler'"),
        ({"name": "StepLR"}, "StepLR needs step_size"),
        ({"name": "StepLR", "step_size": 0}, "training.schedule: StepLR, iteration 0: integer division"),
        ({"name": "StepLR", "step_size": 2, "gamma": -0.5}, "in iteration 2 are .*not negative"),
        ({"name": "StepLR", "step_size": "x"}, "StepLR, iteration 0"),
        ({"name": "StepLR", "step_siz": 2}, r"schedule\.step_siz: StepLR has no such argument"),
        ({"name": "OneCycleLR", "total_steps": 4}, "OneCycleLR, iteration 5: Tried to step"),
        ({"name": "CyclicLR", "base_lr": 0.1, "max_lr": 0.2, "mode": "up"}, "mode is invalid"),
    ],
)  # fmt: skip
def test_schedules_that_can_not_be(schedule: dict[str, Any], said: str) -> None:
    optimizer = {"name": "SGD", "momentum": 0.5}
    with pytest.raises(TrainingError, match=said):
        rates(iterations=9, optimizer=optimizer, schedule=schedule)
