"""The list of targets, and what they say when they can't run."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from random_graphs import random_graph
from random_networks import random_events, random_inputs, random_network

from deploy.emulated import Emulator
from deploy.lava.options import LavaOptions
from deploy.target import Target
from deploy.targets import TARGETS, get_target
from lsnn_neuro.errors import NetworkError, RecipeError
from quantize.emulator import emulate, trace

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", list(TARGETS))
def test_every_target_has_its_name_and_the_whole_protocol(name):
    target = get_target(name)
    assert isinstance(target, Target)
    assert target.name == name


def test_the_page_about_targets_lists_every_one_with_its_level():
    page = (ROOT / "docs" / "targets.md").read_text()
    rows = [row.split(" | ") for row in page.splitlines() if row.startswith("| `")]
    assert {row[0].strip("| `") for row in rows} == set(TARGETS)
    assert all(get_target(row[0].strip("| `")).level in ("", row[2]) for row in rows[1:])


def test_unknown_target_is_refused_with_the_allowed_ones():
    with pytest.raises(RecipeError, match=r"'loihi'.*emulator, loihi-sim, loihi2"):
        get_target("loihi")


def test_options_reach_the_targets_on_lava():
    options = LavaOptions(lif="own", parallel_samples=7)
    assert get_target("loihi-sim", options).options == options
    assert get_target("loihi2", options).options == options


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ({"model": "core"}, "model is 'core'"),
        ({"lif": "mine"}, "lif is 'mine'"),
        ({"synapses": "dense"}, "synapses is 'dense'"),
        ({"parallel_samples": 0}, "parallel_samples is 0"),
        ({"time_limit": 0.0}, "time_limit is 0"),
    ],
)
def test_wrong_lava_options_are_refused_by_name(option, named):
    with pytest.raises(RecipeError, match=named):
        LavaOptions(**option)


def test_emulator_target_gives_the_same_in_batches():
    network = random_network(0)
    inputs = random_inputs(0, network, n_steps=15, n_samples=5)
    reference, record = emulate(network, inputs), Emulator(batch=2).run(network, inputs)
    np.testing.assert_array_equal(reference.readout, record.readout)
    for a, b in zip(reference.spikes, record.spikes, strict=True):
        np.testing.assert_array_equal(a.spikes, b.spikes)
    states = Emulator().states(network, inputs[:, 0], 9)
    np.testing.assert_array_equal(states[0]["v"], list(trace(network, inputs[:, 0]))[9][0]["v"])


def test_emulator_target_takes_graded_events():
    network = random_graph(0, graded=True)
    events = random_events(0, network, n_steps=15, n_samples=3)
    record = Emulator(batch=2, spikes=False).run(network, events)
    assert record.spikes == ()
    np.testing.assert_array_equal(emulate(network, events).readout, record.readout)


@pytest.mark.parametrize("name", ["emulator", "loihi-sim"])
def test_wrong_inputs_and_steps_are_refused_before_anything_runs(name):
    network = random_network(0)
    inputs = random_inputs(0, network, n_steps=5, n_samples=2)
    with pytest.raises(NetworkError):
        get_target(name).run(network, inputs[:, :, :-1])
    with pytest.raises(RecipeError, match="steps 0 to 4"):
        get_target(name).states(network, inputs[:, 0], 5)


def test_listing_targets_imports_neither_torch_nor_lava():
    code = (
        "import sys, deploy.targets as t; [t.get_target(n).unavailable() for n in list(t.TARGETS)[:2]]; "
        "print([m for m in sys.modules if m == 'torch' or m.startswith('lava.proc')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "[]"
