"""The same graph on a Loihi 2 chip: what differs from the simulation. Runs in the child process.

Spikes cross between host and chip through the adapters of ``lava.proc.embedded_io``, which, like
the models for the neuro cores, come with the proprietary lava-loihi. Nothing in this file has been
run on a chip; it follows the public use of these names in lava-nc's own ``gradedvecnetwork`` and is
kept apart, so that there is little to correct. Parity against the emulator is what will tell.
"""

from __future__ import annotations

import importlib
import os
from dataclasses import replace
from pathlib import Path

from lava.magma.core.process.ports.ports import OutPort
from lava.magma.core.run_configs import Loihi2HwCfg
from lava.utils import loihi

from deploy.lava.graph import LavaGraph, build_graph
from deploy.lava.job import Job
from deploy.lava.neuron.process import ALIF
from deploy.lava.recording import Recorder, SpikeSource
from lsnn_neuro.errors import TargetUnavailableError
from quantize.network import QuantizedNetwork

CROSSING_LAG = 0
"""Steps a spike needs on top of the graph's own lag to cross into the chip and back. Not measured:
if the adapters take a step, parity fails from step 0, and this constant is the place to correct."""


def build_chip_graph(network: QuantizedNetwork, job: Job, folder: Path) -> LavaGraph:
    """The graph of a network with adapters where spikes cross, and neuro-core models inside."""
    connect_host()
    graph = build_graph(
        network, job, folder, enter=_onto_chip, leave=_off_chip, crossing_lag=CROSSING_LAG
    )
    alif_model = None
    if "ALIF" in job.chip_models:
        module, name = job.chip_models["ALIF"].split(":")
        alif_model = getattr(importlib.import_module(module), name)
    on_host = {p: m for p, m in graph.models.items() if isinstance(p, SpikeSource | Recorder)}
    models = on_host | {p: alif_model for p in graph.models if alif_model and isinstance(p, ALIF)}
    return replace(
        graph,
        models=models,
        # No select_tag: lava-loihi tags its models its own way, and Loihi2HwCfg prefers the cores.
        run_config=Loihi2HwCfg(exception_proc_model_map=dict(models)),
        on_cores=frozenset(graph.models) - frozenset(on_host),
    )


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


def _onto_chip(port: OutPort, width: int) -> OutPort:
    from lava.proc.embedded_io.spike import PyToNxAdapter

    adapter = PyToNxAdapter(shape=(width,), num_message_bits=0)
    port.connect(adapter.inp)
    return adapter.out


def _off_chip(port: OutPort, width: int) -> OutPort:
    from lava.proc.embedded_io.spike import NxToPyAdapter

    adapter = NxToPyAdapter(shape=(width,), num_message_bits=0)
    port.connect(adapter.inp)
    return adapter.out
