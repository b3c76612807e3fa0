"""What a process may leave behind: children, shared memory, parts of files."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection
from pathlib import Path

from lsnn_neuro.parts import SUFFIX


def children(pid: int) -> list[int]:
    """Processes whose parent is ``pid``."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return sorted(found)


def orphaned_memory() -> set[str]:
    """Shared memory and semaphores that no living process uses."""
    present = {segment.name for segment in Path("/dev/shm").iterdir()}
    used = ""
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):
            used += maps.read_text()
    return {name for name in present if name not in used}


def memory_left(before: Collection[str], patience: float = 10.0) -> set[str]:
    """Shared memory that was orphaned since; what others just make or release goes by itself."""
    left = orphaned_memory() - set(before)
    give_up = time.monotonic() + patience
    while left and time.monotonic() < give_up:
        time.sleep(0.1)
        left &= orphaned_memory()
    return left


def parts(folder: Path) -> list[Path]:
    """Files and folders below one that are half written."""
    return sorted(folder.rglob(f"*{SUFFIX}"))
