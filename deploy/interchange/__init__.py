"""Networks for, and from, other tools: NIR, lava-dl's netx, the LSNN published for Loihi 1.

What a format can't say is refused by name and value.
"""

from __future__ import annotations

from pathlib import Path

from lsnn_neuro.errors import RecipeError
from quantize.network import QuantizedNetwork

READS, WRITES = ("loihi1-lsnn", "netx", "nir"), ("nir", "netx")
"""Formats that are read, and those that are written."""


def read_network(form: str, path: Path) -> QuantizedNetwork:
    """The network in a file or folder of a format; FileFormatError says what can't be read."""
    from deploy.interchange import loihi1, netx, nir

    return {"loihi1-lsnn": loihi1.load, "netx": netx.load, "nir": nir.load}[form](path)


def write_network(network: QuantizedNetwork, form: str, out: Path, *, extended: bool = False) -> None:
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
