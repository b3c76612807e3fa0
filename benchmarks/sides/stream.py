"""A network that hears one sample, step by step, as in a closed loop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from large_network import INPUT_RATE, INPUTS, draw, network, older_network


def stream(neurons: int, synapses: int, steps: int, *, older: bool = False) -> Callable[[], float]:
    """So many steps of a session that goes on; gives the mean size of the readout."""
    drawing = draw(neurons, synapses)
    session = (older_network(drawing) if older else network(drawing)).session(1)
    x = np.random.default_rng(1).random((steps, 1, 1, INPUTS)) < INPUT_RATE

    def run() -> float:
        size = 0.0
        for inputs in x:
            size += float(np.abs(session.step(inputs)).mean())
        return size / steps

    return run
