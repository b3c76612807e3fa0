"""The integer model on the native kernel: the same integers as :mod:`quantize.emulator`, much faster.

All populations become one core of neurons side by side. Whole test sets run in seconds, a batch at a
time, with as many threads as there are cores; the result does not depend on their number.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro import kernel
from lsnn_neuro.kernel import KIND, KernelSession, SynapseList, unpack_spikes
from lsnn_neuro.spec import INPUT, READOUT
from quantize.loihi import DECAY_ONE, STATE_MAX, STATE_SHIFT
from quantize.network import Projection, QuantizedNetwork
from quantize.record import PopulationSpikes, PopulationState

INT32_MAX = 2**31 - 1


def runs_on_kernel(network: QuantizedNetwork) -> bool:
    """Whether the kernel is built and its 32-bit lanes hold every sum this network can produce.

    Negative weight exponents round each sum of a delay down on its own; only the reference does that.
    """
    if not kernel.available() or any(p.weight_exp < 0 for p in network.projections):
        return False
    for target in (*(p.name for p in network.populations), READOUT):
        worst = sum(
            (
                np.bincount(p.target_index, np.abs(p.weight_mant) * 2.0**p.weight_exp, p.n_target)
                for p in network.into(target)
            ),
            np.zeros(1),
        )
        # beside the input: the decayed membrane and an adaptation current
        if worst.max() * 2**STATE_SHIFT + 2 * STATE_MAX > INT32_MAX:
            return False
    return True


def emulate_on_kernel(
    network: QuantizedNetwork, inputs: npt.NDArray[np.bool_], *, spikes: bool
) -> tuple[tuple[PopulationSpikes, ...], npt.NDArray[np.int32]]:
    """Run a batch from rest; gives the spikes (none unless asked for) and the readout.

    ``inputs`` is bool, shape (time, sample, input); see :func:`quantize.emulator.emulate`.
    """
    readout, bits, *_ = _run(network, inputs, keep=1 if spikes else 0)
    n_samples = inputs.shape[1]
    o = readout.reshape(*readout.shape[:2], -1)[..., :n_samples].transpose(0, 2, 1)
    if not spikes:
        return (), o
    trains = unpack_spikes(bits, n_samples)
    first = _first_neurons(network)
    return tuple(
        PopulationSpikes(name=p.name, spikes=trains[..., first[p.name] : first[p.name] + p.size])
        for p in network.populations
    ), o


def trace_on_kernel(
    network: QuantizedNetwork, inputs: npt.NDArray[np.bool_]
) -> Iterator[tuple[PopulationState, ...]]:
    """States of every population, step by step, for one sample of shape (time, input)."""
    _, bits, *_, states, _ = _run(network, inputs[:, None], keep=4)
    z = unpack_spikes(bits, 1)[:, 0]  # (time, neuron)
    first = _first_neurons(network)
    left = {p.name: np.zeros(p.size, np.int32) for p in network.populations}
    for t, state in enumerate(states[0, ..., 0]):  # (neuron, 3)
        populations = []
        for p in network.populations:
            here = slice(first[p.name], first[p.name] + p.size)
            v, a, r = state[here].T
            if p.neuron != "atrlif":  # the kernel counts their refractory steps in bits
                r = np.where(z[t, here], p.n_ref, np.maximum(left[p.name] - 1, 0)).astype(np.int32)
                left[p.name] = r
            populations.append(PopulationState(name=p.name, v=v, a=a, r=r, z=z[t, here]))
        yield tuple(populations)


def _first_neurons(network: QuantizedNetwork) -> dict[str, int]:
    """Where each population begins in the core; inputs and outputs count from 0 on their own."""
    first, n = {INPUT: 0, READOUT: 0}, 0
    for population in network.populations:
        first[population.name] = n
        n += population.size
    return first


def _run(
    network: QuantizedNetwork, inputs: npt.NDArray[np.bool_], *, keep: int
) -> tuple[npt.NDArray[Any], ...]:
    """The kernel's answer; ``keep`` as there."""
    assert kernel.native is not None
    x = np.ascontiguousarray(inputs).view(np.uint8)
    answer: tuple[npt.NDArray[Any], ...] = kernel.native.forward_integer(
        x, *_core(network), keep, True, 0
    )
    return answer


def session_on_kernel(network: QuantizedNetwork, n_samples: int) -> KernelSession:
    """The network as something to run some steps at a time."""
    assert kernel.native is not None
    return KernelSession(kernel.native.forward_integer, _core(network), n_samples=n_samples)


def _core(network: QuantizedNetwork) -> tuple[Any, ...]:
    """What the kernel wants to know of a network."""
    first = _first_neurons(network)
    n = sum(p.size for p in network.populations)
    recurrent = [p for p in network.projections if p.source != INPUT and p.target != READOUT]
    synapses = (
        _side_by_side(
            network.n_inputs, [p for p in network.projections if p.source == INPUT], first
        ),
        _side_by_side(n, recurrent, first),
        _side_by_side(n, list(network.into(READOUT)), first),
    )
    return (
        _neurons(network),
        *(s.arrays() for s in synapses),
        n,
        network.readout.size,
        max((p.max_delay for p in network.projections), default=0),
    )


def _neurons(network: QuantizedNetwork) -> tuple[npt.NDArray[np.generic], ...]:
    """Columns over all neurons, as the kernel takes them: what decays keep, steps, thresholds ..."""

    def column(field: str) -> npt.NDArray[np.int32]:
        columns: list[npt.NDArray[np.int32]] = [getattr(p, field) for p in network.populations]
        return np.concatenate(columns)

    def each(values: list[int]) -> npt.NDArray[np.int64]:
        return np.repeat(values, [p.size for p in network.populations])

    vth = column("vth_mant") << STATE_SHIFT
    sign = each([-1 if p.adaptation == "current" else 1 for p in network.populations])
    return (
        DECAY_ONE - column("decay_v"),
        DECAY_ONE - column("decay_a"),
        (sign * column("step_a")).astype(np.int32),
        vth,
        DECAY_ONE - network.readout.decay,
        np.ones(len(vth), np.float32),  # the pseudo-derivative's scale: nobody asks for gradients
        each([p.n_ref for p in network.populations]).astype(np.int32),
        each([p.reset == "zero" for p in network.populations]).astype(np.uint8),
        DECAY_ONE - column("decay_i"),
        DECAY_ONE - column("decay_r"),
        each([KIND[p.neuron, p.adaptation] for p in network.populations]).astype(np.uint8),
    )


def _side_by_side(
    n_source: int, projections: list[Projection], first: dict[str, int]
) -> SynapseList:
    """All synapses of some projections, numbered over the whole core, sorted by source."""

    def column(values: list[npt.NDArray[np.int32]]) -> npt.NDArray[np.int32]:
        joined: npt.NDArray[np.int32] = np.concatenate([np.zeros(0, np.int32), *values])
        return joined.astype(np.int32)

    source = column([p.source_index + first[p.source] for p in projections])
    target = column([p.target_index + first[p.target] for p in projections])
    delay = column([p.delay for p in projections])
    weight = column([p.weight_mant << (p.weight_exp + STATE_SHIFT) for p in projections])
    order = np.argsort(source, kind="stable")
    return SynapseList.of(n_source, source[order], target[order], delay[order], weight[order])
