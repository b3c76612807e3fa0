"""The file of an imported network, as far as training needs it: the float network in it.

Its other parts, the integers and how it was read, are those of :mod:`deploy.imported`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from lsnn_neuro import files
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network import spec_file
from lsnn_neuro.network.config import SpikingConfig
from lsnn_neuro.network.spec import NetworkSpec, Population

if TYPE_CHECKING:
    from lsnn_neuro.network.module import SpikingNetwork

KIND = files.IMPORTED
SPEC = "spec."


def read_spec(path: Path | str) -> NetworkSpec:
    """The float network of an imported network's file."""
    return spec_of(files.read(Path(path), KIND), str(path))


def spec_of(found: files.Contents, label: str) -> NetworkSpec:
    """The float network in a file's contents; ``label`` names the file in errors."""
    arrays = {k.removeprefix(SPEC): v for k, v in found.arrays.items() if k.startswith(SPEC)}
    with files.parts_of(label, KIND.name):
        return spec_file.unpack(found.header["spec"], arrays)


def start_overrides(path: Path) -> tuple[str, ...]:
    """What a recipe has to say to start training from a network, as ``--set`` would say it."""
    if files.kind_of(path) == KIND.name:
        return (f"network={{kind = 'imported', file = {json.dumps(str(path))}}}",)
    return (f"training.start={json.dumps(str(path))}",)


class ImportedConfig(SpikingConfig):
    """A network that another tool made, as ``import`` wrote it: training starts from it."""

    kind: Literal["imported"]
    file: str = Field(description="the file that import wrote")
    signs: Literal["free", "unconstrained"] = Field(
        "unconstrained",
        description="each synapse keeps its sign, as rewiring needs it, or none does",
    )
    learn: tuple[str, ...] = Field(
        ("bias",), description="constants that are learnt, biases where there are any"
    )

    @property
    def unconstrained(self) -> bool:
        """Whether no synapse keeps its sign, so that none can be rewired."""
        return self.signs == "unconstrained"

    def draw(self, n_inputs: int, n_outputs: int, generator: Any) -> Any:
        """The network in the file; NetworkError if it has another number of inputs than the task."""
        spec = read_spec(self.file)
        if spec.n_inputs != n_inputs:
            raise NetworkError(
                f"{self.file}: the network has {spec.n_inputs} inputs, the task has {n_inputs}; choose "
                "another task"
            )
        known = sorted({name for p in spec.populations for name in p.learnable()})
        for name in self.learn:
            if name not in known:
                raise NetworkError(
                    f"network.learn: {self.file} has no constant {name!r} that learns; there are "
                    f"{', '.join(known)}"
                )
        return replace(
            spec,
            populations=tuple(self._learning(spec, p) for p in spec.populations),
            projections=tuple(replace(p, signs=self.signs) for p in spec.projections),
        )

    def _learning(self, spec: NetworkSpec, p: Population) -> Population:
        """A population whose constants learn; one that nothing that learns reaches sends constants itself."""
        names = [n for n in self.learn if n in p.learnable() and (n != "bias" or p.bias.any())]
        reached = any(q.plastic for q in spec.into(p.name))
        return replace(p, learn=tuple(names) if reached else ())


def module_of(spec: NetworkSpec) -> SpikingNetwork:
    """The network as a torch module."""
    from lsnn_neuro.network.module import SpikingNetwork

    return SpikingNetwork(spec)
