"""A spec run in double precision, on the readable time loop: what imported networks are judged by."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro.arrays import FloatArray
from lsnn_neuro.network.spec import NetworkSpec


def run_in_double(
    spec: NetworkSpec, inputs: npt.NDArray[Any], *, several: bool = False
) -> tuple[dict[str, FloatArray], FloatArray]:
    """The spikes of each spiking population, (time, sample, neuron), and the readout, (time, sample, output).

    - inputs: any real numbers, (time, sample, input)
    - several: neurons send floor(v / threshold) spikes a step, and each takes its part of the membrane
    """
    import torch

    from lsnn_neuro.network.dynamics import simulate
    from lsnn_neuro.network.module import SpikingNetwork, checked_inputs, outputs_of_steps
    from lsnn_neuro.network.real import Real, SeveralSpikes

    net = SpikingNetwork(spec, dtype=torch.float64)
    x = torch.from_numpy(np.asarray(inputs, np.float64))
    checked_inputs(x, spec.n_inputs, net.device)
    with torch.no_grad():
        rest = net.at_rest(x.shape[1])
        arithmetic = SeveralSpikes() if several else Real()
        output = outputs_of_steps(
            spec, simulate(net.running(), rest, x.unbind(0), arithmetic), rest
        )
        readout = (output.readout + net.offset()).numpy()
    assert output.spikes is not None
    spikes, places = output.spikes.numpy(), spec.places()
    return {p.name: spikes[..., places[p.name]] for p in spec.spiking}, readout
