"""The cache folder for downloaded data, and how files get in: checked, and whole or not at all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import platformdirs

from lsnn_neuro.errors import DataError
from lsnn_neuro.parts import part_folder

ENVIRONMENT = "LSNN_NEURO_DATA"


def cache_folder() -> Path:
    """The folder named by the environment variable LSNN_NEURO_DATA, or the user's cache folder."""
    named = os.environ.get(ENVIRONMENT)
    return Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("lsnn-neuro"))


def check_sha256(name: str, content: bytes, expected: str) -> None:
    """Refuse content whose SHA-256 is not the expected one."""
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise DataError(
            f"{name}: SHA-256 is {found}, expected {expected}; "
            "delete the file and fetch or copy it again"
        )


def install(files: Mapping[str, bytes], folder: Path) -> None:
    """Put files into a folder below the cache so that no half-written file is ever seen there.

    All of them are first written to a temporary folder on the same disk, then renamed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with part_folder(folder.parent, folder.name) as part:
            for name, content in files.items():
                (part / name).write_bytes(content)
            for name in files:
                (part / name).replace(folder / name)  # atomic
    except OSError as error:
        raise DataError(
            f"can't write to {folder}: {error}; set {ENVIRONMENT} to a folder you may write to"
        ) from error
