"""NIR: what goes out comes back equal, says the same in NIR's own words, and hides nothing."""

import gzip
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import nir
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lif_networks import lif_network
from random_graphs import random_graph
from random_networks import li, neurons, random_inputs, random_network
from same import differences

from deploy.interchange.extension import EXTENSION, pack
from deploy.interchange.nir import load, read, save, unsupported
from deploy.interchange.nir_read import from_nir
from deploy.interchange.nir_write import graph_of_network
from lsnn_neuro.errors import FileFormatError, NetworkError
from lsnn_neuro.network.spec import NetworkSpec
from lsnn_neuro.neurons.lif import LIF
from quantize import file_format
from quantize.conversion import to_spec
from quantize.emulator import emulate
from quantize.network import QuantizedNetwork

FROZEN = Path(__file__).parents[1] / "frozen" / "files"


SPIKING, LEAKY = (nir.LIF, nir.CubaLIF), (nir.LI, nir.CubaLI)


def simulate(graph, inputs):
    """A simulator of its own for the nodes above: exact integration in steps of 1 ms.

    Inputs (time, input); gives spikes of every LIF node and the LI node's membrane, step by step.
    """
    spikes = {n: [] for n, node in graph.nodes.items() if isinstance(node, SPIKING)}
    membranes = {n: 0.0 for n, node in graph.nodes.items() if isinstance(node, SPIKING + LEAKY)}
    currents = dict.fromkeys(membranes, 0.0)
    leaky = []

    def value(name, t, same_step):
        """What a node sends at time t; spikes arrive one step later, except at the readout."""
        node = graph.nodes[name]
        if isinstance(node, nir.Input):
            return inputs[t] if t >= 0 else np.zeros(inputs.shape[1])
        if isinstance(node, SPIKING):
            t = t if same_step else t - 1
            return spikes[name][t] if t >= 0 else np.zeros(len(node.r))
        if isinstance(node, nir.Delay):
            steps = np.rint(node.delay * 1000).astype(int)
            assert (steps == steps[0]).all()
            return total(name, t - steps[0], same_step)
        assert isinstance(node, nir.Linear | nir.Affine)
        bias = node.bias if isinstance(node, nir.Affine) else 0
        return node.weight @ total(name, t, same_step) + bias

    def total(name, t, same_step):
        return sum(value(a, t, same_step) for a, b in graph.edges if b == name)

    def membrane(name, node, arriving):
        if isinstance(node, nir.CubaLIF | nir.CubaLI):
            kappa, tau = np.exp(-1e-3 / node.tau_syn), node.tau_mem
            currents[name] = kappa * currents[name] + (1 - kappa) * node.w_in * arriving
        else:
            currents[name], tau = arriving, node.tau
        alpha = np.exp(-1e-3 / tau)
        return alpha * membranes[name] + (1 - alpha) * (node.v_leak + node.r * currents[name])

    for t in range(len(inputs)):
        now = {}
        for name, node in graph.nodes.items():
            if isinstance(node, SPIKING):
                v = membrane(name, node, total(name, t, False))
                now[name] = v > node.v_threshold
                membranes[name] = np.where(now[name], node.v_reset, v)
        for name, spiked in now.items():
            spikes[name].append(spiked)
        for name, node in graph.nodes.items():
            if isinstance(node, LEAKY):
                membranes[name] = membrane(name, node, total(name, t, True))
                leaky.append(membranes[name])
    return spikes, np.array(leaky)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_round_trip_gives_an_equal_network(seed, tmp_path_factory):
    network = random_network(seed, ("threshold", "current", "lif", "atrlif"))
    file = tmp_path_factory.mktemp("nir") / "a.nir"
    save(network, file, extended=True)
    np.testing.assert_array_equal(pack(load(file)), pack(network))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_round_trip_gives_any_graph_back_equal(seed, tmp_path_factory):
    network = random_graph(seed)
    file = tmp_path_factory.mktemp("nir") / "a.nir"
    save(network, file, extended=True)
    np.testing.assert_array_equal(pack(load(file)), pack(network))


@pytest.mark.parametrize("all_words", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_nirs_own_words_describe_the_same_network(tmp_path, seed, all_words):
    network = lif_network(seed, all_words=all_words)
    save(network, tmp_path / "a.nir")
    inputs = random_inputs(seed, network, n_steps=14, n_samples=1)
    record = emulate(network, inputs)
    spikes, leaky = simulate(nir.read(tmp_path / "a.nir"), inputs[:, 0].astype(float))
    assert record.n_spikes > 10
    for index, population in enumerate(record.spikes):
        np.testing.assert_array_equal(population.spikes[:, 0], spikes[f"population{index}"])
    # the integers are in readout units; what NIR integrates is already divided by the readout's scale
    np.testing.assert_allclose(leaky, network.to_float(record.readout[:, 0]), rtol=1e-6)


def numbers(spec: NetworkSpec):
    """All that a network with a readout computes with, whatever its projections are cut into."""
    found = {}
    for p in spec.populations:
        found |= {(p.name, name): value for name, _, value in p.neuron.floats()}
        found |= {(p.name, name): getattr(p, name) for name in ("kappa_i", "bias")}
    for q in spec.projections:
        shape = spec.size_of(q.target), spec.size_of(q.source)
        weight = found.setdefault((q.source, q.target), np.zeros((63, *shape)))
        weight[q.delay, q.target_index, q.source_index] += q.weight
    return found


@pytest.mark.parametrize("seed", range(6))
def test_what_is_read_are_the_very_numbers_that_were_written(seed):
    network = lif_network(seed, sizes=(5, 4, 3), all_words=True)
    renamed = {f"pop{i}": f"population{i}" for i in range(3)}
    found = numbers(from_nir(graph_of_network(network)).spec)
    written = {
        tuple(renamed.get(word, word) for word in key): value
        for key, value in numbers(to_spec(network)).items()
    }
    assert found.keys() == written.keys()
    for key, value in written.items():
        np.testing.assert_allclose(found[key], value, rtol=1e-12, atol=1e-12, err_msg=str(key))
    assert found["population0", "kappa_i"].all()
    assert found["population0", "reset_to"].any()


@pytest.mark.parametrize("all_words", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_a_file_without_the_integers_gives_nearly_the_same_spikes_on_integers(
    tmp_path, seed, all_words
):
    network = lif_network(seed, all_words=all_words)
    save(network, tmp_path / "a.nir")
    foreign = load(tmp_path / "a.nir")
    inputs = random_inputs(seed, network, n_steps=40, n_samples=3)
    ours, theirs = emulate(network, inputs), emulate(foreign, inputs)
    assert ours.n_spikes > 100
    differ = sum(
        int((a.spikes != b.spikes).sum()) for a, b in zip(ours.spikes, theirs.spikes, strict=True)
    )
    # quantized anew, at another scale, from numbers that were on a grid: next to nothing is lost
    assert differ <= 0.02 * ours.n_spikes
    correlation = np.corrcoef(ours.readout.ravel(), theirs.readout.ravel())[0, 1]
    assert correlation > 0.99


def test_equal_networks_give_equal_bytes(tmp_path):
    for name in "ab":
        save(lif_network(0), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"kind": "alif", "step_a": np.array([0, 7])}, r"'p' adapts \(step_a up to 7\)"),
        ({"kind": "atrlif", "decay_i": np.full(2, 9)}, "'p' has 'atrlif' neurons"),
        ({"kind": "if", "reset": "subtract"}, "'p' resets by 'subtract'"),
        ({"kind": "if", "decay_i": np.full(2, 300)}, r"'p' has a decay_v of 0 \(neuron 0\)"),
        ({"kind": "ahp", "step_a": np.array([7, 0])}, "'p' adapts"),
        ({"n_ref": 2}, "'p' has a refractory time of 2 steps"),
        ({"reset": "subtract"}, "'p' resets by 'subtract'"),
        ({"reset": "hold"}, "'p' resets by 'hold'"),
        ({"reset": "hold", "n_ref": 1}, "'p' has a refractory time of 1 steps"),
        ({"at_threshold": True}, "'p' spikes at its threshold"),
        ({"decay_v": np.array([300, 0])}, r"'p' has a decay_v of 0 \(neuron 1\)"),
        ({"decay_v": np.array([4096, 300])}, r"'p' has a decay_v of 4096 \(neuron 0\)"),
        ({"decay_i": np.array([4096, 300])}, r"'p' has a decay_i of 4096 \(neuron 0\)"),
    ],
)  # fmt: skip
def test_what_nir_can_not_say_is_refused_by_name_and_value_or_carried(tmp_path, change, named):
    def network(kind="lif", **fields):
        plain = {"decay_v": np.full(2, 300), "vth": 64 * np.ones(2, int), "scale": 8.0}
        fields = plain | ({"reset": "to"} if kind in ("lif", "alif", "ahp", "if") else {}) | fields
        if kind == "if":
            del fields["decay_v"]
        return QuantizedNetwork(
            n_inputs=1,
            populations=(neurons(kind, "p", **fields), li("readout", np.array([9]))),
            projections=(),
        )

    save(network(), tmp_path / "plain.nir")
    save(network("alif"), tmp_path / "plain.nir")  # which does not adapt
    with pytest.raises(NetworkError, match=named) as caught:
        save(network(**change), tmp_path / "a.nir")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "a.nir").exists()
    save(network(**change), tmp_path / "a.nir", extended=True)
    np.testing.assert_array_equal(pack(load(tmp_path / "a.nir")), pack(network(**change)))


def test_what_nir_can_not_say_of_readouts_and_of_the_network_is_named():
    plain = random_network(1)
    biased = li("readout", np.array([9]), offset=np.array([-5.0]))
    halfway, second = li("readout", np.array([9, 0])), li("second", np.array([9]))
    for readouts, more, named in (
        (
            (second, biased),
            {"outputs": ("second",)},
            "'readout' has an offset (up to 5) and is not",
        ),
        ((halfway,), {}, "'readout' has a decay_v of 0 (neuron 1)"),
        ((second, biased), {}, "outputs in an order (second, readout)"),
    ):
        case = QuantizedNetwork(
            n_inputs=1, populations=(*plain.spiking, *readouts), projections=(), **more
        )
        assert any(named in text for text in unsupported(case))


def test_a_file_of_release_0_1_holds_the_network_that_it_held(tmp_path):
    file = tmp_path / "lif.nir"
    file.write_bytes(gzip.decompress((FROZEN / "interchange" / "lif.nir.gz").read_bytes()))
    network = load(file)
    assert differences(network, file_format.load(FROZEN / "networks" / "lif.safetensors")) == []
    save(network, file, extended=True)
    np.testing.assert_array_equal(pack(load(file)), pack(network))


@pytest.mark.parametrize("change", ["weight", "threshold", "edge", "node"])
def test_a_graph_changed_after_its_export_is_refused(tmp_path, change):
    save(lif_network(1), tmp_path / "a.nir", extended=True)
    graph = nir.read(tmp_path / "a.nir")
    linear = next(name for name in graph.nodes if name.startswith("projection0"))
    if change == "weight":
        graph.nodes[linear].weight *= 1.01
    elif change == "threshold":
        graph.nodes["population1"].v_threshold[0] += 1
    elif change == "edge":
        graph.edges.remove(
            ("input", linear) if ("input", linear) in graph.edges else graph.edges[-1]
        )
    else:
        graph.nodes["extra"] = nir.Linear(np.ones((1, 1)))
    nir.write(tmp_path / "b.nir", graph)
    with pytest.raises(FileFormatError, match=r"b\.nir.*since the export"):
        load(tmp_path / "b.nir")


def test_32_bit_floats_of_another_tool_change_nothing(tmp_path):
    plain = lif_network(1)
    network = replace(  # with weights and time constants that no 32 bits hold
        plain,
        populations=tuple(
            replace(p, constants=replace(p.constants, decay_v=np.full(p.size, 301)))
            for p in plain.populations
        ),
    )
    save(network, tmp_path / "a.nir", extended=True)
    graph = nir.read(tmp_path / "a.nir")
    changed = 0
    for node in graph.nodes.values():
        for field in ("weight", "tau", "v_threshold"):
            if hasattr(node, field):
                values = getattr(node, field)
                setattr(node, field, values.astype(np.float32))
                changed += int((getattr(node, field) != values).sum())
    assert changed > 50
    nir.write(tmp_path / "b.nir", graph)
    np.testing.assert_array_equal(pack(load(tmp_path / "b.nir")), pack(network))


def foreign(**nodes):
    """A feed-forward foreign graph in the order given."""
    names = ["input", *nodes, "output"]
    last = list(nodes.values())[-1]
    size = last.output_type["output"]
    first = next(iter(nodes.values())).input_type["input"]
    nodes = {"input": nir.Input({"input": first}), **nodes, "output": nir.Output({"output": size})}
    return nir.NIRGraph(nodes, list(pairwise(names)), type_check=False)


def lif(n=2, **fields):
    values = {"tau": 0.02, "r": 2.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0} | fields
    return nir.LIF(**{k: np.full(n, v) for k, v in values.items()})


def cuba(n=2, **fields):
    values = {"tau_syn": 0.005, "tau_mem": 0.02, "r": 2.0, "v_leak": 0.0, "v_threshold": 1.0,
              "v_reset": 0.0, "w_in": 1.0} | fields  # fmt: skip
    return nir.CubaLIF(**{k: np.full(n, v) for k, v in values.items()})


def li_node(n=2):
    return nir.LI(np.full(n, 0.02), np.ones(n), np.zeros(n))


def read_back(tmp_path, graph):
    nir.write(tmp_path / "f.nir", graph)
    return read(tmp_path / "f.nir", "nir", dt=1.0).network


def test_a_foreign_spiking_output_is_read_as_spikes(tmp_path):
    weight = np.array([[3.0, 0.0], [0.0, -3.0]])
    network = read_back(tmp_path, foreign(w=nir.Linear(weight), a=lif()))
    (population,) = network.populations
    assert (population.name, population.neuron, network.outputs) == ("a", LIF, ("a",))
    c = population.constants
    assert (c.reset, c.reset_to.tolist(), c.n_ref.tolist()) == ("to", [0, 0], [0, 0])
    assert c.decay_v.tolist() == [round(4096 * (1 - np.exp(-1 / 20)))] * 2
    inputs = np.ones((200, 1, 2), bool)
    record = emulate(network, inputs)
    z = record.spikes[0].spikes[:, 0]
    # v = 2 * 3 * (1 - exp(-t/20)) crosses 1 in step 4; the other neuron is inhibited
    assert np.flatnonzero(z[:, 0])[0] == 3
    assert not z[:, 1].any()
    np.testing.assert_array_equal(record.readout[:, 0], z)


def test_a_foreign_output_behind_weights_is_a_readout_without_memory(tmp_path):
    out = np.array([[1.0, 2.0], [0.5, 0.0], [-2.0, 0.25]])
    graph = foreign(
        w=nir.Linear(3 * np.eye(2)), a=lif(), out=nir.Affine(out, np.array([0.0, 4.0, -1.0]))
    )
    network = read_back(tmp_path, graph)
    assert network.outputs == ("readout",)
    assert network.population("readout").constants.decay_v.tolist() == [4096] * 3
    inputs = random_inputs(0, network, n_steps=100, n_samples=1)
    record = emulate(network, inputs)
    z = record.spikes[0].spikes[:, 0]
    assert z.any(axis=0).all()
    np.testing.assert_allclose(
        network.to_float(record.readout[:, 0]), z @ out.T + [0, 4, -1], atol=0.05
    )


def test_leak_potentials_and_affines_are_biases_and_a_membrane_is_reset_to_a_value():
    weight, bias = np.array([[3.0, 0.0], [0.0, -3.0]]), np.array([0.25, -0.5])
    leaky = lif(r=2.0, v_leak=0.5, v_reset=-1.0)
    graph = foreign(one=nir.Affine(weight, bias), a=leaky)
    # a second way in, with a bias of its own; and the first Affine receives the neurons too
    graph.nodes["two"] = nir.Affine(np.eye(2), np.array([1.0, 0.0]))
    graph.edges += [("input", "two"), ("two", "a"), ("a", "one")]
    spec = from_nir(graph, "nir", dt=1.0).spec
    (population,) = spec.populations
    assert population.bias.tolist() == [0.5 + 2 * 1.25, 0.5 - 2 * 0.5]
    assert population.neuron.reset_to.tolist() == [-1.0, -1.0]
    projections = {p.source: p.weight.tolist() for p in spec.projections}
    assert projections == {"input": [8.0, -4.0], "a": [6.0, -6.0]}


def test_foreign_names_and_unread_readouts(tmp_path):
    nodes = {"0.linear": W, "1.lif": lif(), "w": W, "2": li_node()}
    graph = foreign(**nodes)
    graph.nodes |= {"beside": li_node()}
    graph.edges += [("w", "beside")]
    network = read_back(tmp_path, graph)
    assert [p.name for p in network.populations] == ["1_lif", "readout", "beside"]
    assert network.outputs == ("readout",)
    assert {q.name for q in network.projections} >= {"1_lif->readout (excitatory)"}


def test_foreign_delays_become_delays_of_synapses(tmp_path):
    weight = np.full((2, 2), 3.0)
    graph = foreign(
        before=nir.Delay(np.array([0.0, 0.004])),
        w=nir.Linear(weight),
        after=nir.Delay(np.array([0.001, 0.002])),
        a=lif(),
    )
    network = read_back(tmp_path, graph)
    (projection,) = network.into("a")
    delays = {(int(t), int(s)): int(d) for t, s, d in zip(
        projection.target_index, projection.source_index, projection.delay, strict=True)}  # fmt: skip
    assert delays == {(0, 0): 1, (0, 1): 5, (1, 0): 2, (1, 1): 6}


W = nir.Linear(np.ones((2, 2)))


@pytest.mark.parametrize(
    ("nodes", "named"),
    [
        ({"w": W, "a": lif(v_leak=np.nan)}, "node 'a': v_leak of neuron 0 is nan"),
        ({"w": W, "a": cuba(tau_syn=0.0)}, "node 'a': tau_syn of neuron 0 is 0"),
        ({"w": W, "a": lif(tau=0.0)}, "node 'a': tau of neuron 0 is 0"),
        ({"w": W, "a": lif(v_threshold=-1.0)}, "node 'a': v_threshold of neuron 0 is -1, must be above"),
        ({"v": W, "w": nir.Linear(np.ones((2, 3))), "a": lif()}, "node 'w': weight has shape (2, 3)"),
        ({"w": nir.Delay(np.array([0.0, 0.0705])), "a": lif()}, "delay of value 1 is 70.5 steps"),
        ({"w": nir.Delay(np.array([0.0, 0.063])), "a": lif()}, "delay of value 1 is 63 steps"),
        ({"w": W, "a": li_node(), "v": W, "b": lif()}, "node 'a': does not spike and feeds 'b'"),
    ],
)  # fmt: skip
def test_foreign_graph_that_can_not_be_held_is_refused_by_node_and_value(tmp_path, nodes, named):
    with pytest.raises(NetworkError) as caught:
        read_back(tmp_path, foreign(**nodes))
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_inputs_and_loops_are_refused(tmp_path):
    graph = foreign(w=W, a=lif())
    graph.nodes["second"] = nir.Input({"input": np.array([2])})
    with pytest.raises(NetworkError, match="has 2 Input nodes"):
        read_back(tmp_path, graph)
    graph = foreign(w=W, a=lif())
    graph.edges += [("w", "w")]
    with pytest.raises(NetworkError, match="loop without neurons"):
        read_back(tmp_path, graph)


def test_parallel_paths_of_other_delays_are_synapses_of_their_own(tmp_path):
    graph = foreign(w=nir.Linear(np.eye(2)), a=lif())
    graph.nodes |= {"slow": nir.Delay(np.full(2, 0.003)), "w2": nir.Linear(2 * np.eye(2))}
    graph.edges += [("input", "slow"), ("slow", "w2"), ("w2", "a")]
    network = read_back(tmp_path, graph)
    arriving = sorted(
        (int(t), int(s), int(d))
        for p in network.into("a")
        for t, s, d in zip(p.target_index, p.source_index, p.delay, strict=True)
    )
    assert arriving == [(0, 0, 0), (0, 0, 3), (1, 1, 0), (1, 1, 3)]


def test_other_files_are_refused_in_one_line(tmp_path):
    with pytest.raises(FileFormatError, match="no such file"):
        load(tmp_path / "none")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(FileFormatError, match="not a readable NIR graph"):
        load(tmp_path / "text")
    (tmp_path / "empty").touch()
    with pytest.raises(FileFormatError, match=r"not a readable NIR graph \(it is empty\)"):
        load(tmp_path / "empty")
    graph = foreign(w=W, a=lif())
    graph.metadata = {EXTENSION: np.frombuffer(b"garbage", np.uint8)}
    nir.write(tmp_path / "g", graph)
    with pytest.raises(FileFormatError, match=EXTENSION) as caught:
        load(tmp_path / "g")
    assert "\n" not in str(caught.value)
