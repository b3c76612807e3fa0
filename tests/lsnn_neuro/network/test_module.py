"""A network as a torch module: what goes in and comes out, and what it does with its inputs."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from random_networks import random_inputs
from random_specs import random_spec
from same import differences

from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network import kernel
from lsnn_neuro.network.module import SpikingNetwork
from lsnn_neuro.network.spec import NetworkSpec, Population, Projection
from lsnn_neuro.registry import NEURONS
from quantize.aware import QuantizationAware

BOTH = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
needs_kernel = pytest.mark.skipif(not kernel.available(), reason="native kernel not built")


def moved(net, seed=0):
    """The network with every parameter a little changed, some weights past 0."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(
                0.4
                * (p.abs().mean() + 0.1)
                * torch.randn(p.shape, generator=generator, dtype=p.dtype)
            )
    return net


def spikes(spec, *, n_steps=25, n_samples=3, seed=0):
    return torch.from_numpy(random_inputs(seed, spec, n_steps=n_steps, n_samples=n_samples))


# --- a spec comes in, a spec goes out -------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("seed", range(100))
def test_spec_to_module_to_spec_is_the_same_in_every_field(seed, dtype):
    spec = random_spec(seed)
    assert differences(SpikingNetwork(spec, dtype=dtype).to_spec(), spec) == []


@pytest.mark.parametrize("seed", range(30))
def test_a_trained_network_computes_what_its_spec_does(seed):
    net = moved(SpikingNetwork(random_spec(seed), dtype=torch.float64))
    spec = net.to_spec()
    x = spikes(spec)
    one, two = net(x), SpikingNetwork(spec, dtype=torch.float64)(x)
    assert torch.equal(one.spikes, two.spikes)
    torch.testing.assert_close(one.readout, two.readout, rtol=1e-9, atol=1e-9)
    for p in spec.projections:
        assert p.weight.all()
        if p.dale:
            assert (np.sign(p.weight) == p.signs[p.source_index]).all()


@BOTH
@pytest.mark.parametrize("seed", range(20))
def test_a_state_dict_there_and_back_is_the_same_network(seed, dtype):
    spec = random_spec(seed)
    net = moved(SpikingNetwork(spec, dtype=dtype))
    again = SpikingNetwork(spec, dtype=dtype)
    again.load_state_dict(net.state_dict())
    assert differences(again.to_spec(), net.to_spec()) == []


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["deepcopy", "pickle"]
)  # fmt: skip
@pytest.mark.parametrize("fast", [False, True])
def test_a_copy_is_the_same_network_and_one_of_its_own(copied, fast, monkeypatch):
    monkeypatch.setenv(kernel.SWITCH, "on" if fast else "off")
    net = moved(SpikingNetwork(random_spec(3)))
    x = spikes(net.spec)
    again = copied(net)
    assert differences(again.to_spec(), net.to_spec()) == []
    assert torch.equal(again(x).readout, net(x).readout)
    moved(again, seed=1)
    assert differences(again.to_spec(), net.to_spec()) != []
    again(x).readout.sum().backward()
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.parametrize("seed", range(20))
def test_double_is_the_network_in_double_precision(seed):
    spec = random_spec(seed)
    net, double = SpikingNetwork(spec).double(), SpikingNetwork(spec, dtype=torch.float64)
    assert net.dtype == torch.float64
    assert differences(net.to_spec(), double.to_spec()) == []
    x = spikes(spec)
    assert torch.equal(net(x).readout, double(x).readout)
    assert net(x).readout.dtype == torch.float64


def test_a_module_without_synapses_has_a_type_too():
    spec = NetworkSpec(n_inputs=1, populations=(readout(1),), projections=())
    assert SpikingNetwork(spec).dtype == torch.float32
    assert SpikingNetwork(spec).double().dtype == torch.float64


@pytest.mark.parametrize("fast", [False, True])
def test_training_goes_on_after_evaluation(fast, monkeypatch):
    monkeypatch.setenv(kernel.SWITCH, "on" if fast else "off")
    net = SpikingNetwork(random_spec(2))
    x = spikes(net.spec)
    before = net(x).readout
    net.eval()
    with torch.no_grad():
        assert torch.equal(net(x).readout, before)
        assert not net(x).readout.requires_grad
        assert not net(x).spikes.requires_grad
    net.train()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        (net(x).readout.square().sum() + net(x).rate.sum()).backward()
        optimizer.step()
    assert not torch.equal(net(x).readout, before)


def test_what_is_plastic_and_keeps_its_signs_is_what_deep_r_rewires():
    eye = np.eye(2)
    spec = NetworkSpec(
        n_inputs=2, populations=(lif(2), readout(2)),
        projections=(
            Projection.of_matrix("input", "pop", eye, group="both"),
            Projection.of_matrix("pop", "pop", -eye, group="both"),
            Projection.of_matrix("pop", "readout", eye, signs="unconstrained"),
            Projection.of_matrix("input", "readout", eye, plastic=False),
        ),
    )  # fmt: skip
    net = SpikingNetwork(spec)
    assert [g.name for g in net.groups] == ["both", "pop->readout", "input->readout"]
    assert [g.name for g in net.synapses()] == ["both"]
    assert net.synapses()[0].weight().tolist() == [1, 1, -1, -1]
    assert [n for n, p in net.named_parameters() if p.requires_grad] == [
        "groups.0.theta",
        "groups.1.theta",
    ]


# --- inputs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.int8, torch.uint8, torch.int64]
)
def test_0_and_1_of_any_type_are_spikes(dtype, fast, monkeypatch):
    monkeypatch.setenv(kernel.SWITCH, "on" if fast else "off")
    net = SpikingNetwork(random_spec(4))
    x = spikes(net.spec)
    assert torch.equal(net(x.to(dtype)).readout, net(x).readout)


@pytest.mark.parametrize("dtype", [torch.float32, torch.int8])
def test_graded_events_multiply_the_weight(dtype):
    weight = np.array([[0.25]])
    nets = [SpikingNetwork(one_neuron(weight * w, unit_gain=True)) for w in (1, 3)]
    x = torch.tensor([1, 0, 1, 0])[:, None, None]
    graded = nets[0]((3 * x).to(dtype))
    assert torch.equal(graded.readout, nets[1](x.to(dtype)).readout)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("wants_gradient", [False, True])
def test_nan_and_infinity_are_refused(value, wants_gradient):
    net = SpikingNetwork(random_spec(4))
    x = torch.zeros(3, 2, net.spec.n_inputs)
    x[1, 1, 0] = value
    with pytest.raises(NetworkError, match="inputs hold NaN or infinity"):
        net(x.requires_grad_(wants_gradient))


@pytest.mark.parametrize("shape", [(3, 2), (3, 2, 99), (99,)])
def test_inputs_of_another_shape_are_refused(shape):
    net = SpikingNetwork(random_spec(4))
    with pytest.raises(
        NetworkError, match=r"inputs have shape .*, expected \(time, batch, "
    ) as caught:
        net(torch.zeros(shape))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("aware", [False, True])
@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize(("n_steps", "n_samples"), [(0, 2), (3, 0), (0, 0)])
def test_no_steps_and_no_samples_give_nothing(n_steps, n_samples, fast, aware, monkeypatch):
    monkeypatch.setenv(kernel.SWITCH, "on" if fast else "off")
    net = SpikingNetwork(random_spec(4))
    model = QuantizationAware(net) if aware else net
    output = model(torch.zeros(n_steps, n_samples, net.spec.n_inputs))
    assert output.readout.shape == (n_steps, n_samples, net.spec.n_outputs)
    assert output.spikes.shape == (n_steps, n_samples, net.n_neurons)
    assert output.rate.tolist() == [0] * net.n_neurons


@pytest.mark.parametrize("aware", [False, True])
def test_a_network_without_inputs_lives_on_its_bias(aware):
    pop = Population(name="pop", neuron=NEURONS["if"].of(1, 1.0, b0=1.0), bias=0.375)
    spec = NetworkSpec(
        n_inputs=0, populations=(pop, readout(1)),
        projections=(Projection.of_matrix("pop", "readout", np.array([[1.0]])),),
    )  # fmt: skip
    net = SpikingNetwork(spec)
    model = QuantizationAware(net) if aware else net
    z = model(torch.zeros(9, 2, 0)).spikes
    assert z[:, 0, 0].tolist() == [0, 0, 1, 0, 0, 1, 0, 0, 1]
    assert torch.equal(z[:, 0], z[:, 1])


def test_a_network_without_spiking_neurons_filters_its_inputs():
    net = SpikingNetwork(
        NetworkSpec(
            n_inputs=1, populations=(readout(1, tau=2.0, offset=0.5),),
            projections=(Projection.of_matrix("input", "readout", np.array([[3.0]]), delay=1),),
        ),
        dtype=torch.float64,
    )  # fmt: skip
    output = net(pulse(4))
    kappa = math.exp(-1 / 2)
    expected = [0.5, *(0.5 + 3 * (1 - kappa) * kappa**t for t in range(3))]
    np.testing.assert_allclose(output.readout[:, 0, 0].detach(), expected)
    assert output.spikes.shape == (4, 1, 0)
    assert output.rate.shape == (0,)


def test_a_population_that_hears_nothing_stays_at_rest():
    spec = NetworkSpec(n_inputs=2, populations=(lif(3), readout(2, offset=1.0)), projections=())
    output = SpikingNetwork(spec)(torch.ones(5, 2, 2))
    assert not output.spikes.any()
    assert (output.readout == 1).all()


# --- by hand --------------------------------------------------------------------------------------


def readout(n, *, tau=1e-3, offset=0.0, name="readout", **fields):
    neuron = NEURONS["li"].of(n, 1.0, tau_out=tau)
    return Population(name=name, neuron=neuron, offset=offset, **fields)


def lif(n, *, tau_m=1e-3, b0=0.5, name="pop", **fields):
    """Neurons that forget at once (tau_m so small that alpha is 0)."""
    return Population(name=name, neuron=NEURONS["lif"].of(n, 1.0, tau_m=tau_m, b0=b0, **fields))


def one_neuron(weight, *, delay=0, **fields):
    """Inputs onto memoryless neurons, which are read."""
    return NetworkSpec(
        n_inputs=np.shape(weight)[1], populations=(lif(len(weight), **fields),), outputs=("pop",),
        projections=(Projection.of_matrix("input", "pop", weight, delay=delay),),
    )  # fmt: skip


def pulse(n_steps=8):
    x = torch.zeros(n_steps, 1, 1).double()
    x[0] = 1
    return x


@BOTH
@pytest.mark.parametrize("delay", [0, 1, 3, 62])
def test_an_input_delay_of_d_arrives_d_steps_later(delay, dtype):
    net = SpikingNetwork(one_neuron([[1.0]], delay=delay), dtype=dtype)
    z = net(pulse(64)).spikes[:, 0, 0]
    assert z.nonzero().flatten().tolist() == [delay]


@BOTH
@pytest.mark.parametrize("delay", [0, 1, 3, 60])
def test_a_recurrent_delay_of_d_arrives_one_plus_d_steps_later(delay, dtype):
    spec = NetworkSpec(
        n_inputs=1, populations=(lif(1, name="a"), lif(1, name="b")), outputs=("a", "b"),
        projections=(
            Projection.of_matrix("input", "a", np.array([[1.0]])),
            Projection.of_matrix("a", "b", np.array([[1.0]]), delay=delay),
        ),
    )  # fmt: skip
    output = SpikingNetwork(spec, dtype=dtype)(pulse(64))
    assert output.spikes[:, 0].nonzero().tolist() == [[0, 0], [1 + delay, 1]]
    assert torch.equal(output.readout, output.spikes)


@pytest.mark.parametrize("delay", [0, 1, 3])
def test_a_delay_onto_a_readout_starts_at_the_spikes_own_step(delay):
    spec = NetworkSpec(
        n_inputs=1, populations=(lif(1), readout(1)),
        projections=(
            Projection.of_matrix("input", "pop", np.array([[1.0]])),
            Projection.of_matrix("pop", "readout", np.array([[1.0]]), delay=delay),
        ),
    )  # fmt: skip
    y = SpikingNetwork(spec)(pulse()).readout[:, 0, 0]
    assert y.nonzero().flatten().tolist() == [delay]


def test_a_delay_longer_than_the_sample_never_arrives():
    net = SpikingNetwork(one_neuron([[1.0]], delay=3))
    assert not net(pulse(3)).spikes.any()


@BOTH
def test_the_readout_leaks_and_its_offset_is_added_once(dtype):
    spec = NetworkSpec(
        n_inputs=1, populations=(lif(1), readout(1, tau=2.0, offset=0.25)),
        projections=(
            Projection.of_matrix("input", "pop", np.array([[1.0]])),
            Projection.of_matrix("pop", "readout", np.array([[3.0]])),
        ),
    )  # fmt: skip
    y = SpikingNetwork(spec, dtype=dtype)(pulse(3)).readout[:, 0, 0].detach()
    kappa = math.exp(-1 / 2)
    np.testing.assert_allclose(y, [(1 - kappa) * 3 * kappa**t + 0.25 for t in range(3)], rtol=1e-6)


def test_a_synaptic_current_and_a_bias_by_hand():
    pop = Population(
        name="pop",
        neuron=NEURONS["lif"].of(1, 1.0, tau_m=1 / math.log(2), b0=9.0),
        kappa_i=0.75,
        bias=0.5,
    )
    spec = NetworkSpec(
        n_inputs=1, populations=(pop, readout(1)), projections=(
            Projection.of_matrix("input", "pop", np.array([[16.0]])),
        ),
    )  # fmt: skip
    states, state, net = [], None, SpikingNetwork(spec, dtype=torch.float64)
    for x in pulse(3).split(1):
        state = net(x, state).state
        states.append(state.populations["pop"].v.item())
    # i: 4, 3, 2.25; v: (4 + 1/2) / 2, ...
    np.testing.assert_allclose(states, [2.25, 1.125 + 1.75, 1.4375 + 1.375])


def test_outputs_come_in_their_order_with_their_offsets():
    spec = NetworkSpec(
        n_inputs=1,
        populations=(readout(1, offset=1.0, name="x"), lif(2), readout(2, offset=[2.0, 3.0], name="y")),
        projections=(Projection.of_matrix("input", "pop", np.array([[1.0], [0.0]])),),
        outputs=("y", "pop", "x"),
    )  # fmt: skip
    for dtype in (torch.float32, torch.float64):
        y = SpikingNetwork(spec, dtype=dtype)(pulse(2)).readout[:, 0]
        assert y.tolist() == [[2, 3, 1, 0, 1], [2, 3, 0, 0, 1]]


@pytest.mark.parametrize("dt", [0.5, 1.0, 2.0])
def test_a_step_is_dt_long(dt):
    neuron = NEURONS["li"].of(1, dt, tau_out=10.0)
    spec = NetworkSpec(
        n_inputs=1, populations=(Population(name="readout", neuron=neuron),), dt=dt,
        projections=(Projection.of_matrix("input", "readout", np.array([[1.0]])),),
    )  # fmt: skip
    y = SpikingNetwork(spec, dtype=torch.float64)(pulse(41)).readout[:, 0, 0]
    assert (y[int(20 / dt)] / y[0]).item() == pytest.approx(math.exp(-2))


# --- some steps at a time -------------------------------------------------------------------------


@pytest.mark.parametrize("aware", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_a_run_that_goes_on_from_its_state_is_one_run(seed, aware):
    net = SpikingNetwork(random_spec(seed), dtype=torch.float64)
    model = QuantizationAware(net) if aware else net
    x = spikes(net.spec)
    whole, first = model(x), model(x[:9])
    rest = model(x[9:], first.state)
    assert torch.equal(torch.cat([first.readout, rest.readout]), whole.readout)
    assert torch.equal(torch.cat([first.spikes, rest.spikes]), whole.spikes)


def test_gradients_flow_through_the_state_in_between():
    net = SpikingNetwork(random_spec(1), dtype=torch.float64)
    x = spikes(net.spec)
    gradients = []
    for cut in (0, 9):
        net.zero_grad()
        start = net(x[:cut]).state if cut else None
        net(x[cut:], start).readout[-3:].sum().backward()
        gradients.append([g.theta.grad.clone() for g in net.groups if g.plastic])
    for one, two in zip(*gradients, strict=True):
        torch.testing.assert_close(one, two)


# --- which engine ---------------------------------------------------------------------------------


def small(**fields):
    """One input, one neuron, one readout; ``fields`` are the neuron's or the population's."""
    own = {k: fields.pop(k) for k in ("bias", "kappa_i", "learn") if k in fields}
    pop = Population(**(vars(lif(1, **fields)) | own))
    one = np.array([[1.0]])
    return NetworkSpec(
        n_inputs=1, populations=(pop, readout(1)),
        projections=(Projection.of_matrix("input", "pop", one), Projection.of_matrix("pop", "readout", one)),
    )  # fmt: skip


@needs_kernel
def test_inputs_decide_too():
    net = SpikingNetwork(small())
    x = pulse().bool()
    for fits in (x, 2 * pulse(), pulse().requires_grad_(), pulse().to(torch.int8)):
        assert net.kernel_obstacle(fits) is None
    assert "hold nothing" in net.kernel_obstacle(x[:0])
    assert "float32 on the CPU" in net.double().kernel_obstacle(x)


def test_inputs_that_want_a_gradient_get_one():
    net = SpikingNetwork(small(tau_m=5.0))
    x = pulse().float().requires_grad_()
    net(x).readout.sum().backward()
    assert x.grad.any()
