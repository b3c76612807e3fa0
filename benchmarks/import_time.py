"""How long it takes until the library is there: alone, and beyond what torch itself takes.

Each round starts a Python of its own for every statement; the start of Python is in all of them.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from measure import arguments, interleaved, machine, publish
from rich.table import Table

ROOT = Path(__file__).parents[1]
STATEMENTS = {
    "Python": "pass",
    "lsnn_neuro": "import lsnn_neuro",
    "quantize and deploy": "import quantize, deploy",
    "quantize.emulate": "import quantize; quantize.emulate",
    "torch": "import torch",
    "SpikingNetwork": "import torch, lsnn_neuro; lsnn_neuro.SpikingNetwork",
    "an own loop": "import torch, lsnn_neuro as ln, quantize; "
    "ln.SpikingNetwork, ln.lsnn, ln.DeepR, quantize.QuantizationAware, quantize.convert",
}
BEYOND = {"SpikingNetwork": "torch", "an own loop": "torch"}
"""What a statement is measured beyond; Python itself for the others."""
AIM = 0.3
"""Most seconds that SpikingNetwork is to take beyond torch."""


def started(statement: str) -> Callable[[], object]:
    """Run a statement in a new Python."""
    command = [sys.executable, "-c", statement]
    return lambda: subprocess.run(command, cwd=ROOT, check=True)


def main() -> None:
    """Measure."""
    options = arguments(__doc__.splitlines()[0]).parse_args()
    before = machine()
    sides = {name: started(statement) for name, statement in STATEMENTS.items()}
    times = interleaved(sides, options.repeats)
    beyond = {
        name: t.median - times[BEYOND.get(name, "Python")].median for name, t in times.items()
    }
    table = Table(title=f"Imports; aim: SpikingNetwork at most {AIM} s beyond torch")
    for column in ("what", "seconds", "beyond", "seconds beyond"):
        table.add_column(column, justify="right" if "seconds" in column else "left")
    for name, t in times.items():
        table.add_row(name, f"{t.median:.3f}", BEYOND.get(name, "Python"), f"{beyond[name]:.3f}")
    result = {
        "aim_seconds": AIM,
        "sides": {
            name: t.report() | {"statement": STATEMENTS[name], "seconds_beyond": beyond[name]}
            for name, t in times.items()
        },
    }
    publish("import_time", result, table, options.json, before)


if __name__ == "__main__":
    main()
