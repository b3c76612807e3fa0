"""Builds the native kernel; without a C++ compiler the package installs all the same."""

from pybind11.setup_helpers import Pybind11Extension
from setuptools import setup

FLAGS = [
    "-O3",
    "-fopenmp",
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
                "native/simd_avx512.cpp",
                "native/simd_avx2.cpp",
                "native/simd_baseline.cpp",
            ],
            depends=[
                "native/types.hpp",
                "native/simd.hpp",
                "native/kernel.hpp",
                "native/entry.hpp",
            ],
            cxx_std=17,
            extra_compile_args=FLAGS,
            extra_link_args=["-fopenmp"],
            optional=True,
        )
    ]
)
