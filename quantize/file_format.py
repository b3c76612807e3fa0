"""A ``QuantizedNetwork`` as one safetensors file: scalars in the header, arrays beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy.typing as npt

from lsnn_neuro import files, migrations
from lsnn_neuro.network.spec_file import part, split
from lsnn_neuro.neurons.neuron import Neuron
from lsnn_neuro.registry import NEURONS
from quantize.network import (
    Provenance,
    QuantizedNetwork,
    QuantizedPopulation,
    QuantizedProjection,
)

KIND = files.NETWORK
Arrays = dict[str, npt.NDArray[Any]]


def pack(network: QuantizedNetwork) -> tuple[dict[str, Any], Arrays]:
    """A network as (JSON values, arrays); :func:`unpack` gives an equal one back."""
    arrays: Arrays = {}
    populations = []
    for i, p in enumerate(network.populations):
        prefix = f"populations.{i}"
        scalars = split(prefix, p, arrays, leave_out=("neuron", "constants"))
        constants = split(f"{prefix}.constants", p.constants, arrays)
        for name, role in p.neuron.Constants.roles().items():
            if role.kind in ("surrogate", "width"):
                del constants[name]  # no target knows these
        populations.append(scalars | {"neuron": p.neuron.name, "constants": constants})
    projections = [split(f"projections.{i}", q, arrays) for i, q in enumerate(network.projections)]
    header = {
        "n_inputs": network.n_inputs,
        "dt": network.dt,
        "outputs": list(network.outputs),
        "provenance": asdict(network.provenance),
        "populations": populations,
        "projections": projections,
    }
    return header, arrays


def unpack(header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> QuantizedNetwork:
    """The network of JSON values and arrays; every part is checked as when it was built.

    Raises NetworkError over a wrong part, RecipeError over a neuron that is not installed, and what Python
    raises over one that is missing or of another type (:func:`lsnn_neuro.files.parts_of`).
    """
    populations = []
    for i, scalars in enumerate(header["populations"]):
        values = dict(scalars) | part(f"populations.{i}", arrays)
        neuron: type[Neuron] = NEURONS[values.pop("neuron")]
        constants = values.pop("constants") | part(f"populations.{i}.constants", arrays)
        populations.append(
            QuantizedPopulation(**values, neuron=neuron, constants=neuron.Constants(**constants))
        )
    return QuantizedNetwork(
        n_inputs=header["n_inputs"],
        dt=header["dt"],
        outputs=tuple(header["outputs"]),
        populations=tuple(populations),
        projections=tuple(
            QuantizedProjection(**scalars, **part(f"projections.{i}", arrays))
            for i, scalars in enumerate(header["projections"])
        ),
        provenance=Provenance(**header["provenance"]),
    )


def save(network: QuantizedNetwork, path: Path | str) -> None:
    """Write a network atomically; equal networks give equal bytes. FileFormatError where it can't be."""
    files.write(Path(path), KIND, *pack(network))


def load(path: Path | str) -> QuantizedNetwork:
    """Read a network back, also one that an older release wrote.

    Raises FileFormatError over another kind of file, one that was changed, and one of a newer release.
    """
    path = Path(path)
    found = files.read(path, KIND)
    return unpacked(found.header, found.arrays, found.version, str(path))


def unpacked(
    header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]], version: int, label: str
) -> QuantizedNetwork:
    """The network of a file's contents of any version; ``label`` names the file in errors."""
    with files.parts_of(label, KIND.name):
        return unpack(*migrations.network(header, arrays, version))
