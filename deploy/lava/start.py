"""A state to start from, as the child process reads it; what Lava can't start from is refused here."""

from __future__ import annotations

import numpy as np

from deploy.lava.job import States
from deploy.lava.neurons.neuron import lava_neurons
from deploy.lava.options import LavaOptions
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.dynamics import NetworkState
from quantize.network import QuantizedNetwork, ValueRange


def start_states(
    network: QuantizedNetwork,
    start: NetworkState,
    n_samples: int,
    options: LavaOptions,
    values: ValueRange,
) -> States:
    """State variables by ``population/variable``, (sample, neuron); ``values`` are what the inputs send.

    Raises NetworkError where spikes are on their way, where a process starts at rest, and over a wrong shape.
    """
    if options.model == "fused":
        raise NetworkError("a fused network starts at rest; use model 'graph' to give a start")
    for name, past in start.history.items():
        if any(np.any(sent) for sent in past):
            raise NetworkError(
                f"start: {name!r} has sent spikes; on Lava nothing may be on its way"
            )
    states: States = {}
    for name, lava in lava_neurons(network, options.lif, values).items():
        if not lava.takes_start:
            raise NetworkError(
                f"population {name!r} starts at rest on Lava's {lava.label}; use lif='own' to give a "
                "start, or the emulator"
            )
        expected = n_samples, network.size_of(name)
        variables = vars(start.populations[name]) | {"i": start.currents[name]}
        for variable, given in variables.items():
            if given.shape != expected:
                raise NetworkError(
                    f"start: {variable} of {name!r} has shape {given.shape}, expected {expected}"
                )
            states[f"{name}/{variable}"] = given.astype(np.int32)
    return states
