"""A network of 20,000 neurons and 5 million synapses: training steps, conversion, memory.

Each row is a process of its own, so that its peak memory is what a program that does just this needs;
"made" is the most before the first step, drawing included. A step is forward, backward, Adam and DEEP R.
The exit code is 1 if a row could not be measured.
"""

from __future__ import annotations

import sys

from measure import arguments, machine, publish
from processes import Side, available_memory, in_rounds
from rich.table import Table

from lsnn_neuro.network import kernel


def main() -> int:
    """Measure."""
    parser = arguments(
        __doc__.splitlines()[0], repeats=3, neurons=20_000, synapses=5_000_000, batch=16, steps=200,
        threads=2,
    )  # fmt: skip
    options = parser.parse_args()
    before = machine()
    size = {"neurons": options.neurons, "synapses": options.synapses}
    batch = size | {"batch": options.batch, "steps": options.steps}
    made = (
        ("training step", "training", batch),
        ("training step on integers", "training", batch | {"integers": True}),
        ("conversion", "conversion", size),
    )
    # one after the other: a row must not run out of memory because another one holds it
    measured = {
        name: in_rounds(
            [
                Side(
                    name=name, module="large_training", function=function, arguments=given,
                    memory=available_memory(),
                )
            ],
            cores=options.threads, repeats=options.repeats,
        )[name]
        for name, function, given in made
    }  # fmt: skip
    table = Table(
        title=f"{options.neurons:,} neurons, {options.synapses:,} synapses, batch {options.batch}, "
        f"{options.steps} steps, {options.threads} thread(s)"
    )
    for column in ("", "seconds", "made, MB", "peak MB", ""):
        table.add_column(column, justify="right" if column else "left")
    for name, one in measured.items():
        if one.timing is None:
            table.add_row(name, "-", "-", "-", f"NOT MEASURED: {one.failure}")
            continue
        what = f"{one.first:.1f} Hz" if "step" in name else f"{one.first:.1%} of synapses left"
        table.add_row(name, f"{one.timing.median:.2f}", f"{one.made / 1e6:.0f}",
                      f"{one.peak / 1e6:.0f}", what)  # fmt: skip
    result = {
        **batch,
        "threads": options.threads,
        "kernel": kernel.description(),
        "rows": {
            name: {"not_measured": one.failure}
            if one.timing is None
            else one.timing.report()
            | {"made_bytes": one.made, "peak_bytes": one.peak, "value": one.first}
            for name, one in measured.items()
        },
    }
    publish("large", result, table, options.json, before)
    return 1 if any(one.failure for one in measured.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
