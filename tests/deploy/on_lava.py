"""Running small networks on Lava and on the emulator, and making them by hand."""

from random_networks import random_inputs

from deploy.lava.options import LavaOptions
from deploy.lava.target import LoihiSim
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.graph import INPUT
from quantize.emulator import emulate_reference
from quantize.network import SPIKES, QuantizedNetwork, QuantizedProjection
from quantize.record import SpikeRecord

N_STEPS, N_SAMPLES = 40, 3
TIME_LIMIT = 120.0


def lava(**options):
    return LoihiSim(LavaOptions(time_limit=TIME_LIMIT, **options))


def emulated(network, inputs, start=None):
    spikes, readout = emulate_reference(network, inputs, start)
    return SpikeRecord(spikes=spikes, readout=readout, target="emulator", seconds=0.0)


def mismatches(reference, other):
    """Spikes and readout integers that differ."""
    assert [p.name for p in reference.spikes] == [p.name for p in other.spikes]
    pairs = zip(reference.spikes, other.spikes, strict=True)
    spikes = sum(int((a.spikes != b.spikes).sum()) for a, b in pairs)
    return spikes, int((reference.readout != other.readout).sum())


def refused(network, values=SPIKES, **options):
    """Why Lava's graph can't run a network whose inputs send these values; empty if it can."""
    try:
        lava(**options).runner().neurons(network, values)
    except NetworkError as error:
        return str(error)
    return ""


def check(network, seed, **options):
    """Run a network on both; gives the emulator's record and Lava's."""
    inputs = random_inputs(seed, network, n_steps=N_STEPS, n_samples=N_SAMPLES)
    reference, record = emulated(network, inputs), lava(**options).run(network, inputs)
    assert mismatches(reference, record) == (0, 0)
    return reference, record


def synapses(rng, source, target, n_source, n_target, *, delay=3, exponent=2, name=None):
    """Mixed weights and delays between two ends."""
    shape = (n_target, n_source)
    weights = rng.integers(-60, 128, shape) * 2 * (rng.random(shape) < 0.8)
    delays = rng.integers(0, delay + 1, shape)
    label = name or f"{source}->{target}"
    return QuantizedProjection.of_matrix(label, source, target, weights, delays, exponent, "mixed")


def side_by_side(rng, populations, *, n_inputs=5, outputs=(), **kind):
    """Populations that receive the inputs, the first of them itself too, and are read as they are."""
    projections = [synapses(rng, INPUT, p.name, n_inputs, p.size, **kind) for p in populations]
    first = populations[0]
    if first.spiking:
        projections.append(synapses(rng, first.name, first.name, first.size, first.size, **kind))
    return QuantizedNetwork(
        n_inputs=n_inputs, populations=tuple(populations), projections=tuple(projections),
        outputs=outputs or (populations[-1].name,),
    )  # fmt: skip
