"""``LavaOptions``: the choices a user has when a network runs on Lava."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from lsnn_neuro.errors import RecipeError

LifModel = Literal["auto", "stock", "own"]
SynapseModel = Literal["event", "stock"]


@dataclass(frozen=True, kw_only=True)
class LavaOptions:
    """How to run on Lava.

    - lif: "auto" runs a population on Lava's own LIF wherever that is exact and on our ALIF process
      elsewhere, "own" always on ours, "stock" always on Lava's or not at all
    - synapses: "event" (our event-driven models) or "stock" (Lava's, slower)
    - copies: most samples that run side by side in one Lava network; more run one batch after
      another
    - time_limit: seconds one such batch may take
    """

    lif: LifModel = "auto"
    synapses: SynapseModel = "event"
    copies: int = 128
    time_limit: float = 600.0

    def __post_init__(self) -> None:
        """Check the values."""
        for option, allowed in (("lif", get_args(LifModel)), ("synapses", get_args(SynapseModel))):
            if getattr(self, option) not in allowed:
                raise RecipeError(
                    f"Lava option {option} is {getattr(self, option)!r}, "
                    f"allowed are {list(allowed)}"
                )
        if self.copies < 1:
            raise RecipeError(f"Lava option copies is {self.copies}, must be at least 1")
        if not self.time_limit > 0:
            raise RecipeError(
                f"Lava option time_limit is {self.time_limit}, must be above 0 seconds"
            )
