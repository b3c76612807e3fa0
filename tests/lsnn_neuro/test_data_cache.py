import hashlib
from pathlib import Path

import pytest

from lsnn_neuro.data.cache import cache_folder, check_sha256, install
from lsnn_neuro.errors import DataError


def test_the_environment_names_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("LSNN_NEURO_DATA", str(tmp_path))
    assert cache_folder() == tmp_path


def test_without_it_the_cache_is_the_users(monkeypatch):
    monkeypatch.delenv("LSNN_NEURO_DATA", raising=False)
    assert "lsnn-neuro" in cache_folder().parts


def test_a_wrong_hash_names_file_found_and_expected():
    found = hashlib.sha256(b"digits").hexdigest()
    check_sha256("digits.bin", b"digits", found)
    with pytest.raises(DataError) as refusal:
        check_sha256("digits.bin", b"digits", "00ff")
    assert all(part in str(refusal.value) for part in ("digits.bin", found, "00ff"))


def test_installs_files_and_leaves_nothing_else(tmp_path):
    install({"a": b"1", "b": b"2"}, tmp_path / "cache" / "set")
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["set"]
    assert (tmp_path / "cache" / "set" / "b").read_bytes() == b"2"


def test_an_interrupted_write_leaves_nothing(monkeypatch, tmp_path):
    write = Path.write_bytes

    def interrupted(path, content):
        write(path, content[:1])
        if path.name == "b":
            raise KeyboardInterrupt
        return 1

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        install({"a": b"11", "b": b"22"}, tmp_path / "set")
    assert list(tmp_path.rglob("*")) == [tmp_path / "set"]


def test_files_beside_are_left_alone_and_old_ones_replaced(tmp_path):
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / "a").write_bytes(b"old")
    install({"a": b"new"}, tmp_path)
    assert (tmp_path / "mine").read_bytes() == b"mine"
    assert (tmp_path / "a").read_bytes() == b"new"


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="set LSNN_NEURO_DATA"):
        install({"a": b""}, tmp_path / "file" / "set")
