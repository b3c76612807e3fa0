"""The parent's side of a run on Lava: start the child, watch the clock, leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from deploy.lava.job import PROGRESS_FILE, Outcome, describe_exit, last_log_line
from lsnn_neuro.errors import TargetFailedError

GRACE_SECONDS = 5.0
LOOK_SECONDS = 0.001
_STEPS, _LAG = 0, 1
"""Places in the file of progress."""


def run_job(folder: Path, time_limit: float) -> Outcome:
    """Run the job in ``folder`` in a child process of its own session; give its outcome.

    Whatever happens here (a result, a failure, the time limit, Ctrl-C), no process of the run is
    alive afterwards.
    """
    with started_job(folder) as child:
        try:
            child.wait(timeout=time_limit)
        except subprocess.TimeoutExpired:
            raise _too_long(folder, time_limit) from None
    return _outcome(child, folder)


@contextmanager
def started_job(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The child process of a job, and the end of all its processes."""
    with (folder / "log.txt").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "deploy.lava.runner", str(folder)],
            stdin=subprocess.PIPE,  # the child ends when its other end is gone
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=_environment(),
            start_new_session=True,
        )
    try:
        yield child
    finally:
        _end_group(child)


class SteppedJob:
    """A job that runs some steps at a time, each time on request; ``time_limit`` is for all."""

    def __init__(self, child: subprocess.Popen[bytes], folder: Path, time_limit: float):
        self._child, self._folder = child, folder
        self._time_limit, self._end = time_limit, time.monotonic() + time_limit
        self._progress = np.load(folder / PROGRESS_FILE, mmap_mode="r", allow_pickle=False)
        self.steps = 0

    def lag(self) -> int:
        """Steps by which the readout comes late; known once the network is built."""
        self._wait_for(_LAG, 0)
        return int(self._progress[_LAG])

    def run(self, n_steps: int) -> None:
        """Run on for some steps of Lava."""
        assert self._child.stdin
        self.steps += n_steps
        try:
            self._child.stdin.write(f"{n_steps}\n".encode())
            self._child.stdin.flush()
        except BrokenPipeError:
            self._child.wait()
        self._wait_for(_STEPS, self.steps)

    def _wait_for(self, which: int, least: int) -> None:
        """Wait for one of the two numbers; nothing says which of them the child's memory shows first."""
        while self._progress[which] < least:
            if self._child.poll() is not None:
                _outcome(self._child, self._folder)  # says what went wrong
                if self._progress[which] < least:
                    raise TargetFailedError(
                        f"Lava ended after {self._progress[_STEPS]} of {self.steps} steps"
                    )
            if time.monotonic() > self._end:
                raise _too_long(self._folder, self._time_limit)
            time.sleep(LOOK_SECONDS)


def _too_long(folder: Path, time_limit: float) -> TargetFailedError:
    return TargetFailedError(
        f"Lava did not finish within {time_limit:g} s; raise time_limit, or run fewer "
        f"samples or steps at a time (last line of its log: {last_log_line(folder)})"
    )


def _outcome(child: subprocess.Popen[bytes], folder: Path) -> Outcome:
    """The outcome of a child that has ended, if it is a good one."""
    outcome = Outcome.read(folder)
    if outcome is None:
        raise TargetFailedError(
            f"the process that runs Lava {describe_exit(child.returncode)} before it had a result "
            f"(last line of its log: {last_log_line(folder)})"
        )
    if outcome.error is not None:
        raise TargetFailedError(outcome.error)
    return outcome


def _environment() -> dict[str, str]:
    """The parent's, with its import path, and one BLAS thread in each of Lava's many processes."""
    path = os.pathsep.join(str(Path(entry or ".").resolve()) for entry in sys.path)
    return {
        **os.environ,
        "PYTHONPATH": path,
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        # The fused network makes large arrays in every step. Unless set to keep their memory, glibc
        # returns it to the system each time: three quarters of a run with 128 samples.
        "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
        "MALLOC_TRIM_THRESHOLD_": str(2**30),
        # When a run is cut short, the tracker cleans up after it and should not print the last line.
        "PYTHONWARNINGS": "ignore::UserWarning:multiprocessing.resource_tracker",
    }


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """End every process of the child's group.

    First the child alone, which may be creating shared memory and then holds the signal back. Then
    the group, by SIGTERM: it spares Python's resource tracker, which removes the shared memory of
    the others. SIGKILL for whatever is left after that.
    """
    child.terminate()
    try:
        child.wait(timeout=GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
    for kind in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, kind)
        except ProcessLookupError:
            break
        give_up = time.monotonic() + GRACE_SECONDS
        while group_members(child.pid) and time.monotonic() < give_up:
            child.poll()
            time.sleep(0.01)
    child.wait()
    if child.stdin:
        child.stdin.close()


def group_members(group: int) -> list[int]:
    """Living processes of a process group; those that are dead but not yet reaped don't count."""
    proc = Path("/proc")
    if not proc.exists():  # not Linux
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return []
        return [group]
    members = []
    for stat in proc.glob("[0-9]*/stat"):
        try:
            state, _, member_of = stat.read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
            continue
        if int(member_of) == group and state != "Z":
            members.append(int(stat.parent.name))
    return members
