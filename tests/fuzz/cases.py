"""One case: a good folder, one of its files changed, read within a time; and what else comes out of it."""

from __future__ import annotations

import gzip
import os
import random
import resource
import shutil
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mutate import mutated
from readers import READERS, Reader

SECONDS = 10.0
"""Of a processor, for one case; on an idle machine a good folder is read in 0.1 s."""
MEMORY = 2**30
"""Bytes that a case may take beyond what its process has when it begins."""
LONGEST = 20_000
"""Characters of a message: some name all that is wrong."""


class TooLongError(BaseException):
    """A case took too long; no reader takes it for an error of its own."""


class Bench:
    """A reader and its good files, in a folder of which one file at a time is changed."""

    def __init__(self, name: str, folder: Path):
        self.name, self.reader = name, READERS[name]
        self.folder = folder / name.replace(" ", "-")
        self.folder.mkdir(parents=True)
        self.reader.make(self.folder)
        self.reader.read(self.folder)  # they are good
        self._good = {file: file.read_bytes() for file in self.folder.rglob("*") if file.is_file()}

    def changed(self, rng: Any) -> tuple[Path, bytes]:
        """A file of the folder, and what becomes of it."""
        file = rng.choice(self.reader.files(self.folder))
        return file, mutated(self._good[file], file.name, rng)

    def escape(self, file: Path, data: bytes, *, mend: bool = True) -> str | None:
        """What comes out of reading the folder with other bytes in a file; None if that is allowed."""
        try:
            file.write_bytes(data)
            if mend:
                self.reader.mend(self.folder)
            with memory_limit(MEMORY), time_limit(SECONDS):
                return escaped(self.reader, self.folder)
        finally:
            self._restore()

    def case(self, seed: int, keep: Path | None = None) -> str | None:
        """The case of a number; a file that escapes is kept in a folder like the corpus."""
        rng = random.Random(f"{self.name} {seed}")
        file, data = self.changed(rng)
        found = self.escape(file, data, mend=rng.random() < 0.9)
        if found is not None and keep is not None:
            kept = keep / self.name / f"{seed}-{file.name}.gz"
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(gzip.compress(data, mtime=0))
        return found

    def _restore(self) -> None:
        for file in self.folder.rglob("*"):
            if file.is_file() and file not in self._good:
                file.unlink()
        for file, data in self._good.items():
            if not file.is_file() or file.read_bytes() != data:
                file.write_bytes(data)

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder)


def escaped(reader: Reader, folder: Path) -> str | None:
    """What comes out of a reader that should not, in words; None if it reads, or refuses as it should."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader.read(folder)
    except reader.errors as error:
        text = str(error)
        if not text or "\n" in text or len(text) > LONGEST:
            return f"a message of {len(text)} characters, {text.count(chr(10)) + 1} lines: {text[:200]!r}"
    except (Exception, TooLongError) as error:
        at: Any = error.__traceback__
        while at.tb_next is not None:
            at = at.tb_next
        where = f"{Path(at.tb_frame.f_code.co_filename).name}:{at.tb_lineno}"
        return f"{type(error).__name__} at {where}: {' '.join(str(error).split())[:150]}"
    return None


@contextmanager
def memory_limit(more: int) -> Iterator[None]:
    """MemoryError, where there is /proc, beyond some bytes more than this process has."""
    size, before = Path("/proc/self/statm"), resource.getrlimit(resource.RLIMIT_AS)
    if size.exists():
        now = int(size.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (now + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """TooLongError after some seconds of this process's processor time."""

    def stop(signum: int, frame: object) -> None:
        raise TooLongError(f"took over {seconds:g} s")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
