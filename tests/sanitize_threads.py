"""Forward and backward on many blocks and threads at once, without torch; for the thread sanitizer."""

from __future__ import annotations

import numpy as np
from random_graphs import random_graph
from random_networks import random_events, random_inputs

from lsnn_neuro.network import kernel
from quantize.emulator import emulate_reference
from quantize.emulator_kernel import KernelEmulator

F32 = np.float32


def float_network(n_inputs: int = 6, n: int = 20) -> kernel.native.FloatNetwork:
    """ALIF neurons with recurrence and a readout."""
    rng = np.random.default_rng(0)
    made = kernel.native.FloatNetwork(n_inputs)
    columns = {"decay_v": 0.9, "decay_a": 0.98, "step_a": 0.02, "vth": 0.3, "width": 0.3}
    names = kernel.native.describe("alif")["constants"]
    made.add_population(
        neuron="alif", size=n, constants=[np.full(n, columns.get(k, 0), F32) for k in names],
        decay_i=np.full(n, 0.5, F32), bias=np.full(n, 0.01, F32), n_ref=np.full(n, 2), reset="subtract",
        at_threshold=False, gamma=0.3,
    )  # fmt: skip
    made.add_population(
        neuron="li", size=3, constants=[np.full(3, 0.9, F32)], decay_i=None, bias=None, n_ref=None,
        reset="subtract", at_threshold=False, gamma=1.0,
    )  # fmt: skip
    pairs = np.nonzero(rng.random((n_inputs + n, n + 3)) < 0.4)
    source, target = (np.ascontiguousarray(end) for end in pairs)
    made.connect(
        source=source, target=target, delay=rng.integers(0, 5, len(source)),
        weight=rng.normal(0.1, 0.3, len(source)).astype(F32), active=None,
    )  # fmt: skip
    return made


def train(steps: int = 40, samples: int = 100) -> None:
    """Forward and backward on four threads."""
    made = float_network()
    x = np.random.default_rng(1).random((steps, samples, 6)) < 0.3
    kept = dict(made.forward(x, tape="compact", learn=True, threads=4))
    found = made.backward(
        x, tape=kept, start=None, past_inputs=None, past_spikes=None,
        grad_readout=np.ones_like(kept["readout"]), grad_rate=np.ones(20, F32), grad_spikes=[], back=None,
        learn=True, inputs_learn=True, threads=4,
    )  # fmt: skip
    assert all(np.abs(found[name]).sum() > 0 for name in ("weights", "constants", "inputs"))


def emulate_all() -> None:
    """Networks of integers, equal to the reference."""
    for seed in range(12):
        network = random_graph(seed, fast=True, graded=seed % 2 == 1)
        draw = random_events if seed % 2 else random_inputs
        inputs = draw(seed, network, n_steps=20, n_samples=50)
        _, readout = KernelEmulator(network).run(inputs, spikes=True)
        np.testing.assert_array_equal(readout, emulate_reference(network, inputs)[1])


if __name__ == "__main__":
    for _ in range(3):
        train()
    emulate_all()
