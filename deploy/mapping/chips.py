"""Chips: limits, memory, neurons and costs per event, every number with its source.

A chip is a TOML file. Loihi 1 and Loihi 2 come with the package (``loihi1.toml``, ``loihi2.toml``);
a file of one's own is given by its path. A chip without costs of its own names the chip whose costs
are used instead.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lsnn_neuro.bounded import TOML_MAX, in_a_line, parse_toml, read_text
from lsnn_neuro.errors import RecipeError

T = TypeVar("T")
Count = Annotated[int, Field(ge=1)]
Cost = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Widths = Annotated[tuple[Count, ...], Field(min_length=1)]

CHIPS = ("loihi2", "loihi1")
"""Chips that come with the package, the default first."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Figure(_Table, Generic[T]):
    """A number with its source; ``assumed`` where no public source states it."""

    value: T
    source: str
    assumed: bool = False


class Limits(_Table):
    """What a system, a chip, a core and a neuron can hold.

    - chips: of the largest system; cores: of a chip; cores_per_tile: that share a router
    - mesh_columns, mesh_rows: tiles of a chip
    - compartments, input_axons, output_axons, synapse_words, synapse_formats: of a core
    - fan_in: synapses onto one neuron; fan_out: cores one neuron sends to
    - event_bits: that an event carries, 0 where all are spikes; None where the chip doesn't say
    """

    chips: Figure[Count]
    cores: Figure[Count]
    cores_per_tile: Figure[Count]
    mesh_columns: Figure[Count]
    mesh_rows: Figure[Count]
    compartments: Figure[Count]
    input_axons: Figure[Count]
    output_axons: Figure[Count]
    fan_in: Figure[Count]
    fan_out: Figure[Count]
    synapse_words: Figure[Count]
    synapse_formats: Figure[Count]
    event_bits: Figure[Annotated[int, Field(ge=0)]] | None = None

    def describe(self, limit: str) -> str:
        """A limit in words, and that it is assumed if it is."""
        assumed = " (assumed limit)" if getattr(self, limit).assumed else ""
        return limit.replace("_", " ") + assumed

    @model_validator(mode="after")
    def _mesh_holds_the_cores(self) -> Limits:
        room = self.mesh_columns.value * self.mesh_rows.value * self.cores_per_tile.value
        if self.cores.value > room:
            raise ValueError(f"a mesh with room for {room} cores can't hold {self.cores.value}")
        return self


class Memory(_Table):
    """How synapses are packed (:mod:`deploy.mapping.synapse_memory`); widths in bits, ascending."""

    word_bits: Figure[Count]
    block_synapses: Figure[Count]
    block_header_bits: Figure[Count]
    weight_bits: Figure[Widths]
    index_bits: Figure[Widths]

    @model_validator(mode="after")
    def _indices_reach(self) -> Memory:
        for name in ("weight_bits", "index_bits"):
            widths = getattr(self, name).value
            if list(widths) != sorted(set(widths)):
                raise ValueError(f"{name} must ascend")
        return self


class Neurons(_Table):
    """Which neurons the chip can run (:mod:`deploy.mapping.neurons`); "any": all, future ones included.

    - models: equations, "lif", "atrlif", or the name of another neuron
    - resets: to zero, "to" another value, by the threshold, by another constant, or to a value that is held
    - comparisons: whether a membrane spikes above or at its threshold; None where the chip doesn't say
    - adaptations: what they act on; adaptive_compartments: that an adapting neuron takes; others take one
    """

    models: Figure[tuple[str, ...]]
    resets: Figure[
        tuple[Literal["any", "zero", "to", "subtract", "subtract_constant", "hold"], ...]
    ]
    comparisons: Figure[tuple[Literal["any", "above", "at"], ...]] | None = None
    adaptations: Figure[tuple[Literal["any", "threshold", "current"], ...]]
    adaptive_compartments: Figure[Count]


class Costs(_Table):
    """Energy in pJ and time in ns of single events, measured or simulated on ``chip``.

    - neuron_access, neuron_update: per compartment and step; spike: a neuron that fires
    - packet: a spike on its way to one core; hop: from a tile to its neighbour
    - synaptic_event: a synapse that a spike reaches, by how it is stored
    - synchronization_ns: (tiles, ns), ascending: the end of a step if this many tiles or more are used
    """

    chip: str
    neuron_access_pj: Figure[Cost]
    neuron_update_pj: Figure[Cost]
    spike_pj: Figure[Cost]
    packet_pj: Figure[Cost]
    synaptic_event_sparse_pj: Figure[Cost]
    synaptic_event_dense_pj: Figure[Cost]
    hop_east_west_pj: Figure[Cost]
    hop_north_south_pj: Figure[Cost]
    neuron_access_ns: Figure[Cost]
    neuron_update_ns: Figure[Cost]
    spike_ns: Figure[Cost]
    packet_out_ns: Figure[Cost]
    packet_in_ns: Figure[Cost]
    synaptic_event_sparse_ns: Figure[Cost]
    synaptic_event_dense_ns: Figure[Cost]
    synchronization_ns: Figure[tuple[tuple[Count, Cost], ...]]

    def synchronization(self, tiles: int) -> float:
        """Time in ns that the end of a step takes with ``tiles`` tiles in use."""
        return max((ns for least, ns in self.synchronization_ns.value if tiles >= least), default=0)


class Chip(_Table):
    """A chip: its name, what it holds, how it stores synapses, which neurons it has, what it costs."""

    name: str
    limits: Limits
    memory: Memory
    neurons: Neurons
    costs: Costs

    @model_validator(mode="after")
    def _indices_reach_every_compartment(self) -> Chip:
        widest = self.memory.index_bits.value[-1]
        if self.limits.compartments.value > 2**widest:
            raise ValueError(
                f"an index of {widest} bits can't reach {self.limits.compartments.value} compartments"
            )
        return self

    def tile(self, core: int) -> tuple[int, int]:
        """Column and row of a core's tile; cores fill a tile, tiles a column."""
        tile = core // self.limits.cores_per_tile.value
        return divmod(tile, self.limits.mesh_rows.value)

    def assumptions(self) -> dict[str, str]:
        """Every number that no public source states: section.name -> the reason for its value."""
        return {
            f"{section}.{name}": figure.source
            for section in ("limits", "memory", "neurons", "costs")
            for name, figure in getattr(self, section)
            if isinstance(figure, Figure) and figure.assumed
        }


def load_chip(name: str) -> Chip:
    """A chip by its name in :data:`CHIPS`, or the path of a TOML file of the same form."""
    if name in CHIPS:
        text = _builtin(name)
    else:
        path = Path(name)
        if not path.is_file():
            raise RecipeError(
                f"chip is {name!r}, allowed are {', '.join(CHIPS)} or the path of a chip file"
            )
        text = read_text(path, f"chip {name}", RecipeError, most=TOML_MAX)
    return _parse(name, text)


def _builtin(name: str) -> str:
    return (resources.files("deploy.mapping") / f"{name}.toml").read_text(encoding="utf-8")


def _parse(name: str, text: str) -> Chip:
    """A chip from TOML text; costs that only name another chip are taken from there."""
    try:
        data = parse_toml(text)
    except ValueError as error:
        raise RecipeError(f"chip {name}: not readable as TOML ({in_a_line(error)})") from error
    costs = data.get("costs")
    if isinstance(costs, dict) and set(costs) == {"chip"} and costs["chip"] in CHIPS:
        lender = parse_toml(_builtin(costs["chip"]))
        data = data | {"costs": lender["costs"]}
    try:
        return Chip.model_validate(data)
    except ValidationError as error:
        wrong = (
            f"{'.'.join(map(str, one['loc'])) or 'file'}: {one['msg']}" for one in error.errors()
        )
        raise RecipeError(f"chip {name}: {'; '.join(wrong)}") from error
