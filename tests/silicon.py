"""What real Loihi chips gave, as recordings, and the integer networks that ran on them.

The facts lie in the folder ``shared/data`` beside the repository's folder; tests skip where they are not
there. Chips answer a step late: the inputs are moved a step on, so that no row of an answer is lost.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deploy.recording import Recording
from lsnn_neuro.neurons.li import LI, LIConstants
from lsnn_neuro.neurons.lif import LIF, LIFConstants
from lsnn_neuro.recipe import load_recipe
from lsnn_neuro.tasks.sequential_mnist import ImageEncoder
from quantize.network import QuantizedNetwork, QuantizedPopulation, QuantizedProjection

DATA = Path(__file__).parents[2] / "shared" / "data"
SILICON = DATA / "silicon"
LIF_CSV = DATA / "nir-paper" / "lif_lava_loihi_fixed.csv"
READ_AT = 836
"""The step of 840 whose readout the Loihi 1 network's label is read from."""
REFRACTORY = 128
"""What a probe of v on Loihi 2 reads in a spike step: the refractory time times this."""


def needs(path: Path) -> pytest.MarkDecorator:
    """Skip where what a chip gave is not here."""
    return pytest.mark.skipif(not path.exists(), reason=f"no recordings of chips in {path}")


def a_step_on(inputs: np.ndarray) -> np.ndarray:
    """Inputs (time, input) as they arrive: a step later; one sample, (time, 1, input)."""
    return np.concatenate([np.zeros_like(inputs[:1]), inputs[:-1]])[:, None]


def lif(name: str, *, decay_v: int, vth: int, size: int, bias: np.ndarray | int = 0, **fields):
    """Lava's LIF: reset to 0, no refractory time."""
    constants = LIFConstants(
        decay_v=np.full(size, decay_v), vth=vth, n_ref=0, reset="to", reset_by=0, reset_to=0,
        at_threshold=False,
    )  # fmt: skip
    return QuantizedPopulation(
        name=name, neuron=LIF, constants=constants, scale=1.0, bias=bias, **fields
    )


def dense(source: str, target: str, weights: np.ndarray) -> QuantizedProjection:
    """Weights (target, source) without delays."""
    return QuantizedProjection.of_matrix(
        f"{source}->{target}", source, target, weights, np.zeros_like(weights), 0, "mixed"
    )


def one_lif() -> tuple[QuantizedNetwork, Recording]:
    """One LIF on Loihi 2 for 1000 steps: spikes and membrane (NIR paper, third-party repository)."""
    table = np.loadtxt(LIF_CSV, delimiter=",")  # input, v, spike
    network = QuantizedNetwork(
        n_inputs=1, populations=(lif("lif", decay_v=163, vth=25 << 6, size=1),),
        projections=(dense("input", "lif", np.array([[10]])),), outputs=("lif",),
    )  # fmt: skip
    return network, Recording(
        inputs=a_step_on(table[:, :1] > 0), chip="Loihi 2", run="one LIF of the NIR paper",
        spikes={"lif": table[:, None, 2:] > 0},
        states={("lif", "v"): table[:, None, 1:2].astype(np.int64)},
        refractory_reading=REFRACTORY,
    )  # fmt: skip


def two_layers() -> tuple[QuantizedNetwork, Recording]:
    """Two dense layers with bias on Loihi 2: spikes, currents and membranes of 24 steps, one reset."""
    folder = SILICON / "loihi2_pilotnet_lif"
    names, given = ("fc-1", "fc-2"), np.load(folder / "weights.npz")
    read = {f.stem: np.load(f).T for f in folder.glob("fc-*.npy")}  # (time, neuron)
    sources = ("input", *names)
    network = QuantizedNetwork(
        n_inputs=read["fc-0"].shape[1],
        populations=tuple(
            lif(
                name, decay_v=int(given[f"{name}_dv"]), vth=int(given[f"{name}_th"]),
                size=len(given[f"{name}_b"]), bias=given[f"{name}_b"] << 6,
                decay_i=np.int64(4096),  # a current that forgets at once
            )
            for name in names
        ),
        projections=tuple(
            dense(source, name, given[f"{name}_w"])
            for source, name in zip(sources, names, strict=False)
        ),
        outputs=names[-1:],
    )  # fmt: skip
    return network, Recording(
        inputs=a_step_on(read["fc-0"]), chip="Loihi 2", run="pilotnet_lif of lava-dl",
        spikes={name: read[name][:, None] for name in names},
        states={(n, v): read[f"{n}-{probe}"][:, None] for n in names
                for v, probe in (("i", "u"), ("v", "v"))},
        refractory_reading=REFRACTORY,
        resets={"fc-1": (7,), "fc-2": (8,)},  # the image has passed a layer a step later
    )  # fmt: skip


def published_lsnn(run: str) -> Recording:
    """Labels that Loihi 1 gave for MNIST images: of the "performance" run (200), or the "tutorial" (100)."""
    folder = SILICON / "loihi1_smnist"
    facts = json.loads((folder / "chip_answers.json").read_text())[f"{run}_run"]
    short = run.removesuffix("ormance")
    with np.load(folder / "images.npz") as images:
        labels = images[f"{short}_label"].astype(np.int64)  # the chip's, but for its wrong answers
        pixels = images[short].reshape(-1, 28, 28)
    assert labels[facts["wrong_positions"]].tolist() == facts["target"]
    labels[facts["wrong_positions"]] = facts["chip"]
    encoder = ImageEncoder(load_recipe("loihi1-lsnn").task)
    return Recording(
        inputs=encoder.encode(pixels), chip="Loihi 1", run=f"the {run} run", labels=labels,
        label_steps=(READ_AT, READ_AT + 1),
    )  # fmt: skip


def without_reset(network: QuantizedNetwork) -> QuantizedNetwork:
    """A network whose readout's neurons are not reset above their threshold."""

    def plain(p: QuantizedPopulation) -> QuantizedPopulation:
        return replace(p, neuron=LI, constants=LIConstants(decay_v=p.constants.decay_v))

    populations = tuple(p if p.spiking else plain(p) for p in network.populations)
    return replace(network, populations=populations)
