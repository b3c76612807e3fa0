"""Energy of a replayed network against SANA-FE, the published simulator whose costs we use."""

import json
from dataclasses import replace

import numpy as np
import pytest
from oracles import ask
from placed_networks import chip_with, homes, lsnn, synapses
from random_networks import READOUT, random_inputs

from deploy.mapping.energy import estimate
from deploy.mapping.placement import place
from lsnn_neuro.network.graph import INPUT
from quantize.emulator import emulate

STEPS = 60


@pytest.mark.slow
def test_energies_of_synapses_network_and_neurons_are_those_of_sana_fe(tmp_path):
    network = lsnn(120, 20, step_a=0)
    # few neurons to a core, so that packets cross tiles in both directions
    placement = place(network, chip_with(compartments=8))
    inputs = random_inputs(0, network, n_steps=STEPS, n_samples=1, rate=0.2)
    rng = np.random.default_rng(0)  # any raster can be replayed
    record = emulate(network, inputs)
    record = replace(record, spikes=tuple(
        replace(p, spikes=rng.random(p.spikes.shape) < 0.05) for p in record.spikes
    ))  # fmt: skip
    # the oracle stores everything sparsely
    cores = tuple(replace(core, dense=frozenset()) for core in placement.cores)
    placement = replace(placement, cores=cores)
    # the host's spikes are no neuron's, so they are left out on both sides
    found = estimate(placement, np.zeros_like(inputs), record)

    home = homes(placement)
    number = {neuron: i for i, neuron in enumerate(home)}
    trains = {(p.name, j): p.spikes[:, 0, j].tolist() for p in record.spikes
              for j in range(p.spikes.shape[2])}  # fmt: skip
    given = {
        "steps": STEPS,
        "core": list(home.values()),
        "spikes": [trains.get(neuron, [False] * STEPS) for neuron in home],
        "synapses": [
            (number[source, i], number[target, j])
            for _, source, i, target, j, _ in synapses(network, placement.chip)
            if source != INPUT
        ],
    }
    path = tmp_path / "network.json"
    path.write_text(json.dumps(given))
    theirs = ask("sanafe", "deploy/sanafe_oracle.py", path)

    def joule(*names):
        return sum(event.joule for event in found.events if event.name in names)

    energy = theirs["energy"]
    assert theirs["spikes"] == found.count("synaptic events, sparse")
    assert theirs["neurons_fired"] == found.count("spikes")
    assert theirs["packets_sent"] == found.count("packets")
    assert energy["synapse"] == pytest.approx(joule("synaptic events, sparse"))
    assert found.count("hops east-west") > 0 < found.count("hops north-south")
    assert energy["network"] == pytest.approx(
        joule("packets", "hops east-west", "hops north-south")
    )
    # silent neurons that replay are accessed, but not updated
    updates_of_firing = found.count("spikes") * 21.6e-12
    assert energy["soma"] == pytest.approx(joule("neuron accesses", "spikes") + updates_of_firing)
    # their timing knows congestion and ours every update: the same order of magnitude
    assert 0.5 < theirs["sim_time"] / found.seconds < 2
    assert READOUT in {name for name, _ in home}
