"""``LavaOptions``: the choices a user has when a network runs on Lava."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from lsnn_neuro.errors import RecipeError

LifModel = Literal["auto", "stock", "own"]
SynapseModel = Literal["event", "stock"]
NetworkModel = Literal["graph", "fused"]


@dataclass(frozen=True, kw_only=True)
class LavaOptions:
    """How to run on Lava.

    - model: "graph" has a Lava process for every population and connection, which is what maps to a
      chip; "fused" runs the whole network in one process, much faster, by the emulator's arithmetic
    - lif: "auto" runs a population on Lava's own LIF wherever that is exact and on our process elsewhere,
      "own" always on ours, "stock" always on Lava's or not at all; it chooses only where there are both
    - synapses: "event" (our event-driven models) or "stock" (Lava's, slower)
    - parallel_samples: most samples that run side by side in one Lava network; more run one batch after
      another
    - time_limit: seconds one such batch may take
    """

    model: NetworkModel = "graph"
    lif: LifModel = "auto"
    synapses: SynapseModel = "event"
    parallel_samples: int = 128
    time_limit: float = 600.0

    def __post_init__(self) -> None:
        """Check the values."""
        for option, literal in (
            ("model", NetworkModel),
            ("lif", LifModel),
            ("synapses", SynapseModel),
        ):
            allowed = get_args(literal)
            if getattr(self, option) not in allowed:
                raise RecipeError(
                    f"Lava option {option} is {getattr(self, option)!r}, "
                    f"allowed are {' and '.join(allowed)}"
                )
        if self.model == "fused" and (self.lif, self.synapses) != ("auto", "event"):
            raise RecipeError(
                f"Lava option model is 'fused', where lif {self.lif!r} and synapses "
                f"{self.synapses!r} choose nothing; leave them out, or use model 'graph'"
            )
        if self.parallel_samples < 1:
            raise RecipeError(
                f"Lava option parallel_samples is {self.parallel_samples}, must be at least 1"
            )
        if not self.time_limit > 0:
            raise RecipeError(
                f"Lava option time_limit is {self.time_limit}, must be above 0 seconds"
            )
