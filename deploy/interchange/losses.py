"""What a file may have lost, and the option that puts it back: one line for each layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import nir
import numpy as np

from deploy.interchange.dialects import CUBA
from deploy.interchange.nir_file import FlatGraph
from deploy.interchange.reading import RESET, Reading
from deploy.interchange.unrolled import untied


def losses(graph: FlatGraph, reading: Reading) -> Iterator[str]:
    """What the dialect's exporter drops, unless it was told or put back."""
    name = reading.dialect.name
    spiking = [n for n, node in graph.nodes.items() if hasattr(node, "v_threshold")]
    words = ("", *(reading.value(n, RESET) or reading.reset for n in spiking))
    yield from (remark for word, remark in reading.dialect.remarks.items() if word in words)
    for node, kind in graph.nodes.items():
        for field, what in reading.dialect.lost.items():
            if reading.value(node, field) is None and _has(kind, field):
                yield (
                    f"layer {node!r}: {name} files lose the {what}; if there was one: "
                    f"--put {node}.{field}=..."
                )
    for node, kind in graph.nodes.items():
        if isinstance(kind, nir.Conv1d | nir.Conv2d):
            yield untied(node, np.asarray(kind.weight))
    untold = [n for n in spiking if reading.value(n, RESET) is None and not reading.reset_told]
    if untold and len(reading.dialect.resets) > 1 and not reading.dialect.says_reset:
        yield (
            f"layers {', '.join(map(repr, untold))}: the file does not say their reset, read as "
            f"{reading.reset!r}; {name} has {', '.join(reading.dialect.resets)}: --reset, or for one layer "
            f"--put {untold[0]}.{RESET}=..."
        )
    if "none" in reading.dialect.resets:
        for node in spiking:
            if node in graph.before[graph.only(nir.Output)] and reading.value(node, RESET) is None:
                yield (
                    f"layer {node!r}: {name} writes a readout that never spikes as one that does; if it is "
                    f"one: --put {node}.{RESET}=none"
                )


def _has(node: Any, field: str) -> bool:
    """Whether such a node can have what the field says and does not say it itself."""
    if field == "tau_syn":
        return not isinstance(node, CUBA) and isinstance(node, nir.LIF)
    if field == "v_reset":
        return hasattr(node, "v_threshold")
    if field == "norm_input":
        return isinstance(node, nir.LIF | nir.LI)
    return isinstance(node, nir.LIF | nir.CubaLIF)
