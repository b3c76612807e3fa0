"""P1: what quantization-aware training computes is what the chip computes."""

import copy
from collections import Counter
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from exact_kernel import exact_distances
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_graphs import convertible, random_graph
from random_lsnns import tiny_recipe
from random_networks import li, neurons, random_events, random_inputs
from random_specs import features, random_spec, saturates
from rewired import shuffle_slots
from same import differences

from lsnn_neuro.checkpoint import LAST, Checkpoint
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network import kernel
from lsnn_neuro.network.module import SpikingNetwork
from lsnn_neuro.network.spec import NetworkSpec, Population, Projection
from lsnn_neuro.registry import NEURONS
from lsnn_neuro.training import train
from quantize.arithmetic import decay, saturate, wrap
from quantize.aware import QuantizationAware, StraightThrough, record_torch
from quantize.conversion import convert, to_spec
from quantize.emulator import emulate, emulate_reference, trace
from quantize.emulator_kernel import kernel_obstacle
from quantize.loihi import STATE_MAX
from quantize.network import QuantizedNetwork, QuantizedProjection

GRAPHS = range(100)
seeds, bits = st.integers(0, 10**6), st.integers(2, 8)
needs_kernel = pytest.mark.skipif(not kernel.available(), reason="native kernel not built")


def assert_is_the_emulators(model, x, expected):
    """Spikes and readout of a quantization-aware network, exactly."""
    network, (trains, readout) = expected
    with torch.no_grad():
        output = model(torch.from_numpy(x))
    spikes, places = output.spikes.numpy(), network.places()
    for p in trains:
        np.testing.assert_array_equal(spikes[..., places[p.name]], p.spikes, err_msg=p.name)
    assert output.readout.dtype == torch.float64
    np.testing.assert_array_equal(output.readout.numpy(), network.to_float(readout))
    return output


@pytest.mark.parametrize("seed", GRAPHS)
def test_forward_equals_the_emulator_exactly(seed):
    spec = random_spec(seed, any_readout=True)
    x = random_inputs(seed, spec, n_steps=20, n_samples=2)
    for weight_bits, dtype in ((8, torch.float32), (2 + seed % 6, torch.float64)):
        network, _ = convert(spec, weight_bits=weight_bits)
        expected = network, emulate_reference(network, x)
        model = QuantizationAware(SpikingNetwork(spec, dtype=dtype), weight_bits=weight_bits)
        assert_is_the_emulators(model, x, expected)


@needs_kernel
@pytest.mark.parametrize("seed", GRAPHS)
def test_the_kernel_the_loop_and_both_emulators_agree_exactly(seed, monkeypatch):
    spec = random_spec(seed)
    x = random_inputs(seed, spec, n_steps=20, n_samples=1 + seed % 18)
    network, _ = convert(spec)
    net = SpikingNetwork(spec)
    assert net.kernel_obstacle(torch.from_numpy(x)) is None
    assert kernel_obstacle(network) is None
    expected = emulate_reference(network, x)
    record = emulate(network, x)
    np.testing.assert_array_equal(record.readout, expected[1])
    output = assert_is_the_emulators(QuantizationAware(net), x, (network, expected))
    assert output.engine == "kernel"
    monkeypatch.setenv(kernel.SWITCH, "off")
    output = assert_is_the_emulators(QuantizationAware(net), x, (network, expected))
    assert output.engine == "loop"


def test_the_random_graphs_are_of_every_sort():
    """At least 30 of the 100 with each of what makes a graph hard, and networks that live."""
    counts: Counter[str] = Counter()
    rates = []
    for seed in GRAPHS:
        spec = random_spec(seed)
        network, _ = convert(spec)
        x = random_inputs(seed, spec, n_steps=20, n_samples=2)
        counts.update(features(spec))
        counts["saturates"] += saturates(network, x)
        trains, _ = emulate_reference(network, x)
        rates.append(np.mean(np.concatenate([p.spikes.ravel() for p in trains])))
    print(f"of {len(GRAPHS)} graphs: {dict(counts.most_common())}")
    print(f"spikes a step and neuron, quartiles: {np.quantile(rates, [0.25, 0.5, 0.75]).round(3)}")
    assert set(counts) == {
        "CUBA", "feedback", "skip", "two outputs", "saturates", "mixed resets", "refractory", "dt",
    }  # fmt: skip
    assert min(counts.values()) >= 30
    assert sum(rate > 0 for rate in rates) >= 90
    assert 0.05 < np.median(rates) < 0.5


@pytest.mark.parametrize("seed", range(20))
def test_graded_inputs_equal_the_emulator_exactly(seed):
    spec = random_spec(seed)
    x = random_events(seed, spec, n_steps=25, n_samples=2)
    network, _ = convert(spec)
    model = QuantizationAware(SpikingNetwork(spec))
    assert_is_the_emulators(model, x, (network, emulate_reference(network, x)))


@settings(max_examples=25, deadline=None)
@given(seed=seeds, weight_bits=bits, step=st.integers(0, 14))
def test_states_equal_the_emulators_exactly(seed, weight_bits, step):
    spec = random_spec(seed)
    x = random_inputs(seed, spec, n_steps=15, n_samples=1)[:, 0]
    network, _ = convert(spec, weight_bits=weight_bits)
    expected = list(trace(network, x))[step]
    found = QuantizationAware(SpikingNetwork(spec), weight_bits=weight_bits).states(x, step)
    for a, b in zip(found, expected, strict=True):
        assert (a.name, a.names) == (b.name, b.names)
        for variable in b.names:
            np.testing.assert_array_equal(a[variable], b[variable], err_msg=variable)
            assert a[variable].dtype == b[variable].dtype


@pytest.mark.parametrize("fast", [False, True])
def test_a_record_is_the_emulators(fast):
    spec = random_spec(4)
    x = random_inputs(4, spec, n_steps=25, n_samples=2)
    net = SpikingNetwork(spec)
    found = record_torch(QuantizationAware(net), net, x, name="aware")
    expected = emulate(convert(spec)[0], x)
    assert found.target == "aware"
    np.testing.assert_array_equal(found.readout, expected.readout)
    for a, b in zip(found.spikes, expected.spikes, strict=True):
        assert a.name == b.name
        np.testing.assert_array_equal(a.spikes, b.spikes)


def trained_a_little(spec, **options):
    """A network whose parameters have moved, and its quantization-aware form."""
    net = SpikingNetwork(spec, **options)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in (p for p in net.parameters() if len(p)):
            p.add_(0.2 * p.abs().mean() * torch.randn(p.shape, generator=generator, dtype=p.dtype))
            if p.abs().max() == 0:  # a learnt constant, as it started
                p.add_(0.3 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return net, QuantizationAware(net)


@needs_kernel
@pytest.mark.parametrize("seed", range(0, 40, 2))
def test_rewired_synapses_are_the_emulators_too(seed, monkeypatch):
    """Slots in any order, dormant ones with and without a pair among them."""
    net, model = trained_a_little(random_spec(seed))
    x = random_inputs(seed, net.spec, n_steps=25, n_samples=2)
    before = convert(net.to_spec())[0]
    shuffle_slots(net, seed)
    network, _ = convert(net.to_spec())
    assert differences(network, before) == []
    expected = network, emulate_reference(network, x)
    assert assert_is_the_emulators(model, x, expected).engine == "kernel"
    monkeypatch.setenv(kernel.SWITCH, "off")
    assert_is_the_emulators(model, x, expected)


@pytest.mark.parametrize("seed", range(40))
def test_forward_equals_the_emulator_after_training_too(seed):
    """With synapses that went dormant, constants that moved, and weights that changed their sign."""
    net, model = trained_a_little(random_spec(seed))
    x = random_inputs(seed, net.spec, n_steps=25, n_samples=2)
    network, _ = convert(net.to_spec())
    assert_is_the_emulators(model, x, (network, emulate_reference(network, x)))


# --- gradients -----------------------------------------------------------------------------------------


def loss_of(output, seed):
    """All readouts and the rates, with random weights."""
    weight = torch.randn(output.readout.shape, generator=torch.Generator().manual_seed(seed))
    return (weight * output.readout).mean() + ((output.rate - 0.05) ** 2).sum()


class Saturation:
    """Notes whether a state was clipped: there the loop passes no gradient, and the kernel does."""

    def __init__(self):
        self.seen, plain = False, StraightThrough.saturate

        def saturate(arithmetic, state):
            self.seen |= bool((state.detach().abs() >= STATE_MAX).any())
            return plain(arithmetic, state)

        self.watching = patch.object(StraightThrough, "saturate", saturate)


@needs_kernel
@settings(max_examples=12, deadline=None)
@given(seed=seeds, weight_bits=bits, through_spikes=st.booleans())
def test_the_kernels_gradient_is_that_of_the_loop(seed, weight_bits, through_spikes):
    spec = random_spec(seed)
    nets = [SpikingNetwork(spec, dtype=dtype) for dtype in (torch.float32, torch.float64)]
    x = torch.from_numpy(random_inputs(seed, spec, n_steps=30, n_samples=3))
    gradients, saturation = [], Saturation()
    for net in nets:
        with saturation.watching, exact_distances():
            output = QuantizationAware(net, weight_bits=weight_bits)(x)
            loss = loss_of(output, seed)
            if through_spikes:
                weight = torch.linspace(-1, 1, output.spikes.shape[-1])
                loss = loss + (output.spikes * weight).mean()
            loss.backward()
        gradients.append({n: p.grad for n, p in net.named_parameters() if p.grad is not None})
    assume(not saturation.seen)
    found, expected = gradients
    assert found.keys() == expected.keys()
    # where the pseudo-derivative ends, single and double precision may fall on different sides of it
    edge = 1e-5 * sum(float(g.norm()) for g in expected.values()) + 1e-12
    for name, gradient in expected.items():
        assert (found[name] - gradient).norm() <= 1e-3 * gradient.norm() + edge, name


@settings(max_examples=25, deadline=None)
@given(seed=seeds, weight_bits=bits)
def test_gradients_are_finite_and_dormant_synapses_get_none(seed, weight_bits):
    net, _ = trained_a_little(random_spec(seed))
    x = torch.from_numpy(random_inputs(seed, net.spec, n_steps=20, n_samples=2))
    output = QuantizationAware(net, weight_bits=weight_bits)(x)
    (output.readout.square().sum() + output.rate.sum()).backward()
    for parameter in net.parameters():
        assert parameter.grad is None or torch.isfinite(parameter.grad).all()
    for group in net.groups:
        if group.constrained and group.theta.grad is not None:
            assert not group.theta.grad[group.theta <= 0].any()


def layers(kind="alif", *, seed=0, learn=(), n_inputs=4, b0=0.05, **fields):
    """Inputs onto five neurons that drive each other, and two readouts."""
    rng = np.random.default_rng(seed)
    values = {
        "tau_m": 20.0,
        "tau_a": 40.0,
        "beta": 1.0,
        "b0": b0,
        "tau_r": 10.0,
        "n_ref": 1,
    } | fields
    known = {*NEURONS[kind].learnable(), *NEURONS[kind].parameters()}
    neuron = NEURONS[kind].of(5, 1.0, **{k: v for k, v in values.items() if k in known})

    def matrix(target, source, scale):
        return np.float32(rng.normal(size=(target, source)) * scale)

    return NetworkSpec(
        n_inputs=n_inputs,
        populations=(
            Population(name="pop", neuron=neuron, learn=learn),
            Population(
                name="readout", neuron=NEURONS["li"].of(2, 1.0, tau_out=20.0), learn=("offset",)
            ),
        ),
        projections=(
            Projection.of_matrix("input", "pop", np.abs(matrix(5, n_inputs, 0.5)), delay=1),
            Projection.of_matrix("pop", "pop", matrix(5, 5, 0.3)),
            Projection.of_matrix("pop", "readout", matrix(2, 5, 0.3)),
        ),
    )


@pytest.mark.parametrize("reset", ["subtract", "subtract_constant", "to", "hold"])
@pytest.mark.parametrize("weight_bits", [2, 8])
def test_gradients_reach_all_synapses_and_the_offset(reset, weight_bits):
    net = SpikingNetwork(layers(reset=reset, reset_by=0.05))
    x = torch.from_numpy(random_inputs(1, net.spec, n_steps=40, n_samples=4))
    QuantizationAware(net, weight_bits=weight_bits)(x).readout.sum().backward()
    for group in net.groups:
        assert group.theta.grad.any()
    assert net.populations[1].offset.grad.tolist() == [160.0, 160.0]


def test_the_gradient_resembles_the_float_networks():
    net = SpikingNetwork(layers(seed=2))
    x = torch.from_numpy(random_inputs(2, net.spec, n_steps=30, n_samples=8))
    gradients = []
    for model in (net, QuantizationAware(net)):
        net.zero_grad()
        model(x).readout.sum().backward()
        gradients.append(net.groups[2].theta.grad.clone().double())
    cosine = torch.nn.functional.cosine_similarity(*gradients, dim=0).item()
    assert cosine > 0.95
    assert (gradients[1].norm() / gradients[0].norm()).item() == pytest.approx(1, abs=0.1)


def memory_only_in_the_threshold(beta, kind):
    """A memoryless neuron whose steps are linked by its adaptation alone, and read by no other population."""
    neuron = NEURONS[kind].of(1, 1.0, tau_m=1e-3, tau_a=20.0, beta=beta, b0=0.5)
    return NetworkSpec(
        n_inputs=1, populations=(Population(name="pop", neuron=neuron),), outputs=("pop",),
        projections=(Projection.of_matrix("input", "pop", np.array([[0.6]])),),
    )  # fmt: skip


@pytest.mark.parametrize(("beta", "reaches"), [(0.3, True), (0.0, False)])
@pytest.mark.parametrize("kind", ["alif", "ahp"])
def test_gradient_flows_through_adaptation_over_time(beta, reaches, kind):
    x = torch.ones(6, 1, 1).double().requires_grad_()
    net = SpikingNetwork(memory_only_in_the_threshold(beta, kind), dtype=torch.float64)
    QuantizationAware(net)(x).spikes[-1].sum().backward()
    assert (x.grad[0].item() < 0) == reaches
    assert reaches or x.grad[0].item() == 0


def test_a_saturated_state_passes_no_gradient_and_a_wrapped_one_does():
    state = torch.tensor([1.0, STATE_MAX + 5.0, -STATE_MAX - 5.0]).double().requires_grad_()
    StraightThrough().saturate(state).sum().backward()
    assert state.grad.tolist() == [1, 0, 0]
    state.grad = None
    wrapped = StraightThrough().wrap(state)
    assert wrapped.tolist() == [1, STATE_MAX + 5 - 2**24, 2**24 - STATE_MAX - 5]
    wrapped.sum().backward()
    assert state.grad.tolist() == [1, 1, 1]


def test_forward_its_arithmetic_is_that_of_the_integers_at_every_limit():
    near = [-2, -1, 0, 1, 2]
    states = np.array([end + d for end in (-(2**24), -(2**23), 0, 2**23, 2**24) for d in near])
    aware, doubles = StraightThrough(), torch.from_numpy(states).double()
    assert aware.saturate(doubles).tolist() == saturate(states).tolist()
    assert aware.wrap(doubles).tolist() == wrap(states).tolist()
    for d in (0, 1, 6, 2048, 4095, 4096):
        assert aware.decay(doubles, torch.tensor(d)).tolist() == decay(states, d).tolist()


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_a_network_that_came_in_as_integers_is_what_it_was(seed, fast):
    """With its own scales and exponents, also negative ones, which round each delay's sum down."""
    network = convertible(random_graph(seed, fast=fast))
    x = random_inputs(seed, network, n_steps=20, n_samples=2)
    model = QuantizationAware(SpikingNetwork(to_spec(network)))
    assert_is_the_emulators(model, x, (network, emulate_reference(network, x)))


@needs_kernel
def test_integers_that_round_down_do_not_run_on_the_kernel():
    """The float network does."""
    spec = layers()
    rounding = replace(spec, projections=tuple(replace(p, weight_exp=-1) for p in spec.projections))
    x = torch.from_numpy(random_inputs(1, spec, n_steps=30, n_samples=2))
    for net, engine in ((SpikingNetwork(spec), "kernel"), (SpikingNetwork(rounding), "loop")):
        assert net(x).engine == "kernel"
        assert QuantizationAware(net)(x).engine == engine


def test_a_network_without_spiking_neurons():
    neuron = NEURONS["li"].of(2, 1.0, tau_out=5.0)
    spec = NetworkSpec(
        n_inputs=3, populations=(Population(name="readout", neuron=neuron, bias=0.1, offset=[0, 1]),),
        projections=(Projection.of_matrix("input", "readout", np.arange(1.0, 7).reshape(2, 3), delay=2),),
    )  # fmt: skip
    x = random_inputs(1, spec, n_steps=10, n_samples=2)
    network, _ = convert(spec)
    output = QuantizationAware(SpikingNetwork(spec))(torch.from_numpy(x))
    np.testing.assert_array_equal(
        output.readout.detach().numpy(), network.to_float(emulate(network, x).readout)
    )
    assert output.spikes.shape == (10, 2, 0)


def test_nan_is_refused():
    x = torch.full((3, 1, 4), float("nan"))
    with pytest.raises(NetworkError, match="NaN or infinity"):
        QuantizationAware(SpikingNetwork(layers()))(x)


# --- training ------------------------------------------------------------------------------------------


def test_copies_compute_the_same():
    net = SpikingNetwork(layers(learn=("b0", "tau_m")))
    x = torch.from_numpy(random_inputs(1, net.spec, n_steps=10, n_samples=2))
    model = QuantizationAware(net)
    assert torch.equal(copy.deepcopy(model)(x).readout, model(x).readout)


def test_the_loop_trains_the_integer_model_and_resumes_it(tmp_path):
    recipe = tiny_recipe(quantization={"weight_bits": 4}, training={"validate_every": 2})
    short = tiny_recipe(
        quantization={"weight_bits": 4}, training={"validate_every": 2, "iterations": 4}
    )
    trainer = train(recipe, tmp_path / "whole", progress=False)
    assert trainer.deep_r.n_active == trainer.deep_r.cap
    train(short, tmp_path / "parts", progress=False)
    train(recipe, tmp_path / "parts", progress=False, resume=True)
    whole, parts = (Checkpoint.load(tmp_path / name / LAST) for name in ("whole", "parts"))
    for name, array in whole.arrays.items():
        np.testing.assert_array_equal(parts.arrays[name], array, err_msg=name)


@pytest.mark.parametrize(("n_inputs", "engine"), [(1019, "kernel"), (1020, "loop")])
def test_sums_beyond_32_bits_run_on_the_loop(n_inputs, engine):
    if not kernel.available():
        engine = "loop"
    into, out = (
        QuantizedProjection.of_matrix(
            name, source, target, np.full((1, n), 255), np.zeros((1, n), int), 7, "excitatory"
        )
        for name, source, target, n in (("in", "input", "pop", n_inputs), ("out", "pop", "readout", 1))
    )  # fmt: skip
    pop = neurons("lif", vth=[64], reset="to")
    network = QuantizedNetwork(
        n_inputs=n_inputs, populations=(pop, li("readout", [9])), projections=(into, out)
    )
    x = np.ones((5, 2, n_inputs), bool)
    output = QuantizationAware(SpikingNetwork(to_spec(network)))(torch.from_numpy(x))
    assert output.engine == engine
    trains, readout = emulate_reference(network, x)
    np.testing.assert_array_equal(output.spikes.bool().numpy(), trains[0].spikes)
    np.testing.assert_array_equal(output.readout.detach().numpy(), network.to_float(readout))
    assert trains[0].spikes.all()
