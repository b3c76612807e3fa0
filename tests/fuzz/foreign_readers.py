"""Readers of other tools' files: how small good ones are made, and how they are read."""

from __future__ import annotations

import gzip
from itertools import pairwise
from pathlib import Path

import h5py
import nir
import numpy as np
from network_readers import FROZEN, used
from random_graphs import random_graph

from deploy.interchange import loihi1, netx
from deploy.interchange import nir as our_nir
from deploy.interchange.reading import put_of_user


def make_nir(folder: Path) -> None:
    """A graph with a convolution, recurrence, a current and a readout."""
    n = np.full
    lif = nir.LIF(
        tau=n(4, 0.02), r=n(4, 1.0), v_leak=n(4, 0.0), v_threshold=n(4, 1.0), v_reset=n(4, 0.0)
    )
    cuba = nir.CubaLIF(
        tau_syn=n(3, 0.01), tau_mem=n(3, 0.02), r=n(3, 1.0), v_leak=n(3, 0.0), v_threshold=n(3, 1.0),
        v_reset=n(3, 0.0), w_in=n(3, 1.0),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    conv = nir.Conv2d(
        input_shape=(3, 3), weight=rng.normal(size=(1, 1, 2, 2)), stride=1, padding=0, dilation=1, groups=1,
        bias=np.zeros(1),
    )  # fmt: skip
    nodes = {
        "input": nir.Input({"input": np.array([1, 3, 3])}), "conv": conv,
        "flat": nir.Flatten({"input": np.array([1, 2, 2])}, 0, -1), "lif": lif,
        "affine": nir.Affine(rng.normal(size=(3, 4)), rng.normal(size=3)), "cuba": cuba,
        "out": nir.Linear(rng.normal(size=(2, 3))),
        "li": nir.LI(n(2, 0.02), n(2, 1.0), n(2, 0.0)),
        "output": nir.Output({"output": np.array([2])}),
    }  # fmt: skip
    rec = {"rec": nir.Linear(rng.normal(size=(3, 3)))}
    edges = [*pairwise(nodes), ("cuba", "rec"), ("rec", "cuba")]
    nir.write(folder / "f.nir", nir.NIRGraph(nodes | rec, edges, type_check=False))


def read_nir(folder: Path) -> None:
    """In the dialect that says all of itself."""
    used(our_nir.read(folder / "f.nir", "nir", dt=1.0).network)


def make_extended(folder: Path) -> None:
    """Ours, with the integers inside."""
    our_nir.save(random_graph(3), folder / "f.nir", extended=True)


def read_extended(folder: Path) -> None:
    """As it says itself."""
    used(our_nir.read(folder / "f.nir").network)


def make_net(folder: Path) -> None:
    """What slayer exports, and one of ours."""
    with h5py.File(folder / "a.net", "w") as file:
        for index, (n, before) in enumerate(((3, 2), (2, 3))):
            layer = {
                "shape": [n], "weight": np.full((n, before), 8.0), "neuron/iDecay": 4096,
                "neuron/vDecay": 128, "neuron/vThMant": 80, "neuron/refDelay": 1,
                "neuron/gradedSpike": False, "delay": np.ones(n),
            }  # fmt: skip
            for name, value in layer.items():
                file.create_dataset(f"layer/{index}/{name}", data=value)
            for name, text in (("type", b"dense"), ("neuron/type", b"CUBA")):
                file.create_dataset(f"layer/{index}/{name}", (1,), "S10", [text])
        del file["layer/1/delay"]
    (folder / "b.net").write_bytes(
        gzip.decompress((FROZEN / "interchange" / "lif.net.gz").read_bytes())
    )


def read_net(folder: Path) -> None:
    """Both."""
    for file in sorted(folder.iterdir()):
        used(netx.load(file))


def make_loihi1(folder: Path) -> None:
    """Few synapses, in the shapes of the published network."""
    for name, shape in loihi1._MATRICES.items():
        matrix = np.zeros(shape, np.int8)
        matrix[:3, :3] = [[1, -2, 3]] * 3
        np.save(folder / f"{name}.npy", matrix)


def read_loihi1(folder: Path) -> None:
    """All three."""
    loihi1.load(folder)


def make_put(folder: Path) -> None:
    """What a NIR file has lost."""
    np.save(folder / "p.npy", np.arange(6.0).reshape(2, 3))


def read_put(folder: Path) -> None:
    """As the option says."""
    put_of_user([f"a.w={folder / 'p.npy'}"])
