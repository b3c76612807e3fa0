"""The file of an imported network, as far as training needs it: the float network in it.

Its other parts, the integers and how it was read, are those of :mod:`deploy.imported`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lsnn_neuro import files
from lsnn_neuro.errors import FileFormatError, NetworkError, RecipeError
from lsnn_neuro.network import spec_file
from lsnn_neuro.network.spec import NetworkSpec

if TYPE_CHECKING:
    from lsnn_neuro.network.module import SpikingNetwork

KIND = files.IMPORTED
SPEC = "spec."


def read_spec(path: Path | str) -> NetworkSpec:
    """The float network of an imported network's file."""
    return spec_of(files.read(Path(path), KIND), str(path))


def spec_of(found: files.Contents, label: str) -> NetworkSpec:
    """The float network in a file's contents; ``label`` names the file in errors."""
    try:
        arrays = {k.removeprefix(SPEC): v for k, v in found.arrays.items() if k.startswith(SPEC)}
        return spec_file.unpack(found.header["spec"], arrays)
    except (KeyError, TypeError) as error:
        raise FileFormatError(
            f"{label}: {KIND.name} with a missing or unknown part: {error}"
        ) from error
    except (NetworkError, RecipeError) as error:
        raise FileFormatError(f"{label}: {error}") from error


def module_of(spec: NetworkSpec) -> SpikingNetwork:
    """The network as a torch module."""
    from lsnn_neuro.network.module import SpikingNetwork

    return SpikingNetwork(spec)
