"""``python -m lsnn_neuro`` is the command ``lsnn-neuro``."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # Python puts the working folder first; the user's own cli.py there is not the one meant.
    if sys.path and Path(sys.path[0]).resolve() == Path.cwd():
        sys.path.append(sys.path.pop(0))
    from cli import main

    main()
