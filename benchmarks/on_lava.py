"""The same network on Lava: stock synapses, event-driven synapses, and the fused core.

Times are of whole runs, start of Lava's processes included, and of the difference between a longer
and a shorter run, which leaves the start out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import numpy as np
from emulator import test_inputs, trained_network
from measure import arguments, interleaved, machine, publish
from rich.table import Table

from deploy.lava.options import LavaOptions
from deploy.lava.target import LoihiSim
from quantize.emulator import emulate
from quantize.record import SpikeRecord


def variants() -> dict[str, LavaOptions]:
    """The ways to run on Lava that there are."""
    found = {
        "graph, stock synapses": LavaOptions(synapses="stock"),
        "graph, event synapses": LavaOptions(synapses="event"),
    }
    if any(field.name == "model" for field in fields(LavaOptions)):
        found["fused core"] = LavaOptions(model="fused")
    return found


def main() -> None:
    """Measure."""
    options = arguments(
        __doc__.splitlines()[0], samples=4, steps=840, short_steps=40, training_steps=20
    ).parse_args()
    before = machine()
    network = trained_network(options.training_steps)
    inputs = test_inputs(options.samples)[1][0][: options.steps]
    records: dict[str, SpikeRecord] = {}

    def runner(name: str, lava: LavaOptions, n_steps: int) -> Callable[[], None]:
        def run() -> None:
            records[f"{name}, {n_steps} steps"] = LoihiSim(lava).run(network, inputs[:n_steps])

        return run

    lengths = (options.short_steps, len(inputs))
    sides = {
        f"{name}, {n} steps": runner(name, lava, n)
        for name, lava in variants().items()
        for n in lengths
    }
    times = interleaved(sides, options.repeats)
    table = Table(title=f"Lava, {inputs.shape[1]} samples, {len(inputs)} steps")
    for column in ("variant", "whole run, s", "us a sample and step", "ratio", "mismatches"):
        table.add_column(column, justify="left" if column == "variant" else "right")
    results = {}
    expected = emulate(network, inputs)
    for name in variants():
        short, whole = (times[f"{name}, {n} steps"] for n in lengths)
        record = records[f"{name}, {len(inputs)} steps"]
        wrong = int((record.readout != expected.readout).sum()) + sum(
            int(np.sum(a.spikes != b.spikes))
            for a, b in zip(record.spikes, expected.spikes, strict=True)
        )
        cells = (lengths[1] - lengths[0]) * inputs.shape[1]
        results[name] = whole.report() | {
            "seconds_per_sample_step": (whole.median - short.median) / cells,
            "short_run": short.report(),
            "mismatches": wrong,
        }
    fastest = min(r["seconds_per_sample_step"] for r in results.values())
    for name, r in results.items():
        r["ratio"] = r["seconds_per_sample_step"] / fastest
        table.add_row(name, f"{r['median_seconds']:.2f}",
                      f"{r['seconds_per_sample_step'] * 1e6:.2f}", f"{r['ratio']:.1f}",
                      str(r["mismatches"]))  # fmt: skip
    result = {"samples": inputs.shape[1], "steps": len(inputs), "variants": results}
    publish("on_lava", result, table, options.json, before)


if __name__ == "__main__":
    main()
