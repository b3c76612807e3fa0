"""A file of lava-dl's slayer, written by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py

USUAL = {
    "type": "dense", "shape": [1], "weight": [[64.0]], "neuron/type": "CUBA", "neuron/iDecay": 4096,
    "neuron/vDecay": 128, "neuron/vThMant": 80, "neuron/refDelay": 1, "neuron/gradedSpike": False,
}  # fmt: skip
"""A layer of one neuron."""
NEVER = {"neuron/vThMant": 2**18 - 1}
"""The threshold of a readout."""


def write(path: Path, *layers: dict[str, Any]) -> Path:
    """A file of layers, whose fields replace the usual ones; None leaves one out."""
    with h5py.File(path, "w") as file:
        for index, layer in enumerate(layers):
            for field, value in (USUAL | layer).items():
                if value is None:
                    continue
                if field == "type":
                    file.create_dataset(f"layer/{index}/type", (1,), "S10", [value.encode()])
                else:
                    file.create_dataset(f"layer/{index}/{field}", data=value)
    return path
