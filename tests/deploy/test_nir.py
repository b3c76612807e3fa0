"""NIR: what goes out comes back equal, says the same in NIR's own words, and hides nothing."""

from dataclasses import replace
from itertools import pairwise

import nir
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import random_inputs, random_network

from deploy.interchange.extension import EXTENSION, pack
from deploy.interchange.nir import load, save, unsaid
from lsnn_neuro.errors import FileFormatError, NetworkError
from quantize.emulator import emulate
from quantize.network import Population, Projection, QuantizedNetwork, Readout


def lif_network(seed, *, sizes=(5, 4), delays=3):
    """A random recurrent network of what NIR has words for: LIF, reset to zero, and a readout.

    Membranes halve in each step and start as multiples of 2^14, so that within 14 steps no rounding
    happens: real numbers and integers must then agree on every spike.
    """
    rng = np.random.default_rng(seed)
    ends = {"input": 6, **{f"pop{i}": n for i, n in enumerate(sizes)}, "readout": 3}

    def projection(source, target, sign_mode):
        connected = rng.random((ends[target], ends[source])) < 0.8
        inhibitory = np.arange(ends[source]) % 3 == 0  # Dale's law
        rows, columns = np.nonzero(connected & (inhibitory == (sign_mode == "inhibitory")))
        low, high = {"excitatory": (1, 255), "inhibitory": (-255, -1)}[sign_mode]
        return Projection(
            name=f"{source}->{target} {sign_mode}",
            source=source,
            target=target,
            n_source=ends[source],
            n_target=ends[target],
            source_index=columns,
            target_index=rows,
            weight_mant=rng.integers(low, high + 1, len(rows)) // 8 * 8 + 8 * (low < 0),
            delay=rng.integers(0, delays + 1, len(rows)) * (target != "readout"),
            weight_exp=5,
            sign_mode=sign_mode,
        )

    populations = [name for name in ends if name.startswith("pop")]
    links = [(a, b) for a in ("input", *populations) for b in populations]
    links += [(a, "readout") for a in populations]
    return QuantizedNetwork(
        n_inputs=ends["input"],
        populations=tuple(
            Population(
                name=name,
                decay_v=np.full(ends[name], 2048),
                decay_a=np.zeros(ends[name], int),
                step_a=np.zeros(ends[name], int),
                vth_mant=rng.integers(0, 2**13, ends[name]),
                n_ref=0,
                reset="zero",
                scale=float(2.0 ** rng.integers(10, 20)),
            )
            for name in populations
        ),
        projections=tuple(
            projection(*link, s) for link in links for s in ("excitatory", "inhibitory")
        ),
        readout=Readout(decay=np.full(3, 2048), bias=np.zeros(3, int), scale=2.0**12),
    )


def simulate(graph, inputs):
    """A simulator of its own for the nodes above: exact integration in steps of 1 ms.

    Inputs (time, input); gives spikes of every LIF node and the LI node's membrane, step by step.
    """
    spikes = {n: [] for n, node in graph.nodes.items() if isinstance(node, nir.LIF)}
    membranes = {n: 0.0 for n, node in graph.nodes.items() if isinstance(node, nir.LIF | nir.LI)}
    leaky = []

    def value(name, t, same_step):
        """What a node sends at time t; populations are heard one step later, but by the readout."""
        node = graph.nodes[name]
        if isinstance(node, nir.Input):
            return inputs[t] if t >= 0 else np.zeros(inputs.shape[1])
        if isinstance(node, nir.LIF):
            t = t if same_step else t - 1
            return spikes[name][t] if t >= 0 else np.zeros(len(node.tau))
        if isinstance(node, nir.Delay):
            steps = np.rint(node.delay * 1000).astype(int)
            assert (steps == steps[0]).all()
            return total(name, t - steps[0], same_step)
        assert isinstance(node, nir.Linear)
        return node.weight @ total(name, t, same_step)

    def total(name, t, same_step):
        return sum(value(a, t, same_step) for a, b in graph.edges if b == name)

    for t in range(len(inputs)):
        now = {}
        for name, node in graph.nodes.items():
            if isinstance(node, nir.LIF):
                alpha = np.exp(-1e-3 / node.tau)
                current = total(name, t, False)
                v = alpha * membranes[name] + (1 - alpha) * node.r * current
                now[name] = v > node.v_threshold
                membranes[name] = np.where(now[name], node.v_reset, v)
        for name, spiked in now.items():
            spikes[name].append(spiked)
        for name, node in graph.nodes.items():
            if isinstance(node, nir.LI):
                alpha = np.exp(-1e-3 / node.tau)
                current = total(name, t, True)
                membranes[name] = alpha * membranes[name] + (1 - alpha) * node.r * current
                leaky.append(membranes[name])
    return spikes, np.array(leaky)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_round_trip_gives_an_equal_network(seed, tmp_path_factory):
    network = random_network(seed, ("threshold", "current", "lif", "atrlif"))
    file = tmp_path_factory.mktemp("nir") / "a.nir"
    save(network, file, extended=True)
    np.testing.assert_array_equal(pack(load(file)), pack(network))


@pytest.mark.parametrize("seed", range(6))
def test_nirs_own_words_describe_the_same_network(tmp_path, seed):
    network = lif_network(seed)
    save(network, tmp_path / "a.nir")
    inputs = random_inputs(seed, network, n_steps=14, n_samples=1)
    record = emulate(network, inputs)
    spikes, leaky = simulate(nir.read(tmp_path / "a.nir"), inputs[:, 0].astype(float))
    assert record.n_spikes > 10
    for index, population in enumerate(record.spikes):
        np.testing.assert_array_equal(population.spikes[:, 0], spikes[f"population{index}"])
    # o is in readout units; what NIR integrates is already divided by the readout's scale
    np.testing.assert_allclose(leaky, record.readout[:, 0] / network.readout.scale, rtol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_a_foreign_graph_of_the_same_words_gives_the_same_spikes(tmp_path, seed):
    network = lif_network(seed)
    save(network, tmp_path / "a.nir")
    graph = nir.read(tmp_path / "a.nir")
    graph.metadata = {}
    nir.write(tmp_path / "foreign.nir", graph)
    foreign = load(tmp_path / "foreign.nir")
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
        ({"step_a": np.array([0, 7])}, r"'p' adapts \(step_a up to 7\)"),
        ({"neuron": "atrlif", "reset": "subtract"}, "'p' has 'atrlif' neurons"),
        ({"step_a": np.array([7, 0]), "adaptation": "current"}, "'p' adapts"),
        ({"n_ref": 2}, "'p' has a refractory time of 2 steps"),
        ({"reset": "subtract"}, "'p' resets by 'subtract'"),
        ({"decay_v": np.array([300, 0])}, r"'p' has a decay_v of 0 \(neuron 1\)"),
        ({"decay_v": np.array([4096, 300])}, r"'p' has a decay_v of 4096 \(neuron 0\)"),
    ],
)
def test_what_nir_can_not_say_is_refused_by_name_and_value_or_carried(tmp_path, change, named):
    plain = {
        "name": "p", "decay_v": np.full(2, 300), "decay_a": np.full(2, 5), "n_ref": 0,
        "step_a": np.zeros(2, int), "vth_mant": np.ones(2, int), "reset": "zero", "scale": 8.0,
    }  # fmt: skip

    def network(**fields):
        return QuantizedNetwork(
            n_inputs=1,
            populations=(Population(**fields),),
            projections=(),
            readout=Readout(decay=np.array([9]), bias=np.array([0]), scale=1.0),
        )

    save(network(**plain), tmp_path / "plain.nir")
    with pytest.raises(NetworkError, match=named) as caught:
        save(network(**plain | change), tmp_path / "a.nir")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "a.nir").exists()
    save(network(**plain | change), tmp_path / "a.nir", extended=True)
    np.testing.assert_array_equal(pack(load(tmp_path / "a.nir")), pack(network(**plain | change)))


def test_a_biased_or_timeless_readout_is_named():
    network = random_network(1)
    for readout, named in (
        (Readout(decay=np.array([9]), bias=np.array([-5]), scale=1.0), "bias (up to 5)"),
        (Readout(decay=np.array([0]), bias=np.array([0]), scale=1.0), "readout has a decay of 0"),
    ):
        case = QuantizedNetwork(
            n_inputs=1, populations=network.populations, projections=(), readout=readout
        )
        assert any(named in text for text in unsaid(case))


@pytest.mark.parametrize("change", ["weight", "threshold", "edge", "node"])
def test_a_graph_changed_after_its_export_is_refused(tmp_path, change):
    save(lif_network(1), tmp_path / "a.nir")
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
        populations=tuple(replace(p, decay_v=np.full(p.size, 301)) for p in plain.populations),
    )
    save(network, tmp_path / "a.nir")
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


def read_back(tmp_path, graph):
    nir.write(tmp_path / "f.nir", graph)
    return load(tmp_path / "f.nir")


def test_foreign_spiking_output_is_counted_by_a_readout_without_memory(tmp_path):
    weight = np.array([[3.0, 0.0], [0.0, -3.0]])
    network = read_back(tmp_path, foreign(w=nir.Linear(weight), a=lif()))
    (population,) = network.populations
    assert (population.name, population.reset, population.n_ref) == ("a", "zero", 0)
    assert population.decay_v.tolist() == [round(4096 * (1 - np.exp(-1 / 20)))] * 2
    assert network.readout.decay.tolist() == [4096, 4096]
    inputs = np.ones((200, 1, 2), bool)
    record = emulate(network, inputs)
    z = record.spikes[0].spikes[:, 0]
    # v = 2 * 3 * (1 - exp(-t/20)) crosses 1 in step 4; the other neuron is inhibited
    assert np.flatnonzero(z[:, 0])[0] == 3
    assert not z[:, 1].any()
    unit = record.readout.max()
    np.testing.assert_array_equal(record.readout[:, 0], unit * z)


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
        ({"w": W, "a": lif(v_leak=0.5)}, "node 'a': v_leak is 0.5, allowed is 0"),
        ({"w": W, "a": lif(v_reset=-1.0)}, "node 'a': v_reset is -1, allowed is 0"),
        ({"w": W, "a": lif(tau=0.0)}, "node 'a': tau of neuron 0 is 0 s"),
        ({"w": W, "a": lif(tau=60.0)}, "node 'a': tau of neuron 0 is 60 s"),
        ({"w": W, "a": lif(v_threshold=-1.0)}, "'a': needs b0 > 0"),
        ({"w": W, "v": W, "a": lif()}, "node 'v': is a second Linear"),
        ({"w": nir.Affine(np.ones((2, 2)), np.array([0.0, 3.0])), "a": lif()},
         "node 'w': bias is 3, allowed is 0"),
        ({"w": nir.Delay(np.array([0.0, 0.0705])), "a": lif()}, "delay is 70.5 ms"),
        ({"w": nir.Delay(np.array([0.0, 0.063])), "a": lif()}, "delay is 63 ms"),
        ({"w": nir.Threshold(np.ones(2)), "a": lif()}, "node 'w': is a Threshold"),
        ({"w": nir.Scale(np.ones(2)), "a": lif()}, "node 'w': is a Scale"),
    ],
)  # fmt: skip
def test_foreign_graph_that_can_not_be_held_is_refused_by_node_and_value(tmp_path, nodes, named):
    with pytest.raises(NetworkError) as caught:
        read_back(tmp_path, foreign(**nodes))
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_inputs_parallel_delays_and_loops_are_refused(tmp_path):
    graph = foreign(w=W, a=lif())
    graph.nodes["second"] = nir.Input({"input": np.array([2])})
    with pytest.raises(NetworkError, match="has 2 Input nodes"):
        read_back(tmp_path, graph)
    graph = foreign(w=W, a=lif())
    graph.nodes |= {"slow": nir.Delay(np.full(2, 0.003)), "w2": W}
    graph.edges += [("input", "slow"), ("slow", "w2"), ("w2", "a")]
    with pytest.raises(NetworkError, match="two synapses with different delays"):
        read_back(tmp_path, graph)
    graph = foreign(w=W, a=lif())
    graph.edges += [("w", "w")]
    with pytest.raises(NetworkError, match="loop without neurons"):
        read_back(tmp_path, graph)


def test_other_files_are_refused_in_one_line(tmp_path):
    with pytest.raises(FileFormatError, match="no such file"):
        load(tmp_path / "none")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(FileFormatError, match="not a readable NIR graph"):
        load(tmp_path / "text")
    graph = foreign(w=W, a=lif())
    graph.metadata = {EXTENSION: np.frombuffer(b"garbage", np.uint8)}
    nir.write(tmp_path / "g", graph)
    with pytest.raises(FileFormatError, match=EXTENSION) as caught:
        load(tmp_path / "g")
    assert "\n" not in str(caught.value)
