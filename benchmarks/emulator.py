"""The integer emulator: native against NumPy on whole test sets, and against Lava's stock graph.

All 10,000 MNIST test images where the full set has been fetched, else the 1,000 of mnist-5k; 840
steps, 80-220-10, readout only. Every integer that two sides computed is compared.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from measure import arguments, interleaved, machine, publish
from rich.table import Table

from deploy.lava.options import LavaOptions
from deploy.lava.target import LoihiSim, lava_missing
from lsnn_neuro.errors import DataError
from lsnn_neuro.network import kernel
from lsnn_neuro.network.module import SpikingNetwork
from lsnn_neuro.recipe import load_recipe
from lsnn_neuro.tasks import make_task
from lsnn_neuro.training import Trainer
from quantize.conversion import convert
from quantize.emulator import emulate, emulate_reference
from quantize.network import QuantizedNetwork

Spikes = npt.NDArray[np.bool_]
BATCH = 500


def trained_network(steps: int) -> QuantizedNetwork:
    """The paper's network after some training steps, quantized."""
    trainer = Trainer(load_recipe("smnist-1ms-paper", ["task.data=mnist-5k"]))
    for _ in range(steps):
        trainer.train_step()
    assert isinstance(trainer.network, SpikingNetwork)
    return convert(trainer.network.to_spec())[0]


def test_inputs(max_samples: int | None) -> tuple[str, list[Spikes]]:
    """Input spikes of the largest test set there is, a batch at a time."""
    for data in ("mnist", "mnist-5k"):
        try:
            task = make_task(load_recipe("smnist-1ms-paper", [f"task.data={data}"]).task)
        except DataError:
            continue
        return data, [batch.inputs for batch in task.batches("test", BATCH, max_samples)]
    raise AssertionError("mnist-5k is always here")


def main() -> None:
    """Measure."""
    parser = arguments(__doc__.splitlines()[0], training_steps=20, lava_samples=4)
    parser.add_argument("--limit", type=int, help="only so many test images")
    parser.add_argument("--reference-samples", type=int, default=BATCH,
                        help="images of a round on the NumPy reference")  # fmt: skip
    options = parser.parse_args()
    before = machine()
    network = trained_network(options.training_steps)
    data, batches = test_inputs(options.limit)
    n_steps, n_samples = len(batches[0]), sum(b.shape[1] for b in batches)
    part = batches[0][:, : options.reference_samples]
    few = batches[0][:, : options.lava_samples]
    readouts: dict[str, Any] = {}

    def native() -> None:
        readouts["native"] = [emulate(network, b, spikes=False).readout for b in batches]

    def reference() -> None:
        readouts["reference"] = emulate_reference(network, part)[1]

    def lava() -> None:
        target = LoihiSim(LavaOptions(synapses="stock"))
        record = target.run(network, few)
        readouts["lava"], readouts["lava spikes"] = record.readout, record.spikes

    sides = {"native": native, "reference": reference}
    counts = {"native": n_samples, "reference": part.shape[1], "lava": few.shape[1]}
    if not lava_missing():
        sides["lava"] = lava
    times = interleaved(sides, options.repeats)
    exact = readouts["native"][0]
    spikes = emulate(network, few).spikes
    mismatches = {
        "readout, reference": int((exact[:, : part.shape[1]] != readouts["reference"]).sum())
    }
    if "lava" in readouts:
        mismatches["readout, lava"] = int((exact[:, : few.shape[1]] != readouts["lava"]).sum())
        mismatches["spikes, lava"] = sum(
            int((a.spikes != b.spikes).sum())
            for a, b in zip(spikes, readouts["lava spikes"], strict=True)
        )
    per_step = {name: t.median / (counts[name] * n_steps) for name, t in times.items()}
    title = f"Emulator, {n_samples} test images of {data}, {n_steps} steps, {kernel.description()}"
    table = Table(title=f"{title}; mismatches: {sum(mismatches.values())}")
    for column in ("side", "samples", "seconds", "ns a sample and step", "ratio"):
        table.add_column(column, justify="left" if column == "side" else "right")
    for name, t in times.items():
        ratio = per_step[name] / per_step["native"]
        table.add_row(name, str(counts[name]), f"{t.median:.3f}", f"{per_step[name] * 1e9:.0f}",
                      f"{ratio:.1f}")  # fmt: skip
    result = {
        "data": data,
        "steps": n_steps,
        "kernel": kernel.description(),
        "mismatches": mismatches,
        "sides": {
            name: t.report()
            | {
                "samples": counts[name],
                "seconds_per_sample_step": per_step[name],
                "ratio": per_step[name] / per_step["native"],
            }
            for name, t in times.items()
        },
    }
    publish("emulator", result, table, options.json, before)


if __name__ == "__main__":
    main()
