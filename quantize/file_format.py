"""A ``QuantizedNetwork`` as one safetensors file: scalars in the header, arrays beside it."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro import tensor_file
from lsnn_neuro.errors import FileFormatError, NetworkError
from quantize.network import Population, Projection, Provenance, QuantizedNetwork, Readout

KIND = "quantized network"
VERSION, OLDEST = 2, 1  # version 1 knew neither ATRLIF nor adaptation currents


def _split(prefix: str, part: object) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """A dataclass as (scalars, arrays); array names carry the prefix."""
    values = {field.name: getattr(part, field.name) for field in fields(part)}  # type: ignore[arg-type]
    arrays = {k: v for k, v in values.items() if isinstance(v, np.ndarray)}
    scalars = {k: v for k, v in values.items() if k not in arrays}
    return scalars, {f"{prefix}.{k}": v for k, v in arrays.items()}


def save(network: QuantizedNetwork, path: Path) -> None:
    """Write a network atomically; equal networks give equal bytes."""
    header: dict[str, Any] = {
        "n_inputs": network.n_inputs,
        "provenance": asdict(network.provenance),
        "populations": [],
        "projections": [],
    }
    arrays: dict[str, npt.NDArray[Any]] = {}
    for kind in ("populations", "projections"):
        for index, part in enumerate(getattr(network, kind)):
            scalars, part_arrays = _split(f"{kind}.{index}", part)
            header[kind].append(scalars)
            arrays |= part_arrays
    header["readout"], readout_arrays = _split("readout", network.readout)
    tensor_file.write(path, KIND, VERSION, header, arrays | readout_arrays)


def load(path: Path) -> QuantizedNetwork:
    """Read a network back; every part is checked as when it was built."""
    header, arrays = tensor_file.read(path, KIND, VERSION, oldest=OLDEST)

    def part(prefix: str) -> dict[str, Any]:
        start = f"{prefix}."
        return {k[len(start) :]: v for k, v in arrays.items() if k.startswith(start)}

    try:
        return QuantizedNetwork(
            n_inputs=header["n_inputs"],
            populations=tuple(
                Population(**scalars, **part(f"populations.{i}"))
                for i, scalars in enumerate(header["populations"])
            ),
            projections=tuple(
                Projection(**scalars, **part(f"projections.{i}"))
                for i, scalars in enumerate(header["projections"])
            ),
            readout=Readout(**header["readout"], **part("readout")),
            provenance=Provenance(**header["provenance"]),
        )
    except (KeyError, TypeError) as error:
        raise FileFormatError(f"{path}: {KIND} with a missing or unknown part: {error}") from error
    except NetworkError as error:
        raise FileFormatError(f"{path}: {error}") from error
