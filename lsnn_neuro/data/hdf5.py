"""What an HDF5 file may hold before anything of it is read: no other files, and no more than it stores.

HDF5 lets a file lead to others (soft and external links, external and virtual data sets), and lets a few
bytes stand for an array of any size (what was never written is filled in).
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from lsnn_neuro.bounded import in_a_line
from lsnn_neuro.errors import LSNNError

BYTES_MAX = 2**31
"""Of all arrays in a file that is read whole."""
EXPANSION_MAX = 2000
"""Bytes of an array for each that is stored: compression in HDF5 reaches 1032."""
UNSTORED_MAX = 2**24
"""Bytes of an array that need not be stored."""
DEPTH_MAX = 32
"""Groups within one another."""


_BLOCK = 2**26
_HEAP = struct.Struct("<4sB3xQ")  # signature, version, bytes
_OBJECT = struct.Struct("<HHIQ")  # index, references, nothing, bytes


@contextmanager
def open_hdf5(
    path: Path, said: str, error: type[LSNNError], remedy: str = ""
) -> Iterator[h5py.File]:
    """An open HDF5 file; see :func:`readable`."""
    with readable(said, error, remedy):
        check_heaps(path)
        with h5py.File(path, "r") as file:
            yield file


def check_heaps(path: Path) -> None:
    """ValueError over an empty file, or a heap (of arrays of variable length) with an entry of no bytes,
    where HDF5 hangs.
    """
    if not path.stat().st_size:
        raise ValueError("it is empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for start in _places_of(b"GCOL", data):
            if start + _HEAP.size > len(data):
                return
            _, version, size = _HEAP.unpack_from(data, start)
            at, end = start + _HEAP.size, min(start + size, len(data))
            while version == 1 and at + _OBJECT.size <= end:
                index, *_, n = _OBJECT.unpack_from(data, at)
                if index == 0 and n == 0:
                    raise ValueError(f"its heap has an entry of no bytes at byte {at}")
                at = end if index == 0 else at + _OBJECT.size + -(-n // 8) * 8


def _places_of(word: bytes, data: mmap.mmap) -> Iterator[int]:
    """Where a word stands in a file; the memory of what has been searched is given back."""
    for begin in range(0, len(data), _BLOCK):
        at, end = begin - 1, begin + _BLOCK + len(word) - 1
        while (at := data.find(word, at + 1, end)) >= 0:
            yield at
        if hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
            data.madvise(mmap.MADV_DONTNEED, begin, min(_BLOCK, len(data) - begin))


@contextmanager
def readable(said: str, error: type[LSNNError], remedy: str = "") -> Iterator[None]:
    """Whatever h5py, or who reads by it, raises over a broken or foreign file, as an error in one line.

    - said: the file, and what it can't be read as; error: what is raised
    """
    try:
        yield
    except LSNNError:
        raise
    except Exception as reason:
        raise error(f"{said} ({in_a_line(reason)}){remedy}") from reason


def check_dataset(item: Any, where: str, error: type[LSNNError]) -> None:
    """Refuse a data set that lies in other files, or is much larger than what is stored of it.

    - where: what messages call it; error: what is raised
    """
    if item.is_virtual or item.external:
        raise error(f"{where} lies in other files, which are not opened; copy it into this one")
    if item.shape is None:
        raise error(f"{where} is an empty data set; leave it out")
    stored = int(item.id.get_storage_size())
    if item.nbytes > BYTES_MAX:
        raise error(f"{where} has {item.nbytes} bytes, allowed are {BYTES_MAX}")
    if item.nbytes > UNSTORED_MAX + EXPANSION_MAX * stored:
        raise error(
            f"{where} has {item.nbytes} bytes, of which the file stores {stored}; write the whole array"
        )


def check_contents(file: h5py.File, where: str, error: type[LSNNError]) -> Iterator[h5py.Group]:
    """Refuse a file that links to other places, lies in other files or is too large; give its groups.

    - where: what messages call the file; error: what is raised

    A group is given before its contents are checked, so that a caller can stop at once.
    """
    waiting, found, total = [file["/"]], {h5py.h5o.get_info(file.id).addr}, 0
    while waiting:
        group = waiting.pop()
        if group.name.count("/") > DEPTH_MAX:
            raise error(f"{where}: its groups lie more than {DEPTH_MAX} deep within one another")
        yield group
        for name in group:
            at = f"{where}: {group.name.rstrip('/')}/{name}"
            if group.id.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
                raise error(f"{at} is a link to another place; allowed are contents")
            item = group[name]
            if isinstance(item, h5py.Dataset):
                check_dataset(item, at, error)
                total += item.nbytes
                if total > BYTES_MAX:
                    raise error(f"{where}: its arrays have over {BYTES_MAX} bytes, make it smaller")
            elif isinstance(item, h5py.Group):
                address = h5py.h5o.get_info(item.id).addr
                if address in found:
                    raise error(f"{at} is a group that is elsewhere in the file too")
                found.add(address)
                waiting.append(item)
