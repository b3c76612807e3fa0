"""What every description of a network has in common: names, ends and sizes, defined once.

A network is populations and projections between them. Spiking populations receive the spikes of the step
before, readouts those of the same step. ``"input"`` is the source of what comes from outside.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol

from lsnn_neuro.errors import NetworkError

INPUT = "input"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ +-]*")


class PopulationLike(Protocol):
    """What a graph needs to know of a population."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102
    @property
    def spiking(self) -> bool: ...  # noqa: D102


class ProjectionLike(Protocol):
    """What a graph needs to know of a projection."""

    @property
    def source(self) -> str: ...  # noqa: D102
    @property
    def target(self) -> str: ...  # noqa: D102
    @property
    def reach(self) -> int: ...  # noqa: D102


class Graph:
    """Properties of any description of populations and projections."""

    n_inputs: int
    populations: tuple[Any, ...]
    projections: tuple[Any, ...]
    outputs: tuple[str, ...]

    @property
    def spiking(self) -> tuple[Any, ...]:
        """The populations that spike, in order."""
        return tuple(p for p in self.populations if p.spiking)

    @property
    def readouts(self) -> tuple[Any, ...]:
        """The populations that don't spike: leaky integrators."""
        return tuple(p for p in self.populations if not p.spiking)

    @property
    def output_populations(self) -> tuple[Any, ...]:
        """The populations that are read, in the order of ``outputs``."""
        return tuple(self.population(name) for name in self.outputs)

    @property
    def n_outputs(self) -> int:
        """Number of values that are read in a step."""
        return sum(p.size for p in self.output_populations)

    @property
    def n_neurons(self) -> int:
        """Number of spiking neurons."""
        return sum(p.size for p in self.spiking)

    def population(self, name: str) -> Any:
        """The population of a name."""
        for population in self.populations:
            if population.name == name:
                return population
        known = ", ".join(p.name for p in self.populations)
        raise NetworkError(f"there is no population {name!r}; there are {known}")

    def into(self, target: str) -> tuple[Any, ...]:
        """The projections that end at ``target``."""
        return tuple(p for p in self.projections if p.target == target)

    def out_of(self, source: str) -> tuple[Any, ...]:
        """The projections that leave ``source``."""
        return tuple(p for p in self.projections if p.source == source)

    def size_of(self, name: str) -> int:
        """Number of neurons of a population, or of inputs."""
        return self.n_inputs if name == INPUT else int(self.population(name).size)

    def reach_of(self, source: str) -> int:
        """Steps of its spikes that may still arrive somewhere: the longest delay out of it, plus 1."""
        return 1 + max((p.reach for p in self.out_of(source)), default=0)

    def places(self) -> dict[str, slice]:
        """Where each population stands: spiking ones side by side, and readouts side by side."""
        return side_by_side(self.spiking) | side_by_side(self.readouts)


def side_by_side(populations: Sequence[PopulationLike]) -> dict[str, slice]:
    """The slice of each population, one after the other from 0."""
    places, first = {}, 0
    for population in populations:
        places[population.name] = slice(first, first := first + population.size)
    return places


def check_graph(graph: Graph) -> None:
    """Refuse names that are not unique, ends that don't exist, and unknown outputs.

    Raises NetworkError that names the object, the value and what is allowed.
    """
    names = [p.name for p in graph.populations]
    if not names:
        raise NetworkError("the network has no population; it needs at least one")
    for name in names:
        if name == INPUT or not _NAME.fullmatch(name):
            raise NetworkError(
                f"population name {name!r} is reserved or holds other signs than letters, digits, "
                "blanks, +, - and _; choose another"
            )
        if names.count(name) > 1:
            raise NetworkError(f"population names must be unique, got {names}")
    for population in graph.populations:
        if population.size == 0:
            raise NetworkError(f"population {population.name!r} has 0 neurons; leave it out")
    labels = [p.name for p in graph.projections]
    for label in labels:
        if labels.count(label) > 1:
            raise NetworkError(f"projection names must be unique, {label!r} occurs twice")
    sources = {INPUT, *(p.name for p in graph.spiking)}
    for projection in graph.projections:
        for end, allowed in ((projection.source, sources), (projection.target, set(names))):
            if end not in allowed:
                raise NetworkError(
                    f"projection {projection.name!r}: no such end {end!r}; there are "
                    + ", ".join(sorted(allowed))
                    + (" (readouts have no outgoing projections)" if end in names else "")
                )
    if not graph.outputs:
        raise NetworkError("the network has no outputs; name a population to be read")
    for name in graph.outputs:
        if name not in names or graph.outputs.count(name) > 1:
            raise NetworkError(
                f"output {name!r} is no population or is named twice; there are {names}"
            )
