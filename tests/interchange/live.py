"""Networks of a framework, alive in one process with ours: drawn, exported, read, run and compared.

    live.py FRAMEWORK --seed SEED --count COUNT --weights FACTOR --dtype DTYPE

Runs in the framework's environment, where ours can be imported too. Prints, as its last line, by network:
its code in one line, its spikes, how many differ, and what was not compared.
"""

from __future__ import annotations

import argparse
import json
import warnings
from importlib import import_module
from typing import Any

import torch
from recording import Drawn, draw, scale

with warnings.catch_warnings():  # the kernel is built for another Python
    warnings.simplefilter("ignore", RuntimeWarning)
    import deploy
    from deploy.imported import Imported


def of_drawn(drawn: Drawn, framework: str) -> Imported:
    """A drawn network as ours, without a file."""
    return deploy.from_nir(drawn.graph(), framework, put=drawn.lost, **drawn.reading)


def compared(drawn: Drawn, inputs: torch.Tensor, framework: str, weights: float) -> dict[str, Any]:
    """What the level source says; weights: by which the module is changed before it runs."""
    found = of_drawn(drawn, framework)
    if weights != 1:
        with torch.no_grad():
            for layer in drawn.layers.values():
                scale(layer, weights)
    source = deploy.SourceRun.of_module(
        drawn.module, inputs, found, play=drawn.play, entries=drawn.entries
    )
    report = deploy.parity(found, source=source)
    said = report.levels["source"]
    return {
        "code": drawn.code,
        "spikes": sum(p.spikes for p in said.populations),
        "differ": sum(p.mismatches for p in said.populations) + said.readout_mismatches,
        "not_recorded": list(said.not_recorded),
        "failed": report.failed,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("framework")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--weights", type=float, default=1.0, help="a factor after the export")
    parser.add_argument("--dtype", choices=("float64", "float32"), default="float64")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_default_dtype(getattr(torch, options.dtype))
    kinds = import_module(f"drawn_in_{options.framework}").KINDS
    kinds = {name: kind for name, kind in kinds.items() if name != "several_spikes"}
    found = {}
    for i in range(options.count):
        name = list(kinds)[i % len(kinds)]
        drawn, inputs, _ = draw(name, kinds[name], [options.seed, i])
        found[f"{name}_{i}"] = compared(drawn, inputs, options.framework, options.weights)
    print("\n" + json.dumps(found))


if __name__ == "__main__":
    main()
