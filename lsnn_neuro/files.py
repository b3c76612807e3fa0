"""One safe file format for everything: arrays and a JSON header in a safetensors file.

Each file says what it is (``kind``), in which version, which release wrote it, and carries a seal, the
SHA-256 of all its bytes with zeros for the seal; reading checks them, so that a flipped bit is noticed.
Files are written to a temporary neighbour (:mod:`lsnn_neuro.parts`) and then renamed, so that an interruption
or a full disk leaves the old file whole. No pickle is involved. NumPy only, no torch. What older releases
wrote is read here and brought to today's form by :mod:`lsnn_neuro.migrations`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from lsnn_neuro import __version__
from lsnn_neuro.bounded import in_a_line, parse_table
from lsnn_neuro.errors import FileFormatError, LSNNError
from lsnn_neuro.parts import part_file, part_folder, put_in_place

Arrays = Mapping[str, npt.NDArray[Any]]
_HEADER = "lsnn-neuro"  # a single metadata key, so that equal contents give equal bytes
_HEADER_MAX = 100_000_000  # bytes, as in safetensors itself
_SEAL, _OLD_SEAL = "file_sha256", "sha256"
_UNSEALED = "0" * 64
_KNOWN = {_SEAL, _OLD_SEAL, "kind", "version", "release", "header"}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of file: its name, the version this release writes, and the oldest it understands."""

    name: str
    version: int
    oldest: int


CHECKPOINT = Kind(name="checkpoint", version=4, oldest=1)
NETWORK = Kind(name="quantized network", version=3, oldest=1)
GOLDEN = Kind(name="golden spikes", version=2, oldest=1)
ENCODER = Kind(name="encoder", version=1, oldest=1)
IMPORTED = Kind(name="imported network", version=1, oldest=1)


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a file holds.

    - version: of its kind; release: that wrote it, "" before releases were kept
    """

    version: int
    release: str
    header: dict[str, Any]
    arrays: dict[str, npt.NDArray[Any]]


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically, creating its folder; nothing is left behind on failure."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part_file(path.parent, path.name) as (handle, part):
            with os.fdopen(handle, "wb", closefd=False) as file:
                file.write(data)
                file.flush()
                os.fsync(handle)
            part.chmod(0o644)
            part.replace(path)
    except OSError as error:
        raise FileFormatError(f"{path}: can't be written ({error.strerror})") from error


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    write_bytes(path, text.encode())


def check_new_folder(folder: Path, mark: str, kind: str, *, overwrite: bool) -> None:
    """Refuse a folder that :func:`new_folder` would not write."""
    if folder.is_mount():
        raise FileFormatError(
            f"{folder}: is a mount point, which can't be replaced; give a folder in it, e.g. {folder / 'new'}"
        )
    if folder.exists() and not overwrite:
        raise FileFormatError(f"{folder}: already exists; use --overwrite or another --out")
    if folder.exists() and any(folder.iterdir()) and not (folder / mark).is_file():
        raise FileFormatError(f"{folder}: is not {kind} and is not overwritten; choose another")
    place = next(parent for parent in folder.absolute().parents if parent.exists())
    if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
        raise FileFormatError(
            f"{folder}: can't be written, as {place} is no folder to write in; choose another"
        )


@contextmanager
def new_folder(folder: Path, mark: str, kind: str, *, overwrite: bool = False) -> Iterator[Path]:
    """A folder that appears complete or not at all: it is filled elsewhere and moved at the end.

    - mark: the file by which a folder is known to be of a kind that may be overwritten; kind: in words
    """
    check_new_folder(folder, mark, kind, overwrite=overwrite)
    with ExitStack() as ends:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            part = ends.enter_context(part_folder(folder.parent, folder.name))
        except OSError as error:
            raise FileFormatError(f"{folder}: can't be written ({error.strerror})") from error
        new = part / folder.name
        new.mkdir()
        yield new
        put_in_place(part, folder)


def write(path: Path, kind: Kind, header: Mapping[str, Any], arrays: Arrays) -> None:
    """Write arrays and a JSON header atomically; the same contents give the same bytes."""
    contiguous = {name: np.asarray(array, order="C") for name, array in sorted(arrays.items())}
    about = {
        _SEAL: _UNSEALED, "kind": kind.name, "version": kind.version, "release": __version__,
        "header": dict(header),
    }  # fmt: skip
    data = save(contiguous, {_HEADER: json.dumps(about, sort_keys=True)})
    seal = hashlib.sha256(data).hexdigest()
    write_bytes(path, data.replace(_sealed(_UNSEALED), _sealed(seal), 1))


def read(path: Path, kind: Kind) -> Contents:
    """Read back the header and the arrays; refuse another kind of file, an unknown version, a flipped bit."""
    if not path.is_file():
        raise FileFormatError(f"{path}: no such file; expected {_a(kind.name)}")
    try:
        about = _about(path)
        arrays = load_file(path)
        if _SEAL in about and about[_SEAL] != _seal_of(path, str(about[_SEAL])):
            raise _changed(path)
    except (SafetensorError, AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        said = f"{path}: not a readable {kind.name} ({in_a_line(error)})"
        raise FileFormatError(said) from error
    if about.get("kind") != kind.name:
        raise FileFormatError(
            f"{path}: is {_a(about.get('kind', 'foreign file'))}, not {_a(kind.name)}"
        )
    version, release = about.get("version"), about.get("release", "")
    if type(version) is not int or not kind.oldest <= version <= kind.version:
        newer = type(version) is int and version > kind.version
        by = f" by lsnn-neuro {release}" if release else ""
        raise FileFormatError(
            f"{path}: {kind.name} version {version}{by}, this release reads {kind.oldest} to "
            f"{kind.version}; "
            + ("upgrade lsnn-neuro" if newer else "export it again with this release")
        )
    if not isinstance(header := about.get("header"), dict):
        raise FileFormatError(f"{path}: {kind.name} without a header")
    if not about.keys() <= _KNOWN or (
        _OLD_SEAL in about and about[_OLD_SEAL] != _hash(header, arrays)
    ):
        raise _changed(path)
    return Contents(version=version, release=str(release), header=header, arrays=arrays)


@contextmanager
def parts_of(label: str, what: str) -> Iterator[None]:
    """What is raised over a missing or wrong part of a file, as a FileFormatError.

    - label: names the file; what: its kind. The hash of a file says that it is as it was written, not that
      it was written by us
    """
    try:
        yield
    except FileFormatError:
        raise
    except LSNNError as error:
        raise FileFormatError(f"{label}: {error}") from error
    except (
        ArithmeticError, AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError
    ) as error:  # fmt: skip
        said = f"{label}: {what} with a missing or unknown part: {in_a_line(error)}"
        raise FileFormatError(said) from error


def _a(noun: object) -> str:
    return f"{'an' if str(noun)[:1] in 'aeiou' else 'a'} {noun}"


def _changed(path: Path) -> FileFormatError:
    return FileFormatError(
        f"{path}: its contents were changed since it was written (SHA-256); use another copy"
    )


def _hash(header: Mapping[str, Any], arrays: Arrays) -> str:
    """SHA-256 of a header and arrays, in an order of their own: what release 0.2.0 kept at first."""
    digest = hashlib.sha256(json.dumps(dict(header), sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _sealed(digest: str) -> bytes:
    """The place of the seal in a file's bytes: a text in a text, and the first of its names."""
    return rf"{{\"{_SEAL}\": \"{digest}\"".encode()


def _seal_of(path: Path, seal: str) -> str:
    """The SHA-256 of a whole file whose seal is replaced by zeros."""
    with path.open("rb") as file:
        start = file.read(_HEADER_MAX + 8)
        digest = hashlib.sha256(start.replace(_sealed(seal), _sealed(_UNSEALED), 1))
        while more := file.read(2**24):
            digest.update(more)
    return digest.hexdigest()


def _about(path: Path) -> dict[str, Any]:
    """What a file says of itself; ValueError and the like over one that is no safetensors file."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(path.stat().st_size - 8, _HEADER_MAX):
            raise ValueError(f"its header should have {length} bytes")
        found = parse_table(file.read(length)).get("__metadata__", {})
    return parse_table(found.get(_HEADER, "{}"))


def kind_of(path: Path) -> str | None:
    """What a file says it is; None if it is not one of these files."""
    try:
        kind = _about(path).get("kind")
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return kind if isinstance(kind, str) else None


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(2**24):
            digest.update(part)
    return digest.hexdigest()
