"""Measuring: interleaved rounds, medians, the machine, and what is printed and written."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.table import Table

PACKAGES = ("lsnn-neuro", "torch", "numpy", "scipy", "lava-nc", "lava-dl")
NOT_INSTALLED = "not installed"
WIDTH = 170
"""Characters of a line where no terminal says how many it has."""


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
    name: str, result: Mapping[str, Any], table: Table | Group, destination: str | None,
    before: Mapping[str, Any],
) -> None:  # fmt: skip
    """Print the table, or several, and write the JSON object."""
    console = Console(stderr=destination == "-")
    if not console.is_terminal:
        console.width = WIDTH
    console.print(table)
    whole = {"benchmark": name, "machine": before, "versions": versions(), **result}
    text = json.dumps(whole, indent=2) + "\n"
    if destination == "-":
        sys.stdout.write(text)
    elif destination:
        Path(destination).write_text(text)
