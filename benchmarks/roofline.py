"""What a training step must cost on this machine, and how near the kernel comes to it.

Bytes and operations are counted from the spikes of a real batch, see ``docs/performance.md``; copy
bandwidth and multiply-add rate are measured, all with one thread.
"""

from __future__ import annotations

import numpy as np
import torch
from measure import arguments, interleaved, machine, publish
from rich.table import Table
from training_step import Setting

from lsnn_neuro.network import kernel
from lsnn_neuro.network.graph import INPUT


def main() -> None:
    """Measure."""
    options = arguments(__doc__.splitlines()[0], batch=256).parse_args()
    before = machine()
    torch.set_num_threads(1)
    setting = Setting(options.batch)
    network, x = setting.network(), setting.x
    source, matrix = np.ones(40_000_000, np.float32), torch.ones(1024, 1024)
    target = np.empty_like(source)
    graph: list[torch.Tensor] = []

    def forward() -> None:
        output = network.forward_kernel(x)
        assert output.rate is not None
        graph[:] = [output.readout[-28:].square().sum() + output.rate.square().sum()]

    def backward() -> None:
        graph.pop().backward()  # type: ignore[no-untyped-call]

    times = interleaved(
        {
            "copy": lambda: np.copyto(target, source),
            "multiply-add": lambda: matrix @ matrix,
            "forward": forward,
            "backward": backward,
        },
        options.repeats,
    )
    bandwidth = 2 * source.nbytes / times["copy"].median
    flops = 2 * 1024**3 / times["multiply-add"].median
    spikes = network.forward_kernel(x).spikes
    assert spikes is not None
    spec, places = network.to_spec(), network.spec.places()
    trains = spikes.detach().double().sum(dim=(0, 1)).numpy()
    sent = {p.name: trains[places[p.name]] for p in spec.spiking}
    sent[INPUT] = x.double().sum(dim=(0, 1)).numpy()
    events = sum(float(sent[p.source][p.source_index].sum()) for p in spec.projections)
    cells = spikes.numel()
    kept = 2.4 * cells
    table = Table(title=f"Roofline, one thread, {kernel.description()}")
    for column in ("", "ms", "bytes' share", "operations' share"):
        table.add_column(column, justify="right" if column else "left")
    result: dict[str, object] = {
        "copy_bytes_per_second": bandwidth,
        "multiply_add_flops": flops,
        "neuron_updates": cells,
        "synaptic_events": events,
    }
    for name, operations in (("forward", 10 * cells + events), ("backward", 10 * cells + events)):
        seconds = times[name].median
        shares = (kept / bandwidth / seconds, operations / flops / seconds)
        table.add_row(name, f"{seconds * 1e3:.0f}", *(f"{s:.0%}" for s in shares))
        result[name] = times[name].report() | {
            "share_explained_by_bytes": shares[0],
            "share_explained_by_operations": shares[1],
        }
    publish("roofline", result, table, options.json, before)


if __name__ == "__main__":
    main()
