"""Runs commands in forks of one process that has imported everything, so that each starts at once.

Lines of JSON on stdin, one answer a line on stdout::

    {"run": ["train", ...], "log": FILE, "size": bytes or null, "files": count or null}    -> process id
    {"wait": process id}                                                                   -> exit code

``size`` is the most that a file may hold (a disk that is full), ``files`` how many more may be opened.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[1]


def run(job: dict[str, Any]) -> NoReturn:
    """A command, in the process of its own that we are in by now."""
    code = 1
    try:
        log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(log, stream)
        os.close(log)
        if job["size"] is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (job["size"], job["size"]))
        if job["files"] is not None:
            most = len(os.listdir("/proc/self/fd")) - 1 + job["files"]  # noqa: PTH208
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        sys.modules["cli"].main(job["run"], prog_name="lsnn-neuro")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve() -> None:
    """Answer until stdin ends."""
    for module in ("api", "commands", "interchange", "publishing.folder", "reporting.summary"):
        import_module(f"deploy.{module}")
    import_module("lsnn_neuro.training")
    import_module("cli")
    for line in sys.stdin:
        job = json.loads(line)
        if "wait" in job:
            answer = os.waitstatus_to_exitcode(os.waitpid(job["wait"], 0)[1])
        elif (answer := os.fork()) == 0:
            run(job)
        print(answer, flush=True)


class Commands:
    """A server, from outside."""

    def __init__(self, process: subprocess.Popen[str], folder: Path):
        self.process, self.folder = process, folder

    def start(self, *command: object, size: int | None = None, files: int | None = None) -> int:
        """Start a command; gives its process id."""
        log = str(self.folder / "log.txt")
        return self._ask(run=[str(c) for c in command], log=log, size=size, files=files)

    def wait(self, pid: int) -> int:
        """The exit code of a command; negative if it was killed."""
        return self._ask(wait=pid)

    def said(self) -> str:
        """What the last command printed."""
        return (self.folder / "log.txt").read_text()

    def _ask(self, **job: Any) -> int:
        assert self.process.stdin
        assert self.process.stdout
        print(json.dumps(job), file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())


@contextmanager
def commands(folder: Path) -> Iterator[Commands]:
    """A server whose commands write their logs, and what is temporary, below a folder."""
    (folder / "temporary").mkdir()
    environment = os.environ | {
        "PYTHONPATH": str(ROOT), "TMPDIR": str(folder / "temporary"), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    with subprocess.Popen(
        [sys.executable, str(Path(__file__))], env=environment, text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        yield Commands(process, folder)
        assert process.stdin
        process.stdin.close()


if __name__ == "__main__":
    serve()
