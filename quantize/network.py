"""``QuantizedNetwork``: the integer network every target runs, and its parts.

Frozen dataclasses with read-only arrays. A constructor checks type, shape, range and endpoints and
names the object, the value and the limit, so that these objects can be trusted.
The integer equations are those of the neurons (:mod:`lsnn_neuro.neurons`) and of
:mod:`lsnn_neuro.network.dynamics`, in the arithmetic of :mod:`quantize.arithmetic`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lsnn_neuro.arrays import (
    EVENT_MAX,
    EVENT_MIN,
    Events,
    FloatArray,
    IntArray,
    frozen_floats,
    frozen_integers,
    plain,
    whole_number,
)
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.graph import INPUT, Graph, check_graph
from lsnn_neuro.neurons.neuron import Constants, Neuron, Role
from quantize.arithmetic import Ints, shift
from quantize.loihi import (
    BIAS_EXP_MAX,
    BIAS_MANT_MAX,
    DECAY_ONE,
    DELAY_MAX,
    MIXED_MAX,
    MIXED_MIN,
    STATE_SHIFT,
    WEIGHT_BITS,
    WEIGHT_EXP_MAX,
    WEIGHT_EXP_MIN,
    WEIGHT_MAX,
    role_range,
)

SignMode = Literal["excitatory", "inhibitory", "mixed"]

WEIGHT_RANGE: dict[SignMode, tuple[int, int]] = {
    "excitatory": (0, WEIGHT_MAX),
    "inhibitory": (-WEIGHT_MAX, 0),
    "mixed": (MIXED_MIN, MIXED_MAX),
}

SIZE_MAX = 2**31 - 1
"""Indices of neurons are 32 bit; every chip has fewer neurons."""

INPUT_LIMIT = 2**31 - 1
"""Largest synaptic input of a step once shifted into the membrane: Lava's integers have 32 bits."""

ValueRange = tuple[int, int]
"""The lowest and the highest value that an input sends, 0 among them."""

SPIKES: ValueRange = (0, 1)
ANY_EVENT: ValueRange = (EVENT_MIN, EVENT_MAX)


def value_range(inputs: Events) -> ValueRange:
    """The values of some inputs: those of spikes, and the range of graded events."""
    if inputs.dtype == np.bool_ or inputs.size == 0:
        return SPIKES
    return min(0, int(inputs.min())), max(1, int(inputs.max()))


@dataclass(frozen=True, kw_only=True, eq=False)
class QuantizedPopulation:
    """A population in integers; arrays have shape (neuron,).

    - neuron: the equations; constants: theirs, decays in 1/4096 and everything else in membrane units
    - decay_i: decay of the synaptic current, 0 to 4096; None where there is no current
    - bias: enters the membrane in each step, mantissa of 13 bits << exponent of 0 to 7 for each neuron
    - scale: membrane units per float unit, v_int = scale * v_float
    - offset: of a readout, added by the host to what is read, in float units
    """

    name: str
    neuron: type[Neuron]
    constants: Any
    scale: float
    decay_i: IntArray | None = None
    bias: IntArray = 0  # type: ignore[assignment]
    offset: FloatArray = 0.0  # type: ignore[assignment]

    def __post_init__(self) -> None:
        """Check types, shapes and ranges, constant by constant as its role says."""
        label = f"population {self.name!r}"
        if type(self.constants) is not self.neuron.Constants:
            raise NetworkError(
                f"{label}: constants are {type(self.constants).__name__}, {self.neuron.name!r} neurons "
                f"have {self.neuron.Constants.__name__}"
            )
        n = max(np.size(value) for _, _, value in self.constants.numbers())
        if n == 0:
            raise NetworkError(f"{label}: has 0 neurons, needs at least 1; leave it out")

        def checked(name: str, role: Role, value: Any) -> Any:
            if role.is_number:
                array = frozen_integers(label, name, value, n, *role_range(role))
                for index in np.flatnonzero(array % role.grid)[:1]:
                    raise NetworkError(
                        f"{label}: {name}[{index}] is {array[index]}, allowed are multiples of "
                        f"{role.grid}"
                    )
                return array
            if role.kind == "choice" and value not in role.options:
                allowed = ", ".join(map(repr, role.options))
                raise NetworkError(f"{label}: {name} is {plain(value)!r}, allowed are {allowed}")
            return 1.0 if role.kind in ("surrogate", "width") else value  # no target knows these

        constants: Constants = self.constants.map(checked)
        object.__setattr__(self, "constants", constants)
        if self.decay_i is not None:
            array = frozen_integers(label, "decay_i", self.decay_i, n, 0, DECAY_ONE)
            object.__setattr__(self, "decay_i", array)
        elif self.neuron.current_wraps:
            raise NetworkError(f"{label}: {self.neuron.name!r} neurons need a decay_i")
        object.__setattr__(self, "bias", _checked_bias(label, self.bias, n))
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise NetworkError(f"{label}: scale is {self.scale}, must be finite and above 0")
        object.__setattr__(self, "offset", frozen_floats(label, "offset", self.offset, n))
        if self.spiking and self.offset.any():
            raise NetworkError(f"{label}: only readouts have an offset, its neurons spike")

    @property
    def size(self) -> int:
        """Number of neurons."""
        return len(next(iter(self.constants.numbers()))[2])

    @property
    def spiking(self) -> bool:
        """Whether its neurons spike; else it is a readout."""
        return self.neuron.spiking

    @property
    def adaptive(self) -> bool:
        """Whether a spike of any neuron changes a state of the population beside the membrane."""
        return bool(np.any(getattr(self.constants, "step_a", 0)))

    @property
    def vth(self) -> IntArray:
        """Baseline thresholds in membrane units; all 0 where there is none."""
        vth: IntArray = getattr(self.constants, "vth", np.zeros(self.size, np.int32))
        return vth

    def bias_parts(self) -> tuple[IntArray, IntArray]:
        """Mantissa and exponent of the bias, of which the smallest exponent is taken."""
        return bias_parts(self.bias)


def _checked_bias(label: str, values: npt.ArrayLike, n: int) -> IntArray:
    most = (BIAS_MANT_MAX + 1) << BIAS_EXP_MAX
    bias = frozen_integers(label, "bias", values, n, -most, most)
    mant, exponent = bias_parts(bias)
    for index in np.flatnonzero((mant << exponent) != bias)[:1]:
        raise NetworkError(
            f"{label}: bias[{index}] is {bias[index]}, which is no mantissa of 13 bits << 0 to 7"
        )
    return bias


def bias_parts(bias: IntArray) -> tuple[IntArray, IntArray]:
    """Mantissa, -4096 to 4095, and the smallest exponent that holds a bias, 0 to 7."""
    exponent = np.zeros_like(bias)
    for _ in range(BIAS_EXP_MAX):
        mant = bias >> exponent
        exponent += (mant > BIAS_MANT_MAX) | (mant < -BIAS_MANT_MAX - 1)
    mant = np.clip(bias >> exponent, -BIAS_MANT_MAX - 1, BIAS_MANT_MAX)
    return mant.astype(np.int32), exponent.astype(np.int32)


@dataclass(frozen=True, kw_only=True, eq=False)
class QuantizedProjection:
    """The synapses of one sign mode from one source onto one target; arrays have shape (synapse,).

    Synapse s runs from source neuron source_index[s] to target neuron target_index[s]. Synapses are
    sorted by target, then source, and no pair occurs twice.

    - n_source, n_target: sizes of the two ends
    - weight_mant: 0 to 255 (excitatory), -255 to 0 (inhibitory), even -256 to 254 (mixed)
    - delay: extra steps, 0 to 62
    - weight_exp: the weight is weight_mant * 2^weight_exp, -8 to 7
    """

    name: str
    source: str
    target: str
    n_source: int
    n_target: int
    source_index: IntArray
    target_index: IntArray
    weight_mant: IntArray
    delay: IntArray
    weight_exp: int
    sign_mode: SignMode

    def __post_init__(self) -> None:
        """Check types, shapes, ranges and the order of the synapses."""
        label = f"projection {self.name!r}"
        if self.sign_mode not in WEIGHT_RANGE:
            raise NetworkError(
                f"{label}: sign_mode is {self.sign_mode!r}, allowed are {', '.join(sorted(WEIGHT_RANGE))}"
            )
        for name, low, high in (
            ("n_source", 1, SIZE_MAX),
            ("n_target", 1, SIZE_MAX),
            ("weight_exp", WEIGHT_EXP_MIN, WEIGHT_EXP_MAX),
        ):
            value = whole_number(label, name, getattr(self, name), low, high)
            object.__setattr__(self, name, value)
        for name, low, high in (
            ("source_index", 0, self.n_source - 1),
            ("target_index", 0, self.n_target - 1),
            ("weight_mant", *WEIGHT_RANGE[self.sign_mode]),
            ("delay", 0, DELAY_MAX),
        ):
            array = frozen_integers(
                label, name, getattr(self, name), len(self.weight_mant), low, high
            )
            object.__setattr__(self, name, array)
        if self.sign_mode == "mixed" and (self.weight_mant % 2).any():
            raise NetworkError(f"{label}: weights of mixed sign must be even (7 bits and a sign)")
        order = self.target_index.astype(np.int64) * self.n_source + self.source_index
        if (np.diff(order) <= 0).any():
            raise NetworkError(
                f"{label}: synapses must be sorted by target, source, without repeats"
            )

    @classmethod
    def of_matrix(
        cls, name: str, source: str, target: str, weight_mant: npt.NDArray[np.integer[Any]],
        delay: npt.NDArray[np.integer[Any]], weight_exp: int, sign_mode: SignMode,
    ) -> QuantizedProjection:  # fmt: skip
        """The projection whose synapses are the non-zero entries of a matrix (target, source).

        ``delay`` has the same shape.
        """
        rows, columns = np.nonzero(weight_mant)  # by target, then source
        return cls(
            name=name,
            source=source,
            target=target,
            n_source=weight_mant.shape[1],
            n_target=weight_mant.shape[0],
            source_index=columns.astype(np.int32),
            target_index=rows.astype(np.int32),
            weight_mant=weight_mant[rows, columns].astype(np.int32),
            delay=delay[rows, columns].astype(np.int32),
            weight_exp=weight_exp,
            sign_mode=sign_mode,
        )

    @property
    def n_synapses(self) -> int:
        """Number of synapses."""
        return len(self.weight_mant)

    @property
    def reach(self) -> int:
        """Longest delay in steps (0 without synapses)."""
        return int(self.delay.max(initial=0))

    def sums(self, values: ValueRange) -> tuple[Ints, Ints]:
        """Lowest and highest sum of weight_mant * value that can arrive, (delay, target).

        - values: the lowest and the highest that a source sends
        """
        places = self.delay.astype(np.int64) * self.n_target + self.target_index
        shape = self.reach + 1, self.n_target
        products = np.outer(values, self.weight_mant)
        lowest, highest = (
            np.bincount(places, extreme, shape[0] * shape[1]).astype(np.int64).reshape(shape)
            for extreme in (products.min(axis=0), products.max(axis=0))
        )
        return lowest, highest


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a quantized network came from.

    - checkpoint_sha256: hash of the checkpoint file; recipe: its name; tool_version: of this package
    - weight_bits: width the weights were rounded to
    """

    checkpoint_sha256: str = ""
    recipe: str = ""
    tool_version: str = ""
    weight_bits: int = WEIGHT_BITS


UNKNOWN = Provenance()


@dataclass(frozen=True, kw_only=True, eq=False)
class QuantizedNetwork(Graph):
    """An integer network: populations, projections, what is read, and where it came from.

    - n_inputs: number of inputs; dt: length of a time step in ms
    - outputs: the populations that are read, by default all readouts
    """

    n_inputs: int
    populations: tuple[QuantizedPopulation, ...]
    projections: tuple[QuantizedProjection, ...]
    outputs: tuple[str, ...] = ()
    dt: float = 1.0
    provenance: Provenance = UNKNOWN

    def __post_init__(self) -> None:
        """Check names, that every projection fits its two ends, and that no sum can overflow."""
        if not self.outputs:
            object.__setattr__(self, "outputs", tuple(p.name for p in self.readouts))
        n = whole_number("network", "n_inputs", self.n_inputs, 1, SIZE_MAX)
        object.__setattr__(self, "n_inputs", n)
        if not (np.isfinite(self.dt) and self.dt > 0):
            raise NetworkError(f"network: dt is {self.dt} ms, must be finite and above 0")
        check_graph(self)
        for projection in self.projections:
            for end, size in (
                (projection.source, projection.n_source),
                (projection.target, projection.n_target),
            ):
                if self.size_of(end) != size:
                    raise NetworkError(
                        f"projection {projection.name!r}: {end!r} has {self.size_of(end)} neurons, "
                        f"not {size}"
                    )
        self._refuse_overflow(SPIKES)

    def check_values(self, values: ValueRange) -> None:
        """Refuse input values with which a sum could overflow, naming the population and the sum."""
        if values != SPIKES and not self._takes_any_event:
            self._refuse_overflow(values)

    def _refuse_overflow(self, values: ValueRange) -> None:
        sent, less = f" with input values from {values[0]} to {values[1]}", ", or smaller values"
        if values == SPIKES:
            sent = less = ""
        for population in self.populations:
            worst = self.worst_input(population.name, values)
            if worst << STATE_SHIFT > INPUT_LIMIT:
                raise NetworkError(
                    f"population {population.name!r}: its synaptic input of a step can reach {worst}"
                    f"{sent}, allowed are {INPUT_LIMIT >> STATE_SHIFT}, since the chip's simulator wraps "
                    f"at 32 bits; fewer or weaker synapses{less}"
                )

    @cached_property
    def _takes_any_event(self) -> bool:
        worst = max(self.worst_input(p.name, ANY_EVENT) for p in self.populations)
        return worst << STATE_SHIFT <= INPUT_LIMIT

    def input_extremes(self, name: str, values: ValueRange = SPIKES) -> tuple[Ints, Ints]:
        """Lowest and highest synaptic input of a step, before the shift by 6, (neuron,).

        - values: what the network's inputs send, see :func:`value_range`; populations send spikes
        """
        low = high = np.zeros(self.size_of(name), np.int64)
        for p in self.into(name):
            lowest, highest = p.sums(values if p.source == INPUT else SPIKES)
            low = low + shift(lowest, p.weight_exp).sum(axis=0)
            high = high + shift(highest, p.weight_exp).sum(axis=0)
        return low, high

    def worst_input(self, name: str, values: ValueRange = SPIKES) -> int:
        """Largest magnitude of a step's synaptic input, all that has one sign active at once.

        - values: as in :meth:`input_extremes`
        """
        low, high = self.input_extremes(name, values)
        return int(max(-low.min(), high.max()))

    @property
    def n_synapses(self) -> int:
        """Number of synapses, those onto readouts included."""
        return sum(p.n_synapses for p in self.projections)

    @property
    def output_scale(self) -> FloatArray:
        """Units of each output's integers in one of the float network, (output,); 1 for spikes."""
        parts = [np.full(p.size, 1.0 if p.spiking else p.scale) for p in self.output_populations]
        return np.concatenate(parts)

    @property
    def output_offset(self) -> FloatArray:
        """What the host adds to each output, in float units, (output,)."""
        return np.concatenate([p.offset for p in self.output_populations])

    def to_float(self, readout: npt.NDArray[Any]) -> FloatArray:
        """A readout in integers, (..., output), in the float network's units, offsets included."""
        values: FloatArray = readout / self.output_scale + self.output_offset
        return values


__all__ = [
    "ANY_EVENT", "INPUT", "SPIKES", "UNKNOWN", "WEIGHT_RANGE", "Provenance", "QuantizedNetwork",
    "QuantizedPopulation", "QuantizedProjection", "SignMode", "ValueRange", "bias_parts", "value_range",
]  # fmt: skip
