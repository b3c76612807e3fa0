"""``make fuzz``: changed files for every reader, each case within a time and a memory; escapes fail it.

    run.py [--cases N] [--processes N] [--seed N] [--reader NAME ...] [--keep FOLDER]

Cases are shared out over the readers by their table. A worker process reads them; one that hangs or dies is
ended, its case counts as an escape, and another goes on behind it. Every fiftieth case is traced, for the
lines of ours that a reader reaches.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(Path(__file__).parent)]
OURS = tuple(str(ROOT / name) for name in ("lsnn_neuro", "quantize", "deploy"))

BATCH = 250
STUCK, SILENT = 60.0, 900.0
"""Seconds of a processor, and of a clock, after which a worker that is still at the same case is ended."""
TRACED = 50


@dataclass
class Found:
    """What came of the cases of a reader."""

    cases: int = 0
    seconds: float = 0.0
    escapes: Counter[str] = field(default_factory=Counter)
    example: dict[str, int] = field(default_factory=dict)
    lines: set[tuple[str, int]] = field(default_factory=set)
    code: set[tuple[str, int]] = field(default_factory=set)

    def add(self, text: str, seed: int) -> None:
        """An escape, and the case that it came from."""
        self.escapes[text] += 1
        self.example.setdefault(text, seed)

    @property
    def share(self) -> str:
        """The lines that were reached, of all lines of the functions that were entered."""
        return f"{len(self.lines)} of {len(self.code)}"


def work(pipe: Connection, now: Any, keep: Path | None) -> None:
    """Read cases until none come: (reader, first, count) in, (seconds, escapes, lines, code) out."""
    from cases import Bench

    from lsnn_neuro import registry

    warnings.simplefilter("ignore")  # of NumPy's, over what is made here
    registry.entry_points = lru_cache(registry.entry_points)  # installed packages stay as they are
    benches: dict[str, Bench] = {}
    shared = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="lsnn-fuzz-", dir=shared) as folder:
        while (order := pipe.recv()) is not None:
            name, first, count = order
            if name not in benches:
                benches[name] = Bench(name, Path(folder))
            start, escapes = time.perf_counter(), []
            lines: set[tuple[str, int]] = set()
            code: set[tuple[str, int]] = set()
            for seed in range(first, first + count):
                now.value = seed
                with traced(lines, code) if seed % TRACED == 0 else nullcontext():
                    text = benches[name].case(seed, keep)
                if text is not None:
                    escapes.append((text, seed))
            pipe.send((time.perf_counter() - start, escapes, lines, code))


class traced:  # noqa: N801
    """Notes the lines of ours that run, and all lines of the functions that they are in."""

    def __init__(self, lines: set[tuple[str, int]], code: set[tuple[str, int]]):
        self.lines, self.code = lines, code

    def __enter__(self) -> None:
        sys.settrace(self._call)

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _call(self, frame: Any, event: str, _: Any) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(OURS):
            return None
        self.code |= {(name, line) for *_, line in frame.f_code.co_lines() if line is not None}
        self.lines.add((name, frame.f_lineno))
        return self._line

    def _line(self, frame: Any, event: str, _: Any) -> Any:
        self.lines.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line


class Worker:
    """A process that reads cases, and what it has been asked for."""

    def __init__(self, keep: Path | None) -> None:
        context = multiprocessing.get_context("spawn")
        self.now = context.Value("q", -1)
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(theirs, self.now, keep), daemon=True)
        self.process.start()
        theirs.close()
        self.order: tuple[str, int, int] | None = None
        self.seen, self.since, self.used, self.hung = -1, time.monotonic(), 0.0, False

    def ask(self, order: tuple[str, int, int]) -> None:
        """Read these cases."""
        self.order, self.seen = order, -1
        self.now.value = -1
        self.pipe.send(order)

    @property
    def stuck(self) -> bool:
        """Whether it has been at one case for too long."""
        used = self._used()
        if self.now.value != self.seen:
            self.seen, self.since, self.used = self.now.value, time.monotonic(), used
        making = self.seen < 0  # files, or imports
        self.hung = time.monotonic() - self.since > SILENT or (
            used - self.used > STUCK and not making
        )
        return self.hung

    def _used(self) -> float:
        """Seconds of a processor that the process has had."""
        try:
            stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        except OSError:
            return 0.0
        return sum(map(int, stat.rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        """Now."""
        self.process.kill()
        self.process.join()


def orders(names: list[str], cases: int, seed: int) -> Iterator[tuple[str, int, int]]:
    """Batches of all readers in turn."""
    from readers import READERS

    shares = sum(READERS[name].share for name in names)
    left = {name: -(-cases * READERS[name].share // shares) for name in names}
    first = dict.fromkeys(names, seed)
    while left:
        for name in list(left):
            count = min(BATCH, left[name])
            yield name, first[name], count
            first[name] += count
            left[name] -= count
            if not left[name]:
                del left[name]


def fuzz(
    names: list[str], cases: int, processes: int, seed: int, keep: Path | None
) -> dict[str, Found]:
    """All cases, over some processes."""
    found = {name: Found() for name in names}
    waiting = list(orders(names, cases, seed))[::-1]
    workers = [Worker(keep) for _ in range(processes)]
    for worker in workers:
        if waiting:
            worker.ask(waiting.pop())
    while any(worker.order for worker in workers):
        ready = wait([w.pipe for w in workers if w.order], timeout=5)
        for index, worker in enumerate(workers):
            if worker.order is None:
                continue
            name, first, count = worker.order
            of = found[name]
            try:
                if worker.pipe in ready:
                    seconds, escapes, lines, code = worker.pipe.recv()
                    of.cases, of.seconds = of.cases + count, of.seconds + seconds
                    of.lines, of.code = of.lines | lines, of.code | code
                    for text, case in escapes:
                        of.add(text, case)
                        print(f"  {name} {case}: {text}", flush=True)
                elif worker.stuck:
                    worker.process.kill()  # which ends its pipe
                    continue
                else:
                    continue
            except EOFError:
                worker.end()
                case = worker.now.value
                text = "hangs" if worker.hung else f"the process ended ({worker.process.exitcode})"
                of.add(text, case)
                print(f"  {name} {case}: {text}", flush=True)
                of.cases += case - first + 1
                if rest := first + count - case - 1:
                    waiting.append((name, case + 1, rest))
                workers[index] = worker = Worker(keep)
            worker.order = None
            if waiting:
                worker.ask(waiting.pop())
    for worker in workers:
        worker.end()
    return found


def main() -> int:
    """Run, and print a table."""
    from readers import READERS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", action="append", choices=list(READERS))
    parser.add_argument("--keep", type=Path, help="folder for files that escape")
    given = parser.parse_args()
    start = time.perf_counter()
    names = given.reader or list(READERS)
    found = fuzz(names, given.cases, given.processes, given.seed, given.keep)
    print(f"{'reader':16} {'cases':>7} {'seconds':>8} {'escapes':>8}  lines reached")
    for name, of in found.items():
        n = sum(of.escapes.values())
        print(f"{name:16} {of.cases:7} {of.seconds:8.1f} {n:8}  {of.share}")
        for text, many in of.escapes.most_common():
            print(f"    {many} x {text}   (first: {name!r} {of.example[text]})")
    cases, escapes = (
        sum(of.cases for of in found.values()),
        sum(sum(of.escapes.values()) for of in found.values()),
    )
    seconds = time.perf_counter() - start
    print(f"{cases} cases, {len(found)} readers, {seconds:.0f} s, {escapes} escapes")
    return 1 if escapes else 0


if __name__ == "__main__":
    sys.exit(main())
