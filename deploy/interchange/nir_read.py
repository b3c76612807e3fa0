"""A foreign NIR graph as a network of ours: whose it is, how it is read, what it has lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import nir

from deploy.imported import Imported
from deploy.interchange.authors import author_of
from deploy.interchange.dialects import DIALECTS
from deploy.interchange.losses import losses
from deploy.interchange.nir_file import flatten
from deploy.interchange.nir_graph import spec_of_graph
from deploy.interchange.reading import Reading
from lsnn_neuro import __version__
from lsnn_neuro.arrays import EVENT_MAX
from lsnn_neuro.errors import NetworkError
from quantize.network import Provenance


def from_nir(
    graph: nir.NIRGraph, dialect: str | None = None, *, dt: float | None = None,
    integration: str | None = None, reset: str | None = None, one_spike: bool = False,
    put: Mapping[str, Any] | None = None, input_scale: float | None = None, largest_event: int | None = None,
    checkpoint_sha256: str = "",
) -> Imported:  # fmt: skip
    """A NIR graph in memory as a network: the float network, its integers, and how it was read.

    - dialect: the framework that exported it, see :mod:`deploy.interchange.dialects`; None: guessed
    - dt: length of a step in ms, in the file's own time; integration: "exponential" or "euler"
    - reset: what a spike does, in the framework's words; one_spike: its neurons send one spike a step, or
      are to be taken so
    - put: what the file has lost, ``{"node.field": value}``, or ``"field"`` for all nodes
    - input_scale: what an input event of 1 stands for; real inputs come in as round(x / input_scale)
    - largest_event: for which membranes have room; by default 1, and 127 where there is an input scale

    NetworkError over what has to be told, and over what a network here can't hold, by the node's name.
    """
    flat = flatten(graph)
    said = []
    if dialect is None:
        author, why = author_of(flat.nodes)
        said.append(f"read as a file of {author.name}: {why} (--from says another)")
    elif dialect in DIALECTS:
        author = DIALECTS[dialect]
    else:
        raise NetworkError(f"--from {dialect!r}: there are {', '.join(DIALECTS)}")
    reading, notes = Reading.of(
        author, flat.nodes, dt=dt, integration=integration, reset=reset, one_spike=one_spike, put=put,
        input_scale=1.0 if input_scale is None else input_scale,
    )  # fmt: skip
    spec, layers = spec_of_graph(flat, reading)
    reading.check_used()
    if largest_event is None:
        largest_event = 1 if reading.input_scale == 1.0 else EVENT_MAX
    return Imported.of_spec(
        spec, largest_event=largest_event,
        provenance=Provenance(checkpoint_sha256=checkpoint_sha256, tool_version=__version__),
        reading=reading.describe(), layers=layers,
        notes=(*said, *notes, *losses(flat, reading)),
    )  # fmt: skip
