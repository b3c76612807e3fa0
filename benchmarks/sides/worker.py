"""Make one side of a benchmark in this process, and do what each line of the standard input asks for.

    python worker.py TASK

TASK is a JSON object: ``function(**arguments)`` of a module gives a step, a function that takes nothing and
gives a number; ``cores`` is how many cores this process may use, ``bytes`` how much memory (0: no limit).
After a first step, and after each request, one line of JSON comes out: "step" times the second of two;
"memory" gives what two steps add at their peak; "peak" gives the most that was ever resident.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import platform
import resource
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from memory import PeakMemory

PACKAGES = (
    "lsnn-neuro", "torch", "numpy", "lava-dl", "norse", "snntorch", "jax", "jaxlib", "spyx", "flax",
)  # fmt: skip


def confine(cores: int, memory: int) -> None:
    """Leave this process so many cores and bytes; before anything is imported that counts cores."""
    score = Path("/proc/self/oom_score_adj")
    if score.exists():  # where memory runs out this process ends, nothing else that runs here
        score.write_text("900")
    if hasattr(
        os, "sched_setaffinity"
    ):  # the first core serves most interrupts: take the last ones
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def versions() -> dict[str, str]:
    """Of Python and the libraries that are here."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def peak() -> int:
    """The most bytes that were ever resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def answer_to(request: str, step: Callable[[], float]) -> dict[str, Any]:
    """Do what is asked for."""
    if request == "step":
        step()  # as in training, where one step follows the other: caches, clocks and threads are warm
        start = time.perf_counter()
        value = step()
        return {"seconds": time.perf_counter() - start, "value": value}
    if request == "memory":
        with PeakMemory() as memory:
            step()
            step()
        return {"bytes": memory.added}
    if request == "peak":
        return {"bytes": peak()}
    raise ValueError(f"there is no request {request!r}")


def main() -> None:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not be taken for an answer

    def tell(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    task = json.loads(sys.argv[1])
    confine(task["cores"], task["bytes"])
    try:
        module = importlib.import_module(task["module"])
        step = getattr(module, task["function"])(**task["arguments"])
        made = peak()
        tell({"value": step(), "bytes": made, "versions": versions()})
        for line in sys.stdin:
            tell(answer_to(line.strip(), step))
    except Exception as error:  # whatever it is, the table has to name it
        traceback.print_exc()
        lines = str(error).strip().splitlines() or [""]
        tell({"error": f"{type(error).__name__}: {lines[0]}"})
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
