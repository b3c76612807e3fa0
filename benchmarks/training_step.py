"""One training step in the paper's sequential MNIST setting, against loops and other libraries.

Batch 256, 840 steps, 80 inputs, 120 LIF + 100 ALIF, 10 outputs, 12 % connectivity, delays to 9,
spikes of real digits, after 20 training steps. A step is forward, backward, Adam and DEEP R; the
peers (``peers.py``, which sets them up) do less, and the table says what; their readout is linear, of
the last 28 steps. Each side is a process of its own; ``--against`` adds an older checkout of this
project, ``--isa`` the kernel's other instruction sets. The exit code is 1 if a side could not be measured.
Allow 16 GB of memory.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import arguments, machine, publish
from peers import DENSE as DENSELY
from peers import PEERS, Peer
from processes import (
    KEEP_MEMORY,
    ROOT,
    Measured,
    Side,
    checkout_name,
    checkout_python,
    in_groups,
    memory_of,
)
from rich.console import Group
from rich.table import Table
from torch import Tensor, nn

from lsnn_neuro.deep_r import DeepR
from lsnn_neuro.network import kernel
from lsnn_neuro.network.config import LSNNConfig
from lsnn_neuro.network.module import SpikingNetwork
from lsnn_neuro.recipe import Recipe, load_recipe
from lsnn_neuro.training import Trainer
from quantize.aware import QuantizationAware

Step = Callable[[], float]
WINDOW = 28
WARM_UP = 20
KERNEL, QUANTIZED = "lsnn-neuro", "lsnn-neuro, quantization-aware"
LOOP, DENSE = "PyTorch loop, same features", "PyTorch loop, dense, no delays"
SLAYER = "lava-dl slayer alif.Recurrent"
LESS = {
    DENSE: "dense, no delays, no rewiring",
    SLAYER: f"{DENSELY}; no gradient through time",
}
LIKE_THE_COMMAND = {"OMP_WAIT_POLICY": "passive"}
"""What ``lsnn-neuro`` sets: torch's threads, when idle, leave the cores to the kernel's."""
ISAS = ("avx512", "avx2", "baseline")
"""What LSNN_NEURO_ISA may name, the widest first."""


class Setting:
    """A trained network and a batch of digits."""

    def __init__(self, batch_size: int) -> None:
        overrides = ["task.data=mnist-5k", f"training.batch_size={batch_size}"]
        self.recipe: Recipe = load_recipe("smnist-1ms-paper", overrides)
        trainer = Trainer(self.recipe)
        for _ in range(WARM_UP):
            trainer.train_step()
        self.trained = trainer.network.state_dict()
        batch = trainer.task.train_batch(batch_size, np.random.default_rng(1))
        self.x = torch.from_numpy(batch.inputs)
        self.target = torch.from_numpy(batch.labels.target.copy())

    def network(self) -> SpikingNetwork:
        """A copy of the trained network."""
        network = Trainer(self.recipe).network
        assert isinstance(network, SpikingNetwork)
        network.load_state_dict(self.trained)
        return network


def step_of(
    model: nn.Module, forward: Callable[[Tensor], tuple[Tensor, Tensor]], x: Tensor, target: Tensor,
    *, deep_r: SpikingNetwork | None = None,
) -> Step:  # fmt: skip
    """A training step; ``forward`` gives scores (sample, class) and rates (neuron,)."""
    optimizer: Any = torch.optim.Adam(model.parameters(), lr=0.001)
    update = optimizer.step
    if deep_r is not None:
        generator = torch.Generator().manual_seed(0)
        update = DeepR(
            optimizer, deep_r.synapses(), l1=0.01, temperature=0.0, generator=generator
        ).step

    def step() -> float:
        scores, rate = forward(x)
        loss = nn.functional.cross_entropy(scores, target)
        loss = loss + 0.1 * ((rate - 0.01) ** 2).sum()
        optimizer.zero_grad()
        loss.backward()
        update()
        return float(rate.detach().mean()) * 1000

    return step


def project_step(network: SpikingNetwork, run: Any, x: Tensor, target: Tensor) -> Step:
    """A training step with DEEP R; ``run``: the network itself, or what runs it otherwise."""

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        output = run(x)
        return output.readout[-WINDOW:].mean(dim=0).float(), output.rate

    return step_of(network, forward, x, target, deep_r=network)


def ours(setting: Setting, *, quantized: bool = False, loop: bool = False) -> Step:
    """Our network on the kernel, or on the readable loop."""
    network = setting.network()
    model: nn.Module = QuantizationAware(network) if quantized else network
    run = network.forward_loop if loop else model
    return project_step(network, run, setting.x, setting.target)


def dense_loop(setting: Setting) -> Step:
    """The readable loop without sparsity, signs, delays and rewiring."""
    config = LSNNConfig(
        signs="unconstrained", n_delays=1, input_connectivity=1, recurrent_connectivity=1,
        readout_connectivity=1, input_scale=0.35, recurrent_scale=0.35,
    )  # fmt: skip
    network = SpikingNetwork(config.draw(setting.x.shape[2], 10, torch.Generator().manual_seed(0)))

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        output = network.forward_loop(x)
        assert output.rate is not None
        return output.readout[-WINDOW:].mean(dim=0), output.rate

    return step_of(network, forward, setting.x, setting.target)


def slayer(setting: Setting) -> Step | None:
    """lava-dl's recurrent ALIF block, which has no gradient through time."""
    if importlib.util.find_spec("lava.lib.dl") is None:
        return None
    from lava.lib.dl.slayer.block.alif import Recurrent

    parameters = {
        "threshold": 1.0, "threshold_step": 0.1, "current_decay": 1.0, "voltage_decay": 0.05,
        "threshold_decay": 0.0014, "refractory_decay": 0.2, "requires_grad": False,
    }  # fmt: skip
    block, readout = Recurrent(parameters, setting.x.shape[2], 220), nn.Linear(220, 10)
    x = setting.x.float().permute(1, 2, 0).contiguous()  # (sample, input, time)

    def forward(_: Tensor) -> tuple[Tensor, Tensor]:
        z = block(x)
        block.spike_state = block.spike_state.detach()
        return readout(z[..., -WINDOW:].mean(dim=2)), z.mean(dim=(0, 2))

    return step_of(nn.ModuleList([block, readout]), forward, setting.x, setting.target)


MAKERS: dict[str, Callable[[Setting], Step | None]] = {
    KERNEL: ours,
    QUANTIZED: lambda setting: ours(setting, quantized=True),
    LOOP: lambda setting: ours(setting, loop=True),
    DENSE: dense_loop,
    SLAYER: slayer,
}
SIDES = (*MAKERS, *(peer.name for peer in PEERS))


def our_side(name: str, batch: int) -> Side:
    """A side of this checkout; those that are not the kernel are treated as peers are."""
    ours = name in (KERNEL, QUANTIZED)
    return Side(
        name=name, module="checkout", function="training_step",
        arguments={"side": name, "batch": batch}, environment=LIKE_THE_COMMAND if ours else KEEP_MEMORY,
        group="kernel" if ours else "loops", less=LESS.get(name, ""),
    )  # fmt: skip


def of_checkout(side: Side, folder: Path) -> Side:
    """The same side of another checkout: its own script, modules and environment."""
    script = folder / "benchmarks" / "training_step.py"
    return replace(
        side, name=f"{side.name}, at {checkout_name(folder)}", python=checkout_python(folder),
        folder=folder, path=(folder / "benchmarks", folder),
        obstacle=None if script.exists() else f"there is no {script}",
    )  # fmt: skip


def of_peer(peer: Peer, data: str) -> Side:
    """The side of another library."""
    return Side(
        name=peer.name, module=peer.module, function=peer.function,
        arguments={"data": data} | dict(peer.options), python=peer.environment.python, path=(),
        environment=KEEP_MEMORY, group=peer.environment.name, less=peer.less,
        obstacle=peer.obstacle,
    )  # fmt: skip


def has_isa(isa: str) -> bool:
    """Whether this CPU has an instruction set."""
    done = subprocess.run(
        [sys.executable, "-c", "from lsnn_neuro import _kernel; _kernel.instruction_set()"],
        env=os.environ | {"LSNN_NEURO_ISA": isa}, capture_output=True, check=False, cwd=ROOT,
    )  # fmt: skip
    return done.returncode == 0


def sides_of(options: argparse.Namespace, data: str) -> Iterator[Side]:
    """All that is asked for."""
    peers = {peer.name: peer for peer in PEERS}
    for name in options.sides:
        if name in peers:
            yield of_peer(peers[name], data)
        else:
            yield our_side(name, options.batch)
    kernels = [our_side(n, options.batch) for n in (KERNEL, QUANTIZED) if n in options.sides]
    for folder in options.against:
        yield from (of_checkout(side, folder.resolve()) for side in kernels)
    for isa in options.isa:
        for side in kernels:
            yield replace(
                side,
                name=f"{side.name}, {isa}",
                environment=LIKE_THE_COMMAND | {"LSNN_NEURO_ISA": isa},
            )


def main() -> int:
    """Measure."""
    parser = arguments(__doc__.splitlines()[0], batch=256)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES), metavar="SIDE",
                        help=f"of {', '.join(map(repr, SIDES))}; all by default")  # fmt: skip
    parser.add_argument("--against", type=Path, nargs="+", default=[], metavar="PATH",
                        help="older checkouts of this project, to measure their own step")  # fmt: skip
    parser.add_argument("--isa", nargs="*", choices=ISAS, default=None,
                        help="ours on these instruction sets too; without a name: on all")  # fmt: skip
    parser.add_argument("--no-memory", action="store_true", help="leave peak memory out")
    options = parser.parse_args()
    asked = [] if options.isa is None else [i for i in ISAS if i in (options.isa or ISAS)]
    options.isa = [isa for isa in asked if has_isa(isa)]
    before, setting = machine(), Setting(options.batch)
    with tempfile.TemporaryDirectory() as folder:
        data = str(Path(folder) / "batch.npz")
        np.savez(data, x=setting.x.numpy(), target=setting.target.numpy())
        sides = list(sides_of(options, data))
        names = [side.name for side in sides]
        reference = KERNEL if KERNEL in names else names[0]
        measured = {
            n: in_groups(sides, reference, cores=n, repeats=options.repeats)
            for n in options.threads
        }
        peaks = {} if options.no_memory else {side.name: memory_of(side) for side in sides}
    failures = failures_of(sides, measured, peaks)
    title = f"One training step, batch {options.batch}, {len(setting.x)} steps"
    tables = [times_table(title, sides, measured, peaks)]
    if asked:
        tables.append(isa_table(asked, options.isa, measured))
    result = {
        "batch": options.batch,
        "steps": len(setting.x),
        "kernel": kernel.description(),
        "sides": {side.name: report(side, measured, peaks) for side in sides},
    }
    publish("training_step", result, Group(*tables), options.json, before)
    for name, reason in failures.items():
        print(f"not measured: {name}: {reason}", file=sys.stderr)
    return 1 if failures else 0


def failures_of(
    sides: Sequence[Side], measured: Mapping[int, Mapping[str, Measured]],
    peaks: Mapping[str, int | str],
) -> dict[str, str]:  # fmt: skip
    """Why a side has not all its numbers."""
    failures = {}
    for side in sides:
        reasons = [m[side.name].failure for m in measured.values()]
        reasons += [p for p in [peaks.get(side.name)] if isinstance(p, str)]
        named = [r for r in reasons if r]
        if named:
            failures[side.name] = named[0]
    return failures


def times_table(
    title: str, sides: Sequence[Side], measured: Mapping[int, Mapping[str, Measured]],
    peaks: Mapping[str, int | str],
) -> Table:  # fmt: skip
    """Times of all sides, over ours; a side that failed has its reason."""
    table = Table(title=title, caption="times ours: in the same rounds")
    table.add_column("side")
    for threads in measured:
        table.add_column(f"ms, {threads} thread(s)", justify="right")
        table.add_column("times ours", justify="right")
    for column in ("peak MB", "rate, Hz"):
        table.add_column(column, justify="right")
    table.add_column("does less than ours", max_width=60)
    for side in sides:
        cells, less, rate = [], side.less, ""
        for of_all in measured.values():
            timing, times = of_all[side.name].timing, of_all[side.name].ratio
            cells += ["-" if timing is None else f"{timing.median * 1e3:.0f}",
                      "-" if times is None else f"{times:.2f}"]  # fmt: skip
            if timing:
                rate = f"{of_all[side.name].first:.1f}"
            else:
                less = f"NOT MEASURED: {of_all[side.name].failure}"
        peak = peaks.get(side.name)
        cells.append(f"{peak / 1e6:.0f}" if isinstance(peak, int) else "-")
        table.add_row(side.name, *cells, rate, less)
    return table


def isa_table(
    asked: Sequence[str], present: Sequence[str], measured: Mapping[int, Mapping[str, Measured]]
) -> Table:
    """Our times by instruction set, over those of the widest."""
    table = Table(title="By instruction set (LSNN_NEURO_ISA)")
    table.add_column("side")
    for threads in measured:
        table.add_column(f"ms, {threads} thread(s)", justify="right")
        table.add_column("times the widest", justify="right")
    for kind in (KERNEL, QUANTIZED):
        for isa in asked:
            name = f"{kind}, {isa}"
            if isa not in present:
                table.add_row(name, "not on this CPU")
                continue
            cells = []
            for of_all in measured.values():
                if name not in of_all:
                    continue
                timing, widest = of_all[name].timing, of_all[f"{kind}, {present[0]}"].timing
                times = timing.median / widest.median if timing and widest else None
                cells += ["-" if timing is None else f"{timing.median * 1e3:.0f}",
                          "-" if times is None else f"{times:.2f}"]  # fmt: skip
            if cells:
                table.add_row(name, *cells)
    return table


def report(
    side: Side, measured: Mapping[int, Mapping[str, Measured]], peaks: Mapping[str, int | str]
) -> dict[str, Any]:
    """A side for the JSON file."""
    threads: dict[str, Any] = {}
    for n, of_all in measured.items():
        one = of_all[side.name]
        threads[str(n)] = (
            one.timing.report() | {"ratio": one.ratio}
            if one.timing
            else {"not_measured": one.failure}
        )
    last = list(measured.values())[-1][side.name]
    return {
        "threads": threads,
        "peak_bytes_above_baseline": peaks.get(side.name),
        "rate_hz": last.first,
        "does_less": side.less,
        "resident_bytes": last.peak,
        "versions": last.versions,
    }


if __name__ == "__main__":
    sys.exit(main())
