"""One of our neurons in Lava; prints its states step by step: ``alif_in_lava.py TAG PROCESS RESET``.

Apart from the neuron everything is Lava's own, and Lava finds the models by itself.
"""

import json  # noqa: I001 - deploy.lava before Lava: it lets it be imported on Python 3.11
import sys

import deploy.lava  # noqa: F401
import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.source import RingBuffer
from lava.proc.sparse.process import Sparse
from lava.utils.weightutils import SignMode
from scipy.sparse import csr_matrix

from deploy.lava.neurons.ahp import AHP
from deploy.lava.neurons.alif import ALIF
from lsnn_neuro.neurons.alif import ALIFConstants

EXCITE = [1, 0, 1, 1, 0, 0, 0, 0]
INHIBIT = [0, 0, 0, 0, 0, 1, 0, 0]


def main(tag: str, process: str, reset: str) -> None:
    """Print v, a, r, z of every step as JSON."""
    one = np.ones(1, np.int32)
    neuron = {"ALIF": ALIF, "AHP": AHP}[process](
        constants=ALIFConstants(
            decay_v=2048 * one,
            decay_a=1024 * one,
            step_a=100 * one,
            vth=64 * one,
            n_ref=one,
            reset=reset,  # type: ignore[arg-type]
            reset_by=0 * one,
            reset_to=0 * one,
            at_threshold=False,
        ),
        start_step=1,  # the synapses take one step
    )
    for spikes, weight, sign_mode in (
        (EXCITE, 3, SignMode.EXCITATORY),
        (INHIBIT, -3, SignMode.INHIBITORY),
    ):
        synapse = Sparse(weights=csr_matrix([[weight]]), weight_exp=0, sign_mode=sign_mode)
        RingBuffer(data=np.array([spikes])).s_out.connect(synapse.s_in)
        synapse.a_out.connect(neuron.a_in)
    run_config = Loihi2SimCfg(select_tag=tag)
    neuron.run(RunSteps(num_steps=1), run_config)
    steps = []
    for _ in EXCITE:
        neuron.run(RunSteps(num_steps=1), run_config)
        states = (neuron.v, neuron.a, neuron.r, neuron.z)
        steps.append([float(state.get()[0]) for state in states])
    neuron.stop()
    print(json.dumps(steps))


if __name__ == "__main__":
    main(*sys.argv[1:])
