"""Frameworks pass a spike on in the same step; here a hop takes one, and nothing comes too early or late."""

from __future__ import annotations

import time
from pathlib import Path

import h5py
import nir
import numpy as np
import pytest
from nir_graphs import graph_of, lif, linear, relay

from deploy.imported import Imported
from deploy.interchange.nir import read
from deploy.interchange.nir_read import from_nir
from lsnn_neuro.errors import FileFormatError, LSNNError, NetworkError
from lsnn_neuro.network.double import run_in_double


def lags(found: Imported) -> dict[str, int]:
    return {layer.node: layer.lag for layer in found.layers}


def one_spike_in(found: Imported, steps: int = 12) -> dict[str, list[int]]:
    """The steps in which each population spikes after a single input spike in step 0."""
    x = np.zeros((steps, 1, 1))
    x[0] = 1
    spikes, _ = run_in_double(found.spec, x)
    return {name: np.flatnonzero(s).tolist() for name, s in spikes.items()}


def test_a_skip_connection_waits_for_what_it_overtakes() -> None:
    graph = graph_of(
        [("input", "a"), ("a", "b"), ("b", "w"), ("w", "c"), ("input", "v"), ("v", "c"), ("c", "output")],
        input=1, a=relay(), b=relay(), w=linear(0.3), v=linear(0.3), c=relay(), output=1,
    )  # fmt: skip
    found = from_nir(graph, "nir", dt=1.0)
    assert lags(found) == {"a": 0, "b": 1, "c": 2}
    assert one_spike_in(found) == {"a": [0], "b": [1], "c": [2]}  # 0.3 alone would not do
    delays = {p.source: p.delay.tolist() for p in found.spec.into("c")}
    assert delays == {"b": [0], "input": [2]}


def test_a_delay_node_is_a_delay_in_the_framework_too() -> None:
    graph = graph_of(input=1, d=nir.Delay(np.array([0.003])), a=relay(), output=1)
    assert one_spike_in(from_nir(graph, "nir", dt=1.0)) == {"a": [3]}


def test_feedback_of_a_population_onto_itself_takes_a_step() -> None:
    graph = graph_of(
        [("input", "a"), ("a", "w"), ("w", "a"), ("a", "output")],
        input=1, a=relay(), w=linear(1.0), output=1,
    )  # fmt: skip
    assert one_spike_in(from_nir(graph, "nir", dt=1.0), 5) == {"a": [0, 1, 2, 3, 4]}


def feedback(delay: float) -> nir.NIRGraph:
    """Two populations in a loop, and the way back delayed besides."""
    return graph_of(
        [("input", "a"), ("a", "b"), ("b", "d"), ("d", "w"), ("w", "a"), ("b", "output")],
        input=1, a=relay(), b=relay(), d=nir.Delay(np.array([delay])), w=linear(1.0), output=1,
    )  # fmt: skip


def test_feedback_over_two_populations_is_refused_by_name_or_uses_up_a_delay() -> None:
    with pytest.raises(NetworkError, match="node 'b': feeds back to 'a' in one step"):
        from_nir(feedback(0.0), "nir", dt=1.0)
    found = from_nir(feedback(0.003), "nir", dt=1.0)
    # there: a and b in steps 0, 4, 8; here b lags one step, and the loop still takes four
    assert one_spike_in(found) == {"a": [0, 4, 8], "b": [1, 5, 9]}


def test_a_bias_begins_with_the_first_input_that_can_arrive() -> None:
    two = nir.Affine(np.eye(1), np.array([0.3]))
    graph = graph_of(input=1, a=relay(), w=two, b=nir.IF(np.full(1, 1000.0), np.ones(1)), output=1)
    found = from_nir(graph, "nir", dt=1.0)
    spikes, _ = run_in_double(found.spec, np.zeros((14, 1, 1)))
    # 0.3 a step passes 1 in the fourth step of the layer, which lags one step
    assert np.flatnonzero(spikes["b"]).tolist() == [4, 8, 12]
    assert [p.name for p in found.spec.populations] == ["a", "b", "bias"]


def test_a_bias_before_a_synaptic_current_goes_through_it() -> None:
    n = np.ones(1)
    node = nir.CubaLI(tau_syn=0.005 * n, tau_mem=0.02 * n, r=n, v_leak=0 * n, w_in=n)
    graph = graph_of(input=1, w=nir.Affine(np.eye(1), np.array([2.0])), n=node, output=1)
    found = from_nir(graph, "nir", dt=1.0)
    _, readout = run_in_double(found.spec, np.zeros((30, 1, 1)))
    i = v = 0.0
    late = lags(found)["n"]
    for t in range(30 - late):
        i = np.exp(-0.2) * i + (1 - np.exp(-0.2)) * 2
        v = np.exp(-0.05) * v + (1 - np.exp(-0.05)) * i
        assert readout[t + late, 0, 0] == pytest.approx(v, abs=1e-12)


def test_a_constant_beside_a_synaptic_current_begins_with_the_first_input_too() -> None:
    n = np.ones(1)
    node = nir.CubaLIF(
        tau_syn=0.005 * n, tau_mem=0.02 * n, r=n, v_leak=2 * n, v_threshold=n, w_in=3 * n, v_reset=0 * n
    )  # fmt: skip
    graph = graph_of(input=1, a=relay(), w=linear(4.0), n=node, output=1)
    found = from_nir(graph, "nir", dt=1.0)
    assert [p.name for p in found.spec.populations] == ["a", "n", "bias", "start"]
    x = (np.random.default_rng(1).random((300, 1, 1)) < 0.2).astype(float)
    spikes, _ = run_in_double(found.spec, x)
    i = v = 0.0
    for t in range(299):
        i = np.exp(-0.2) * i + (1 - np.exp(-0.2)) * 12 * x[t, 0, 0]
        v = np.exp(-0.05) * v + (1 - np.exp(-0.05)) * (2 + i)
        assert spikes["n"][t + 1, 0, 0] == (v > 1)
        v = 0.0 if v > 1 else v
    assert spikes["n"].sum() > 20
    assert np.flatnonzero(spikes["start"]).tolist() == [0]


def ladder(n: int) -> nir.NIRGraph:
    """2^n paths from the input to the neuron."""
    nodes = {"input": 1, "a0": linear(1.0)}
    edges = [("input", "a0")]
    for i in range(n):
        nodes |= {f"l{i}": linear(0.5), f"r{i}": linear(0.5), f"a{i + 1}": linear(1.0)}
        edges += [
            (f"a{i}", f"l{i}"), (f"a{i}", f"r{i}"), (f"l{i}", f"a{i + 1}"), (f"r{i}", f"a{i + 1}"),
        ]  # fmt: skip
    return graph_of([*edges, (f"a{n}", "n"), ("n", "output")], **nodes, n=lif(), output=1)


def chain(n: int, neurons: bool) -> nir.NIRGraph:
    nodes = {f"n{i}": lif() if neurons else linear(1.0) for i in range(n)}
    return graph_of(input=1, **nodes, last=lif(), output=1)


@pytest.mark.parametrize(
    ("graph", "taken", "seconds"),
    [
        (ladder(18), True, 1), (ladder(30), True, 1), (chain(1500, False), False, 1),
        (chain(1500, True), False, 1), (chain(300, False), True, 2), (chain(300, True), False, 2),
    ],
)  # fmt: skip
def test_large_graphs_are_taken_or_refused_in_a_moment(
    graph: nir.NIRGraph, taken: bool, seconds: float, tmp_path: Path
) -> None:
    nir.write(tmp_path / "a.nir", graph)
    start = time.process_time()
    if taken:
        found = read(tmp_path / "a.nir", "nir", dt=1.0)
        assert found.spec is not None
        np.testing.assert_allclose(found.spec.projections[0].weight, [1.0])
    else:
        with pytest.raises(NetworkError, match="allowed are"):
            read(tmp_path / "a.nir", "nir", dt=1.0)
    assert time.process_time() - start < seconds


@pytest.mark.parametrize("kind", ["soft", "hard", "external"])
def test_links_that_lead_in_circles_or_out_of_the_file_are_refused(
    kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.nir"
    with h5py.File(path, "w") as file:
        group = file.create_group("node/nodes")
        links = {"soft": h5py.SoftLink("/node"), "external": h5py.ExternalLink("other.nir", "/")}
        for name in "ab":
            group[name] = links[kind] if kind in links else file["node"]
    start = time.process_time()
    with pytest.raises(FileFormatError, match="/node/nodes/a is a"):
        read(path, "nir", dt=1.0)
    assert time.process_time() - start < 1


def test_a_file_of_many_nodes_in_memory_is_refused_too() -> None:
    with pytest.raises(LSNNError, match="allowed are 1000"):
        from_nir(chain(1500, False), "nir", dt=1.0)
