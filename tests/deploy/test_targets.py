"""The list of targets, and what they say when they can't run."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from random_networks import random_inputs, random_network

import deploy.loihi2 as loihi2
from deploy.emulated import EmulatorTarget
from deploy.lava.options import LavaOptions
from deploy.lava.stock_lif import on_stock_lif
from deploy.targets import TARGETS, Target, get_target
from lsnn_neuro.errors import NetworkError, RecipeError, TargetUnavailableError
from quantize.emulator import emulate, trace

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_has_its_name_and_the_whole_protocol(name):
    target = get_target(name)
    assert isinstance(target, Target)
    assert target.name == name


def test_unknown_target_is_refused_with_the_allowed_ones():
    with pytest.raises(RecipeError, match=r"'loihi'.*emulator, loihi-sim, loihi2"):
        get_target("loihi")


def test_options_reach_the_targets_on_lava():
    options = LavaOptions(lif="own", copies=7)
    assert get_target("loihi-sim", options).options == options
    assert get_target("loihi2", options).options == options


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ({"model": "core"}, "model is 'core'"),
        ({"lif": "mine"}, "lif is 'mine'"),
        ({"synapses": "dense"}, "synapses is 'dense'"),
        ({"copies": 0}, "copies is 0"),
        ({"time_limit": 0.0}, "time_limit is 0"),
    ],
)
def test_wrong_lava_options_are_refused_by_name(option, named):
    with pytest.raises(RecipeError, match=named):
        LavaOptions(**option)


def test_emulator_target_gives_the_same_in_batches():
    network = random_network(0)
    inputs = random_inputs(0, network, n_steps=15, n_samples=5)
    reference, record = emulate(network, inputs), EmulatorTarget(batch=2).run(network, inputs)
    np.testing.assert_array_equal(reference.readout, record.readout)
    for a, b in zip(reference.spikes, record.spikes, strict=True):
        np.testing.assert_array_equal(a.spikes, b.spikes)
    states = EmulatorTarget().states(network, inputs[:, 0], 9)
    np.testing.assert_array_equal(states[0].v, list(trace(network, inputs[:, 0]))[9][0].v)


@pytest.mark.parametrize("name", ["emulator", "loihi-sim"])
def test_wrong_inputs_and_steps_are_refused_before_anything_runs(name):
    network = random_network(0)
    inputs = random_inputs(0, network, n_steps=5, n_samples=2)
    with pytest.raises(NetworkError):
        get_target(name).run(network, inputs[:, :, :-1])
    with pytest.raises(RecipeError, match="steps 0 to 4"):
        get_target(name).states(network, inputs[:, 0], 5)


class TestLoihi2:
    """Where there is no chip, and with a pretended lava-loihi."""

    @pytest.fixture
    def installed(self, monkeypatch):
        """As if lava-loihi were there."""
        monkeypatch.setattr("lava.utils.loihi.is_installed", lambda: True)
        monkeypatch.setattr(loihi2, "_hardware_models", {})

    def test_says_in_one_line_that_lava_loihi_is_missing(self):
        network = random_network(0)
        inputs = random_inputs(0, network, n_steps=5, n_samples=1)
        reason = get_target("loihi2").unavailable()
        assert "lava-loihi is not installed" in reason
        assert "\n" not in reason
        with pytest.raises(TargetUnavailableError, match="target 'loihi2': lava-loihi"):
            get_target("loihi2").run(network, inputs)

    @pytest.mark.usefixtures("installed")
    def test_says_that_no_host_is_known(self, monkeypatch):
        monkeypatch.delenv("NXSDKHOST", raising=False)
        monkeypatch.setenv("PATH", "")
        assert "set NXSDKHOST" in get_target("loihi2").unavailable()

    @pytest.mark.usefixtures("installed")
    def test_says_which_population_lacks_a_hardware_model(self, monkeypatch):
        monkeypatch.setenv("NXSDKHOST", "host")
        network = random_network(0)
        assert len(on_stock_lif(network, "auto")) < len(network.populations)
        assert get_target("loihi2").unavailable() is None
        with pytest.raises(TargetUnavailableError, match=r"population 'pop\d'.*no hardware model"):
            get_target("loihi2").states(network, np.zeros((1, network.n_inputs), bool), 0)

    @pytest.mark.usefixtures("installed")
    def test_registered_model_removes_the_obstacle(self):
        target = loihi2.Loihi2Target()
        assert target.model_missing(random_network(0))
        process = type("ALIF", (), {})
        loihi2.register_hardware_model(process, LavaOptions)
        assert target.model_missing(random_network(0)) is None
        assert loihi2.hardware_models() == {"ALIF": "deploy.lava.options:LavaOptions"}

    def test_host_readout_equals_the_emulators(self):
        network = random_network(4)
        inputs = random_inputs(4, network, n_steps=30, n_samples=3)
        record = emulate(network, inputs)
        assert record.readout.any()
        readout = loihi2.host_readout(network, [p.spikes for p in record.spikes])
        np.testing.assert_array_equal(record.readout, readout)


def test_listing_targets_imports_neither_torch_nor_lava():
    code = (
        "import sys, deploy.targets as t; [t.get_target(n).unavailable() for n in t.TARGETS[:2]]; "
        "print([m for m in sys.modules if m == 'torch' or m.startswith('lava.proc')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "[]"
