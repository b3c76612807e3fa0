"""Networks of lava-dl's slayer, as it exported them, against slayer's own spikes."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
import pytest

from deploy.interchange.netx import load
from lsnn_neuro.errors import FileFormatError, NetworkError
from lsnn_neuro.neurons.atrlif import ATRLIF
from lsnn_neuro.neurons.li import LI
from lsnn_neuro.neurons.lif import LIF
from quantize.emulator import emulate

ROOT = Path(__file__).parents[2]
COUNT = 16
needs_lava_dl = pytest.mark.skipif(
    find_spec("lava") is None or find_spec("lava.lib") is None,
    reason="lava-dl 0.6.0 is not installed; it exists for Python 3.10 only",
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder with networks that slayer made, ran and exported."""
    folder = tmp_path_factory.mktemp("slayer")
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("slayer_network.py")), str(folder),
         str(COUNT)],
        capture_output=True, text=True, timeout=280, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@needs_lava_dl
def test_slayers_networks_have_the_emulators_spikes(exported):
    total = affine = delayed = adaptive = with_current = delayed_readouts = 0
    for seed in range(COUNT):
        network = load(exported / f"{seed}.net")
        ran = np.load(exported / f"{seed}.npz")
        record = emulate(network, ran["inputs"][:, None])
        for index, population in enumerate(record.spikes):
            z, out = population.spikes[:, 0], ran[f"out{index}"]
            for neuron, delay in enumerate(ran[f"delay{index}"].astype(int)):
                # slayer sends a spike on one step later, and its axonal delay after that
                sent = out[1 + delay :, neuron].astype(bool)
                np.testing.assert_array_equal(sent, z[: len(sent), neuron], f"{seed}, {index}")
                delayed += delay > 0
        total += record.n_spikes
        if any(p.neuron is ATRLIF and p.adaptive for p in network.populations):
            adaptive += record.n_spikes
        if any(p.neuron is LIF and p.decay_i is not None for p in network.populations):
            with_current += record.n_spikes
        last = len(record.spikes)
        if (
            f"out{last}" in ran
        ):  # an Affine, whose input comes one step later: the block before sent it
            voltage = np.rint(ran[f"out{last}"] * 4096).astype(int)
            np.testing.assert_array_equal(voltage[1:], record.readout[:-1, 0])
            affine += 1
            delayed_readouts += max(p.reach for p in network.into("readout")) > 0
        else:
            assert network.outputs == (record.spikes[-1].name,)
            np.testing.assert_array_equal(record.readout, record.spikes[-1].spikes)
    assert total > 500
    assert adaptive > 200
    assert with_current > 200
    assert affine > 1
    assert delayed_readouts > 1
    assert delayed > 20


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
        ({"bias": [3.0]}, "bias is up to 3, allowed is none"),
        ({"type": "conv"}, "is of type 'conv'"),
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
