"""NIR's primitives, one by one: what they compute here is what torch, or their equation, computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch
from nir_graphs import graph_of, lif, linear, relay
from tiny_runs import succeed
from torch import nn

from deploy.interchange.nir import read
from deploy.interchange.nir_linear import LINEAR
from deploy.interchange.nir_read import from_nir
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.double import run_in_double


def unrolled(node: Any, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    matrix, shape = LINEAR[type(node)]("n", node, x.shape)
    return np.asarray(matrix @ x.ravel()).reshape(shape)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    ("padding", "dilation", "groups"), [(0, 1, 1), (2, 2, 2), ("same", 2, 1), ("valid", 1, 2)]
)  # fmt: skip
def test_a_convolution_unrolls_to_what_torch_computes(
    stride: int, padding: Any, dilation: int, groups: int
) -> None:
    if padding == "same" and stride > 1:
        pytest.skip("torch has no such convolution")
    rng = np.random.default_rng(1)
    for conv, x, kernel, kind in (
        (nn.functional.conv1d, rng.normal(size=(4, 11)), (3,), nir.Conv1d),
        (nn.functional.conv2d, rng.normal(size=(4, 9, 11)), (3, 2), nir.Conv2d),
    ):
        weight, bias = rng.normal(size=(6, 4 // groups, *kernel)), np.zeros(6)
        own = x.shape[1:] if len(kernel) > 1 else x.shape[1]
        node = kind(own, weight, stride, padding, dilation, groups, bias)
        wanted = conv(
            torch.from_numpy(x)[None], torch.from_numpy(weight), None, stride, padding, dilation, groups
        )  # fmt: skip
        np.testing.assert_allclose(unrolled(node, x), wanted[0].numpy(), atol=1e-12)


def test_an_import_says_that_a_convolutions_weights_are_no_longer_tied(tmp_path: Path) -> None:
    graph = graph_of(
        input=(2, 4, 4), first=nir.Conv2d((4, 4), np.ones((3, 2, 2, 2)), 1, 0, 1, 1, np.zeros(3)),
        a=nir.LIF(*(np.full((3, 3, 3), value) for value in (0.02, 1, 0, 1))),
        second=nir.Conv2d((3, 3), np.ones((1, 3, 3, 3)), 1, 0, 1, 1, np.zeros(1)), b=lif(), output=1,
    )  # fmt: skip
    nir.write(tmp_path / "a.nir", graph)
    said = "shared weights are unrolled into synapses, which training changes one by one"
    notes = read(tmp_path / "a.nir", "nir", dt=1.0).notes
    assert [note for note in notes if said in note] == [
        f"layer 'first': its 24 {said}", f"layer 'second': its 27 {said}",
    ]  # fmt: skip
    words = ("import", "nir", tmp_path / "a.nir", "--from", "nir", "--dt", 1)
    out = succeed(*words, "--out", tmp_path / "b.safetensors").output
    assert all(note in out.splitlines() for note in notes)


def test_pools_unroll_to_what_torch_computes() -> None:
    x = np.random.default_rng(2).normal(size=(3, 8, 9))
    pair = [np.array(v) for v in ((2, 3), (2, 2), (1, 1))]
    mean = nn.functional.avg_pool2d(torch.from_numpy(x)[None], (2, 3), 2, 1)[0].numpy()
    np.testing.assert_allclose(unrolled(nir.AvgPool2d(*pair), x), mean, atol=1e-12)
    np.testing.assert_allclose(unrolled(nir.SumPool2d(*pair), x), 6 * mean, atol=1e-12)


def test_a_whole_network_with_convolutions_is_what_its_layers_compute() -> None:
    rng = np.random.default_rng(3)
    conv, fc = rng.normal(size=(3, 2, 3, 3)), rng.normal(size=(5, 27))
    graph = graph_of(
        input=(2, 6, 6), conv=nir.Conv2d((6, 6), conv, 1, 1, 1, 1, rng.normal(size=3)),
        pool=nir.SumPool2d(*[np.array([2, 2])] * 2, np.array([0, 0])),
        flat=nir.Flatten({"input": None}, 0, -1), fc=linear(*fc), scale=nir.Scale(np.full(5, 2.0)),
        output=5,
    )  # fmt: skip
    x = rng.integers(0, 2, (7, 2, 72)).astype(float)
    _, readout = run_in_double(from_nir(graph, "nir", dt=1.0).spec, x)
    images = torch.from_numpy(x.reshape(14, 2, 6, 6))
    bias = torch.from_numpy(np.array(graph.nodes["conv"].bias))
    wanted = nn.functional.conv2d(images, torch.from_numpy(conv), bias, 1, 1)
    wanted = 4 * nn.functional.avg_pool2d(wanted, 2).flatten(1) @ torch.from_numpy(fc.T) * 2
    np.testing.assert_allclose(readout.reshape(14, 5), wanted.numpy(), atol=1e-12)


def test_nothing_is_transposed() -> None:
    n_in, n_out = 3, 4
    weight = np.array([[10.0 * j + i + 1 for i in range(n_in)] for j in range(n_out)])
    graph = graph_of(input=n_in, w=linear(*weight), output=n_out)
    _, readout = run_in_double(from_nir(graph, "nir", dt=1.0).spec, np.eye(n_in)[:, None])
    np.testing.assert_array_equal(readout[:, 0], weight.T)
    recurrent = graph_of(
        [("input", "a"), ("a", "output"), ("a", "w"), ("w", "a")],
        input=3, a=relay(3), w=linear([0, 0, 0], [1, 0, 0], [0, 1, 0]), output=3,
    )  # fmt: skip
    x = np.zeros((4, 1, 3))
    x[0, 0, 0] = 1
    spikes, _ = run_in_double(from_nir(recurrent, "nir", dt=1.0).spec, x)
    np.testing.assert_array_equal(spikes["a"][:3, 0], np.eye(3))  # 0 excites 1, and 1 excites 2


def test_if_i_and_li_integrate_their_equations() -> None:
    n = np.ones(1)
    x = np.array([1.0, 0, 0, 1, 0, 0])[:, None, None]
    for node, wanted in (
        (nir.I(250 * n), [0.25, 0.25, 0.25, 0.5, 0.5, 0.5]),
        (nir.LI(0.02 * n, 3 * n, 0 * n),
         3 * (1 - np.exp(-0.05)) * np.convolve(x[:, 0, 0], np.exp(-0.05 * np.arange(6)))[:6]),
    ):  # fmt: skip
        _, readout = run_in_double(
            from_nir(graph_of(input=1, n=node, output=1), "nir", dt=1.0).spec, x
        )
        np.testing.assert_allclose(readout[:, 0, 0], wanted, atol=1e-12)
    graph = graph_of(input=1, n=nir.IF(250 * n, 0.6 * n), output=1)
    spikes, _ = run_in_double(from_nir(graph, "nir", dt=1.0).spec, np.ones((9, 1, 1)))
    assert np.flatnonzero(spikes["n"]).tolist() == [2, 5, 8]


def test_a_cuba_li_is_read_behind_its_current() -> None:
    n = np.ones(1)
    node = nir.CubaLI(tau_syn=0.005 * n, tau_mem=0.02 * n, r=2 * n, v_leak=0 * n, w_in=3 * n)
    x = np.zeros((40, 1, 1))
    x[2] = 1
    _, readout = run_in_double(from_nir(graph_of(input=1, n=node, output=1), "nir", dt=1.0).spec, x)
    i = v = 0.0
    for t in range(40):
        i = np.exp(-0.2) * i + (1 - np.exp(-0.2)) * 3 * x[t, 0, 0]
        v = np.exp(-0.05) * v + (1 - np.exp(-0.05)) * 2 * i
        assert readout[t, 0, 0] == pytest.approx(v, abs=1e-12)


def test_several_linear_maps_in_a_row_are_multiplied() -> None:
    a, b, c = (np.random.default_rng(s).normal(size=(3, 3)) for s in range(3))
    graph = graph_of(input=3, a=linear(*a), b=linear(*b), c=linear(*c), n=lif(3), output=3)
    (projection,) = from_nir(graph, "nir", dt=1.0).spec.projections
    np.testing.assert_allclose(projection.weight.reshape(3, 3), c @ b @ a, atol=1e-12)


def test_subgraphs_are_opened() -> None:
    inner = graph_of(
        [("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")],
        input=2, lif=lif(2), w_rec=linear([0, 0.5], [0.5, 0]), output=2,
    )  # fmt: skip
    graph = graph_of(input=2, fc=linear([1, 0], [0, 1]), cell=inner, output=2)
    flat = graph_of(
        [("input", "fc"), ("fc", "cell.lif"), ("cell.lif", "w"), ("w", "cell.lif"), ("cell.lif", "output")],
        **{"input": 2, "fc": linear([1, 0], [0, 1]), "cell.lif": lif(2), "w": linear([0, 0.5], [0.5, 0]),
           "output": 2},
    )  # fmt: skip
    one, two = (from_nir(g, "nir", dt=1.0).spec for g in (graph, flat))
    assert [p.name for p in one.populations] == [p.name for p in two.populations] == ["cell_lif"]
    for p, q in zip(one.projections, two.projections, strict=True):
        np.testing.assert_array_equal(p.weight, q.weight)


def test_an_input_with_an_axis_for_samples_is_taken() -> None:
    graph = graph_of(input=(1, 3), w=linear([1, 2, 3]), n=lif(), output=1)
    assert from_nir(graph, "nir", dt=1.0).spec.n_inputs == 3


def test_what_would_be_mad_to_unroll_is_refused_with_the_number_of_synapses() -> None:
    conv = nir.Conv2d((512, 512), np.ones((64, 64, 5, 5)), 1, 2, 1, 1, np.zeros(64))
    graph = graph_of(input=(64, 512, 512), c=conv, output=1)
    with pytest.raises(NetworkError, match=r"'c': unrolled it has 26[0-9]{9} synapses, at most"):
        from_nir(graph, "nir", dt=1.0)
