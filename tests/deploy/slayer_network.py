"""Make slayer networks and run them: ``slayer_network.py FOLDER FAMILY COUNT [FAMILY COUNT ...]``.

With ``--first N`` the seeds of each family begin at N.

Writes, for each network, ``FAMILY-N.net`` by slayer's own ``export_hdf5``, ``FAMILY-N.safetensors`` by
``from_slayer``, and ``FAMILY-N.npz``: inputs (time, input), and of every block with neurons ``outK``
(time, neuron) as slayer sends it on, ``blockK`` its place among the blocks, ``delayK`` (neuron,) its axonal
delays, and ``lateK``: by how many steps ``outK`` comes after a reading in which each hop between populations
takes a step, and none onto a readout. ``scaleK`` is the membrane's units in one of slayer's.
"""

import argparse
import warnings
from pathlib import Path

warnings.simplefilter("ignore")  # lava-dl's own, of its optional parts

import h5py  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from lava.lib.dl import slayer  # noqa: E402

from deploy.interchange.slayer_module import from_slayer  # noqa: E402

STEPS = 60
CUBA, ALIF = slayer.block.cuba, slayer.block.alif
MEAN = slayer.neuron.norm.MeanOnlyBatchNorm


def cuba(rng, *, current=False, **more):
    """Parameters of CUBA neurons."""
    return {
        "threshold": float(rng.uniform(0.5, 2.0)),
        "current_decay": float(rng.uniform(0.1, 1.0)) if current else 1.0,
        "voltage_decay": float(rng.uniform(0.02, 0.5)), "shared_param": True, **more,
    }  # fmt: skip


def alif(rng, **more):
    """Parameters of ALIF neurons."""
    return cuba(rng, current=True) | {
        "threshold_step": float(rng.uniform(0.0, 1.0)),
        "threshold_decay": float(rng.uniform(0.01, 0.3)),
        "refractory_decay": float(rng.uniform(0.05, 0.6)), **more,
    }  # fmt: skip


def delayed(block, rng, most=9):
    """The block with axonal delays that are drawn here, per channel."""
    n = block.synapse.out_channels if hasattr(block, "synapse") else block.num_neurons
    block.delay.delay.data = torch.tensor(rng.uniform(0, most, n)).float()
    block.delay.init = True
    return block


def readout(n, *, scale=2, **more):
    """An Affine block onto three outputs."""
    neuron = {"threshold": 1.0, "current_decay": 1.0, "voltage_decay": 0.1} | more
    return CUBA.Affine(neuron, n, 3, weight_scale=scale)


def chain(seed, rng):
    """Two or three blocks, every second one recurrent; some end in an Affine.

    CUBA blocks in the first half of the seeds modulo 4, with a synaptic current in every second of these
    halves; ALIF blocks in the other.
    """
    sizes = rng.integers(3, 12, 4).tolist()
    affine, blocks, count = seed % 3 == 0, [], 2 + seed % 2
    for index in range(count):
        of, neuron = (
            (ALIF, alif(rng)) if seed % 4 >= 2 else (CUBA, cuba(rng, current=seed % 8 >= 4))
        )
        kind = of.Recurrent if (seed + index) % 2 else of.Dense
        delay = affine or index < count - 1
        block = kind(neuron, sizes[index], sizes[index + 1], delay=delay, weight_scale=4)
        blocks.append(delayed(block, rng) if delay else block)
    if affine:
        blocks.append(readout(sizes[count], current_decay=1.0 if seed % 2 else 0.3))
    return blocks, rng.random((sizes[0], STEPS)) < 0.3


def dense(seed, rng):
    """A single dense block."""
    return [CUBA.Dense(cuba(rng, current=seed % 2), 64, 32, weight_scale=2)], rng.random(
        (64, STEPS)
    ) < 0.1


def recurrent(seed, rng):
    """Two recurrent blocks, the spikes of the first delayed on their way to the second alone."""
    first = CUBA.Recurrent(cuba(rng, current=seed % 2), 20, 40, delay=True, weight_scale=4)
    second = CUBA.Recurrent(cuba(rng), 40, 10, weight_scale=4)
    return [delayed(first, rng, 12), second], rng.random((20, STEPS)) < 0.3


def jitter(seed, rng):
    """Constants of each neuron: 1 % apart, or between two ends."""
    decays = {} if seed % 2 else {"voltage_decay": (0.02, 0.4)}
    of, neuron = (ALIF, alif(rng)) if seed % 4 >= 2 else (CUBA, cuba(rng, current=True))
    first = of.Dense({**neuron, "shared_param": False, **decays}, 12, 16, weight_scale=4)
    second = CUBA.Recurrent(cuba(rng, shared_param=False), 16, 8, weight_scale=4)
    return [first, second, readout(8)], rng.random((12, STEPS)) < 0.3


def graded(seed, rng):
    """Inputs that carry numbers, some of them below 0; neurons on other scales than slayer's 64."""
    first = CUBA.Dense(cuba(rng, current=seed % 2, scale=32), 10, 16, weight_scale=1)
    inputs = rng.integers(-4, 6, (10, STEPS)) * (rng.random((10, STEPS)) < 0.4)
    return [first, readout(16, scale=4)], inputs


def norms(seed, rng):
    """Weight norm, a mask, norms with a mean, which is a bias, and hops that take no step."""
    bias = {"norm": MEAN} if seed % 2 else {}
    mask = torch.tensor(rng.random((14, 9)) < 0.5).float()
    more = {} if seed % 2 else {"delay_shift": False}
    blocks = [
        CUBA.Dense(cuba(rng, current=True, **bias), 9, 14, weight_scale=4, mask=mask, **more),
        ALIF.Dense(
            alif(rng, current_decay=1.0, **bias), 14, 12, weight_scale=4, weight_norm=True, **more
        ),
        CUBA.Recurrent(cuba(rng, **bias), 12, 6, weight_scale=4, weight_norm=True),
        CUBA.Affine(cuba(rng), 6, 3, weight_norm=True, dynamics=seed % 4 < 2),
    ]
    return blocks, rng.random((9, STEPS)) < 0.3


def images(seed, rng):
    """Convolutions in groups, with strides, padding and dilation, pooling and a flattened end."""
    rows, columns = (9, 8) if seed % 2 else (8, 11)
    first = {
        "kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0), "dilation": (1, 2),
        "weight_scale": 4, "delay": True,
    }  # fmt: skip
    blocks = [
        CUBA.Input(delay_shift=False),
        delayed(CUBA.Conv(cuba(rng, current=True), 2, 4, **first), rng),
        CUBA.Pool(cuba(rng), 2, weight_scale=1.2),
        CUBA.Conv(cuba(rng), 4, 6, 2, groups=2, weight_scale=6, weight_norm=bool(seed % 2)),
        CUBA.Flatten(),
    ]
    if seed % 2:
        blocks.pop(0)
        blocks[0] = delayed(
            ALIF.Conv(alif(rng), 2, 4, 3, padding=1, weight_scale=3, delay=True), rng
        )
    x = torch.tensor(rng.random((2, rows, columns, STEPS)) < 0.3)
    with torch.no_grad():
        n = torch.nn.Sequential(*blocks)(x[None].float()).shape[1]
    blocks.append(CUBA.Dense(cuba(rng), n, 7, weight_scale=6))
    if seed % 3:
        blocks.append(readout(7))
    return blocks, x.numpy()


FAMILIES = {f.__name__: f for f in (chain, dense, recurrent, jitter, graded, norms, images)}


def run(blocks, x):
    """What each block with neurons sends, and when; ``x`` has shape (batch, ..., time)."""
    record, hops, index = {}, 0, 0
    for place, block in enumerate(blocks):
        x = block(x)
        shifts = getattr(block, "delay_shift", None)
        if getattr(block, "neuron", None) is None:
            hops += int(bool(shifts))
            continue
        is_readout = shifts is None
        axon = getattr(block, "delay", None)
        per_channel = np.zeros(x.shape[1]) if axon is None else np.floor(axon.delay.detach())
        each = x[0].numel() // x.shape[1] // x.shape[-1]
        record |= {
            f"block{index}": place,
            f"out{index}": x[0].reshape(-1, x.shape[-1]).numpy().T,
            f"delay{index}": np.repeat(per_channel, each),
            f"late{index}": hops + (int(index > 0) if is_readout else shifts),
            f"scale{index}": block.neuron.scale * 64,
        }
        hops += int(bool(shifts)) - 1
        index += 1
    return record


def rested(blocks):
    """The blocks with states at rest: recurrent ones keep them from one run to the next."""
    for block in blocks:
        for name, buffer in block.named_buffers():
            if name.endswith("_state"):
                buffer.zero_()
        if hasattr(getattr(block, "neuron", None), "threshold_state"):
            block.neuron.threshold_state.fill_(block.neuron.threshold)
    return blocks


def make(folder: Path, family: str, seed: int) -> None:
    """Make, run and export a network."""
    torch.manual_seed(seed)
    blocks, inputs = FAMILIES[family](seed, np.random.default_rng([seed, len(family)]))
    net = torch.nn.ModuleList(blocks)
    x = torch.tensor(inputs[None]).float()
    with torch.no_grad():
        run(blocks, x)  # draws constants and the norms' means
        for block in blocks:
            if getattr(block, "neuron", None) is not None:
                block.neuron.clamp()  # a decay of 1 that is drawn 1 % higher
        net.eval()
        before = {name: value.clone() for name, value in net.state_dict().items()}
        from_slayer(net).save(folder / f"{family}-{seed}.safetensors")
        after = net.state_dict()
        assert list(after) == list(before)
        assert all(torch.equal(after[name], before[name]) for name in before)
        record = run(rested(blocks), x)
    flat = inputs.reshape(-1, STEPS).T.astype(np.int8)
    np.savez(folder / f"{family}-{seed}.npz", inputs=flat, **record)
    with h5py.File(folder / f"{family}-{seed}.net", "w") as file:
        for index, block in enumerate(blocks):
            block.export_hdf5(file.create_group(f"layer/{index}"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("counts", nargs="+")
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    for family, count in zip(options.counts[::2], options.counts[1::2], strict=True):
        for seed in range(options.first, options.first + int(count)):
            make(options.folder, family, seed)
