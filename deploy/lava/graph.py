"""A ``QuantizedNetwork`` as connected Lava processes, several samples side by side.

::

    SpikeSource ──> Sparse/DelaySparse ──> neurons ──────> Sparse/DelaySparse ──> LeakyReadout
                                            │    ^  └──> Sparse/DelaySparse ┐          │
                                         Recorder └────────────────────────┘        Recorder

Every population is one process of copies x size neurons (our ALIF, or Lava's LIF or ATRLIF), every
projection one connection with copies of its matrix along the diagonal: the samples never meet. Time:
a connection sends in step t what spiked in step t - 1, so the populations answer ``POPULATION_LAG``
steps later than the emulator, and the readout ``READOUT_LAG`` steps. These are constants of the
graph, taken out by the recorders.

Or, with ``model="fused"``, the whole network is one process, which answers without lag::

    SpikeSource ──> LSNNCore ──> Recorder of spikes, Recorder of the readout
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from lava.magma.compiler.compiler_graphs import find_processes
from lava.magma.core.model.model import AbstractProcessModel
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import Loihi2SimCfg, RunConfig
from lava.proc.atrlif.models import PyATRLIFModelFixed
from lava.proc.atrlif.process import ATRLIF
from lava.proc.lif.models import PyLifModelBitAcc
from lava.proc.lif.process import LIF

from deploy.lava.fused_core import LSNNCore, PyLSNNCoreModelFixed
from deploy.lava.job import INPUTS_FILE, READOUT_FILE, SPIKES_FILE, Job
from deploy.lava.neuron.models import PyALIFModelFixed
from deploy.lava.neuron.process import ALIF
from deploy.lava.readout.models import PyLeakyReadoutModelFixed
from deploy.lava.readout.process import LeakyReadout
from deploy.lava.recording import PyRecorderModel, PySpikeSourceModel, Recorder, SpikeSource
from deploy.lava.stock_atrlif import check_atrlif
from deploy.lava.stock_lif import on_stock_lif
from deploy.lava.synapses import build_connection, connection_model
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.spec import INPUT, READOUT
from quantize.loihi import DECAY_ONE, STATE_SHIFT
from quantize.network import Population, Projection, QuantizedNetwork

POPULATION_LAG = 1
READOUT_LAG = 2
FUSED_LAG = 0

# du is one less than the decay it stands for: Lava's fixed-point LIF adds 1 (its register
# ds_offset)
_FORGET_CURRENT = DECAY_ONE - 1

Models = dict[AbstractProcess, type[AbstractProcessModel]]
Crossing = Callable[[OutPort, int], OutPort]


def no_crossing(port: OutPort, width: int) -> OutPort:
    """Host and network on the same machine: the port itself."""
    return port


@dataclass(frozen=True, kw_only=True)
class LavaGraph:
    """The processes of a network.

    - neurons: the processes that hold the neurons, in the network's order
    - models: the ProcessModel each process must run with
    - on_cores: processes that must run on a chip's neuro cores; none in a simulation
    - population_lag, readout_lag: steps between the emulator's answer and this graph's
    """

    source: SpikeSource
    neurons: tuple[ALIF | LIF | ATRLIF | LSNNCore, ...]
    models: Models
    run_config: RunConfig
    population_lag: int
    readout_lag: int
    on_cores: frozenset[AbstractProcess] = frozenset()


def build_graph(
    network: QuantizedNetwork,
    job: Job,
    folder: Path,
    enter: Crossing = no_crossing,
    leave: Crossing = no_crossing,
    crossing_lag: int = 0,
) -> LavaGraph:
    """Processes of a network with ``job.n_samples`` copies, reading from and writing to ``folder``.

    ``enter`` and ``leave`` stand where spikes cross from the host into the network and back,
    ``crossing_lag`` is the number of steps that takes.
    """
    copies = job.n_samples
    population_lag = POPULATION_LAG + crossing_lag
    on_stock = on_stock_lif(network, job.lif)
    check_atrlif(network)
    source = _source(network, copies, folder)
    models: Models = {source: PySpikeSourceModel}
    sources: dict[str, OutPort] = {INPUT: enter(source.s_out, copies * network.n_inputs)}
    targets: dict[str, InPort] = {}
    neurons: list[ALIF | LIF | ATRLIF] = []
    first = 0
    for population in network.populations:
        if population.neuron == "atrlif":
            neuron, model = _atrlif(population, copies), PyATRLIFModelFixed
        elif population.name in on_stock:
            neuron, model = _stock_lif(population, copies), PyLifModelBitAcc
        else:
            neuron, model = _alif(population, copies), PyALIFModelFixed
        models[neuron] = model
        neurons.append(neuron)
        sources[population.name], targets[population.name] = neuron.s_out, neuron.a_in
        recorder = Recorder(
            path=str(folder / SPIKES_FILE),
            samples=copies,
            columns=(first, first + population.size),
            lag=population_lag,
            name=f"recorder of {population.name}",
        )
        first += population.size
        leave(neuron.s_out, copies * population.size).connect(recorder.a_in)
        models[recorder] = PyRecorderModel
    if job.backend == "simulation":  # on a chip the host computes the readout from the spikes
        readout = LeakyReadout(decay_o=np.tile(network.readout.decay, copies), name=READOUT)
        models[readout] = PyLeakyReadoutModelFixed
        targets[READOUT] = readout.a_in
        recorder = _readout_recorder(network, copies, folder, READOUT_LAG)
        readout.o_out.connect(recorder.a_in)
        models[recorder] = PyRecorderModel

    def connect(projection: Projection) -> None:
        connection = build_connection(projection, copies)
        models[connection] = connection_model(connection, job.synapses)
        sources[projection.source].connect(connection.s_in)
        connection.a_out.connect(targets[projection.target])

    for projection in network.projections:
        # Lava's weight optimizer fails on a matrix without weights, which would do nothing anyway
        if projection.target in targets and projection.weight_mant.any():
            connect(projection)
    # Lava runs what hangs together with the source, so an island is tied to it by silent synapses
    for name, port in targets.items():
        if port.process not in find_processes(source):
            if job.backend == "chip":  # whose compiler doesn't take a matrix without weights
                raise NetworkError(
                    f"population {name!r} hangs together with no input: give it a synapse, or "
                    "leave it out, to run on a chip"
                )
            connect(_silent_projection(network, name))
    return LavaGraph(
        source=source,
        neurons=tuple(neurons),
        models=models,
        run_config=_run_config(models),
        population_lag=population_lag,
        readout_lag=READOUT_LAG + crossing_lag,
    )


def build_fused_graph(network: QuantizedNetwork, job: Job, folder: Path) -> LavaGraph:
    """The whole network in one process, with ``job.n_samples`` copies side by side."""
    copies = job.n_samples
    source = _source(network, copies, folder)
    core = LSNNCore(network=network, copies=copies, name="core")
    spikes = Recorder(
        path=str(folder / SPIKES_FILE),
        samples=copies,
        columns=(0, sum(p.size for p in network.populations)),
        lag=FUSED_LAG,
        name="recorder of all populations",
    )
    readout = _readout_recorder(network, copies, folder, FUSED_LAG)
    source.s_out.connect(core.s_in)
    core.s_out.connect(spikes.a_in)
    core.o_out.connect(readout.a_in)
    models: Models = {
        source: PySpikeSourceModel,
        core: PyLSNNCoreModelFixed,
        spikes: PyRecorderModel,
        readout: PyRecorderModel,
    }
    return LavaGraph(
        source=source,
        neurons=(core,),
        models=models,
        run_config=_run_config(models),
        population_lag=FUSED_LAG,
        readout_lag=FUSED_LAG,
    )


def _run_config(models: Models) -> RunConfig:
    # Without the tag Lava would run floating-point models. The model of every single process is
    # spelled out, which also spares Lava's search: it executes each folder's modules again.
    return Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map=dict(models))


def _source(network: QuantizedNetwork, copies: int, folder: Path) -> SpikeSource:
    return SpikeSource(path=str(folder / INPUTS_FILE), width=copies * network.n_inputs, name=INPUT)


def _alif(population: Population, copies: int) -> ALIF:
    def tiled(values: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        return np.tile(values, copies)

    return ALIF(
        decay_v=tiled(population.decay_v),
        decay_a=tiled(population.decay_a),
        step_a=tiled(population.step_a),
        vth_mant=tiled(population.vth_mant),
        n_ref=population.n_ref,
        reset=population.reset,
        adaptation=population.adaptation,
        name=population.name,
    )


def _stock_lif(population: Population, copies: int) -> LIF:
    return LIF(
        shape=(copies * population.size,),
        du=_FORGET_CURRENT,
        dv=int(population.decay_v[0]),
        vth=int(population.vth_mant[0]),
        name=population.name,
    )


def _atrlif(population: Population, copies: int) -> ATRLIF:
    # Decays are fractions of 1. The current's is one step less than the decay it stands for: like
    # LIF, Lava's fixed-point ATRLIF adds 1/4096 (its register ds_offset). theta_0 and theta_step
    # are shifted by 6 in the process; arrays would hang the run.
    return ATRLIF(
        shape=(copies * population.size,),
        delta_i=(int(population.decay_i[0]) - 1) / DECAY_ONE,
        delta_v=int(population.decay_v[0]) / DECAY_ONE,
        delta_theta=int(population.decay_a[0]) / DECAY_ONE,
        delta_r=int(population.decay_r[0]) / DECAY_ONE,
        theta_0=int(population.vth_mant[0]),
        theta_step=int(population.step_a[0]) >> STATE_SHIFT,
        name=population.name,
    )


def _readout_recorder(network: QuantizedNetwork, copies: int, folder: Path, lag: int) -> Recorder:
    return Recorder(
        path=str(folder / READOUT_FILE),
        samples=copies,
        columns=(0, network.readout.size),
        lag=lag,
        name=f"recorder of {READOUT}",
    )


def _silent_projection(network: QuantizedNetwork, target: str) -> Projection:
    """A synapse of weight 0 from the first input to the first neuron of a target."""
    n_target = {p.name: p.size for p in network.populations} | {READOUT: network.readout.size}
    zero = np.zeros(1, np.int32)
    return Projection(
        name=f"silent {INPUT}->{target}",
        source=INPUT,
        target=target,
        n_source=network.n_inputs,
        n_target=n_target[target],
        source_index=zero,
        target_index=zero,
        weight_mant=zero,
        delay=zero,
        weight_exp=0,
        sign_mode="excitatory",
    )
