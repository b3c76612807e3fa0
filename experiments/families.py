"""Models that belong together: one network and task, trained from several seeds.

The name of a folder says where it belongs: ``NAME``, ``NAME-seed1``, ``NAME-seed2`` are one family.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.publishing.card import Card
from deploy.publishing.log import RECIPE
from lsnn_neuro.checkpoint import BEST
from lsnn_neuro.errors import FileFormatError
from lsnn_neuro.recipe import Recipe, load_recipe

_SEED = re.compile(r"-seed\d+$")


@dataclass(frozen=True, kw_only=True)
class Model:
    """A published model: its folder, its recipe and its card."""

    folder: Path
    recipe: Recipe
    card: Card

    @property
    def name(self) -> str:
        """Its folder's name."""
        return self.folder.name

    @property
    def family(self) -> str:
        """Its name without the seed."""
        return _SEED.sub("", self.name)

    @property
    def on_integers(self) -> float | None:
        """The emulator's accuracy with the weights it is meant for."""
        return self.card.integers.score if self.card.integers else None


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Accuracies of some seeds; sd is None for a single one."""

    best: float
    mean: float
    sd: float | None
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Statistics:
        """Of at least one accuracy; the standard deviation is that of a sample (n - 1)."""
        sd = statistics.stdev(values) if len(values) > 1 else None
        return cls(best=max(values), mean=statistics.fmean(values), sd=sd, n=len(values))


@dataclass(frozen=True, kw_only=True)
class Family:
    """The models of one name, in the order of their seeds."""

    name: str
    models: tuple[Model, ...]

    def __post_init__(self) -> None:
        """Refuse models that differ in more than their seed."""
        first = self.models[0]
        for model in self.models[1:]:
            ours, theirs = (m.recipe.to_dict() for m in (model, first))
            for section in ours | theirs:
                if section not in ("name", "seed") and ours.get(section) != theirs.get(section):
                    raise FileFormatError(
                        f"{model.folder}: its recipe differs from that of {first.folder} in "
                        f"[{section}], so it is not the same with another seed; rename it"
                    )

    @property
    def first(self) -> Model:
        """The one that stands for all where one is enough."""
        return self.models[0]

    @property
    def trained_on_integers(self) -> bool:
        """Whether training was quantization-aware."""
        return self.first.card.trained_bits is not None

    @property
    def in_float(self) -> Statistics:
        """Test accuracy of the float forward pass."""
        return Statistics.of([m.card.score for m in self.models])

    @property
    def on_integers(self) -> Statistics | None:
        """Test accuracy on Loihi's integers."""
        values = [m.on_integers for m in self.models if m.on_integers is not None]
        return Statistics.of(values) if values else None

    @property
    def reached(self) -> Statistics:
        """The accuracy the family was trained for: on integers if training was, else in float."""
        on_integers = self.on_integers if self.trained_on_integers else None
        return on_integers or self.in_float


Families = Mapping[str, Family]
"""Families by their name."""


def find_models(root: Path) -> list[Path]:
    """The folders in ``root`` that hold a model, by name."""
    return sorted(file.parent for file in root.glob(f"*/{BEST}"))


def load_families(root: Path) -> Families:
    """All published models by family; each must have its card."""
    members: dict[str, list[Model]] = {}
    for folder in find_models(root):
        model = Model(
            folder=folder, recipe=load_recipe(str(folder / RECIPE)), card=Card.load(folder)
        )
        members.setdefault(model.family, []).append(model)
    return {
        name: Family(name=name, models=tuple(sorted(models, key=lambda m: (m.card.seed, m.name))))
        for name, models in members.items()
    }
