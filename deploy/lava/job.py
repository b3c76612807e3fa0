"""One run on Lava as a folder of files: what parent and child tell each other. No Lava here.

::

    network.safetensors   the QuantizedNetwork               parent writes
    inputs.npy            bool (time, sample, input)         parent writes
    job.json              the other fields of ``Job``        parent writes
    spikes.npy            bool (time, sample, neuron)        parent makes room, child fills
    readout.npy           int32 (time, sample, output)       parent makes room, child fills
    states.npy            int32 (3, neuron): v, a, r         child writes, if asked for
    progress.npy          int64 (2,): steps, lag             child writes, where it runs step by step
    outcome.json          ``Outcome``                        child writes, last
    log.txt               whatever child and Lava print

"neuron" runs over all populations side by side, in the network's order.
"""

from __future__ import annotations

import json
import signal
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from deploy.lava.options import CoreModel, LifModel, SynapseModel
from quantize import file_format
from quantize.network import QuantizedNetwork

Backend = Literal["simulation", "chip"]
Spikes = npt.NDArray[np.bool_]

OUTCOME_FILE = "outcome.json"
INPUTS_FILE, PROGRESS_FILE = "inputs.npy", "progress.npy"
SPIKES_FILE, READOUT_FILE, STATES_FILE = "spikes.npy", "readout.npy", "states.npy"


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to run.

    - n_steps, n_samples: shape of the input, in steps of the emulator
    - want_states: stop right after the last step and hand back the states of all neurons
    - step_by_step: run as many steps at a time as lines on stdin say; inputs are written meanwhile
    - chip_models: ``module:class`` of the NcProcessModel of our own processes, by process name
    """

    n_steps: int
    n_samples: int
    model: CoreModel
    lif: LifModel
    synapses: SynapseModel
    want_states: bool
    step_by_step: bool = False
    backend: Backend = "simulation"
    chip_models: dict[str, str]

    def write(self, folder: Path, network: QuantizedNetwork, inputs: Spikes) -> None:
        """Fill a job folder; inputs have shape (time, sample, input)."""
        file_format.save(network, folder / "network.safetensors")
        np.save(folder / INPUTS_FILE, np.ascontiguousarray(inputs), allow_pickle=False)
        if self.step_by_step:
            np.save(folder / PROGRESS_FILE, np.array([-1, 0]), allow_pickle=False)
        n_neurons = sum(p.size for p in network.populations)
        self._make_room(folder / SPIKES_FILE, np.bool_, n_neurons)
        self._make_room(folder / READOUT_FILE, np.int32, network.readout.size)
        (folder / "job.json").write_text(json.dumps(asdict(self)))

    def _make_room(self, path: Path, dtype: npt.DTypeLike, width: int) -> None:
        """A file of zeros, which takes no disk space until it is written to."""
        shape = (self.n_steps, self.n_samples, width)
        np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)  # type: ignore[no-untyped-call]

    @staticmethod
    def read(folder: Path) -> tuple[Job, QuantizedNetwork]:
        """A job and its network from their folder."""
        job = Job(**json.loads((folder / "job.json").read_text()))
        return job, file_format.load(folder / "network.safetensors")


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


def how_it_ended(exit_code: int) -> str:
    """An operating system process's end in words."""
    if exit_code < 0:
        return f"was killed by {signal.Signals(-exit_code).name}"
    return f"exited with {exit_code}"


def last_words(folder: Path) -> str:
    """The last line a run printed."""
    log = folder / "log.txt"
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1].strip() if lines else "none"
