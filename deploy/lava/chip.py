"""The same graph on a Loihi 2 chip: what differs from the simulation. Runs in the child process.

Spikes cross between host and chip through the adapters of ``lava.proc.embedded_io``, which, like
the models for the neuro cores, come with the proprietary lava-loihi. Nothing in this file has been
run on a chip; it follows the public use of these names in lava-nc's own ``gradedvecnetwork`` and is
kept apart, so that there is little to correct. Parity with the emulator will show whether it is right.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from lava.magma.core.model.model import AbstractProcessModel
from lava.magma.core.process.ports.ports import OutPort
from lava.magma.core.run_configs import Loihi2HwCfg
from lava.utils import loihi

from deploy.lava.graph import LavaGraph, build_graph
from deploy.lava.job import Job
from deploy.lava.recording import Recorder, SpikeSource
from lsnn_neuro.errors import TargetUnavailableError
from quantize.network import QuantizedNetwork

ADAPTER_LAG = 0
"""Steps a spike needs on top of the graph's own lag to cross into the chip and back. Not measured:
if the adapters take a step, parity fails from step 0, and this constant is the place to correct. Then
whatever acts without input, a bias, starts too early (``start_step`` in :mod:`deploy.lava.neurons`)."""


def build_chip_graph(network: QuantizedNetwork, job: Job, folder: Path) -> LavaGraph:
    """The graph of a network with adapters where spikes cross, and neuro-core models inside."""
    connect_host()
    graph = build_graph(
        network, job, folder,
        to_chip=partial(_adapted, "PyToNxAdapter", message_bits=job.message_bits),
        from_chip=partial(_adapted, "NxToPyAdapter", message_bits=0),
        adapter_lag=ADAPTER_LAG,
    )  # fmt: skip
    return onto_cores(graph, job.chip_models)


def onto_cores(graph: LavaGraph, chip_models: Mapping[str, str]) -> LavaGraph:
    """The same processes with a chip's models: ours as registered, Lava's as Loihi2HwCfg prefers.

    ``chip_models`` gives ``module:class`` by the name of a process class. What reads and writes
    spikes stays on the host.
    """
    registered = {name: _imported(path) for name, path in chip_models.items()}
    on_host = {p: m for p, m in graph.models.items() if isinstance(p, SpikeSource | Recorder)}
    ours = {p: registered[n] for p in graph.models if (n := type(p).__name__) in registered}
    models = on_host | ours
    return replace(
        graph,
        models=models,
        # No select_tag: lava-loihi tags its models its own way, and Loihi2HwCfg prefers the cores.
        run_config=Loihi2HwCfg(exception_proc_model_map=dict(models)),
        on_cores=frozenset(graph.models) - frozenset(on_host),
    )


def _imported(path: str) -> type[AbstractProcessModel]:
    """A class by ``module:class``."""
    module, name = path.split(":")
    try:
        found: type[AbstractProcessModel] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise TargetUnavailableError(
            f"target 'loihi2': hardware model {path} can't be imported ({error})"
        ) from error
    return found


def connect_host() -> None:
    """Tell lava-loihi where the chip is: NXSDKHOST, or else SLURM (PARTITION, BOARD)."""
    generation = loihi.ChipGeneration(os.environ.get("LOIHI_GEN", "N3B3"))
    try:
        if "NXSDKHOST" in os.environ:
            binary = os.environ.get("HOST_BINARY", "nxcore/bin/nx_driver_server")
            loihi.use_ethernet_host(os.environ["NXSDKHOST"], binary, generation)
        else:
            partition, board = os.environ.get("PARTITION"), os.environ.get("BOARD")
            loihi.use_slurm_host(partition, board, generation)
    except (ImportError, ValueError, FileNotFoundError) as error:
        raise TargetUnavailableError(f"target 'loihi2': no chip answers ({error})") from error


def _adapted(adapter: str, port: OutPort, width: int, *, message_bits: int) -> OutPort:
    """A port behind one of lava-loihi's spike adapters."""
    try:
        spike = importlib.import_module("lava.proc.embedded_io.spike")
        process = getattr(spike, adapter)(shape=(width,), num_message_bits=message_bits)
    except (ImportError, AttributeError) as error:
        raise TargetUnavailableError(
            f"target 'loihi2': this lava-loihi has no {adapter} as deploy/lava/chip.py expects it "
            f"({error})"
        ) from error
    port.connect(process.inp)
    return process.out
