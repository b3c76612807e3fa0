"""Nothing of a run on Lava hangs, and nothing of it is left behind."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from leftovers import children, memory_left, orphaned_memory
from random_networks import random_network

from deploy.lava.job import PROGRESS_FILE, Job, Outcome
from deploy.lava.options import LavaOptions
from deploy.lava.supervisor import SteppedJob, group_members, run_job
from deploy.lava.target import LoihiSim
from lsnn_neuro.errors import TargetFailedError

NETWORK = random_network(0)
LONG = 200_000  # steps; minutes of work
PATIENCE = 90.0
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not Path("/proc").exists(), reason="looks at /proc")


def write_job(folder, n_steps, **fields):
    job = Job(
        n_steps=n_steps,
        n_samples=1,
        model="graph",
        lif="auto",
        synapses="event",
        want_states=False,
        chip_models={},
        **fields,
    )
    job.write(folder, NETWORK, np.zeros((n_steps, 1, NETWORK.n_inputs), bool))


def runner_pid(parent, folder):
    """The child that runs the job, once Lava's processes are up and stepping."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        for pid in children(parent):
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            # the tracker and manager of shared memory, a source, a population, its recorder, ...
            if str(folder).encode() in command and len(children(pid)) > 8:
                time.sleep(0.5)
                return pid
        time.sleep(0.05)
    raise AssertionError("Lava did not start")


@pytest.fixture
def nothing_left(tmp_path_factory, monkeypatch):
    """No shared memory and no temporary folder is left behind."""
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    before = orphaned_memory()
    yield
    assert list(temporary.iterdir()) == []
    assert not memory_left(before)


@pytest.mark.usefixtures("nothing_left")
def test_good_run_leaves_nothing_and_reports_the_models(tmp_path):
    write_job(tmp_path, 5)
    outcome = run_job(tmp_path, PATIENCE)
    assert outcome.models["input"] == "PySpikeSourceModel"
    assert outcome.models["readout"] == "PyLIModelFixed"
    synapses = {p.name for p in NETWORK.projections if p.weight_mant.any()}
    assert {outcome.models[name] for name in synapses} <= {"EventSparse", "EventDelaySparse"}


@pytest.mark.usefixtures("nothing_left")
def test_time_limit_ends_the_run_and_says_what_to_do():
    inputs = np.zeros((LONG, 1, NETWORK.n_inputs), bool)
    target = LoihiSim(LavaOptions(time_limit=1.0))
    start = time.monotonic()
    with pytest.raises(TargetFailedError, match=r"within 1 s; raise time_limit"):
        target.run(NETWORK, inputs)
    assert time.monotonic() - start < PATIENCE
    assert not any(b"deploy.lava.runner" in Path(f"/proc/{pid}/cmdline").read_bytes()
                   for pid in children(os.getpid()))  # fmt: skip


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("which", ["a Lava process", "the runner"])
def test_killed_process_ends_the_run_with_its_name(tmp_path, which):
    write_job(tmp_path, LONG)
    failures = []

    def run():
        try:
            run_job(tmp_path, 10 * PATIENCE)
        except TargetFailedError as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    pid = runner_pid(os.getpid(), tmp_path)
    victim = pid if which == "the runner" else children(pid)[-2]  # the last is the runtime service
    os.kill(victim, signal.SIGKILL)
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert group_members(pid) == []
    (failure,) = failures
    who = r"Lava process '.+' \(\w+\)" if which == "a Lava process" else "process that runs Lava"
    assert re.search(f"{who} was killed by SIGKILL", str(failure))
    assert "\n" not in str(failure)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("which", ["a Lava process", "the runner"])
def test_killed_process_ends_a_run_that_goes_step_by_step(which):
    silence = np.zeros((10, 1, NETWORK.n_inputs), bool)
    with LoihiSim(LavaOptions(time_limit=PATIENCE)).session(NETWORK, 1, 100) as session:
        session.step(silence)
        (pid,) = (
            pid
            for pid in children(os.getpid())
            if b"deploy.lava.runner" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )
        victim = pid if which == "the runner" else children(pid)[-2]
        os.kill(victim, signal.SIGKILL)
        time.sleep(0.1)
        with pytest.raises(TargetFailedError, match="was killed by SIGKILL") as failure:
            session.step(silence)
    assert "\n" not in str(failure.value)
    assert group_members(pid) == []


@pytest.mark.usefixtures("nothing_left")
def test_exception_in_a_lava_process_reaches_the_caller_as_one_line(tmp_path):
    write_job(tmp_path, 50)
    (tmp_path / "inputs.npy").write_bytes(b"not an array")
    with pytest.raises(TargetFailedError, match=r"process 'input' \(PySpikeSourceModel\) failed: "):
        run_job(tmp_path, PATIENCE)


def test_how_late_answers_come_is_read_when_it_is_written(tmp_path):
    """However soon the number of steps is there."""
    write_job(tmp_path, 5, step_by_step=True)
    writes = (
        f"import numpy as np, time; p = np.load({str(tmp_path / PROGRESS_FILE)!r}, mmap_mode='r+'); "
        "p[0] = 0; time.sleep(0.5); p[1] = 2; time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", writes]) as child:
        try:
            assert SteppedJob(child, tmp_path, PATIENCE).lag() == 2
        finally:
            child.kill()


def limited(limit: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a job in a process that is allowed few open files."""
    code = (
        "import pathlib, resource, sys; from deploy.lava.supervisor import run_job; "
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]; "
        f"resource.setrlimit(resource.RLIMIT_NOFILE, {limit}); run_job(pathlib.Path(sys.argv[1]), 30)"
    )
    command = [sys.executable, "-c", code, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE)


@pytest.mark.usefixtures("nothing_left")
def test_few_open_files_are_raised_to_what_lava_needs(tmp_path):
    write_job(tmp_path, 5)
    done = limited("(100, hard)", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert Outcome.read(tmp_path).error is None


@pytest.mark.usefixtures("nothing_left")
def test_too_few_open_files_are_told_before_lava_starts(tmp_path):
    write_job(tmp_path, 5)
    done = limited("(100, 100)", tmp_path)
    assert done.returncode == 1
    told = done.stderr.strip().splitlines()[-1]
    assert re.search(
        r"Lava needs up to \d+ open files for this network, and the system allows 100", told
    )


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("hard", [256, 100, None])
def test_a_command_on_lava_raises_the_limit_of_open_files_or_says_so_in_a_line(hard):
    model = Path(__file__).parents[2] / "models" / "delayed-xor"
    limit = "ulimit -S -n 256" if hard is None else f"ulimit -n {hard}"
    parity = f"{limit}; exec {sys.executable} -m lsnn_neuro parity {model} --target loihi-sim --samples 1"
    done = subprocess.run(
        ["bash", "-c", parity], capture_output=True, text=True, timeout=10 * PATIENCE
    )
    if hard is None:
        assert done.returncode == 0, done.stderr
        return
    told = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert re.match(rf"Error: Lava needs up to \d+ open files .* the system allows {hard}", told)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_run_ends_when_its_parent_is_killed(tmp_path, kind):
    job = tmp_path / "job"
    job.mkdir()
    write_job(job, LONG)
    code = (
        "import sys, pathlib; from deploy.lava.supervisor import run_job; "
        "run_job(pathlib.Path(sys.argv[1]), 600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(job)])
    pid = runner_pid(parent.pid, job)
    parent.send_signal(kind)
    parent.wait()
    gone(pid)
    assert not job.exists()


def gone(group: int) -> None:
    """Wait until a process group has no members."""
    give_up = time.monotonic() + PATIENCE
    while group_members(group) and time.monotonic() < give_up:
        time.sleep(0.1)
    assert group_members(group) == []


@pytest.mark.usefixtures("nothing_left")
def test_run_that_hangs_while_lava_starts_ends_when_its_parent_is_killed(tmp_path):
    job = tmp_path / "job"
    job.mkdir()
    write_job(job, 5)
    (job / "sitecustomize.py").write_text(
        "import time, deploy.lava\n"
        "from lava.magma.runtime.runtime import Runtime\n"
        "Runtime._build_runtime_services = lambda self: time.sleep(600)\n"
    )
    code = (
        "import sys, pathlib; from deploy.lava.supervisor import run_job; "
        "sys.path.insert(0, sys.argv[1]); run_job(pathlib.Path(sys.argv[1]), 600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(job)])
    pid = runner_pid(parent.pid, job)
    parent.kill()
    parent.wait()
    gone(pid)
    assert not job.exists()


@pytest.mark.usefixtures("nothing_left")
def test_command_that_is_asked_to_end_takes_lava_with_it(tmp_path):
    inputs = tmp_path / "long.npy"
    np.save(inputs, np.zeros((LONG, 1, 60), bool))
    model = str(ROOT / "models" / "delayed-xor")
    command = ["parity", model, "--target", "loihi-sim", "--inputs", str(inputs)]
    temporary = Path(tempfile.mkdtemp(dir="/tmp"))  # Lava's sockets want a short path
    environment = os.environ | {"TMPDIR": str(temporary)}
    with subprocess.Popen(
        [sys.executable, str(ROOT / "cli.py"), *command], env=environment, stderr=subprocess.PIPE
    ) as parent:
        pid = runner_pid(parent.pid, temporary)
        parent.send_signal(signal.SIGTERM)
        told = parent.stderr.read().decode()
    assert parent.returncode == 128 + signal.SIGTERM
    assert told.splitlines()[-1] == "Error: ended by SIGTERM"
    assert group_members(pid) == []
    temporary.rmdir()  # is empty
