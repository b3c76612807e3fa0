"""A ``QuantizedNetwork`` as connected Lava processes, several samples side by side.

::

    SpikeSource ──> Sparse/DelaySparse ──> population ───> Sparse/DelaySparse ──> readout
       │                                    │    ^  └──> Sparse/DelaySparse ┐        ^ │
       │                                 Recorder └────────────────────────┘        │ Recorder
       └──> DelaySparse ────────────────────────────────────────────────────────────┘

Every population and every readout is one process of samples x size neurons (:mod:`deploy.lava.neurons`
says which), every projection one connection with copies of its matrix along the diagonal: the samples
never meet. Time: a connection sends in step t what spiked in step t - 1, so the populations answer
``POPULATION_LAG`` steps later than the emulator, and readouts ``READOUT_LAG`` steps; what goes from inputs
straight to a readout waits one more step, as it skips a connection. These are constants of the graph,
taken out by the recorders.

Or, with ``model="fused"``, the whole network is one process, which answers without lag::

    SpikeSource ──> FusedNetwork ──> Recorder of spikes, Recorder of the readout
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from lava.magma.compiler.compiler_graphs import find_processes
from lava.magma.core.model.model import AbstractProcessModel
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import Loihi2SimCfg, RunConfig

from deploy.lava.fused import FusedNetwork, PyFusedNetworkModelFixed, state_places
from deploy.lava.job import (
    INPUTS_FILE,
    READOUT_FILE,
    SPIKES_FILE,
    START_FILE,
    Job,
    States,
    read_states,
)
from deploy.lava.neurons.neuron import LavaNeuron, lava_neurons
from deploy.lava.recording import PyRecorderModel, PySpikeSourceModel, Recorder, SpikeSource
from deploy.lava.synapses import build_connection, connection_model
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.graph import side_by_side
from quantize.network import INPUT, QuantizedNetwork, QuantizedPopulation, QuantizedProjection

POPULATION_LAG = 1
READOUT_LAG = 2
FUSED_LAG = 0

Models = dict[AbstractProcess, type[AbstractProcessModel]]
SpikeAdapter = Callable[[OutPort, int], OutPort]


def no_adapter(port: OutPort, width: int) -> OutPort:
    """Host and network on the same machine: the port itself."""
    return port


@dataclass(frozen=True, kw_only=True)
class LavaGraph:
    """The processes of a network.

    - models: the ProcessModel each process must run with
    - on_cores: processes that must run on a chip's neuro cores; none in a simulation
    - population_lag, readout_lag: steps between the emulator's answer and this graph's: of the populations,
      and of everything that is recorded
    - states: gives the states of all spiking populations, while the run pauses
    """

    source: SpikeSource
    models: Models
    run_config: RunConfig
    population_lag: int
    readout_lag: int
    states: Callable[[], States]
    on_cores: frozenset[AbstractProcess] = frozenset()


@dataclass(kw_only=True)
class _Builder:
    """A graph in the making.

    - to_chip, from_chip: stand where spikes cross from the host into the network and back
    - adapter_lag: the number of steps that takes
    - sources, targets: the ports of inputs and populations by name
    """

    network: QuantizedNetwork
    job: Job
    folder: Path
    to_chip: SpikeAdapter
    from_chip: SpikeAdapter
    adapter_lag: int
    models: Models = field(default_factory=dict)
    sources: dict[str, OutPort] = field(default_factory=dict)
    targets: dict[str, InPort] = field(default_factory=dict)

    def add_source(self) -> SpikeSource:
        source = _source(self.network, self.job, self.folder)
        self.models[source] = PySpikeSourceModel
        width = self.job.n_samples * self.network.n_inputs
        self.sources[INPUT] = self.to_chip(source.s_out, width)
        return source

    def add_population(
        self, population: QuantizedPopulation, lava: LavaNeuron, start: States
    ) -> AbstractProcess:
        """The process of a population, or of a readout."""
        name = population.name
        process = lava.build(
            population,
            self.job.n_samples,
            start_step=POPULATION_LAG if population.spiking else READOUT_LAG,
            start={
                variable: values.reshape(-1)
                for place, values in start.items()
                for of, variable in [place.split("/")]
                if of == name
            },
        )
        self.models[process] = lava.model()
        self.targets[name] = process.a_in
        self.sources[name] = process.s_out if population.spiking else process.v_out
        return process

    def record_spikes(self) -> None:
        """A recorder for each spiking population."""
        for name, columns in side_by_side(self.network.spiking).items():
            self._record(name, SPIKES_FILE, columns, f"recorder of {name}")

    def record_outputs(self) -> None:
        """A recorder for each output, readout or not."""
        for name, columns in side_by_side(self.network.output_populations).items():
            self._record(name, READOUT_FILE, columns, f"recorder of output {name}")

    def lag(self, population: QuantizedPopulation) -> int:
        """Steps by which a recorder receives a population's spikes late."""
        return (POPULATION_LAG if population.spiking else READOUT_LAG) + self.adapter_lag

    def _record(self, name: str, file: str, columns: slice, label: str) -> None:
        samples = self.job.n_samples
        recorder = Recorder(
            path=str(self.folder / file),
            samples=samples,
            columns=(columns.start, columns.stop),
            lag=self.lag(self.network.population(name)),
            name=label,
        )
        width = samples * (columns.stop - columns.start)
        self.from_chip(self.sources[name], width).connect(recorder.a_in)
        self.models[recorder] = PyRecorderModel

    def connect(self, projection: QuantizedProjection) -> None:
        """The connection of a projection."""
        skips = (
            projection.source == INPUT and not self.network.population(projection.target).spiking
        )
        connection = build_connection(
            projection,
            self.job.n_samples,
            extra_delay=int(skips),
            message_bits=self.job.message_bits if projection.source == INPUT else 0,
        )
        self.models[connection] = connection_model(connection, self.job.synapses)
        self.sources[projection.source].connect(connection.s_in)
        connection.a_out.connect(self.targets[projection.target])

    def connect_all(self, source: SpikeSource) -> None:
        """All connections, and some of weight 0 to parts without inputs, which Lava would not run."""
        for projection in self.network.projections:
            # Lava's weight optimizer fails on a matrix without weights, which would do nothing anyway
            if projection.target in self.targets and projection.weight_mant.any():
                self.connect(projection)
        for name, port in self.targets.items():
            if port.process not in find_processes(source):
                if (
                    self.job.backend == "chip"
                ):  # whose compiler doesn't take a matrix without weights
                    raise NetworkError(
                        f"population {name!r} hangs together with no input: give it a synapse, or "
                        "leave it out, to run on a chip"
                    )
                self.connect(_silent_projection(self.network, name))


def build_graph(
    network: QuantizedNetwork,
    job: Job,
    folder: Path,
    to_chip: SpikeAdapter = no_adapter,
    from_chip: SpikeAdapter = no_adapter,
    adapter_lag: int = 0,
) -> LavaGraph:
    """Processes of a network with ``job.n_samples`` samples, reading from and writing to ``folder``.

    ``to_chip`` and ``from_chip`` stand where spikes cross from the host into the network and back,
    ``adapter_lag`` is the number of steps that takes.
    """
    builder = _Builder(
        network=network, job=job, folder=folder, to_chip=to_chip, from_chip=from_chip,
        adapter_lag=adapter_lag,
    )  # fmt: skip
    chosen = lava_neurons(network, job.lif, job.values)
    simulated = job.backend == "simulation"  # on a chip the host computes readouts from the spikes
    start = read_states(folder / START_FILE)
    source = builder.add_source()
    processes = {
        p.name: builder.add_population(p, chosen[p.name], start)
        for p in network.populations
        if p.name in chosen and (p.spiking or simulated)
    }
    builder.record_spikes()
    if simulated:
        builder.record_outputs()
    builder.connect_all(source)

    def states() -> States:
        return {
            f"{p.name}/{variable}": values
            for p in network.spiking
            for variable, values in chosen[p.name].states(processes[p.name]).items()
        }

    return LavaGraph(
        source=source,
        models=builder.models,
        run_config=_run_config(builder.models),
        population_lag=POPULATION_LAG + adapter_lag,
        readout_lag=max(builder.lag(p) for p in network.output_populations),
        states=states,
    )


def build_fused_graph(network: QuantizedNetwork, job: Job, folder: Path) -> LavaGraph:
    """The whole network in one process, with ``job.n_samples`` samples side by side."""
    source = _source(network, job, folder)
    fused = FusedNetwork(network=network, samples=job.n_samples, name="network")
    source.s_out.connect(fused.s_in)
    models: Models = {source: PySpikeSourceModel, fused: PyFusedNetworkModelFixed}
    for file, port, width in (
        (SPIKES_FILE, fused.s_out, network.n_neurons),
        (READOUT_FILE, fused.o_out, network.n_outputs),
    ):
        if width:
            recorder = Recorder(
                path=str(folder / file), samples=job.n_samples, columns=(0, width), lag=FUSED_LAG,
                name=f"recorder of {file}",
            )  # fmt: skip
            port.connect(recorder.a_in)
            models[recorder] = PyRecorderModel

    def states() -> States:
        values = fused.states.get().astype(np.int32)
        return {f"{p}/{variable}": values[s] for (p, variable), s in state_places(network).items()}

    return LavaGraph(
        source=source,
        models=models,
        run_config=_run_config(models),
        population_lag=FUSED_LAG,
        readout_lag=FUSED_LAG,
        states=states,
    )


def _run_config(models: Models) -> RunConfig:
    # Without the tag Lava would run floating-point models. The model of every single process is
    # spelled out, which also spares Lava's search: it executes each folder's modules again.
    return Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map=dict(models))


def _source(network: QuantizedNetwork, job: Job, folder: Path) -> SpikeSource:
    width = job.n_samples * network.n_inputs
    return SpikeSource(path=str(folder / INPUTS_FILE), width=width, name=INPUT)


def _silent_projection(network: QuantizedNetwork, target: str) -> QuantizedProjection:
    """A synapse of weight 0 from the first input to the first neuron of a target."""
    zero: Any = np.zeros(1, np.int32)
    return QuantizedProjection(
        name=f"silent {INPUT}->{target}",
        source=INPUT,
        target=target,
        n_source=network.n_inputs,
        n_target=network.size_of(target),
        source_index=zero,
        target_index=zero,
        weight_mant=zero,
        delay=zero,
        weight_exp=0,
        sign_mode="excitatory",
    )
