"""The one file format: safe, atomic, hashed, byte for byte the same for the same contents."""

import errno
import os
import pickle

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from safetensors_files import about, put_together

from lsnn_neuro import __version__, files
from lsnn_neuro.errors import FileFormatError
from lsnn_neuro.files import Kind

ARRAYS = {
    "scalar": np.array(3.5, np.float32),
    "empty": np.zeros((0, 3), np.int32),
    "bits": np.array([True, False]),
    "large": np.arange(12, dtype=np.int64).reshape(3, 4)[:, ::2],  # not contiguous
    "bytes": np.arange(5, dtype=np.uint8),
}
HEADER = {"text": "grün", "big": 2**100, "list": [1, 2.5, None]}
THING = Kind(name="thing", version=3, oldest=2)


def write(path, **changes):
    files.write(path, **{"kind": THING, "header": HEADER, "arrays": ARRAYS} | changes)


def tell(path, **changes):
    """Write the file again, with changes in what it says of itself; None drops a field."""
    said = {k: v for k, v in (about(path) | changes).items() if v is not None}
    put_together(path, said)


def test_round_trip_keeps_everything(tmp_path):
    write(tmp_path / "new" / "folder" / "a")
    found = files.read(tmp_path / "new" / "folder" / "a", THING)
    assert (found.version, found.release, found.header) == (3, __version__, HEADER)
    assert found.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found.arrays[name].dtype == array.dtype
        assert found.arrays[name].shape == array.shape
        np.testing.assert_array_equal(found.arrays[name], array)


def test_equal_contents_give_equal_bytes(tmp_path):
    write(tmp_path / "a")
    write(
        tmp_path / "b",
        header=dict(reversed(HEADER.items())),
        arrays=dict(reversed(ARRAYS.items())),
    )
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert files.sha256(tmp_path / "a") == files.sha256(tmp_path / "b")


def refused(path):
    with pytest.raises(FileFormatError) as caught:
        files.read(path, THING)
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


@pytest.mark.parametrize("said", ["[]", "3", "null", "{", '{"kind": "thing", "version": 3}'])
def test_a_mangled_header_is_refused(tmp_path, said):
    save_file({"x": np.zeros(3)}, tmp_path / "a", {"lsnn-neuro": said})
    refused(tmp_path / "a")


def test_another_kind_of_file_is_refused(tmp_path):
    write(tmp_path / "a", kind=Kind(name="tree", version=3, oldest=1))
    assert "is a tree, not a thing" in refused(tmp_path / "a")


def test_older_versions_are_read_as_far_back_as_they_are_understood(tmp_path):
    for version in (3, 2):
        write(tmp_path / "a", kind=Kind(name="thing", version=version, oldest=1))
        assert files.read(tmp_path / "a", THING).version == version
    write(tmp_path / "a", kind=Kind(name="thing", version=1, oldest=1))
    text = refused(tmp_path / "a")
    assert f"version 1 by lsnn-neuro {__version__}, this release reads 2 to 3; export it" in text


def test_a_newer_version_asks_for_a_newer_release_and_says_which_wrote_it(tmp_path):
    write(tmp_path / "a", kind=Kind(name="thing", version=4, oldest=1))
    tell(tmp_path / "a", release="9.8")
    text = refused(tmp_path / "a")
    assert "version 4 by lsnn-neuro 9.8, this release reads 2 to 3; upgrade lsnn-neuro" in text


def test_what_a_file_says_can_not_write_to_the_terminal(tmp_path):
    write(tmp_path / "a")
    tell(tmp_path / "a", version="\x1b[31mred\n\x00", sha256=None)
    with pytest.raises(FileFormatError) as caught:
        files.read(tmp_path / "a", THING)
    assert "thing version \\x1b[31mred \\x00 by lsnn-neuro" in str(caught.value)


def test_a_file_without_hash_and_release_is_read(tmp_path):
    """Older releases wrote neither."""
    write(tmp_path / "a")
    tell(tmp_path / "a", file_sha256=None, release=None)
    found = files.read(tmp_path / "a", THING)
    assert (found.release, found.header) == ("", HEADER)


def test_every_flipped_bit_is_refused(tmp_path):
    write(tmp_path / "a")
    data = (tmp_path / "a").read_bytes()
    for at in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[at // 8] ^= 1 << at % 8
        (tmp_path / "a").write_bytes(flipped)
        refused(tmp_path / "a")


def sealed_as_before(path):
    """Seal a file as releases did that hashed header and arrays alone."""
    header, arrays = about(path)["header"], load_file(path)
    tell(path, file_sha256=None, sha256=files._hash(header, arrays))


def test_a_file_that_was_sealed_as_before_is_read_and_its_changes_are_refused(tmp_path):
    path = tmp_path / "a"
    write(path)
    sealed_as_before(path)
    assert files.read(path, THING).header == HEADER
    tell(path, header=HEADER | {"text": "grau"})
    assert "SHA-256" in refused(path)
    write(path)
    sealed_as_before(path)
    said, arrays = about(path), load_file(path)
    arrays["more"] = arrays.pop("large")
    put_together(path, said, arrays)
    assert "SHA-256" in refused(path)
    write(path)
    sealed_as_before(path)
    said = about(path)
    put_together(path, {k.replace("sha256", "sha257"): v for k, v in said.items()})
    assert "SHA-256" in refused(path)


@pytest.mark.parametrize("deep", ["[" * 100_000, '{"a":' * 900 + "1" + "}" * 900])
def test_what_nests_too_deeply_is_refused(tmp_path, deep):
    save_file({"x": np.zeros(3)}, tmp_path / "a", {"lsnn-neuro": deep})
    assert "not a readable thing (nested more than 32 deep)" in refused(tmp_path / "a")
    assert files.kind_of(tmp_path / "a") is None


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

    files.write_text(tmp_path / "a", "old")
    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.write_text(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_folder_that_can_not_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FileFormatError, match="can't be written"):
        write(tmp_path / "file" / "a")


def test_files_hold_plain_json_beside_the_arrays(tmp_path):
    write(tmp_path / "a")
    assert about(tmp_path / "a")["header"] == HEADER
