"""The one file format: safe, atomic, byte for byte the same for the same contents."""

import errno
import json
import os
import pickle

import numpy as np
import pytest
from safetensors.numpy import save_file

from lsnn_neuro import tensor_file
from lsnn_neuro.errors import FileFormatError

ARRAYS = {
    "scalar": np.array(3.5, np.float32),
    "empty": np.zeros((0, 3), np.int32),
    "bits": np.array([True, False]),
    "large": np.arange(12, dtype=np.int64).reshape(3, 4)[:, ::2],  # not contiguous
    "bytes": np.arange(5, dtype=np.uint8),
}
HEADER = {"text": "grün", "big": 2**100, "list": [1, 2.5, None]}


def write(path, **changes):
    fields = {"kind": "thing", "version": 1, "header": HEADER, "arrays": ARRAYS} | changes
    tensor_file.write(path, **fields)


def test_round_trip_keeps_everything(tmp_path):
    write(tmp_path / "new" / "folder" / "a")
    header, arrays = tensor_file.read(tmp_path / "new" / "folder" / "a", "thing", 1)
    assert header == HEADER
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert arrays[name].shape == array.shape
        np.testing.assert_array_equal(arrays[name], array)


def test_equal_contents_give_equal_bytes(tmp_path):
    write(tmp_path / "a")
    write(
        tmp_path / "b",
        header=dict(reversed(HEADER.items())),
        arrays=dict(reversed(ARRAYS.items())),
    )
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert tensor_file.sha256(tmp_path / "a") == tensor_file.sha256(tmp_path / "b")


def refused(path, kind="thing", version=1):
    with pytest.raises(FileFormatError) as caught:
        tensor_file.read(path, kind, version)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path, part):
    write(tmp_path / "a")
    data = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(data[: int(part * len(data))])
    assert "not a readable thing" in refused(tmp_path / "a")


def test_a_foreign_safetensors_file_is_refused(tmp_path):
    save_file(ARRAYS | {"large": np.zeros(3)}, tmp_path / "a")
    assert "foreign file" in refused(tmp_path / "a")


@pytest.mark.parametrize("about", ["[]", "3", "null", "{", '{"kind": "thing", "version": 1}'])
def test_a_mangled_header_is_refused(tmp_path, about):
    save_file({"x": np.zeros(3)}, tmp_path / "a", {"lsnn-neuro": about})
    refused(tmp_path / "a")


def test_another_kind_of_file_is_refused(tmp_path):
    write(tmp_path / "a", kind="tree")
    assert "is a tree, not a thing" in refused(tmp_path / "a")


def test_older_versions_are_read_where_they_are_understood(tmp_path):
    for version in (1, 2, 3):
        write(tmp_path / "a", version=version)
        if version > 1:
            assert tensor_file.read(tmp_path / "a", "thing", 3, oldest=2)[0] == HEADER
        else:
            with pytest.raises(FileFormatError, match="version 1, this release reads 2 to 3"):
                tensor_file.read(tmp_path / "a", "thing", 3, oldest=2)


def test_a_newer_version_is_refused(tmp_path):
    write(tmp_path / "a", version=2)
    assert "version 2, this release reads 1" in refused(tmp_path / "a")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    assert "no such file" in refused(tmp_path / "nothing")
    assert "no such file" in refused(tmp_path)


class Bomb:
    exploded = False

    def __reduce__(self):
        return (setattr, (Bomb, "exploded", True))


def test_a_pickle_is_never_loaded(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(pickle.dumps(Bomb()))
    refused(tmp_path / "a.safetensors")
    assert not Bomb.exploded


def full_disk(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_the_old_file_whole_and_nothing_beside_it(tmp_path, monkeypatch):
    write(tmp_path / "a")
    before = (tmp_path / "a").read_bytes()
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(FileFormatError, match="No space left on device") as caught:
        write(tmp_path / "a", header={"new": True})
    assert str(tmp_path / "a") in str(caught.value)
    assert (tmp_path / "a").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_an_interruption_leaves_the_old_file_whole_and_nothing_beside_it(tmp_path, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    tensor_file.write_text(tmp_path / "a", "old")
    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tensor_file.write_text(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_folder_that_can_not_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FileFormatError, match="can't be written"):
        write(tmp_path / "file" / "a")


def test_files_hold_plain_json_beside_the_arrays(tmp_path):
    write(tmp_path / "a")
    data = (tmp_path / "a").read_bytes()
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    assert json.loads(metadata["lsnn-neuro"])["header"] == HEADER
