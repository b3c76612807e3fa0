"""What learns, and by which gradient: random feedback, liquids."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from random_lsnns import lsnn, spikes, tiny_recipe

from lsnn_neuro.network.config import LSNNConfig
from lsnn_neuro.training import Trainer

DENSE = {
    "regular": 5, "adaptive": 4, "input_connectivity": 1.0, "recurrent_connectivity": 1.0,
    "readout_connectivity": 1.0, "n_ref": 1, "b0": 0.02,
}  # fmt: skip


def group(network, name):
    """The synapses of a group."""
    return next(g for g in network.groups if g.name == name)


def neuron_0(synapses, end):
    """Which synapses have the first regular neuron as their source or target."""
    regular = [getattr(p, end) == "regular" for p in synapses.projections]
    return torch.tensor(regular)[synapses.block.long()] & (getattr(synapses, end) == 0)


def readout_gradient(network, name):
    output = network(spikes(3, n_steps=30, n_samples=4))
    (gradient,) = torch.autograd.grad(output.readout[20:].sum(), group(network, name).theta)
    return gradient


def test_errors_pass_through_the_fixed_weights_and_not_through_the_readouts():
    network = lsnn(LSNNConfig(learning="random-feedback", **DENSE), 1)
    before = readout_gradient(network, "input")
    assert before.abs().max() > 0
    own = readout_gradient(network, "readout")
    with torch.no_grad():
        group(network, "readout").theta.mul_(2.0)
    torch.testing.assert_close(readout_gradient(network, "input"), before)
    torch.testing.assert_close(readout_gradient(network, "readout"), own)
    network.feedback.mul_(-3.0)
    torch.testing.assert_close(readout_gradient(network, "input"), -3 * before)


def test_errors_do_not_pass_back_through_recurrent_synapses():
    """Only neuron 0 has feedback, so no other neuron's input weights get a gradient."""
    shares = {}
    for learning in ("random-feedback", "bptt"):
        network = lsnn(LSNNConfig(learning=learning, **DENSE), 1)
        readout, inputs = group(network, "readout"), group(network, "input")
        with torch.no_grad():
            if learning == "bptt":
                readout.theta[~neuron_0(readout, "source")] = 0
            else:
                network.feedback[:, 1:] = 0
        gradient = readout_gradient(network, "input")
        shares[learning] = bool(gradient[~neuron_0(inputs, "target")].any())
    assert shares == {"random-feedback": False, "bptt": True}


@pytest.mark.parametrize("aware", [False, True])
def test_a_liquid_learns_its_readout_alone(aware):
    recipe = tiny_recipe(network={"learning": "liquid"}, quantization={} if aware else None)
    trainer = Trainer(recipe)
    before = {name: t.clone() for name, t in trainer.network.state_dict().items()}
    for _ in range(5):
        trainer.train_step()
    changed = {
        name for name, t in trainer.network.state_dict().items() if not torch.equal(t, before[name])
    }
    names = [g.name for g in trainer.network.groups]
    readout = f"groups.{names.index('readout')}."
    assert {f"{readout}theta", "populations.2.offset"} <= changed
    assert not [n for n in changed if n.startswith("groups.") and not n.startswith(readout)]
    synapses = group(trainer.network, "readout")
    assert synapses.n_active == synapses.n_active_at_start


@pytest.mark.parametrize("learning", ["random-feedback", "liquid"])
def test_the_loss_falls(learning):
    recipe = tiny_recipe(
        network={"learning": learning, "regular": 20, "adaptive": 20, "readout_connectivity": 1.0},
        training={
            "iterations": 60,
            "lr": 0.02,
            "schedule": None,
            "batch_size": 32,
            "logit_scale": 20,
        },
    )
    trainer = Trainer(recipe)
    losses = [trainer.train_step()["loss"] for _ in range(60)]
    assert np.mean(losses[-15:]) < 0.95 * np.mean(losses[:15])


def test_a_liquids_neurons_do_not_learn():
    with pytest.raises(ValidationError, match="a liquid's neurons don't learn"):
        LSNNConfig(learning="liquid", learn=("beta",))
