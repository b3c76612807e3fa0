"""Training that starts from a network's file: one of ``import``, or integers alone.

The float network is the one in the file, else the one that its integers stand for. Of the file of an imported
network the other parts, how it was read and what its layers were, are those of :mod:`deploy.imported`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from lsnn_neuro import files
from lsnn_neuro.errors import FileFormatError, NetworkError
from lsnn_neuro.network import spec_file
from lsnn_neuro.network.config import SpikingConfig
from lsnn_neuro.network.spec import NetworkSpec, Population, Projection
from quantize import file_format
from quantize.conversion import to_spec
from quantize.network import QuantizedNetwork

KIND = files.IMPORTED
SPEC, NETWORK = "spec.", "network."
KEPT = "imported.safetensors"
"""The copy of the file in a run's folder."""


def read_spec(path: Path | str) -> NetworkSpec:
    """The float network in a file, else the one its integers stand for; NetworkError where there is none."""
    path = Path(path)
    if files.kind_of(path) == file_format.KIND.name:
        network = file_format.load(path)
    else:
        found = files.read(path, KIND)
        if (spec := spec_of(found, str(path))) is not None:
            return spec
        network = network_of(found, str(path))
    try:
        return to_spec(network)
    except NetworkError as error:
        raise NetworkError(f"{path}: its integers can't be trained on: {error}") from error


def network_of(found: files.Contents, label: str) -> QuantizedNetwork:
    """The integers in the contents of an imported network's file; ``label`` names the file in errors."""
    if "network" not in found.header:
        raise FileFormatError(f"{label}: {KIND.name} with a missing part: 'network'")
    with files.parts_of(label, KIND.name):
        arrays = _part(found, NETWORK)
        return file_format.unpacked(
            found.header["network"], arrays, file_format.KIND.version, label
        )


def spec_of(found: files.Contents, label: str) -> NetworkSpec | None:
    """The float network in the same contents; None of one that came in as integers."""
    if "spec" not in found.header:
        return None
    with files.parts_of(label, KIND.name):
        return spec_file.unpack(found.header["spec"], _part(found, SPEC))


def _part(found: files.Contents, prefix: str) -> dict[str, Any]:
    return {k.removeprefix(prefix): v for k, v in found.arrays.items() if k.startswith(prefix)}


def start_overrides(path: Path) -> tuple[str, ...]:
    """What a recipe has to say to start training from a network, as ``--set`` would say it."""
    if files.kind_of(path) in (KIND.name, file_format.KIND.name):
        return (f"network={{kind = 'imported', file = {json.dumps(str(path))}}}",)
    return (f"training.start={json.dumps(str(path))}",)


class ImportedConfig(SpikingConfig):
    """A network in a file, as ``import`` wrote it, or in integers: training starts from it."""

    kind: Literal["imported"]
    file: str = Field(description="the file that import wrote, or a network's in integers")
    signs: Literal["free", "unconstrained"] = Field(
        "unconstrained",
        description="each synapse keeps its sign, as rewiring needs it, or none does; integers of one "
        "sign keep theirs",
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
            projections=tuple(map(self._signed, spec.projections)),
        )

    def _signed(self, p: Projection) -> Projection:
        """A projection's rule of signs; integers of one sign have 8 bits, which both signs don't have."""
        return p if p.dale and p.weight_exp is not None else replace(p, signs=self.signs)

    def keep(self, folder: Path) -> None:
        """Copy the file into a run's folder."""
        files.write_bytes(folder / KEPT, Path(self.file).read_bytes())

    def kept(self, folder: Path) -> ImportedConfig:
        """The same network, read from that copy."""
        copy = folder / KEPT
        return self.model_copy(update={"file": str(copy)}) if copy.is_file() else self

    def _learning(self, spec: NetworkSpec, p: Population) -> Population:
        """A population whose constants learn; one that nothing that learns reaches sends constants itself."""
        names = [n for n in self.learn if n in p.learnable() and (n != "bias" or p.bias.any())]
        reached = any(q.plastic for q in spec.into(p.name))
        return replace(p, learn=tuple(names) if reached else ())
