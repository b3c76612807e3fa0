"""Files of the NIR paper, and what must hold for any file: a reading gives what its formulas give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from foreign_networks import PAPER, needs_paper
from nir_graphs import each, graph_of, lif, linear
from same import differences

from deploy import load
from deploy.api import parity
from deploy.interchange.dialects import DIALECTS
from deploy.interchange.nir import read
from deploy.interchange.nir_read import from_nir
from deploy.targets import get_target
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.double import run_in_double
from quantize.emulator import emulate


@needs_paper
@pytest.mark.parametrize(("integration", "decay"), [("exponential", 161), ("euler", 164)])
def test_norses_neuron_spikes_as_in_norse_at_its_step(integration: str, decay: int) -> None:
    found = read(PAPER / "lif_norse.nir", "nir", dt=0.1, integration=integration)
    theirs = np.genfromtxt(PAPER / "lif_norse.csv", delimiter=",")
    inputs = theirs[:, 0][:, None, None]
    spikes, _ = run_in_double(found.spec, inputs)
    assert np.flatnonzero(spikes["1"]).tolist() == np.flatnonzero(theirs[:, 2]).tolist()
    assert np.flatnonzero(spikes["1"]).tolist() == [460, 510, 710, 760]
    assert found.network.populations[0].constants.decay_v.tolist() == [decay]
    record = emulate(found.network, inputs.astype(bool))
    assert np.flatnonzero(record.spikes[0].spikes).tolist() == [460, 510, 710, 760]


def snntorch(graph: Any, x: Any) -> dict[str, Any]:
    """RSynaptic, then Synaptic, reset by subtraction one step late, step by step in plain NumPy."""
    nodes, dt = graph.nodes, 1e-4
    names = ("lif1.lif", "lif2")
    state = {n: [np.zeros((x.shape[1], nodes[n].r.size)) for _ in range(3)] for n in names}
    spikes: dict[str, list[Any]] = {n: [] for n in names}
    for now in x:
        arriving = now @ nodes["fc1"].weight.T + state[names[0]][2] @ nodes["lif1.w_rec"].weight.T
        for name in names:
            node, (syn, mem, spk) = nodes[name], state[name]
            syn = (1 - dt / node.tau_syn) * syn + arriving
            mem = (1 - dt / node.tau_mem) * mem + syn - node.v_threshold * spk
            state[name] = [syn, mem, (mem > node.v_threshold).astype(float)]
            spikes[name].append(state[name][2])
            arriving = state[names[0]][2] @ nodes["fc2"].weight.T
    return {name: np.array(s) for name, s in spikes.items()}


@pytest.mark.parametrize("synaptic", [False, True])
def test_snntorchs_late_reset_to_zero_loses_the_input_of_the_next_step(synaptic: bool) -> None:
    """RLeaky and RSynaptic: where a neuron spiked in the step before, its membrane is 0 and stays it."""
    rng = np.random.default_rng(6)
    n, dt, beta, alpha = 9, 1e-4, 0.85, 0.7
    weight, w_rec = rng.normal(0, 0.6, (n, n)), rng.normal(0, 0.4, (n, n))
    tau, tau_syn = dt / (1 - beta), dt / (1 - alpha)
    r, leak, threshold = each(n, tau / dt, 0, 1)
    node: nir.NIRNode = nir.LIF(tau=np.full(n, tau), r=r, v_leak=leak, v_threshold=threshold)
    if synaptic:
        node = nir.CubaLIF(
            tau_syn=np.full(n, tau_syn), tau_mem=np.full(n, tau), r=r, v_leak=leak, v_threshold=threshold,
            w_in=np.full(n, tau_syn / dt),
        )  # fmt: skip
    graph = graph_of(
        [("input", "w"), ("w", "l.lif"), ("l.lif", "l.w_rec"), ("l.w_rec", "l.lif"), ("l.lif", "output")],
        **{"input": n, "w": linear(*weight), "l.lif": node, "l.w_rec": linear(*w_rec), "output": n},
    )  # fmt: skip
    found = from_nir(graph, "snntorch", reset="zero")
    x = (rng.random((300, 4, n)) < 0.4).astype(float)
    syn = mem = spk = np.zeros((4, n))
    wanted = []
    for now in x:
        syn = alpha * syn * synaptic + now @ weight.T + spk @ w_rec.T
        mem = (beta * mem + syn) * (1 - spk)
        spk = (mem > 1).astype(float)
        wanted.append(spk)
    spikes, _ = run_in_double(found.spec, x)
    np.testing.assert_array_equal(spikes["l_lif"], np.array(wanted))
    assert np.sum(wanted) > 500


def at_once(threshold: float, reset: str, *, alpha: float) -> tuple[Any, Any, Any]:
    """Leaky (alpha = 0) or Synaptic with reset_delay=False: file, inputs, spikes by snnTorch's own lines.

    They take off what is not taken off already: (spike - reset of the membrane before) thresholds.
    """
    rng = np.random.default_rng(8)
    n, dt, beta = 9, 1e-4, 0.85
    weight = rng.normal(0, 0.25, (n, n))
    tau, tau_syn = dt / (1 - beta), dt / (1 - alpha)
    r, leak, threshold_ = each(n, tau / dt, 0, threshold)
    node: nir.NIRNode = nir.LIF(tau=np.full(n, tau), r=r, v_leak=leak, v_threshold=threshold_)
    if alpha:
        node = nir.CubaLIF(
            tau_syn=np.full(n, tau_syn), tau_mem=np.full(n, tau), r=r, v_leak=leak,
            v_threshold=threshold_, w_in=np.full(n, tau_syn / dt),
        )  # fmt: skip
    graph = graph_of(input=n, w=linear(*weight), a=node, output=n)
    x = (rng.random((300, 4, n)) < 0.4).astype(float)
    syn = mem = np.zeros((4, n))
    spikes, above = [], 0
    for now in x:
        before = (mem > threshold).astype(float)
        syn = alpha * syn + now @ weight.T
        mem = beta * mem + syn
        mem = mem - before * (threshold if reset == "subtract" else mem)
        spk = (mem > threshold).astype(float)
        above += int((mem > 2 * threshold).sum())
        mem = mem - (spk - before) * (threshold if reset == "subtract" else mem)
        spikes.append(spk)
    return graph, x, (np.array(spikes), above)


@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize(("alpha", "threshold"), [(0.0, 1.5), (0.7, 7.0)])
def test_snntorchs_resets_without_delay_act_at_once(
    alpha: float, threshold: float, reset: str
) -> None:
    graph, x, (wanted, above) = at_once(threshold, reset, alpha=alpha)
    found = from_nir(graph, "snntorch", reset=f"{reset}-at-once")
    spikes, _ = run_in_double(found.spec, x)
    assert above == 0
    assert wanted.sum() > 100
    np.testing.assert_array_equal(spikes["a"], wanted)
    late, _ = run_in_double(from_nir(graph, "snntorch", reset=reset).spec, x)
    assert (late["a"] != wanted).any() == (alpha > 0 or reset == "subtract")


def test_above_twice_the_threshold_a_reset_without_delay_is_not_exact_and_said_so() -> None:
    graph, x, (wanted, above) = at_once(0.5, "subtract", alpha=0.7)
    found = from_nir(graph, "snntorch", reset="subtract-at-once")
    spikes, _ = run_in_double(found.spec, x)
    assert above > 100
    assert (spikes["a"] != wanted).any()
    assert any("twice the threshold" in note for note in found.notes)
    assert not any("twice" in n for n in from_nir(graph, "snntorch", reset="zero-at-once").notes)


@needs_paper
def test_the_braille_network_spikes_as_snntorchs_formulas_do() -> None:
    file = PAPER / "braille_noDelay_noBias_subtract.nir"
    found = read(file)
    assert found.reading["dialect"] == "snntorch"
    x = (np.random.default_rng(4).random((257, 8, 12)) < 0.4).astype(float)
    wanted = snntorch(nir.read(file, type_check=False), x)
    spikes, _ = run_in_double(found.spec, x)
    (first, second) = found.layers
    assert (first.lag, second.lag) == (0, 1)
    np.testing.assert_array_equal(spikes["lif1_lif"], wanted["lif1.lif"])
    np.testing.assert_array_equal(spikes["lif2"][1:], wanted["lif2"][:-1])
    assert wanted["lif1.lif"].sum() > 500
    assert wanted["lif2"].sum() > 50


@needs_paper
@pytest.mark.parametrize("seed", [0, 1])
def test_the_braille_network_is_exact_on_integers_and_on_lava(tmp_path: Path, seed: int) -> None:
    read(PAPER / "braille_noDelay_noBias_subtract.nir").save(tmp_path / "braille.safetensors")
    model = load(tmp_path / "braille.safetensors")
    inputs = np.random.default_rng(seed).random((257, 2, 12)) < 0.4
    report = parity(model, get_target("loihi-sim"), inputs=inputs)
    assert {"P1", "P2"} <= report.levels.keys()
    assert not report.failed
    record = emulate(model.integers, inputs)
    assert all(p.spikes.sum() > 100 for p in record.spikes)


def test_a_file_without_v_reset_is_one_with_0() -> None:
    one, two = (
        from_nir(
            graph_of(input=1, w=linear(1.0), n=nir.LIF(*each(1, 0.02, 1, 0, 1), **more), output=1),
            "nir",
            dt=1.0,
        )
        for more in ({}, {"v_reset": np.zeros(1)})
    )
    assert differences(one.spec, two.spec) == []
    assert differences(one.network, two.network) == []


def test_biases_and_time_constants_are_exact_in_float_and_what_collides_is_said() -> None:
    neurons = nir.LIF(np.array([0.9, 0.8]), *each(2, 1, 0, 1))
    graph = graph_of(input=2, w=nir.Affine(np.eye(2), np.array([1.0, 2.0])), n=neurons, output=2)
    found = from_nir(graph, "nir", dt=0.1)
    (population,) = found.spec.populations
    assert population.bias.tolist() == [1.0, 2.0]
    assert population.neuron.alpha.tolist() == np.exp(-1e-4 / np.array([0.9, 0.8])).tolist()
    assert found.report is not None
    (line,) = [flag for flag in found.report.flags() if "share one decay" in flag]
    assert "tau_m from 800 to 900 ms" in line


def test_the_membrane_of_norse_starts_at_its_leak_and_is_read_from_there() -> None:
    neurons = nir.LI(*each(1, 0.02, 1, 0.5))
    found = from_nir(graph_of(input=1, w=linear(2.0), n=neurons, output=1), "norse", dt=1.0)
    x = np.zeros((5, 1, 1))
    x[1] = 1
    v, wanted = 0.5, []
    for t in range(5):
        v += 0.05 * (0.5 - v + 2.0 * x[t, 0, 0])
        wanted.append(v)
    _, readout = run_in_double(found.spec, x)
    np.testing.assert_allclose(readout[:, 0, 0], wanted, atol=1e-12)


def test_what_rockpool_has_lost_is_put_back() -> None:
    """LIFTorch: i = k (i + x + w_rec s), v = d v + i + bias, a spike at the threshold, subtracted."""
    rng = np.random.default_rng(5)
    n, dt = 6, 1e-3
    weight, w_rec, bias = rng.normal(size=(n, n)), rng.normal(size=(n, n)), rng.normal(size=n) / 9
    tau, tau_syn = 0.02, 0.01
    r, leak, threshold = each(n, tau / dt * np.exp(-dt / tau), 0, 1)
    node = nir.CubaLIF(
        tau_syn=np.full(n, tau_syn), tau_mem=np.full(n, tau), r=r, v_leak=leak, v_threshold=threshold,
        w_in=np.ones(n),
    )  # fmt: skip
    graph = graph_of(input=n, **{"0_LinearTorch": linear(*weight), "1_LIFTorch": node}, output=n)
    put = {"1_LIFTorch.w_rec": w_rec, "1_LIFTorch.bias": bias}
    found = from_nir(graph, one_spike=True, put=put)
    assert found.reading["dialect"] == "rockpool"
    x = (rng.random((200, 3, n)) < 0.2).astype(float)
    i = v = s = np.zeros((3, n))
    wanted = []
    for now in x:
        i = np.exp(-dt / tau_syn) * (i + now @ weight.T + s @ w_rec.T)
        v = np.exp(-dt / tau) * v + i + bias
        s = (v >= 1).astype(float)
        v = v - s
        wanted.append(s)
    spikes, _ = run_in_double(found.spec, x)
    np.testing.assert_array_equal(spikes["1_LIFTorch"], np.array(wanted))
    assert np.sum(wanted) > 500


@pytest.mark.parametrize(
    ("dialect", "told", "said"),
    [
        ("nir", {}, "no file says how long a step is; say it in ms: --dt"),
        ("nir", {"dt": 0.0}, "--dt 0.0: must be a number of ms above 0"),
        ("nir", {"dt": 1.0, "reset": "zero"}, "reset 'zero': nir has to, subtract"),
        ("nir", {"dt": 1.0, "put": {"tau_syn": 1.0}}, "--put tau_syn: nir files lose no 'tau_syn'"),
        ("nir", {"dt": 1.0, "integration": "midpoint"}, "--integration 'midpoint': allowed are"),
        ("nir", {"dt": 1.0, "input_scale": -1.0}, "--input-scale -1.0: must be a number above 0"),
        ("brian", {}, "--from 'brian': there are snntorch, norse"),
        ("sinabs", {}, "its neurons send floor(v / threshold) spikes a step"),
        ("sinabs", {"one_spike": True, "put": {"q.tau_syn": 1.0}}, "there is no node 'q'"),
        ("snntorch", {}, "tau of neuron 0 is 2e-05, allowed at a step of 0.0001 are those of at least"),
        (None, {}, "no file says who wrote it"),
    ],
)  # fmt: skip
def test_what_has_to_be_told_and_what_can_not_be_is_said_in_a_line(
    dialect: str | None, told: dict[str, Any], said: str
) -> None:
    graph = graph_of(input=1, w=linear(1.0), n=lif(tau=2e-5), output=1)
    with pytest.raises(NetworkError) as caught:
        from_nir(graph, dialect, **told)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_neurons_that_say_different_steps_are_refused() -> None:
    graph = graph_of(input=1, a=lif(r=200.0), b=lif(r=100.0), output=1)
    with pytest.raises(NetworkError, match=r"say steps from 0\.0001 to 0\.0002 s"):
        from_nir(graph, "snntorch")


def test_every_dialect_names_its_source_and_library_version() -> None:
    for dialect in DIALECTS.values():
        assert dialect.source
        assert dialect.usual_reset in dialect.resets
    assert {"snntorch", "norse", "sinabs", "rockpool", "spikingjelly", "nir"} <= set(DIALECTS)
