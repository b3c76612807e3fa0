"""What other frameworks' own readers make of the files that ``convert --to nir`` writes.

The table in docs/interchange.md is this one, measured with the pinned versions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import nir
import numpy as np
import numpy.typing as npt
import pytest
from environments import FRAMEWORKS
from random_networks import li, neurons

from deploy.interchange.nir import read, save
from lsnn_neuro.network.double import run_in_double
from quantize.network import QuantizedNetwork, QuantizedPopulation, QuantizedProjection

pytestmark = pytest.mark.slow

SIZES = {"input": 6, "p": 5, "q": 4, "readout": 3}
FAILS: Mapping[str, Mapping[str, str]] = {
    "snntorch": {
        **dict.fromkeys(("currents", "feedback"), "r not supported in CubaLIF"),
        "delays": "Unknown node type <class 'nir.ir.delay.Delay'>",
        "integrators": "r != 1 not supported",
        "readout": "Unknown node type <class 'nir.ir.neuron.LI'>",
        "relays": "Unknown node type <class 'nir.ir.threshold.Threshold'>",
        "sums": "Unknown node type <class 'nir.ir.neuron.I'>",
        "thresholds": "v_threshold must be same for all neurons",
    },
    "norse": {},
    "rockpool": {
        **dict.fromkeys(
            ("chain", "forward", "recurrent", "readout", "sums", "thresholds", "undelayed"),
            "'LIF' object has no attribute 'tau_mem'",
        ),
        "delays": "Cannot convert <class 'nir.ir.delay.Delay'>",
        "integrators": "Cannot convert <class 'nir.ir.neuron.IF'>",
        "relays": "Cannot convert <class 'nir.ir.threshold.Threshold'>",
    },
    "sinabs": {},
    "spikingjelly": {
        "delays": "Unknown node type <class 'nir.ir.delay.Delay'>",
        "readout": "Unknown node type <class 'nir.ir.neuron.LI'>",
        "relays": "Unknown node type <class 'nir.ir.threshold.Threshold'>",
        "sums": "Unknown node type <class 'nir.ir.neuron.I'>",
        "thresholds": "v_threshold must be uniform",
    },
}
"""Framework -> the files that it refuses, and with which words."""
BY_EULER = {
    "norse": ("chain", "recurrent", "currents", "feedback", "integrators", "thresholds"),
    "spikingjelly": ("chain", "recurrent", "currents", "feedback", "integrators"),
}
"""Those that it runs by NIR's equations in Euler's steps of 1 ms, spike by spike."""
DROPS = {
    "norse": {
        "delays": "undelayed", "readout": "recurrent", "relays": "inputs", "sums": "recurrent"
    },
    "rockpool": {"feedback": "currents"},
    "sinabs": {
        "delays": "undelayed", "currents": "inputs", "recurrent": "forward", "relays": "inputs",
        "sums": "recurrent",
    },
}  # fmt: skip
"""Those of which it drops something without a word: the Delay, the LI or I, the Threshold, the CubaLIF, all
recurrence. What then comes out is what comes out of another network, or the input, through the matrix before
the dropped node."""


def projection(
    rng: np.random.Generator, source: str, target: str, delay: int = 0
) -> tuple[QuantizedProjection, ...]:
    """All pairs, by Dale's law an excitatory and an inhibitory projection."""
    n_target, n_source = SIZES[target], SIZES[source]
    row, column = np.nonzero(np.ones((n_target, n_source)))
    parts = []
    for mode, here in (("excitatory", column % 3 != 0), ("inhibitory", column % 3 == 0)):
        weight = rng.integers(20, 200, int(here.sum())) * (1 if mode == "excitatory" else -1)
        parts.append(
            QuantizedProjection(
                name=f"{source}->{target} {mode}", source=source, target=target, n_source=n_source,
                n_target=n_target, source_index=column[here], target_index=row[here],
                weight_mant=weight, delay=np.full(int(here.sum()), delay), weight_exp=3,
                sign_mode="excitatory" if mode == "excitatory" else "inhibitory",
            )
        )  # fmt: skip
    return tuple(parts)


def population(
    name: str, *, current: bool = False, thresholds: bool = False, decay_v: int = 400
) -> QuantizedPopulation:
    n = SIZES[name]
    return neurons(
        "lif", name, decay_v=np.full(n, decay_v), reset="to", scale=2.0**16,
        vth=64 * (1001 + 300 * thresholds * np.arange(n)),  # which no sum of weights meets
        **({"decay_i": np.full(n, 1024)} if current else {}),
    )  # fmt: skip


def networks() -> dict[str, QuantizedNetwork]:
    """Small networks, each with one more thing for a reader to know."""
    rng = np.random.default_rng(3)
    onto_p = projection(rng, "input", "p")
    onto_q, back = projection(rng, "p", "q"), projection(rng, "p", "p")
    out, late = projection(rng, "p", "readout"), projection(rng, "input", "p", delay=2)
    one = QuantizedNetwork(
        n_inputs=6, populations=(population("p"),), projections=onto_p, outputs=("p",)
    )
    current = population("p", current=True)
    readout = li("readout", np.full(3, 300), scale=2.0**12)
    sums = li("readout", np.zeros(3, int), scale=2.0**12)
    with_readout = replace(
        one, populations=(population("p"), readout), projections=onto_p + back + out, outputs=("readout",)
    )  # fmt: skip
    return {
        "chain": replace(
            one, populations=(population("p"), population("q")), projections=onto_p + onto_q, outputs=("q",)
        ),
        "forward": one,
        "recurrent": replace(one, projections=onto_p + back),
        "currents": replace(one, populations=(current,)),
        "feedback": replace(one, populations=(current,), projections=onto_p + back),
        "thresholds": replace(one, populations=(population("p", thresholds=True),)),
        "delays": replace(one, projections=late),
        "undelayed": replace(one, projections=tuple(replace(q, delay=0 * q.delay) for q in late)),
        "integrators": replace(one, populations=(population("p", decay_v=0),)),
        "readout": with_readout,
        "relays": replace(one, populations=(population("p", decay_v=4096),)),
        "sums": replace(with_readout, populations=(population("p"), sums)),
    }  # fmt: skip


@pytest.fixture(params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> str:
    obstacle = FRAMEWORKS[request.param].obstacle()
    if obstacle:
        pytest.skip(obstacle)
    return str(request.param)


def test_who_reads_what_convert_writes(framework: str, tmp_path: Path) -> None:
    x = (np.random.default_rng(5).random((120, 6)) < 0.4).astype(np.float64)
    np.save(tmp_path / "inputs.npy", x)
    for name, network in networks().items():
        save(network, tmp_path / f"{name}.nir")
    said = FRAMEWORKS[framework].run("read_ours.py", framework, tmp_path).splitlines()[-1]
    failed: dict[str, str] = json.loads(said)
    wanted = FAILS[framework]
    assert failed.keys() == wanted.keys(), failed
    assert all(wanted[name] in failed[name] for name in wanted), failed
    for name, network in networks().items():
        if name not in failed:
            found = np.load(tmp_path / f"{name}.{framework}.npy")
            assert found.shape == (120, network.size_of(network.outputs[0])), name
    by_euler = BY_EULER.get(framework, ())
    for name in by_euler:
        found = np.load(tmp_path / f"{name}.{framework}.npy")
        ours = in_euler_steps(tmp_path / f"{name}.nir", x)
        assert ours.sum() > 50, name
        np.testing.assert_array_equal(found, ours, err_msg=name)
    for name, before in DROPS.get(framework, {}).items():
        found = np.load(tmp_path / f"{name}.{framework}.npy")
        left = x if before == "inputs" else np.load(tmp_path / f"{before}.{framework}.npy")
        if left.shape != found.shape:
            left = left @ matrix_before_the_last(tmp_path / f"{name}.nir").T
        assert found.any()
        np.testing.assert_allclose(found, left, rtol=1e-4, atol=1e-4, err_msg=name)


def matrix_before_the_last(file: Path) -> npt.NDArray[np.float64]:
    """Weights of the Affine before the node that the Output reads."""
    graph = nir.read(file)
    (last,) = (a for a, b in graph.edges if b == "output")
    affine = next(a for a, b in graph.edges if b == last)
    return np.asarray(graph.nodes[affine].weight, np.float64)


def in_euler_steps(file: Path, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Spikes of the last layer by NIR's equations, without the steps that hops take here."""
    imported = read(file, "nir", dt=1.0, integration="euler")
    last = next(a for a in imported.layers if a.population == imported.spec.outputs[0])
    late = np.concatenate([x, np.zeros((last.lag, x.shape[1]))])[:, None]
    spikes, _ = run_in_double(imported.spec, late)
    return np.asarray(spikes[last.population][last.lag :, 0], np.float64)
