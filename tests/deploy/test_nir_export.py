"""NIR without an extension: only NIR's own words, and the network comes back by them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import numpy.typing as npt
import pytest
from lif_networks import lif_network
from nir_graphs import graph_of, lif
from random_networks import li, random_inputs
from same import differences

from deploy.interchange.extension import EXTENSION, pack
from deploy.interchange.nir import read, save
from deploy.interchange.nir_read import from_nir
from deploy.interchange.nir_write import graph_of_network
from lsnn_neuro.errors import FileFormatError, NetworkError
from lsnn_neuro.network.double import run_in_double
from lsnn_neuro.network.spec import NetworkSpec, Population, Projection
from lsnn_neuro.registry import NEURONS
from quantize.conversion import convert, to_spec
from quantize.emulator import emulate
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


def recurrent(neuron: str, n: int = 4, *, dt: float = 1.0, **constants: Any) -> QuantizedNetwork:
    """Inputs onto neurons that hear each other, at a scale of the converter's choice; dt in ms."""
    rng = np.random.default_rng(3)

    def projection(source: str, target: str, size: int) -> Projection:
        column, row = (a.ravel() for a in np.meshgrid(np.arange(size), np.arange(n)))
        return Projection(
            source=source, target=target, source_index=column, target_index=row, signs="free",
            weight=rng.normal(0.25, 0.5, n * size), delay=rng.integers(0, 3, n * size),
        )  # fmt: skip

    bias = constants.pop("bias", np.zeros(n))
    made = NEURONS[neuron](b0=np.full(n, 1.0), reset="to", unit_gain=True, **constants)
    spec = NetworkSpec(
        n_inputs=5, dt=dt, outputs=("population0",),
        populations=(Population(name="population0", neuron=made, bias=bias),),
        projections=(projection("input", "population0", 5), projection("population0", "population0", n)),
    )  # fmt: skip
    return convert(spec)[0]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("neuron", "constants", "kind", "back"),
    [
        ("lif", {"alpha": np.ones(4), "reset_to": np.full(4, -0.25)}, nir.IF, "if"),
        ("if", {"reset_to": np.full(4, -0.25)}, nir.IF, "if"),
        ("lif", {"alpha": np.zeros(4)}, nir.Threshold, "lif"),
    ],
)
def test_neurons_without_a_time_constant_come_back(
    tmp_path: Path, neuron: str, constants: dict[str, Any], kind: type, back: str, bias: bool
) -> None:
    more = {"bias": np.linspace(0.05, 0.2, 4)} if bias else {}
    network = recurrent(neuron, **constants, **more)
    save(network, tmp_path / "a.nir")
    node = nir.read(tmp_path / "a.nir").nodes["population0"]
    assert isinstance(node, kind)
    found = read(tmp_path / "a.nir").network
    assert found.population("population0").neuron.name == back
    inputs = random_inputs(1, network, n_steps=60, n_samples=3)
    ours, theirs = emulate(network, inputs), emulate(found, inputs)
    assert 100 < ours.n_spikes < 600
    np.testing.assert_array_equal(theirs.spikes[0].spikes, ours.spikes[0].spikes)
    one, two = synapses(network), synapses(found)
    assert one.keys() == two.keys()
    assert all(np.array_equal(two[key], weight) for key, weight in one.items())
    np.testing.assert_array_equal(
        found.population("population0").bias, network.population("population0").bias
    )


def test_a_readout_without_a_leak_is_an_i(tmp_path: Path) -> None:
    plain = lif_network(2)
    readout = replace(li("readout", np.zeros(3, int), scale=2.0**12), bias=np.array([640, 0, -64]))
    network = replace(plain, populations=(*plain.spiking, readout))
    save(network, tmp_path / "a.nir")
    assert isinstance(nir.read(tmp_path / "a.nir").nodes["readout"], nir.I)
    found = read(tmp_path / "a.nir")
    inputs = random_inputs(2, network, n_steps=100, n_samples=2)
    wanted, got = (run_in_double(s, inputs)[1] for s in (to_spec(network), found.spec))
    np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-9)
    assert np.abs(wanted[-1]).max() > 10


def test_a_bias_that_nothing_comes_with_is_written_too(tmp_path: Path) -> None:
    network = recurrent("if", bias=np.linspace(0.05, 0.2, 4))
    network = replace(network, projections=())
    save(network, tmp_path / "a.nir")
    inputs = np.zeros((60, 1, 5), bool)
    ours, theirs = (emulate(n, inputs) for n in (network, read(tmp_path / "a.nir").network))
    assert ours.n_spikes > 10
    np.testing.assert_array_equal(theirs.spikes[0].spikes, ours.spikes[0].spikes)


@pytest.mark.parametrize("dt", [0.1, 0.3, 1.0, 2.5])
def test_a_step_of_any_length_comes_back(tmp_path: Path, dt: float) -> None:
    network = recurrent("lif", alpha=np.exp(-dt / np.linspace(5.0, 20.0, 4)), dt=dt)
    save(network, tmp_path / "a.nir")
    found = read(tmp_path / "a.nir")
    assert found.network.dt == found.spec.dt == dt
    assert differences(network.populations, found.network.populations) == []
    one, two = synapses(network), synapses(found.network)
    assert one.keys() == two.keys()
    assert all(np.array_equal(two[key], weight) for key, weight in one.items())
    assert {delay for *_, delay in two} == {0, 1, 2}


def test_a_file_that_says_no_step_has_steps_of_1_ms(tmp_path: Path) -> None:
    """As files of release 0.1 are."""
    save(lif_network(0), tmp_path / "a.nir")
    graph = nir.read(tmp_path / "a.nir")
    for node in graph.nodes.values():
        node.metadata.pop("dt", None)
    assert from_nir(graph).network.dt == 1.0
    assert from_nir(graph, dt=0.5).network.dt == 0.5


@pytest.mark.parametrize("value", ["long", np.nan, 0.0, -1e-3, 2e-3])
def test_a_step_that_is_none_or_not_the_others_is_refused(tmp_path: Path, value: Any) -> None:
    save(lif_network(0), tmp_path / "a.nir")
    graph = nir.read(tmp_path / "a.nir")
    graph.nodes["population1"].metadata["dt"] = value
    with pytest.raises(NetworkError, match="expected one number of s above 0"):
        from_nir(graph)


def test_a_network_of_snntorch_is_written_with_its_steps_and_its_biases(tmp_path: Path) -> None:
    """Two layers at 0.1 ms; the second one's bias is sent by a neuron that spikes in every step."""
    step, rng = 1e-4, np.random.default_rng(5)

    def leaky(n: int) -> nir.LIF:
        tau = step / (1 - np.linspace(0.7, 0.95, n))
        return nir.LIF(tau=tau, r=tau / step, v_leak=np.zeros(n), v_threshold=np.ones(n))

    graph = graph_of(
        input=5, fc1=nir.Affine(rng.normal(0.2, 0.5, (6, 5)), rng.normal(0.0, 0.1, 6)), lif1=leaky(6),
        fc2=nir.Affine(rng.normal(0.2, 0.5, (4, 6)), rng.normal(0.0, 0.1, 4)), lif2=leaky(4), output=4,
    )  # fmt: skip
    network = from_nir(graph, "snntorch", reset="zero").network
    assert (network.dt, [p.name for p in network.populations]) == (0.1, ["lif1", "lif2", "bias"])
    save(network, tmp_path / "a.nir")
    found = read(tmp_path / "a.nir").network
    assert found.dt == 0.1
    inputs = random_inputs(4, network, n_steps=100, n_samples=3)
    ours, theirs = emulate(network, inputs), emulate(found, inputs)
    for mine, other in zip(ours.spikes, theirs.spikes, strict=True):
        assert mine.spikes.sum() > 50
        np.testing.assert_array_equal(other.spikes, mine.spikes)


@pytest.mark.parametrize("leaky", [False, True])
def test_an_extended_file_of_release_0_1_with_neurons_that_never_decay_is_still_read(
    tmp_path: Path, leaky: bool
) -> None:
    network = recurrent("lif", alpha=np.ones(4), bias=np.linspace(0.05, 0.2, 4))
    graph = graph_of_network(network, leaky=leaky)
    graph.metadata = {EXTENSION: pack(network)}
    nir.write(tmp_path / "a.nir", graph)
    assert isinstance(graph.nodes["population0"], nir.LIF if leaky else nir.IF)
    assert differences(read(tmp_path / "a.nir").network, network) == []
    graph.nodes["population0"].v_threshold[0] *= 2
    nir.write(tmp_path / "b.nir", graph)
    with pytest.raises(FileFormatError, match="since the export"):
        read(tmp_path / "b.nir")
