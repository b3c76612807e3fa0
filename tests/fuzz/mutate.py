"""Broken files: what may become of a good one by accident, and what somebody may make of it on purpose.

``mutated(data, name, rng)`` gives the bytes of a file changed in one to three places: as bytes, whatever it
is, or as what its name says (JSON, TOML, safetensors, NumPy's and MATLAB's files, HDF5), so that what lies
behind a check of the format is reached too. Files of ours are sealed anew. All draws come from ``rng``, so
that a seed, or hypothesis, says which file it was.
"""

from __future__ import annotations

import gzip
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import tomli
import tomli_w
from hdf5_mutations import mutated_hdf5
from safetensors.numpy import load, save
from safetensors_files import sealed
from scipy.io import loadmat, savemat

Change = Callable[[bytes, Random], bytes]

DEEP = [[]]
for _ in range(200):
    DEEP = [DEEP]  # type: ignore[list-item]
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 255, 2**31, -(2**31), 2**63, 2**64, 10**80, 0.5, -1.5, 1e-300, 1e308,
    math.nan, math.inf, -math.inf, "", "x", "input", "../../etc/passwd", "/dev/zero", "ü\n\0\x1b[31m",
    "x" * 3000, [], {}, [[]], {"": {}}, [None], [1, 2], ["a", "b"], list(range(40)), {"name": "x"}, DEEP,
)  # fmt: skip
SIZES = (
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63 - 1,
    2**63,
    2**64 - 1,
)
TYPES = (
    "?",
    "i1",
    "u1",
    "<i2",
    "<i8",
    "<u8",
    ">i4",
    "<f2",
    "<f4",
    "<f8",
    "<c8",
    "S3",
    "<U2",
    "<M8[s]",
)


def mutated(data: bytes, name: str, rng: Random) -> bytes:
    """The bytes of a file with some of it changed."""
    suffix = Path(name).suffix.lower()
    if suffix == ".gz" and rng.random() < 0.7:
        return gzip.compress(mutated(gzip.decompress(data), name[:-3], rng), 1, mtime=0)
    change = STRUCTURED.get(suffix, _text if suffix in TEXTS else _bytes)
    whole = True
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        whole = whole and rng.random() < 0.75  # what is broken can't be changed as what it was
        try:
            data = (change if whole else _bytes)(data, rng)
        except Exception:  # nor can anything be changed into anything
            data, whole = _bytes(data, rng), False
    return data


# --- bytes ----------------------------------------------------------------------------------------


def _bytes(data: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    if rng.random() < 0.3:
        at = min(at, rng.randrange(128))  # headers stand in front
    n = rng.choice((1, 2, 4, 8, 16, 64, 1000))
    size = rng.choice(SIZES)
    width = next(w for w in (1, 2, 4, 8) if size < 256**w)
    number = size.to_bytes(
        rng.choice([w for w in (1, 2, 4, 8) if w >= width]), rng.choice(("little", "big"))
    )
    kind = rng.randrange(10)
    if kind < 3 and data:
        flipped = bytearray(data)
        flipped[min(at, len(data) - 1)] ^= 1 << rng.randrange(8)
        return bytes(flipped)
    made: tuple[bytes, ...] = (
        data[:at],
        data[:at] + number + data[at + len(number) :],
        data[:at] + data[at + n :],
        data[:at] + data[at : at + n] * 2 + data[at + n :],
        data[:at] + rng.randbytes(n) + data[at + n :],
        data + data[:n],
        b"" if rng.random() < 0.2 else data[:at] + b"\0" * n + data[at + n :],
    )
    return made[kind - 3]


def _text(data: bytes, rng: Random) -> bytes:
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    word = rng.choice(
        (b"-1", b"9" * 5000, b"nan", b"1e999", b"", b"\xff", b"\0", b'"', b",,,", b"[" * 5000)
    )
    words = lines[at].split(b" ")
    words[rng.randrange(len(words))] = word
    made = (
        b"\xef\xbb\xbf" + data, data.replace(b"\n", b"\r\n"), data.replace(b"\n", b"\r"),
        data.decode("latin-1").encode("utf-16"), b"\n".join([*lines[:at], *lines[at + 1 :]]),
        b"\n".join([*lines[:at], lines[at], *lines[at:]]),
        b"\n".join([*lines[:at], b" ".join(words), *lines[at + 1 :]]), data + word,
    )  # fmt: skip
    return rng.choice(made)


# --- trees of values ------------------------------------------------------------------------------


def _places(tree: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The keys to everything in a tree."""
    keys = (
        list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    )
    found = []
    for key in keys:
        found += [(*above, key), *_places(tree[key], (*above, key))]
    return found


def change_tree(tree: Any, rng: Random) -> Any:
    """A tree with a value replaced, removed, renamed, doubled or swapped."""
    places = _places(tree)
    if not places:
        return rng.choice(VALUES)
    *above, key = rng.choice(places)
    inside = tree
    for step in above:
        inside = inside[step]
    value, kind = inside[key], rng.randrange(8)
    if kind == 0:
        del inside[key]
    elif kind == 1 and isinstance(inside, dict):
        inside[rng.choice((f"{key}x", "", key.upper()))] = inside.pop(key)
    elif kind == 2 and isinstance(inside, list):
        inside.append(value)
    elif kind == 3:
        other = rng.choice(list(inside) if isinstance(inside, dict) else range(len(inside)))
        inside[key], inside[other] = inside[other], inside[key]
    elif kind == 4 and isinstance(value, int | float) and not isinstance(value, bool):
        inside[key] = rng.choice(
            (value + 1, value - 1, -value, value * 1000, float(value), str(value))
        )
    else:
        inside[key] = rng.choice(VALUES)
    return tree


def _json(data: bytes, rng: Random) -> bytes:
    if rng.random() < 0.2:
        return _text(data, rng)
    if b"\n{" in data:  # a value a line
        lines = data.splitlines()
        at = rng.randrange(len(lines))
        lines[at] = json.dumps(change_tree(json.loads(lines[at]), rng)).encode()
        return b"\n".join(lines)
    return json.dumps(change_tree(json.loads(data), rng)).encode()


def _toml(data: bytes, rng: Random) -> bytes:
    if rng.random() < 0.2:
        return _text(data, rng)
    return tomli_w.dumps(change_tree(tomli.loads(data.decode()), rng)).encode()


# --- arrays ---------------------------------------------------------------------------------------


def change_array(array: Any, rng: Random) -> Any:
    """An array of another type, shape or with other values; what can't be made so raises."""
    array, kind = np.array(array), rng.randrange(7)
    if kind == 0:
        return array.astype(rng.choice(TYPES))
    if kind == 1:
        shape = [*array.shape, rng.choice((0, 1, 2))]
        return np.resize(array, shape)
    if kind == 2:
        return array[:-1] if array.ndim else array[None]
    if kind == 3:
        return array.reshape(-1) if array.ndim > 1 else array.T[..., None]
    if kind == 4:
        return np.array(rng.choice((0, -1, 2**40, math.nan, math.inf, "x", b"\xff", 1 + 2j, True)))
    if kind == 5 and array.size:
        extremes = (math.nan, math.inf, -1e300, 2**62, -(2**31), 2**31, -1, 0, 1, 255, 1e-320)
        with np.errstate(all="ignore"):
            array.reshape(-1)[rng.randrange(array.size)] = np.array(rng.choice(extremes)).astype(
                array.dtype
            )
        return array
    return np.resize(
        array[::-1] if array.ndim else array, rng.choice((array.shape, (3,), (2, 2), (0,)))
    )


def _change_one(arrays: dict[str, Any], rng: Random) -> None:
    name, kind = rng.choice(sorted(arrays)), rng.randrange(6)
    if kind == 0:
        del arrays[name]
    elif kind == 1:
        arrays[rng.choice((f"{name}x", "x", f"{name}.x"))] = arrays.pop(name)
    else:
        arrays[name] = change_array(arrays[name], rng)


def _safetensors(data: bytes, rng: Random) -> bytes:
    length = int.from_bytes(data[:8], "little")
    said = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["lsnn-neuro"])
    arrays = dict(load(data))
    if rng.random() < 0.6 or not arrays:
        part = said if rng.random() < 0.2 else said["header"]
        change_tree(part, rng)
    else:
        _change_one(arrays, rng)
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return sealed(save(arrays, {"lsnn-neuro": json.dumps(said)}), said)


def _npz(data: bytes, rng: Random) -> bytes:
    if rng.random() < 0.3:
        return _in_header(data, rng)
    with np.load(io.BytesIO(data)) as file:
        arrays = dict(file)
    _change_one(arrays, rng)
    out = io.BytesIO()
    rng.choice((np.savez, np.savez_compressed))(out, **arrays)
    return out.getvalue()


def _npy(data: bytes, rng: Random) -> bytes:
    if rng.random() < 0.5:
        return _in_header(data, rng)
    out = io.BytesIO()
    np.save(out, change_array(np.load(io.BytesIO(data)), rng))
    return out.getvalue()


def _in_header(data: bytes, rng: Random) -> bytes:
    """Another text of the same length in the header of an array."""
    first = data.find(b"{'descr'")
    last = data.find(b"}", first)
    start = rng.randrange(first, last)
    words = (
        b"9999999999",
        b"((((((((((",
        b"-1,",
        b"'O'",
        b"'|V0'",
        b"'<U0'",
        b"1e9",
        b"None",
        b"[",
        b"'i8',",
    )
    word = rng.choice(words)[: last - start]
    return data[:start] + word + data[start + len(word) :]


def _mat(data: bytes, rng: Random) -> bytes:
    arrays = {k: v for k, v in loadmat(io.BytesIO(data)).items() if not k.startswith("__")}
    _change_one(arrays, rng)
    out = io.BytesIO()
    savemat(out, arrays, do_compression=rng.random() < 0.3)
    return out.getvalue()


TEXTS = (".csv", ".phn", ".txt")
STRUCTURED: dict[str, Change] = {
    ".json": _json, ".jsonl": _json, ".toml": _toml, ".safetensors": _safetensors, ".npz": _npz,
    ".npy": _npy, ".mat": _mat, ".h5": mutated_hdf5, ".nir": mutated_hdf5, ".net": mutated_hdf5,
}  # fmt: skip
