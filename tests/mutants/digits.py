"""Whether an artifact's golden samples and its probe notice that something is wrong.

    digits.py export NAME FOLDER MODELS      write an artifact of that name
    digits.py check FOLDER ENGINE            run it, and print {"golden": noticed, "probe": noticed}

Engines: the time loop, the kernel, Lava's graph and its fused form. What an engine computes is compared with
the digits that are kept in the artifact, as ``lsnn-neuro parity`` does; an engine that fails is noticed too.
Needs the root, tests/ and tests/deploy/ in PYTHONPATH.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
from on_lava import lava, mismatches, side_by_side
from random_networks import li, neurons, random_inputs

import deploy
from deploy.artifact import load_artifact
from deploy.mapping.report import rule_names
from lsnn_neuro.network.kernel import SWITCH
from quantize.network import QuantizedNetwork

EXPONENTS = {"drawn": 6, "drawn-down": -3}
"""Networks made here, for what no committed model has; all others are folders of models/."""


def drawn(exponent: int) -> QuantizedNetwork:
    """Every neuron but ATRLIF with every reset, comparison, currents and biases; weights of an exponent."""
    rng, populations = np.random.default_rng(0), []

    def sized(*values: int) -> np.ndarray:
        """Membrane units that grow with the weights."""
        return (np.array(values) * 2.0 ** (exponent - 2)).astype(np.int64)

    for number, kind in enumerate(("lif", "if", "alif", "ahp")):
        for place, reset in enumerate(("subtract", "subtract_constant", "to", "hold")):
            own = {"vth": 64 * sized(*rng.integers(100, 400, 6)), "reset": reset, "reset_by": sized(6400)[0],
                   "reset_to": -sized(900)[0], "n_ref": [0, 0, 1, 2, 3, 9],
                   "at_threshold": (number + place) % 2 == 0}  # fmt: skip
            own |= {} if kind == "if" else {"decay_v": rng.integers(40, 900, 6)}
            if kind in ("alif", "ahp"):
                own |= {"decay_a": [30] * 6, "step_a": sized(*[900] * 6)}
            current = rng.integers(200, 3000, 6) if place % 2 else None
            bias = rng.integers(-900, 2000, 6) * (np.arange(6) % 3 == 1)
            populations.append(neurons(kind, f"{kind} {reset}", decay_i=current, bias=bias, **own))
    stock = neurons("lif", "stock", decay_v=[90] * 6, vth=64 * sized(*[200] * 6), reset="to",
                    decay_i=[700] * 6, bias=[300, 0, -200, 0, 9, 0])  # fmt: skip
    readouts = [
        li("plain", [40] * 3),
        li("current", [700] * 3, decay_i=[300] * 3, bias=[70, 0, -9]),
    ]
    if exponent < 0:  # the kernel takes neither
        resetting = neurons(
            "resetting-li", "resetting", decay_v=[10] * 3, vth=64 * sized(*[500] * 3)
        )
        readouts.append(resetting)
    outputs = tuple(p.name for p in readouts)
    return side_by_side(rng, [*populations, stock, *readouts], exponent=exponent, outputs=outputs)


def export(name: str, folder: Path, models: Path) -> None:
    """An artifact with its golden samples and its probe."""
    given = {"allow": rule_names(), "target": deploy.LoihiSim}
    if name in EXPONENTS:
        network = drawn(EXPONENTS[name])
        inputs = random_inputs(0, network, n_steps=60, n_samples=2, rate=0.1)
        deploy.export(network, folder, inputs=inputs, **given)
    else:
        deploy.export(deploy.load(models / name), folder, max_samples=1, **given)


def check(folder: Path, engine: str) -> dict[str, bool]:
    """What notices that an engine does not compute what the artifact holds."""
    os.environ[SWITCH] = "off" if engine == "loop" else "on"
    target = {"lava": lava, "fused": lambda: lava(model="fused")}.get(engine, deploy.Emulator)()
    artifact = load_artifact(folder)
    assert artifact.probe is not None
    found = {}
    for name, (inputs, kept) in (
        ("golden", (artifact.inputs, artifact.golden)), ("probe", artifact.probe),
    ):  # fmt: skip
        try:
            found[name] = mismatches(kept, target.run(artifact.network, inputs)) != (0, 0)
        except Exception as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            found[name] = True
    return found


if __name__ == "__main__":
    what, first, second, *rest = sys.argv[1:]
    if what == "export":
        export(first, Path(second), Path(rest[0]))
    else:
        print(json.dumps(check(Path(first), second)))
