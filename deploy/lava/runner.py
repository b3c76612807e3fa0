"""The child process that runs one job on Lava: ``python -m deploy.lava.runner JOB_FOLDER``.

Lava forks one operating system process per Lava process and then waits for their messages. If one
of them dies, it waits for ever. So the run is started without blocking, and this process looks
after the others until the answer is there. When something is wrong it writes one line into the
outcome and ends its whole process group. A thread does the same, without a word, when the parent is
gone, whatever Lava is waiting for; it removes the job's folder too.
"""

from __future__ import annotations

import os
import resource
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import current_process, resource_tracker
from pathlib import Path
from threading import Thread
from typing import NoReturn

import numpy as np
from lava.magma.compiler.builders.py_builder import PyProcessBuilder
from lava.magma.compiler.executable import Executable
from lava.magma.core.model.py.model import AbstractPyProcessModel
from lava.magma.core.process.message_interface_enum import ActorType
from lava.magma.core.run_conditions import RunSteps
from lava.magma.runtime.mgmt_token_enums import MGMT_RESPONSE, enum_equal
from lava.magma.runtime.runtime import Runtime

from deploy.lava.graph import LavaGraph, build_fused_graph, build_graph
from deploy.lava.job import PROGRESS_FILE, STATES_FILE, Job, Outcome, describe_exit, write_states
from deploy.lava.supervisor import GRACE_SECONDS, group_members
from lsnn_neuro.errors import LSNNError, TargetFailedError
from quantize.network import QuantizedNetwork

LOOK_SECONDS = 0.005
SOCKET_PATH = 80  # a socket's whole path has at most 107 characters
WAIT_SECONDS = 0.5
EXCEPTION_GRACE_SECONDS = 2.0
STOP_SECONDS = 10
# Measured: an actor, which has what the runner has, comes to 9 + 2 x channels + 6 x actors.
FILES_AT_LEAST, FILES_PER_CHANNEL, FILES_PER_ACTOR = 40, 2, 6


def end_group(folder: Path, error: str) -> NoReturn:
    """Leave one line, then end every process of this run, this one included.

    SIGTERM and not SIGKILL: Python's resource tracker ignores it, outlives the others and removes
    their shared memory.
    """
    print(error, flush=True)  # into the log, should the outcome find no room
    with suppress(OSError):
        Outcome(error=error, models={}, build_seconds=0, run_seconds=0).write(folder)
    os.killpg(os.getpgrp(), signal.SIGTERM)
    sys.exit(1)  # never reached, unless SIGTERM is being ignored


def end_with_parent(folder: Path) -> None:
    """Wait until the parent is gone, which holds the other end of stdin; then leave nothing behind."""
    parent = select.poll()
    parent.register(sys.stdin.fileno(), 0)  # of nothing but its end
    parent.poll()
    shutil.rmtree(folder, ignore_errors=True)
    os.killpg(os.getpgrp(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)  # still here: Lava is being started, and may hang in that
    tracker = resource_tracker._resource_tracker._pid  # type: ignore[attr-defined]
    for pid in group_members(os.getpgrp()):
        if pid not in (tracker, os.getpid()):
            os.kill(pid, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def sigterm_blocked() -> Iterator[None]:
    """Hold back SIGTERM while Lava creates semaphores and shared memory.

    Ending between creating one and registering it for removal would leave it behind for good.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def selected_models(graph: LavaGraph, executable: Executable) -> dict[str, str]:
    """Names of the ProcessModels the compiler chose, which must be those the graph demands."""
    chosen = {p: builder.proc_model for p, builder in executable.proc_builders.items()}
    for process, model in graph.models.items():
        if chosen.get(process) is not model:
            found = getattr(chosen.get(process), "__name__", "nothing")
            raise TargetFailedError(
                f"Lava runs process {process.name!r} with {found}, expected {model.__name__}"
            )
    for process in graph.on_cores:
        if issubclass(chosen[process], AbstractPyProcessModel):
            raise TargetFailedError(
                f"Lava found no model for a neuro core for process {process.name!r}, "
                f"only {chosen[process].__name__}"
            )
    return {process.name: model.__name__ for process, model in chosen.items()}


def actor_names(executable: Executable) -> list[str]:
    """What Lava's operating system processes do, in the order in which Lava starts them."""
    processes = [
        f"process {process.name!r} ({builder.proc_model.__name__})"
        for process, builder in executable.proc_builders.items()
        if isinstance(builder, PyProcessBuilder)
    ]
    return processes + ["the runtime service"] * len(executable.runtime_service_builders)


def check_actors(runtime: Runtime, names: list[str]) -> None:
    """Raise if a process of this run has ended."""
    for name, actor in zip(names, runtime._messaging_infrastructure.actors, strict=False):
        if actor.exitcode is None:
            continue
        if actor.exception:
            raise TargetFailedError(f"Lava {name} failed: {actor.exception[0]!r}")
        raise TargetFailedError(f"Lava {name} {describe_exit(actor.exitcode)}")


def make_room_for_files(executable: Executable, n_actors: int) -> None:
    """Raise the limit of open files to what the processes and their channels need.

    TargetFailedError says what is needed where the system forbids it: Lava would wait for ever.
    """
    channels = len(executable.channel_builders) + len(executable.sync_channel_builders)
    needed = FILES_AT_LEAST + FILES_PER_CHANNEL * channels + FILES_PER_ACTOR * n_actors
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != soft < needed:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
        except (ValueError, OSError):
            raise TargetFailedError(
                f"Lava needs up to {needed} open files for this network, and the system allows {hard}; "
                f"raise its limit (ulimit -Hn {needed}), or take the target option model=fused"
            ) from None


def run_steps(runtime: Runtime, names: list[str], n_steps: int) -> None:
    """Run for a number of Lava time steps, watching."""
    runtime.start(RunSteps(num_steps=n_steps, blocking=False))
    while not all(port.probe() for port in runtime.service_to_runtime):
        check_actors(runtime, names)
        time.sleep(LOOK_SECONDS)
    if not all(enum_equal(p.peek(), MGMT_RESPONSE.DONE) for p in runtime.service_to_runtime):
        # A model raised. Its process is about to end and to say why; Runtime.wait() would wait for
        # the other processes first, some of which never end.
        give_up = time.monotonic() + EXCEPTION_GRACE_SECONDS
        while time.monotonic() < give_up:
            check_actors(runtime, names)
            time.sleep(LOOK_SECONDS)
        raise TargetFailedError("a Lava process reported an error without saying which")
    runtime.wait()


def run_stepwise(
    runtime: Runtime, names: list[str], graph: LavaGraph, job: Job, folder: Path
) -> None:
    """Run all steps of a job, as many at a time as the parent requests, and report progress to it."""
    progress = np.load(folder / PROGRESS_FILE, mmap_mode="r+", allow_pickle=False)
    done, progress[1] = 0, graph.readout_lag
    while done < job.n_steps + graph.readout_lag:
        while not select.select([sys.stdin], [], [], WAIT_SECONDS)[0]:
            check_actors(runtime, names)
        requested = os.read(sys.stdin.fileno(), 64)  # one line: the parent waits for its answer
        if not requested:
            signal.pause()  # the parent is gone: end_with_parent is at work
        run_steps(runtime, names, int(requested))
        progress[0] = done = done + int(requested)


def build(network: QuantizedNetwork, job: Job, folder: Path) -> LavaGraph:
    """The processes of a job's backend; each imports what the others may lack."""
    if job.backend == "chip":
        from deploy.lava.chip import build_chip_graph

        return build_chip_graph(network, job, folder)
    if job.backend != "simulation":
        from deploy.lava.netx_graph import build_netx_graph

        return build_netx_graph(network, job, folder)
    return (build_fused_graph if job.model == "fused" else build_graph)(network, job, folder)


def run(job: Job, network: QuantizedNetwork, folder: Path) -> Runtime:
    """Build, run and write the outcome; gives what is still to be stopped."""
    start = time.perf_counter()
    graph = build(network, job, folder)
    executable = graph.source.compile(graph.run_config)
    models = selected_models(graph, executable)
    runtime = Runtime(executable, ActorType.MultiProcessing)
    executable.assign_runtime_to_all_processes(runtime)
    names = actor_names(executable)
    make_room_for_files(executable, len(names))
    with sigterm_blocked():
        runtime.initialize()
    built = time.perf_counter()
    if job.step_by_step:
        run_stepwise(runtime, names, graph, job, folder)
    else:
        lag = graph.population_lag if job.want_states else graph.readout_lag
        run_steps(runtime, names, job.n_steps + lag)
    finished = time.perf_counter()
    if job.want_states:
        write_states(folder / STATES_FILE, graph.states())
    Outcome(
        error=None, models=models, build_seconds=built - start, run_seconds=finished - built
    ).write(folder)
    return runtime


def main(folder: Path) -> None:
    """Run the job in ``folder``."""
    # Lava's processes are forked while SIGTERM is held back, and must not inherit that.
    os.register_at_fork(
        after_in_child=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    )
    if len(str(folder)) < SOCKET_PATH:  # what multiprocessing needs then goes with the job
        current_process()._config["tempdir"] = str(folder)  # type: ignore[attr-defined]
    with sigterm_blocked():  # the thread inherits it, and so outlives the first SIGTERM
        Thread(target=end_with_parent, args=(folder,), daemon=True).start()
    try:
        job, network = Job.read(folder)
        runtime = run(job, network, folder)
    except LSNNError as error:
        end_group(folder, str(error))
    except Exception as error:  # whatever Lava raises must reach the parent as one line
        end_group(folder, f"{type(error).__name__}: {error}".splitlines()[0])
    # The results are complete. Should Lava fail to stop, SIGALRM ends this process, and the parent
    # the rest.
    signal.alarm(STOP_SECONDS)
    runtime.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
