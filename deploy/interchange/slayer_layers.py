"""One layer of a file of lava-dl's slayer: its synapses, delays and neurons, checked.

What a layer can't hold here is not raised at once but collected (:class:`Obstacles`), so that a network is
refused with all that stands against it.

Source: lava-dl 0.6.0, ``lava/lib/dl/slayer/block/base.py``, ``neuron/cuba.py``, ``neuron/alif.py``,
``neuron/norm.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from deploy.interchange.slayer_synapses import (
    SYNAPSES,
    Contents,
    declared_shape,
    delays_of,
    feedback_of,
    integers,
    number,
    spread,
    text_of,
)
from deploy.interchange.unrolled import SYNAPSES_MAX, Shape, Synapses
from lsnn_neuro.arrays import IntArray
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.neurons.atrlif import ATRLIF
from lsnn_neuro.neurons.li import LI
from lsnn_neuro.neurons.lif import LIF
from lsnn_neuro.neurons.neuron import Neuron
from quantize.loihi import (
    DECAY_ONE,
    MIXED_MIN,
    STATE_SHIFT,
    VTH_MANT_MAX,
    WEIGHT_MAX,
    role_range,
)

UNREACHABLE = 2**18 - 1
"""Threshold mantissa of a layer that never spikes: above any 24-bit membrane, and slayer's own choice."""

SCALE = 64
"""slayer's ``scale`` by default, which its files don't hold: it only labels the units of floats."""

SCALE_MAX = 2**20

NEURONS: dict[str, type[Neuron]] = {"CUBA": LIF, "ALIF": ATRLIF}
"""The neurons of a type of blocks; those of a block that never spikes are leaky integrators."""

FIELDS = {
    "decay_v": "vDecay",
    "decay_a": "thDecay",
    "decay_r": "refDecay",
    "step_a": "vThStep",
    "vth": "vThMant",
}
"""Where a constant stands in the file."""

UNWRITTEN: dict[str, Any] = {"n_ref": 0, "reset": "to", "reset_by": 0, "reset_to": 0}
"""Constants that all of slayer's neurons share, so that no file holds them."""

SUMS = {
    "neuron/type": np.array([b"CUBA"]), "neuron/iDecay": np.array(DECAY_ONE),
    "neuron/vDecay": np.array(DECAY_ONE), "neuron/vThMant": np.array(UNREACHABLE),
    "neuron/refDelay": np.array(1), "neuron/gradedSpike": np.array(False),
}  # fmt: skip
"""The neurons of an Affine block without dynamics, for which the file has none: the sums of each step."""


@dataclass
class Obstacles:
    """What stands against a network, gathered to be named all at once."""

    found: list[str] = field(default_factory=list)

    def attempt(self, part: Callable[..., Any], *arguments: Any) -> Any:
        """What a function gives; None where it raises NetworkError, which is kept."""
        try:
            return part(*arguments)
        except NetworkError as error:
            self.found.append(str(error))
            return None

    def raise_any(self) -> None:
        """Raise NetworkError if there is any."""
        if self.found:
            raise NetworkError("; ".join(self.found))


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """A layer with neurons.

    - shape: of its neurons, (neuron,) or (channel, row, column)
    - synapses: from the layer before, delay: of each of them; feedback: its own spikes' synapses, or None
    - axonal_delay: (neuron,), of its spikes on their way to the next layer
    - constants: of its neurons; decay_i: of their synaptic current, or None; bias: into their membrane
    - scale: membrane units of one float unit
    """

    label: str
    shape: Shape
    synapses: Synapses
    delay: IntArray
    feedback: Synapses | None
    axonal_delay: IntArray
    neuron: type[Neuron]
    constants: Any
    decay_i: IntArray | None
    bias: IntArray
    scale: float


def read_block(
    label: str, kind: str, parts: Contents, before: Shape | None, obstacles: Obstacles
) -> Block | None:
    """A layer of neurons; None where something stands against it.

    - parts: its data sets; before: shape of what it receives, None where that is not known
    """
    take, earlier = obstacles.attempt, len(obstacles.found)
    if kind == "dense" and not any(name.startswith("neuron/") for name in parts):
        parts = {**parts, **SUMS}
    for name, allowed in (("gradedSpike", False), ("refDelay", 1), ("weight_exp", 0)):
        take(_check_fixed, label, parts, f"neuron/{name}", allowed)
    found: Any = take(SYNAPSES[kind], label, parts, before)
    shape = found[1] if found else take(declared_shape, label, parts)
    if shape is None:
        return None
    if prod(shape) > SYNAPSES_MAX:  # more neurons than anybody has memory for
        obstacles.found.append(
            f"{label}: has {prod(shape)} neurons, at most {SYNAPSES_MAX} can be held"
        )
        return None
    feedback = take(feedback_of, label, parts, shape) if kind == "dense_rec" else None
    delays: Any = take(delays_of, label, parts, *found) if found else None
    neuron = take(_neuron, label, parts, shape)
    if neuron is None:
        return None
    constants = take(_constants, label, parts, neuron, shape, obstacles)
    decay_i = take(_decay_i, label, parts, neuron, shape)
    bias = take(_bias, label, parts, neuron, shape, decay_i)
    known = "neuron/scale" in parts
    scale = take(number, label, "neuron/scale", parts, 1, SCALE_MAX) if known else SCALE
    if len(obstacles.found) > earlier:
        return None
    return Block(
        label=label, shape=shape, synapses=found[0], delay=delays[0], feedback=feedback,
        axonal_delay=delays[1], neuron=neuron, constants=constants, decay_i=decay_i, bias=bias,
        scale=float(scale << STATE_SHIFT),
    )  # fmt: skip


def _check_fixed(label: str, parts: Contents, name: str, allowed: int | bool) -> None:
    for found in parts[name].ravel().tolist() if name in parts else ():
        if found != allowed:
            raise NetworkError(f"{label}: {name} is {found!r}, allowed is {allowed!r}")


def _neuron(label: str, parts: Contents, shape: Shape) -> type[Neuron]:
    """The neurons of a block: of its type, or leaky integrators if no membrane reaches its thresholds."""
    kind = text_of(parts["neuron/type"])
    if kind not in NEURONS:
        raise NetworkError(
            f"{label}: neuron/type is {kind!r}, allowed are {' and '.join(map(repr, NEURONS))}"
        )
    vth = _per_neuron(label, "neuron/vThMant", parts, shape, UNREACHABLE)
    return NEURONS[kind] if (vth <= VTH_MANT_MAX).any() else LI


def _constants(
    label: str, parts: Contents, neuron: type[Neuron], shape: Shape, obstacles: Obstacles
) -> Any:
    """A block's constants, each where the file has it, in membrane units."""
    values: dict[str, Any] = {}
    for name, role in neuron.Constants.roles().items():
        if name in FIELDS:
            shift = STATE_SHIFT if role.has_unit else 0
            most = role_range(role)[1] >> shift
            found = obstacles.attempt(
                _per_neuron, label, f"neuron/{FIELDS[name]}", parts, shape, most
            )
            values[name] = None if found is None else found << shift
        elif name in UNWRITTEN:
            values[name] = UNWRITTEN[name]
        elif role.kind == "choice":
            values[name] = role.options[0]  # CUBA spikes above its threshold, ALIF at it too
    return neuron.Constants(**values)


def _decay_i(label: str, parts: Contents, neuron: type[Neuron], shape: Shape) -> IntArray | None:
    """Decay of the synaptic current; None where nothing of it is kept."""
    decay = _per_neuron(label, "neuron/iDecay", parts, shape, DECAY_ONE)
    return decay if neuron.current_wraps or (decay != DECAY_ONE).any() else None


def _bias(
    label: str, parts: Contents, neuron: type[Neuron], shape: Shape, decay_i: IntArray | None
) -> IntArray:
    """What a norm adds to the membrane in each step; refused where slayer adds it to a current that lasts."""
    if "bias" not in parts or not parts["bias"].any():
        return np.zeros(prod(shape), np.int32)
    bias = integers(label, "bias", parts, MIXED_MIN, WEIGHT_MAX)
    worst = bias.flat[int(np.abs(bias).argmax())]
    if not neuron.spiking:
        raise NetworkError(
            f"{label}: bias is up to {worst}, a layer that never spikes has none, since slayer counts it "
            "from a step before its first input; train it without norm"
        )
    lasts = decay_i is not None and (decay_i != DECAY_ONE).any()
    if lasts and (neuron.current_wraps or "weight_rec" in parts):
        raise NetworkError(
            f"{label}: bias is up to {worst} and becomes part of a current that lasts (neuron/iDecay is "
            "not 4096); train without norm, or with current_decay=1"
        )
    return spread(bias, shape) << STATE_SHIFT


def _per_neuron(label: str, name: str, parts: Contents, shape: Shape, high: int) -> IntArray:
    values = integers(label, name, parts, 0, high)
    if values.size not in (1, shape[0], prod(shape)):
        raise NetworkError(f"{label}: {name} has {values.size} values for {prod(shape)} neurons")
    return spread(values, shape)
