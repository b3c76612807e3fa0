"""Steps a second of one sample, step by step (``network.session(1)``): the paper's size and 20,000 neurons.

``--against`` adds older checkouts of this project, with the very network and inputs. Those that kept synapses
as matrices need memory for all pairs; a side that has too little says so. The exit code is 1 if a side could
not be measured.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from measure import arguments, machine, publish
from processes import (
    Measured,
    Side,
    available_memory,
    checkout_name,
    checkout_python,
    in_rounds,
)
from rich.table import Table

from lsnn_neuro.network import kernel

OURS = "lsnn-neuro"
HERE = Path(__file__).resolve().parent


def sides_of(neurons: int, synapses: int, steps: int, against: list[Path]) -> Iterator[Side]:
    """Ours, and each checkout's."""
    given: dict[str, Any] = {"neurons": neurons, "synapses": synapses, "steps": steps}
    ours = Side(
        name=OURS, module="stream", function="stream", arguments=given, memory=available_memory()
    )
    yield ours
    for folder in (f.resolve() for f in against):
        matrices = not (folder / "lsnn_neuro" / "network" / "spec.py").exists()
        yield replace(
            ours, name=f"{OURS}, at {checkout_name(folder)}", python=checkout_python(folder),
            folder=folder, path=(HERE, folder), arguments=given | {"older": matrices},
            obstacle=None if (folder / "lsnn_neuro").exists() else f"there is no {folder}/lsnn_neuro",
        )  # fmt: skip


def main() -> int:
    """Measure."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--neurons", type=int, nargs="+", default=[220, 20_000])
    parser.add_argument("--synapses", type=int, nargs="+", default=[8_158, 5_000_000],
                        help="of each network, in the order of --neurons")  # fmt: skip
    parser.add_argument("--steps", type=int, nargs="+", default=[5_000, 200],
                        help="of a round, of each network")  # fmt: skip
    parser.add_argument("--against", type=Path, nargs="+", default=[], metavar="PATH",
                        help="older checkouts of this project")  # fmt: skip
    options = parser.parse_args()
    if not len(options.neurons) == len(options.synapses) == len(options.steps):
        parser.error("--neurons, --synapses and --steps need as many numbers each")
    before = machine()
    table = Table(title="Batch 1, step by step, one thread")
    columns = ("neurons", "synapses", "side", "steps a second", "times ours", "made, MB", "readout")
    for column in columns:
        table.add_column(column, justify="left" if column == "side" else "right")
    networks, failed = [], False
    for neurons, synapses, steps in zip(
        options.neurons, options.synapses, options.steps, strict=True
    ):
        sides = list(sides_of(neurons, synapses, steps, options.against))
        measured = in_rounds(sides, cores=1, repeats=options.repeats)
        ours = measured[OURS].timing
        for side in sides:
            one = measured[side.name]
            cells = [f"{neurons:,}", f"{synapses:,}", side.name]
            if one.timing is None:
                failed = True
                table.add_row(*cells, f"NOT MEASURED: {one.failure}")
                continue
            times = one.timing.median / ours.median if ours else float("nan")
            table.add_row(*cells, f"{steps / one.timing.median:,.0f}", f"{times:.2f}",
                          f"{one.made / 1e6:.0f}", f"{one.first:.4g}")  # fmt: skip
        networks.append(
            {
                "neurons": neurons,
                "synapses": synapses,
                "steps": steps,
                "sides": {side.name: report(measured[side.name], steps) for side in sides},
            }
        )
    result = {"kernel": kernel.description(), "networks": networks}
    publish("streaming", result, table, options.json, before)
    return 1 if failed else 0


def report(one: Measured, steps: int) -> dict[str, Any]:
    """A side for the JSON file."""
    if one.timing is None:
        return {"not_measured": one.failure}
    return one.timing.report() | {
        "steps_per_second": steps / one.timing.median,
        "made_bytes": one.made,
        "readout": one.first,
        "versions": one.versions,
    }


if __name__ == "__main__":
    sys.exit(main())
