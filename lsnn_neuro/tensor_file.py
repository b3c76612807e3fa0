"""One safe file format for everything: arrays and a JSON header in a safetensors file.

Each file says what it is (``kind``) and in which version; reading checks both. Files are written to
a temporary neighbour and then renamed, so that an interruption or a full disk leaves the old file
whole. No pickle is involved. NumPy only, no torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from lsnn_neuro.errors import FileFormatError

_HEADER = "lsnn-neuro"  # a single metadata key, so that equal contents give equal bytes


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically, creating its folder; nothing is left behind on failure."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise FileFormatError(f"{path}: can't be written ({error.strerror})") from error


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    write_bytes(path, text.encode())


def write(
    path: Path,
    kind: str,
    version: int,
    header: Mapping[str, Any],
    arrays: Mapping[str, npt.NDArray[Any]],
) -> None:
    """Write arrays and a JSON header atomically; the same contents give the same bytes."""
    about = {"kind": kind, "version": version, "header": dict(header)}
    metadata = {_HEADER: json.dumps(about, sort_keys=True)}
    contiguous = {name: np.asarray(array, order="C") for name, array in sorted(arrays.items())}
    write_bytes(path, save(contiguous, metadata))


def read(
    path: Path, kind: str, version: int, *, oldest: int | None = None
) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Read back the header and the arrays; refuse any other kind of file or version.

    ``oldest`` is the first version that is still understood, by default only ``version`` is.
    """
    if not path.is_file():
        raise FileFormatError(f"{path}: no such file; expected a {kind}")
    try:
        with safe_open(path, framework="numpy") as file:
            about = dict(json.loads((file.metadata() or {}).get(_HEADER, "{}")))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise FileFormatError(f"{path}: not a readable {kind} ({error})") from error
    if about.get("kind") != kind:
        raise FileFormatError(f"{path}: is a {about.get('kind', 'foreign file')}, not a {kind}")
    known = range(version if oldest is None else oldest, version + 1)
    if about.get("version") not in known:
        readable = " to ".join(str(v) for v in sorted({known[0], known[-1]}))
        raise FileFormatError(
            f"{path}: {kind} version {about.get('version')}, this release reads {readable}; "
            "export it again with this release"
        )
    if not isinstance(header := about.get("header"), dict):
        raise FileFormatError(f"{path}: {kind} without a header")
    return header, arrays


def kind_of(path: Path) -> str | None:
    """What a file says it is; None if it is not one of these files."""
    try:
        with safe_open(path, framework="numpy") as file:
            about = dict(json.loads((file.metadata() or {}).get(_HEADER, "{}")))
    except (SafetensorError, OSError, ValueError, TypeError):
        return None
    return about.get("kind")


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
