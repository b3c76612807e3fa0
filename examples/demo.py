"""The whole road on real digits: train, quantize, export, prove parity, score. Some minutes.

Runs the same commands a user would type and leaves ``runs/demo/summary.json``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FOLDER = Path("runs/demo")


def lsnn_neuro(*arguments: str, parse: bool = False) -> Any:
    """Run a command as a user would; with ``parse`` its output is JSON."""
    print(f"\n$ lsnn-neuro {' '.join(arguments)}", flush=True)
    command = [str(Path(sys.executable).with_name("lsnn-neuro")), *arguments]
    done = subprocess.run(
        command, check=False, text=True, stdout=subprocess.PIPE if parse else None
    )
    if done.returncode:
        raise SystemExit(done.returncode)
    return json.loads(done.stdout) if parse else None


def main() -> None:
    """Run the demo from the project's root folder."""
    start = time.perf_counter()
    shutil.rmtree(FOLDER, ignore_errors=True)
    run, artifact = str(FOLDER / "run"), str(FOLDER / "artifact")
    lsnn_neuro("train", "recipes/smnist-rows.toml", "--out", run)
    lsnn_neuro("export", run, "--target", "loihi-sim", "--out", artifact)
    lsnn_neuro("parity", artifact)
    levels = lsnn_neuro("parity", artifact, "--json", parse=True)
    scores = {}
    for target in ("float", "emulator", "loihi-sim"):
        scores[target] = lsnn_neuro("evaluate", artifact, "--target", target, "--json", parse=True)
        print(f"{target}: {scores[target]['accuracy']:.1%} of {scores[target]['samples']} digits")
    lava = levels["P2"]
    summary = {
        "float_accuracy": scores["float"]["accuracy"],
        "emulator_accuracy": scores["emulator"]["accuracy"],
        "loihi_sim_accuracy": scores["loihi-sim"]["accuracy"],
        "samples": {target: score["samples"] for target, score in scores.items()},
        "parity": {
            "samples": lava["samples"],
            "populations": len(lava["populations"]),
            "spikes": lava["spikes"],
            "mismatches": lava["mismatches"],
        },
        "seconds": round(time.perf_counter() - start, 1),
    }
    (FOLDER / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    print("\n" + json.dumps(summary, indent=2))


if __name__ == "__main__":
    main()
