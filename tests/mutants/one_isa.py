"""The kernel for one instruction set, quickly: the one that every CPU has, little optimized.

A source whose text, headers included, has been compiled before is not compiled again.
"""

from __future__ import annotations

import hashlib
import subprocess
import sysconfig
from pathlib import Path

import pybind11

FLAGS = (
    "-std=c++17", "-O1", "-fPIC", "-pthread", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden",
    "-ffp-contract=off", "-Wno-psabi", "-Inative", f"-I{sysconfig.get_paths()['include']}",
    f"-I{pybind11.get_include()}",
)  # fmt: skip
SOURCES = ("native/module.cpp", "native/scratch.cpp", "native/isa_baseline.cpp")
OTHERS = """\
#include "network.hpp"
const Engine &engine_avx2() { return engine_baseline(); }
const Engine &engine_avx512() { return engine_baseline(); }
void kernels_avx2(Neuron *) {}
void kernels_avx512(Neuron *) {}
"""
"""What stands for the instruction sets that are left out."""
NAME = "lsnn_neuro/_kernel" + str(sysconfig.get_config_var("EXT_SUFFIX"))


def build(folder: Path, objects: Path) -> Path:
    """Build the extension of a copy of the project in place; CalledProcessError if it does not compile.

    - objects: where what is compiled is kept
    """
    others = "native/isa_others.cpp"
    (folder / others).write_text(OTHERS)
    compiled = [_compiled(folder, source, objects) for source in (*SOURCES, others)]
    to = folder / NAME
    to.unlink(missing_ok=True)  # never changed under a process that has it open
    subprocess.run(["g++", "-shared", "-pthread", *compiled, "-o", to], cwd=folder, check=True)
    return to


def _compiled(folder: Path, source: str, objects: Path) -> Path:
    text = subprocess.run(
        ["g++", *FLAGS, "-E", "-P", source], cwd=folder, check=True, capture_output=True
    ).stdout
    found = objects / f"{hashlib.sha256(text).hexdigest()[:24]}.o"
    if not found.exists():
        new = found.with_name(f"{found.stem}.{folder.name}.new")
        subprocess.run(["g++", *FLAGS, "-c", source, "-o", new], cwd=folder, check=True)
        new.replace(found)
    return found
