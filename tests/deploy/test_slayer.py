"""Networks of lava-dl's slayer, as it exported them, against slayer's own spikes."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from same import differences
from slayer_runs import draw, later, mismatches, needs_lava_dl

from deploy import LoihiSim, Netx, SourceRun, parity
from deploy.imported import Imported
from deploy.interchange.netx import load, read
from lsnn_neuro.neurons.atrlif import ATRLIF
from lsnn_neuro.neurons.lif import LIF
from quantize.conversion import convert, to_spec
from quantize.emulator import emulate

ROOT = Path(__file__).parents[2]
FOREIGN = ROOT.parent / "shared" / "data" / "foreign"
FAMILIES = {
    "chain": 16, "dense": 20, "recurrent": 20, "jitter": 8, "graded": 6, "norms": 8, "images": 6,
}  # fmt: skip
"""Networks that slayer draws for these tests, and how many of each; tests/deploy/slayer_network.py."""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder with networks that slayer made, ran and exported."""
    return draw(tmp_path_factory.mktemp("slayer"), FAMILIES)


def blocks_of(folder, family):
    """Each network of a family, its run here, and slayer's: name, network, record, arrays."""
    for seed in range(FAMILIES[family]):
        network = load(folder / f"{family}-{seed}.net")
        ran = np.load(folder / f"{family}-{seed}.npz")
        yield f"{family}-{seed}", network, emulate(network, ran["inputs"][:, None]), ran


@needs_lava_dl
@pytest.mark.parametrize(("family", "least"), [
    ("chain", 500), ("dense", 2000), ("recurrent", 2000), ("jitter", 500), ("graded", 200),
    ("norms", 500), ("images", 2000),
])  # fmt: skip
def test_slayers_networks_have_the_emulators_spikes(exported, family, least):
    found = {name: mismatches(record, ran) for name, _, record, ran in blocks_of(exported, family)}
    assert {name: wrong for name, (wrong, _) in found.items() if wrong} == {}
    assert len(found) == FAMILIES[family] >= 4
    assert sum(spikes for _, spikes in found.values()) > least
    assert sum(spikes > 0 for _, spikes in found.values()) >= 0.8 * len(found)


@needs_lava_dl
def test_the_networks_have_all_that_is_taken(exported):
    """ALIF neurons and currents that spike, delays, readouts, biases: in what was compared."""
    seen = Counter()
    for family in FAMILIES:
        for _, network, record, ran in blocks_of(exported, family):
            for p, train in zip(network.spiking, record.spikes, strict=True):
                n = int(train.spikes.sum())
                seen["alif"] += n * (p.neuron is ATRLIF)
                seen["current"] += n * (p.neuron is LIF and p.decay_i is not None)
                seen["bias"] += n * bool(p.bias.any())
                seen["own constants"] += n * (np.ptp(p.constants.decay_v) > 0)
                seen["feedback"] += n * any(q.source == p.name for q in network.into(p.name))
            seen["readouts"] += bool(network.readouts)
            seen["delayed readouts"] += any(
                q.reach for p in network.readouts for q in network.into(p.name)
            )
            seen["delays"] += int((ran["delay0"] > 0).sum())
            seen["graded"] += bool((ran["inputs"] < 0).any() and (ran["inputs"] > 1).any())
    least = {"alif": 500, "current": 500, "bias": 200, "own constants": 200, "feedback": 1000,
             "readouts": 10, "delayed readouts": 2, "delays": 100, "graded": 4}  # fmt: skip
    assert {name: seen[name] for name, n in least.items() if seen[name] < n} == {}


@needs_lava_dl
@pytest.mark.parametrize("family", FAMILIES)
def test_a_live_network_is_the_one_that_it_exports(exported, family):
    for seed in range(FAMILIES[family]):
        live = Imported.load(exported / f"{family}-{seed}.safetensors").network
        network = load(exported / f"{family}-{seed}.net")
        scales = {p.name: p.scale for p in live.populations}  # which a file does not hold
        populations = tuple(replace(p, scale=scales[p.name]) for p in network.populations)
        read = replace(network, populations=populations, provenance=live.provenance)
        assert differences(live, read) == []


def source_run(name, ran, network):
    """What slayer recorded, by the places of its blocks."""
    out = {str(ran[f"block{i}"]): ran[f"out{i}"][:, None] for i in range(len(network.populations))}
    readout = out.pop(list(out)[-1]) if network.readouts else None
    inputs = ran["inputs"][:, None].astype(float)
    return SourceRun(name=name, inputs=inputs, spikes=out, readout=readout)


@needs_lava_dl
@pytest.mark.parametrize("family", FAMILIES)
def test_parity_with_the_live_networks_own_spikes_is_exact(exported, family):
    """Also where blocks send at once, or an input a step late, which a file does not say."""
    for name, network, _, ran in blocks_of(exported, family):
        live = Imported.load(exported / f"{name}.safetensors")
        report = parity(live, source=source_run(name, ran, network))
        found = report.levels["source"]
        assert report.failed == [], (name, found)
        assert found.not_recorded == ()
        at_once = family == "norms" and not int(name[-1]) % 2
        if not at_once and family != "images":
            assert read(exported / f"{name}.net").layers == live.layers


@needs_lava_dl
def test_a_live_convolution_says_that_its_weights_are_no_longer_tied(exported):
    live = Imported.load(exported / "images-0.safetensors")
    told = [note for note in live.notes if "shared weights are unrolled into synapses" in note]
    assert [note.split(":")[0] for note in told] == ["layer '1'", "layer '3'"]
    assert read(exported / "images-0.net").notes == live.notes


@needs_lava_dl
@pytest.mark.parametrize("family", FAMILIES)
def test_the_integers_come_back_from_the_float_network(exported, family):
    for seed in range(FAMILIES[family]):
        network = load(exported / f"{family}-{seed}.net")
        again, _ = convert(to_spec(network), provenance=network.provenance)
        assert differences(again, network) == []


@needs_lava_dl
@pytest.mark.parametrize(("name", "target"), [
    ("chain-2", LoihiSim()), ("chain-3", LoihiSim()), ("recurrent-1", LoihiSim()),
    ("jitter-0", LoihiSim()), ("norms-1", LoihiSim()), ("images-1", LoihiSim()),
    ("graded-1", LoihiSim()), pytest.param("dense-1", Netx(), marks=pytest.mark.slow),
])  # fmt: skip
def test_they_run_on_lava_exactly(exported, name, target):
    network = load(exported / f"{name}.net")
    inputs = np.load(exported / f"{name}.npz")["inputs"][:25, None]
    record, expected = target.run(network, inputs), emulate(network, inputs)
    assert expected.n_spikes > 5
    for here, there in zip(record.spikes, expected.spikes, strict=True):
        np.testing.assert_array_equal(here.spikes, there.spikes)
    np.testing.assert_array_equal(record.readout, expected.readout)


@pytest.mark.skipif(not FOREIGN.is_dir(), reason=f"{FOREIGN} is not there")
@pytest.mark.parametrize("name", ["slayer_alif", "slayer_cuba_delay", "slayer_graded_affine"])
def test_what_slayer_recorded_is_what_the_emulator_does(name):
    network, ran = load(FOREIGN / f"{name}.net"), np.load(FOREIGN / f"{name}.npz")
    record = emulate(network, ran["inputs"].astype(np.int8))
    with h5py.File(FOREIGN / f"{name}.net") as file:
        for index, population in enumerate(record.spikes):
            delay = file[f"layer/{index}"].get("delay", np.zeros(population.spikes.shape[2]))
            for sample in range(ran["inputs"].shape[1]):
                sent = later(population.spikes[:, sample].astype(int), 1 + np.asarray(delay))
                np.testing.assert_array_equal(ran[f"spikes_{index}"][:, sample], sent)
    assert record.n_spikes > 4000 - 1000 * (name == "slayer_alif")
    if "readout" in ran:
        read = network.to_float(record.readout)[:-1]
        np.testing.assert_array_equal(read, ran["readout"][1:])
