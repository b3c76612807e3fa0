"""One training step in the paper's sequential MNIST setting, against loops and other libraries.

Batch 256, 840 steps, 80 inputs, 120 LIF + 100 ALIF, 10 outputs, 12 % connectivity, delays to 10,
spikes of real digits, after 20 training steps. A step is forward, backward, Adam and DEEP R; the
peers have no delays, no sparsity, no rewiring, and a plain linear readout of the last 28 steps.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from measure import (
    NOT_INSTALLED,
    PeakMemory,
    Timing,
    arguments,
    interleaved,
    machine,
    of_child,
    publish,
)
from rich.table import Table
from torch import Tensor, nn

from lsnn_neuro.deep_r import DeepR
from lsnn_neuro.network import kernel
from lsnn_neuro.network.module import SpikingNetwork
from lsnn_neuro.recipe import LSNNConfig, Recipe, load_recipe
from lsnn_neuro.training import Trainer
from quantize.aware import QuantizationAware

Step = Callable[[], float]
WINDOW = 28
WARM_UP = 20
KERNEL, QUANTIZED = "lsnn-neuro", "lsnn-neuro, quantization-aware"
LOOP, DENSE = "PyTorch loop, same features", "PyTorch loop, dense, no delays"
NORSE, SLAYER = "norse LSNNRecurrent", "lava-dl slayer alif.Recurrent"
NORSE_DRIVE = 30.0  # as drawn, its weights are too small for these inputs to make any neuron fire
SIDES = (KERNEL, QUANTIZED, LOOP, DENSE, NORSE, SLAYER)


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
        self.target = torch.from_numpy(batch.decisions.target.copy())

    def network(self) -> SpikingNetwork:
        """A copy of the trained network."""
        network = Trainer(self.recipe).network
        assert isinstance(network, SpikingNetwork)
        network.load_state_dict(self.trained)
        return network


def step_of(
    model: nn.Module, forward: Callable[[Tensor], tuple[Tensor, Tensor]], setting: Setting,
    *, deep_r: SpikingNetwork | None = None, dense_input: bool = False,
) -> Step:  # fmt: skip
    """A training step; ``forward`` gives scores (sample, class) and rates (neuron,)."""
    optimizer: Any = torch.optim.Adam(model.parameters(), lr=0.001)
    update = optimizer.step
    if deep_r is not None:
        generator = torch.Generator().manual_seed(0)
        update = DeepR(
            optimizer, deep_r.synapses(), l1=0.01, temperature=0.0, generator=generator
        ).step
    x = setting.x.float() if dense_input else setting.x

    def step() -> float:
        scores, rate = forward(x)
        loss = nn.functional.cross_entropy(scores, setting.target)
        loss = loss + 0.1 * ((rate - 0.01) ** 2).sum()
        optimizer.zero_grad()
        loss.backward()
        update()
        return float(rate.detach().mean()) * 1000

    return step


def ours(setting: Setting, *, quantized: bool = False, loop: bool = False) -> Step:
    """Our network on the kernel, or on the readable loop."""
    network = setting.network()
    model: nn.Module = QuantizationAware(network) if quantized else network
    run: Any = network.forward_loop if loop else model

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        output = run(x)
        return output.readout[-WINDOW:].mean(dim=0).float(), output.rate

    return step_of(network, forward, setting, deep_r=network)


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

    return step_of(network, forward, setting)


def norse(setting: Setting) -> Step | None:
    """norse's recurrent LSNN, whose adaptation is detached from the gradient."""
    if importlib.util.find_spec("norse") is None:
        return None
    from norse.torch import LSNNRecurrent  # type: ignore[import-not-found]

    layer, readout = LSNNRecurrent(setting.x.shape[2], 220), nn.Linear(220, 10)
    with torch.no_grad():
        layer.input_weights.mul_(NORSE_DRIVE)

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        z, _ = layer(x)
        return readout(z[-WINDOW:].mean(dim=0)), z.mean(dim=(0, 1))

    return step_of(nn.ModuleList([layer, readout]), forward, setting, dense_input=True)


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

    return step_of(nn.ModuleList([block, readout]), forward, setting)


MAKERS: dict[str, Callable[[Setting], Step | None]] = {
    KERNEL: ours,
    QUANTIZED: lambda setting: ours(setting, quantized=True),
    LOOP: lambda setting: ours(setting, loop=True),
    DENSE: dense_loop,
    NORSE: norse,
    SLAYER: slayer,
}


def main() -> None:
    """Measure."""
    parser = arguments(__doc__.splitlines()[0], batch=256)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--memory-of", choices=SIDES, help="internal: peak memory of one side")
    options = parser.parse_args()
    if options.memory_of:
        print(json.dumps(memory_of(options.memory_of, options.batch)))
        return
    before, setting = machine(), Setting(options.batch)
    steps = {name: MAKERS[name](setting) for name in options.sides}
    present = {name: step for name, step in steps.items() if step is not None}
    rates = {name: step() for name, step in present.items()}
    times: dict[int, dict[str, Timing]] = {}
    for threads in options.threads:
        torch.set_num_threads(threads)
        times[threads] = interleaved(present, options.repeats)
    peaks = {name: of_child("--memory-of", name, "--batch", str(options.batch)) for name in present}
    table = Table(title=f"One training step, batch {options.batch}, {len(setting.x)} steps")
    table.add_column("side")
    for threads in options.threads:
        table.add_column(f"ms, {threads} thread(s)", justify="right")
        table.add_column("ratio", justify="right")
    table.add_column("peak MB", justify="right")
    table.add_column("rate, Hz", justify="right")
    for name in options.sides:
        if name not in present:
            table.add_row(name, NOT_INSTALLED)
            continue
        cells = [
            cell
            for measured in times.values()
            for cell in (f"{measured[name].median * 1e3:.0f}", f"{ratio(measured, name):.2f}")
        ]
        table.add_row(name, *cells, f"{peaks[name] / 1e6:.0f}", f"{rates[name]:.1f}")
    result = {
        "batch": options.batch,
        "steps": len(setting.x),
        "kernel": kernel.description(),
        "sides": {
            name: {
                "threads": {
                    str(n): measured[name].report() | {"ratio": ratio(measured, name)}
                    for n, measured in times.items()
                },
                "peak_bytes_above_baseline": peaks[name],
                "rate_hz": rates[name],
            }
            if name in present
            else NOT_INSTALLED
            for name in options.sides
        },
    }
    publish("training_step", result, table, options.json, before)


def ratio(measured: dict[str, Timing], name: str) -> float:
    """Time of a side over that of our kernel (of the first side, if that was left out)."""
    reference = measured.get(KERNEL) or next(iter(measured.values()))
    return measured[name].median / reference.median


def memory_of(side: str, batch_size: int) -> int:
    """In a child: what two training steps of a side add to its memory at the peak."""
    torch.set_num_threads(1)
    step = MAKERS[side](Setting(batch_size))
    assert step is not None
    with PeakMemory() as peak:
        step()
        step()
    return peak.added


if __name__ == "__main__":
    main()
