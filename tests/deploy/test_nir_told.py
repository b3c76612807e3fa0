"""What users say of a NIR file, and what its fields say: used, or refused by name and value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from nir_graphs import each, graph_of, lif, linear

from deploy.interchange.nir_read import from_nir
from deploy.interchange.reading import put_of_user
from lsnn_neuro.errors import FileFormatError, LSNNError, NetworkError
from quantize.imported import ImportedConfig


def refused(graph: nir.NIRGraph, dialect: str, **told: Any) -> str:
    with pytest.raises(NetworkError) as caught:
        from_nir(graph, dialect, **told)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def conv(padding: Any = 0, stride: Any = 1, dilation: Any = 1, groups: Any = 1) -> nir.NIRGraph:
    node = nir.Conv2d((4, 4), np.ones((1, 1, 3, 3)), 1, 0, 1, 1, np.zeros(1))
    node.padding, node.stride, node.dilation, node.groups = padding, stride, dilation, groups
    return graph_of(input=(1, 4, 4), c=node, n=lif(), output=1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("padding", -1), ("padding", (1, -2)), ("padding", 0.5), ("padding", (1, 1, 1)), ("stride", 0),
        ("stride", 1.5), ("dilation", -1), ("groups", 1.5), ("padding", "circular"),
    ],
)  # fmt: skip
def test_a_window_that_is_none_is_refused_by_its_field(field: str, value: Any) -> None:
    said = refused(conv(**{field: value}), "nir", dt=1.0)
    assert said.replace("'circular'", "circular").startswith(f"NIR node 'c': {field} is {value}")


@pytest.mark.parametrize(
    ("r", "told"),
    [(r, told) for r in (1.0, -1.0, np.inf, 0.0) for told in ({}, {"dt": 0.1})] + [(50.0, {"dt": 0.1})],
)  # fmt: skip
def test_an_r_that_snntorch_does_not_write_is_refused(r: float, told: dict[str, Any]) -> None:
    graph = graph_of(input=1, w=linear(1.0), n=lif(tau=0.01, r=r), output=1)
    said = refused(graph, "snntorch", **told)
    assert f"r of neuron 0 is {r:g}" in said or "tau of neuron 0" in said, said


def test_the_r_that_snntorch_writes_is_1_where_a_membrane_keeps_nothing_and_infinite_where_it_keeps_all() -> (
    None
):
    for tau, r in ((1e-4, 1.0), (np.inf, np.inf), (0.01, 100.0)):
        graph = graph_of(input=1, w=linear(1.0), n=lif(tau=tau, r=r), output=1)
        from_nir(graph, "snntorch", reset="zero")


@pytest.mark.parametrize(
    ("dialect", "node", "told"),
    [
        ("spikingjelly", lif(tau=0.01, r=50.0), {"dt": 0.1}),
        ("spikingjelly", nir.IF(*each(1, 5.0, 1.0)), {"dt": 0.1}),
        ("norse", lif(tau=1e-5, r=2.0), {}),
        ("norse", nir.IF(*each(1, 5.0, 1.0)), {}),
        ("sinabs", nir.LI(*each(1, 10.0, 3.0, 0.0)), {}),
        ("rockpool", lif(tau=0.01, r=2.0), {"dt": 1.0, "one_spike": True}),
        ("rockpool", lif(tau=0.01, r=-2.0), {"dt": 1.0, "one_spike": True}),
    ],
)  # fmt: skip
def test_an_r_that_an_exporter_does_not_write_is_refused(
    dialect: str, node: Any, told: dict[str, Any]
) -> None:
    said = refused(graph_of(input=1, w=linear(1.0), n=node, output=1), dialect, **told)
    assert f"NIR node 'n': r of neuron 0 is {np.ravel(node.r)[0]:g}, {dialect} writes" in said


def sinabs() -> nir.NIRGraph:
    return graph_of(input=2, w=linear([1.0, 2.0], [0.5, 1.0]), n=lif(2, tau=10.0), output=2)


@pytest.mark.parametrize(
    ("put", "said"),
    [
        ({"input.tau_syn": 5.0}, "--put input.tau_syn: there is no node that has lost it"),
        ({"w.reset": "zero"}, "--put w.reset: there is no node"),
        ({"tau_syn": 5.0, "n.tau_syn": 4.0}, "--put tau_syn: there is no node"),
        ({"tau_syn": True}, "--put n.tau_syn: is True, expected finite numbers"),
        ({"tau_syn": np.array([True, True])}, "expected finite numbers"),
        ({"tau_syn": "long"}, "--put n.tau_syn: is 'long', expected finite numbers"),
        ({"tau_syn": [[1.0], [1.0, 2.0]]}, "expected finite numbers"),
        ({"tau_syn": np.nan}, "expected finite numbers"),
        ({"tau_syn": 5j}, "expected finite numbers"),
        ({"tau_syn": np.ones(3)}, "--put n.tau_syn: has 3 values, expected a number, or 2 of them"),
        ({"reset": np.ones(3)}, "sinabs has subtract, zero"),
        ({"reset": True}, "sinabs has subtract, zero"),
        ({"norm_input": 1.0}, "is 1.0, allowed: true, false"),
    ],
)  # fmt: skip
def test_what_is_put_back_is_used_or_refused(put: dict[str, Any], said: str) -> None:
    assert said in refused(sinabs(), "sinabs", one_spike=True, put=put)


def test_a_value_to_reset_to_is_refused_where_spikes_subtract() -> None:
    graph = graph_of(input=1, w=linear(1.0), n=lif(tau=1e-5), output=1)
    from_nir(graph, "norse", put={"v_reset": 0.5})
    assert "with another reset" in refused(graph, "norse", reset="subtract", put={"v_reset": 0.5})


def test_recurrent_weights_that_are_no_numbers_are_refused() -> None:
    node = lif(tau=0.01, r=10 * np.exp(-0.1))
    graph = graph_of(input=1, w=linear(1.0), n=node, output=1)
    told = {"dt": 1.0, "one_spike": True, "put": {"w_rec": "w.csv"}}
    assert "--put n.w_rec: is 'w.csv', expected finite numbers" in refused(
        graph, "rockpool", **told
    )


def test_a_key_that_is_given_twice_is_refused() -> None:
    with pytest.raises(NetworkError, match=r"--put n\.tau_syn: is given twice"):
        put_of_user(["n.tau_syn=1", "n.tau_syn=2"])


@pytest.mark.parametrize("array", [np.array("text"), np.array([True]), np.array([1j])])
def test_a_file_to_put_back_holds_numbers(array: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(FileFormatError, match="expected an array of numbers"):
        put_of_user([f"tau_syn={tmp_path / 'a.npy'}"])
    (tmp_path / "b.npy").write_bytes(b"")
    with pytest.raises(FileFormatError, match=r"can't be read as \.npy"):
        put_of_user([f"tau_syn={tmp_path / 'b.npy'}"])


@pytest.mark.parametrize("dialect", ["snntorch", "norse", "spikingjelly", "nir", "lsnn-neuro"])
def test_one_spike_is_refused_where_a_framework_sends_no_more(dialect: str) -> None:
    graph = graph_of(input=1, w=linear(1.0), n=lif(tau=0.02, r=200.0), output=1)
    said = refused(graph, dialect, one_spike=True, dt=0.1)
    assert f"--one-spike: {dialect}'s neurons never send several spikes a step" in said


def test_complex_weights_are_refused() -> None:
    weight = linear(1.0)
    weight.weight = np.array([[1.0 + 0j]])
    graph = graph_of(input=1, w=weight, n=lif(), output=1)
    assert "NIR node 'w': weight is complex" in refused(graph, "nir", dt=1.0)


@pytest.mark.parametrize("value", [1e300, np.inf, np.nan])
def test_weights_that_single_precision_does_not_hold_are_refused(value: float) -> None:
    graph = graph_of(input=1, w=linear(value), n=lif(), output=1)
    with pytest.raises(LSNNError, match=r"w(eight)?"):
        from_nir(graph, "nir", dt=1.0)


def leaky_current() -> nir.NIRGraph:
    """A neuron whose leak potential enters the membrane beside a current, so that a start is sent."""
    cuba = nir.CubaLIF(
        tau_syn=np.full(1, 5e-6), tau_mem=np.full(1, 2e-5), r=np.ones(1), v_leak=np.full(1, 0.3),
        v_threshold=np.ones(1), w_in=np.ones(1),
    )  # fmt: skip
    return graph_of(
        input=1, w=linear(1.0), a=relay_of(), u=linear(1.0), n=cuba, b=linear(1.0), output=1
    )


def relay_of() -> nir.Threshold:
    return nir.Threshold(np.full(1, 0.5))


def test_what_sends_constants_does_not_learn(tmp_path: Path) -> None:
    found = from_nir(leaky_current(), "nir", dt=0.005)
    assert found.spec is not None
    assert {"bias", "start"} <= {p.name for p in found.spec.populations}
    found.save(tmp_path / "a")
    config = ImportedConfig(kind="imported", file=str(tmp_path / "a"), signs="free")
    spec = config.draw(1, 1, None)
    learning = {p.name: p.learn for p in spec.populations}
    assert learning["bias"] == learning["start"] == ()
    plastic = {p.name: p.plastic for p in spec.projections}
    assert not plastic["bias->start"]
    assert not plastic["start->n"]
    assert plastic["bias->n"]


def test_a_constant_that_no_population_has_is_not_learnt(tmp_path: Path) -> None:
    graph = graph_of(input=1, w=linear(1.0), n=lif(), output=1)
    from_nir(graph, "nir", dt=1.0).save(tmp_path / "a")
    config = ImportedConfig(kind="imported", file=str(tmp_path / "a"), learn=("foo",))
    with pytest.raises(NetworkError, match=r"network\.learn: .* no constant 'foo' that learns"):
        config.draw(1, 1, None)


def test_images_whose_axes_come_in_another_order_are_refused() -> None:
    neurons = nir.LIF(*(np.full((5, 3, 3), v) for v in (0.02, 1.0, 0.0, 1.0)))
    conv = nir.Conv2d((3, 5), np.ones((3, 1, 1, 1)), 1, 0, 1, 1, np.zeros(3))
    graph = graph_of(input=(1, 3, 5), c=conv, n=neurons, output=45)
    said = refused(graph, "nir", dt=1.0)
    assert "NIR node 'n': has shape (5, 3, 3), (3, 3, 5) comes in from 'c'" in said
    conv = nir.Conv2d((3, 3), np.ones((5, 1, 1, 1)), 1, 0, 1, 1, np.zeros(5))
    graph = graph_of(input=(1, 3, 3), c=conv, n=neurons, output=45)
    assert from_nir(graph, "nir", dt=1.0).network.n_synapses == 45


def test_sums_of_images_whose_axes_are_in_another_order_are_refused() -> None:
    convs = {
        name: nir.Conv2d(size, np.ones((1, 1, 1, 1)), 1, 0, 1, 1, np.zeros(1))
        for name, size in (("a", (2, 3)), ("b", (3, 2)))
    }
    flat = nir.Flatten({"input": np.array([1, 2, 3])}, 0, -1)
    ends = {"ra": nir.LIF(*(np.full((1, 2, 3), v) for v in (0.02, 1.0, 0.0, 1.0)))}
    ends |= {"rb": nir.LIF(*(np.full((1, 3, 2), v) for v in (0.02, 1.0, 0.0, 1.0)))}
    edges = [("input", "ra"), ("input", "rb"), ("ra", "a"), ("rb", "b"), ("a", "f"), ("b", "f"),
             ("f", "n"), ("n", "output")]  # fmt: skip
    graph = graph_of(edges, input=6, **ends, **convs, f=flat, n=lif(6), output=6)
    assert "NIR node 'f': has shape (1, 2, 3), (1, 3, 2) comes in from 'b'" in refused(
        graph, "nir", dt=1.0
    )


def test_an_input_scale_below_single_precision_is_refused_by_its_name() -> None:
    graph = graph_of(input=1, w=linear(1.0), n=lif(), output=1)
    said = refused(graph, "nir", dt=1.0, input_scale=1e-300)
    assert "weight[0] is 1e-300" in said
    assert "--input-scale" in said


def test_a_threshold_below_the_leak_is_refused_by_the_fields_of_nir() -> None:
    node = nir.LIF(*each(1, 1e-5, 1.0, 0.57, 0.5))
    graph = graph_of(input=1, w=linear(1.0), n=node, output=1)
    assert (
        "NIR node 'n': v_threshold of neuron 0 is 0.5, must be above v_leak, where its"
        in refused(graph, "norse")
    )
    graph = graph_of(input=1, w=linear(1.0), n=nir.Threshold(np.zeros(1)), output=1)
    assert "NIR node 'n': threshold of neuron 0 is 0, must be above 0" in refused(
        graph, "nir", dt=1.0
    )


def test_a_bad_value_to_put_back_is_not_blamed_on_the_step() -> None:
    said = refused(sinabs(), "sinabs", one_spike=True, put={"tau_syn": -5.0})
    assert "--put tau_syn of neuron 0 is -5" in said
    assert said.endswith("give a positive value")


def test_a_reset_that_the_file_says_is_not_called_unsaid() -> None:
    graph = graph_of(input=1, w=linear(1.0), n=lif(), output=1)
    assert not [n for n in from_nir(graph, "nir", dt=1.0).notes if "does not say their reset" in n]
