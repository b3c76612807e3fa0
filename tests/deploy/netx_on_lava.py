"""Run networks through lava-dl's netx: ``netx_on_lava.py FOLDER STEPS``.

For every ``NAME.net`` in the folder, with input spikes (time, input) in ``NAME.inputs.npy``, writes
``NAME.result.npz``: spikes of every layer and the membrane of the last one, Lava step by Lava step.
Apart from what is in the files everything is lava-dl's and Lava's own.
"""

import sys
from pathlib import Path

import numpy as np
from lava.lib.dl import netx
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source


def run(file: Path, n_steps: int) -> None:
    """Run one network and write what it did."""
    network = netx.hdf5.Network(net_config=str(file))
    inputs = np.load(file.with_suffix(".inputs.npy"))
    silence = np.zeros((n_steps - len(inputs), inputs.shape[1]), int)
    source = Source(data=np.concatenate([inputs, silence]).T.astype(int))
    source.s_out.connect(network.inp)
    sinks = []
    for layer in network.layers:
        sinks.append(Sink(shape=layer.out.shape, buffer=n_steps))
        layer.out.connect(sinks[-1].a_in)
    membranes = []
    for _ in range(n_steps):
        network.run(condition=RunSteps(num_steps=1), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
        membranes.append(network.layers[-1].neuron.v.get().copy())
    spikes = [sink.data.get().T.astype(bool) for sink in sinks]  # (time, neuron)
    network.stop()
    np.savez(
        file.with_suffix(".result.npz"),
        membrane=np.array(membranes),
        **{f"spikes{index}": train for index, train in enumerate(spikes)},
    )


if __name__ == "__main__":
    for net in sorted(Path(sys.argv[1]).glob("*.net")):
        run(net, int(sys.argv[2]))
