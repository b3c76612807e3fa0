"""A neuron from another package on Lava: with a process of its own, and without."""

import numpy as np
import pytest
from on_lava import check, emulated, mismatches, side_by_side
from on_lava import lava as on_lava
from random_networks import li, neurons

from deploy.lava.neurons.neuron import lava_neurons
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.registry import NEURONS

NEURON = '''
from dataclasses import dataclass
from deploy.lava.neurons.own import OwnNeuron
from lsnn_neuro.neurons.firing import FiringConstants, FiringNeuron, fire
from lsnn_neuro.neurons.neuron import decay, positive, state, threshold, time_constant


@dataclass(frozen=True, kw_only=True)
class ADPConstants(FiringConstants):
    decay_v: object = decay()
    decay_u: object = decay()
    step_u: object = state()
    vth: object = threshold()


@dataclass(frozen=True, kw_only=True, eq=False)
class ADP(FiringNeuron):
    """A spike leaves a current that drives its own neuron on."""

    name = "adp"
    Constants = ADPConstants
    states = ("v", "u", "r", "z")
    b0: object = positive(above=True)
    constants = gain = peak = None

    @staticmethod
    def step(s, drive, c, ar):
        u = ar.saturate(ar.decay(s.u, c.decay_u) + c.step_u * s.z)
        v = ar.saturate(ar.decay(s.v, c.decay_v) + (drive + u))
        return fire(s.replace(u=u), v, c.vth, c, ar)


class LavaADP(OwnNeuron):
    label = process_name = "ADP"
    module = "site_adp_lava"
'''
PROCESS = """
import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from deploy.lava.neurons.process import FiringModel, FiringProcess, Integers


class ADP(FiringProcess):
    state_names = ("v", "u", "r", "z")


@implements(proc=ADP, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyADPModelFixed(Integers, FiringModel):
    u = LavaPyType(np.ndarray, np.int32, precision=24)
    decay_u = LavaPyType(np.ndarray, np.int32, precision=13)
    step_u = LavaPyType(np.ndarray, np.int32, precision=23)

    def integrate(self, drive):
        self.u[:] = self.saturate(self.decay(self.u, self.decay_u) + self.step_u * self.z)
        self.leak(drive + self.u)
        self.fire(self.vth)
"""
KNOWN = "[lsnn_neuro.neurons]\nadp = site_adp:ADP\n"
ON_LAVA = "[lsnn_neuro.lava_neurons]\nadp = site_adp:LavaADP\n"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts the package on the path, with these entry points."""

    def installed(entry_points):
        (tmp_path / "site_adp.py").write_text(NEURON)
        (tmp_path / "site_adp_lava.py").write_text(PROCESS)
        about = tmp_path / "site_adp-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: site-adp\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(entry_points)
        monkeypatch.syspath_prepend(str(tmp_path))
        fields = {
            "decay_v": [300, 50, 9],
            "decay_u": [99, 1, 800],
            "vth": [64 * 300] * 3,
            "n_ref": 1,
        }
        adp = neurons("adp", "adp", **fields, step_u=[5000, 0, 99], decay_i=[0, 7, 4096], bias=3)
        return side_by_side(np.random.default_rng(0), [adp, li("readout", [30])])

    return installed


def test_a_neuron_with_a_process_of_its_own_is_equal_on_lava(install):
    reference, record = check(install(KNOWN + ON_LAVA), 0)
    assert record.target == "loihi-sim (event synapses, ADP)"
    assert reference.n_spikes > 0


def test_a_neuron_without_a_process_runs_fused_and_the_graph_says_why_not(install):
    network = install(KNOWN)
    inputs = np.ones((9, 1, 5), bool)
    with pytest.raises(
        NetworkError, match="'adp': there is no Lava process for 'adp' neurons"
    ) as error:
        on_lava().run(network, inputs)
    assert "\n" not in str(error.value)
    assert mismatches(emulated(network, inputs), on_lava(model="fused").run(network, inputs)) == (
        0,
        0,
    )


@pytest.mark.parametrize("kind", list(NEURONS))
def test_every_neuron_of_ours_has_a_process(kind):
    needed = {"decay_i": [1], "at_threshold": True} if NEURONS[kind].current_wraps else {}
    needed |= {"vth": [64]} if NEURONS[kind].spiking else {"decay_v": [1]}
    network = side_by_side(np.random.default_rng(0), [neurons(kind, **needed)])
    assert set(lava_neurons(network, "auto")) == {"pop"}
