"""w[j, i] = 10 j + i leads from i to j: in a graph, in integers, through files and back, and on Lava."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import numpy.typing as npt
import pytest
import torch
from nir_graphs import each, graph_of
from on_lava import lava
from random_networks import li, neurons
from same import differences

import deploy
from deploy.interchange import netx
from deploy.interchange import nir as nir_files
from deploy.interchange.extension import EXTENSION
from deploy.interchange.nir_read import from_nir
from lsnn_neuro.network.dynamics import simulate
from lsnn_neuro.network.graph import INPUT
from lsnn_neuro.network.kernel import SWITCH
from lsnn_neuro.network.module import SpikingNetwork
from lsnn_neuro.network.real import Real
from lsnn_neuro.network.spec import NetworkSpec
from quantize.emulator import emulate, trace
from quantize.emulator_kernel import kernel_obstacle
from quantize.network import QuantizedNetwork, QuantizedProjection

N, OUT, EVERY = 4, 5, 3
"""Inputs and neurons, what they are read by, and the steps from one input spike to the next."""
DRIVE, THRESHOLD = 254, 200
"""An input makes its own neuron spike; no sum of feedback does."""
SKIP = 100
"""What an input adds to its synapses onto the readout, so that they are told from the neurons'."""

Numbers = npt.NDArray[Any]


def w(rows: int, add: int = 0) -> Numbers:
    return np.array([[add + 10 * j + i for i in range(N)] for j in range(rows)])


def one_hot(kind: Any = np.bool_) -> Numbers:
    """Input i alone spikes, in step EVERY i."""
    x = np.zeros((EVERY * N, 1, N), kind)
    for i in range(N):
        x[EVERY * i, 0, i] = 1
    return x


def check(readout: Numbers, membranes: Numbers | None, *, skip: bool = True) -> None:
    """What each step brings, against the columns; (time, output) and (time, neuron), in units of w.

    The neuron answers its input at once, feedback comes a step later, as do the inputs onto the readout.
    """
    steps = np.diff(readout, axis=0, prepend=np.zeros((1, OUT)))
    for i in range(N):
        at = EVERY * i
        assert steps[at].tolist() == [10 * j + i for j in range(OUT)]
        assert steps[at + 1].tolist() == [(SKIP + 10 * j + i) * skip for j in range(OUT)]
        assert not steps[at + 2].any()
        if membranes is not None:
            fed_back = membranes[at + 1] - membranes[at]
            assert fed_back.tolist() == [10 * j + i for j in range(N)]


def projection(source: str, target: str, weight: Numbers, delay: int = 0) -> QuantizedProjection:
    return QuantizedProjection.of_matrix(
        f"{source}->{target}", source, target, weight, np.full(weight.shape, delay), 0, "excitatory"
    )


def by_hand(*, skip: bool = True) -> QuantizedNetwork:
    """Neurons that pass their input on and feed back, and a readout; the mantissas are w."""
    links = [projection(INPUT, "readout", w(OUT, SKIP), delay=1)] if skip else []
    return QuantizedNetwork(
        n_inputs=N,
        populations=(
            neurons("if", "loop", vth=[64 * THRESHOLD] * N, reset="to", scale=64.0),
            li("readout", [0] * OUT, scale=64.0),
        ),
        projections=(
            projection(INPUT, "loop", DRIVE * np.eye(N, dtype=int)),
            projection("loop", "loop", w(N)),
            projection("loop", "readout", w(OUT)),
            *links,
        ),
    )  # fmt: skip


def graph() -> nir.NIRGraph:
    return graph_of(
        [
            ("input", "in"), ("in", "loop"), ("loop", "back"), ("back", "loop"), ("loop", "out"),
            ("out", "sum"), ("input", "late"), ("late", "skip"), ("skip", "sum"), ("sum", "output"),
        ],
        input=N, loop=nir.IF(*each(N, 1000.0, THRESHOLD)), sum=nir.I(*each(OUT, 1000.0)), output=OUT,
        late=nir.Delay(np.full(N, 1e-3)),
        **{
            name: nir.Linear(np.asarray(weight, float))
            for name, weight in {
                "in": DRIVE * np.eye(N), "back": w(N), "out": w(OUT), "skip": w(OUT, SKIP),
            }.items()
        },
    )  # fmt: skip


def check_float(spec: NetworkSpec | None) -> None:
    assert spec is not None
    net = SpikingNetwork(spec, dtype=torch.float64)
    loop, readout = (p.name for p in spec.populations)
    x = torch.from_numpy(one_hot(np.float64)).unbind(0)
    with torch.no_grad():
        states = [s.populations for s in simulate(net.running(), net.at_rest(1), x, Real())]
    check(*(np.array([s[name].v[0].numpy() for s in states]) for name in (readout, loop)))


def check_integers(
    network: QuantizedNetwork, *, skip: bool = True, unit: float | None = None
) -> None:
    """The integers of all steps; unit: membrane units of 1 in w, by default each population's scale."""
    loop, readout = (unit or p.scale for p in network.populations)
    record = emulate(network, one_hot())
    np.testing.assert_array_equal(record.spikes[0].spikes, one_hot())
    membranes = np.array([s[0]["v"] for s in trace(network, one_hot()[:, 0])]) / loop
    check(record.readout[:, 0] / readout, membranes, skip=skip)


def test_a_graph_in_memory_leads_from_column_to_row() -> None:
    found = from_nir(graph(), "nir", dt=1.0)
    check_float(found.spec)
    check_integers(found.network)
    report = deploy.parity(found, inputs=one_hot())
    assert (report.failed, report.levels["P1"].spikes) == ([], N)


@pytest.mark.parametrize("engine", ["kernel", "loop"])
def test_so_do_the_integers(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "on" if engine == "kernel" else "off")
    for network in (by_hand(), from_nir(graph(), "nir", dt=1.0).network):
        assert (kernel_obstacle(network) is None) == (engine == "kernel")
        check_integers(network)


def test_so_does_a_nir_file(tmp_path: Path) -> None:
    nir_files.save(by_hand(), tmp_path / "a.nir")
    nodes = nir.read(tmp_path / "a.nir").nodes.values()
    written = [node.weight for node in nodes if isinstance(node, nir.Affine)]
    for weight in (w(N), w(OUT), w(OUT, SKIP)):  # as any other reader has them
        assert sum(np.array_equal(weight, other) for other in written) == 1
    found = nir_files.read(tmp_path / "a.nir", "lsnn-neuro")
    check_float(found.spec)
    check_integers(found.network)
    nir_files.save(by_hand(), tmp_path / "b.nir", extended=True)
    assert differences(nir_files.load(tmp_path / "b.nir"), by_hand()) == []


def test_so_does_a_netx_file(tmp_path: Path) -> None:
    network, path = by_hand(skip=False), tmp_path / "a.net"  # netx knows chains alone
    netx.save(network, path)
    assert differences(netx.load(path), network) == []
    with h5py.File(path, "a") as file:
        np.testing.assert_array_equal(file["layer/0/weight_rec"], w(N))
        np.testing.assert_array_equal(file["layer/1/weight"], w(OUT))
        del file[EXTENSION]
    check_integers(netx.load(path), skip=False, unit=64)  # now it is its layers that are read


def test_so_does_lava() -> None:
    network = by_hand()
    record = lava().run(network, one_hot())
    np.testing.assert_array_equal(record.spikes[0].spikes, one_hot())
    check(network.to_float(record.readout)[:, 0], None)
