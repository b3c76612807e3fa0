"""A ``SpikingNetwork`` in the native kernel's order: three lists of synapses, and columns of constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lsnn_neuro.network import kernel
from lsnn_neuro.network.graph import INPUT
from lsnn_neuro.network.kernel import (
    Columns,
    KernelNetwork,
    KernelOutput,
    LearntTensors,
    Part,
    SynapseList,
)

if TYPE_CHECKING:
    from lsnn_neuro.network.module import SpikingNetwork

INPUTS, RECURRENT, READOUT = range(3)


@dataclass(frozen=True, kw_only=True, eq=False)
class List:
    """The active synapses of one of the kernel's lists, sorted by source, then target.

    - slot: of each, among all slots of all groups; source, target: numbered over the whole list
    """

    n_source: int
    slot: Tensor
    source: npt.NDArray[np.int64]
    target: npt.NDArray[np.int64]
    delay: npt.NDArray[np.int32]

    def synapses(self) -> SynapseList:
        """As the kernel takes it, without weights."""
        empty = np.zeros(0, np.float32)
        return SynapseList.of(self.n_source, self.source, self.target, self.delay, empty)


@dataclass(frozen=True, kw_only=True, eq=False)
class Wiring:
    """Where the active synapses of a network run.

    - lists: from inputs, between neurons, onto readouts
    - counted: neurons whose spikes are read, after the readouts
    - columns: for each of the network's outputs, its place in what the kernel reads
    """

    lists: tuple[List, List, List]
    counted: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]
    n_neurons: int
    n_readouts: int

    def weights(self, all_slots: Tensor) -> tuple[Tensor, ...]:
        """Weights of the lists, (synapse,), of those of all slots, gains included."""
        return tuple(all_slots[a.slot] for a in self.lists)

    def feedback(self, matrix: Tensor | None, gains: Sequence[Tensor]) -> Tensor | None:
        """Fixed weights at the readout's synapses, (synapse,), times the readouts' gains."""
        if matrix is None:
            return None
        a = self.lists[READOUT]
        row, column = torch.from_numpy(a.target), torch.from_numpy(a.source)
        return _joined(gains)[row] * matrix[row, column]

    def float_network(self, net: SpikingNetwork) -> tuple[KernelNetwork, LearntTensors]:
        """The network in real numbers, and the tensors it learns."""
        dtype = net.dtype
        parts = [
            Part(
                form=type(p.spec.neuron).kernel_form or "", size=p.size,
                constants=p.neuron(dtype).constants(),
                decay_i=p.kappa_i().detach().numpy(),
            )
            for p in net.populations
            if p.spiking
        ]  # fmt: skip
        readouts = [p for p in net.populations if not p.spiking]
        gains = {p.name: p.gain().to(dtype) for p in net.populations}
        weights = self.weights(net.slot_gain(gains) * net.weights())
        back = self.feedback(net.feedback, [gains[p.name] for p in readouts])
        decay_out = _joined([p.neuron(dtype).constants().decay_v.detach() for p in readouts])
        return self.network(parts, decay_out.numpy(), weights, back)

    def network(
        self, parts: Sequence[Part], decay_out: npt.NDArray[Any], weights: Sequence[Tensor],
        back: Tensor | None, *, unit: int = 1,
    ) -> tuple[KernelNetwork, LearntTensors]:  # fmt: skip
        """The network of some constants and weights, and the tensors it learns.

        - unit: 4096 for a network of integers, whose learnt tensors are floats all the same
        """
        learnt = {
            name: torch.cat([torch.as_tensor(v) for v in kernel.column(parts, name)])
            for name in kernel.LEARNT
        }
        numbers = dict.fromkeys(kernel.LEARNT, np.ones(1, np.float32))
        fixed = kernel.fixed_columns(parts)
        for name in ("decay_i", "decay_r"):
            fixed[name] = fixed[name] * unit
        gammas = {float(getattr(part.constants, "gamma", 0.3)) for part in parts}
        network = KernelNetwork(
            columns=Columns(**numbers, **fixed),
            decay_out=decay_out * unit,
            inputs=self.lists[INPUTS].synapses(),
            recurrent=self.lists[RECURRENT].synapses(),
            readout=self.lists[READOUT].synapses(),
            integer=unit != 1,
            gamma=gammas.pop() if gammas else 0.3,
            threads=torch.get_num_threads(),
        )
        tensors = LearntTensors(
            inputs=weights[0], recurrent=weights[1], readout=weights[2], feedback=back, **learnt
        )
        return (
            reading_spikes(network, tensors, self.counted)
            if len(self.counted)
            else (network, tensors)
        )

    def read(self, readout: Any) -> Any:
        """The network's outputs, in order, from what the kernel reads, (time, sample, output)."""
        if np.array_equal(self.columns, np.arange(readout.shape[-1])):
            return readout
        return readout[..., self.columns]

    def spikes(
        self, x: Tensor, run: KernelOutput, network: KernelNetwork, learnt: LearntTensors
    ) -> Tensor:
        """All spikes of a run, (time, batch, neuron); where gradients are wanted they flow back.

        Then the network runs once more, with every neuron as an output of its own.
        """
        learns = any(isinstance(t, Tensor) and t.requires_grad for t in vars(learnt).values())
        if not (learns and torch.is_grad_enabled()):
            return run.spikes().float()
        bare, tensors = without_readout(network, learnt)
        return kernel.run(
            *_swap(reading_spikes(bare, tensors, np.arange(self.n_neurons)), x)
        ).readout


def _swap(pair: tuple[KernelNetwork, LearntTensors], x: Tensor) -> Any:
    return pair[0], x, pair[1]


def without_readout(
    network: KernelNetwork, learnt: LearntTensors
) -> tuple[KernelNetwork, LearntTensors]:
    """The network without outputs."""
    n, none = len(network.readout.start) - 1, np.zeros(0, np.int64)
    empty = SynapseList.of(n, none, none, none, np.zeros(0, np.float32))
    bare = replace(network, readout=empty, decay_out=network.decay_out[:0])
    nothing = learnt.readout[:0]
    back = None if learnt.feedback is None else nothing
    return bare, replace(learnt, readout=nothing, feedback=back)


def reading_spikes(
    network: KernelNetwork, learnt: LearntTensors, neurons: npt.NDArray[np.int64]
) -> tuple[KernelNetwork, LearntTensors]:
    """The network with an output more for each of some neurons, without memory, that gives its spikes."""
    old = network.readout
    n, n_old = len(old.start) - 1, len(network.decay_out)
    source = np.concatenate([np.repeat(np.arange(n), np.diff(old.start)), neurons])
    target = np.concatenate([old.target, n_old + np.arange(len(neurons))])
    delay = np.concatenate([old.delay, np.zeros(len(neurons), np.int32)])
    order = np.argsort(source, kind="stable")
    none = np.zeros(0, np.float32)
    readout = SynapseList.of(n, source[order], target[order], delay[order], none)
    decay_out = np.concatenate([network.decay_out, np.zeros(len(neurons), np.float32)])
    at = torch.from_numpy(order)
    ones = torch.ones(len(neurons), dtype=learnt.readout.dtype)
    back = None if learnt.feedback is None else torch.cat([learnt.feedback, ones])[at]
    tensors = replace(learnt, readout=torch.cat([learnt.readout, ones])[at], feedback=back)
    return replace(
        network, readout=readout, decay_out=decay_out.astype(network.decay_out.dtype)
    ), tensors


def wire_up(net: SpikingNetwork) -> Wiring:
    """The wiring of a network as it is now."""
    spec, places = net.spec, net.spec.places()
    n_readouts = sum(p.size for p in spec.readouts)
    parts: list[list[npt.NDArray[Any]]] = [[] for _ in range(3)]
    first = 0
    for group in net.groups:
        place, pairs = group.listed()
        block = pairs.block.numpy()
        base = np.array(
            [(0 if p.source == INPUT else places[p.source].start, places[p.target].start)
             for p in group.projections]
        )[block]  # fmt: skip
        rows = np.stack(
            [place.numpy() + first, pairs.source.numpy() + base[:, 0],
             pairs.target.numpy() + base[:, 1], pairs.delay.numpy()]
        )  # fmt: skip
        kinds = np.array([_kind(spec, p) for p in group.projections])[block]
        for kind in range(3):
            parts[kind].append(rows[:, kinds == kind])
        first += group.n_weights
    lists = []
    for kind in range(3):
        rows = np.concatenate([np.zeros((4, 0), np.int64), *parts[kind]], axis=1)
        rows = rows[:, np.lexsort((rows[2], rows[1]))]
        n_source = spec.n_inputs if kind == INPUTS else spec.n_neurons
        lists.append(
            List(
                n_source=n_source, slot=torch.from_numpy(rows[0].copy()), source=rows[1],
                target=rows[2], delay=rows[3].astype(np.int32),
            )
        )  # fmt: skip
    counted = [p for p in spec.output_populations if p.spiking]
    neurons = [np.arange(places[p.name].start, places[p.name].stop) for p in counted]
    columns, after = [], n_readouts
    for p in spec.output_populations:
        start = after if p.spiking else places[p.name].start
        after += p.size * p.spiking
        columns.append(np.arange(start, start + p.size))
    return Wiring(
        lists=(lists[0], lists[1], lists[2]),
        counted=np.concatenate([np.zeros(0, np.int64), *neurons]),
        columns=np.concatenate(columns),
        n_neurons=spec.n_neurons,
        n_readouts=n_readouts,
    )


def _kind(spec: Any, projection: Any) -> int:
    """Which of the kernel's lists a projection belongs to."""
    if not spec.population(projection.target).spiking:
        return READOUT
    return INPUTS if projection.source == INPUT else RECURRENT


def kernel_obstacle(net: SpikingNetwork, x: Tensor | None) -> str | None:
    """Why the native kernel can't run a float network (on inputs ``x``); None if it can."""
    if not kernel.available():
        return "the native kernel is not built, or switched off"
    if net.device.type != "cpu" or net.dtype != torch.float32:
        return f"the kernel computes float32 on the CPU, the network is {net.dtype} on {net.device}"
    if x is not None and (x.dtype != torch.bool or x.requires_grad):
        return "the kernel takes spikes alone, without gradients"
    if x is not None and 0 in x.shape:
        return f"inputs of shape {tuple(x.shape)} hold nothing"
    return graph_obstacle(net.spec) or _learning_obstacle(net)


def graph_obstacle(graph: Any) -> str | None:
    """Why the kernel can't run a float network's graph; None if it can."""
    if graph.n_inputs == 0 or graph.n_neurons == 0:
        return "the network has no inputs or no spiking neurons"
    for p in graph.populations:
        label = f"population {p.name!r}"
        if p.bias.any():
            return f"{label} has a bias"
        if p.spiking:
            found = kernel.obstacle(type(p.neuron), p.neuron.constants())
            if found is not None:
                return f"{label}: the kernel {found}"
        if p.has_current and p.neuron.kernel_form != "refractory":
            return f"{label} has a synaptic current"
    if len({p.neuron.constants().gamma for p in graph.spiking}) > 1:
        return "populations differ in gamma"
    for q in graph.projections:
        if not graph.population(q.target).spiking and (q.source == INPUT or q.reach):
            return f"projection {q.name!r}: a readout hears populations, without delays"
    return None


def _learning_obstacle(net: SpikingNetwork) -> str | None:
    for p in net.populations:
        unable = {"bias", "tau_i", "tau_r", "tau_out"} & set(p.spec.learn)
        if unable:
            return f"population {p.name!r} learns {', '.join(sorted(unable))}"
    return None


def _joined(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat(list(tensors)) if tensors else torch.zeros(0)
