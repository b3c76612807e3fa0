"""A network as lava-dl's netx makes Lava processes of its file. Runs in the child process.

The network is written as a file of lava-dl (:mod:`deploy.interchange.netx`) and read by lava-dl's own
loader: its synapses and neurons are Lava's stock processes, put together and with weights scaled as netx
does. Ours are only what sends the inputs and records spikes and readout. One sample at a time. A layer
answers one step later than the emulator, and the membrane of a readout's layer two.

Source: lava-dl 0.6.0, ``lava/lib/dl/netx/hdf5.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from lava.lib.dl.netx.hdf5 import Network
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.lif.models import PyLifModelBitAcc

from deploy.interchange import netx
from deploy.lava.graph import POPULATION_LAG, READOUT_LAG, LavaGraph, Models
from deploy.lava.job import INPUTS_FILE, READOUT_FILE, SPIKES_FILE, Job, States
from deploy.lava.recording import (
    PyRecorderModel,
    PySpikeSourceModel,
    PyStateRecorderModel,
    Recorder,
    SpikeSource,
    StateRecorder,
)
from lsnn_neuro.network.graph import INPUT, side_by_side
from quantize.network import QuantizedNetwork

NET_FILE = "network.net"


def build_netx_graph(network: QuantizedNetwork, job: Job, folder: Path) -> LavaGraph:
    """netx's processes of a network, reading from and writing to ``folder``."""
    netx.save(network, folder / NET_FILE)
    loaded = Network(net_config=str(folder / NET_FILE), input_message_bits=job.message_bits)
    source = SpikeSource(path=str(folder / INPUTS_FILE), width=network.n_inputs, name=INPUT)
    source.s_out.connect(loaded.inp)
    models: Models = {source: PySpikeSourceModel} | _recorders(network, loaded, folder)
    by_population = _neurons(network, loaded)

    def states() -> States:
        v = {
            name: neuron.v.get().astype(np.int32)[place]
            for name, (neuron, place) in by_population.items()
        }
        return {f"{p.name}/v": v[p.name] for p in network.spiking} | {
            f"{p.name}/r": v[p.name] * 0 for p in network.spiking
        }

    return LavaGraph(
        source=source,
        models=models | {layer.neuron: PyLifModelBitAcc for layer in loaded.layers},
        # The models of ours alone are spelled out: Lava chooses netx's, and the runner checks the neurons'.
        run_config=Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map=dict(models)),
        population_lag=POPULATION_LAG,
        readout_lag=READOUT_LAG if network.readouts else POPULATION_LAG,
        states=states,
    )


def _neurons(network: QuantizedNetwork, loaded: Network) -> dict[str, tuple[Any, slice]]:
    """The process that runs each population, and the population's place in it."""
    return {
        name: (layer.neuron, place)
        for group, layer in zip(netx.groups_of(network), loaded.layers, strict=True)
        for name, place in side_by_side(group).items()
    }


def _recorders(network: QuantizedNetwork, loaded: Network, folder: Path) -> Models:
    """Recorders of each layer's spikes, and of what is read: spikes of the last layer, or its membrane."""
    models: Models = {}
    places = side_by_side(network.spiking)
    for index, (group, layer) in enumerate(
        zip(netx.groups_of(network), loaded.layers, strict=True)
    ):
        label = f"recorder of layer {index}"
        if not group[0].spiking:
            membrane = StateRecorder(
                path=str(folder / READOUT_FILE), columns=(0, network.n_outputs), lag=READOUT_LAG,
                name=label,
            )  # fmt: skip
            membrane.state.connect_var(layer.neuron.v)
            models[membrane] = PyStateRecorderModel
            continue
        files = {SPIKES_FILE: (places[group[0].name].start, places[group[-1].name].stop)}
        if network.outputs[0] == group[0].name:
            files[READOUT_FILE] = (0, network.n_outputs)
        for file, columns in files.items():
            recorder = Recorder(
                path=str(folder / file), samples=1, columns=columns, lag=POPULATION_LAG,
                name=f"{label}: {file}",
            )  # fmt: skip
            layer.out.connect(recorder.a_in)
            models[recorder] = PyRecorderModel
    return models
