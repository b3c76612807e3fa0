"""Lets tests import what stands beside them in tests/."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

# Tiny networks are many times slower with several threads; must be set before torch loads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
