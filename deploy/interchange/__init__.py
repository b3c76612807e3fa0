"""Networks for, and from, other tools: NIR, lava-dl's netx, the LSNN published for Loihi 1.

Each format is a module with two functions, ``save`` and ``load``, or only the latter:

- :mod:`deploy.interchange.nir`: the Neuromorphic Intermediate Representation. What the files of each
  framework mean is a table (:mod:`deploy.interchange.dialects`), and a file is read under a reading
  (:mod:`deploy.interchange.reading`): its nodes become a flat graph (``nir_file``), what lies between
  neurons one matrix (``nir_linear``, ``nir_merge``), neurons ours (``nir_neurons``), in the framework's
  time (``nir_timing``), and all of it a float network (``nir_graph``); ``nir_write`` is the way out
- :mod:`deploy.interchange.netx`: the HDF5 files of lava-dl, which netx runs and slayer writes; what
  slayer wrote is read by :mod:`deploy.interchange.slayer`; a live network comes in by
  :func:`deploy.interchange.slayer_module.from_slayer`
- :mod:`deploy.interchange.loihi1`: the LSNN that was published for Loihi 1

:mod:`deploy.interchange.extension` puts the network itself, whole, into a file of another format.

``save`` takes a :class:`quantize.network.QuantizedNetwork` and refuses, by name and value, what the
format can't express; ``load`` gives one, ``read`` too what the file's layers were. Nothing is dropped on
the way.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy.imported import Imported
from deploy.interchange.unrolled import Shape
from lsnn_neuro.errors import RecipeError
from quantize.network import QuantizedNetwork

READS, WRITES = ("loihi1-lsnn", "netx", "nir"), ("nir", "netx")
"""Formats that are read, and those that are written."""
PLAIN_WEIGHTS = ("netx",)
"""Formats whose weights have no exponents, and even mantissas."""


OPTIONS_OF = {"input_shape": "netx"}
"""Whose option it is, where that is not NIR."""


def read_network(
    form: str, path: Path, *, input_shape: Shape | None = None, **reading: Any
) -> Imported:
    """The network in a file or folder of a format; FileFormatError says what can't be read.

    - input_shape: (channel, row, column), see :func:`deploy.interchange.netx.read`
    - reading: how a NIR file is to be read, see :func:`deploy.interchange.nir.from_nir`
    """
    from deploy.interchange import loihi1, netx, nir

    given = {"input_shape": input_shape, **reading}
    for name in (name for name, value in given.items() if value):
        if (of := OPTIONS_OF.get(name, "nir")) != form:
            option = {"dialect": "from"}.get(name, name.replace("_", "-"))
            raise RecipeError(f"--{option} is for {of}; {form} files say it themselves")
    readers: dict[str, Callable[[], Imported]] = {
        "nir": lambda: nir.read(path, **reading),
        "netx": lambda: netx.read(path, input_shape=input_shape),
        "loihi1-lsnn": lambda: Imported(network=loihi1.load(path)),
    }
    return readers[form]()


def write_network(
    network: QuantizedNetwork, form: str, out: Path, *, extended: bool = False
) -> None:
    """Write a network in a format.

    - extended: NIR with the network itself inside, for lsnn-neuro alone to read
    """
    from deploy.interchange import netx, nir

    if form == "nir":
        nir.save(network, out, extended=extended)
    elif extended:
        raise RecipeError("--extended is for nir; netx would run another network, so it refuses")
    else:
        netx.save(network, out)
