import gzip
import struct

import numpy as np
import pytest

from lsnn_neuro.data.idx import idx_bytes, parse_idx, read_idx
from lsnn_neuro.errors import DataError

IMAGES = struct.pack(">IIII", 0x803, 2, 1, 3) + bytes([0, 1, 2, 253, 254, 255])


def test_reads_an_array_by_hand(tmp_path):
    (tmp_path / "images").write_bytes(IMAGES)
    array = read_idx(tmp_path / "images", axes=3)
    assert array.dtype == np.uint8
    assert array.tolist() == [[[0, 1, 2]], [[253, 254, 255]]]


def test_reads_a_gzipped_file(tmp_path):
    (tmp_path / "images.gz").write_bytes(gzip.compress(IMAGES))
    assert read_idx(tmp_path / "images.gz", axes=3).shape == (2, 1, 3)


def test_writes_what_it_reads():
    assert idx_bytes(parse_idx(IMAGES, 3, "images")) == IMAGES


@pytest.mark.parametrize(
    ("content", "axes", "message"),
    [
        (b"", 3, "0 bytes, too short for an IDX header"),
        (IMAGES[:10], 3, "10 bytes, too short"),
        (IMAGES[:-1], 3, r"holds 5 values, its header promises 2 x 1 x 3 = 6"),
        (IMAGES + b"x", 3, "holds 7 values"),
        (IMAGES, 1, "magic number is 0x00000803, expected 0x00000801"),
        (gzip.compress(IMAGES, mtime=0), 3, "still gzipped"),
        (struct.pack(">IIII", 0x803, *[2**32 - 1] * 3), 3, "holds 0 values"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path, content, axes, message):
    path = tmp_path / "digits"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as refusal:
        read_idx(path, axes)
    assert str(path) in str(refusal.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"digits: no such file"):
        read_idx(tmp_path / "digits", axes=1)


@pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b"no gzip", lambda b: b[:5] * 9])
def test_a_damaged_gzip_is_refused(tmp_path, damage):
    path = tmp_path / "digits.gz"
    path.write_bytes(damage(gzip.compress(IMAGES)))
    with pytest.raises(DataError, match="can't be read"):
        read_idx(path, axes=3)
