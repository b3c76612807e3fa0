"""A trained lava-dl slayer network, as its ``export_hdf5`` wrote it, as a ``QuantizedNetwork``.

Taken: a chain of ``dense`` and ``dense_rec`` blocks of CUBA neurons without synaptic current
(``current_decay=1``, written as iDecay 4096), which are LIF neurons here, or of ALIF neurons, which
are ATRLIF neurons here, in slayer's own order of events::

    block k in step t:  z_k[t] from W_k z_{k-1}[t - 1 - d_{k-1}] + R_k z_k[t - 1]

where d is the axonal delay of the block before; the first block hears the input at once. A last
block whose threshold no membrane reaches (slayer's Affine) is the readout. A network that ends in
spikes gets a readout without memory, of 64 units for each spike, so that the logits count spikes.

Source: lava-dl 0.6.0, ``lava/lib/dl/slayer/block/base.py``, ``neuron/cuba.py``,
``neuron/alif.py``, ``axon/delay.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lsnn_neuro import __version__, tensor_file
from lsnn_neuro.errors import FileFormatError, NetworkError
from lsnn_neuro.spec import INPUT, READOUT, Neuron
from quantize.loihi import (
    DECAY_ONE,
    DELAY_MAX,
    MIXED_MAX,
    MIXED_MIN,
    STATE_MAX,
    STATE_SHIFT,
    VTH_MANT_MAX,
    WEIGHT_MAX,
)
from quantize.network import Population, Projection, Provenance, QuantizedNetwork, Readout, SignMode

SCALE = 4096.0
"""Membrane units per float unit with slayer's default ``scale`` of 64, which the file does not say."""

Values = npt.NDArray[np.generic]
Ints = npt.NDArray[np.int32]
Contents = Mapping[str, Values]
"""Data sets of a file by their full name."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Block:
    """A block: weight (neuron, before), weight_rec (neuron, neuron) or None, one value per neuron.

    - synaptic_delay: (neuron, before), of its own synapses
    - axonal_delay: (neuron,), of its spikes
    - decay_i, decay_v, decay_a, decay_r: of current, membrane, threshold and refractory variable
    """

    label: str
    weight: Ints
    weight_rec: Ints | None
    synaptic_delay: Ints
    axonal_delay: Ints
    neuron: Neuron
    decay_i: Ints
    decay_v: Ints
    decay_a: Ints
    decay_r: Ints
    vth_mant: Ints
    step_a: Ints

    @property
    def spikes(self) -> bool:
        """Whether its threshold can be reached."""
        return bool((self.vth_mant <= VTH_MANT_MAX).any())


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
    if blocks[-1].spikes:
        blocks.append(_counter(blocks[-1]))
    names = [INPUT, *(f"layer{index}" for index in range(len(blocks) - 1)), READOUT]
    projections: list[Projection] = []
    before = np.zeros(blocks[0].weight.shape[1], np.int32)  # axonal delay of what comes before
    for block, source, target in zip(blocks, names, names[1:], strict=False):
        if len(before) != block.weight.shape[1]:
            raise NetworkError(
                f"{block.label}: weight has {block.weight.shape[1]} columns, the layer before has "
                f"{len(before)} neurons"
            )
        delay = block.synaptic_delay + before[None, :]
        if target == READOUT and delay.any():
            raise NetworkError(
                f"{block.label}: its input is delayed by up to {delay.max()} steps, a readout's is "
                "not; train the block before it without delay"
            )
        if target == READOUT:
            _must_be(block.label, "iDecay", block.decay_i, "a readout has no synaptic current")
        projections.append(_projection(block.label, source, target, block.weight, delay))
        if block.weight_rec is not None and block.weight_rec.any():
            at_once = np.zeros_like(block.weight_rec)
            projections.append(_projection(block.label, target, target, block.weight_rec, at_once))
        before = block.axonal_delay
    readout = blocks[-1]
    return QuantizedNetwork(
        n_inputs=blocks[0].weight.shape[1],
        populations=tuple(
            _population(name, block) for name, block in zip(names[1:-1], blocks[:-1], strict=True)
        ),
        projections=tuple(projections),
        readout=Readout(decay=readout.decay_v, bias=np.zeros_like(readout.decay_v), scale=SCALE),
        provenance=Provenance(checkpoint_sha256=tensor_file.sha256(path), tool_version=__version__),
    )


def _counter(block: _Block) -> _Block:
    """A readout without memory that gets a weight of 1 from each of a block's neurons."""
    n = len(block.decay_v)
    forget, none = np.full(n, DECAY_ONE, np.int32), np.zeros(n, np.int32)
    return _Block(
        label=f"what counts the spikes of {block.label}",
        weight=np.eye(n, dtype=np.int32),
        weight_rec=None,
        synaptic_delay=np.zeros((n, n), np.int32),
        axonal_delay=none,
        neuron="lif",
        decay_i=forget,
        decay_v=forget,
        decay_a=none,
        decay_r=forget,
        vth_mant=np.full(n, VTH_MANT_MAX + 1, np.int32),
        step_a=none,
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
    kind = _text(parts["neuron/type"])
    if kind not in ("CUBA", "ALIF"):
        raise NetworkError(f"{label}: neuron/type is {kind!r}, allowed are 'CUBA' and 'ALIF'")
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
    current = _per_neuron(label, "neuron/iDecay", parts, n, DECAY_ONE)
    none, forget = np.zeros(n, np.int32), np.full(n, DECAY_ONE, np.int32)
    adaptation = none, forget, none
    if kind == "CUBA":
        _must_be(label, "iDecay", current, "LIF neurons have no synaptic current")
    else:
        adaptation = (
            _per_neuron(label, "neuron/thDecay", parts, n, DECAY_ONE),
            _per_neuron(label, "neuron/refDecay", parts, n, DECAY_ONE),
            _per_neuron(label, "neuron/vThStep", parts, n, STATE_MAX >> STATE_SHIFT) << STATE_SHIFT,
        )
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
        neuron="lif" if kind == "CUBA" else "atrlif",
        decay_i=current,
        decay_v=_per_neuron(label, "neuron/vDecay", parts, n, DECAY_ONE),
        decay_a=adaptation[0],
        decay_r=adaptation[1],
        vth_mant=_per_neuron(label, "neuron/vThMant", parts, n, 2**18),
        step_a=adaptation[2],
    )


def _must_be(label: str, field: str, decay: Ints, why: str) -> None:
    """Refuse a decay that does not forget at once."""
    for value in decay[decay != DECAY_ONE][:1]:
        raise NetworkError(
            f"{label}: neuron/{field} is {value}, allowed is {DECAY_ONE}: {why}; train with "
            "current_decay=1"
        )


def _text(value: Values) -> str:
    item = value.ravel()[0]
    return item.decode() if isinstance(item, bytes) else str(item)


def _integers(label: str, field: str, parts: Contents, low: int, high: int) -> Ints:
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


def _per_neuron(label: str, field: str, parts: Contents, n: int, high: int) -> Ints:
    values = _integers(label, field, parts, 0, high)
    if values.size not in (1, n):
        raise NetworkError(f"{label}: {field} has {values.size} values for {n} neurons")
    return np.broadcast_to(values.ravel(), n)


def _population(name: str, block: _Block) -> Population:
    return Population(
        name=name,
        neuron=block.neuron,
        decay_i=block.decay_i,
        decay_v=block.decay_v,
        decay_a=block.decay_a,
        decay_r=block.decay_r,
        step_a=block.step_a,
        vth_mant=block.vth_mant,
        n_ref=0,
        reset="zero" if block.neuron == "lif" else "subtract",
        scale=SCALE,
    )


def _projection(label: str, source: str, target: str, weight: Ints, delay: Ints) -> Projection:
    """The non-zero entries of a matrix (target, source) as synapses."""
    if delay.max(initial=0) > DELAY_MAX:
        raise NetworkError(
            f"{label}: synaptic and axonal delay add up to {delay.max()}, allowed are 0 to {DELAY_MAX}"
        )
    mant, exponent, sign_mode = _on_grid(label, weight)
    return Projection.of_matrix(
        f"{source}->{target}", source, target, mant, delay, exponent, sign_mode
    )


def _on_grid(label: str, weight: Ints) -> tuple[Ints, int, SignMode]:
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
