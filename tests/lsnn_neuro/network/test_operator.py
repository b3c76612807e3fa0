"""The kernel as a torch operator: compiled, exported, in front of and behind other modules."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from exact_kernel import exact_distances
from random_networks import random_events, random_inputs
from random_specs import random_spec
from torch import nn

from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network import kernel, wiring
from lsnn_neuro.network.dynamics import NetworkState
from lsnn_neuro.network.module import SpikingNetwork
from lsnn_neuro.neurons.neuron import State
from quantize.aware import QuantizationAware
from quantize.conversion import convert
from quantize.emulator import emulate, emulate_reference

pytestmark = pytest.mark.skipif(not kernel.available(), reason="native kernel not built")
ENDS = ("n_ref", "source", "target", "delay", "active")


class Operator(nn.Module):
    """A linear layer, the operator, and its first results."""

    def __init__(self, spec, tape="full"):
        super().__init__()
        found = wiring.float_arguments(SpikingNetwork(spec))
        self.linear = nn.Linear(4, spec.n_inputs)
        for name in ENDS:
            self.register_buffer(name, getattr(found, name))
        self.weight = nn.Parameter(found.weight.detach())
        self.numbers = nn.Parameter(found.numbers.detach())
        self.layout, self.tape = found.layout.text, tape

    def forward(self, x):
        found = torch.ops.lsnn_neuro.simulate(
            torch.sigmoid(self.linear(x)), self.weight, self.numbers, self.n_ref, self.source,
            self.target, self.delay, self.active, [], self.layout, None, self.tape, 1,
        )  # fmt: skip
        readout, rate, spikes = found[0], found[1], found[3]
        z = torch.ops.lsnn_neuro.unpack(found[-1], spikes, 0)
        return readout, rate, z


def loss_and_gradients(module, compiled, x):
    module.zero_grad()
    readout, rate, z = compiled(x)
    loss = readout.square().sum() + rate.sum() + 0.1 * z.sum()
    loss.backward()
    return loss.detach(), {n: p.grad.clone() for n, p in module.named_parameters()}


@pytest.mark.filterwarnings("ignore")  # torch's own, while it compiles
@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_it_compiles_as_one_graph_forward_and_backward(backend):
    torch._dynamo.reset()
    module, x = Operator(random_spec(3)), torch.rand(20, 5, 4)
    loss, expected = loss_and_gradients(module, module, x)
    compiled = torch.compile(module, fullgraph=True, backend=backend)
    again, found = loss_and_gradients(module, compiled, x)
    torch.testing.assert_close(again, loss)
    assert all(expected[name].any() for name in ("weight", "numbers", "linear.weight"))
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient)


@pytest.mark.filterwarnings("ignore")
def test_it_can_be_exported():
    module, x = Operator(random_spec(3)), torch.rand(20, 5, 4)
    program = torch.export.export(module, (x,))
    with torch.no_grad():
        for found, expected in zip(program.module()(x), module(x), strict=True):
            torch.testing.assert_close(found, expected)


def test_second_derivatives_are_refused():
    module = Operator(random_spec(3))
    readout, _, _ = module(torch.rand(20, 5, 4))
    (gradient,) = torch.autograd.grad(readout.square().sum(), module.weight, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_without_gradients_nothing_is_kept():
    module = Operator(random_spec(3))
    arguments = wiring.float_arguments(SpikingNetwork(random_spec(3)))
    x = (torch.rand(20, 5, arguments.layout.n_inputs) < 0.3).float()
    for context in (torch.inference_mode, torch.no_grad):
        with context():
            found = torch.ops.lsnn_neuro.simulate(
                x, module.weight, module.numbers, *(getattr(module, n) for n in ENDS), [],
                module.layout, None, "compact", 1,
            )  # fmt: skip
        assert found[6].numel() == 0


@pytest.mark.parametrize("seed", range(6))
def test_two_networks_in_a_row_both_learn(seed):
    """The spikes of one are the input of the other, and a linear layer stands before both."""
    first = SpikingNetwork(random_spec(seed))
    second = SpikingNetwork(random_spec(seed + 100))
    between = nn.Linear(first.n_neurons, second.spec.n_inputs)
    front = nn.Linear(3, first.spec.n_inputs)
    x = torch.randn(25, 4, 3, generator=torch.Generator().manual_seed(seed))

    def gradients(loop):
        a, b = (n.forward_loop if loop else n for n in (first, second))
        one = a(front(x))
        two = b(between(one.spikes))
        assert loop or (one.engine, two.engine) == ("kernel", "kernel")
        named = {n: p for m in (front, first, between, second) for n, p in m.named_parameters(str(id(m)))
                 if p.requires_grad}  # fmt: skip
        loss = two.readout.square().mean() + two.rate.sum() + one.readout.mean()
        return one.spikes, two.spikes, torch.autograd.grad(loss, named.values(), allow_unused=True)

    with exact_distances():
        *spikes, found = gradients(False)
    *expected_spikes, expected = gradients(True)
    if not all(map(torch.equal, spikes, expected_spikes)):
        return  # a tie
    largest = max(float(g.abs().max()) for g in expected if g is not None and g.numel())
    for a, b in zip(found, expected, strict=True):
        if b is not None:
            assert float((a - b).abs().max() if a.numel() else 0.0) <= 1e-4 * largest


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("kind", ["graded", "real"])
def test_inputs_count_what_they_are_and_get_gradients(seed, kind):
    net = SpikingNetwork(random_spec(seed))
    if kind == "real":
        x = torch.randn(25, 17, net.spec.n_inputs, generator=torch.Generator().manual_seed(seed))
    else:
        x = torch.from_numpy(random_events(seed, net.spec, n_steps=25, n_samples=17)).float()
    x.requires_grad_()
    with exact_distances():
        output = net(x)
        assert output.engine == "kernel"
        (found,) = torch.autograd.grad(output.readout.square().mean() + output.rate.sum(), x)
    loop = net.forward_loop(x)
    (expected,) = torch.autograd.grad(loop.readout.square().mean() + loop.rate.sum(), x)
    if torch.equal(output.spikes, loop.spikes):
        assert float((found - expected).abs().max()) <= 1e-4 * float(expected.abs().max())


def whole_then_halves(run, x):
    """A run, and the same in two parts, the second from where the first ended."""
    with torch.no_grad():
        whole, one = run(x, None), run(x[:11], None)
        two = run(x[11:], one.state)
    return whole, one, two


@pytest.mark.parametrize("aware", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_a_run_goes_on_from_where_another_ended(seed, aware):
    net = SpikingNetwork(random_spec(seed))
    x = torch.from_numpy(random_inputs(seed, net.spec, n_steps=30, n_samples=17))
    run = QuantizationAware(net) if aware else net
    whole, one, two = whole_then_halves(run, x)
    assert {whole.engine, one.engine, two.engine} == {"kernel"}
    assert torch.equal(torch.cat([one.spikes, two.spikes]), whole.spikes)
    torch.testing.assert_close(torch.cat([one.readout, two.readout]), whole.readout)
    same_state(two.state, whole.state, exact=aware)


@pytest.mark.parametrize("seed", range(20))
def test_its_state_is_that_of_the_loop(seed):
    net = SpikingNetwork(random_spec(seed))
    x = torch.from_numpy(random_inputs(seed, net.spec, n_steps=7, n_samples=3))
    with torch.no_grad():
        same_state(net(x).state, net.forward_loop(x).state)
        same_state(net(x[:0]).state, net.forward_loop(x[:0]).state)


def same_state(found, expected, *, exact=False):
    options = {"rtol": 0, "atol": 0} if exact else {"rtol": 1e-4, "atol": 1e-5}
    for name, state in expected.populations.items():
        for variable, value in vars(state).items():
            torch.testing.assert_close(getattr(found.populations[name], variable), value, **options)
    for name, current in expected.currents.items():
        torch.testing.assert_close(found.currents[name], current, **options)
    for name, past in expected.history.items():
        assert len(past) == len(found.history[name])
        assert all(map(torch.equal, found.history[name], past))


@pytest.mark.parametrize("seed", range(10))
def test_gradients_from_a_given_state_are_the_loops(seed):
    net = SpikingNetwork(random_spec(seed))
    x = torch.from_numpy(random_inputs(seed, net.spec, n_steps=40, n_samples=5))
    with torch.no_grad():
        start = net.forward_loop(x[:20]).state
    learnt = [p for p in net.parameters() if p.requires_grad]
    with exact_distances():
        output = net(x[20:], start)
        found = torch.autograd.grad(
            output.readout.square().mean() + output.rate.sum(), learnt, allow_unused=True
        )
    loop = net.forward_loop(x[20:], start)
    expected = torch.autograd.grad(
        loop.readout.square().mean() + loop.rate.sum(), learnt, allow_unused=True
    )
    assert output.engine == "kernel"
    if torch.equal(output.spikes, loop.spikes):
        for a, b in zip(found, expected, strict=True):
            if b is not None and b.numel():
                assert float((a - b).abs().max()) <= 1e-4 * float(b.abs().max()) + 1e-7


def test_gradients_do_not_flow_through_the_state_at_the_end_and_it_says_so():
    net = SpikingNetwork(random_spec(1))
    x = torch.from_numpy(random_inputs(1, net.spec, n_steps=5, n_samples=2))
    state = net(x).state
    with pytest.raises(NetworkError, match="takes no gradients; use forward_loop, or detach"):
        next(iter(state.populations.values())).v.sum().backward()


@pytest.mark.parametrize("seed", range(20))
def test_the_emulator_starts_from_a_state(seed):
    spec = random_spec(seed)
    network, _ = convert(spec)
    x = random_inputs(seed, spec, n_steps=30, n_samples=17)
    with torch.no_grad():
        state = QuantizationAware(SpikingNetwork(spec))(torch.from_numpy(x[:13])).state
    start = as_integers(state)
    record = emulate(network, x[13:], start=start)
    trains, readout = emulate_reference(network, x[13:], start)
    np.testing.assert_array_equal(record.readout, readout)
    for a, b in zip(record.spikes, trains, strict=True):
        np.testing.assert_array_equal(a.spikes, b.spikes)


def as_integers(state):
    return NetworkState(
        populations={
            name: State(**{k: v.numpy().astype(np.int64) for k, v in vars(s).items()})
            for name, s in state.populations.items()
        },
        currents={k: v.numpy().astype(np.int64) for k, v in state.currents.items()},
        history={
            k: tuple(h.numpy().astype(np.int64) for h in past) for k, past in state.history.items()
        },
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_inputs_that_are_no_numbers_are_refused(value):
    arguments = wiring.float_arguments(SpikingNetwork(random_spec(1)))
    x = torch.zeros(3, 2, arguments.layout.n_inputs)
    x[1, 1, 0] = value
    with pytest.raises(NetworkError, match="inputs hold NaN or infinity"):
        wiring.simulate(arguments, x)


def test_weights_that_are_no_numbers_are_refused():
    net = SpikingNetwork(random_spec(1))
    with torch.no_grad():
        net.groups[0].theta[0] = float("nan")
    with pytest.raises(NetworkError, match="a weight is NaN or infinite; training has diverged"):
        net(torch.ones(3, 2, net.spec.n_inputs, dtype=torch.bool))
