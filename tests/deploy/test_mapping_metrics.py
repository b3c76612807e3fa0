"""NeuroBench's metrics: by hand, and against NeuroBench itself."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from oracles import ask
from placed_networks import lsnn
from random_networks import li, neurons, random_events, random_inputs, random_network

from deploy.mapping.metrics import footprint, neurobench_metrics, neuron_bytes
from quantize import file_format
from quantize.emulator import emulate


def undelayed(network):
    """Without delays and negative exponents, which the oracle's Linear layers don't have."""
    return replace(network, projections=tuple(
        replace(p, delay=np.zeros_like(p.delay), weight_exp=max(p.weight_exp, 0))
        for p in network.projections
    ))  # fmt: skip


def test_every_spike_counts_once_for_every_synapse_it_reaches():
    network = lsnn(20, 6, n_inputs=5)
    inputs = random_inputs(1, network, n_steps=15, n_samples=3)
    record = emulate(network, inputs)
    trains = {"input": inputs} | {p.name: p.spikes for p in record.spikes}
    by_hand = sum(
        int(trains[p.source][..., i].sum()) for p in network.projections for i in p.source_index
    )
    found = neurobench_metrics(network, inputs, record)
    assert record.n_spikes > 0
    assert found.synaptic_operations.Effective_ACs == by_hand / 3
    assert found.synaptic_operations.Effective_MACs == 0
    # inputs onto 2 x 10, 2 x 2 recurrent matrices of 10 x 10, 2 x 10 onto 10 outputs, 15 steps
    assert found.synaptic_operations.Dense == 15 * (5 * 20 + 400 + 200)
    assert found.activation_sparsity == 1 - record.n_spikes / (15 * 3 * 20)
    assert found.connection_sparsity == round(1 - network.n_synapses / 700, 4)


def test_delays_and_zero_weights_take_memory():
    network = lsnn(20, 6, n_inputs=5)
    without = footprint(network)
    assert without == 700 + 10 * 15 + 10 * 25 + 10 * 10
    first = network.projections[0]
    delayed = replace(first, delay=np.ones_like(first.delay))
    network = replace(network, projections=(delayed, *network.projections[1:]))
    assert footprint(network) == without + 5 * 10


@pytest.mark.parametrize(
    ("population", "size"),
    [
        # decay_v, vth; v, r, what arrives
        (neurons("lif", decay_v=[9], vth=64), 2 + 4 + 4 + 1 + 4),
        (neurons("if", vth=[64]), 4 + 4 + 1 + 4),
        # decay_v, decay_a, step_a, vth, n_ref; v, a, r, what arrives
        (neurons("alif", decay_v=[9], decay_a=9, step_a=9, vth=64, n_ref=5), 13 + 4 + 4 + 1 + 4),
        # decay_v, decay_a, decay_r, step_a, vth; v, a, r, what arrives; decay_i and the current
        (neurons("atrlif", decay_v=[9], decay_a=9, decay_r=9, step_a=64, vth=64, decay_i=9), 14 + 16 + 6),
        # decay_v and offset; v
        (li("readout", [9], offset=1.0), 6 + 4),
        (li("readout", [9], decay_i=9, bias=64), 6 + 4 + 6 + 2),
    ],
)  # fmt: skip
def test_a_neuron_takes_its_constants_and_states(population, size):
    assert neuron_bytes(population) == size


def test_graded_events_multiply():
    network = lsnn(20, 6, n_inputs=5)
    inputs = random_events(1, network, n_steps=15, n_samples=3)
    record = emulate(network, inputs)
    found = neurobench_metrics(network, inputs, record).synaptic_operations
    spikes = neurobench_metrics(network, inputs != 0, record).synaptic_operations
    assert found.Effective_MACs == (inputs != 0).sum() * 4 * 10 / 2 / 3 > 0
    assert found.Effective_MACs + found.Effective_ACs == spikes.Effective_ACs


@pytest.mark.slow
@pytest.mark.parametrize("draw", [random_inputs, random_events])
@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4, 9])
def test_metrics_are_those_of_neurobench(seed, draw, tmp_path):
    network = undelayed(random_network(seed))
    inputs = draw(seed, network, n_steps=20, n_samples=3)
    record = emulate(network, inputs)
    file_format.save(network, tmp_path / "network.safetensors")
    np.save(tmp_path / "inputs.npy", inputs)
    theirs = ask("neurobench", "deploy/neurobench_oracle.py", tmp_path / "network.safetensors",
                 tmp_path / "inputs.npy")  # fmt: skip
    assert theirs.pop("spikes") == record.n_spikes  # it is the same network
    assert theirs.pop("last_readout") == record.readout[-1].tolist()
    ours = asdict(neurobench_metrics(network, inputs, record))
    assert ours.pop("synaptic_operations") == theirs.pop("synaptic_operations")
    assert ours.pop("activation_sparsity") == pytest.approx(theirs.pop("activation_sparsity"))
    assert ours == theirs
