"""The target ``loihi-sim``: Lava's fixed-point Loihi simulation on the CPU. Lava-free itself."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

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
)
from deploy.lava.options import LavaOptions
from deploy.lava.stock_atrlif import check_atrlif
from deploy.lava.stock_lif import on_stock_lif
from deploy.lava.supervisor import SteppedJob, run_job, started_job
from lsnn_neuro.errors import TargetFailedError, TargetUnavailableError
from lsnn_neuro.session import FloatArray
from quantize.emulator import check_inputs
from quantize.network import QuantizedNetwork
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

    def run(self, network: QuantizedNetwork, inputs: Spikes, target: str) -> SpikeRecord:
        """Run samples from rest; inputs are bool, shape (time, sample, input)."""
        check_inputs(network, inputs)
        start = time.perf_counter()
        n_steps, n_samples, _ = inputs.shape
        sizes = [p.size for p in network.populations]
        spikes = np.zeros((n_steps, n_samples, sum(sizes)), np.bool_)
        readout = np.zeros((n_steps, n_samples, network.readout.size), np.int32)
        # Each batch gets a new child. Resetting Lava between batches would mean setting the
        # neurons' variables and the synapses' buffers, number by number for Lava's own models; a
        # new start takes about a second, is exact for every model, and can't forget a state.
        for first in range(0, n_samples, self.options.copies):
            batch = slice(first, first + self.options.copies)
            with self.finished_job(network, inputs[:, batch], want_states=False) as folder:
                spikes[:, batch] = np.load(folder / SPIKES_FILE, allow_pickle=False)
                readout[:, batch] = np.load(folder / READOUT_FILE, allow_pickle=False)
        return SpikeRecord(
            spikes=tuple(
                PopulationSpikes(name=p.name, spikes=train)
                for p, train in zip(
                    network.populations,
                    np.split(spikes, np.cumsum(sizes)[:-1], axis=2),
                    strict=True,
                )
            ),
            readout=readout,
            target=self.variant(network, target),
            seconds=time.perf_counter() - start,
        )

    @contextmanager
    def session(
        self, network: QuantizedNetwork, n_samples: int, n_steps: int, target: str
    ) -> Iterator[LavaSession]:
        """The network at rest, to run ``n_steps`` steps, some at a time."""
        if n_samples > self.options.copies:
            raise TargetFailedError(
                f"target {target!r}: {n_samples} samples at a time, step by step at most "
                f"{self.options.copies} (Lava option copies)"
            )
        silence = np.zeros((n_steps, n_samples, network.n_inputs), np.bool_)
        check_inputs(network, silence)
        with self._job(network, silence, step_by_step=True) as folder, started_job(folder) as child:
            job = SteppedJob(child, folder, self.options.time_limit)
            yield LavaSession(network, job, folder, self.variant(network, target))

    def states(
        self, network: QuantizedNetwork, inputs: Spikes, step: int
    ) -> tuple[PopulationState, ...]:
        """States of every population at the end of ``step``; one sample, inputs (time, input)."""
        check_step(inputs, step)
        until = inputs[: step + 1, None]
        check_inputs(network, until)
        states = []
        with self.finished_job(network, until, want_states=True) as folder:
            v, a, r = np.load(folder / STATES_FILE, allow_pickle=False)
            z = np.load(folder / SPIKES_FILE, allow_pickle=False)[step, 0]
        first = 0
        for p in network.populations:
            own = slice(first, first := first + p.size)
            states.append(PopulationState(name=p.name, v=v[own], a=a[own], r=r[own], z=z[own]))
        return tuple(states)

    def variant(self, network: QuantizedNetwork, target: str) -> str:
        """What runs, for reports."""
        if self.options.model == "fused":
            return f"{target} (fused core)"
        stock = on_stock_lif(network, self.options.lif)
        kinds = sorted(
            {
                "stock ATRLIF" if p.neuron == "atrlif"
                else "stock LIF" if p.name in stock
                else "ALIF"
                for p in network.populations
            }
        )  # fmt: skip
        synapses = f"{self.options.synapses} synapses, " if self.backend == "simulation" else ""
        return f"{target} ({synapses}{' + '.join(kinds)})"

    @contextmanager
    def finished_job(
        self, network: QuantizedNetwork, inputs: Spikes, *, want_states: bool
    ) -> Iterator[Path]:
        """Run one batch; gives the job folder with the results and removes it afterwards."""
        with self._job(network, inputs, want_states=want_states) as folder:
            run_job(folder, self.options.time_limit)
            yield folder

    @contextmanager
    def _job(
        self,
        network: QuantizedNetwork,
        inputs: Spikes,
        *,
        want_states: bool = False,
        step_by_step: bool = False,
    ) -> Iterator[Path]:
        """The folder of a job that is ready to run."""
        if self.options.model == "graph":  # refuse here what the child could only fail at
            on_stock_lif(network, self.options.lif)
            check_atrlif(network)
        job = Job(
            n_steps=inputs.shape[0],
            n_samples=inputs.shape[1],
            model=self.options.model,
            lif=self.options.lif,
            synapses=self.options.synapses,
            want_states=want_states,
            step_by_step=step_by_step,
            backend=self.backend,
            chip_models=self.chip_models,
        )
        with tempfile.TemporaryDirectory(prefix="lsnn-neuro-lava-") as name:
            folder = Path(name)
            job.write(folder, network, inputs)
            yield folder


class LavaSession:
    """A network on Lava that runs some steps at a time."""

    def __init__(self, network: QuantizedNetwork, job: SteppedJob, folder: Path, variant: str):
        self._network, self._job, self._variant = network, job, variant
        self._inputs = np.load(folder / INPUTS_FILE, mmap_mode="r+", allow_pickle=False)
        self._spikes = np.load(folder / SPIKES_FILE, mmap_mode="r", allow_pickle=False)
        self._readout = np.load(folder / READOUT_FILE, mmap_mode="r", allow_pickle=False)
        self._start = time.perf_counter()
        self.lag = job.lag()

    def step(self, inputs: Spikes) -> FloatArray:
        """Run on for some steps; see :class:`lsnn_neuro.session.Session`."""
        before = self._job.steps
        after = before + len(inputs)
        if after > len(self._inputs):
            raise TargetFailedError(
                f"{self._variant}: asked for step {after - 1}, announced were {len(self._inputs)} steps"
            )
        self._inputs[before:after] = inputs
        self._job.run(len(inputs))
        readout = self._network.readout
        arrived = self._readout[max(before - self.lag, 0) : max(after - self.lag, 0)]
        value: FloatArray = arrived / readout.scale + readout.bias / readout.scale
        return value

    def record(self) -> SpikeRecord:
        """What the network did, once all steps have run; lets the last answers arrive."""
        left = len(self._inputs) + self.lag - self._job.steps
        if left > self.lag:
            raise TargetFailedError(f"{self._variant}: {left - self.lag} steps have not run yet")
        if left:
            self._job.run(left)
        sizes = np.cumsum([p.size for p in self._network.populations])[:-1]
        trains = np.split(np.array(self._spikes), sizes, axis=2)
        return SpikeRecord(
            spikes=tuple(
                PopulationSpikes(name=p.name, spikes=train)
                for p, train in zip(self._network.populations, trains, strict=True)
            ),
            readout=np.array(self._readout),
            target=self._variant,
            seconds=time.perf_counter() - self._start,
        )


@dataclass(frozen=True)
class LoihiSimTarget:
    """Runs a network on Lava's fixed-point simulation."""

    options: LavaOptions = field(default_factory=LavaOptions)
    name: str = "loihi-sim"

    def unavailable(self) -> str | None:
        """Why Lava can't run here, in one line; None if it can."""
        return lava_missing()

    def run(self, network: QuantizedNetwork, inputs: Spikes) -> SpikeRecord:
        """Run a batch of samples from rest; inputs are bool, shape (time, sample, input)."""
        return self._runner().run(network, inputs, self.name)

    def session(
        self, network: QuantizedNetwork, n_samples: int, n_steps: int
    ) -> AbstractContextManager[LavaSession]:
        """The network at rest, to run ``n_steps`` steps, some at a time."""
        return self._runner().session(network, n_samples, n_steps, self.name)

    def states(
        self, network: QuantizedNetwork, inputs: Spikes, step: int
    ) -> tuple[PopulationState, ...]:
        """States of every population at the end of ``step``; one sample, inputs (time, input)."""
        return self._runner().states(network, inputs, step)

    def _runner(self) -> LavaRunner:
        reason = self.unavailable()
        if reason:
            raise TargetUnavailableError(f"target {self.name!r}: {reason}")
        return LavaRunner(options=self.options)


def lava_missing() -> str | None:
    """Why Lava can't be used here, in one line; None if it can."""
    # lava is a namespace package that lava-dl shares: only lava.magma tells that lava-nc is there
    if importlib.util.find_spec("lava") is None or importlib.util.find_spec("lava.magma") is None:
        how = (
            " with pip's --ignore-requires-python --no-deps" if sys.version_info >= (3, 11) else ""
        )
        return f"Lava is not installed; install lava-nc==0.10.0{how}"
    return None
