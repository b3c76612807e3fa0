"""One step from any state: thousands of states at the edges of every range, against the oracle."""

from __future__ import annotations

import integer_oracle
import numpy as np
import pytest
from boundary_steps import CASES, choices

from lsnn_neuro.network.dynamics import NetworkState
from lsnn_neuro.network.graph import INPUT
from lsnn_neuro.neurons.neuron import State
from lsnn_neuro.registry import NEURONS
from quantize.emulator import Emulator, emulate
from quantize.loihi import role_range
from quantize.network import QuantizedNetwork, QuantizedPopulation, QuantizedProjection

N_NEURONS, N_STATES = 50, 100
STATE_MAX = 2**23 - 1
EDGES = np.array([0, 1, -1, 63, -64, 4095, 4096, -4097, STATE_MAX, -STATE_MAX])
DECAYS = np.array([0, 0, 0, 1, 6, 200, 2048, 4095, 4096])


def constants(rng, kind, chosen):
    """Each number of each neuron at an edge of its range, or anywhere."""
    values = dict(chosen)
    for name, role in NEURONS[kind].Constants.roles().items():
        if not role.is_number:
            continue
        low, high = role_range(role)
        edges = (
            DECAYS if role.kind == "decay" else np.array([low, high, *np.clip(EDGES, low, high)])
        )
        anywhere = rng.integers(low, high + 1, N_NEURONS)
        drawn = np.where(rng.random(N_NEURONS) < 0.6, rng.choice(edges, N_NEURONS), anywhere)
        values[name] = drawn // role.grid * role.grid
    return NEURONS[kind].Constants(**values)


def one_population(rng, kind, chosen, current):
    """Two inputs, one of them delayed, onto one population that drives itself and is read."""
    bias = rng.integers(-4096, 4096, N_NEURONS) << rng.integers(0, 8, N_NEURONS)
    population = QuantizedPopulation(
        name="pop", neuron=NEURONS[kind], constants=constants(rng, kind, chosen), scale=1.0,
        decay_i=rng.choice(DECAYS, N_NEURONS) if current else None,
        bias=bias * (rng.random(N_NEURONS) < 0.5),
    )  # fmt: skip
    shape = (N_NEURONS, 2)
    weight = rng.integers(-127, 128, shape) * 2
    # with a current at most 2 * 254 * 4 * 128 = 2^18 - 2^11 arrives, so it wraps around once at most
    exponent = int(rng.choice([-2, 0, 2] if current else [-2, 0, 6]))
    projections = [
        QuantizedProjection.of_matrix(
            "in", INPUT, "pop", weight, np.broadcast_to([0, 3], shape), exponent, "mixed"
        )
    ]
    if population.spiking:
        alone = rng.integers(0, 256, N_NEURONS) * np.eye(N_NEURONS, dtype=int)
        projections.append(
            QuantizedProjection.of_matrix(
                "self", "pop", "pop", alone, np.full_like(alone, 2), 0, "excitatory"
            )
        )
    return QuantizedNetwork(
        n_inputs=2, populations=(population,), projections=tuple(projections), outputs=("pop",)
    )


def random_events(rng):
    """Graded inputs of a step."""
    return rng.integers(-128, 128, (N_STATES, 2)).astype(np.int8)


def random_start(rng, network, inputs):
    """States at the edges, many of them where a neuron that keeps all comes to its threshold, or nearly.

    Gives them, and the inputs of the step: in half of the samples nothing arrives.
    """
    (p,) = network.populations
    shape, loud = (N_STATES, p.size), (np.arange(N_STATES) % 2)[:, None]

    def any_state(most=STATE_MAX):
        anywhere = rng.integers(-most, most + 1, shape)
        return np.where(
            rng.random(shape) < 0.5, rng.choice(np.clip(EDGES, -most, most), shape), anywhere
        )

    history = {INPUT: [loud * rng.integers(-128, 128, (N_STATES, 2)) for _ in range(4)]}
    values = {"v": any_state(), "a": any_state() // 2, "r": np.zeros(shape, np.int64)}
    values["z"] = (rng.random(shape) < 0.5).astype(np.int64)
    if hasattr(p.constants, "n_ref"):
        values["r"] = rng.choice([0, 0, 1, 63], shape)
    elif hasattr(p.constants, "decay_r"):
        values["r"] = np.abs(any_state()) * rng.choice([0, 1, 4], shape)
    if p.spiking:
        history["pop"] = [values["z"], *(loud * rng.integers(0, 2, shape) for _ in range(2))]
    currents, inputs = any_state(), (loud * inputs).astype(np.int8)
    probe = Emulator(network, N_STATES, as_state(network, values, currents, history))
    probe.step(inputs)  # currents and adaptation after it do not depend on the membrane before
    after = probe.state.populations["pop"]
    arrived = probe.state.currents["pop"] * (p.decay_i is not None)
    adapted = rng.choice([-1, 0, 1], shape) * getattr(after, "a", 0)
    near = p.vth + adapted - arrived - p.bias + rng.integers(-1, 2, shape)
    values["v"] = np.where(
        rng.random(shape) < 0.6, np.clip(near, -STATE_MAX, STATE_MAX), values["v"]
    )
    return values, currents, history, inputs


def as_state(network, values, currents, history):
    """As the emulator takes it."""
    (p,) = network.populations
    return NetworkState(
        populations={"pop": State(**{name: values[name] for name in p.neuron.states})},
        currents={"pop": currents},
        history={
            source: tuple(a.astype(np.int64) for a in past) for source, past in history.items()
        },
    )


def expected(network, values, currents, history, sample, inputs):
    """What the oracle makes of one of the states; ``inputs`` are (time, sample, input)."""
    (p,) = network.populations
    names = p.neuron.states
    start = {
        "states": {"pop": [{n: int(values[n][sample, j]) for n in names} for j in range(p.size)]},
        "currents": {"pop": currents[sample].tolist()},
        "sent": {source: [a[sample].tolist() for a in past] for source, past in history.items()},
    }
    return integer_oracle.run(network, inputs[:, sample].tolist(), start)


@pytest.mark.parametrize(("kind", "chosen", "current"), CASES, ids=str)
def test_one_step_from_any_state_equals_the_oracle(kind, chosen, current):
    rng = np.random.default_rng(CASES.index((kind, chosen, current)))
    network = one_population(rng, kind, chosen, current)
    values, currents, history, inputs = random_start(rng, network, random_events(rng))
    emulator = Emulator(network, N_STATES, as_state(network, values, currents, history))
    emulator.step(inputs)
    (p,) = network.populations
    fired = 0
    for sample in range(N_STATES):
        run = expected(network, values, currents, history, sample, inputs[None])
        for name in p.neuron.states:
            found = getattr(emulator.state.populations["pop"], name)[sample].tolist()
            assert found == [cell[name] for cell in run.states["pop"][0]], (sample, name)
        if current:
            assert emulator.state.currents["pop"][sample].tolist() == run.currents["pop"][0]
        fired += sum(cell["z"] for cell in run.states["pop"][0])
    assert not p.spiking or 0 < fired < N_STATES * p.size


@pytest.mark.parametrize("kind", [kind for kind in NEURONS if len(choices(kind)) > 1])
def test_the_states_tell_every_reset_and_both_comparisons_apart(kind):
    """From the same states, what a neuron chooses makes a difference."""
    after = {}
    for chosen in choices(kind):
        rng = np.random.default_rng(1)
        network = one_population(rng, kind, chosen, current=False)
        values, currents, history, inputs = random_start(rng, network, random_events(rng))
        emulator = Emulator(network, N_STATES, as_state(network, values, currents, history))
        emulator.step(inputs)
        state = emulator.state.populations["pop"]
        after[tuple(chosen.values())] = (state.v.tobytes(), state.z.tobytes())
    assert len(set(after.values())) == len(after)


@pytest.mark.parametrize("kind", list(NEURONS))
def test_a_whole_run_from_a_state_equals_the_oracle(kind):
    rng = np.random.default_rng(0)
    network = one_population(rng, kind, choices(kind)[0], current=True)
    values, currents, history, first = random_start(rng, network, random_events(rng))
    inputs = np.stack([first, *(random_events(rng) for _ in range(5))])
    record = emulate(network, inputs, start=as_state(network, values, currents, history))
    for sample in range(0, N_STATES, 7):
        run = expected(network, values, currents, history, sample, inputs)
        assert record.readout[:, sample].tolist() == run.readout
