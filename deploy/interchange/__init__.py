"""Networks for, and from, other tools: NIR, lava-dl's netx, the LSNN published for Loihi 1.

Each format is a module with two functions, ``save`` and ``load``, or only the latter:

- :mod:`deploy.interchange.nir`: the Neuromorphic Intermediate Representation; foreign graphs are
  read by :mod:`deploy.interchange.nir_graph`
- :mod:`deploy.interchange.netx`: the HDF5 files of lava-dl, which netx runs and slayer writes; what
  slayer wrote is read by :mod:`deploy.interchange.slayer`; a live network comes in by
  :func:`deploy.interchange.slayer_module.from_slayer`
- :mod:`deploy.interchange.loihi1`: the LSNN that was published for Loihi 1

:mod:`deploy.interchange.extension` puts the network itself, whole, into a file of another format.

``save`` takes a :class:`quantize.network.QuantizedNetwork` and refuses, by name and value, what the
format can't express; ``load`` gives one. Nothing is dropped on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lsnn_neuro.errors import RecipeError
from quantize.network import QuantizedNetwork

READS, WRITES = ("loihi1-lsnn", "netx", "nir"), ("nir", "netx")
"""Formats that are read, and those that are written."""
PLAIN_WEIGHTS = ("netx",)
"""Formats whose weights have no exponents, and even mantissas."""


def read_network(form: str, path: Path) -> QuantizedNetwork:
    """The network in a file or folder of a format; FileFormatError says what can't be read."""
    from deploy.interchange import loihi1, netx, nir

    readers: dict[str, Callable[[Path], QuantizedNetwork]] = {
        "loihi1-lsnn": loihi1.load, "netx": netx.load, "nir": nir.load,
    }  # fmt: skip
    return readers[form](path)


def write_network(
    network: QuantizedNetwork, form: str, out: Path, *, extended: bool = False
) -> None:
    """Write a network in a format.

    - extended: NIR with what the format can't say, for lsnn-neuro alone to read
    """
    from deploy.interchange import netx, nir

    if form == "nir":
        nir.save(network, out, extended=extended)
    elif extended:
        raise RecipeError("--extended is for nir; netx would run another network, so it refuses")
    else:
        netx.save(network, out)
