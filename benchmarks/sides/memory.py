"""Peak memory of a part of a program."""

from __future__ import annotations

import ctypes
import gc
import sys
from pathlib import Path


class PeakMemory:
    """What a ``with`` block adds to the resident memory at its peak, in bytes (Linux)."""

    added = 0

    def __enter__(self) -> PeakMemory:
        gc.collect()
        kernel = sys.modules.get("lsnn_neuro._kernel")  # keeps what it used for the next step
        if kernel is not None:
            kernel.release_memory()
        ctypes.CDLL(None).malloc_trim(0)  # what is free goes back to the system and counts again
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew from what is resident
        self._before = self._peak()
        return self

    def __exit__(self, *_: object) -> None:
        self.added = self._peak() - self._before

    @staticmethod
    def _peak() -> int:
        status = Path("/proc/self/status").read_text().splitlines()
        line = next(line for line in status if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
