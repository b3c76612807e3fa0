"""Training is what it was: fifty iterations of a model without DEEP R give the line of its log.

DEEP R draws other synapses since its synapses are lists; logs with it repeat with commit 650b049. LSTMs are
left out: PyTorch's own code computes them, and its last digits differ between processors.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from published_models import recipe_of

from lsnn_neuro.errors import DataError
from lsnn_neuro.network import kernel
from lsnn_neuro.training import Trainer

FROZEN: dict[str, Any] = json.loads((Path(__file__).parent / "frozen" / "digests.json").read_text())
LOGGED = 50
REPEATED = [name for name in FROZEN["models"] if recipe_of(name).section("deep_r") is None]


@pytest.mark.slow
@pytest.mark.skipif(not kernel.available(), reason="native kernel not built; PyTorch's sums differ")
@pytest.mark.parametrize("name", REPEATED)
def test_iteration_50_of_the_log_is_repeated(name: str) -> None:
    recipe = recipe_of(name)
    try:
        trainer = Trainer(recipe)
    except DataError as error:
        pytest.skip(str(error))
    for _ in range(LOGGED):
        found = trainer.train_step()
    if LOGGED % recipe.training.validate_every == 0:
        score = trainer.objective.validate(trainer.model)
        found[f"validation_{score.metric.name}"] = score.value
    assert {"iteration": LOGGED, **found} == FROZEN["models"][name]["log"][str(LOGGED)]
