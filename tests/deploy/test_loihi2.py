"""The target loihi2: where there is no chip, and how a site's hardware model gets in.

No Lava is mocked. Where a test says "installed", the target is only told so: it then goes on to the
first thing that lava-loihi would have to do, and says in one line that it is not there.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from random_graphs import random_graph
from random_networks import neurons, random_inputs, random_network

import deploy.loihi2 as loihi2
from deploy.lava.neurons.neuron import lava_neurons
from deploy.lava.options import LavaOptions
from deploy.targets import get_target
from lsnn_neuro.errors import RecipeError, TargetFailedError, TargetUnavailableError
from quantize.emulator import emulate
from quantize.network import QuantizedNetwork

ROOT = Path(__file__).parents[2]


@pytest.fixture
def installed(monkeypatch):
    """Tells the target, in this process, that lava-loihi is there."""
    monkeypatch.setattr("lava.utils.loihi.is_installed", lambda: True)
    monkeypatch.setattr(loihi2, "_hardware_models", {})


def test_says_in_one_line_that_lava_loihi_is_missing():
    network = random_network(0)
    inputs = random_inputs(0, network, n_steps=5, n_samples=1)
    reason = get_target("loihi2").unavailable()
    assert "lava-loihi is not installed" in reason
    assert "\n" not in reason
    with pytest.raises(TargetUnavailableError, match="target 'loihi2': lava-loihi"):
        get_target("loihi2").run(network, inputs)


@pytest.mark.usefixtures("installed")
def test_says_that_no_host_is_known(monkeypatch):
    monkeypatch.delenv("NXSDKHOST", raising=False)
    monkeypatch.setenv("PATH", "")
    assert "set NXSDKHOST" in get_target("loihi2").unavailable()


@pytest.mark.usefixtures("installed")
def test_says_which_population_lacks_a_hardware_model(monkeypatch):
    monkeypatch.setenv("NXSDKHOST", "host")
    network = random_network(0)
    assert get_target("loihi2").unavailable() is None
    said = (
        r"'pop1' can't run on Lava's LIF \(its reset is 'subtract'.*no hardware model of GeneralLIF"
    )
    with pytest.raises(TargetUnavailableError, match=said):
        get_target("loihi2").states(network, np.zeros((1, network.n_inputs), bool), 0)


def test_atrlif_populations_need_a_model_of_their_own_process(monkeypatch):
    network = random_network(0, ("atrlif",))
    monkeypatch.setattr(loihi2, "_hardware_models", {"ALIF": "site:NcALIF"})
    assert "no hardware model of ATRLIF" in loihi2.Loihi2().model_missing(network)
    monkeypatch.setitem(loihi2._hardware_models, "ATRLIF", "site:NcATRLIF")
    assert loihi2.Loihi2().model_missing(network) is None


@pytest.mark.usefixtures("installed")
def test_a_network_of_stock_lif_gets_as_far_as_the_missing_package(monkeypatch):
    monkeypatch.setenv("NXSDKHOST", "host")
    network = random_network(16)
    assert {lava.label for lava in lava_neurons(network, "auto").values()} == {"stock LIF", "LI"}
    inputs = random_inputs(16, network, n_steps=5, n_samples=1)
    with pytest.raises(TargetFailedError, match=r"no chip answers \(.*Lava-Loihi is not") as caught:
        get_target("loihi2").run(network, inputs)
    assert "\n" not in str(caught.value)


def test_a_fused_network_has_no_place_on_a_chip():
    with pytest.raises(RecipeError, match="can't run on a chip"):
        loihi2.Loihi2(LavaOptions(model="fused"))


@pytest.mark.parametrize("seed", [2, 10, 30, 36])
def test_host_readout_equals_the_emulators(seed):
    network = random_graph(seed)  # readouts with currents, biases, delays, and inputs of their own
    inputs = random_inputs(seed, network, n_steps=30, n_samples=3)
    record = emulate(network, inputs)
    assert record.readout.any()
    trains = {p.name: p.spikes for p in record.spikes}
    np.testing.assert_array_equal(record.readout, loihi2.host_readout(network, inputs, trains))


def test_what_lacks_a_hardware_model_is_named_with_its_process(monkeypatch):
    monkeypatch.setattr(loihi2, "_hardware_models", {})

    def missing(population, lif="auto"):
        network = QuantizedNetwork(
            n_inputs=1, populations=(population,), projections=(), outputs=("pop",)
        )
        return loihi2.Loihi2(LavaOptions(lif=lif)).model_missing(network)

    plain = neurons("lif", vth=[64], reset="to")
    assert missing(plain) is None
    assert "(lif is 'own'), and no hardware model of GeneralLIF" in missing(plain, "own")
    assert "(its neurons are 'ahp'), and no hardware model of AHP" in missing(
        neurons("ahp", vth=[0])
    )


PLUGIN = '''
from lava.magma.core.decorator import implements, requires
from lava.magma.core.model.model import AbstractProcessModel
from lava.magma.core.resources import CPU, Loihi2NeuroCore
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.lif.process import LIF

from deploy.lava.neurons.alif import ALIF
from deploy.loihi2 import register_hardware_model


@implements(proc={process}, protocol=LoihiProtocol)
@requires({resource})
class NcALIFModel(AbstractProcessModel):
    """What a site with lava-loihi derives from AbstractNcProcessModel instead."""

    def run(self):
        pass


{register}
'''
REGISTER = "register_hardware_model(ALIF, NcALIFModel)"


def run_with_plugin(folder, *, process="ALIF", resource="Loihi2NeuroCore", register=REGISTER):
    """Install a plugin as a distribution in a folder, and build the chip's graph in a child."""
    text = PLUGIN.format(process=process, resource=resource, register=register)
    (folder / "site_alif.py").write_text(text)
    about = folder / "site_alif-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: site-alif\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[lsnn_neuro.hardware_models]\nalif = site_alif\n")
    path = os.pathsep.join(map(str, (folder, ROOT, ROOT / "tests")))
    return subprocess.run(
        [sys.executable, str(Path(__file__).with_name("chip_models.py")), str(folder)],
        capture_output=True, text=True, timeout=280, check=False,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


def test_an_installed_plugins_model_runs_our_neuron_and_lava_chooses_the_rest(tmp_path):
    done = run_with_plugin(tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["registered"] == {"ALIF": "site_alif:NcALIFModel"}
    assert result["missing"] is None
    chosen = dict(map(tuple, result["models"].values()))
    assert chosen["ALIF"] == "NcALIFModel"
    assert chosen["SpikeSource"] == "PySpikeSourceModel"
    assert {"ALIF"} < set(result["on_cores"])
    assert not {"SpikeSource", "Recorder"} & set(result["on_cores"])
    assert not {"Sparse", "DelaySparse", "LIF"} & set(chosen), "left to Loihi2HwCfg"


@pytest.mark.parametrize(
    ("plugin", "named"),
    [
        ({"process": "LIF"}, "hardware model site_alif:NcALIFModel: implements LIF, expected ALIF"),
        ({"resource": "CPU"}, "requires CPU, expected a neuro core"),
        ({"register": "import no_such_module"},
         "plugin 'alif' (site_alif) can't be loaded (ModuleNotFoundError"),
        ({"register": "class A:\n    class B(NcALIFModel): pass\n"
                      "register_hardware_model(ALIF, A.B)"},
         "hardware model site_alif:A.B: is not at the top of a module"),
    ],
)  # fmt: skip
def test_a_plugin_that_can_not_work_is_refused_with_the_reason(tmp_path, plugin, named):
    done = run_with_plugin(tmp_path, **plugin)
    assert done.returncode != 0
    last = done.stderr.splitlines()[-1]
    assert last.startswith("lsnn_neuro.errors.")
    assert named in last
