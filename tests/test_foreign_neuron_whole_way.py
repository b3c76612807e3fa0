"""A neuron from a package of its own, two files, goes from a recipe to parity on Lava."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from foreign_package import install, start, succeed

from lsnn_neuro.checkpoint import LAST, Checkpoint

ROOT = Path(__file__).parents[1]
RECIPE = """name = "adp"
[task]
name = "store-recall"
group_size = 2
rate = 400
symbol_steps = 6
symbols = 4
expected_delay = 1
validation = 8
test = 8
[network]
kind = "graph"
[[network.populations]]
name = "first"
neuron = "adp"
size = 6
constants = { tau_m = 10.0, tau_u = 15.0, kick = 0.02, b0 = 0.02, n_ref = 1, at_threshold = true }
learn = ["tau_u", "kick"]
[[network.populations]]
name = "middle"
neuron = "lif"
size = 5
[[network.populations]]
name = "last"
neuron = "adp"
size = 4
tau_i = 3.0
constants = { tau_m = 8.0, tau_u = 9.0, kick = 0.01, b0 = 0.01, reset = "to", reset_to = 0.002 }
[[network.populations]]
name = "readout"
neuron = "li"
learn = ["offset"]
[[network.projections]]
source = "input"
target = "first"
connectivity = 0.7
[[network.projections]]
source = "first"
target = "middle"
connectivity = 0.6
max_delay = 2
[[network.projections]]
source = "middle"
target = "last"
connectivity = 0.7
[[network.projections]]
source = "last"
target = "first"
connectivity = 0.5
signs = "dale"
[[network.projections]]
source = "last"
target = "readout"
[deep_r]
l1 = 0.05
[training]
iterations = ITERATIONS
batch_size = 4
validate_every = 5
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder with the package, and a way to run the command with it installed."""
    install(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def recipe(site, iterations):
    file = site / f"adp-{iterations}.toml"
    file.write_text(RECIPE.replace("ITERATIONS", str(iterations)))
    return file


def dec(state, d):
    kept = abs(state) * (4096 - d) // 4096
    return kept if state >= 0 else -kept


def sat(state):
    return max(-(2**23 - 1), min(2**23 - 1, state))


def oracle(population, drives):
    """Spikes of one neuron type in plain integers; ``drives`` (step, neuron), currents included."""
    c = population.constants
    n = population.size
    v, u, r, z = [0] * n, [0] * n, [0] * n, [0] * n
    spikes = []
    for drive in drives:
        for j in range(n):
            u[j] = sat(dec(u[j], int(c.decay_u[j])) + int(c.step_u[j]) * z[j])
            v[j] = sat(dec(v[j], int(c.decay_v[j])) + drive[j] + u[j])
            above = v[j] >= int(c.vth[j]) if c.at_threshold else v[j] > int(c.vth[j])
            z[j] = int(above and r[j] == 0)
            if z[j]:
                v[j] = int(c.reset_to[j]) if c.reset == "to" else v[j] - int(c.vth[j])
                r[j] = int(c.n_ref[j])
            else:
                r[j] = max(r[j] - 1, 0)
        spikes.append(list(z))
    return np.array(spikes, bool)


def drives_of(network, name, sources):
    """What arrives at a population in membrane units, its synaptic current included, (step, neuron)."""
    population = network.population(name)
    n_steps = len(sources["input"])
    total = np.zeros((n_steps, population.size), np.int64)
    for p in network.into(name):
        hop = 0 if p.source == "input" else 1
        for i, j, w, d in zip(p.source_index, p.target_index, p.weight_mant, p.delay, strict=True):
            late = int(d) + hop
            sent = sources[p.source][: n_steps - late, i]
            total[late:, j] += sent.astype(np.int64) * (int(w) << (p.weight_exp + 6))
    if population.decay_i is None:
        return total.tolist()
    current, drives = [0] * population.size, []
    for row in total.tolist():
        current = [
            dec(i, int(d)) + x for i, d, x in zip(current, population.decay_i, row, strict=True)
        ]
        drives.append(list(current))
    return drives


@pytest.mark.slow
@pytest.mark.parametrize("quantized", [False, True], ids=["float", "integers"])
def test_it_trains_is_killed_resumes_and_is_the_same_network_on_lava(site, quantized):
    options = ("--quantize",) if quantized else ()
    file = recipe(site, 40)
    succeed(site, "train", file, "--out", "whole", "--json", *options)
    killed = start(site, "train", file, "--out", "parts", "--json", *options)
    log = site / "parts" / "metrics.jsonl"
    give_up = time.monotonic() + 60
    while not log.exists() or log.read_text().count("\n") < 12:
        assert time.monotonic() < give_up
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    succeed(site, "train", site / "parts" / "recipe.toml", "--out", "parts", "--resume", "--json")
    one, two = (Checkpoint.load(site / run / LAST) for run in ("whole", "parts"))
    assert one.arrays.keys() == two.arrays.keys()
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, two.arrays[name], err_msg=name)
    succeed(site, "export", "whole", "--target", "loihi-sim", "--out", "a", "--samples", "3",
            "--chip", "loihi2")  # fmt: skip
    levels = json.loads(succeed(site, "parity", "a", "--json"))
    exact = {name: level["exact"] for name, level in levels.items() if name != "P0"}
    assert exact
    assert all(exact.values())
    assert "P2" in exact
    check_against_oracle(site / "a")


def check_against_oracle(folder):
    """The golden spikes of both populations are those of plain integers."""
    from deploy.artifact import load_artifact

    artifact = load_artifact(folder)
    network, fired = artifact.network, 0
    for sample in range(artifact.inputs.shape[1]):
        sources = {"input": artifact.inputs[:, sample]}
        sources |= {p.name: p.spikes[:, sample] for p in artifact.golden.spikes}
        for name in ("first", "last"):
            expected = oracle(network.population(name), drives_of(network, name, sources))
            np.testing.assert_array_equal(sources[name], expected)
            fired += int(expected.sum())
    assert fired > 0
