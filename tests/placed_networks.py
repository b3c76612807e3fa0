"""Chips of any size, networks of any size, and what a placement uses, counted one by one."""

from __future__ import annotations

import math

import numpy as np
from random_networks import READOUT, li, neurons

from deploy.mapping.chips import Chip, load_chip
from lsnn_neuro.network.graph import INPUT
from quantize.network import QuantizedNetwork, QuantizedProjection


def chip_with(name="loihi1", **limits) -> Chip:
    """A chip of the package with other limits."""
    chip = load_chip(name)
    figures = {
        k: getattr(chip.limits, k).model_copy(update={"value": v}) for k, v in limits.items()
    }
    return chip.model_copy(update={"limits": chip.limits.model_copy(update=figures)})


def population(name, size, step_a=0, reset="to"):
    """LIF neurons, or ALIF if ``step_a`` is not 0."""
    adaptation = {"decay_a": 6, "step_a": step_a} if step_a else {}
    kind, decay_v = "alif" if step_a else "lif", np.full(size, 200)
    return neurons(kind, name, decay_v=decay_v, vth=6400, reset=reset, **adaptation)


def projection(source, target, n_source, n_target, fan_in, rng, delays=0):
    """Every target neuron receives ``fan_in`` sources, drawn at random."""
    n = min(fan_in, n_source)
    sources = [np.sort(rng.choice(n_source, n, replace=False)) for _ in range(n_target)]
    return QuantizedProjection(
        name=f"{source}->{target}", source=source, target=target, n_source=n_source,
        n_target=n_target, source_index=np.concatenate(sources),
        target_index=np.repeat(np.arange(n_target), n),
        weight_mant=rng.integers(1, 256, n * n_target),
        delay=rng.integers(0, delays + 1, n * n_target), weight_exp=0, sign_mode="excitatory",
    )  # fmt: skip


def lsnn(n_neurons, fan_in, *, n_inputs=80, delays=0, seed=0, step_a=1000):
    """Half regular, half adaptive, all to all populations, as sparse as ``fan_in`` says."""
    rng = np.random.default_rng(seed)
    half = n_neurons // 2
    ends = {INPUT: n_inputs, "regular": half, "adaptive": half, READOUT: 10}
    links = [
        (INPUT, "regular", min(10, n_inputs)),
        (INPUT, "adaptive", min(10, n_inputs)),
        *((s, t, fan_in // 2) for s in ("regular", "adaptive") for t in ("regular", "adaptive")),
        *((s, READOUT, half // 10) for s in ("regular", "adaptive")),
    ]
    return QuantizedNetwork(
        n_inputs=n_inputs,
        populations=(
            population("regular", half),
            population("adaptive", half, step_a),
            li(READOUT, np.full(10, 200)),
        ),
        projections=tuple(
            projection(s, t, ends[s], ends[t], k, rng, 0 if t == READOUT else delays)
            for s, t, k in links
        ),
    )


def synapses(network, chip):
    """(format, source, source neuron, target, target neuron, weight and delay bits), one by one."""
    for p in network.projections:
        used = 0
        for w in p.weight_mant:
            used |= abs(int(w))
        bits = 8 + (p.sign_mode == "mixed")
        while bits > 1 and used % 2 == 0:
            used //= 2
            bits -= 1
        bits = min(width for width in chip.memory.weight_bits.value if width >= bits)
        delay_bits = math.ceil(math.log2(p.reach + 1))
        for i, j in zip(p.source_index.tolist(), p.target_index.tolist(), strict=True):
            yield p.name, p.source, i, p.target, j, bits + delay_bits
    if chip.neurons.adaptive_compartments.value > 1:
        for p in network.populations:
            for j in range(p.size):
                if adapts(p, j):
                    yield f"{p.name}, adaptation", p.name, j, p.name, j, 8


def adapts(population, j):
    """Whether a spike of neuron j moves another state than its membrane."""
    return hasattr(population.constants, "step_a") and population.constants.step_a[j] > 0


def homes(placement):
    """(population, neuron) -> core; fails on a neuron that is on two cores."""
    found = {}
    for index, core in enumerate(placement.cores):
        for part in core.slices:
            for j in range(part.first, part.last):
                assert (part.population, j) not in found
                found[part.population, j] = index
    return found


def counted_usage(network, placement):
    """Usage of every core, counted synapse by synapse."""
    chip, home = placement.chip, homes(placement)
    extra = chip.neurons.adaptive_compartments.value - 1
    cores = [
        {"compartments": 0, "axons": set(), "out": set(), "lists": {}, "ends": {}}
        for _ in placement.cores
    ]
    for core, placed in zip(cores, placement.cores, strict=True):
        for part in placed.slices:
            for j in range(part.first, part.last):
                core["compartments"] += 1 + extra * adapts(network.population(part.population), j)
            core["ends"][part.population] = (core["compartments"] - 1, part.last - part.first)
    for form, source, i, target, j, bits in synapses(network, chip):
        core = cores[home[target, j]]
        core["axons"].add((source, i))
        core["lists"].setdefault((form, target, bits), {}).setdefault(i, []).append(j)
        if source != INPUT:
            cores[home[source, i]]["out"].add((source, i, home[target, j]))
    return [
        {
            "compartments": core["compartments"],
            "input_axons": len(core["axons"]),
            "output_axons": len(core["out"]),
            "synapse_words": sum(
                min(_list_words(lists, bits, *core["ends"][target], chip))
                for (_, target, bits), lists in core["lists"].items()
            ),
            "synapse_formats": len(core["lists"]),
        }
        for core in cores
    ]


def _list_words(lists, bits, last_compartment, n_neurons, chip):
    """Words of one format's lists with indices, and without."""
    index = min(w for w in chip.memory.index_bits.value if 2**w > last_compartment)
    sparse = dense = 0
    for targets in lists.values():
        for first in range(0, len(targets), 64):
            sparse += math.ceil((10 + len(targets[first : first + 64]) * (bits + index)) / 64)
        for first in range(0, n_neurons, 64):
            dense += math.ceil((10 + min(64, n_neurons - first) * bits) / 64)
    return sparse, dense
