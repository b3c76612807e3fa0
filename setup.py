"""Builds the native kernel; without a C++ compiler the package installs all the same."""

from pathlib import Path

from pybind11.setup_helpers import Pybind11Extension
from setuptools import setup

FLAGS = [
    "-O3",
    "-pthread",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=off",  # no fused multiply-add: every instruction set computes the same floats
    "-Wno-psabi",
]

setup(
    ext_modules=[
        Pybind11Extension(
            "lsnn_neuro._kernel",
            [
                "native/module.cpp",
                "native/scratch.cpp",
                "native/isa_avx512.cpp",
                "native/isa_avx2.cpp",
                "native/isa_baseline.cpp",
            ],
            depends=sorted(map(str, Path("native").rglob("*.hpp"))),
            include_dirs=["native"],
            cxx_std=17,
            extra_compile_args=FLAGS,
            extra_link_args=["-pthread"],
            optional=True,
        )
    ]
)
