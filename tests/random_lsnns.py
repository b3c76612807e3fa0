"""Small LSNNs in float64, input spikes, and recipes that train in a moment."""

from __future__ import annotations

from typing import Any

import torch

from lsnn_neuro.network.config import LSNNConfig
from lsnn_neuro.network.module import SpikingNetwork
from lsnn_neuro.recipe import Recipe, parse_recipe


def lsnn(config: LSNNConfig, seed: int, *, n_inputs: int = 3, n_outputs: int = 2) -> SpikingNetwork:
    """A float64 network whose readout has offsets that are not 0."""
    network = SpikingNetwork(config.draw(n_inputs, n_outputs, torch.Generator().manual_seed(seed)))
    with torch.no_grad():
        network.populations[-1].offset.copy_(torch.linspace(-0.5, 0.7, n_outputs))
    return network.double()


def spikes(seed: int, *, n_steps: int, n_samples: int, n_inputs: int = 3) -> torch.Tensor:
    """Input spikes 0 or 1 in float64, shape (time, sample, input)."""
    generator = torch.Generator().manual_seed(seed)
    chance = torch.rand(n_steps, n_samples, n_inputs, generator=generator, dtype=torch.float64)
    return (chance < 0.4).double()


def tiny_recipe(**sections: dict[str, Any] | None) -> Recipe:
    """Store-recall with short symbols and a handful of neurons; sections add or change fields."""
    data: dict[str, Any] = {
        "name": "tiny",
        "seed": 5,
        "task": {
            "name": "store-recall",
            "group_size": 2,
            "rate": 400,
            "symbol_steps": 4,
            "symbols": 4,
            "expected_delay": 1,
            "validation": 8,
            "test": 8,
        },
        "network": {
            "regular": 3,
            "adaptive": 3,
            "tau_a": 30.0,
            "n_ref": 1,
            "n_delays": 2,
            "input_connectivity": 0.5,
            "recurrent_connectivity": 0.5,
            "readout_connectivity": 0.5,
        },
        "deep_r": {"l1": 0.02, "temperature": 1e-4},
        "training": {
            "iterations": 7,
            "batch_size": 4,
            "validate_every": 3,
            "schedule": {"name": "StepLR", "step_size": 4, "gamma": 0.5},
        },
    }
    for section, fields in sections.items():
        data[section] = None if fields is None else data.get(section, {}) | fields
    return parse_recipe({k: v for k, v in data.items() if v is not None}, "tiny")
