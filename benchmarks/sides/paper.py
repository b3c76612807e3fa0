"""The paper's setting as the peers see it: a batch of digits as spikes, neurons' constants, the loss."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

REGULAR, ADAPTIVE, CLASSES = 120, 100, 10
NEURONS = REGULAR + ADAPTIVE
ALPHA, RHO = math.exp(-1 / 20), math.exp(-1 / 700)
B0, BETA, GAMMA = 0.01, 1.8, 0.3
WINDOW = 28
"""The readout's mean over so many last steps is judged."""
RATE, RATE_WEIGHT = 0.01, 0.1
"""The loss pulls each neuron's mean spikes per step to this."""
LEARNING_RATE = 0.001
SCALE = 0.35
"""Weights of dense networks start as SCALE N(0, 1) / sqrt(number of sources): then they fire."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Inputs, 0 or 1, shape (time, sample, input), and the class of each sample."""

    x: Any
    target: Any


def load(path: str) -> Batch:
    """Read a batch; inputs become float32 once and for all."""
    with np.load(path) as file:
        return Batch(x=file["x"].astype(np.float32), target=file["target"])


def weights(n_source: int, n_target: int, seed: int) -> Any:
    """Initial weights (source, target)."""
    drawn = np.random.default_rng(seed).standard_normal((n_source, n_target))
    return (SCALE / math.sqrt(n_source) * drawn).astype(np.float32)


def adaptation_steps() -> Any:
    """What a spike adds to the threshold of each neuron, (neuron,); the regular ones' first."""
    beta = np.repeat(np.array([0.0, BETA]), [REGULAR, ADAPTIVE])
    return (beta * (1 - RHO)).astype(np.float32)
