"""What every section of a recipe is, whichever package it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from lsnn_neuro.recipe import Recipe


class Section(BaseModel):
    """A section of a recipe: frozen, and nothing unknown in it.

    A section takes part in training by what it overrides.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def check(self, recipe: Recipe) -> None:
        """Raise ValueError over what does not go with the rest of the recipe."""

    def wrap(self, network: Any) -> Any:
        """What is trained in place of the network, whose parameters it shares; the network itself."""
        return network

    def objective(self, task: Any, recipe: Recipe, device: Any) -> Any:
        """What trains the task in place of its labels; None."""
        return None
