"""Lets tests import what stands beside them in tests/."""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

# Tiny networks are many times slower with several threads; must be set before torch loads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# nohup ignores SIGHUP, a shell's & SIGINT; commands that tests start would inherit it.
for _signal, _default in (
    (signal.SIGHUP, signal.SIG_DFL),
    (signal.SIGINT, signal.default_int_handler),
):
    if signal.getsignal(_signal) == signal.SIG_IGN:
        signal.signal(_signal, _default)
