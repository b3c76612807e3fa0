"""Optimizers by torch's names: all that can be stepped train with DEEP R, the others are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from random_lsnns import tiny_recipe

from lsnn_neuro.checkpoint import BEST, LAST, Checkpoint
from lsnn_neuro.deep_r import DeepR
from lsnn_neuro.errors import NetworkError, TrainingError
from lsnn_neuro.optimizer_check import rewiring_obstacle, step_obstacle
from lsnn_neuro.recipe import Recipe
from lsnn_neuro.training import Trainer, train

THERE = {
    name: kind
    for name, kind in vars(torch.optim).items()
    if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer) and name != "Optimizer"
}
REFUSED = {"LBFGS", "SparseAdam", "Adafactor", "Muon"} & set(THERE)
ACCEPTED = sorted(set(THERE) - REFUSED)


def recipe(optimizer: dict[str, Any], **training: Any) -> Recipe:
    return tiny_recipe(training={"optimizer": optimizer, "lr": 0.003, **training})


@pytest.mark.parametrize("name", ACCEPTED)
def test_every_optimizer_that_goes_with_deep_r_trains_and_resumes(
    name: str, tmp_path: Path
) -> None:
    whole = recipe({"name": name}, iterations=4, validate_every=2)
    short = recipe({"name": name}, iterations=2, validate_every=2)
    trainer = train(whole, tmp_path / "whole", progress=False)
    assert type(trainer.optimizer) is THERE[name]
    assert trainer.deep_r is not None
    assert trainer.deep_r.n_active == trainer.deep_r.cap
    train(short, tmp_path / "parts", progress=False)
    train(whole, tmp_path / "parts", progress=False, resume=True)
    assert_same(tmp_path / "whole", tmp_path / "parts")


def assert_same(one: Path, two: Path) -> None:
    for file in (LAST, BEST):
        a, b = Checkpoint.load(one / file), Checkpoint.load(two / file)
        assert a.arrays.keys() == b.arrays.keys()
        for key, array in a.arrays.items():
            np.testing.assert_array_equal(array, b.arrays[key], err_msg=key)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_does_not_go_with_deep_r_is_refused_in_one_line(name: str) -> None:
    with pytest.raises((TrainingError, NetworkError), match=name) as caught:
        Trainer(recipe({"name": name}))
    assert "\n" not in str(caught.value)


def test_a_closure_is_refused_by_the_recipe_and_by_deep_r() -> None:
    with pytest.raises(TrainingError, match=r"training\.optimizer\.name: LBFGS needs a closure"):
        Trainer(tiny_recipe(training={"optimizer": {"name": "LBFGS"}}, deep_r=None))
    network = Trainer(tiny_recipe()).network
    lbfgs = torch.optim.LBFGS(network.parameters())
    with pytest.raises(NetworkError, match="DEEP R can't go with the optimizer LBFGS, which needs"):
        DeepR(lbfgs, network.synapses())


def test_dense_gradients_are_what_there_is() -> None:
    with pytest.raises(TrainingError, match=r"SparseAdam can't make a step .*dense gradients"):
        Trainer(tiny_recipe(training={"optimizer": {"name": "SparseAdam"}}, deep_r=None))


class Normalized(torch.optim.SGD):
    """Moves along the whole gradient, of length 1."""

    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                p.data -= group["lr"] * p.grad / p.grad.norm()


class Odd(torch.optim.SGD):
    """Is not made of its defaults."""

    def __init__(self, parameters: Any, speed: float):
        super().__init__(parameters, lr=speed)


class Around:
    """Is none itself."""

    def __init__(self, optimizer: torch.optim.Optimizer):
        self.param_groups, self.state, self.step = (
            optimizer.param_groups, optimizer.state, optimizer.step,
        )  # fmt: skip


def test_one_that_moves_a_synapse_by_the_gradients_of_others_is_refused() -> None:
    network = Trainer(tiny_recipe()).network
    normalized = Normalized(network.parameters(), lr=0.1)
    assert step_obstacle(normalized) is None
    with pytest.raises(NetworkError, match="by the gradients of others"):
        DeepR(normalized, network.synapses())
    odd: Any = Odd(network.parameters(), 0.1)
    for optimizer in (odd, Around(odd)):  # can't be judged
        assert rewiring_obstacle(optimizer) is None
        DeepR(optimizer, network.synapses())


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ({"optimizer": {"name": "AdmaW"}}, r"training\.optimizer\.name: there is no 'AdmaW' in torch\.optim "
                                           r"\(did you mean AdamW\?\)"),
        ({"optimizer": {"name": "Optimizer"}}, "there is no 'Optimizer'"),
        ({"optimizer": {"name": "os.system"}}, "there is no 'os.system'"),
        ({"optimizer": {"name": "AdamW", "weight_dekay": 1}},
         r"optimizer\.weight_dekay: AdamW has no such argument \(did you mean weight_decay\?\), got 1"),
        ({"optimizer": {"name": "Adam", "betas": [2.0, 0.9]}}, "training.optimizer: Adam: Invalid beta"),
        ({"optimizer": {"name": "SGD", "differentiable": True}}, "no such argument"),
        ({"groups": [{"parameters": "groups.*", "weight_decy": 0.1}]},
         r"training\.groups\.0\.weight_decy: Adam has no such argument \(did you mean weight_decay\?\)"),
        ({"groups": [{"parameters": "nothing"}]},
         r"groups\.0\.parameters: 'nothing' matches no parameter .*there are populations\.2\.offset, groups"),
        ({"groups": [{"parameters": "*"}, {"parameters": "groups.*"}]}, r"training\.groups\.1\.parameters"),
    ],
)  # fmt: skip
def test_unknown_names_and_arguments_are_answered_by_what_was_meant(
    training: dict[str, Any], said: str
) -> None:
    with pytest.raises(TrainingError, match=said):
        Trainer(tiny_recipe(training=training))


def test_groups_have_arguments_of_their_own() -> None:
    groups = [
        {"parameters": "populations.*", "lr": 0.1, "weight_decay": 0.5},
        {"parameters": "groups.1.theta", "betas": [0.5, 0.9]},
    ]
    trainer = Trainer(recipe({"name": "AdamW", "weight_decay": 0.2}, groups=groups))
    trainer.train_step()
    rest, populations, recurrent = trainer.optimizer.param_groups
    assert [g["lr"] for g in (rest, populations, recurrent)] == [0.003, 0.1, 0.003]
    assert [g["weight_decay"] for g in (rest, populations, recurrent)] == [0.2, 0.5, 0.2]
    assert list(recurrent["betas"]) == [0.5, 0.9]
    assert recurrent["params"] == [trainer.network.groups[1].theta]
    total = sum(len(g["params"]) for g in (rest, populations, recurrent))
    assert total == len(list(trainer.network.parameters()))


def test_a_run_with_groups_and_a_cycle_resumes_exactly(tmp_path: Path) -> None:
    training = {
        "optimizer": {"name": "AdamW", "weight_decay": 0.01},
        "schedule": {"name": "OneCycleLR", "pct_start": 0.4},
        "groups": [{"parameters": "populations.*", "lr": 0.02}, {"parameters": "groups.0.*"}],
        "validate_every": 2,
        "lr": 0.01,
    }
    whole = tiny_recipe(training=training)
    train(whole, tmp_path / "whole", progress=False)

    from lsnn_neuro.training import Callback

    class Stop(Callback):
        def after_iteration(self, trainer: Trainer, metrics: dict[str, float]) -> None:
            if trainer.iteration == 3:
                trainer.stop("enough")

    cut = train(whole, tmp_path / "parts", progress=False, callbacks=[Stop()])
    assert cut.iteration == 3
    train(whole, tmp_path / "parts", progress=False, resume=True)
    assert_same(tmp_path / "whole", tmp_path / "parts")
    logs = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "parts")]
    one, two = ([line.split('"seconds"')[0] for line in log.splitlines()] for log in logs)
    assert one == two
