"""Files and folders that are still being written: beside their target, hidden, and locked by their writer.

The lock goes with the process that holds it, however that ends. So a part that nobody holds was left by a
process that was killed, and whoever writes in the same folder next removes it. A run folder has its one
owner by such a lock too.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

SUFFIX = ".lsnn-neuro-part"
LOCK = ".lock"
_OLD = ".old"


@contextmanager
def part_file(folder: Path, name: str) -> Iterator[tuple[int, Path]]:
    """A new file, open, with its descriptor; it is gone at the end unless it was moved."""
    remove_abandoned(folder)
    while True:
        handle, made = tempfile.mkstemp(dir=folder, prefix=f".{name}.", suffix=SUFFIX)
        if _lock(handle) is not False:
            break
        os.close(handle)  # removed as abandoned before the lock was ours
    try:
        yield handle, Path(made)
    finally:
        os.close(handle)
        Path(made).unlink(missing_ok=True)


@contextmanager
def part_folder(folder: Path, name: str) -> Iterator[Path]:
    """A new folder, gone at the end with all that is left in it."""
    remove_abandoned(folder)
    while True:
        made = Path(tempfile.mkdtemp(dir=folder, prefix=f".{name}.", suffix=SUFFIX))
        with suppress(FileNotFoundError):  # removed as abandoned before the lock was ours
            handle = _open_lock(made)
            if _lock(handle) is not False:
                break
            os.close(handle)
    try:
        yield made
    finally:
        os.close(handle)
        shutil.rmtree(made, ignore_errors=True)


def scratch_folder(name: str) -> AbstractContextManager[Path]:
    """A part in the system's temporary folder."""
    return part_folder(Path(tempfile.gettempdir()), name)


def put_in_place(part: Path, target: Path) -> None:
    """Move the folder of the target's name out of its part, in place of what is there.

    A process that is killed in between leaves it to :func:`remove_abandoned` to finish this.
    """
    if target.exists():
        target.replace(part / _OLD)
    (part / target.name).replace(target)


@contextmanager
def owned(folder: Path) -> Iterator[bool]:
    """Hold the lock of a folder that is there to stay; False where another has it."""
    handle = _open_lock(folder)
    ours = _lock(handle) is not False
    try:
        yield ours
    finally:
        if ours:
            (folder / LOCK).unlink(missing_ok=True)
        os.close(handle)


def remove_abandoned(folder: Path) -> None:
    """Remove what killed processes left half written in a folder; put in place what was about to be."""
    for part in folder.glob(f".*{SUFFIX}"):
        with suppress(OSError):  # another's, or another was faster
            is_folder = part.is_dir()
            handle = _open_lock(part) if is_folder else os.open(part, os.O_RDWR)
            try:
                if _lock(handle) and is_folder:
                    _finish(part)
                    shutil.rmtree(part)
                elif _lock(handle):
                    part.unlink()
            finally:
                os.close(handle)


def _finish(part: Path) -> None:
    """Put in place the folder that was to replace another one, if that has been moved away."""
    if (part / _OLD).exists():
        for new in part.iterdir():
            if new.name not in (_OLD, LOCK) and not (target := part.parent / new.name).exists():
                new.replace(target)


def _open_lock(folder: Path) -> int:
    return os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)


def _lock(handle: int) -> bool | None:
    """Lock an open file; False if another has it or it was removed, None where there are no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems
        return None
    return os.fstat(handle).st_nlink > 0
