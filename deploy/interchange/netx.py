"""The HDF5 files of lava-dl: slayer's ``export_hdf5`` writes them, netx turns them into Lava processes.

A file is a chain of layers, ``layer/0``, ``layer/1`` ..., each holding::

    type           "dense" (synapses and their neurons) or "dense_rec" (with recurrent synapses too)
    shape          (neuron,)
    inFeatures, outFeatures
    weight         (neuron, neuron of the layer before), integers; weight_rec (neuron, neuron)
    delay          steps; (neuron, neuron of the layer before) as written here, one for each synapse,
                   or (neuron,) as slayer writes it: an axonal delay of the layer's own spikes
    neuron/        type "CUBA", iDecay, vDecay (decays in 1/4096), vThMant, refDelay, gradedSpike

A network is written where netx runs it exactly: populations that Lava's own LIF computes, with one
value of each constant a layer and without bias, weights that netx does not alter, no delays in a
recurrent layer. iDecay is 4096 where there is no synaptic current. A readout is the last layer, with a
threshold that no membrane reaches, as slayer writes its Affine block; without one the last layer's
spikes are what is read. The network itself travels as an extension
(:mod:`deploy.interchange.extension`), which netx passes over; a readout's offset is only there, since it
is added by the host.

Time in netx: a layer answers one step later than the emulator, the readout two.

Source: lava-dl 0.6.0, ``lava/lib/dl/netx/hdf5.py`` and ``lava/lib/dl/slayer/block/base.py``.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np

from deploy.imported import Imported
from deploy.interchange.extension import EXTENSION, pack, unpack
from deploy.interchange.netx_weights import Ints, check_weights
from deploy.interchange.slayer import contents_of, imported_layers
from deploy.interchange.slayer_layers import UNREACHABLE
from deploy.interchange.unrolled import Shape
from deploy.lava.neurons.stock_lif import decay_v_of, input_obstacle, stock_lif_obstacle
from lsnn_neuro import files
from lsnn_neuro.arrays import IntArray
from lsnn_neuro.data.hdf5 import open_hdf5, readable
from lsnn_neuro.errors import FileFormatError, NetworkError, RecipeError
from lsnn_neuro.network.graph import INPUT, side_by_side
from lsnn_neuro.neurons.li import LI
from quantize.loihi import (
    CURRENT_INPUT_MAX,
    DECAY_ONE,
    STATE_SHIFT,
)
from quantize.network import SPIKES, QuantizedNetwork, QuantizedPopulation, ValueRange

CONSTANTS: dict[str, Callable[[QuantizedPopulation], IntArray]] = {
    "iDecay": lambda p: _each(p, DECAY_ONE) if p.decay_i is None else p.decay_i,
    "vDecay": decay_v_of,
    "vThMant": lambda p: p.vth >> STATE_SHIFT if p.spiking else _each(p, UNREACHABLE),
}
"""A layer's constants, of which netx has one value for all neurons."""

Group = tuple[QuantizedPopulation, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Layer:
    """One layer of the file; weight (neuron, before), weight_rec (neuron, neuron) or None."""

    name: str
    weight: Ints
    weight_rec: Ints | None
    delay: Ints
    constants: dict[str, int]


def save(network: QuantizedNetwork, path: Path) -> None:
    """Write a network for netx, atomically; refuses what netx would not run exactly."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        _write(file, layers_of(network))
        file.create_dataset(EXTENSION, data=pack(network))
    files.write_bytes(path, buffer.getvalue())


def load(path: Path) -> QuantizedNetwork:
    """The integers in a file, see :func:`read`."""
    return read(path).network


def read(path: Path, *, input_shape: Shape | None = None) -> Imported:
    """Read a network: the one in the extension, or layers that slayer exported, and what these were.

    - input_shape: (channel, row, column), where slayer's layers begin with a convolution of a stride above 1

    Raises FileFormatError if the layers were changed after the extension had been written, and
    NetworkError if a foreign layer holds what a network here can't.
    """
    if not path.is_file():
        raise FileFormatError(f"{path}: no such file; expected an HDF5 file of lava-dl")
    with open_hdf5(path, f"{path}: not a readable HDF5 file", FileFormatError) as file:
        found = contents_of(file, str(path))
    if EXTENSION not in found:
        with readable(f"{path}: not a readable file of lava-dl", FileFormatError):
            made = imported_layers(found, str(path), input_shape=input_shape)
        seal = replace(made.network.provenance, checkpoint_sha256=files.sha256(path))
        return replace(made, network=replace(made.network, provenance=seal))
    if input_shape is not None:
        raise RecipeError(
            f"{path}: is a file of ours and says all of itself; leave --input-shape out"
        )
    network = unpack(found.pop(EXTENSION), path)
    with h5py.File(io.BytesIO(), "w") as file:
        _write(file, layers_of(network))
        expected = contents_of(file, str(path))
    for name in sorted(expected.keys() | found.keys()):
        if not np.array_equal(expected.get(name, np.nan), found.get(name, np.nan)):
            raise FileFormatError(
                f"{path}: {name} was changed since the export, so {EXTENSION} in it no longer belongs "
                "to it; remove that to have the layers read"
            )
    return Imported(network=network)


def _write(file: h5py.File, layers: list[_Layer]) -> None:
    for index, layer in enumerate(layers):
        group = file.create_group(f"layer/{index}")
        recurrent = layer.weight_rec is not None
        group.create_dataset("type", (1,), "S10", [b"dense_rec" if recurrent else b"dense"])
        group.create_dataset("shape", data=np.array([len(layer.weight)]))
        group.create_dataset("inFeatures", data=layer.weight.shape[1])
        group.create_dataset("outFeatures", data=len(layer.weight))
        group.create_dataset("weight", data=layer.weight)
        if recurrent:
            group.create_dataset("weight_rec", data=layer.weight_rec)
        if layer.delay.any():
            group.create_dataset("delay", data=layer.delay)
        for field, value in {
            "type": "CUBA",
            **layer.constants,
            "refDelay": 1,
            "gradedSpike": False,
        }.items():
            group.create_dataset(f"neuron/{field}", data=value)


def layers_of(network: QuantizedNetwork, values: ValueRange = SPIKES) -> list[_Layer]:
    """The chain of layers that computes a network; raises NetworkError if there is none.

    - values: what its inputs send
    """
    groups = groups_of(network)
    if network.outputs != tuple(p.name for p in groups[-1]):
        raise NetworkError(
            f"network: its outputs are {', '.join(network.outputs)}; netx gives those of the last layer, "
            f"{', '.join(p.name for p in groups[-1])}"
        )
    layers = [
        _layer(network, group, () if index == 0 else groups[index - 1], values)
        for index, group in enumerate(groups)
    ]
    for layer in layers:
        check_weights(layer.name, layer.weight, layer.weight_rec)
    return layers


def _layer(network: QuantizedNetwork, group: Group, before: Group, values: ValueRange) -> _Layer:
    """The layer of some populations behind those of the layer before, or behind the inputs."""
    name = f"population {group[0].name!r}"
    constants = _constants(network, group, values)
    weight, delay = _block(network, group, before)
    weight_rec, delay_rec = _block(network, group, group)
    recurrent = bool(weight_rec.any())
    if recurrent and (delay.any() or delay_rec.any()):
        longest = max(delay.max(), delay_rec.max())
        raise NetworkError(
            f"{name}: has recurrent synapses and delays up to {longest}, which netx (lava-dl 0.6.0) "
            "runs wrongly; train without delays"
        )
    return _Layer(
        name=name,
        weight=weight,
        weight_rec=weight_rec if recurrent else None,
        delay=delay,
        constants=constants,
    )


def groups_of(network: QuantizedNetwork) -> list[Group]:
    """The populations of each layer: each its own if they form a chain, else all spiking ones in one."""
    chain = (*network.spiking, *network.readouts)
    place = {INPUT: -1} | {p.name: index for index, p in enumerate(chain)}
    hops = {place[p.target] - place[p.source] for p in network.projections if p.n_synapses}
    if hops <= {0, 1}:
        return [(p,) for p in chain]
    groups = [group for group in (network.spiking, network.readouts) if group]
    first = {p.name for p in groups[0]}
    for p in network.out_of(INPUT):
        if p.n_synapses and p.target not in first:
            raise NetworkError(
                f"projection {p.name!r}: {p.target!r} receives inputs; in netx only the first layer does"
            )
    return groups


def _constants(network: QuantizedNetwork, group: Group, values: ValueRange) -> dict[str, int]:
    """The one value of each constant of a layer's neurons."""
    for population in group:
        obstacle = _obstacle(network, population, values)
        if obstacle:
            raise NetworkError(f"population {population.name!r}: netx can't run it: {obstacle}")
    found = {}
    for field, of in CONSTANTS.items():
        found[field] = first = int(of(group[0])[0])
        for population in group:
            found_here = of(population)
            for value in found_here[found_here != first][:1]:
                raise NetworkError(
                    f"population {population.name!r}: {field} is {value}, that of {group[0].name!r} is "
                    f"{first}; netx has one for a layer, which populations that form no chain share"
                )
    return found


def _obstacle(
    network: QuantizedNetwork, population: QuantizedPopulation, values: ValueRange
) -> str | None:
    """Why netx's neurons, which are Lava's own LIF, can't compute a population exactly."""
    if population.bias.any():
        return (
            f"its bias is up to {np.abs(population.bias).max()}, which would act a step too early"
        )
    if population.spiking:
        return stock_lif_obstacle(network, population, values)
    if population.neuron is not LI:
        return f"its readout's neurons are {population.neuron.name!r}, it reads out 'li' alone"
    most = CURRENT_INPUT_MAX
    low, high = (-most, most) if population.decay_i is not None else (1 - most // 2, most // 2)
    return input_obstacle(network, population, low, high, values)


def _each(population: QuantizedPopulation, value: int) -> IntArray:
    """A value for each neuron."""
    return np.full(population.size, value, np.int32)


def _block(network: QuantizedNetwork, targets: Group, sources: Group) -> tuple[Ints, Ints]:
    """Weight and delay, (target, source), of all synapses from some populations to some.

    Without sources: from the inputs.
    """
    row = side_by_side(targets)
    column = side_by_side(sources) or {INPUT: slice(0, network.n_inputs)}
    shape = max(at.stop for at in row.values()), max(at.stop for at in column.values())
    weight = np.zeros(shape, np.int64)
    delay = np.full(shape, -1, np.int64)  # -1 where there is no synapse yet
    for projection in network.projections:
        if projection.target not in row or projection.source not in column:
            continue
        kept = projection.weight_mant != 0
        mant = projection.weight_mant[kept].astype(np.int64)
        divisor = 2 ** max(0, -projection.weight_exp)
        for odd in mant[mant % divisor != 0][:1]:
            raise NetworkError(
                f"projection {projection.name!r}: weight {odd} * 2^{projection.weight_exp} is no "
                "integer, netx has only integers; quantize it with a higher exponent"
            )
        rows = projection.target_index[kept] + row[projection.target].start
        columns = projection.source_index[kept] + column[projection.source].start
        there = delay[rows, columns]
        for index in np.flatnonzero((there >= 0) & (there != projection.delay[kept]))[:1]:
            raise NetworkError(
                f"projection {projection.name!r}: has a delay of {projection.delay[kept][index]} "
                f"where another one between the same neurons has {there[index]}; netx has one delay"
            )
        weight[rows, columns] += (mant // divisor) << max(0, projection.weight_exp)
        delay[rows, columns] = projection.delay[kept]
    return weight, np.maximum(delay, 0)
