"""The float description of a network, which passes from training to quantization.

Frozen, NumPy only, no torch. What stands here is all that the later stages know of a network, and all
that training, rewiring and a resumed run need of it: a network drawn, imported or trained is a
``NetworkSpec``, and ``SpikingNetwork(spec).to_spec()`` equals the spec. The equations are in
:mod:`lsnn_neuro.neurons` and :mod:`lsnn_neuro.network.dynamics`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lsnn_neuro.arrays import FloatArray, IntArray, frozen, frozen_floats, frozen_integers
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.graph import Graph, check_graph
from lsnn_neuro.neurons.neuron import Neuron

Signs = npt.NDArray[np.int8] | Literal["free", "unconstrained"]
DELAY_MAX = 62
"""Longest delay of a synapse in steps, as on the chip."""
INDEX_MAX = 2**31 - 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """A population of one kind of neuron.

    - name: unique within the network
    - neuron: equations and parameters
    - kappa_i: share of the synaptic current that a step keeps, exp(-dt/tau_i), (neuron,); all 0: none
    - bias: enters the drive of each step beside the synaptic current, (neuron,)
    - offset: added by the host to what is read of a readout, (neuron,); 0 where neurons spike
    - learn: what is learnt, beside "bias" and "offset" constants as users call them: "tau_m", "b0", "tau_i"
    - scale: membrane units per float unit of an integer network that came in as integers, and of one that
      must keep them; None lets the converter choose
    """

    name: str
    neuron: Neuron
    kappa_i: FloatArray = 0.0  # type: ignore[assignment]
    bias: FloatArray = 0.0  # type: ignore[assignment]
    offset: FloatArray = 0.0  # type: ignore[assignment]
    learn: tuple[str, ...] = ()
    scale: float | None = None

    def __post_init__(self) -> None:
        """Check shapes and ranges."""
        label = f"population {self.name!r}"
        for name in ("kappa_i", "bias", "offset"):
            array = frozen_floats(label, name, getattr(self, name), self.size)
            object.__setattr__(self, name, array)
        if ((self.kappa_i < 0) | (self.kappa_i >= 1)).any():
            raise NetworkError(
                f"{label}: kappa_i is {self.kappa_i.max():g}, must lie in 0 to below 1"
            )
        if self.spiking and self.offset.any():
            raise NetworkError(f"{label}: only readouts have an offset, its neurons spike")
        allowed = self.learnable()
        for name in self.learn:
            if name not in allowed:
                raise NetworkError(
                    f"{label}: learn names {name!r}, allowed are {', '.join(allowed)}"
                )
        object.__setattr__(self, "learn", tuple(sorted(set(self.learn))))

    def learnable(self) -> tuple[str, ...]:
        """What can be learnt of it."""
        return (*self.neuron.learnable(), "bias", "tau_i", *(() if self.spiking else ("offset",)))

    @property
    def size(self) -> int:
        """Number of neurons."""
        return self.neuron.size

    @property
    def spiking(self) -> bool:
        """Whether its neurons spike; else it is a readout."""
        return self.neuron.spiking

    @property
    def has_current(self) -> bool:
        """Whether its synaptic current carries over from step to step."""
        return bool(self.kappa_i.any()) or "tau_i" in self.learn


@dataclass(frozen=True, kw_only=True, eq=False)
class Projection:
    """The synapses from one source onto one target, a list, arrays (synapse,).

    Synapse s runs from neuron source_index[s] to neuron target_index[s]. They are kept sorted by target,
    then source; no pair occurs twice.

    - source: "input" or a spiking population; target: a population
    - weight: not 0; delay: steps on top of the one that a hop between spiking populations takes, 0 to 62
    - signs: int8 (n_source,), +1 or -1 for every synapse of a source (Dale); "free": each synapse keeps the
      sign it was drawn with; "unconstrained": a weight may change its sign, for networks without rewiring
    - max_delay: longest delay of a synapse that rewiring draws; by default the longest there is
    - autapses: whether a neuron may have a synapse onto itself
    - excitatory: share of positive ones among the synapses that rewiring draws, where signs are free
    - plastic: whether its synapses learn
    - group: projections of one group share parameters and cap; by default a group of its own
    - weight_exp: the exponent its integers have, where they came in as integers; None lets the converter
      choose
    """

    source: str
    target: str
    source_index: IntArray
    target_index: IntArray
    weight: FloatArray
    delay: IntArray = 0  # type: ignore[assignment]
    signs: Signs = "free"
    max_delay: int | None = None
    autapses: bool = True
    excitatory: float = 0.5
    plastic: bool = True
    group: str = ""
    name: str = ""
    weight_exp: int | None = None

    def __post_init__(self) -> None:
        """Sort the synapses, check types, ranges and signs."""
        if not self.name:
            object.__setattr__(self, "name", f"{self.source}->{self.target}")
        if not self.group:
            object.__setattr__(self, "group", self.name)
        label, n = f"projection {self.name!r}", len(self.weight)
        for name, most in (
            ("source_index", INDEX_MAX),
            ("target_index", INDEX_MAX),
            ("delay", DELAY_MAX),
        ):
            array = frozen_integers(label, name, getattr(self, name), n, 0, most)
            object.__setattr__(self, name, array)
        object.__setattr__(self, "weight", frozen_floats(label, "weight", self.weight, n))
        order = np.lexsort((self.source_index, self.target_index))
        if (np.diff(order) != 1).any():
            for name in ("source_index", "target_index", "weight", "delay"):
                object.__setattr__(self, name, frozen(getattr(self, name)[order]))
        self._check(label)

    def _check(self, label: str) -> None:
        pairs = np.stack([self.target_index, self.source_index])
        same = (np.diff(pairs, axis=1) == 0).all(axis=0)
        for index in np.flatnonzero(same)[:1]:
            raise NetworkError(
                f"{label}: two synapses from {self.source_index[index]} to {self.target_index[index]}; "
                "give one with the sum of the weights, or a projection of its own"
            )
        for index in np.flatnonzero(self.weight == 0)[:1]:
            raise NetworkError(f"{label}: weight[{index}] is 0; leave the synapse out")
        longest = int(self.delay.max(initial=0))
        if self.max_delay is None:
            object.__setattr__(self, "max_delay", longest)
        elif not longest <= self.max_delay <= DELAY_MAX:
            raise NetworkError(
                f"{label}: max_delay is {self.max_delay}, must lie in {longest} (its longest delay) to "
                f"{DELAY_MAX}"
            )
        if not 0 <= self.excitatory <= 1:
            raise NetworkError(f"{label}: excitatory is {self.excitatory}, must lie in 0 to 1")
        loops = self.source_index == self.target_index
        if not self.autapses and self.source == self.target and loops.any():
            raise NetworkError(
                f"{label}: neuron {self.source_index[loops][0]} has a synapse onto itself, and autapses "
                "is False"
            )
        if isinstance(self.signs, str):
            if self.signs not in ("free", "unconstrained"):
                raise NetworkError(
                    f"{label}: signs is {self.signs!r}, allowed are 'free', 'unconstrained' and an array "
                    "of +1 and -1 for each source"
                )
            return
        signs = np.array(self.signs)
        if signs.ndim != 1 or not np.isin(signs, (-1, 1)).all():
            raise NetworkError(f"{label}: signs must be +1 or -1 for each source")
        object.__setattr__(self, "signs", frozen(signs.astype(np.int8)))
        if int(self.source_index.max(initial=-1)) >= len(signs):
            raise NetworkError(f"{label}: signs has {len(signs)} entries, too few for its sources")
        for index in np.flatnonzero(np.sign(self.weight) != signs[self.source_index])[:1]:
            raise NetworkError(
                f"{label}: source {self.source_index[index]} has sign {signs[self.source_index[index]]} "
                f"and a synapse of weight {self.weight[index]:g}, which Dale's law forbids; give "
                "signs='free'"
            )

    @property
    def dale(self) -> bool:
        """Whether all synapses of a source have one sign."""
        return not isinstance(self.signs, str)

    @property
    def unconstrained(self) -> bool:
        """Whether a weight may change its sign."""
        return isinstance(self.signs, str) and self.signs == "unconstrained"

    @property
    def reach(self) -> int:
        """The longest delay of a synapse that it has or may get."""
        assert self.max_delay is not None
        return self.max_delay

    @property
    def n_synapses(self) -> int:
        """Number of synapses."""
        return len(self.weight)

    @classmethod
    def of_matrix(
        cls, source: str, target: str, weight: npt.NDArray[Any], *, delay: Any = 0, **more: Any
    ) -> Projection:
        """The projection whose synapses are the non-zero entries of a matrix (target, source).

        ``delay``: a matrix of the same shape, or a number for all.
        """
        rows, columns = np.nonzero(weight)
        delays = np.broadcast_to(np.asarray(delay), np.shape(weight))[rows, columns]
        return cls(
            source=source, target=target, source_index=columns.astype(np.int32),
            target_index=rows.astype(np.int32), weight=np.asarray(weight, np.float64)[rows, columns],
            delay=delays.astype(np.int32), **more,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkSpec(Graph):
    """A whole network.

    - n_inputs: number of inputs; dt: length of a time step in ms
    - outputs: the populations that are read, by default all readouts
    - feedback: fixed weights (readout neuron, spiking neuron) through which errors come back in place of
      the readouts' own (random feedback); gradients then don't travel back between spiking populations.
      None: backpropagation
    """

    n_inputs: int
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    outputs: tuple[str, ...] = ()
    dt: float = 1.0
    feedback: FloatArray | None = None

    def __post_init__(self) -> None:
        """Check names, ends, and that every synapse has its two neurons."""
        if not self.outputs:
            object.__setattr__(self, "outputs", tuple(p.name for p in self.readouts))
        if not (np.isfinite(self.dt) and self.dt > 0):
            raise NetworkError(f"network: dt is {self.dt} ms, must be finite and above 0")
        if self.n_inputs < 0:
            raise NetworkError(f"network: n_inputs is {self.n_inputs}, must be at least 0")
        check_graph(self)
        for p in self.projections:
            for field_, end in (("source_index", p.source), ("target_index", p.target)):
                highest, size = int(getattr(p, field_).max(initial=-1)), self.size_of(end)
                if highest >= size:
                    raise NetworkError(
                        f"projection {p.name!r}: {field_} reaches {highest}, {end!r} has {size}"
                    )
            if p.dale and len(p.signs) != self.size_of(p.source):
                raise NetworkError(
                    f"projection {p.name!r}: signs has {len(p.signs)} entries, {p.source!r} has "
                    f"{self.size_of(p.source)}"
                )
        if self.feedback is not None:
            expected = (sum(p.size for p in self.readouts), self.n_neurons)
            array = np.array(self.feedback, np.float64)
            if array.shape != expected or not np.isfinite(array).all():
                raise NetworkError(
                    f"network: feedback has shape {array.shape}, expected finite numbers {expected}"
                )
            object.__setattr__(self, "feedback", frozen(array))
        self._check_groups()

    def _check_groups(self) -> None:
        """Projections of one group must agree in what a group has once."""
        for name in self.groups:
            members = [p for p in self.projections if p.group == name]
            if len({p.plastic for p in members}) > 1:
                raise NetworkError(f"group {name!r}: some of its projections are plastic, some not")
            if len({p.unconstrained for p in members}) > 1:
                raise NetworkError(
                    f"group {name!r}: unconstrained and signed synapses in one group"
                )

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups of projections, in order."""
        return tuple(dict.fromkeys(p.group for p in self.projections))

    @property
    def n_synapses(self) -> int:
        """Number of synapses."""
        return sum(p.n_synapses for p in self.projections)
