"""Networks of lava-dl's slayer, as it exported them, against slayer's own spikes."""

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
import pytest
from same import differences

from deploy import LoihiSim
from deploy.interchange.netx import load
from lsnn_neuro.errors import FileFormatError, NetworkError
from lsnn_neuro.neurons.atrlif import ATRLIF
from lsnn_neuro.neurons.li import LI
from lsnn_neuro.neurons.lif import LIF
from quantize import file_format
from quantize.conversion import convert, to_spec
from quantize.emulator import emulate

ROOT = Path(__file__).parents[2]
FOREIGN = ROOT.parent / "shared" / "data" / "foreign"
FAMILIES = {
    "chain": 16, "dense": 20, "recurrent": 20, "jitter": 8, "graded": 6, "norms": 8, "images": 6,
}  # fmt: skip
"""Networks that slayer draws for these tests, and how many of each; tests/deploy/slayer_network.py."""
needs_lava_dl = pytest.mark.skipif(
    find_spec("lava") is None or find_spec("lava.lib") is None,
    reason="lava-dl 0.6.0 is not installed; it exists for Python 3.10 only",
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder with networks that slayer made, ran and exported."""
    folder = tmp_path_factory.mktemp("slayer")
    counts = [str(word) for item in FAMILIES.items() for word in item]
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("slayer_network.py")), str(folder), *counts],
        capture_output=True, text=True, timeout=280, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def blocks_of(folder, family):
    """Each network of a family, its run here, and slayer's: name, network, record, arrays."""
    for seed in range(FAMILIES[family]):
        network = load(folder / f"{family}-{seed}.net")
        ran = np.load(folder / f"{family}-{seed}.npz")
        yield f"{family}-{seed}", network, emulate(network, ran["inputs"][:, None]), ran


def later(train, steps):
    """(time, neuron), each neuron later by so many steps; the same length."""
    found = np.zeros_like(train)
    for neuron, by in enumerate(np.broadcast_to(steps, train.shape[1]).astype(int)):
        by = int(by)
        column = train[:, neuron]
        moved = np.concatenate([np.zeros(max(by, 0), train.dtype), column[max(-by, 0) :]])
        found[: len(moved), neuron] = moved[: len(train)]
    return found


def mismatches(record, ran):
    """Cells in which slayer's blocks send something else than ours, a readout's included; spikes in all."""
    wrong = spikes = 0
    parts = [p.spikes[:, 0].astype(int) for p in record.spikes]
    if f"out{len(parts)}" in ran:
        parts.append(record.readout[:, 0])
    for index, here in enumerate(parts):
        late, out = ran[f"late{index}"], ran[f"out{index}"]
        if index == len(record.spikes):
            out = np.rint(out * ran[f"scale{index}"])
        known = len(out) + min(int(late), 0)  # steps that have come here by the end of the run
        there = later(here, late + ran[f"delay{index}"])
        wrong += int((out[:known] != there[:known]).sum())
        spikes += int(here.sum()) if index < len(record.spikes) else 0
    assert f"out{len(parts)}" not in ran
    return wrong, spikes


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
        live = file_format.load(exported / f"{family}-{seed}.safetensors")
        network = load(exported / f"{family}-{seed}.net")
        scales = {p.name: p.scale for p in live.populations}  # which a file does not hold
        populations = tuple(replace(p, scale=scales[p.name]) for p in network.populations)
        read = replace(network, populations=populations, provenance=live.provenance)
        assert differences(live, read) == []


@needs_lava_dl
@pytest.mark.parametrize("family", FAMILIES)
def test_the_integers_come_back_from_the_float_network(exported, family):
    for seed in range(FAMILIES[family]):
        network = load(exported / f"{family}-{seed}.net")
        again, _ = convert(to_spec(network), provenance=network.provenance)
        assert differences(again, network) == []


@needs_lava_dl
@pytest.mark.parametrize(
    "name", ["chain-2", "chain-3", "recurrent-1", "norms-1", "images-1", "graded-1"]
)
def test_they_run_on_lava_exactly(exported, name):
    network = load(exported / f"{name}.net")
    inputs = np.load(exported / f"{name}.npz")["inputs"][:25, None]
    assert network.n_synapses > 20
    record, expected = LoihiSim().run(network, inputs), emulate(network, inputs)
    assert sum(p.spikes.sum() for p in expected.spikes) > 5
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


def write(path, *layers):
    """A file with one neuron a layer; each layer's fields replace the usual ones."""
    usual = {
        "type": "dense", "shape": [1], "weight": [[64.0]], "neuron/type": "CUBA",
        "neuron/iDecay": 4096, "neuron/vDecay": 128, "neuron/vThMant": 80, "neuron/refDelay": 1,
        "neuron/gradedSpike": False,
    }  # fmt: skip
    with h5py.File(path, "w") as file:
        for index, layer in enumerate(layers):
            for field, value in (usual | layer).items():
                if value is None:
                    continue
                if field == "type":
                    file.create_dataset(f"layer/{index}/type", (1,), "S10", [value.encode()])
                else:
                    file.create_dataset(f"layer/{index}/{field}", data=value)
    return path


def test_a_handwritten_file_has_the_steps_computed_by_hand(tmp_path):
    layers = {"delay": [2.0]}, {"weight": [[128.0]]}, {"neuron/vThMant": 2**18 - 1}
    network = load(write(tmp_path / "a", *layers))
    assert [p.name for p in network.populations] == ["layer0", "layer1", "readout"]
    inputs = np.zeros((9, 1, 1), bool)
    inputs[[0, 1], 0, 0] = True
    record = emulate(network, inputs)
    one, two = (np.flatnonzero(p.spikes[:, 0, 0]).tolist() for p in record.spikes)
    # 64 * 64 = 4096 does not reach 80 * 64 = 5120; 4096 * 3968 / 4096 + 4096 does, and resets
    assert one == [1]
    assert two == [4]  # 128 * 64 = 8192, arrives in step 1 + 1 + 2
    assert record.readout[:, 0, 0].tolist() == [0, 0, 0, 0, 4096, 3968, 3844, 3723, 3606]


def test_alif_blocks_become_atrlif_populations(tmp_path):
    alif = {"neuron/type": "ALIF", "neuron/iDecay": 1024, "neuron/thDecay": 40,
            "neuron/refDecay": 400, "neuron/vThStep": 7}  # fmt: skip
    network = load(write(tmp_path / "a", alif))
    (population,) = network.populations
    assert (population.neuron, network.outputs) == (ATRLIF, ("layer0",))
    assert constants(population) == {
        "decay_i": [1024], "decay_v": [128], "decay_a": [40], "decay_r": [400], "vth": [80 * 64],
        "step_a": [7 * 64],
    }  # fmt: skip
    assert population.constants.at_threshold


def constants(population):
    """All of a population's numbers."""
    found = {name: value.tolist() for name, _, value in population.constants.numbers()}
    return found | ({} if population.decay_i is None else {"decay_i": population.decay_i.tolist()})


def test_cuba_blocks_become_lif_populations_with_a_current_if_it_lasts(tmp_path):
    never = {"neuron/vThMant": 2**18 - 1, "neuron/iDecay": 512}
    network = load(write(tmp_path / "a", {"neuron/iDecay": 1024}, {}, never))
    one, two, readout = network.populations
    plain = {"decay_v": [128], "vth": [80 * 64], "n_ref": [0], "reset_by": [0], "reset_to": [0]}
    assert one.neuron is two.neuron is LIF
    assert one.constants.reset == two.constants.reset == "to"
    assert one.constants.at_threshold is two.constants.at_threshold is False
    assert constants(one) == plain | {"decay_i": [1024]}
    assert constants(two) == plain
    assert (readout.name, readout.neuron, network.outputs) == ("readout", LI, ("readout",))
    assert constants(readout) == {"decay_v": [128], "decay_i": [512]}


@pytest.mark.parametrize(
    ("layer", "named"),
    [
        (
            {"neuron/iDecay": 5000},
            "layer 0 (dense): neuron/iDecay holds 5000, allowed are the integers 0 to 4096",
        ),
        ({"weight": [[1.0], [1.0]], "neuron/vThMant": [80, 2**17]}, "neuron/vThMant holds 131072"),
        ({"neuron/type": "ADRF"}, "neuron/type is 'ADRF', allowed are 'CUBA' and 'ALIF'"),
        ({"neuron/gradedSpike": True}, "neuron/gradedSpike is True, allowed is False"),
        ({"neuron/refDelay": 4}, "neuron/refDelay is 4, allowed is 1"),
        ({"bias": [3.5]}, "bias holds 3.5"),
        (
            {"bias": [3.0], "neuron/vThMant": 2**18 - 1},
            "bias is up to 3, a layer that never spikes",
        ),
        ({"neuron/weight_exp": 2.0}, "neuron/weight_exp is 2.0, allowed is 0"),
        ({"type": "average"}, "is of type 'average' with neurons"),
        ({"type": "input"}, "is of type 'input' with neurons"),
        ({"weight": [[0.5]]}, "weight holds 0.5"),
        ({"weight": [[300.0]]}, "weight holds 300.0"),
        ({"weight": [[float("nan")]]}, "weight holds nan"),
        ({"delay": [70.0]}, "delay holds 70.0"),
        ({"delay": [1.0, 2.0]}, "delay has shape (2,)"),
        ({"neuron/vDecay": [1, 2, 3]}, "neuron/vDecay has 3 values for 1 neurons"),
        ({"weight": [1.0]}, "weight has shape (1,)"),
        ({"delay": [4.0]}, "its spikes are delayed by up to 4 steps, an output's are not"),
    ],
)
def test_what_can_not_be_held_is_refused_by_layer_and_value(tmp_path, layer, named):
    with pytest.raises(NetworkError) as caught:
        load(write(tmp_path / "a", layer))
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_layers_that_do_not_fit_and_missing_parts_are_refused(tmp_path):
    with pytest.raises(NetworkError, match="weight has 2 columns, the layer before has 1"):
        load(write(tmp_path / "a", {}, {"weight": [[1.0, 2.0]]}))
    with pytest.raises(FileFormatError, match=r"no data set 'neuron/iDecay'"):
        load(write(tmp_path / "b", {"neuron/iDecay": None}))


def test_odd_weights_of_both_signs_keep_their_value_at_half_the_exponent(tmp_path):
    network = load(write(tmp_path / "a", {"weight": [[3.0, -101.0]]}))
    (projection,) = network.into("layer0")
    assert (projection.sign_mode, projection.weight_exp) == ("mixed", -1)
    assert (projection.weight_mant * 2.0**projection.weight_exp).tolist() == [3.0, -101.0]
    with pytest.raises(NetworkError, match="run from -101 to 201 and some are odd"):
        load(write(tmp_path / "b", {"weight": [[201.0, -101.0]]}))
