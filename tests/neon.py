"""The kernel on another CPU: built for 64-bit ARM, run under an emulator, it gives the same bits.

``make neon`` runs this. It needs ``aarch64-linux-gnu-g++`` and qemu's user-mode emulator (Debian:
``g++-aarch64-linux-gnu qemu-user-static``).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ("tests/native/one_run.cpp", "native/scratch.cpp", "native/isa_baseline.cpp")
FLAGS = (
    "-O3", "-std=c++17", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-Wno-psabi",
    "-Inative", "-static",
)  # fmt: skip


def printed(compiler: str, program: Path, *emulator: str) -> list[str]:
    """What the program prints once it is built, line by line."""
    subprocess.run([compiler, *FLAGS, *SOURCES, "-o", program], cwd=ROOT, check=True)
    done = subprocess.run([*emulator, program], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def main() -> int:
    """Build and run on both; exit code 0 if every number is equal."""
    emulator = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    if emulator is None or shutil.which("aarch64-linux-gnu-g++") is None:
        print("neon: needs aarch64-linux-gnu-g++ and qemu-aarch64, which are not here")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        here = printed("g++", Path(folder, "here"))
        there = printed("aarch64-linux-gnu-g++", Path(folder, "there"), emulator)
    wrong = 0
    for a, b in zip(here, there, strict=True):
        (name, *numbers), (_, *others) = a.split(), b.split()
        different = sum(x != y for x, y in zip(numbers, others, strict=True))
        print(f"{name}: {different} of {len(numbers)} numbers differ")
        wrong += different
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
