"""The network's file: what goes in comes out, and nothing else is taken for one."""

import dataclasses
import pickle

import numpy as np
import pytest
from random_networks import random_network

from lsnn_neuro import tensor_file
from lsnn_neuro.errors import FileFormatError
from quantize.file_format import KIND, VERSION, load, save
from quantize.network import Provenance


def assert_equal(one, two):
    assert type(one) is type(two)
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(two, field.name)
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
            assert not b.flags.writeable
        elif isinstance(a, tuple):
            for x, y in zip(a, b, strict=True):
                assert_equal(x, y)
        elif dataclasses.is_dataclass(a):
            assert_equal(a, b)
        else:
            assert a == b, field.name


def test_version_1_which_knew_only_alif_is_still_read(tmp_path):
    network = random_network(1)
    save(network, tmp_path / "new")
    header, arrays = tensor_file.read(tmp_path / "new", KIND, VERSION)
    for population in header["populations"]:
        del population["neuron"], population["adaptation"]
    old = {k: v for k, v in arrays.items() if not k.endswith((".decay_i", ".decay_r"))}
    assert len(old) < len(arrays)
    tensor_file.write(tmp_path / "old", KIND, 1, header, old)
    assert_equal(load(tmp_path / "old"), network)


@pytest.mark.parametrize("seed", range(10))
def test_round_trip_gives_an_equal_network(tmp_path, seed):
    network = dataclasses.replace(
        random_network(seed, ("threshold", "current", "atrlif")),
        provenance=Provenance(checkpoint_sha256="ff", recipe="ä"),
    )
    save(network, tmp_path / "a")
    again = load(tmp_path / "a")
    assert_equal(network, again)
    save(again, tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def contents(tmp_path):
    save(random_network(1), tmp_path / "a")
    return tensor_file.read(tmp_path / "a", KIND, VERSION)


def refused(path):
    with pytest.raises(FileFormatError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def drop_array(header, arrays):
    del arrays["populations.0.vth_mant"]


def extra_array(header, arrays):
    arrays["readout.colour"] = np.zeros(2)


def drop_field(header, arrays):
    del header["populations"][0]["n_ref"]


def drop_section(header, arrays):
    del header["readout"]


def unknown_field(header, arrays):
    header["provenance"]["mood"] = "good"


def no_list(header, arrays):
    header["projections"] = 3


def bad_value(header, arrays):
    header["populations"][0]["n_ref"] = 99


def bad_scalar(header, arrays):
    header["populations"][0]["scale"] = "large"


def bad_array(header, arrays):
    arrays["readout.decay"] = arrays["readout.decay"] + 5000


def no_axis(header, arrays):
    arrays["readout.decay"] = np.array(3, np.int32)


def wrong_type(header, arrays):
    arrays["readout.decay"] = arrays["readout.decay"] * np.nan


def no_inputs(header, arrays):
    header["n_inputs"] = None


@pytest.mark.parametrize(
    "damage",
    [drop_array, extra_array, drop_field, drop_section, unknown_field, no_list, bad_value,
     bad_scalar, bad_array, no_axis, wrong_type, no_inputs],
    ids=lambda damage: damage.__name__,
)  # fmt: skip
def test_a_damaged_file_is_refused_by_name(tmp_path, damage):
    header, arrays = contents(tmp_path)
    damage(header, arrays)
    tensor_file.write(tmp_path / "b", KIND, VERSION, header, arrays)
    refused(tmp_path / "b")


def test_a_value_out_of_range_is_named(tmp_path):
    header, arrays = contents(tmp_path)
    bad_value(header, arrays)
    tensor_file.write(tmp_path / "b", KIND, VERSION, header, arrays)
    assert "n_ref is 99, allowed are the integers 0 to 63" in refused(tmp_path / "b")


@pytest.mark.parametrize("part", [0.0, 0.3, 0.95])
def test_a_truncated_file_is_refused(tmp_path, part):
    contents(tmp_path)
    data = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(data[: int(len(data) * part)])
    refused(tmp_path / "a")


def test_other_kinds_versions_and_pickles_are_refused(tmp_path):
    header, arrays = contents(tmp_path)
    tensor_file.write(tmp_path / "kind", "checkpoint", VERSION, header, arrays)
    tensor_file.write(tmp_path / "version", KIND, VERSION + 1, header, arrays)
    (tmp_path / "pickle").write_bytes(pickle.dumps({"n_inputs": 3}))
    assert "is a checkpoint, not a quantized network" in refused(tmp_path / "kind")
    assert f"version {VERSION + 1}" in refused(tmp_path / "version")
    assert "not a readable quantized network" in refused(tmp_path / "pickle")


def test_a_file_is_recognized_by_what_it_says_it_is(tmp_path):
    save(random_network(1), tmp_path / "network")
    tensor_file.write(tmp_path / "other", "checkpoint", 1, {}, {"x": np.zeros(2)})
    (tmp_path / "text").write_text("no tensors")
    names = ("network", "other", "text", "missing", ".")
    kinds = [tensor_file.kind_of(tmp_path / name) for name in names]
    assert kinds == [KIND, "checkpoint", None, None, None]
