"""Files of ours in a framework's own reader.

    read_ours.py FRAMEWORK FOLDER

Reads every ``.nir`` file of a folder and runs it on ``inputs.npy`` (step, input). What comes out is written
to ``NAME.FRAMEWORK.npy`` (step, output); prints why a file could not be read or run as JSON, by its name.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import nir
import numpy as np
import torch


def in_snntorch(graph: nir.NIRGraph) -> torch.nn.Module:
    from snntorch.import_nir import import_from_nir

    return import_from_nir(graph)


def in_norse(graph: nir.NIRGraph) -> torch.nn.Module:
    from norse.torch import from_nir

    return from_nir(graph, dt=1e-3)


def in_rockpool(graph: nir.NIRGraph) -> torch.nn.Module:
    from rockpool.nn.modules.torch.nir import from_nir

    return from_nir(graph)


def in_sinabs(graph: nir.NIRGraph) -> torch.nn.Module:
    from sinabs.nir import from_nir

    return from_nir(graph, batch_size=1)


def in_spikingjelly(graph: nir.NIRGraph) -> torch.nn.Module:
    from spikingjelly.activation_based.nir_exchange import import_from_nir

    return import_from_nir(graph, dt=1e-3)


READERS: dict[str, Callable[[nir.NIRGraph], torch.nn.Module]] = {
    "snntorch": in_snntorch, "norse": in_norse, "rockpool": in_rockpool, "sinabs": in_sinabs,
    "spikingjelly": in_spikingjelly,
}  # fmt: skip
AT_ONCE = ("rockpool", "sinabs")
"""Whose modules take all steps in one call."""
SINGLE = ("rockpool", "sinabs", "snntorch")
"""Whose neurons compute in 32 bits."""


def outputs_of(framework: str, module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """What comes out, (step, output)."""
    kind = torch.float32 if framework in SINGLE else torch.float64
    module, x = module.to(kind), x.to(kind)
    if framework in AT_ONCE:
        return module(x[None])[0].reshape(len(x), -1)
    found, state = [], None
    for now in x:
        value, state = module(now[None], state)
        found.append(value[0])
    return torch.stack(found)


def main(framework: str, folder: Path) -> None:
    x = torch.as_tensor(np.load(folder / "inputs.npy"), dtype=torch.float64)
    failed = {}
    for file in sorted(folder.glob("*.nir")):
        try:
            with torch.no_grad():
                found = outputs_of(framework, READERS[framework](nir.read(file)), x)
        except Exception as error:  # whatever a reader raises is what the test wants to know
            failed[file.stem] = f"{type(error).__name__}: {' '.join(str(error).split())}"
            continue
        np.save(folder / f"{file.stem}.{framework}.npy", found.numpy())
    print("\n" + json.dumps(failed))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1], Path(sys.argv[2]))
