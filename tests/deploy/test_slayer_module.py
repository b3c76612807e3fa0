"""Live networks of lava-dl's slayer that are refused, and why; those taken: test_slayer.py."""

import warnings

import pytest
from same import differences

from deploy.interchange.slayer_module import from_slayer
from lsnn_neuro.errors import NetworkError


@pytest.fixture(scope="module")
def slayer():
    """lava-dl's own package; what it says about its optional parts while being imported is its own."""
    pytest.importorskip("lava.lib.dl", reason="lava-dl 0.6.0 is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lava.lib.dl import slayer
    return slayer


def ran(*blocks):
    """Blocks that have run once, as a module."""
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(*blocks)
    with torch.no_grad():
        module(torch.ones(1, 4, 5))
    return module


CUBA = {"threshold": 1.0, "current_decay": 0.5, "voltage_decay": 0.1}


def test_a_block_that_has_not_run_is_refused_by_name(slayer):
    torch = pytest.importorskip("torch")
    with pytest.raises(
        NetworkError, match=r"block '0' \(Dense\): has not run yet.*run the network"
    ):
        from_slayer(torch.nn.ModuleList([slayer.block.cuba.Dense(dict(CUBA), 4, 3)]))


def test_what_is_no_block_of_slayer_is_refused_by_name(slayer):
    torch = pytest.importorskip("torch")
    module = ran(slayer.block.cuba.Dense(dict(CUBA), 4, 3), torch.nn.ReLU())
    module.register_parameter("gain", torch.nn.Parameter(torch.ones(1)))
    with pytest.raises(NetworkError) as caught:
        from_slayer(module)
    assert "module '1' (ReLU): is no block of slayer" in str(caught.value)
    assert "parameter 'gain': belongs to no block" in str(caught.value)
    with pytest.raises(NetworkError, match=r"\(Linear\): is no block of slayer"):
        from_slayer(torch.nn.Linear(2, 2))


def test_a_block_that_is_registered_twice_is_refused_by_both_names(slayer):
    block = slayer.block.cuba.Dense(dict(CUBA), 4, 4)
    with pytest.raises(NetworkError, match=r"block '0': is also registered as '1'.*net\.blocks"):
        from_slayer(ran(block, block))


def test_decays_that_only_the_export_clips_are_refused(slayer):
    neuron = CUBA | {"current_decay": 1.0, "shared_param": False}  # 1 % jitter on both sides
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    module = ran(slayer.block.cuba.Dense(neuron, 4, 30))
    with pytest.raises(
        NetworkError, match=r"current_decay runs from .* to 41\d\d.*neuron.clamp\(\)"
    ):
        from_slayer(module)
    assert module[0].neuron.current_decay.max() > 4096
    module[0].neuron.clamp()
    assert from_slayer(module).network.populations[0].size == 30


def test_a_network_of_ones_own_with_an_export_comes_in_whole(slayer):
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            dense = slayer.block.cuba.Dense
            self.blocks = torch.nn.ModuleList(
                [dense(dict(CUBA), 4, 3, weight_norm=True, delay=True), dense(dict(CUBA), 3, 2)]
            )

        def forward(self, x):
            for block in self.blocks:
                x = block(x)
            return x

        def export_hdf5(self, file):
            raise AssertionError("never called")

    torch.manual_seed(0)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch's, of weight norm as slayer has it
        net = Net()
        net(torch.ones(1, 4, 5))
        found = from_slayer(net)
    assert [p.size for p in found.network.populations] == [3, 2]
    assert [layer.node for layer in found.layers] == ["blocks.0", "blocks.1"]
    assert net.blocks[0].synapse.weight_norm_enabled
    assert differences(found.network, from_slayer(net.blocks).network) == []
