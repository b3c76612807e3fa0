"""Make slayer networks and run them: ``slayer_network.py FOLDER COUNT``.

Writes ``N.net`` by slayer's own ``export_hdf5`` and ``N.npz``: input spikes (time, input), and spikes
of every block as slayer sends them on, (time, neuron), with the blocks' axonal delays.
"""

import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")  # lava-dl's own, of its optional parts

import h5py  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from lava.lib.dl import slayer  # noqa: E402

STEPS = 60


def make(seed: int) -> torch.nn.ModuleList:
    """A chain of two or three blocks, every second one recurrent; some end in an Affine.

    CUBA blocks in the first half of the seeds modulo 4, with a synaptic current in every second of these
    halves; ALIF blocks in the other.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    sizes = rng.integers(3, 12, 4).tolist()
    affine, blocks = seed % 3 == 0, []
    for index in range(2 + seed % 2):
        neuron = {
            "threshold": float(rng.uniform(0.5, 2.0)),
            "current_decay": float(rng.uniform(0.1, 1.0)) if seed % 8 >= 4 else 1.0,
            "voltage_decay": float(rng.uniform(0.02, 0.5)),
            "shared_param": True,
        }
        blocks_of = slayer.block.cuba
        if seed % 4 >= 2:
            blocks_of = slayer.block.alif
            neuron |= {
                "current_decay": float(rng.uniform(0.1, 1.0)),
                "threshold_step": float(rng.uniform(0.0, 1.0)),
                "threshold_decay": float(rng.uniform(0.01, 0.3)),
                "refractory_decay": float(rng.uniform(0.05, 0.6)),
            }
        recurrent = (seed + index) % 2
        kind = blocks_of.Recurrent if recurrent else blocks_of.Dense
        last = index == 1 + seed % 2
        block = kind(
            neuron, sizes[index], sizes[index + 1], delay=not last or affine, weight_scale=4
        )
        if block.delay is not None:
            block.delay.delay.data = torch.tensor(rng.uniform(0, 9, sizes[index + 1])).float()
            block.delay.init = True
        blocks.append(block)
    if affine:
        current_decay = 1.0 if seed % 2 else 0.3
        neuron = {"threshold": 1.0, "current_decay": current_decay, "voltage_decay": 0.1}
        blocks.append(
            slayer.block.cuba.Affine(neuron, sizes[1 + len(blocks) - 1], 2, weight_scale=2)
        )
    return torch.nn.ModuleList(blocks)


def main(folder: Path, count: int) -> None:
    """Make, run and export so many networks."""
    for seed in range(count):
        blocks = make(seed)
        rng = np.random.default_rng([seed, 1])
        first = blocks[0]
        synapse = getattr(first, "synapse", None) or first.input_synapse
        inputs = rng.random((STEPS, synapse.in_channels)) < 0.3
        x = torch.tensor(inputs.T[None]).float()  # (batch, input, time)
        record = {"inputs": inputs}
        with torch.no_grad():
            for index, block in enumerate(blocks):
                x = block(x)
                record[f"out{index}"] = x[0].numpy().T
                delay = block.delay.delay if getattr(block, "delay", None) is not None else None
                n = x.shape[1]
                record[f"delay{index}"] = np.zeros(n) if delay is None else np.floor(delay.detach())
        np.savez(folder / f"{seed}.npz", **record)
        with h5py.File(folder / f"{seed}.net", "w") as file:
            layers = file.create_group("layer")
            for index, block in enumerate(blocks):
                block.export_hdf5(layers.create_group(str(index)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
