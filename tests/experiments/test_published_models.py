"""The committed models evaluate to the numbers on their cards."""

from __future__ import annotations

import pytest
from published_models import MODELS, NAMES, ROOT, recipe_of

from deploy.emulated import Emulator
from deploy.model import load
from deploy.player import TargetPlayer
from deploy.publishing.card import PAGE, Card
from deploy.publishing.measurement import count_dormant, count_parameters
from experiments.families import load_families
from experiments.page import page
from lsnn_neuro.errors import DataError
from lsnn_neuro.evaluation import evaluate
from lsnn_neuro.player import FloatPlayer
from lsnn_neuro.tasks import make_task

QUICK = ("delayed-xor", "navigation", "navigation-lstm")


@pytest.mark.parametrize("name", NAMES)
def test_a_page_beside_a_card_says_what_the_card_says(name):
    assert (MODELS / name / PAGE).read_text() == Card.load(MODELS / name).page(name)


def test_the_results_page_is_the_one_that_the_models_give():
    docs = ROOT / "docs"
    drawn = {figure.name for figure in (docs / "figures").glob("*.svg")}
    assert (docs / "results.md").read_text() == page(load_families(MODELS), drawn)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_those_of_the_card(name):
    card, trained = Card.load(MODELS / name), load(MODELS / name)
    assert card.belongs_to(MODELS / name)
    parameters = count_parameters(trained.float_network)
    dormant = count_dormant(trained.spec) if trained.spec else 0
    assert (card.active_parameters, card.total_parameters) == (parameters, parameters + dormant)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in QUICK else [pytest.mark.slow]) for n in NAMES]
)
def test_scores_are_those_of_the_card(name):
    card, trained = Card.load(MODELS / name), load(MODELS / name)
    try:
        task = make_task(recipe_of(name).task)
    except DataError as error:
        pytest.skip(str(error))
    assert evaluate(task, FloatPlayer(trained.float_network), "test").value == pytest.approx(
        card.score, rel=1e-6
    )
    assert (trained.spec is not None) == (card.integers is not None)
    if trained.spec is not None:
        network = trained.integers
        found = evaluate(task, TargetPlayer(network, Emulator()), "test").value
        assert found == pytest.approx(card.integers.score, rel=1e-12)
