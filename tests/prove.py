"""The integer arithmetic against its definition, for every number there is; ``make prove`` runs this.

The definition is written out in tests/native/prove.cpp, one number at a time in 64 bits, and compared with
plain Python integers first. The kernel's functions are compiled by the very files that build it, once per
instruction set. Exit code 0 means that no number differs. ``prove.py avx2 numpy`` checks these parts alone.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [
    str(ROOT),
    str(ROOT / "tests"),
]  # the packages first: folders of tests/ have their names

import integer_oracle as oracle  # noqa: E402
import numpy as np  # noqa: E402

import deploy  # noqa: E402
from lsnn_neuro.errors import LSNNError  # noqa: E402
from lsnn_neuro.network.kernel import FLAGS, LANES  # noqa: E402
from quantize import arithmetic  # noqa: E402
from quantize.loihi import WEIGHT_EXP_MAX, WEIGHT_EXP_MIN  # noqa: E402

INSTRUCTION_SETS = ("avx512", "avx2", "baseline")
WIDEST = 2**24
"""States have 24 bits; ATRLIF's adaptation and refractory variable, which nothing clips, reach 2^24."""
INT32 = range(-(2**31), 2**31)
SUMS = range(-(2**26), 2**26)
"""What is shifted: the sum of a step and delay before the exponent, 16 bits by a design rule."""
SLICE = 2**24
CHUNK = 2**15
OTHERS = 64
CORES = os.cpu_count() or 1


class Checks:
    """Runs checks on all cores, prints a line for each and keeps count."""

    def __init__(self) -> None:
        self.wrong = self.numbers = 0
        self.pool = ThreadPoolExecutor(CORES)

    def run(self, what: str, numbers: int, check: Callable[[int], int], over: range) -> None:
        """``check`` gives how many numbers differ for a member of ``over``."""
        begin = time.perf_counter()
        wrong = sum(self.pool.map(check, over))
        seconds = time.perf_counter() - begin
        print(f"{what}: {numbers:,} numbers, {wrong:,} differ, {seconds:.0f} s", flush=True)
        self.wrong += wrong
        self.numbers += numbers


def build(folder: Path, name: str) -> ctypes.CDLL:
    """The checks of an instruction set."""
    library = folder / f"prove_{name}.so"
    command = ["g++", "-std=c++17", "-fPIC", "-shared", "-pthread", *FLAGS, "-Inative"]
    command += [f'-DLSNN_PROVED="isa_{name}.cpp"', "tests/native/prove.cpp", "native/scratch.cpp"]
    subprocess.run([*command, "-o", str(library)], cwd=ROOT, check=True)
    loaded = ctypes.CDLL(str(library))
    for function in ("wrong_decays", "wrong_saturations", "wrong_wraps"):
        if hasattr(loaded, function):
            getattr(loaded, function).restype = ctypes.c_int64
    return loaded


def call(function: Callable[..., int], *numbers: int) -> int:
    """A function of a library on 64-bit integers."""
    return function(*map(ctypes.c_int64, numbers))


def defined(library: ctypes.CDLL, name: str, first: int, n: int, *more: int) -> np.ndarray:
    """What the definition gives from ``first`` on, int64 (n,)."""
    to = np.empty(n, np.int64)
    pointer = to.ctypes.data_as(ctypes.POINTER(ctypes.c_int64))
    getattr(library, f"define_{name}")(*map(ctypes.c_int64, (first, n, *more)), pointer)
    return to


def slices(numbers: range) -> range:
    """Where the slices begin that are checked at once."""
    return range(numbers.start, numbers.stop, SLICE)


def check_definitions(checks: Checks, library: ctypes.CDLL) -> None:
    """The definitions against plain integers, around every edge and at random."""
    rng = np.random.default_rng(0)
    edges = [0, 4096, -4096, 2**23, -(2**23), WIDEST - 8, -WIDEST, 2**31 - 8, -(2**31)]
    places = [
        *(e - 8 for e in edges[:-1]),
        edges[-1],
        *map(int, rng.integers(-(2**31), 2**31 - 16, 40)),
    ]

    def wrong(name: str, plain: Callable[..., int], *more: int) -> int:
        return sum(
            defined(library, name, first, 16, *more).tolist()
            != [plain(s, *more) for s in range(first, first + 16)]
            for first in places
        )

    n = 16 * len(places)
    checks.run(
        "definition of decay, plain integers",
        4097 * n,
        partial(wrong, "decay", oracle.dec),
        range(4097),
    )
    exponents = range(WEIGHT_EXP_MIN, WEIGHT_EXP_MAX + 1)
    checks.run(
        "definition of shift, plain integers", len(exponents) * n,
        partial(wrong, "shift", oracle.times_power_of_two), exponents,
    )  # fmt: skip
    for name, plain in (("saturate", oracle.sat), ("wrap", oracle.wrapped)):
        checks.run(
            f"definition of {name}, plain integers",
            n,
            lambda _, a=name, b=plain: wrong(a, b),
            range(1),
        )


def check_kernel(checks: Checks, name: str, library: ctypes.CDLL, definitions: ctypes.CDLL) -> None:
    """The kernel's functions as an instruction set computes them."""
    n = WIDEST + LANES
    define = definitions.define_decay
    checks.run(
        f"kernel, {name}: decay, 4097 decays", 4097 * (2 * n - 1),
        lambda d: library.wrong_decays(*map(ctypes.c_int64, (0, n, d)), define), range(4097),
    )  # fmt: skip
    for what, function in (("saturate", library.wrong_saturations), ("wrap", library.wrong_wraps)):
        checks.run(
            f"kernel, {name}: {what}", len(INT32),
            lambda first, f=function: call(f, first, SLICE), slices(INT32),
        )  # fmt: skip


def check_numpy(checks: Checks, library: ctypes.CDLL) -> None:
    """The emulator's functions, which compute in 64 bits."""

    def wrong(name: str, begin: int, n: int, *more: int) -> int:
        count, function = 0, getattr(arithmetic, name)
        for first in range(begin, begin + n, CHUNK):
            many = min(CHUNK, begin + n - first)
            found = function(np.arange(first, first + many), *more)
            count += int((found != defined(library, name, first, many, *more)).sum())
        return count

    used = decays_in_use()
    rest = sorted(set(range(4097)) - set(used))
    others = [rest[k] for k in np.linspace(0, len(rest) - 1, OTHERS).astype(int)]
    n = 2 * WIDEST + 1
    for label, decays in ((f"{len(used)} in use", used), (f"{len(others)} others", others)):
        checks.run(
            f"NumPy: decay, {label}", len(decays) * n,
            lambda index, d=decays: wrong("decay", -WIDEST, n, d[index]), range(len(decays)),
        )  # fmt: skip
    for name in ("saturate", "wrap"):
        checks.run(
            f"NumPy: {name}",
            len(INT32),
            lambda first, f=name: wrong(f, first, SLICE),
            slices(INT32),
        )
    exponents = range(WEIGHT_EXP_MIN, WEIGHT_EXP_MAX + 1)
    checks.run(
        f"NumPy: shift, {len(exponents)} exponents", len(exponents) * len(SUMS),
        lambda first: sum(wrong("shift", first, SLICE, e) for e in exponents), slices(SUMS),
    )  # fmt: skip


def decays_in_use() -> list[int]:
    """All decays of the models of this repository."""
    found: set[int] = set()
    for folder in sorted(ROOT.glob("models/*/best.safetensors")):
        try:
            network = deploy.load(folder.parent).network
        except LSNNError:
            continue
        for p in network.populations if network else ():
            decays = [v for _, role, v in p.constants.numbers() if role.kind == "decay"]
            for values in [*decays, *([] if p.decay_i is None else [p.decay_i])]:
                found.update(values.tolist())
    return sorted(found)


def main(parts: list[str]) -> int:
    """Prove all, or some parts; exit code 1 if a number differs."""
    begin, checks = time.perf_counter(), Checks()
    with tempfile.TemporaryDirectory() as folder:
        built = checks.pool.map(partial(build, Path(folder)), INSTRUCTION_SETS)
        libraries = dict(zip(INSTRUCTION_SETS, built, strict=True))
        print(f"compiled in {time.perf_counter() - begin:.0f} s", flush=True)
        fastest = next(v for v in libraries.values() if v.runs_here())
        check_definitions(checks, fastest)
        for name, library in libraries.items():
            if not library.runs_here():
                print(f"kernel, {name}: not on this machine", flush=True)
            elif name in (parts or INSTRUCTION_SETS):
                check_kernel(checks, name, library, fastest)
        if "numpy" in (parts or ["numpy"]):
            check_numpy(checks, fastest)
    seconds = time.perf_counter() - begin
    print(f"{checks.numbers:,} numbers, {checks.wrong:,} differ, {seconds:.0f} s")
    return int(checks.wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
