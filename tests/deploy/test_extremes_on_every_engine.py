"""The largest sums, the longest delays, and runs in pieces: the same integers on every engine and on Lava."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from on_lava import emulated, lava, mismatches, refused
from random_networks import li, neurons

from deploy.emulated import Emulator as EmulatorTarget
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.kernel import SWITCH
from lsnn_neuro.network.module import SpikingNetwork
from lsnn_neuro.registry import NEURONS
from quantize.conversion import to_spec
from quantize.design_rules import check
from quantize.emulator import Emulator, emulate, trace
from quantize.emulator_kernel import kernel_obstacle
from quantize.network import ANY_EVENT, QuantizedNetwork, QuantizedProjection

STATE_MAX = 2**23 - 1
SOURCES, STEPS = 500, 8
LARGEST = 255 << 7
BIAS = 4095 << 7


def projection(source, target, weight, *, delay=0, exponent=0, mode="excitatory"):
    weight = np.array(weight)
    return QuantizedProjection.of_matrix(
        f"{source}->{target}", source, target, weight, np.broadcast_to(delay, weight.shape), exponent, mode
    )  # fmt: skip


ON_KERNEL = ("lif", "if", "alif", "ahp", "li")
KINDS = (*ON_KERNEL, "resetting-li")


def loud(*signs, kinds=KINDS, **fields):
    """Populations of every own process that 500 inputs excite or inhibit as much as they can, and readouts.

    A spike is not subtracted, and each neuron is refractory from its first spike on.
    """
    populations, projections = [], []
    for kind in kinds:
        for sign in signs:
            name = f"{kind} {sign:+d}"
            own = {"decay_v": [0], "vth": [64 * (2**17 - 1)]}
            if kind not in ("li", "resetting-li"):
                own |= {"n_ref": 63, "reset": "subtract_constant", "reset_by": 0}
            roles = NEURONS[kind].Constants.roles()
            own = {key: value for key, value in own.items() if key in roles}
            populations.append(neurons(kind, name, bias=[sign * BIAS], **own | fields))
            mode = "excitatory" if sign > 0 else "inhibitory"
            weight = np.full((1, SOURCES), sign * 255)
            projections.append(projection("input", name, weight, exponent=7, mode=mode))
    return QuantizedNetwork(
        n_inputs=SOURCES, populations=tuple(populations), projections=tuple(projections),
        outputs=tuple(p.name for p in populations if not p.spiking),
    )  # fmt: skip


def membranes(target, network, inputs):
    """v of every spiking population after the first step and after the last."""
    return [[int(s["v"][0]) for s in target.states(network, inputs, t)] for t in (0, STEPS - 1)]


@pytest.mark.parametrize("engine", ["kernel", "loop"])
def test_500_largest_sources_saturate_a_membrane_and_never_change_its_sign(engine, monkeypatch):
    monkeypatch.setenv(SWITCH, "on" if engine == "kernel" else "off")
    network = loud(1, -1, kinds=ON_KERNEL if engine == "kernel" else KINDS)
    assert (kernel_obstacle(network) is None) == (engine == "kernel")
    inputs = np.ones((STEPS, SOURCES), bool)
    assert (SOURCES * LARGEST << 6) + BIAS + STATE_MAX < 2**31
    for states in trace(network, inputs):  # in every step
        assert [int(s["v"][0]) for s in states] == [STATE_MAX, -STATE_MAX] * 4
    for v in membranes(EmulatorTarget(), network, inputs):
        assert v == [STATE_MAX, -STATE_MAX] * 4
    record = emulate(network, inputs[:, None])
    of_resetting = [] if engine == "kernel" else [0, -STATE_MAX]
    assert (record.readout[:, 0] == [STATE_MAX, -STATE_MAX, *of_resetting]).all()
    assert [p.spikes.sum() for p in record.spikes] == [1, 0] * 4  # then each is refractory


@pytest.mark.parametrize("options", [{"lif": "own"}, {"model": "fused"}])
def test_500_largest_sources_saturate_on_lava_too(options):
    network, inputs = loud(1, -1), np.ones((STEPS, SOURCES), bool)
    target = lava(**options)
    assert membranes(target, network, inputs)[1] == [STATE_MAX, -STATE_MAX] * 4
    readout = target.run(network, inputs[:, None]).readout
    np.testing.assert_array_equal(readout, emulate(network, inputs[:, None]).readout)


@pytest.mark.parametrize("sign", [1, -1])
def test_with_a_synaptic_current_500_largest_sources_are_refused_by_rule(sign):
    assert "current-input" not in {v.rule for v in check(loud(sign))}
    broken = [v for v in check(loud(sign, decay_i=[2048])) if v.rule == "current-input"]
    assert len(broken) == 6
    assert {v.value for v in broken} == {SOURCES * LARGEST}


@pytest.mark.parametrize("sign", [1, -1])
def test_stock_lif_refuses_500_largest_sources(sign):
    mode, weight = ("excitatory", 255) if sign > 0 else ("inhibitory", -255)

    def network(n):
        into = projection("input", "pop", np.full((1, n), weight), exponent=7, mode=mode)
        pop = neurons("lif", decay_v=[9], vth=[6400], reset="to")
        return QuantizedNetwork(
            n_inputs=n, populations=(pop,), projections=(into,), outputs=("pop",)
        )

    why = refused(network(SOURCES), lif="stock")
    assert f"its synaptic input can reach {sign * SOURCES * LARGEST}" in why
    assert "-131071 to 131072" in why
    assert refused(network(4), lif="stock") == ""  # 4 * 255 * 128 = 130560


# --- delays ------------------------------------------------------------------------------------------------


DELAYS = [0, 10, 62]


def relay(delays, **fields):
    """An input fires one neuron, which fires three others after some delays."""
    first = neurons("lif", "first", decay_v=[4096], vth=[64], reset="to", **fields)
    then = neurons("lif", "then", decay_v=4096, vth=[64] * 3, reset="to")
    return QuantizedNetwork(
        n_inputs=1,
        populations=(first, then, li("readout", [4096] * 3)),
        projections=(
            projection("input", "first", [[8]]),
            projection("first", "then", [[8]] * 3, delay=np.array(delays)[:, None]),
            projection("then", "readout", 2 * np.eye(3, dtype=int)),
        ),
        outputs=("readout",),
    )


@pytest.mark.parametrize("engine", ["kernel", "loop", "float", "lava", "fused"])
def test_delays_of_0_10_and_62_arrive_after_1_11_and_63_steps(engine, monkeypatch):
    network, at = relay(DELAYS), 4
    inputs = np.zeros((70, 1, 1), bool)
    inputs[at] = True
    monkeypatch.setenv(SWITCH, "off" if engine == "loop" else "on")
    if engine in ("kernel", "loop"):
        assert (kernel_obstacle(network) is None) == (engine == "kernel")
        spikes = emulate(network, inputs).spikes[1].spikes
    elif engine == "float":
        spikes = floats(network, inputs)
    else:
        target = lava(model="fused") if engine == "fused" else lava()
        spikes = target.run(network, inputs).spikes[1].spikes
    arrived = [np.flatnonzero(spikes[:, 0, j]).tolist() for j in range(3)]
    assert arrived == [[at + 1], [at + 11], [at + 63]]


def floats(network, inputs):
    """Spikes of the second population of the float network."""
    output = SpikingNetwork(to_spec(network))(torch.from_numpy(inputs))
    return output.spikes[..., network.places()["then"]].detach().numpy() > 0


def test_a_delay_of_63_is_refused_by_synapse():
    with pytest.raises(NetworkError, match=r"'first->then': delay\[1\] is 63, allowed are 0 to 62"):
        relay([0, 63, 62])


# --- in pieces ----------------------------------------------------------------------------------------------


def recurrent(seed=0):
    """Two populations that drive each other and a readout, all with delays of 0 to 62."""
    rng = np.random.default_rng(seed)
    sizes = {"input": 3, "one": 6, "two": 5, "readout": 2}
    ends = [("input", "one"), ("one", "two"), ("two", "one"), ("one", "one"), ("two", "readout"),
            ("one", "readout"), ("input", "two")]  # fmt: skip
    links = [
        projection(a, b, 2 * rng.integers(-20, 60, (sizes[b], sizes[a])), mode="mixed",
                   delay=rng.choice([0, 10, 62, 5], (sizes[b], sizes[a])))
        for a, b in ends
    ]  # fmt: skip
    own = {"decay_v": 300, "n_ref": 2}
    return QuantizedNetwork(
        n_inputs=3, projections=tuple(links), outputs=("readout",),
        populations=(
            neurons("alif", "one", **own | {"vth": [64 * 60] * 6, "step_a": 640, "decay_a": 40}),
            neurons("lif", "two", **own | {"vth": [64 * 40] * 5, "reset": "to"}),
            li("readout", [200, 100]),
        ),
    )  # fmt: skip


def in_pieces(session, inputs, size):
    parts = [session.step(inputs[t : t + size]) for t in range(0, len(inputs), size)]
    return np.concatenate(parts)


@pytest.mark.parametrize("engine", ["kernel", "loop", "lava", "fused"])
def test_one_step_seven_or_all_at_once_give_the_same_integers(engine, monkeypatch):
    network = recurrent()
    inputs = np.random.default_rng(1).random((91, 1, 3)) < 0.3
    reference = emulated(network, inputs)  # on the loop
    assert all(p.spikes[63:].any() for p in reference.spikes)
    expected = network.to_float(reference.readout)
    monkeypatch.setenv(SWITCH, "off" if engine == "loop" else "on")
    # a session takes whatever comes
    assert (kernel_obstacle(network, ANY_EVENT) is None) == (engine != "loop")
    target = {"lava": lava(), "fused": lava(model="fused")}.get(engine, EmulatorTarget())
    for size in (1, 7, len(inputs)):
        with target.session(network, 1, len(inputs)) as session:
            found, lag = in_pieces(session, inputs, size), session.lag
            np.testing.assert_array_equal(found, expected[: len(inputs) - lag])
            record = session.record()
        assert mismatches(reference, record) == (0, 0)


@pytest.mark.parametrize("switch", ["on", "off"])
def test_so_does_the_float_network(switch, monkeypatch):
    monkeypatch.setenv(SWITCH, switch)
    net = SpikingNetwork(to_spec(recurrent()))
    inputs = np.random.default_rng(1).random((91, 1, 3)) < 0.3
    whole = in_pieces(net.session(1), inputs, len(inputs))
    assert whole.any()
    for size in (1, 7):
        assert np.array_equal(in_pieces(net.session(1), inputs, size), whole)


def test_the_loop_that_looks_inside_steps_alike():
    network = recurrent()
    inputs = np.random.default_rng(1).random((91, 1, 3)) < 0.3
    emulator, readout = Emulator(network, 1), []
    for x in inputs:
        emulator.step(x)
        readout.append(emulator.readout)
    np.testing.assert_array_equal(readout, emulate(network, inputs).readout)
