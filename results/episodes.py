"""Navigation on every target: episodes of a split, and both sides of a closed loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from torch import nn

from deploy.parity import Side
from deploy.targets import Target, get_target
from lsnn_neuro.closed_loop import Episodes, play
from lsnn_neuro.network.graph import INPUT
from lsnn_neuro.session import Session
from lsnn_neuro.tasks.base import Split, sample_ranges
from lsnn_neuro.tasks.navigation import Navigation
from quantize.network import QuantizedNetwork
from quantize.record import PopulationSpikes

OpenSession = Callable[[int], AbstractContextManager[Session]]
"""Number of samples -> a session of a network at rest."""


def float_session(network: nn.Module) -> OpenSession:
    """Of a float network."""
    return lambda n: nullcontext(network.session(n))


def target_session(task: Navigation, quantized: QuantizedNetwork, target: Target) -> OpenSession:
    """Of an integer network on a target."""
    return lambda n: target.session(quantized, n, task.n_steps)


def played(
    task: Navigation, split: Split, open_session: OpenSession, *, size: int, limit: int | None
) -> Iterator[Episodes]:
    """The first ``limit`` episodes of a split (None: all), ``size`` at a time."""
    for episodes in sample_ranges(task.n_samples(split), size, limit):
        with open_session(len(episodes)) as session:
            yield play(task, session, task.chances(split, episodes))


def closed_loop_sides(
    task: Navigation, quantized: QuantizedNetwork, target: Target, episodes: range
) -> tuple[Side, Side]:
    """The same test episodes on the emulator and on a target; what they hear is part of the record.

    Equal input spikes mean equal trajectories: they show where the agent is.
    """
    chances = task.chances("test", episodes)

    def side(target: Target) -> Side:
        with target.session(quantized, len(episodes), task.n_steps) as session:
            inputs = play(task, session, chances).inputs
            record = session.record()
        heard = PopulationSpikes(name=INPUT, spikes=inputs)
        return Side(record=replace(record, spikes=(heard, *record.spikes)))

    return side(get_target("emulator")), side(target)
