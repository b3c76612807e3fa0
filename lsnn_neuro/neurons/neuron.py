"""What a neuron is: float parameters, constants with roles, and one step over an arithmetic.

A neuron is one file beside this one. Its class holds the parameters a user gives and training learns,
``constants()`` turns them into what a step needs, and ``step`` is the equation. The step is written
once, over an :class:`Arithmetic`: real numbers with a surrogate gradient (training), Loihi's integers
(the emulator), or integers forward and real gradients backward (training on integers).

Every constant has a role. Conversion to integers, ranges, reports, files and the native kernel are
loops over roles and know no neuron by name.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, field, fields, replace
from types import SimpleNamespace
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from lsnn_neuro.arrays import Array, frozen_floats, frozen_integers, plain
from lsnn_neuro.errors import NetworkError

Reset = Literal["subtract", "subtract_constant", "to", "hold"]
"""A spike takes the (adapted) threshold off the membrane, or a constant, or sets it to a value, or sets it
to a value at which it stays while the neuron is refractory."""

N_REF_MAX = 63

RoleKind = Literal["decay", "state", "threshold", "steps", "choice", "surrogate", "width"]


@dataclass(frozen=True)
class Role:
    """What a constant is, and so how it becomes an integer.

    - decay: kept share of a state per step, 0 to 1; in integers 4096 (1 - share), 0 to 4096
    - state: in membrane units, ``bits`` wide and a sign if ``signed``
    - threshold: in membrane units, at least 0, a multiple of ``grid``, ``bits`` wide before the grid
    - steps: a whole number of steps up to ``most``
    - choice: one of ``options`` for the whole population
    - surrogate: of the pseudo-derivative alone, without a unit; width: likewise, in membrane units
    """

    kind: RoleKind
    bits: int = 0
    grid: int = 1
    signed: bool = False
    most: int = 0
    options: tuple[object, ...] = ()

    @property
    def is_number(self) -> bool:
        """Whether the chip holds it as an integer for each neuron."""
        return self.kind in ("decay", "state", "threshold", "steps")

    @property
    def has_unit(self) -> bool:
        """Whether it scales with the membrane."""
        return self.kind in ("state", "threshold", "width")


def decay() -> Any:
    """A constant that says which share of a state a step keeps."""
    return field(metadata={"role": Role("decay")})


def state(*, bits: int = 23, signed: bool = False) -> Any:
    """A constant that is added to or compared with a state, in membrane units."""
    return field(metadata={"role": Role("state", bits=bits, signed=signed)})


def threshold(*, bits: int = 17, grid: int = 64) -> Any:
    """A constant that the chip holds as a mantissa of ``bits`` bits, shifted left by 6."""
    return field(metadata={"role": Role("threshold", bits=bits, grid=grid)})


def steps(most: int = N_REF_MAX) -> Any:
    """A whole number of time steps."""
    return field(metadata={"role": Role("steps", most=most)})


def choice(*options: object) -> Any:
    """One of some alternatives, for the whole population."""
    return field(metadata={"role": Role("choice", options=options)})


def surrogate() -> Any:
    """A constant of the pseudo-derivative without a unit; no chip knows it."""
    return field(default=1.0, metadata={"role": Role("surrogate")})


def width() -> Any:
    """The width of the pseudo-derivative, in membrane units; no chip knows it."""
    return field(default=1.0, metadata={"role": Role("width", grid=64)})


@dataclass(frozen=True, kw_only=True)
class Constants:
    """What a step needs to know, arrays (neuron,); every field of a subclass has a :class:`Role`."""

    @classmethod
    def roles(cls) -> dict[str, Role]:
        """Name and role of every constant, in order."""
        return {f.name: f.metadata["role"] for f in fields(cls)}

    def map(self, change: Callable[[str, Role, Any], Any]) -> Any:
        """The same constants with every value replaced by ``change(name, role, value)``."""
        return replace(self, **{n: change(n, r, getattr(self, n)) for n, r in self.roles().items()})

    def numbers(self) -> Iterator[tuple[str, Role, Any]]:
        """Name, role and value of what the chip holds for each neuron."""
        for name, role in self.roles().items():
            if role.is_number:
                yield name, role, getattr(self, name)


class State(SimpleNamespace):
    """The state variables of a population by name, arrays (sample, neuron)."""

    def replace(self, **changes: Any) -> State:
        """The same state with some variables replaced."""
        return State(**(vars(self) | changes))


class Arithmetic(Protocol):
    """What a step is computed in. Holds nothing of a population."""

    def decay(self, state: Array, d: Array) -> Array:
        """What a step leaves of a state; ``d`` is a constant of role decay."""

    def saturate(self, state: Array) -> Array:
        """A state within the width of the chip's."""

    def wrap(self, state: Array) -> Array:
        """A synaptic current within the width of the chip's, around which it wraps."""

    def spike(self, distance: Array, c: Any, allowed: Array | None) -> Array:
        """0 or 1: whether the distance to threshold is above 0 (or at it), where a spike is allowed.

        ``c`` has ``at_threshold``, ``gamma`` and ``width``; ``allowed`` None: everywhere.
        """

    def countdown(self, left: Array, z: Array, n: Array) -> Array:
        """Steps left: ``n`` after a spike, else one fewer than before, not below 0."""


ParameterKind = Literal["time_constant", "positive", "fixed", "count", "option"]


@dataclass(frozen=True)
class Parameter:
    """What a float parameter is, and so how it is learnt.

    - time_constant: a kept share exp(-dt/tau), 0 to 1, learnt as tau times f; ``name`` is tau's
    - positive: learnt as itself times f; ``above``: must be above 0, not just not below
    - fixed: any number for each neuron (``above``: above 0), not learnt; count: a whole number
    - option: one of some alternatives, for all neurons
    """

    kind: ParameterKind
    name: str = ""
    above: bool = False
    most: int = 0
    options: tuple[object, ...] = ()


def time_constant(name: str) -> Any:
    """A parameter exp(-dt/tau); users say tau, in ms, under ``name``."""
    return field(metadata={"parameter": Parameter("time_constant", name)})


def positive(*, above: bool = False) -> Any:
    """A parameter that is not below 0 (or above 0)."""
    return field(metadata={"parameter": Parameter("positive", above=above)})


def fixed(default: float | None = 0.0, *, above: bool = False) -> Any:
    """A parameter of any value (or above 0), which is not learnt; None: it has to be given."""
    metadata = {"parameter": Parameter("fixed", above=above)}
    return field(default=MISSING if default is None else default, metadata=metadata)


def count(default: int = 0, most: int = N_REF_MAX) -> Any:
    """A parameter that is a whole number for each neuron."""
    return field(default=default, metadata={"parameter": Parameter("count", most=most)})


def option(default: Any, *options: object) -> Any:
    """A parameter that is one of some alternatives for all neurons; any finite number if none are named."""
    return field(default=default, metadata={"parameter": Parameter("option", options=options)})


@dataclass(frozen=True, kw_only=True, eq=False)
class Neuron(ABC):
    """The equations of a population and the float parameters they take, arrays (neuron,).

    A subclass is a frozen dataclass whose fields are made by :func:`time_constant`, :func:`positive`,
    :func:`fixed`, :func:`count` and :func:`option`.

    - name: what recipes, files, the kernel and Lava's table call it
    - Constants: what a step needs
    - states: names of the state variables; ``z`` is the spikes of a spiking neuron, ``v`` what is read
    - spiking: whether it spikes; else it is a readout
    - current_wraps: whether its synaptic current is one even if it forgets at once, as in Lava
    - kernel: name of the header under ``native/neurons`` that computes it, None where there is none: a
      network with such neurons runs on the time loop. A subclass does not inherit it
    """

    name: ClassVar[str]
    Constants: ClassVar[type[Constants]]
    states: ClassVar[tuple[str, ...]]
    spiking: ClassVar[bool] = True
    current_wraps: ClassVar[bool] = False
    kernel: ClassVar[str | None] = None

    @abstractmethod
    def constants(self) -> Any:
        """The constants of a step, in membrane units; differentiable."""

    @abstractmethod
    def gain(self) -> Array:
        """The factor on incoming weights: 1 - alpha, or 1."""

    @abstractmethod
    def peak(self) -> Array:
        """The highest threshold a neuron can reach; limits the voltage scale."""

    @staticmethod
    @abstractmethod
    def step(s: State, drive: Array, c: Any, ar: Arithmetic) -> State:
        """One time step; ``drive`` is synaptic current and bias, times the gain."""

    @classmethod
    def from_constants(cls, c: Any, *, gain_one: bool) -> Neuron:
        """The neuron that has these constants, given in float; NetworkError where there is none."""
        raise NetworkError(f"neuron {cls.name!r}: can't be made from its constants")

    @classmethod
    def parameters(cls) -> dict[str, Parameter]:
        """Every field and what it is."""
        return {f.name: f.metadata["parameter"] for f in fields(cls)}

    @classmethod
    def learnable(cls) -> dict[str, str]:
        """What can be learnt, as users call it, and its field: {"tau_m": "alpha", "b0": "b0"}."""
        return {
            p.name or name: name
            for name, p in cls.parameters().items()
            if p.kind in ("time_constant", "positive")
        }

    @classmethod
    def of(cls, size: int, dt: float, **values: Any) -> Any:
        """A population of ``size`` neurons from values as users give them.

        Time constants in ms under their own names (``tau_m``), all else under the names of the fields;
        a number stands for all neurons.
        """
        label = f"neuron {cls.name!r}"
        taus = {p.name: name for name, p in cls.parameters().items() if p.name}
        given: dict[str, Any] = {}
        for key, value in values.items():
            if key in taus:
                tau = frozen_floats(label, key, value, size)
                if (tau <= 0).any():
                    raise NetworkError(f"{label}: {key} is {tau.min():g} ms, must be above 0")
                given[taus[key]] = np.exp(-dt / tau)
            elif key in cls.parameters():
                given[key] = value
            else:
                known = ", ".join([*taus, *(k for k in cls.parameters() if k not in taus.values())])
                raise NetworkError(f"{label}: has no {key!r}; it has {known}")
        for f in fields(cls):
            if f.name not in given and f.default is MISSING:
                parameter = cls.parameters()[f.name]
                raise NetworkError(f"{label}: {parameter.name or f.name} is missing")
        first = cls.sized_by()
        given[first] = frozen_floats(label, first, given[first], size)
        return cls(**given)

    @classmethod
    def has(cls, name: str) -> bool:
        """Whether it has a constant that users call so; a time constant has the name of its tau alone."""
        parameter = cls.parameters().get(name)
        return name in cls.learnable() or (
            parameter is not None and parameter.kind != "time_constant"
        )

    @classmethod
    def sized_by(cls) -> str:
        """The field whose length is the number of neurons: the first one that can be learnt."""
        return next(iter(cls.learnable().values()))

    @property
    def size(self) -> int:
        """Number of neurons."""
        return len(getattr(self, self.sized_by()))

    def __post_init__(self) -> None:
        """Make arrays of what is NumPy or a number, and check ranges; tensors pass as they are."""
        first = getattr(self, self.sized_by())
        if hasattr(first, "requires_grad"):  # a tensor: training made this neuron
            return
        n, label = np.size(first), f"neuron {self.name!r}"
        for name, p in self.parameters().items():
            object.__setattr__(self, name, _checked(label, name, p, getattr(self, name), n))

    def floats(self) -> Iterator[tuple[str, Parameter, Any]]:
        """Every field that is a float for each neuron."""
        for name, p in self.parameters().items():
            if p.kind in ("time_constant", "positive", "fixed"):
                yield name, p, getattr(self, name)

    def with_decays(self, rounded: Callable[[Array], Array]) -> Any:
        """The same neuron with every kept share replaced by what ``rounded`` makes of it."""
        return replace(
            self,
            **{
                name: rounded(getattr(self, name))
                for name, p in self.parameters().items()
                if p.kind == "time_constant"
            },
        )


def _checked(label: str, name: str, p: Parameter, value: Any, n: int) -> Any:
    """A field's value as a neuron holds it; NetworkError where it is none."""
    if p.kind == "option":
        value = plain(value)
        if not p.options:
            if not (isinstance(value, (int, float)) and math.isfinite(value) and value > 0):
                raise NetworkError(f"{label}: {name} is {value!r}, must be a number above 0")
            return float(value)
        if not isinstance(value, (str, bool)) or value not in p.options:
            allowed = ", ".join(map(repr, p.options))
            raise NetworkError(f"{label}: {name} is {value!r}, allowed are {allowed}")
        return value
    if p.kind == "count":
        return frozen_integers(label, name, value, n, 0, p.most)
    array = frozen_floats(label, name, value, n)
    if p.kind == "time_constant":
        wrong, allowed = (array < 0) | (array > 1), "0 to 1"
    elif p.kind == "positive" or p.above:
        wrong = array <= 0 if p.above else array < 0
        allowed = "above 0" if p.above else "at least 0"
    else:
        return array
    for index in np.flatnonzero(wrong)[:1]:
        raise NetworkError(f"{label}: {name}[{index}] is {array[index]:g}, must be {allowed}")
    return array


def beta_of(step: Array, kept: Array) -> Array:
    """The beta whose step beta (1 - kept) this is; NetworkError where a state keeps all and steps."""
    leak = 1 - kept
    if ((leak == 0) & (step != 0)).any():
        raise NetworkError("an adaptation that never decays has no beta; its decay must be above 0")
    return step / np.where(leak == 0, 1, leak)
