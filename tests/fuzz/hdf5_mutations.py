"""Changes of HDF5 files: other contents, links in circles and out of the file, huge and odd data sets."""

from __future__ import annotations

import io
from random import Random

import h5py
import numpy as np

TYPES = ("?", "i1", "<u8", "<f2", "<f8", "<c8", "S3")
EXTREMES = (float("nan"), float("inf"), -1e300, -1, 0, 1, 2**31, 2**62, 1e-320)


def mutated_hdf5(data: bytes, rng: Random) -> bytes:
    """The bytes of a file with one change."""
    buffer = io.BytesIO(data)
    with h5py.File(buffer, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        name = rng.choice(sorted(map(str, names)))
        rng.choice(CHANGES)(file, name, rng)
    return buffer.getvalue()


def _removed(file: h5py.File, name: str, rng: Random) -> None:
    del file[name]


def _renamed(file: h5py.File, name: str, rng: Random) -> None:
    file.move(name, name + rng.choice(("x", "/x", "é")))


def _linked(file: h5py.File, name: str, rng: Random) -> None:
    above = name.rpartition("/")[0] or "/"
    links = (
        h5py.SoftLink(above), h5py.SoftLink(f"/{name}"), h5py.SoftLink("/nowhere"), h5py.SoftLink("/"),
        h5py.ExternalLink("/etc/passwd", "/"), h5py.ExternalLink("other.h5", "/x"),
    )  # fmt: skip
    if rng.random() < 0.5:
        file[f"{above}/more"] = rng.choice(links)
        return
    del file[name]
    file[name] = rng.choice(links)


def _circle(file: h5py.File, name: str, rng: Random) -> None:
    """A group that is in itself."""
    above = file[name.rpartition("/")[0] or "/"]
    above["again"] = rng.choice((above, file["/"]))


def _deep(file: h5py.File, name: str, rng: Random) -> None:
    """Groups within groups."""
    depth = rng.choice((10, 100, 400))
    above = name if isinstance(file[name], h5py.Group) else name.rpartition("/")[0]
    file.create_group(f"{above}/{'/'.join(['nodes'] * depth)}")


def _huge(file: h5py.File, name: str, rng: Random) -> None:
    """An array of which nothing is stored."""
    del file[name]
    shape = rng.choice(((2**40,), (2**20, 2**20), (2**24,), (2**31,), (2**16, 4)))
    chunks = rng.random() < 0.5
    file.create_dataset(
        name, shape, rng.choice(("f8", "u1")), chunks=True if chunks else None,
        compression="gzip" if chunks else None,
    )  # fmt: skip


def _other(file: h5py.File, name: str, rng: Random) -> None:
    """Other contents under the same name."""
    del file[name]
    values = (
        0, -1, 2**40, float("nan"), "text", b"\xff\xfe", True, [], [1, 2], [[1.0, 2.0]], np.zeros((0, 3)),
        np.zeros((2, 2, 2)), ["a", "b"], 1 + 2j, "LIF", "NIRGraph", "Conv2d", "input", np.zeros(400),
    )  # fmt: skip
    kind = rng.randrange(5)
    if kind == 0:
        file.create_group(name)
    elif kind == 1:
        file.create_dataset(name, (3,), h5py.vlen_dtype(np.float64))
    elif kind == 2:
        file.create_dataset(name, data=h5py.Empty("f4"))
    else:
        file.create_dataset(name, data=rng.choice(values))


def _values(file: h5py.File, name: str, rng: Random) -> None:
    """The same array in another type or shape, or with an extreme value."""
    item = file[name]
    if not isinstance(item, h5py.Dataset):
        return
    if h5py.check_vlen_dtype(item.dtype) is not None:
        item[rng.randrange(len(item))] = np.array([rng.choice(EXTREMES)]).astype("f8")
        return
    array = np.array(item[()])
    del file[name]
    kind = rng.randrange(3)
    if kind == 0:
        array = array.astype(rng.choice(TYPES))
    elif kind == 1:
        array = np.resize(
            array, rng.choice(((*array.shape, 2), (3,), (0,), (), (2, 3), (1, 2, 3, 4)))
        )
    elif array.size:
        with np.errstate(all="ignore"):
            extreme = np.array(rng.choice(EXTREMES)).astype(array.dtype)
        array.reshape(-1)[rng.randrange(array.size)] = extreme
    file.create_dataset(name, data=array)


def _copied(file: h5py.File, name: str, rng: Random) -> None:
    """A part that is there twice, under another name or as the same object."""
    if rng.random() < 0.5:
        file.copy(name, file, f"{name} again")
    else:
        file[f"{name} again"] = file[name]


CHANGES = (
    _removed, _renamed, _linked, _circle, _deep, _huge, _other, _other, _other, _values, _values, _values,
    _values, _copied,
)  # fmt: skip
