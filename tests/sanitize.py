"""The kernel's tests under the sanitizers of the compiler; ``make sanitize`` runs this.

A copy of the project is built in a folder of its own, twice: with the address and undefined-behaviour
sanitizers, and with the thread sanitizer. Threads are the standard library's, so the last one sees them
all. Exit code 0 means that there was no report; a leak check is left out, since Python never gives
everything back.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
KERNEL_TESTS = (
    "tests/lsnn_neuro/network/test_kernel.py", "tests/lsnn_neuro/network/test_operator.py",
    "tests/lsnn_neuro/network/test_native.py", "tests/lsnn_neuro/test_session.py",
    "tests/quantize/test_emulator_kernel.py", "tests/quantize/test_emulator_session.py",
)  # fmt: skip
NOT_HERE = (
    "all_instruction_sets or compiles or exported or forked or ctrl_c or without_the_extension"
)
"""Tests that start other processes or compilers, or measure time."""
THREADS = "tests/sanitize_threads.py"
RUNS = {
    "address,undefined": (
        "libasan.so",
        {"ASAN_OPTIONS": "detect_leaks=0:halt_on_error=1", "UBSAN_OPTIONS": "halt_on_error=1"},
        ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", f"not ({NOT_HERE})", *KERNEL_TESTS],
    ),
    "thread": ("libtsan.so", {"TSAN_OPTIONS": "halt_on_error=1"}, [THREADS]),
}  # fmt: skip


def copy(folder: Path) -> None:
    """Copy the project, without what was built."""
    unbuilt = shutil.ignore_patterns("_kernel*.so", "__pycache__")
    for source in ROOT.iterdir():
        if source.name in (".git", "models", "build") or source.name.startswith("."):
            continue
        if source.is_dir():
            shutil.copytree(source, folder / source.name, ignore=unbuilt)
        else:
            shutil.copy(source, folder)


def build(folder: Path, flags: str) -> None:
    """Build the extension of a copy in place."""
    subprocess.run(
        [sys.executable, "-c", BUILD], cwd=folder, env=os.environ | {"CXXFLAGS": flags}, check=True
    )


BUILD = """
import os, sysconfig, subprocess, glob
from concurrent.futures import ThreadPoolExecutor
import pybind11
flags = os.environ["CXXFLAGS"].split()
folders = ["native", sysconfig.get_paths()["include"], pybind11.get_include()]
common = ["g++", "-std=c++17", "-fPIC", "-pthread", "-fno-math-errno", "-fno-trapping-math",
          "-fvisibility=hidden", "-ffp-contract=off", "-Wno-psabi", *("-I" + f for f in folders), *flags]
def compile(source):
    subprocess.run([*common, "-c", source, "-o", source + ".o"], check=True)
    return source + ".o"
with ThreadPoolExecutor(2) as pool:
    objects = list(pool.map(compile, sorted(set(glob.glob("native/*.cpp")) - {"native/foreign.cpp"})))
name = "lsnn_neuro/_kernel" + sysconfig.get_config_var("EXT_SUFFIX")
subprocess.run(["g++", "-shared", "-pthread", *flags, *objects, "-o", name], check=True)
"""


def main() -> int:
    """Run all; gives the number of sanitizers that had something to report."""
    failed = 0
    for sanitizers, (library, options, arguments) in RUNS.items():
        with tempfile.TemporaryDirectory() as folder:
            copy(Path(folder))
            build(
                Path(folder),
                f"-fsanitize={sanitizers} -fno-omit-frame-pointer -g -O1 -fno-sanitize-recover=all",
            )
            found = subprocess.run(
                ["g++", f"-print-file-name={library}"], capture_output=True, text=True, check=True
            ).stdout.strip()
            stdcxx = subprocess.run(
                ["g++", "-print-file-name=libstdc++.so"], capture_output=True, text=True, check=True
            ).stdout.strip()
            environment = os.environ | options | {
                "LD_PRELOAD": f"{found} {stdcxx}", "PYTHONPATH": f"{folder}:{folder}/tests",
                "PYTHONMALLOC": "malloc", "OMP_NUM_THREADS": "2",
            }  # fmt: skip
            code = subprocess.run(
                [sys.executable, *arguments], cwd=folder, env=environment
            ).returncode
            print(
                f"{sanitizers}: {'0 reports' if code == 0 else f'failed, exit code {code}'}",
                flush=True,
            )
            failed += code != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
