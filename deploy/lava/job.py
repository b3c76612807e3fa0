"""One run on Lava as a folder of files: what parent and child exchange. No Lava here.

::

    network.safetensors   the QuantizedNetwork               parent writes
    inputs.npy            int8 (time, sample, input)         parent writes
    job.json              the other fields of ``Job``        parent writes
    start.npz             states of some populations         parent writes, where it isn't rest
    spikes.npy            bool (time, sample, neuron)        parent allocates, child fills
    readout.npy           int32 (time, sample, output)       parent allocates, child fills
    states.npz            states of the first sample         child writes, on request
    progress.npy          int64 (2,): steps, lag             child writes, where it runs step by step
    outcome.json          ``Outcome``                        child writes, last
    log.txt               whatever child and Lava print

"neuron" runs over all spiking populations side by side, in the network's order. States are int32 arrays
named ``population/variable``; ``i`` is the synaptic current.
"""

from __future__ import annotations

import json
import signal
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from deploy.lava.options import LifModel, NetworkModel, SynapseModel
from lsnn_neuro.arrays import Events, IntArray
from quantize import file_format
from quantize.network import SPIKES, QuantizedNetwork, ValueRange

Backend = Literal["simulation", "chip", "netx"]
Spikes = npt.NDArray[np.bool_]

EVENT_BITS = 8
"""Width of a graded event."""

OUTCOME_FILE = "outcome.json"
INPUTS_FILE, PROGRESS_FILE = "inputs.npy", "progress.npy"
SPIKES_FILE, READOUT_FILE = "spikes.npy", "readout.npy"
START_FILE, STATES_FILE = "start.npz", "states.npz"

States = dict[str, IntArray]
"""State variables by ``population/variable``."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to run.

    - n_steps, n_samples: shape of the input, in steps of the emulator
    - values: the lowest and the highest that the inputs send; step by step they may send others
    - want_states: stop right after the last step and return the states of all neurons
    - step_by_step: run as many steps at a time as lines on stdin say; inputs are written meanwhile
    - chip_models: ``module:class`` of the NcProcessModel of our own processes, by process name
    """

    n_steps: int
    n_samples: int
    model: NetworkModel
    lif: LifModel
    synapses: SynapseModel
    values: ValueRange = SPIKES
    want_states: bool
    step_by_step: bool = False
    backend: Backend = "simulation"
    chip_models: dict[str, str]

    @property
    def message_bits(self) -> int:
        """Width of what an input event carries; 0 where all are spikes."""
        return EVENT_BITS if self.step_by_step or self.values != SPIKES else 0

    def write(
        self, folder: Path, network: QuantizedNetwork, inputs: Events, start: States | None = None
    ) -> None:
        """Fill a job folder.

        Inputs have shape (time, sample, input), states to start from (sample, neuron).
        """
        file_format.save(network, folder / "network.safetensors")
        np.save(folder / INPUTS_FILE, inputs.astype(np.int8, order="C"), allow_pickle=False)
        if self.step_by_step:
            np.save(folder / PROGRESS_FILE, np.array([0, -1]), allow_pickle=False)
        if start:
            write_states(folder / START_FILE, start)
        self._make_room(folder / SPIKES_FILE, np.bool_, network.n_neurons)
        self._make_room(folder / READOUT_FILE, np.int32, network.n_outputs)
        (folder / "job.json").write_text(json.dumps(asdict(self)))

    def _make_room(self, path: Path, dtype: npt.DTypeLike, width: int) -> None:
        """A file of zeros, which takes no disk space until it is written to."""
        shape = (self.n_steps, self.n_samples, width)
        np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)  # type: ignore[no-untyped-call]

    @staticmethod
    def read(folder: Path) -> tuple[Job, QuantizedNetwork]:
        """A job and its network from their folder."""
        fields = json.loads((folder / "job.json").read_text())
        job = Job(**fields | {"values": tuple(fields["values"])})
        return job, file_format.load(folder / "network.safetensors")


def write_states(path: Path, states: States) -> None:
    """Write states to a file."""
    np.savez(path, **states)


def read_states(path: Path) -> States:
    """States from a file; none if there is no file."""
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as found:
        return dict(found)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How it went.

    - error: one line saying what failed, or None
    - models: class name of the ProcessModel that ran each Lava process, by process name
    - build_seconds, run_seconds: compiling and starting the processes; stepping through time
    """

    error: str | None
    models: dict[str, str]
    build_seconds: float
    run_seconds: float

    def write(self, folder: Path) -> None:
        """Write in one piece: a reader finds the whole file or none."""
        draft = folder / f"{OUTCOME_FILE}.draft"
        draft.write_text(json.dumps(asdict(self)))
        draft.replace(folder / OUTCOME_FILE)

    @staticmethod
    def read(folder: Path) -> Outcome | None:
        """The outcome of a run; None if it has left none."""
        path = folder / OUTCOME_FILE
        return Outcome(**json.loads(path.read_text())) if path.exists() else None


def describe_exit(exit_code: int) -> str:
    """An operating system process's end in words."""
    if exit_code < 0:
        return f"was killed by {signal.Signals(-exit_code).name}"
    return f"exited with {exit_code}"


def last_log_line(folder: Path) -> str:
    """The last line a run printed."""
    log = folder / "log.txt"
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1].strip() if lines else "none"
