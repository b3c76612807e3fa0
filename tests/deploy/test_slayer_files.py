"""Files of lava-dl's slayer, written by hand: what becomes of them, and what is refused."""

import h5py
import numpy as np
import pytest
from slayer_files import write
from tiny_runs import succeed

from deploy.imported import Imported
from deploy.interchange.netx import load, read
from lsnn_neuro.errors import FileFormatError, NetworkError
from lsnn_neuro.neurons.atrlif import ATRLIF
from lsnn_neuro.neurons.li import LI
from lsnn_neuro.neurons.lif import LIF
from quantize.emulator import emulate


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


def test_all_obstacles_are_named_at_once(tmp_path):
    layers = (
        {"type": "average"},
        {"weight": [[0.5]], "neuron/iDecay": 5000, "neuron/vDecay": -1, "neuron/gradedSpike": True},
        {"neuron/type": "RF", "delay": [99.0]},
        {"neuron/vThMant": 2**18 - 1},
        {"weight": [[300.0]]},
    )
    with pytest.raises(NetworkError) as caught:
        load(write(tmp_path / "a", *layers))
    message = str(caught.value)
    assert "\n" not in message
    for named in (
        "layer 0 (average): is of type", "layer 1 (dense): weight holds 0.5",
        "layer 1 (dense): neuron/iDecay holds 5000", "layer 1 (dense): neuron/vDecay holds -1",
        "layer 1 (dense): neuron/gradedSpike is True", "layer 2 (dense): neuron/type is 'RF'",
        "layer 2 (dense): delay holds 99.0", "layer 4 (dense): weight holds 300.0",
    ):  # fmt: skip
        assert named in message


def test_a_layer_that_never_spikes_must_be_the_last(tmp_path):
    with pytest.raises(NetworkError, match=r"layer 0 .*never spikes .*followed by layer 1"):
        load(write(tmp_path / "a", {"neuron/vThMant": 2**18 - 1}, {}))


def test_a_bias_acts_from_the_first_step_on(tmp_path):
    network = load(write(tmp_path / "a", {"bias": [2.0], "neuron/vDecay": 0}, {}))
    assert network.populations[0].bias.tolist() == [128]
    record = emulate(network, np.zeros((90, 1, 1), bool))
    # 80 * 64 = 5120 is passed by the 41st step's 41 * 128 = 5248, which resets
    assert np.flatnonzero(record.spikes[0].spikes[:, 0, 0]).tolist() == [40, 81]


def test_a_bias_that_a_lasting_current_would_keep_is_refused(tmp_path):
    alif = {"neuron/type": "ALIF", "neuron/thDecay": 40, "neuron/refDecay": 400, "neuron/vThStep": 7,
            "bias": [2.0]}  # fmt: skip
    assert load(write(tmp_path / "a", alif)).populations[0].bias.tolist() == [128]
    for layer in (
        {**alif, "neuron/iDecay": 1024},
        {"type": "dense_rec", "weight_rec": [[2.0]], "bias": [2.0], "neuron/iDecay": 1024},
    ):
        with pytest.raises(NetworkError, match=r"bias is up to 2 and becomes part of a current"):
            load(write(tmp_path / "b", layer))


IMAGE = {
    "type": "conv", "shape": [1, 2, 2], "stride": [1, 1], "padding": [0, 0], "dilation": [1, 1],
    "groups": 1, "weight": [[[[2.0, 4.0], [6.0, 8.0]]]],
}  # fmt: skip


def test_an_unrolled_convolution_has_the_synapses_counted_by_hand(tmp_path):
    network = load(write(tmp_path / "a", IMAGE))
    (projection,) = network.projections
    assert (network.n_inputs, projection.n_synapses) == (9, 16)
    # output (row, column) reads inputs at 3 (row + a) + column + b with weight 2 + 4 a + 2 b
    expected = np.zeros((4, 9), int)
    for row, column, a, b in np.ndindex(2, 2, 2, 2):
        expected[2 * row + column, 3 * (row + a) + column + b] = 2 + 4 * a + 2 * b
    found = np.zeros_like(expected)
    found[projection.target_index, projection.source_index] = projection.weight_mant
    np.testing.assert_array_equal(found, expected)


def test_an_import_says_that_a_convolutions_weights_are_no_longer_tied(tmp_path):
    dense = {"shape": [2], "weight": [[2.0] * 4, [4.0] * 4]}
    found = read(write(tmp_path / "a", IMAGE, dense))
    said = "its 4 shared weights are unrolled into synapses, which training changes one by one"
    assert found.notes == (f"layer '0': {said}",)
    assert said in succeed("import", "netx", tmp_path / "a", "--out", tmp_path / "b").output
    assert Imported.load(tmp_path / "b").notes == found.notes
    assert read(write(tmp_path / "c", dense)).notes == ()


def test_the_size_of_images_is_asked_for_where_a_stride_hides_it(tmp_path):
    file = write(tmp_path / "a", IMAGE | {"stride": [2, 2]})
    with pytest.raises(NetworkError, match=r"stride is \(2, 2\), the size of the images"):
        load(file)
    assert read(file, input_shape=(1, 4, 5)).network.n_inputs == 20
    with pytest.raises(
        NetworkError, match=r"have shape \(1, 2, 2\), its synapses reach \(1, 3, 3\)"
    ):
        read(file, input_shape=(1, 6, 6))
    with pytest.raises(NetworkError, match=r"what comes in has shape \(2, 4, 4\)"):
        read(file, input_shape=(2, 4, 4))
    pool = IMAGE | {"type": "pool", "stride": [2, 2]}
    with pytest.raises(NetworkError, match=r"layer 0 \(pool\): the size of the images"):
        load(write(tmp_path / "b", pool))


def test_more_synapses_than_can_be_held_are_counted_and_refused(tmp_path):
    weight = np.full((64, 64, 3, 3), 2.0)
    layer = IMAGE | {"weight": weight, "shape": [64, 30, 30], "padding": [0, 0]}
    count = 64 * 64 * 9 * 30 * 30
    with pytest.raises(NetworkError, match=f"unrolled it has {count} synapses, at most 10000000"):
        load(write(tmp_path / "a", layer))
    layer = IMAGE | {"shape": [1, 2**19, 2**19]}
    with pytest.raises(NetworkError, match="unrolled it has 1099511627776 synapses"):
        load(write(tmp_path / "b", layer))


@pytest.mark.parametrize(
    ("layer", "named"),
    [
        ({"weight": [[b"x"]]}, "weight holds object, expected numbers"),
        ({"neuron/scale": 0}, "neuron/scale holds 0"),
        ({"neuron/scale": [64, 64]}, "neuron/scale has 2 values, expected 1"),
        (IMAGE | {"stride": [1, 1, 1]}, "stride has 3 values, expected 1 or 2"),
        (IMAGE | {"groups": 0}, "groups holds 0, allowed are the integers 1"),
        (IMAGE | {"shape": [1, -2, 2]}, "shape holds -2"),
        (IMAGE | {"weight": [[[[2.0] * 9] * 9]], "shape": [1, 1, 1]}, None),
        (IMAGE | {"groups": 2}, "weight has shape (1, 1, 2, 2) in 2 groups"),
        (IMAGE | {"padding": [2, 2]}, "does not fit into an image of"),
        ({"weight/real": [[1.0]], "weight": None}, "weight is complex"),
        ({"type": "dense_rec", "weight_rec": [[1.0, 2.0]]}, "weight_rec has shape (1, 2)"),
    ],
)
def test_broken_layers_are_refused_in_one_line(tmp_path, layer, named):
    file = write(tmp_path / "a", layer)
    if named is None:  # a kernel as large as its image is taken
        assert load(file).n_synapses == 81
        return
    with pytest.raises(NetworkError) as caught:
        load(file)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["external", "virtual", "soft link", "external link", "huge"])
def test_a_file_that_lies_elsewhere_or_is_larger_than_what_it_stores_is_refused(tmp_path, kind):
    write(tmp_path / "other", {})
    np.full((1, 1), 64.0).tofile(tmp_path / "raw")
    with h5py.File(write(tmp_path / "a", {}), "r+") as file:
        del file["layer/0/weight"]
        layer = file["layer/0"]
        if kind == "external":
            raw = [(str(tmp_path / "raw"), 0, h5py.h5f.UNLIMITED)]
            layer.create_dataset("weight", (1, 1), "f8", external=raw)
        elif kind == "virtual":
            layout = h5py.VirtualLayout((1, 1), "f8")
            layout[:] = h5py.VirtualSource(tmp_path / "other", "layer/0/weight", (1, 1))
            layer.create_virtual_dataset("weight", layout)
        elif kind == "soft link":
            layer["weight"] = h5py.SoftLink("/layer/0/shape")
        elif kind == "external link":
            layer["weight"] = h5py.ExternalLink(str(tmp_path / "other"), "/layer/0/weight")
        else:
            layer.create_dataset("weight", (10_000, 10_000), "f8", chunks=(100, 100))
    with pytest.raises(
        FileFormatError, match=r"/layer/0/weight (is a link|lies in other|has 8000)"
    ):
        load(tmp_path / "a")


def test_arrays_that_are_too_large_together_are_refused(tmp_path):
    with h5py.File(write(tmp_path / "a", {}), "r+") as file:
        del file["layer/0/weight"]
        file["layer/0"].create_dataset("weight", (400_000, 400_000), "f8", chunks=(100, 100))
    with pytest.raises(FileFormatError, match="weight has 1280000000000 bytes, allowed are"):
        load(tmp_path / "a")
