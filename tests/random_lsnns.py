"""Random small LSNNs in float64, and recipes that train in a moment."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import strategies as st

from lsnn_neuro.network import LSNN
from lsnn_neuro.recipe import LSNNConfig, Recipe, parse_recipe

time_constants = st.floats(0.5, 40)
connectivities = st.sampled_from([0.3, 0.6, 1.0])

fields = {
    "regular": st.integers(0, 4),
    "adaptive": st.integers(1, 4),
    "tau_m": time_constants,
    "tau_a": st.one_of(st.floats(0.5, 300), st.tuples(st.floats(1, 10), st.floats(20, 300))),
    "tau_out": time_constants,
    "b0": st.floats(0.005, 0.05),
    "beta": st.floats(0, 3),
    "n_delays": st.integers(1, 4),
    "signs": st.sampled_from(["dale", "free", "unconstrained"]),
    "learning": st.sampled_from(["bptt", "random-feedback"]),
    "excitatory": st.sampled_from([0.5, 0.75, 1.0]),
    "input_connectivity": connectivities,
    "recurrent_connectivity": connectivities,
    "readout_connectivity": connectivities,
}
alif_configs, current_configs = (
    st.builds(
        LSNNConfig,
        adaptation=st.just(adaptation),
        n_ref=st.integers(0, 5),
        reset=st.sampled_from(["subtract", "zero"]),
        **fields,
    )
    for adaptation in ("threshold", "current")
)
atrlif_configs = st.builds(
    LSNNConfig,
    neuron=st.just("atrlif"),
    n_ref=st.just(0),
    tau_i=st.one_of(st.none(), time_constants),
    tau_r=st.one_of(st.none(), time_constants),
    **fields,
)
configs = st.one_of(alif_configs, current_configs, atrlif_configs)
FORMS: dict[str, dict[str, Any]] = {
    "threshold": {},
    "current": {"adaptation": "current"},
    "atrlif": {"neuron": "atrlif", "n_ref": 0, "tau_i": 3.0, "tau_r": 12.0},
}
"""Fields of a configuration that choose each form of neuron."""
seeds = st.integers(0, 2**32)


def lsnn(config: LSNNConfig, seed: int, *, n_inputs: int = 3, n_outputs: int = 2) -> LSNN:
    """A float64 network with a bias that is not 0."""
    network = LSNN(config, n_inputs, n_outputs, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        network.bias.copy_(torch.linspace(-0.5, 0.7, n_outputs))
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
            "lr_decay": 0.5,
            "lr_decay_every": 4,
        },
    }
    for section, fields in sections.items():
        data[section] = None if fields is None else data.get(section, {}) | fields
    return parse_recipe({k: v for k, v in data.items() if v is not None}, "tiny")
