"""What a training step on the kernel costs, as a function of the network and its activity.

One parameter at a time around the paper's setting, random input spikes; forward and backward. Two
numbers say how the cost grows: the exponent, the slope of log time over log parameter over the
upper half of the range, and R^2 of a straight line through all points. Recurrent weights are too
small to make a spike, so that the firing rates, which decide the cost too, do not change with
connectivity, neurons or steps; the readout's and the input's connectivity stay at 12 %.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import arguments, interleaved, machine, publish
from rich.table import Table

from lsnn_neuro.network import kernel
from lsnn_neuro.network.config import LSNNConfig
from lsnn_neuro.network.module import SpikingNetwork

BASE = {
    "steps": 400, "neurons": 220, "connectivity": 0.12, "batch": 64, "input_rate": 20.0,
    "threads": 1,
}  # fmt: skip
RANGES: dict[str, tuple[float, ...]] = {
    "steps": (100, 200, 400, 800, 1600),
    "neurons": (55, 110, 220, 440, 880),
    "connectivity": (0.03, 0.06, 0.12, 0.25, 0.5, 1.0),
    "batch": (16, 32, 64, 128, 256),
    "input_rate": (5, 10, 20, 40, 80, 160),
    "threads": (1, 2),
}


class Point:
    """One setting; a run is forward and backward."""

    def __init__(self, **changes: float) -> None:
        self.setting = BASE | changes
        s = self.setting
        n = int(s["neurons"])
        config = LSNNConfig(
            regular=n - n * 5 // 11, adaptive=n * 5 // 11,
            recurrent_connectivity=s["connectivity"], recurrent_scale=1e-6,
        )  # fmt: skip
        self.network = SpikingNetwork(config.draw(80, 10, torch.Generator().manual_seed(0)))
        shape = (int(s["steps"]), int(s["batch"]), 80)
        self.x = torch.from_numpy(np.random.default_rng(0).random(shape) < s["input_rate"] / 1000)
        self.rate = 0.0

    def run(self) -> None:
        """Forward and backward."""
        torch.set_num_threads(int(self.setting["threads"]))
        output = self.network.forward_kernel(self.x)
        assert output.rate is not None
        (output.readout.square().mean() + output.rate.square().sum()).backward()  # type: ignore[no-untyped-call]
        self.rate = float(output.rate.detach().mean()) * 1000


def exponent(values: tuple[float, ...], seconds: list[float]) -> float:
    """Slope in a log-log plot over the upper half of the range."""
    half = len(values) // 2
    return float(np.polyfit(np.log(values[half:] if half > 1 else values),
                            np.log(seconds[half:] if half > 1 else seconds), 1)[0])  # fmt: skip


def straightness(values: tuple[float, ...], seconds: list[float]) -> float:
    """R^2 of the straight line through (value, seconds)."""
    return float(np.corrcoef(values, seconds)[0, 1] ** 2)


def plot(curves: dict[str, dict[str, Any]], path: Path) -> None:
    """All curves side by side."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(11, 6), layout="constrained")
    for axis, (name, curve) in zip(axes.flat, curves.items(), strict=True):
        axis.plot(curve["values"], [1e3 * s for s in curve["seconds"]], "o-")
        axis.set(xlabel=name.replace("_", " "), ylabel="ms", xlim=(0, None), ylim=(0, None),
                 title=f"straight line: R$^2$ = {curve['straightness']:.3f}")  # fmt: skip
        axis.grid(visible=True, alpha=0.3)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Measure."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--plot", type=Path, help="file for the curves, .svg or .png")
    options = parser.parse_args()
    before = machine()
    curves: dict[str, dict[str, Any]] = {}
    table = Table(title=f"Forward and backward, {kernel.description()}")
    for column in ("parameter", "range", "ms", "exponent", "R^2 of a line", "firing rates, Hz"):
        table.add_column(column)
    for name, values in RANGES.items():
        # threads share out blocks of 16 samples: give them enough of those
        more = {"batch": 256} if name == "threads" else {}
        points = {str(value): Point(**{name: value}, **more) for value in values}
        sides: dict[str, Callable[[], object]] = {key: p.run for key, p in points.items()}
        seconds = [t.median for t in interleaved(sides, options.repeats).values()]
        rates = [p.rate for p in points.values()]
        curves[name] = {
            "values": values,
            "seconds": seconds,
            "rate_hz": rates,
            "exponent": exponent(values, seconds),
            "straightness": straightness(values, seconds),
        }
        table.add_row(name, " ".join(map(str, values)),
                      " ".join(f"{1e3 * s:.0f}" for s in seconds),
                      f"{curves[name]['exponent']:.2f}", f"{curves[name]['straightness']:.3f}",
                      " ".join(f"{r:.1f}" for r in rates))  # fmt: skip
    if options.plot:
        plot(curves, options.plot)
    result = {"base": BASE, "kernel": kernel.description(), "curves": curves}
    publish("scaling", result, table, options.json, before)


if __name__ == "__main__":
    main()
