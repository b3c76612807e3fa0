r"""The one time loop: float networks, training on integers, and the emulator.

Per step t, populations j in order (the arithmetic says what ``decay``, ``wrap`` and a spike are)::

    I_j[t] = sum over projections onto j of  sum_k w_jk s_k[t - h - d_jk]
    i_j[t] = wrap(decay(i_j[t-1]) + I_j[t])         where there is a synaptic current, else i = I
    state of j = step(state of j, i_j[t] + bias_j)

h is 1 between spiking populations, which receive the spikes of the step before and then move on together,
and 0 from inputs and into readouts, which receive the spikes of the same step. Weights and bias carry the
gains of their target: 1 - kappa_i and 1 - alpha (or 1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from lsnn_neuro.arrays import Array
from lsnn_neuro.network.graph import INPUT
from lsnn_neuro.neurons.neuron import Arithmetic, Neuron, State


class Synapses(Protocol):
    """A projection as the loop needs it."""

    @property
    def source(self) -> str:
        """Name of the source."""

    def current(self, history: tuple[Array, ...]) -> Array:
        """The synaptic current into the target, (sample, neuron).

        ``history[d]`` is what the source sent d steps before, (sample, source).
        """


@dataclass(frozen=True, kw_only=True)
class RunningPopulation:
    """A population as the loop needs it; ``decay_i`` None: no synaptic current; ``bias`` None: none."""

    name: str
    neuron: type[Neuron]
    constants: Any
    incoming: tuple[Synapses, ...]
    decay_i: Array | None = None
    bias: Array | None = None


@dataclass(frozen=True, kw_only=True)
class RunningNetwork:
    """A network as the loop needs it: its spiking populations and its readouts."""

    spiking: tuple[RunningPopulation, ...]
    readouts: tuple[RunningPopulation, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkState:
    """Where a run stands after a step.

    - populations: the state of each, arrays (sample, neuron)
    - currents: the synaptic current of those that have one
    - history: what each source sent in the last steps, the newest first, as far back as delays reach
    """

    populations: dict[str, State]
    currents: dict[str, Array]
    history: dict[str, tuple[Array, ...]]


def at_rest(graph: Any, zeros: Any) -> NetworkState:
    """The state before the first step, all zero.

    - graph: anything with the graph's questions (:class:`lsnn_neuro.network.graph.Graph`)
    - zeros: gives an array (sample, n) of zeros for n
    """
    return NetworkState(
        populations={
            p.name: State(**{name: zeros(p.size) for name in p.neuron.states})
            for p in graph.populations
        },
        currents={p.name: zeros(p.size) for p in graph.populations},
        history={
            name: (zeros(graph.size_of(name)),) * graph.reach_of(name)
            for name in (INPUT, *(p.name for p in graph.spiking))
        },
    )


def simulate(
    network: RunningNetwork, start: NetworkState, inputs: Iterable[Array], ar: Arithmetic
) -> Iterator[NetworkState]:
    """Advance a network step by step; gives the state after each step.

    - inputs: of each step, (sample, input)
    """
    states, currents, history = dict(start.populations), dict(start.currents), dict(start.history)

    def advance(population: RunningPopulation) -> State:
        current = sum(s.current(history[s.source]) for s in population.incoming)
        if population.decay_i is not None:
            kept = ar.decay(currents[population.name], population.decay_i)
            currents[population.name] = current = ar.wrap(kept + current)
        drive = current if population.bias is None else current + population.bias
        state = states[population.name]
        return population.neuron.step(state, drive, population.constants, ar)

    for x in inputs:
        history[INPUT] = (x, *history[INPUT][:-1])
        states.update({p.name: advance(p) for p in network.spiking})  # all receive the step before
        for p in network.spiking:
            history[p.name] = (states[p.name].z, *history[p.name][:-1])
        states.update({p.name: advance(p) for p in network.readouts})
        yield NetworkState(populations=dict(states), currents=dict(currents), history=dict(history))
