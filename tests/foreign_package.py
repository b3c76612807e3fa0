"""A package with a neuron, a Lava process and a kernel header (``tests/foreign``), as if installed."""

from __future__ import annotations

import shutil
from pathlib import Path

FILES = Path(__file__).parent / "foreign"
NEURON = "[lsnn_neuro.neurons]\nadp = adp:ADP\n"
HEADER = "[lsnn_neuro.kernel_headers]\nadp = adp_kernel:neuron\n"
ON_LAVA = "[lsnn_neuro.lava_neurons]\nadp = adp:LavaADP\n"


def install(folder: Path, entry_points: str = NEURON + ON_LAVA) -> None:
    """Put the package and its entry points into a folder, which then belongs on the path."""
    for file in FILES.glob("adp*"):
        shutil.copy(file, folder)
    about = folder / "adp-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: adp\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(entry_points)
