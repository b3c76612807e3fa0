"""The chip's graph as far as public Lava reaches: ``chip_models.py FOLDER``, a plugin being on the path.

Prints as JSON which models a network's processes would get, and which must be on neuro cores.
"""

import json  # noqa: I001 - deploy.lava before Lava: it lets it be imported on Python 3.11
import sys
from pathlib import Path

import deploy.lava  # noqa: F401
import numpy as np
from lava.magma.core.run_configs import Loihi2HwCfg
from random_networks import random_network

from deploy.lava.chip import onto_cores
from deploy.lava.graph import build_graph
from deploy.lava.job import Job
from deploy.loihi2 import Loihi2, hardware_models


def main(folder: Path) -> None:
    """Build the graph of random network 1, ALIF and plain LIF, and put it on cores."""
    network = random_network(1)
    np.save(folder / "inputs.npy", np.zeros((3, 1, network.n_inputs), bool))
    job = Job(
        n_steps=3, n_samples=1, model="graph", lif="auto", synapses="event", want_states=False,
        backend="simulation", chip_models=hardware_models(),
    )  # fmt: skip
    graph = onto_cores(build_graph(network, job, folder), job.chip_models)
    assert isinstance(graph.run_config, Loihi2HwCfg)
    assert graph.run_config.exception_proc_model_map == graph.models
    result = {
        "registered": job.chip_models,
        "missing": Loihi2().model_missing(network),
        "models": {p.name: [type(p).__name__, m.__name__] for p, m in graph.models.items()},
        "on_cores": sorted(type(p).__name__ for p in graph.on_cores),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
