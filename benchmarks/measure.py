"""Measuring: interleaved rounds, medians, peak memory of a child process, the machine."""

from __future__ import annotations

import argparse
import ctypes
import gc
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from lsnn_neuro.network import kernel

PACKAGES = ("lsnn-neuro", "torch", "numpy", "scipy", "lava-nc", "lava-dl", "norse")
NOT_INSTALLED = "not installed"


@dataclass(frozen=True)
class Timing:
    """Seconds of the rounds of one side."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The number to quote."""
        return statistics.median(self.seconds)

    def report(self) -> dict[str, Any]:
        """For the JSON file."""
        return {
            "median_seconds": self.median,
            "min_seconds": min(self.seconds),
            "max_seconds": max(self.seconds),
            "rounds": len(self.seconds),
        }


def interleaved(sides: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, Timing]:
    """Time every side once per round, after a round to warm up: what disturbs one disturbs all."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(repeats + 1):
        for name, run in sides.items():
            start = time.perf_counter()
            run()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return {name: Timing(tuple(values)) for name, values in seconds.items()}


class PeakMemory:
    """What a ``with`` block adds to the resident memory at its peak, in bytes (Linux)."""

    added = 0

    def __enter__(self) -> PeakMemory:
        gc.collect()
        if kernel.native:
            kernel.native.release_memory()
        ctypes.CDLL(None).malloc_trim(0)  # what is free goes back to the system and counts again
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew from what is resident
        self._before = self._peak()
        return self

    def __exit__(self, *_: object) -> None:
        self.added = self._peak() - self._before

    @staticmethod
    def _peak() -> int:
        status = Path("/proc/self/status").read_text().splitlines()
        line = next(line for line in status if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024


def of_child(*arguments: str) -> Any:
    """What this very script prints as JSON on its last line, run again with other arguments."""
    done = subprocess.run(
        [sys.executable, sys.argv[0], *arguments], capture_output=True, text=True, check=False,
        env=os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"},  # large blocks are freed at once
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def machine() -> dict[str, Any]:
    """Processor, cores, memory, system, and what else was running."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "ram_gib": round(memory / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "load_before": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    """Of this package, its peers, and what they stand on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = NOT_INSTALLED
    return found


def arguments(description: str, **defaults: int) -> argparse.ArgumentParser:
    """A parser with what all benchmarks take, and an integer option for each default."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", metavar="FILE", help="where the JSON object goes, - for stdout")
    for name, value in ({"repeats": 5} | defaults).items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=int, default=value, help=f"default {value}"
        )
    return parser


def publish(
    name: str, result: Mapping[str, Any], table: Table, destination: str | None,
    before: Mapping[str, Any],
) -> None:  # fmt: skip
    """Print the table and write the JSON object."""
    Console(stderr=destination == "-").print(table)
    whole = {"benchmark": name, "machine": before, "versions": versions(), **result}
    text = json.dumps(whole, indent=2) + "\n"
    if destination == "-":
        sys.stdout.write(text)
    elif destination:
        Path(destination).write_text(text)
