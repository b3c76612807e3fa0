"""A network of lava-dl's slayer, as its ``export_hdf5`` wrote it, in integers.

Taken: a chain of ``dense``, ``dense_rec``, ``conv`` and ``pool`` blocks, with ``flatten`` and inputs without
neurons between or before them. CUBA neurons are LIF neurons here, with a synaptic current where
``current_decay`` is not 1 (written as iDecay 4096), ALIF neurons are ATRLIF neurons, in slayer's own order
of events::

    block k in step t:  z_k[t] from W_k z_{k-1}[t - 1 - d_{k-1}] + R_k z_k[t - 1]

where d is the axonal delay of the block before; the first block receives the input at once. A last
block whose threshold no membrane reaches (slayer's Affine) is a readout. Of a network that ends in
spikes the spikes are read. Integers come in as they are. All that stands against a network is named at
once. Live networks: :mod:`deploy.interchange.slayer_module`.

What a block gives in slayer comes later than its neurons compute it: by the axonal delay, and by a step where
it has ``delay_shift``, which a file does not say; it is slayer's default.

Source: lava-dl 0.6.0, ``lava/lib/dl/slayer/block/base.py``, ``neuron/cuba.py``,
``neuron/alif.py``, ``axon/delay.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import prod

import h5py
import numpy as np

from deploy.imported import Imported, Layer
from deploy.interchange.slayer_layers import Block, Obstacles, read_block
from deploy.interchange.slayer_synapses import (
    SIZE_MAX,
    SYNAPSES,
    Contents,
    Values,
    declared_shape,
    text_of,
)
from deploy.interchange.unrolled import Shape, Synapses, untied
from lsnn_neuro import __version__
from lsnn_neuro.arrays import IntArray, whole_number
from lsnn_neuro.data.hdf5 import check_contents
from lsnn_neuro.errors import FileFormatError, NetworkError
from lsnn_neuro.network.graph import INPUT
from quantize.loihi import DELAY_MAX, MIXED_MAX, MIXED_MIN, WEIGHT_MAX
from quantize.network import (
    Provenance,
    QuantizedNetwork,
    QuantizedPopulation,
    QuantizedProjection,
    SignMode,
)

READOUT = "readout"
READING = {"dialect": "slayer", "source": "lava-dl 0.6.0, export_hdf5"}


def contents_of(file: h5py.File, origin: str) -> dict[str, Values]:
    """All data sets of a file by their full name; FileFormatError over what lies outside of it."""
    for _ in check_contents(file, origin, FileFormatError):
        pass
    found = {}

    def visit(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = np.asarray(item[()])

    file.visititems(visit)
    return found


def imported_layers(
    contents: Contents, origin: str, *, input_shape: Shape | None = None, nodes: Sequence[str] = ()
) -> Imported:
    """The network of an exported file's data sets; ``origin`` is what messages call the file.

    - input_shape: (channel, row, column) of what comes in, where the file does not say it
    - nodes: what the layers are called, by default by their numbers

    Raises NetworkError over what a network here can't hold, FileFormatError over a missing part.
    """
    obstacles = Obstacles()
    if input_shape is not None:
        input_shape = _checked_shape(input_shape)
    try:
        blocks = _blocks(contents, input_shape, obstacles)
    except KeyError as error:
        raise FileFormatError(
            f"{origin}: has no data set {error}; not a file of lava-dl"
        ) from error
    obstacles.found += _chain_obstacles(blocks, contents)
    obstacles.raise_any()
    if not blocks:
        raise FileFormatError(
            f"{origin}: has no dense layer; not a file of lava-dl, or an empty one"
        )
    names = [f"layer{index}" for index in range(len(blocks))]
    if not blocks[-1].neuron.spiking:
        names[-1] = READOUT
    projections: list[QuantizedProjection] = []
    sent = np.zeros(blocks[0].synapses.n_source, np.int32)  # axonal delay of what comes before
    for block, source, target in zip(blocks, [INPUT, *names], names, strict=False):
        delay = block.delay + sent[block.synapses.source]
        wired = obstacles.attempt(_projection, block.label, source, target, block.synapses, delay)
        projections.append(wired)
        if block.feedback is not None and len(block.feedback.weight):
            at_once = np.zeros_like(block.feedback.weight)
            args = (block.label, target, target, block.feedback, at_once)
            projections.append(obstacles.attempt(_projection, *args))
        sent = block.axonal_delay
    obstacles.raise_any()
    network = QuantizedNetwork(
        n_inputs=blocks[0].synapses.n_source,
        populations=tuple(map(_population, names, blocks)),
        projections=tuple(projections),
        outputs=(names[-1],),
        provenance=Provenance(tool_version=__version__),
    )
    layers = _timed(contents, names, blocks, nodes)
    notes = (
        untied(_node(nodes, index), parts["weight"])
        for index, (_, kind, parts) in enumerate(_layers(contents))
        if kind == "conv"
    )
    return Imported(
        network=network, reading=dict(READING), layers=tuple(layers), notes=tuple(notes)
    )


def _checked_shape(shape: Shape) -> Shape:
    if len(shape) != 3:
        raise NetworkError(f"input_shape is {shape}, expected (channel, row, column)")
    return tuple(whole_number("images", "input_shape", size, 1, SIZE_MAX) for size in shape)


def _timed(
    contents: Contents, names: Sequence[str], blocks: Sequence[Block], nodes: Sequence[str]
) -> Iterator[Layer]:
    """Which layer each population was, and how much later slayer has what it gives.

    Here a spike takes a step to the next population, none to a readout; ``late`` is how much later slayer
    computes a block.
    """
    late, named = 0, zip(names, blocks, strict=True)
    for index, (_, kind, parts) in enumerate(_layers(contents)):
        shift = int(np.all(parts.get("delay_shift", kind != "flatten")))
        if _bare(kind, parts):
            late += shift
            continue
        name, block = next(named)
        gives = shift if block.neuron.spiking else int(name != names[0])
        yield Layer(
            population=name, node=_node(nodes, index), lag=-late - gives,
            delays=tuple(block.axonal_delay.tolist()) if block.axonal_delay.any() else (),
        )  # fmt: skip
        late += shift - 1


def _node(nodes: Sequence[str], index: int) -> str:
    """What a layer is called: by its number, unless it has a name."""
    return nodes[index] if nodes else str(index)


def _bare(kind: str, parts: Contents) -> bool:
    """Whether a layer has no neurons and stands between others."""
    return kind in ("input", "flatten") and not any(name.startswith("neuron/") for name in parts)


def _layers(contents: Contents) -> Iterator[tuple[str, str, Contents]]:
    """Label, type and data sets of each layer."""
    for index in range(len({name.split("/")[1] for name in contents if name.startswith("layer/")})):
        prefix = f"layer/{index}/"
        parts = {k[len(prefix) :]: v for k, v in contents.items() if k.startswith(prefix)}
        kind = text_of(parts["type"])
        yield f"layer {index} ({kind})", kind, parts


def _blocks(contents: Contents, input_shape: Shape | None, obstacles: Obstacles) -> list[Block]:
    """All layers with neurons that can be held."""
    blocks: list[Block] = []
    before = input_shape
    for label, kind, parts in _layers(contents):
        if _bare(kind, parts):
            if kind == "input":
                before = obstacles.attempt(declared_shape, label, parts)
                if input_shape is not None and not blocks and before not in (None, input_shape):
                    obstacles.found.append(
                        f"{label}: has shape {before}, input_shape is {input_shape}; leave that out"
                    )
            before = before if before is None or kind == "input" else (prod(before),)
            continue
        if kind not in SYNAPSES:
            neurons = " with neurons" * any(name.startswith("neuron/") for name in parts)
            known = ", ".join(map(repr, (*SYNAPSES, "flatten")))
            obstacles.found.append(
                f"{label}: is of type {kind!r}{neurons}, allowed are {known} and 'input' without neurons"
            )
            before = None
            continue
        block = read_block(label, kind, parts, before, obstacles)
        before = block.shape if block is not None else _shape_or_none(label, parts)
        if block is not None:
            blocks.append(block)
    return blocks


def _shape_or_none(label: str, parts: Contents) -> Shape | None:
    """The shape that a layer which can't be held says it has, for the next one's sake."""
    shape: Shape | None = Obstacles().attempt(declared_shape, label, parts)
    return shape


def _chain_obstacles(blocks: list[Block], contents: Contents) -> Iterator[str]:
    """What stands against blocks one after the other."""
    for block, following in pairwise(blocks):
        if not block.neuron.spiking:
            yield (
                f"{block.label}: never spikes (its neuron/vThMant is above {2**17 - 1}) and is followed by "
                f"{following.label}; only the last layer can be read as it is"
            )
    last = blocks[-1] if blocks else None
    if last is not None and last.neuron.spiking and last.axonal_delay.any():
        yield (
            f"{last.label}: its spikes are delayed by up to {last.axonal_delay.max()} steps, an "
            "output's are not; train the last block without delay"
        )
    early = [
        label
        for label, kind, parts in _layers(contents)
        if kind in SYNAPSES and not np.all(parts.get("delay_shift", True))
    ]
    for block in blocks if early else ():
        if block.bias.any():
            yield (
                f"{block.label}: has a bias, which acts in another step than here, since {early[0]} does not "
                "delay its spikes by a step; train without norm, or with delay_shift"
            )


def _population(name: str, block: Block) -> QuantizedPopulation:
    return QuantizedPopulation(
        name=name, neuron=block.neuron, constants=block.constants, decay_i=block.decay_i,
        bias=block.bias, scale=block.scale,
    )  # fmt: skip


def _projection(
    label: str, source: str, target: str, synapses: Synapses, delay: IntArray
) -> QuantizedProjection:
    if delay.max(initial=0) > DELAY_MAX:
        raise NetworkError(
            f"{label}: synaptic and axonal delay add up to {delay.max()}, allowed are 0 to {DELAY_MAX}"
        )
    mant, exponent, sign_mode = _on_grid(label, synapses.weight)
    return QuantizedProjection(
        name=f"{source}->{target}", source=source, target=target, n_source=synapses.n_source,
        n_target=synapses.n_target, source_index=synapses.source, target_index=synapses.target,
        weight_mant=mant, delay=delay, weight_exp=exponent, sign_mode=sign_mode,
    )  # fmt: skip


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
