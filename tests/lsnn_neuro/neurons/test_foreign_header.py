"""A neuron from another package brings a header and runs on the kernel."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys

import pytest
from foreign.adp import ADP
from foreign_package import FILES, HEADER, NEURON, install

from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network import kernel

pytestmark = pytest.mark.skipif(not kernel.available(), reason="native kernel not built")

SETUP = """
from setuptools import setup
from lsnn_neuro.network.kernel import foreign_extension
extension = foreign_extension("adp_kernel", "adp.hpp", "ADP")
extension.extra_compile_args.append("-O1")
setup(name="adp-kernel", py_modules=[], ext_modules=[extension])
"""
USE = """
import sys
sys.path[:0] = ["tests", "tests/lsnn_neuro/neurons", "tests/lsnn_neuro/network", sys.argv[1]]
import numpy as np, torch
import test_foreign_neuron as foreign
from exact_kernel import exact_distances
from lsnn_neuro.network.module import SpikingNetwork
from quantize.conversion import convert
from quantize.emulator import emulate, emulate_reference
from quantize.emulator_kernel import kernel_obstacle
spec = foreign.a_spec()
assert SpikingNetwork(spec).kernel_obstacle() is None
x = np.random.default_rng(1).random((40, 20, 3)) < 0.4
net = SpikingNetwork(spec)
learnt = [p for p in net.parameters() if p.requires_grad]
with exact_distances():
    output = net(torch.from_numpy(x))
    assert output.engine == "kernel"
    found = torch.autograd.grad(output.readout.square().mean() + output.rate.sum(), learnt, allow_unused=True)
loop = net.forward_loop(torch.from_numpy(x))
expected = torch.autograd.grad(loop.readout.square().mean() + loop.rate.sum(), learnt, allow_unused=True)
assert torch.equal(output.spikes, loop.spikes) and output.spikes.any()
for a, b in zip(found, expected):
    assert (a - b).abs().max() <= 1e-4 * b.abs().max(), (a, b)
network, _ = convert(spec)
assert kernel_obstacle(network) is None
np.testing.assert_array_equal(emulate(network, x).readout, emulate_reference(network, x)[1])
print("equal")
"""


@pytest.mark.slow
def test_a_foreign_header_computes_what_the_loop_computes(tmp_path, pytestconfig):
    install(tmp_path, NEURON | HEADER)
    shutil.copy(FILES / "adp.hpp", tmp_path)
    (tmp_path / "setup.py").write_text(SETUP)
    root = str(pytestconfig.rootpath)
    built = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    environment = {"PYTHONPATH": root, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(built, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    done = subprocess.run(
        [sys.executable, "-c", USE, str(tmp_path)], cwd=root, capture_output=True, text=True
    )
    assert done.stdout == "equal\n", done.stderr


def test_a_header_of_another_release_is_refused(monkeypatch):
    make = ctypes.pythonapi.PyCapsule_New
    make.restype, make.argtypes = (
        ctypes.py_object,
        [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p],
    )
    monkeypatch.setattr(kernel.HEADERS, "_added", {})
    kernel.HEADERS.add("old", lambda: make(1, b"lsnn_neuro.neuron.0", None))
    monkeypatch.setattr(ADP, "kernel", "old")
    with pytest.raises(NetworkError, match=r"kernel header 'old': .* compiled for another release"):
        kernel.obstacle(ADP)
