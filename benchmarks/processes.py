"""Sides in processes of their own: started one by one, then asked in turn, round by round."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from measure import Timing

ROOT = Path(__file__).resolve().parents[1]
WORKER = Path(__file__).resolve().parent / "sides" / "worker.py"
PAUSE = 0.4
"""Seconds between sides: some still give memory back, on the core of the side that follows."""
KEEP_MEMORY = {
    "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40),
    "MALLOC_TOP_PAD_": str(2**26), "MALLOC_ARENA_MAX": "1",
}  # fmt: skip
"""glibc keeps what is freed: libraries that allocate anew in each step run up to a quarter faster."""
GIVE_MEMORY_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536"}
"""Large blocks are freed at once, so that the peak is that of what is used."""
NOT_PASSED_ON = ("OMP_", "MALLOC_", "KMP_", "MKL_", "OPENBLAS_", "PYTHONPATH")
"""Variables of ours that would decide how a side waits, allocates or shares out work."""


class SideError(Exception):
    """A side that can't be measured; the message is the reason, in one line."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """What is measured in a process of its own: ``function(**arguments)`` of a module makes its step.

    - python: interpreter; folder: where the process runs; path: where it finds modules
    - environment: variables on top of ours; memory: most bytes it may use, 0: no limit
    - group: sides of one group run at the same time, see :func:`in_groups`
    - less: what it does less than ours; obstacle: why it can't run at all
    """

    name: str
    module: str
    function: str
    arguments: Mapping[str, Any]
    python: Path = Path(sys.executable)
    folder: Path = ROOT
    path: Sequence[Path] = (ROOT / "benchmarks", ROOT)
    environment: Mapping[str, str] = field(default_factory=dict)
    memory: int = 0
    group: str = ""
    less: str = ""
    obstacle: str | None = None


@dataclass(kw_only=True)
class Measured:
    """What came of a side: seconds of its rounds, or why there are none.

    - first, last: what its step gave the first time, and the last
    - made, peak: most resident bytes before its first step, and in all; versions: of its libraries
    - ratio: its median over that of the reference in the same rounds
    """

    seconds: list[float] = field(default_factory=list)
    first: float = 0.0
    last: float = 0.0
    made: int = 0
    peak: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    failure: str | None = None
    ratio: float | None = None

    @property
    def timing(self) -> Timing | None:
        """The rounds; None if it failed."""
        return Timing(tuple(self.seconds)) if self.failure is None else None


class Worker:
    """The process of a side."""

    def __init__(self, side: Side, *, cores: int) -> None:
        if side.obstacle:
            raise SideError(side.obstacle)
        task = {
            "module": side.module, "function": side.function, "arguments": side.arguments,
            "cores": cores, "bytes": side.memory,
        }  # fmt: skip
        ours = {k: v for k, v in os.environ.items() if not k.startswith(NOT_PASSED_ON)}
        whole = ours | {
            "OMP_NUM_THREADS": str(cores),
            "PYTHONPATH": os.pathsep.join(map(str, side.path)),
            # compiled code has the number of threads in it
            "TORCHINDUCTOR_CACHE_DIR": str(ROOT / ".bench" / "compiled" / str(cores)),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "JAX_PLATFORMS": "cpu",
        }
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        try:
            self._process = subprocess.Popen(
                [str(side.python), str(WORKER), json.dumps(task)], cwd=side.folder, text=True,
                env=whole | dict(side.environment), stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=self._log,
            )  # fmt: skip
        except OSError as error:
            raise SideError(str(error)) from error

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def ask(self, request: str) -> dict[str, Any]:
        """Send a request and wait for the answer."""
        assert self._process.stdin
        try:
            self._process.stdin.write(request + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the process has ended: there is no answer
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """The next answer; the first one comes unasked, when the side is made."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SideError(f"ended with exit code {self._process.wait()}{self._last_log_line()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise SideError(answer["error"])
        return answer

    def _last_log_line(self) -> str:
        self._log.seek(0)
        lines = [line.strip() for line in self._log if line.strip()]
        return f": {lines[-1]}" if lines else ""


def in_rounds(sides: Sequence[Side], *, cores: int, repeats: int) -> dict[str, Measured]:
    """Time every side once per round, the second of two steps, after a first step and a round to warm up.

    All processes live through all rounds, so what disturbs one disturbs all. A side that fails is left
    out of the rounds that follow.
    """
    measured = {side.name: Measured() for side in sides}
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for side in sides:
            print(f"{cores} core(s): starting {side.name}", file=sys.stderr)
            result = measured[side.name]
            try:
                worker = Worker(side, cores=cores)
                answer = stack.enter_context(worker).answer()
            except SideError as error:
                result.failure = str(error)
                continue
            result.first = result.last = answer["value"]
            result.made, result.versions = answer["bytes"], answer["versions"]
            workers[side.name] = worker
        for turn in range(repeats + 1):
            for name, worker in list(workers.items()):
                time.sleep(PAUSE)
                try:
                    answer = worker.ask("step")
                    measured[name].peak = worker.ask("peak")["bytes"]
                except SideError as error:
                    measured[name].failure = str(error)
                    del workers[name]
                    continue
                measured[name].last = answer["value"]
                if turn:
                    measured[name].seconds.append(answer["seconds"])
    return measured


def in_groups(
    sides: Sequence[Side], reference: str, *, cores: int, repeats: int
) -> dict[str, Measured]:
    """Time groups of sides one after the other, since all at once might need more memory than there is.

    Each group has the reference in its rounds, and ratios are to that; the reference's own rounds are those
    of all groups together.
    """
    first = next(side for side in sides if side.name == reference)
    measured: dict[str, Measured] = {}
    others = [side for side in sides if side is not first]
    for group in dict.fromkeys(side.group for side in others or [first]):
        these = [side for side in others if side.group == group]
        found = in_rounds([first, *these], cores=cores, repeats=repeats)
        base = found[reference]
        for one in found.values():
            if one.timing and base.timing:
                one.ratio = one.timing.median / base.timing.median
        if reference in measured and measured[reference].failure is None:
            base.seconds = measured[reference].seconds + base.seconds
        elif reference in measured:
            base = measured[reference]
        measured |= found | {reference: base}
    return {side.name: measured[side.name] for side in sides}


def memory_of(side: Side) -> int | str:
    """What two steps of a side add to its memory at their peak, or why that is not known."""
    others = {k: v for k, v in side.environment.items() if k not in KEEP_MEMORY}
    giving = replace(side, environment=others | GIVE_MEMORY_BACK)
    try:
        with Worker(giving, cores=1) as worker:
            worker.answer()
            return int(worker.ask("memory")["bytes"])
    except SideError as error:
        return str(error)


def available_memory(share: float = 0.9) -> int:
    """So much of the bytes that are free now, for a side that might want more than there are (Linux)."""
    info = Path("/proc/meminfo")
    if not info.exists():
        return 0
    line = next(n for n in info.read_text().splitlines() if n.startswith("MemAvailable:"))
    return int(int(line.split()[1]) * 1024 * share)


def checkout_python(folder: Path) -> Path:
    """The Python of a checkout: its own environment's if it has one, else ours."""
    own = folder / ".venv" / "bin" / "python"
    return own if own.exists() else Path(sys.executable)


def checkout_name(folder: Path) -> str:
    """What to call a checkout: its commit, or its folder."""
    command = ["git", "-C", str(folder), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else folder.name
