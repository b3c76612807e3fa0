"""The network's file: what goes in comes out, and nothing else is taken for one."""

import dataclasses
import pickle

import numpy as np
import pytest
from random_networks import random_network
from same import differences

from lsnn_neuro import files
from lsnn_neuro.errors import FileFormatError
from quantize.file_format import KIND, load, pack, save
from quantize.network import Provenance


@pytest.mark.parametrize("seed", range(10))
def test_round_trip_gives_an_equal_network(tmp_path, seed):
    network = dataclasses.replace(
        random_network(seed, ("threshold", "current", "atrlif")),
        provenance=Provenance(checkpoint_sha256="ff", recipe="ä"),
    )
    save(network, tmp_path / "a")
    again = load(tmp_path / "a")
    assert not differences(network, again)
    save(again, tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def contents(tmp_path):
    network = random_network(1)
    save(network, tmp_path / "a")
    return pack(network)


def refused(path):
    with pytest.raises(FileFormatError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def drop_array(header, arrays):
    del arrays["populations.0.constants.vth"]


def extra_array(header, arrays):
    arrays["populations.0.colour"] = np.zeros(2)


def drop_field(header, arrays):
    del header["populations"][0]["constants"]["reset"]


def drop_section(header, arrays):
    del header["outputs"]


def unknown_field(header, arrays):
    header["provenance"]["mood"] = "good"


def no_list(header, arrays):
    header["projections"] = 3


def bad_value(header, arrays):
    arrays["populations.0.constants.n_ref"] = np.full_like(
        arrays["populations.0.constants.n_ref"], 99, dtype=np.int32
    )


def bad_scalar(header, arrays):
    header["populations"][0]["scale"] = "large"


def bad_array(header, arrays):
    arrays["populations.0.constants.decay_v"] = (
        arrays["populations.0.constants.decay_v"].astype(np.int32) + 5000
    )


def no_axis(header, arrays):
    arrays["populations.0.constants.decay_v"] = np.full((1, 1), 3, np.int32)


def wrong_type(header, arrays):
    arrays["populations.0.constants.decay_v"] = arrays["populations.0.constants.decay_v"] * np.nan


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
    files.write(tmp_path / "b", KIND, header, arrays)
    refused(tmp_path / "b")


def test_a_value_out_of_range_is_named(tmp_path):
    header, arrays = contents(tmp_path)
    bad_value(header, arrays)
    files.write(tmp_path / "b", KIND, header, arrays)
    assert "n_ref[0] is 99, allowed are 0 to 63" in refused(tmp_path / "b")


@pytest.mark.parametrize("part", [0.0, 0.3, 0.95])
def test_a_truncated_file_is_refused(tmp_path, part):
    contents(tmp_path)
    data = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(data[: int(len(data) * part)])
    refused(tmp_path / "a")


def test_other_kinds_versions_and_pickles_are_refused(tmp_path):
    header, arrays = contents(tmp_path)
    files.write(tmp_path / "kind", files.CHECKPOINT, header, arrays)
    newer = dataclasses.replace(KIND, version=KIND.version + 1)
    files.write(tmp_path / "version", newer, header, arrays)
    (tmp_path / "pickle").write_bytes(pickle.dumps({"n_inputs": 3}))
    assert "is a checkpoint, not a quantized network" in refused(tmp_path / "kind")
    said = refused(tmp_path / "version")
    assert f"version {newer.version}" in said
    assert "upgrade lsnn-neuro" in said
    assert "not a readable quantized network" in refused(tmp_path / "pickle")


def test_a_file_is_recognized_by_what_it_says_it_is(tmp_path):
    save(random_network(1), tmp_path / "network")
    files.write(tmp_path / "other", files.CHECKPOINT, {}, {"x": np.zeros(2)})
    (tmp_path / "text").write_text("no tensors")
    names = ("network", "other", "text", "missing", ".")
    kinds = [files.kind_of(tmp_path / name) for name in names]
    assert kinds == [KIND.name, "checkpoint", None, None, None]
