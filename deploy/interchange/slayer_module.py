"""A live network of lava-dl's slayer in integers: by its blocks' own export.

The blocks write themselves into a file in memory, which :mod:`deploy.interchange.slayer` reads. What their
export leaves out is added: the ``scale``, a mask, whether spikes leave a step later. Neither torch nor
lava-dl is imported here.

Source: lava-dl 0.6.0, ``lava/lib/dl/slayer/block/base.py``.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator, Mapping
from typing import Any

import h5py

from deploy.imported import Imported
from deploy.interchange.slayer import contents_of, imported_layers
from deploy.interchange.slayer_layers import Obstacles
from deploy.interchange.unrolled import Shape
from lsnn_neuro.errors import NetworkError

EXPORT = "export_hdf5"
"""The method by which a block of slayer writes itself, as only its blocks have it."""


_ADVICE = (
    "give from_slayer the part of the network that holds each block once and nothing else, such as "
    "net.blocks"
)


def from_slayer(module: Any, *, input_shape: Shape | None = None) -> Imported:
    """The integers of a live slayer network, as its blocks export them; the module stays as it is.

    - module: a torch module (``net.blocks``, a ModuleList, a Sequential, a whole network) whose slayer blocks
      are a chain in the order in which they are registered. It must have run once: slayer draws delays
      and the constants of ``shared_param=False`` in the first forward pass
    - input_shape: (channel, row, column), where the network begins with a convolution of a stride above 1

    Its layers are called as in the module. Raises NetworkError, in one line, with all that a network here
    can't hold.
    """
    obstacles, blocks = Obstacles(), dict(_blocks_of(module))
    obstacles.found += _foreign_parts(module, blocks)
    file = h5py.File(io.BytesIO(), "w")
    with file:
        for index, (name, block) in enumerate(blocks.items()):
            label = f"block {name!r} ({type(block).__name__})"
            obstacles.attempt(_export, label, block, file.create_group(f"layer/{index}"))
        obstacles.raise_any()
        found = contents_of(file, "the module")
    nodes = [name or str(index) for index, name in enumerate(blocks)]
    return imported_layers(found, "module", input_shape=input_shape, nodes=nodes)


def _blocks_of(module: Any) -> Iterator[tuple[str, Any]]:
    """The slayer blocks in a module by name: what exports itself and holds nothing that does."""
    for name, part in module.named_modules():
        inner = (other for other in part.modules() if other is not part)
        if hasattr(part, EXPORT) and not any(hasattr(other, EXPORT) for other in inner):
            yield name, part


def _foreign_parts(module: Any, blocks: Mapping[str, Any]) -> Iterator[str]:
    """What a module holds beside its blocks, and blocks that it holds twice."""
    known = {id(part) for block in blocks.values() for part in block.modules()}
    for name, part in module.named_modules():
        if id(part) in known:
            continue
        if not any(part.children()):
            yield f"module {name!r} ({type(part).__name__}): is no block of slayer; {_ADVICE}"
        for own, _ in part.named_parameters(name, recurse=False):
            yield f"parameter {own!r}: belongs to no block of slayer; {_ADVICE}"
    names = {id(block): name for name, block in blocks.items()}
    for name, part in module.named_modules(remove_duplicate=False):
        if names.get(id(part), name) != name:
            yield f"block {names[id(part)]!r}: is also registered as {name!r}; {_ADVICE}"


def _export(label: str, block: Any, group: h5py.Group) -> None:
    """A block's own export, and what it does not write."""
    delay = getattr(block, "delay", None)
    if getattr(block, "shape", ()) is None or (delay is not None and not delay.init):
        raise NetworkError(
            f"{label}: has not run yet, so its shape, constants and delays are not known; run the "
            "network once"
        )
    made = _copied(block)
    try:
        getattr(made, EXPORT)(group)
    except Exception as error:  # whatever a block of lava-dl or of its user raises
        raise NetworkError(
            f"{label}: its {EXPORT} failed ({type(error).__name__}: {error})".splitlines()[0]
        ) from error
    if "type" not in group:
        raise NetworkError(f"{label}: its {EXPORT} writes nothing")
    _check_clamped(label, block, made)
    _add_unwritten(label, block, group)


def _check_clamped(label: str, block: Any, exported: Any) -> None:
    """Refuse decays that the export clamps and the forward pass, unless they are learnt, does not."""
    neuron = getattr(block, "neuron", None)
    if neuron is None or neuron.requires_grad:
        return
    clamped = dict(exported.neuron.named_parameters(recurse=False))
    for name, value in neuron.named_parameters(recurse=False):
        if not bool((value == clamped[name]).all()):
            raise NetworkError(
                f"{label}: {name} runs from {value.min():g} to {value.max():g}, allowed are 0 to 4096; "
                "slayer's export clamps it, its forward pass does not: call the block's neuron.clamp() first"
            )


def _add_unwritten(label: str, block: Any, group: h5py.Group) -> None:
    """Scale, mask and step of a block, which its export leaves out."""
    neuron, mask = getattr(block, "neuron", None), getattr(block, "mask", None)
    if neuron is not None and "neuron" in group:
        group["neuron/scale"] = neuron.scale
    if hasattr(block, "delay_shift"):
        group["delay_shift"] = bool(block.delay_shift)
    if mask is not None:
        if block.synapse.weight_norm_enabled:
            raise NetworkError(
                f"{label}: has a mask and weight norm, under which slayer forgets the mask; leave one out"
            )
        weight = group["weight"][()] * mask.cpu().numpy().reshape(mask.shape[:2])
        group["weight"][...] = weight


def _copied(module: Any) -> Any:
    """A copy of a module, without weight norm, which an export would remove."""
    made = copy.copy(module)
    for name in ("_parameters", "_buffers", "_forward_pre_hooks", "_modules"):
        made.__dict__[name] = copy.copy(module.__dict__[name])
    for name, value in made.__dict__["_parameters"].items():  # an export clamps some
        made.__dict__["_parameters"][name] = None if value is None else copy.deepcopy(value)
    for name, part in made.__dict__["_modules"].items():
        made.__dict__["_modules"][name] = None if part is None else _copied(part)
    if getattr(made, "weight_norm_enabled", False):
        made.disable_weight_norm()
    return made
