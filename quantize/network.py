"""``QuantizedNetwork``: the integer network every target runs, and its parts.

Frozen dataclasses with read-only arrays. A constructor checks type, shape, range and endpoints and
names the object, the value and the limit, so that whoever holds one of these objects may trust it.
The integer equations are in :mod:`quantize.emulator`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lsnn_neuro.errors import NetworkError
from lsnn_neuro.spec import INPUT, READOUT, Adaptation, Neuron, Reset, check_equations
from quantize.loihi import (
    DECAY_ONE,
    DELAY_MAX,
    MIXED_MAX,
    MIXED_MIN,
    N_REF_MAX,
    STATE_MAX,
    VTH_MANT_MAX,
    WEIGHT_BITS,
    WEIGHT_EXP_MAX,
    WEIGHT_EXP_MIN,
    WEIGHT_MAX,
)

IntArray = npt.NDArray[np.int32]
SignMode = Literal["excitatory", "inhibitory", "mixed"]

WEIGHT_RANGE: dict[SignMode, tuple[int, int]] = {
    "excitatory": (0, WEIGHT_MAX),
    "inhibitory": (-WEIGHT_MAX, 0),
    "mixed": (MIXED_MIN, MIXED_MAX),
}


SIZE_MAX = 2**31 - 1
"""Indices of neurons are 32 bit; every chip ends long before."""


def _forget(n: int = 0) -> IntArray:
    """Decays of states that are forgotten at once: those that ``n`` neurons don't have."""
    return np.full(n, DECAY_ONE, np.int32)


def _freeze(owner: object, name: str, field: str, length: int, low: int, high: int) -> None:
    """Replace an integer field by a read-only int32 copy; refuse wrong types, shapes and ranges."""
    array = np.asarray(getattr(owner, field))
    if array.shape != (length,):
        raise NetworkError(f"{name}: {field} has shape {array.shape}, expected ({length},)")
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise NetworkError(f"{name}: {field} has type {array.dtype}, expected integers")
    for index in np.flatnonzero((array < low) | (array > high))[:1]:
        raise NetworkError(
            f"{name}: {field}[{index}] is {array[index]}, allowed are {low} to {high}"
        )
    array = array.astype(np.int32)
    array.setflags(write=False)
    object.__setattr__(owner, field, array)


def _freeze_scalar(owner: object, name: str, field: str, low: int, high: int) -> None:
    """Replace an integer field by a plain int; refuse wrong types and ranges."""
    value = getattr(owner, field)
    if not isinstance(value, (int, np.integer)) or not low <= value <= high:
        raise NetworkError(
            f"{name}: {field} is {value!r}, allowed are the integers {low} to {high}"
        )
    object.__setattr__(owner, field, int(value))


@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """A population of integer LIF, ALIF or ATRLIF neurons; arrays have shape (neuron,).

    - neuron: "lif" (with adaptation: ALIF) or "atrlif", which equations
    - adaptation: "threshold" (the state a raises it) or "current" (a is added to the membrane)
    - decay_v, decay_a: decay of membrane and adaptation in 1/4096, 0 to 4096
    - step_a: by what a spike raises the threshold, or lowers the current, 0 to 2^23 - 1; 0 makes an
      ALIF neuron a plain LIF
    - vth_mant: threshold divided by 64, 0 to 2^17 - 1
    - n_ref: refractory steps, 0 to 63
    - reset: "subtract" (the threshold, adapted or not) or "zero"
    - scale: membrane units per float unit, v_int = scale * v_float
    - decay_i, decay_r: ATRLIF's decay of synaptic current and refractory variable; 4096 without
    """

    name: str
    decay_v: IntArray
    decay_a: IntArray
    step_a: IntArray
    vth_mant: IntArray
    n_ref: int
    reset: Reset
    scale: float
    neuron: Neuron = "lif"
    adaptation: Adaptation = "threshold"
    decay_i: IntArray = field(default_factory=_forget)
    decay_r: IntArray = field(default_factory=_forget)

    def __post_init__(self) -> None:
        """Check types, shapes and ranges."""
        label = f"population {self.name!r}"
        if not self.name or self.name in (INPUT, READOUT):
            raise NetworkError(
                f"population name {self.name!r} is empty or reserved; choose another"
            )
        if (n := len(self.vth_mant)) == 0:
            raise NetworkError(f"{label}: has 0 neurons, needs at least 1; leave it out")
        _freeze(self, label, "decay_v", n, 0, DECAY_ONE)
        _freeze(self, label, "decay_a", n, 0, DECAY_ONE)
        _freeze(self, label, "step_a", n, 0, STATE_MAX)
        _freeze(self, label, "vth_mant", n, 0, VTH_MANT_MAX)
        _freeze_scalar(self, label, "n_ref", 0, N_REF_MAX)
        check_equations(
            label, neuron=self.neuron, adaptation=self.adaptation, reset=self.reset,
            n_ref=self.n_ref,
        )  # fmt: skip
        for decay in ("decay_i", "decay_r"):
            if len(getattr(self, decay)) == 0:
                object.__setattr__(self, decay, _forget(n))
            _freeze(self, label, decay, n, DECAY_ONE * (self.neuron == "lif"), DECAY_ONE)
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise NetworkError(f"{label}: scale is {self.scale}, must be finite and above 0")

    @property
    def size(self) -> int:
        """Number of neurons."""
        return len(self.vth_mant)

    @property
    def adaptive(self) -> bool:
        """Whether any neuron adapts."""
        return bool(self.step_a.any())


@dataclass(frozen=True, kw_only=True, eq=False)
class Projection:
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
                f"{label}: sign_mode is {self.sign_mode!r}, allowed are {sorted(WEIGHT_RANGE)}"
            )
        _freeze_scalar(self, label, "n_source", 1, SIZE_MAX)
        _freeze_scalar(self, label, "n_target", 1, SIZE_MAX)
        n = len(self.weight_mant)
        _freeze(self, label, "source_index", n, 0, self.n_source - 1)
        _freeze(self, label, "target_index", n, 0, self.n_target - 1)
        _freeze(self, label, "weight_mant", n, *WEIGHT_RANGE[self.sign_mode])
        _freeze(self, label, "delay", n, 0, DELAY_MAX)
        _freeze_scalar(self, label, "weight_exp", WEIGHT_EXP_MIN, WEIGHT_EXP_MAX)
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
    ) -> Projection:  # fmt: skip
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
    def max_delay(self) -> int:
        """Longest delay in steps (0 without synapses)."""
        return int(self.delay.max(initial=0))


@dataclass(frozen=True, kw_only=True, eq=False)
class Readout:
    """Leaky integrators that never spike; arrays have shape (output,).

    - decay: in 1/4096
    - bias: added by the host to the output of every step, in readout units
    - scale: readout units per float unit
    """

    decay: IntArray
    bias: IntArray
    scale: float

    def __post_init__(self) -> None:
        """Check types, shapes and ranges."""
        if (n := len(self.decay)) == 0:
            raise NetworkError("readout: has 0 outputs, needs at least 1")
        _freeze(self, "readout", "decay", n, 0, DECAY_ONE)
        _freeze(self, "readout", "bias", n, -STATE_MAX, STATE_MAX)
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise NetworkError(f"readout: scale is {self.scale}, must be finite and above 0")

    @property
    def size(self) -> int:
        """Number of outputs."""
        return len(self.decay)


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
class QuantizedNetwork:
    """An integer LSNN: inputs, populations, projections, readout, and where it came from."""

    n_inputs: int
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    readout: Readout
    provenance: Provenance = UNKNOWN

    def __post_init__(self) -> None:
        """Check names and that every projection fits its two ends."""
        _freeze_scalar(self, "network", "n_inputs", 1, SIZE_MAX)
        for kind, items in (("population", self.populations), ("projection", self.projections)):
            names = [item.name for item in items]
            if len(set(names)) != len(names):
                raise NetworkError(f"{kind} names must be unique, got {names}")
        sizes = {population.name: population.size for population in self.populations}
        sources, targets = sizes | {INPUT: self.n_inputs}, sizes | {READOUT: self.readout.size}
        for projection in self.projections:
            label = f"projection {projection.name!r}"
            for end, table, size in (
                (projection.source, sources, projection.n_source),
                (projection.target, targets, projection.n_target),
            ):
                if end not in table:
                    raise NetworkError(f"{label}: no such end {end!r}; there are {sorted(table)}")
                if table[end] != size:
                    raise NetworkError(f"{label}: {end!r} has {table[end]} neurons, not {size}")
            if projection.target == READOUT and (
                projection.source == INPUT or projection.max_delay
            ):
                raise NetworkError(f"{label}: the readout takes spikes of populations, undelayed")

    def into(self, target: str) -> tuple[Projection, ...]:
        """The projections that end at ``target``."""
        return tuple(p for p in self.projections if p.target == target)

    @property
    def n_synapses(self) -> int:
        """Number of synapses, readout included."""
        return sum(p.n_synapses for p in self.projections)
