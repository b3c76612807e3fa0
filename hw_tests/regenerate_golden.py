"""Write the golden networks and spikes anew: ``make golden``. Only when the integer model changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from deploy.artifact import save_golden
from lsnn_neuro.network.config import LSNNConfig
from quantize import file_format
from quantize.conversion import convert
from quantize.emulator import emulate

GOLDEN = Path(__file__).parent / "golden"
STEPS, SAMPLES, INPUTS, OUTPUTS = 80, 4, 12, 3
SMALL = {"regular": 12, "adaptive": 8, "tau_a": 60.0, "recurrent_connectivity": 0.3,
         "input_connectivity": 0.5, "readout_connectivity": 0.5}  # fmt: skip

CASES = {
    "alif_subtract_delays_dale": LSNNConfig(**SMALL, n_ref=3, n_delays=8),
    "alif_zero_mixed_signs": LSNNConfig(**SMALL, n_ref=0, n_delays=4, reset="to", signs="free"),
    "lif_zero_stock": LSNNConfig(**SMALL | {"adaptive": 0}, n_ref=0, n_delays=1, reset="to"),
    "alif_current_delays": LSNNConfig(**SMALL, n_ref=2, n_delays=8, adaptive_neuron="ahp"),
    "atrlif_stock": LSNNConfig(
        **SMALL, regular_neuron="atrlif", adaptive_neuron="atrlif", n_delays=4, tau_i=3.0
    ),
}

if __name__ == "__main__":
    for index, (name, config) in enumerate(CASES.items()):
        generator = torch.Generator().manual_seed(index)
        network, _ = convert(config.draw(INPUTS, OUTPUTS, generator))
        inputs = np.random.default_rng(index).random((STEPS, SAMPLES, INPUTS)) < 0.15
        file_format.save(network, GOLDEN / f"{name}.network.safetensors")
        save_golden(GOLDEN / f"{name}.golden.safetensors", inputs, emulate(network, inputs))
        print(f"{name}: {network.n_synapses} synapses")
