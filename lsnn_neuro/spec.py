"""The frozen float description of a trained LSNN: the only door between training and quantization.

Pure NumPy, no torch: what stands here is all that the later stages know of a network.
The equations the symbols belong to are in :mod:`lsnn_neuro.neurons`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from lsnn_neuro.errors import NetworkError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int32]
Reset = Literal["subtract", "zero"]
Neuron = Literal["lif", "atrlif"]
Adaptation = Literal["threshold", "current"]

DT = 1.0
"""Length of a time step in ms."""

INPUT = "input"
READOUT = "readout"


def _freeze(owner: object, field: str, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> None:
    """Replace a field by a read-only copy of the right type; refuse wrong shapes and NaN."""
    array = np.array(getattr(owner, field), dtype=dtype)
    if array.shape != shape:
        raise NetworkError(
            f"{type(owner).__name__} {getattr(owner, 'name', '')!r}: {field} has shape "
            f"{array.shape}, expected {shape}"
        )
    if not np.isfinite(array).all():
        raise NetworkError(
            f"{type(owner).__name__} {getattr(owner, 'name', '')!r}: {field} holds NaN or infinity"
        )
    array.setflags(write=False)
    object.__setattr__(owner, field, array)


def check_equations(
    label: str, *, neuron: Neuron, adaptation: Adaptation, reset: Reset, n_ref: int
) -> None:
    """Refuse unknown equations of a population, and choices that ATRLIF neurons don't have."""
    for field, value, literal in (
        ("neuron", neuron, Neuron),
        ("adaptation", adaptation, Adaptation),
        ("reset", reset, Reset),
    ):
        if value not in get_args(literal):
            allowed = ", ".join(map(repr, get_args(literal)))
            raise NetworkError(f"{label}: {field} is {value!r}, allowed are {allowed}")
    if neuron == "atrlif" and (adaptation, reset, n_ref) != ("threshold", "subtract", 0):
        raise NetworkError(
            f"{label}: adaptation {adaptation!r}, reset {reset!r} and n_ref {n_ref} don't go with "
            "ATRLIF neurons, which allow only 'threshold', 'subtract' and 0"
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class PopulationSpec:
    """A population of LIF, ALIF or ATRLIF neurons.

    - name: unique within the network
    - neuron: "lif" or "atrlif", which equations
    - adaptation: what beta scales, the "threshold" or an after-hyperpolarizing "current"
    - alpha: membrane decay exp(-dt/tau_m) per neuron, shape (neuron,), 0 to 1
    - rho: adaptation decay exp(-dt/tau_a), shape (neuron,), 0 to 1
    - beta: strength of adaptation, shape (neuron,), at least 0; 0 makes the neuron a plain LIF
    - b0: baseline threshold, shape (neuron,), above 0
    - n_ref: refractory steps after a spike
    - reset: "subtract" (the threshold is subtracted) or "zero"
    - kappa_i, kappa_r: ATRLIF's decay per step of synaptic current and refractory variable, 0 to 1

    ATRLIF adapts its threshold and has neither refractory steps nor a reset to zero.
    """

    name: str
    alpha: FloatArray
    rho: FloatArray
    beta: FloatArray
    b0: FloatArray
    n_ref: int
    reset: Reset
    neuron: Neuron = "lif"
    adaptation: Adaptation = "threshold"
    kappa_i: float = 0.0
    kappa_r: float = 0.0

    def __post_init__(self) -> None:
        """Check shapes and ranges."""
        n = len(self.b0)
        for field in ("alpha", "rho", "beta", "b0"):
            _freeze(self, field, np.float64, (n,))
        if self.name in (INPUT, READOUT):
            raise NetworkError(f"population name {self.name!r} is reserved; choose another")
        for field in ("alpha", "rho"):
            if ((getattr(self, field) < 0) | (getattr(self, field) > 1)).any():
                raise NetworkError(f"population {self.name!r}: {field} must lie in 0 to 1")
        if (self.b0 <= 0).any() or (self.beta < 0).any():
            raise NetworkError(f"population {self.name!r}: needs b0 > 0 and beta >= 0")
        if self.n_ref < 0:
            raise NetworkError(f"population {self.name!r}: n_ref is {self.n_ref}, must be >= 0")
        check_equations(
            f"population {self.name!r}", neuron=self.neuron, adaptation=self.adaptation,
            reset=self.reset, n_ref=self.n_ref,
        )  # fmt: skip
        for field in ("kappa_i", "kappa_r"):
            if not 0 <= getattr(self, field) <= 1:
                raise NetworkError(f"population {self.name!r}: {field} must lie in 0 to 1")
            if self.neuron == "lif" and getattr(self, field):
                raise NetworkError(f"population {self.name!r}: only ATRLIF neurons have {field}")

    @property
    def size(self) -> int:
        """Number of neurons."""
        return len(self.b0)


@dataclass(frozen=True, kw_only=True, eq=False)
class ProjectionSpec:
    """All synapses from one source onto one target.

    - source: "input" or a population's name; target: a population's name or "readout"
    - weight: shape (target neuron, source neuron); 0 where there is no synapse
    - delay: steps on top of the one every recurrent hop takes, same shape, at least 0
    - dale: True if all synapses of a source neuron have the same sign
    """

    source: str
    target: str
    weight: FloatArray
    delay: IntArray
    dale: bool

    def __post_init__(self) -> None:
        """Check shapes, delays and, with Dale's law, the signs."""
        shape = np.shape(self.weight)
        if len(shape) != 2:
            raise NetworkError(f"projection {self.name}: weight has shape {shape}, expected 2-D")
        _freeze(self, "weight", np.float64, shape)
        _freeze(self, "delay", np.int32, shape)
        if (self.delay < 0).any():
            raise NetworkError(f"projection {self.name}: delays must be >= 0")
        if self.dale and ((self.weight > 0).any(axis=0) & (self.weight < 0).any(axis=0)).any():
            raise NetworkError(
                f"projection {self.name}: a source neuron has synapses of both signs, "
                "which Dale's law forbids; set dale=False"
            )

    @property
    def name(self) -> str:
        """``source->target``."""
        return f"{self.source}->{self.target}"


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadoutSpec:
    """Leaky integrators that read the spikes and never spike.

    - kappa: decay exp(-dt/tau_out) per output, shape (output,)
    - bias: added to the output of every step, outside the leaky integral, shape (output,)
    """

    kappa: FloatArray
    bias: FloatArray

    def __post_init__(self) -> None:
        """Check shapes and ranges."""
        n = len(self.kappa)
        _freeze(self, "kappa", np.float64, (n,))
        _freeze(self, "bias", np.float64, (n,))
        if ((self.kappa < 0) | (self.kappa >= 1)).any():
            raise NetworkError("readout: kappa must lie in 0 to below 1")

    @property
    def size(self) -> int:
        """Number of outputs."""
        return len(self.kappa)


@dataclass(frozen=True, kw_only=True, eq=False)
class LSNNSpec:
    """A whole network: inputs, populations, projections between them, readout."""

    n_inputs: int
    populations: tuple[PopulationSpec, ...]
    projections: tuple[ProjectionSpec, ...]
    readout: ReadoutSpec

    def __post_init__(self) -> None:
        """Check names and that every projection fits its two ends."""
        names = [population.name for population in self.populations]
        if len(set(names)) != len(names):
            raise NetworkError(f"population names must be unique, got {names}")
        sizes = {population.name: population.size for population in self.populations}
        sources = sizes | {INPUT: self.n_inputs}
        targets = sizes | {READOUT: self.readout.size}
        for projection in self.projections:
            if projection.source not in sources or projection.target not in targets:
                raise NetworkError(
                    f"projection {projection.name}: unknown end; sources are "
                    f"{sorted(sources)}, targets are {sorted(targets)}"
                )
            expected = (targets[projection.target], sources[projection.source])
            if projection.weight.shape != expected:
                raise NetworkError(
                    f"projection {projection.name}: weight has shape {projection.weight.shape}, "
                    f"its ends demand {expected}"
                )
            if projection.target == READOUT and (
                projection.source == INPUT or projection.delay.any()
            ):
                raise NetworkError(
                    f"projection {projection.name}: the readout takes spikes of populations, "
                    "without delays"
                )

    def into(self, target: str) -> tuple[ProjectionSpec, ...]:
        """The projections that end at ``target``."""
        return tuple(p for p in self.projections if p.target == target)
