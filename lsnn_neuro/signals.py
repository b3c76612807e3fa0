"""Signals by which a system asks a program to end: a terminal, a cluster's scheduler, another program."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from threading import Timer
from types import FrameType
from typing import Any

REQUESTS = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
"""Schedulers send SIGUSR1 before the time is up; a terminal that is closed sends SIGHUP."""


class EndRequest(BaseException):
    """A signal asks the program to end: what is open is closed on the way out."""

    def __init__(self, signum: int):
        super().__init__(signum)
        self.signum = signum

    def __str__(self) -> str:
        return f"ended by {signal.Signals(self.signum).name}"


@contextmanager
def handled(
    signals: Collection[signal.Signals], handler: Callable[[int, FrameType | None], None]
) -> Iterator[None]:
    """Handle signals meanwhile, in the main thread, which alone gets them.

    Those that are ignored stay so: under nohup, SIGHUP must not end anything.
    """
    before: dict[signal.Signals, Any] = {}
    try:
        for signum in signals:
            if signal.getsignal(signum) != signal.SIG_IGN:
                before[signum] = signal.signal(signum, handler)
    except ValueError:  # another thread
        pass
    try:
        yield
    finally:
        for signum, old in before.items():
            signal.signal(signum, old)


@contextmanager
def sent_again_where_lost() -> Iterator[None]:
    """Send a signal again whose EndRequest was raised where Python can only ignore it, as in a weakref."""

    def hook(lost: Any) -> None:
        if isinstance(lost.exc_value, EndRequest):
            Timer(0.01, os.kill, (os.getpid(), lost.exc_value.signum)).start()
        else:
            sys.__unraisablehook__(lost)

    before, sys.unraisablehook = sys.unraisablehook, hook
    try:
        yield
    finally:
        sys.unraisablehook = before
