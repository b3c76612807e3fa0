"""One step of a population from every combination of boundary values, on each engine.

A grid is a product: the neurons of a population are all combinations of decays and thresholds, the samples
all combinations of states and inputs. What only matters where a neuron spikes (refractory steps, resets),
steps of adaptation, weights and biases take their boundary values in turn.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import integer_oracle
import numpy as np

from lsnn_neuro.network import kernel
from lsnn_neuro.network.dynamics import NetworkState
from lsnn_neuro.network.graph import INPUT
from lsnn_neuro.neurons.neuron import State
from lsnn_neuro.registry import NEURONS
from quantize.emulator import Emulator
from quantize.emulator_kernel import KernelEmulator, kernel_obstacle
from quantize.loihi import role_range
from quantize.network import QuantizedNetwork, QuantizedPopulation, QuantizedProjection

STATE_MAX = 2**23 - 1
DECAYS = [0, 1, 4095, 4096]
ENDS = [0, 1, -1, STATE_MAX, -STATE_MAX]
CURRENTS = [*ENDS, 2**23]
BIASES = [0, 1, -1, 4095 << 7, -4096 << 7]
VALUES = [0, 1, 127, -128]
"""What the input sends."""
AT_THRESHOLD = (-1, 0, 1)
"""Membranes that come to the threshold, less and plus one, once decayed and driven."""
LEAST_NEURONS = 192


def choices(kind):
    """Every combination of what a kind of neuron can choose between: resets and comparisons."""
    roles = NEURONS[kind].Constants.roles().items()
    options = {name: role.options for name, role in roles if role.kind == "choice"}
    return [
        dict(zip(options, chosen, strict=True)) for chosen in itertools.product(*options.values())
    ]


CASES = [(kind, chosen, current) for kind in NEURONS for chosen in choices(kind)
         for current in (False, True) if current or not NEURONS[kind].current_wraps]  # fmt: skip
"""Kinds of neurons, what they choose, and whether they have a synaptic current."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """A population and where it stands; every array (sample, neuron) but the first two.

    - weight: (neuron,), of the only input; sent: (sample,), what it sends
    - states, current: before the step
    """

    population: QuantizedPopulation
    weight: np.ndarray
    exponent: int
    sent: np.ndarray
    states: dict[str, np.ndarray]
    current: np.ndarray

    @property
    def arrived(self) -> np.ndarray:
        """The synaptic input of the step, (sample, neuron)."""
        return self.sent[:, None] * (self.weight << self.exponent)

    def network(self, sources, n_inputs) -> QuantizedNetwork:
        """The population behind its input; ``sources``: the input of each neuron."""
        n = self.population.size
        into = QuantizedProjection(
            name="in", source=INPUT, target="pop", n_source=n_inputs, n_target=n, source_index=sources,
            target_index=np.arange(n), weight_mant=self.weight, delay=np.zeros(n, int),
            weight_exp=self.exponent, sign_mode="mixed",
        )  # fmt: skip
        return QuantizedNetwork(
            n_inputs=n_inputs, populations=(self.population,), projections=(into,), outputs=("pop",)
        )

    def start(self, n_inputs) -> NetworkState:
        """As the engines take it; nothing is on its way."""
        silence = np.zeros((len(self.sent), n_inputs), np.int64)
        past = {INPUT: (silence,)}
        if self.population.spiking:
            past["pop"] = (np.zeros_like(self.current),)
        return NetworkState(
            populations={"pop": State(**self.states)}, currents={"pop": self.current}, history=past
        )

    def in_a_row(self) -> Grid:
        """The same in one sample, whose neurons are those of all samples; it sends 1 through weights."""
        times = len(self.sent)
        p = self.population
        return Grid(
            population=QuantizedPopulation(
                name="pop", neuron=p.neuron, scale=1.0,
                constants=p.constants.map(lambda _, r, v: np.tile(v, times) if r.is_number else v),
                decay_i=None if p.decay_i is None else np.tile(p.decay_i, times),
                bias=np.tile(p.bias, times),
            ),
            weight=np.tile(self.weight, times), exponent=self.exponent, sent=np.ones(1, int),
            states={name: values.reshape(1, -1) for name, values in self.states.items()},
            current=self.current.reshape(1, -1),
        )  # fmt: skip


def boundary_grid(kind, chosen, current, samples=None, **fixed) -> Grid:
    """All combinations for a kind of neuron.

    - samples: a slice of them, or how many are drawn at random; fixed: constants that have one value
    """
    rng = np.random.default_rng(0)
    neuron, roles = NEURONS[kind], NEURONS[kind].Constants.roles()
    axes = {name: DECAYS for name, role in roles.items() if role.kind == "decay"}
    if "vth" in roles:
        axes["vth"] = [0, 64, role_range(roles["vth"])[1]]
    if current:
        axes["decay_i"] = DECAYS
    columns = product(axes | {name: [value] for name, value in fixed.items()})
    least = len(BIASES) if fixed else LEAST_NEURONS
    times = -(-least // len(next(iter(columns.values()))))
    columns = {name: np.tile(column, times) for name, column in columns.items()}
    n = len(next(iter(columns.values())))

    def in_turn(values):
        return rng.permutation(np.resize(values, n))

    for name, role in roles.items():
        if role.is_number and name not in columns:
            low, high = role_range(role)
            columns[name] = in_turn(sorted({low, 0, max(role.grid, 1), high}))
    decay_i = columns.pop("decay_i", None)
    bias = in_turn(BIASES) if current else np.zeros(n, int)
    population = QuantizedPopulation(
        name="pop", neuron=neuron, constants=neuron.Constants(**columns, **chosen), scale=1.0,
        decay_i=decay_i, bias=bias,
    )  # fmt: skip
    states = {"v": ENDS}
    if "a" in neuron.states:
        states["a"] = ENDS
    if "r" in neuron.states:
        states["r"] = [0, 1, roles["n_ref"].most] if "n_ref" in roles else [*ENDS, 2**24]
    if fixed.get("n_ref") == 0:
        states["r"] = [0]
    if neuron.spiking:  # ATRLIF does not read the spike of the step before
        states["z"] = [0, 1] if "n_ref" in roles else [0]
    if "vth" in roles:
        states["v"] = [*ENDS, *(AIM + k for k in AT_THRESHOLD)]
    rows = product(states | {"i": CURRENTS if current else [0], "sent": VALUES})
    total = len(rows["sent"])
    if isinstance(samples, int):
        samples = rng.choice(total, min(samples, total), replace=False)
    if samples is not None:
        rows = {name: row[samples] for name, row in rows.items()}
    whole = {
        name: np.repeat(row[:, None], n, axis=1) for name, row in rows.items() if name != "sent"
    }
    grid = Grid(
        population=population, weight=in_turn([2, 254]),
        exponent=3 if current else 7,
        sent=rows["sent"], current=whole.pop("i"), states=whole,
    )  # fmt: skip
    whole["v"][:] = aimed(grid)
    return grid


AIM = 1 << 40
"""Stands for the membrane that comes to the threshold."""


def product(axes):
    """Every combination of some values, as columns by name."""
    meshed = np.meshgrid(*(np.array(values, np.int64) for values in axes.values()), indexing="ij")
    return {name: column.reshape(-1) for name, column in zip(axes, meshed, strict=True)}


def aimed(grid):
    """The membranes, with those at the threshold worked out; where none of 24 bits gets there, the last."""
    v = grid.states["v"]
    aiming = np.abs(v - AIM) <= 1
    p = grid.population
    if not aiming.any():
        return v
    low = Grid(**vars(grid) | {"states": grid.states | {"v": np.where(aiming, -STATE_MAX, v)}})
    after, current = on_loop(low)  # adaptation and current do not depend on the membrane before
    drive = (current if p.decay_i is not None else low.arrived << 6) + p.bias
    threshold = p.constants.vth + {
        "alif": lambda: after["a"], "ahp": lambda: -after["a"], "atrlif": lambda: after["a"] + after["r"],
    }.get(p.neuron.name, lambda: 0)()  # fmt: skip
    kept = 4096 - getattr(p.constants, "decay_v", np.zeros(p.size, int)).astype(np.int64)
    wanted = threshold + (v - AIM) - drive
    before = np.sign(wanted) * -(-np.abs(wanted) * 4096 // np.maximum(kept, 1))
    return np.where(aiming, np.clip(before, -STATE_MAX, STATE_MAX), v)


# --- the engines: each gives the states after the step and the synaptic current, (sample, neuron) ---------


def on_loop(grid):
    """The emulator's loop in NumPy."""
    network = grid.network(np.zeros(grid.population.size, int), 1)
    emulator = Emulator(network, len(grid.sent), grid.start(1))
    emulator.step(grid.sent[:, None].astype(np.int8))
    return vars(emulator.state.populations["pop"]), emulator.state.currents["pop"]


def on_kernel(grid):
    """The kernel, its lanes samples; None where it has no such neurons."""
    network = grid.network(np.zeros(grid.population.size, int), 1)
    if kernel_obstacle(network, (-128, 127)) is not None:
        return None
    made, n = KernelEmulator(network), len(grid.sent)
    start = grid.start(1)
    state = kernel.start_of(made.native, made.layout, start, kernel.past_of(network, start, n), n)
    kernel.forward(made.native, grid.sent[None, :, None].astype(np.int8), state=state)
    found = vars(kernel.read_states(made.native, made.layout, state, n)["pop"])
    return found, found["current"]


def on_kernel_alone(grid):
    """The kernel, its lanes neurons; one sample sends every value, each neuron hears one of them."""
    levels, sources = np.unique(grid.sent, return_inverse=True)
    row = grid.in_a_row()
    network = row.network(np.repeat(sources, grid.population.size), len(levels))
    if kernel_obstacle(network, (-128, 127)) is not None:
        return None
    made = KernelEmulator(network)
    session = made.session(1, row.start(len(levels)))
    session.run(levels[None, None].astype(np.int8))
    found = {
        name: v.reshape(grid.current.shape) for name, v in vars(session.states()["pop"]).items()
    }
    return found, found["current"]


def in_the_oracle(grid):
    """Plain Python integers."""
    p, names = integer_oracle.Population.of(grid.population), grid.population.neuron.states
    arrived = grid.arrived.tolist()
    after = {name: [] for name in names}
    currents = []
    columns = [grid.states[name].tolist() for name in names]
    for sample, input_of_each in enumerate(arrived):
        rows = zip(*(column[sample] for column in columns), strict=True)
        p.state = [{"a": 0, "r": 0, "z": 0, **dict(zip(names, row, strict=True))} for row in rows]
        p.current = grid.current[sample].tolist()
        p.step(input_of_each)
        for name in names:
            after[name].append([s[name] for s in p.state])
        currents.append(p.current)
    return {name: np.array(rows) for name, rows in after.items()}, np.array(currents)


ENGINES = {"loop": on_loop, "kernel": on_kernel, "kernel alone": on_kernel_alone}


def compare(grid):
    """Run a step on all engines of this process; gives what the oracle says.

    AssertionError names the engine, the state variable and the first neuron that differs.
    """
    states, current = in_the_oracle(grid)
    for engine, step in ENGINES.items():
        found = step(grid)
        if found is None:
            continue
        for name, values in states.items():
            assert_equal(found[0][name], values, f"{engine}: {name}", grid)
        if grid.population.decay_i is not None:
            assert_equal(found[1], current, f"{engine}: current", grid)
    return states, current


def assert_equal(found, expected, what, grid):
    """Name the first that differs, with all that it started from."""
    wrong = np.argwhere(np.asarray(found) != expected)
    if len(wrong):
        s, j = wrong[0]
        before = {name: int(values[s, j]) for name, values in grid.states.items()}
        constants = {
            name: int(values[j]) for name, _, values in grid.population.constants.numbers()
        }
        raise AssertionError(
            f"{what} of {grid.population.neuron.name} is {found[s, j]}, by definition {expected[s, j]} "
            f"({len(wrong)} differ); before: {before}, current {grid.current[s, j]}, synaptic input "
            f"{grid.arrived[s, j]}; {constants}"
        )
