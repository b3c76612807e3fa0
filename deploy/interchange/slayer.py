"""A trained lava-dl slayer network, as its ``export_hdf5`` wrote it, as a ``QuantizedNetwork``.

Taken: a chain of ``dense`` and ``dense_rec`` blocks of CUBA neurons, which are LIF neurons here, with a
synaptic current where ``current_decay`` is not 1 (written as iDecay 4096), or of ALIF neurons, which
are ATRLIF neurons here, in slayer's own order of events::

    block k in step t:  z_k[t] from W_k z_{k-1}[t - 1 - d_{k-1}] + R_k z_k[t - 1]

where d is the axonal delay of the block before; the first block receives the input at once. A last
block whose threshold no membrane reaches (slayer's Affine) is a readout. Of a network that ends in
spikes the spikes are read.

Source: lava-dl 0.6.0, ``lava/lib/dl/slayer/block/base.py``, ``neuron/cuba.py``,
``neuron/alif.py``, ``axon/delay.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro import __version__, files
from lsnn_neuro.arrays import IntArray
from lsnn_neuro.errors import FileFormatError, NetworkError
from lsnn_neuro.network.graph import INPUT
from lsnn_neuro.neurons.atrlif import ATRLIF
from lsnn_neuro.neurons.li import LI
from lsnn_neuro.neurons.lif import LIF
from lsnn_neuro.neurons.neuron import Neuron
from quantize.loihi import (
    DECAY_ONE,
    DELAY_MAX,
    MIXED_MAX,
    MIXED_MIN,
    STATE_SHIFT,
    VTH_MANT_MAX,
    WEIGHT_MAX,
    role_range,
)
from quantize.network import (
    Provenance,
    QuantizedNetwork,
    QuantizedPopulation,
    QuantizedProjection,
    SignMode,
)

READOUT = "readout"
SCALE = 4096.0
"""Membrane units per float unit with slayer's default ``scale`` of 64, which the file does not hold."""

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

Values = npt.NDArray[np.generic]
Contents = Mapping[str, Values]
"""Data sets of a file by their full name."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Block:
    """A block: weight (neuron, before), weight_rec (neuron, neuron) or None.

    - synaptic_delay: (neuron, before), of its own synapses
    - axonal_delay: (neuron,), of its spikes
    - constants: of its neurons; decay_i: of their synaptic current, or None, (neuron,)
    """

    label: str
    weight: IntArray
    weight_rec: IntArray | None
    synaptic_delay: IntArray
    axonal_delay: IntArray
    neuron: type[Neuron]
    constants: Any
    decay_i: IntArray | None


def network_of_layers(contents: Contents, path: Path) -> QuantizedNetwork:
    """The network of an exported file's data sets; ``path`` is for messages and provenance.

    Raises NetworkError over what a network here can't hold, FileFormatError over a missing part.
    """
    try:
        blocks = _blocks(contents)
    except KeyError as error:
        raise FileFormatError(f"{path}: has no data set {error}; not a file of lava-dl") from error
    if not blocks:
        raise FileFormatError(f"{path}: has no dense layer; not a file of lava-dl, or an empty one")
    names = [f"layer{index}" for index in range(len(blocks))]
    last = blocks[-1]
    if not last.neuron.spiking:
        names[-1] = READOUT
    elif last.axonal_delay.any():
        raise NetworkError(
            f"{last.label}: its spikes are delayed by up to {last.axonal_delay.max()} steps, an "
            "output's are not; train the last block without delay"
        )
    projections: list[QuantizedProjection] = []
    before = np.zeros(blocks[0].weight.shape[1], np.int32)  # axonal delay of what comes before
    for block, source, target in zip(blocks, [INPUT, *names], names, strict=False):
        if len(before) != block.weight.shape[1]:
            raise NetworkError(
                f"{block.label}: weight has {block.weight.shape[1]} columns, the layer before has "
                f"{len(before)} neurons"
            )
        delay = block.synaptic_delay + before[None, :]
        projections.append(_projection(block.label, source, target, block.weight, delay))
        if block.weight_rec is not None and block.weight_rec.any():
            at_once = np.zeros_like(block.weight_rec)
            projections.append(_projection(block.label, target, target, block.weight_rec, at_once))
        before = block.axonal_delay
    return QuantizedNetwork(
        n_inputs=blocks[0].weight.shape[1],
        populations=tuple(
            QuantizedPopulation(
                name=name, neuron=b.neuron, constants=b.constants, decay_i=b.decay_i, scale=SCALE
            )
            for name, b in zip(names, blocks, strict=True)
        ),
        projections=tuple(projections),
        outputs=(names[-1],),
        provenance=Provenance(checkpoint_sha256=files.sha256(path), tool_version=__version__),
    )


def _blocks(contents: Contents) -> list[_Block]:
    """All blocks but inputs without neurons, which only name a shape."""
    blocks = []
    for index in range(len({name.split("/")[1] for name in contents if name.startswith("layer/")})):
        prefix = f"layer/{index}/"
        parts = {k[len(prefix) :]: v for k, v in contents.items() if k.startswith(prefix)}
        kind = _text(parts["type"])
        label = f"layer {index} ({kind})"
        if kind == "input" and not any(name.startswith("neuron/") for name in parts):
            continue
        if kind not in ("dense", "dense_rec"):
            raise NetworkError(f"{label}: is of type {kind!r}, allowed are 'dense' and 'dense_rec'")
        blocks.append(_block(label, parts, recurrent=kind == "dense_rec"))
    return blocks


def _block(label: str, parts: Contents, *, recurrent: bool) -> _Block:
    for field, allowed in (("gradedSpike", False), ("refDelay", 1)):
        found = parts[f"neuron/{field}"].item()
        if found != allowed:
            raise NetworkError(f"{label}: neuron/{field} is {found!r}, allowed is {allowed!r}")
    for field in ("bias", "neuron/weight_exp"):
        if field in parts and parts[field].any():
            raise NetworkError(
                f"{label}: {field} is up to {np.abs(parts[field]).max():g}, allowed is none; train "
                "without norm and bias"
            )
    weight = _integers(label, "weight", parts, MIXED_MIN, WEIGHT_MAX)
    if weight.ndim != 2:
        raise NetworkError(f"{label}: weight has shape {weight.shape}, expected (neuron, before)")
    n = len(weight)
    neuron = _neuron(label, parts, n)
    synaptic, axonal = np.zeros_like(weight), np.zeros(n, np.int32)
    if "delay" in parts:
        delay = _integers(label, "delay", parts, 0, DELAY_MAX)
        if delay.shape == weight.shape:
            synaptic = delay
        elif delay.size in (1, n):
            axonal = axonal + delay.ravel()
        else:
            raise NetworkError(
                f"{label}: delay has shape {delay.shape}, allowed are ({n},) and {weight.shape}"
            )
    return _Block(
        label=label,
        weight=weight,
        weight_rec=_integers(label, "weight_rec", parts, MIXED_MIN, WEIGHT_MAX)
        if recurrent
        else None,
        synaptic_delay=synaptic,
        axonal_delay=axonal,
        neuron=neuron,
        constants=_constants(label, parts, neuron, n),
        decay_i=_decay_i(label, parts, neuron, n),
    )


def _neuron(label: str, parts: Contents, n: int) -> type[Neuron]:
    """The neurons of a block: of its type, or leaky integrators if no membrane reaches its thresholds."""
    kind = _text(parts["neuron/type"])
    if kind not in NEURONS:
        raise NetworkError(
            f"{label}: neuron/type is {kind!r}, allowed are {' and '.join(map(repr, NEURONS))}"
        )
    vth = _per_neuron(label, "neuron/vThMant", parts, n, 2**18)
    return NEURONS[kind] if (vth <= VTH_MANT_MAX).any() else LI


def _constants(label: str, parts: Contents, neuron: type[Neuron], n: int) -> Any:
    """A block's constants, each where the file has it, in membrane units."""
    values: dict[str, Any] = {}
    for name, role in neuron.Constants.roles().items():
        if name in FIELDS:
            shift = STATE_SHIFT if role.has_unit else 0
            most = role_range(role)[1] >> shift
            values[name] = _per_neuron(label, f"neuron/{FIELDS[name]}", parts, n, most) << shift
        elif name in UNWRITTEN:
            values[name] = UNWRITTEN[name]
        elif role.kind == "choice":
            values[name] = role.options[0]  # CUBA spikes above its threshold, ALIF at it too
    return neuron.Constants(**values)


def _decay_i(label: str, parts: Contents, neuron: type[Neuron], n: int) -> IntArray | None:
    """Decay of the synaptic current; None where nothing of it is kept."""
    decay = _per_neuron(label, "neuron/iDecay", parts, n, DECAY_ONE)
    return decay if neuron.current_wraps or (decay != DECAY_ONE).any() else None


def _text(value: Values) -> str:
    item = value.ravel()[0]
    return item.decode() if isinstance(item, bytes) else str(item)


def _integers(label: str, field: str, parts: Contents, low: int, high: int) -> IntArray:
    """A data set that must hold whole numbers in a range; slayer writes them as floats."""
    values = parts[field]
    with np.errstate(invalid="ignore"):
        rounded = values.astype(np.int32)
    wrong = (rounded != values) | (rounded < low) | (rounded > high)
    for index in np.flatnonzero(wrong)[:1]:
        raise NetworkError(
            f"{label}: {field} holds {values.flat[index]}, allowed are the integers {low} to {high}"
        )
    return rounded


def _per_neuron(label: str, field: str, parts: Contents, n: int, high: int) -> IntArray:
    values = _integers(label, field, parts, 0, high)
    if values.size not in (1, n):
        raise NetworkError(f"{label}: {field} has {values.size} values for {n} neurons")
    return np.broadcast_to(values.ravel(), n)


def _projection(
    label: str, source: str, target: str, weight: IntArray, delay: IntArray
) -> QuantizedProjection:
    """The non-zero entries of a matrix (target, source) as synapses."""
    if delay.max(initial=0) > DELAY_MAX:
        raise NetworkError(
            f"{label}: synaptic and axonal delay add up to {delay.max()}, allowed are 0 to {DELAY_MAX}"
        )
    mant, exponent, sign_mode = _on_grid(label, weight)
    return QuantizedProjection.of_matrix(
        f"{source}->{target}", source, target, mant, delay, exponent, sign_mode
    )


def _on_grid(label: str, weight: IntArray) -> tuple[IntArray, int, SignMode]:
    """Mantissas, exponent and sign mode; mixed signs need even mantissas, so odd weights double."""
    low, high = weight.min(initial=0), weight.max(initial=0)
    if low >= 0:
        return weight, 0, "excitatory"
    if high <= 0 and low >= -WEIGHT_MAX:
        return weight, 0, "inhibitory"
    if not (weight % 2).any() and high <= MIXED_MAX:
        return weight, 0, "mixed"
    if 2 * low >= MIXED_MIN and 2 * high <= MIXED_MAX:
        return 2 * weight, -1, "mixed"
    raise NetworkError(
        f"{label}: weights of both signs run from {low} to {high} and some are odd; allowed are even "
        f"ones from {MIXED_MIN} to {MIXED_MAX}, or any from {MIXED_MIN // 2} to {MIXED_MAX // 2}"
    )
