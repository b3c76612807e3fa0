"""The target ``loihi-sim``: Lava's fixed-point Loihi simulation on the CPU. Lava-free itself."""

from __future__ import annotations

import importlib.util
import sys
import time
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from deploy.emulated import check_step
from deploy.lava.job import (
    INPUTS_FILE,
    READOUT_FILE,
    SPIKES_FILE,
    STATES_FILE,
    Backend,
    Job,
    Spikes,
    States,
    read_states,
)
from deploy.lava.neurons.neuron import LavaNeuron, lava_neurons
from deploy.lava.options import LavaOptions
from deploy.lava.start import start_states
from deploy.lava.supervisor import SteppedJob, run_job, started_job
from deploy.target import Target
from lsnn_neuro.arrays import Events, FloatArray
from lsnn_neuro.errors import NetworkError, TargetFailedError, TargetUnavailableError
from lsnn_neuro.network.dynamics import NetworkState
from lsnn_neuro.network.graph import INPUT, side_by_side
from lsnn_neuro.neurons.neuron import State
from lsnn_neuro.parts import scratch_folder
from quantize.emulator import check_inputs
from quantize.loihi import DELAY_MAX
from quantize.network import INPUT_LIMIT, SPIKES, QuantizedNetwork, ValueRange, value_range
from quantize.record import PopulationSpikes, PopulationState, SpikeRecord


@dataclass(frozen=True, kw_only=True)
class LavaRunner:
    """Runs networks on Lava, batch by batch, each batch in a child process of its own.

    - backend: Lava's simulation, or a chip
    - chip_models: ``module:class`` of the hardware models of our own processes, by process name
    """

    options: LavaOptions
    backend: Backend = "simulation"
    chip_models: dict[str, str] = field(default_factory=dict)

    def run(
        self, network: QuantizedNetwork, inputs: Events, target: str,
        start: NetworkState | None = None,
    ) -> SpikeRecord:  # fmt: skip
        """Run samples from rest or from given states; inputs are events, shape (time, sample, input)."""
        check_inputs(network, inputs)
        begin = time.perf_counter()
        n_steps, n_samples, _ = inputs.shape
        values = value_range(inputs)
        states: States = {}
        if start is not None:
            states = start_states(network, start, n_samples, self.options, values)
        spikes = np.zeros((n_steps, n_samples, network.n_neurons), np.bool_)
        readout = np.zeros((n_steps, n_samples, network.n_outputs), np.int32)
        # Each batch gets a new child. Resetting Lava between batches would mean setting the
        # neurons' variables and the synapses' buffers, number by number for Lava's own models; a
        # new start takes about a second, is exact for every model, and can't forget a state.
        for first in range(0, n_samples, self.options.parallel_samples):
            batch = slice(first, first + self.options.parallel_samples)
            own = {name: state[batch] for name, state in states.items()}
            with self._job(network, inputs[:, batch], values, start=own) as folder:
                run_job(folder, self.options.time_limit)
                spikes[:, batch] = np.load(folder / SPIKES_FILE, allow_pickle=False)
                readout[:, batch] = np.load(folder / READOUT_FILE, allow_pickle=False)
        return SpikeRecord(
            spikes=_by_population(network, spikes),
            readout=readout,
            target=self.variant(network, values, target),
            seconds=time.perf_counter() - begin,
        )

    @contextmanager
    def session(
        self, network: QuantizedNetwork, n_samples: int, n_steps: int, target: str
    ) -> Iterator[LavaSession]:
        """The network at rest, to run ``n_steps`` steps, some at a time."""
        most = self.options.parallel_samples
        if n_samples > most:
            raise TargetFailedError(
                f"target {target!r}: {n_samples} samples at a time, step by step at most {most} "
                "(Lava option parallel_samples)"
            )
        silence = np.zeros((n_steps, n_samples, network.n_inputs), np.bool_)
        check_inputs(network, silence)
        with (
            self._job(network, silence, SPIKES, step_by_step=True) as folder,
            started_job(folder) as child,
        ):
            job = SteppedJob(child, folder, self.options.time_limit)
            yield LavaSession(self, network, job, folder, self.variant(network, SPIKES, target))

    def states(
        self, network: QuantizedNetwork, inputs: Events, step: int, target: str
    ) -> tuple[PopulationState, ...]:
        """States of every spiking population at the end of ``step``; one sample, inputs (time, input)."""
        check_step(inputs, step)
        until = inputs[: step + 1, None]
        check_inputs(network, until)
        values = value_range(inputs)  # of all steps: the processes that a run would have
        with self._job(network, until, values, want_states=True) as folder:
            run_job(folder, self.options.time_limit)
            found = read_states(folder / STATES_FILE)
            z = np.load(folder / SPIKES_FILE, allow_pickle=False)[step, 0]
        for name, place in side_by_side(network.spiking).items():
            found[f"{name}/z"] = z[place]
        return tuple(
            PopulationState(
                name=p.name, variables=State(**{v: found[f"{p.name}/{v}"] for v in p.neuron.states})
            )
            for p in network.spiking
        )

    def neurons(self, network: QuantizedNetwork, values: ValueRange) -> dict[str, LavaNeuron]:
        """What runs each population where inputs send ``values``; none in a fused network.

        Raises NetworkError over what Lava can't compute exactly.
        """
        if self.options.model == "fused":
            return {}
        if self.backend == "simulation":
            check_delays(network)
            if self.options.synapses == "stock":
                check_sums(network, values)
        return lava_neurons(network, self.options.lif, values)

    def variant(self, network: QuantizedNetwork, values: ValueRange, target: str) -> str:
        """What runs, for reports."""
        if self.options.model == "fused":
            return f"{target} (fused network)"
        chosen = self.neurons(network, values)
        kinds = " + ".join(sorted({chosen[p.name].label for p in network.spiking}))
        synapses = f"{self.options.synapses} synapses" if self.backend == "simulation" else ""
        return f"{target} ({', '.join(filter(None, (synapses, kinds)))})"

    @contextmanager
    def _job(
        self,
        network: QuantizedNetwork,
        inputs: Events,
        values: ValueRange,
        *,
        start: States | None = None,
        want_states: bool = False,
        step_by_step: bool = False,
    ) -> Iterator[Path]:
        """The folder of a job that is ready to run, removed afterwards."""
        self.neurons(network, values)  # refuses here what the child could only fail at
        job = Job(
            n_steps=inputs.shape[0],
            n_samples=inputs.shape[1],
            model=self.options.model,
            lif=self.options.lif,
            synapses=self.options.synapses,
            values=values,
            want_states=want_states,
            step_by_step=step_by_step,
            backend=self.backend,
            chip_models=self.chip_models,
        )
        with scratch_folder("lava") as folder:
            job.write(folder, network, inputs, start)
            yield folder


def check_sums(network: QuantizedNetwork, values: ValueRange) -> None:
    """Refuse sums that leave Lava's 32 bits before a negative exponent makes them small."""
    for projection in network.out_of(INPUT):
        most = max(int(np.abs(sums).max()) for sums in projection.sums(values))
        if most > INPUT_LIMIT:
            raise NetworkError(
                f"projection {projection.name!r}: its sum of a step can reach {most} before the "
                f"exponent, Lava's own synapses take {INPUT_LIMIT}; use synapses='event'"
            )


def check_delays(network: QuantizedNetwork) -> None:
    """Refuse delays from inputs straight to a readout that Lava can't hold."""
    for projection in network.out_of(INPUT):
        if not network.population(projection.target).spiking and projection.reach == DELAY_MAX:
            raise NetworkError(
                f"projection {projection.name!r}: has a delay of {DELAY_MAX}, from inputs straight to a "
                f"readout Lava takes up to {DELAY_MAX - 1}, since it adds the step of the population "
                "between; use model='fused', or the emulator"
            )


def _by_population(network: QuantizedNetwork, spikes: Spikes) -> tuple[PopulationSpikes, ...]:
    """Spikes of all neurons, (time, sample, neuron), population by population."""
    return tuple(
        PopulationSpikes(name=name, spikes=spikes[..., place])
        for name, place in side_by_side(network.spiking).items()
    )


class LavaSession:
    """A network on Lava that runs some steps at a time."""

    def __init__(
        self, runner: LavaRunner, network: QuantizedNetwork, job: SteppedJob, folder: Path,
        variant: str,
    ):  # fmt: skip
        self._runner, self._network, self._job, self._variant = runner, network, job, variant
        self._values, self._neurons = SPIKES, runner.neurons(network, SPIKES)
        self._inputs = np.load(folder / INPUTS_FILE, mmap_mode="r+", allow_pickle=False)
        self._spikes = np.load(folder / SPIKES_FILE, mmap_mode="r", allow_pickle=False)
        self._readout = np.load(folder / READOUT_FILE, mmap_mode="r", allow_pickle=False)
        self._start = time.perf_counter()
        self.lag = job.lag()

    def step(self, inputs: Events) -> FloatArray:
        """Run on for some steps; see :class:`lsnn_neuro.session.Session`."""
        check_inputs(self._network, inputs)
        self._take(value_range(inputs))
        before = self._job.steps
        after = before + len(inputs)
        if after > len(self._inputs):
            raise TargetFailedError(
                f"{self._variant}: step {after - 1} was requested, announced were "
                f"{len(self._inputs)} steps"
            )
        self._inputs[before:after] = inputs
        self._job.run(len(inputs))
        arrived = self._readout[max(before - self.lag, 0) : max(after - self.lag, 0)]
        return self._network.to_float(arrived)

    def _take(self, values: ValueRange) -> None:
        """Refuse values that the processes, chosen for spikes, can't compute exactly."""
        wider = min(values[0], self._values[0]), max(values[1], self._values[1])
        if wider == self._values:
            return
        for name, lava in self._runner.neurons(self._network, wider).items():
            running = self._neurons[name]
            if type(lava) is not type(running):
                raise NetworkError(
                    f"population {name!r}: {self._variant} began for spikes, and its {running.label} "
                    f"is not exact with input values from {wider[0]} to {wider[1]}; use lif='own'"
                )
        self._values = wider

    def record(self) -> SpikeRecord:
        """What the network did, once all steps have run; lets the last answers arrive."""
        left = len(self._inputs) + self.lag - self._job.steps
        if left > self.lag:
            raise TargetFailedError(f"{self._variant}: {left - self.lag} steps have not run yet")
        if left:
            self._job.run(left)
        return SpikeRecord(
            spikes=_by_population(self._network, np.array(self._spikes)),
            readout=np.array(self._readout),
            target=self._variant,
            seconds=time.perf_counter() - self._start,
        )


class LavaTarget(Target):
    """What runs networks through Lava in a child process: sessions and states, by its own runner."""

    @abstractmethod
    def runner(self) -> LavaRunner:
        """What starts Lava; TargetUnavailableError where it can't."""

    def session(
        self, network: QuantizedNetwork, n_samples: int, n_steps: int
    ) -> AbstractContextManager[LavaSession]:
        """The network at rest, to run ``n_steps`` steps, some at a time."""
        return self.runner().session(network, n_samples, n_steps, self.name)

    def states(
        self, network: QuantizedNetwork, inputs: Events, step: int
    ) -> tuple[PopulationState, ...]:
        """States of every spiking population at the end of ``step``; one sample, inputs (time, input)."""
        return self.runner().states(network, inputs, step, self.name)

    def check_available(self) -> None:
        """TargetUnavailableError says why it can't run here."""
        if reason := self.unavailable():
            raise TargetUnavailableError(f"target {self.name!r}: {reason}")


@dataclass(frozen=True)
class LoihiSim(LavaTarget):
    """Runs a network on Lava's fixed-point simulation, in a child process; ``LoihiSim()`` needs no options.

    Raises TargetUnavailableError where Lava is not installed, TargetFailedError if it broke down.
    """

    name: ClassVar[str] = "loihi-sim"
    level: ClassVar[str] = "P2"

    options: LavaOptions = field(default_factory=LavaOptions)

    def unavailable(self) -> str | None:
        """Why Lava can't run here, in one line; None if it can."""
        return lava_missing()

    def run(
        self, network: QuantizedNetwork, inputs: Events, start: NetworkState | None = None
    ) -> SpikeRecord:
        """Run a batch of samples; inputs are events, shape (time, sample, input).

        - start: the states to start from, with nothing on its way (all ``history`` silent); by default rest.
          Only our own processes can: NetworkError where Lava's own would run
        """
        return self.runner().run(network, inputs, self.name, start)

    def runner(self) -> LavaRunner:
        """See :class:`LavaTarget`."""
        self.check_available()
        return LavaRunner(options=self.options)


def lava_missing() -> str | None:
    """Why Lava can't be used here, in one line; None if it can."""
    # lava is a namespace package that lava-dl shares: only lava.magma shows that lava-nc is there
    if importlib.util.find_spec("lava") is None or importlib.util.find_spec("lava.magma") is None:
        how = (
            " with pip's --ignore-requires-python --no-deps" if sys.version_info >= (3, 11) else ""
        )
        return f"Lava is not installed; install lava-nc==0.10.0{how}"
    return None
