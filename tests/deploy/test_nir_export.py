"""NIR without an extension: only NIR's own words, and the network comes back by them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import nir
import numpy as np
import numpy.typing as npt
import pytest
from lif_networks import lif_network
from nir_graphs import graph_of, lif
from random_networks import random_inputs
from same import differences

from deploy.interchange.extension import EXTENSION
from deploy.interchange.nir import read, save
from deploy.interchange.nir_read import from_nir
from lsnn_neuro.errors import FileFormatError
from lsnn_neuro.network.double import run_in_double
from quantize.conversion import convert, to_spec
from quantize.network import QuantizedNetwork


def renamed(network: QuantizedNetwork) -> QuantizedNetwork:
    """The network with the names that nodes have, its projections as reading orders them."""
    names = {p.name: f"population{i}" for i, p in enumerate(network.spiking)}
    names |= {"input": "input", "readout": "readout"}
    return replace(
        network,
        populations=tuple(replace(p, name=names[p.name]) for p in network.populations),
        projections=tuple(
            replace(q, source=names[q.source], target=names[q.target]) for q in network.projections
        ),
    )


def synapses(network: QuantizedNetwork) -> dict[tuple[str, str, int], npt.NDArray[np.float64]]:
    """Integer weights by source, target and delay, (target, source)."""
    found: dict[tuple[str, str, int], npt.NDArray[np.float64]] = {}
    for q in network.projections:
        for d in np.unique(q.delay).tolist():
            here = q.delay == d
            weight = found.setdefault((q.source, q.target, d), np.zeros((q.n_target, q.n_source)))
            weight[q.target_index[here], q.source_index[here]] += (
                q.weight_mant[here] * 2.0**q.weight_exp
            )
    return found


@pytest.mark.parametrize("all_words", [False, True])
def test_a_file_holds_nodes_of_nir_and_nothing_of_ours(tmp_path: Path, all_words: bool) -> None:
    save(lif_network(3, all_words=all_words), tmp_path / "a.nir")
    graph = nir.read(tmp_path / "a.nir")  # its types checked
    assert graph.metadata == {}
    kinds = {type(node) for node in graph.nodes.values()}
    neurons = {nir.CubaLIF, nir.LIF, nir.CubaLI} if all_words else {nir.LIF, nir.LI}
    assert kinds <= {nir.Input, nir.Output, nir.Affine, nir.Delay} | neurons | {nir.LI}
    with h5py.File(tmp_path / "a.nir") as file:
        found: list[str] = []
        file.visit(found.append)
    assert not any(EXTENSION in name for name in found)
    assert any(name.endswith("v_reset") for name in found) == all_words


@pytest.mark.parametrize("all_words", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_its_float_network_does_what_the_integers_stand_for(
    tmp_path: Path, seed: int, all_words: bool
) -> None:
    network = lif_network(seed, all_words=all_words)
    save(network, tmp_path / "a.nir")
    found = read(tmp_path / "a.nir")
    assert found.reading["dialect"] == "lsnn-neuro"
    inputs = random_inputs(seed, network, n_steps=100, n_samples=2)
    ours, readout = run_in_double(to_spec(network), inputs)
    theirs, read_out = run_in_double(found.spec, inputs)
    assert sum(int(s.sum()) for s in ours.values()) > 100
    for i, p in enumerate(network.spiking):
        np.testing.assert_array_equal(theirs[f"population{i}"], ours[p.name])
    np.testing.assert_allclose(read_out, readout, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("all_words", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_a_network_at_the_scales_of_the_converter_comes_back_in_equal_integers(
    tmp_path: Path, seed: int, all_words: bool
) -> None:
    drawn = to_spec(
        lif_network(seed, all_words=all_words)
    )  # floats, which the converter then scales
    spec = replace(
        drawn,
        populations=tuple(replace(p, scale=None) for p in drawn.populations),
        projections=tuple(replace(q, weight_exp=None) for q in drawn.projections),
    )
    network, _ = convert(spec)
    save(network, tmp_path / "a.nir")
    found, wanted = read(tmp_path / "a.nir").network, renamed(network)
    assert differences(wanted.populations, found.populations) == []
    one, two = synapses(wanted), synapses(found)
    assert one.keys() == two.keys()
    for key, weight in one.items():
        np.testing.assert_array_equal(two[key], weight, err_msg=str(key))


@pytest.mark.parametrize("extended", [False, True])
def test_the_offset_of_a_readout_is_an_affine_behind_it(tmp_path: Path, extended: bool) -> None:
    plain = lif_network(2)
    readout = replace(plain.readouts[0], offset=np.array([0.5, 0.0, -3.0]))
    network = replace(plain, populations=(*plain.spiking, readout))
    save(network, tmp_path / "a.nir", extended=extended)
    found = read(tmp_path / "a.nir")
    assert found.network.readouts[0].offset.tolist() == [0.5, 0.0, -3.0]
    graph = nir.read(tmp_path / "a.nir")
    assert [a for a, b in graph.edges if b == "output"] == ["readout_offset"]
    if extended:
        assert differences(found.network, network) == []
        return
    inputs = random_inputs(2, network, n_steps=100, n_samples=2)
    wanted, got = (run_in_double(s, inputs)[1] for s in (to_spec(network), found.spec))
    np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-9)
    assert got[0, 0].tolist() != [0.5, 0.0, -3.0]


def test_what_is_added_to_spikes_is_no_offset_of_theirs(tmp_path: Path) -> None:
    graph = graph_of(input=1, a=lif(), more=nir.Affine(np.eye(1), np.ones(1)), output=1)
    found = from_nir(graph, "nir", dt=1.0)
    assert found.spec.outputs == ("readout",)
    x = np.zeros((3, 1, 1))
    assert run_in_double(found.spec, x)[1].ravel().tolist() == [1.0, 1.0, 1.0]


def test_a_scale_that_the_converter_would_not_choose_is_lost(tmp_path: Path) -> None:
    network = lif_network(0)
    save(network, tmp_path / "plain.nir")
    save(network, tmp_path / "extended.nir", extended=True)
    plain, extended = (read(tmp_path / f"{name}.nir").network for name in ("plain", "extended"))
    scales = [p.scale for p in network.populations]
    assert [p.scale for p in extended.populations] == scales
    assert [p.scale for p in plain.populations] != scales
    notes = (read(tmp_path / f"{name}.nir").notes for name in ("plain", "extended"))
    assert [any("quantized anew" in note for note in said) for said in notes] == [True, False]


def test_signs_of_a_pair_share_a_matrix_and_feedback_comes_before_the_readout(
    tmp_path: Path,
) -> None:
    """Readers built on nirtorch take the node that they come to last for the output."""
    network = lif_network(2, sizes=(5,), delays=0)
    save(network, tmp_path / "a.nir")
    graph = nir.read(tmp_path / "a.nir")
    onto = [[a for a, b in graph.edges if b == name] for name in ("population0", "readout")]
    assert [len(names) for names in onto] == [2, 1]
    weight = graph.nodes[onto[0][0]].weight
    assert weight.min() < 0 < weight.max()
    after = [b for a, b in graph.edges if a == "population0"]
    assert [
        (a, b) in graph.edges for a, b in zip(after, ("population0", "readout"), strict=True)
    ] == [True, True]


def test_a_graph_that_is_cut_otherwise_is_still_the_one_of_its_integers(tmp_path: Path) -> None:
    """As release 0.1 wrote it: Linear nodes, and r = w_in = 1 behind a current too."""
    network = lif_network(1, all_words=True)
    save(network, tmp_path / "a.nir", extended=True)
    graph = nir.read(tmp_path / "a.nir")
    for name, node in graph.nodes.items():
        if isinstance(node, nir.Affine):
            (target,) = (b for a, b in graph.edges if a == name)
            heard = graph.nodes[target]
            factor = heard.r * getattr(heard, "w_in", 1.0)
            graph.nodes[name] = nir.Linear(node.weight * factor[:, None])
    for node in graph.nodes.values():
        if isinstance(node, nir.CubaLIF | nir.CubaLI):
            assert (node.r > 1).all()
            node.r, node.w_in = np.ones_like(node.r), np.ones_like(node.w_in)
    nir.write(tmp_path / "b.nir", graph)
    assert differences(read(tmp_path / "b.nir").network, network) == []
    graph.nodes["population0"].r *= 2
    nir.write(tmp_path / "c.nir", graph)
    with pytest.raises(FileFormatError, match="what reaches node 'population0' was changed since"):
        read(tmp_path / "c.nir")
