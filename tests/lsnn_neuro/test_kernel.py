"""The native kernel against the readable time loop.

Both add up in another order, so a spike may differ where the membrane stands on the threshold to
within rounding: a *tie*. Everything a tie touches is left out of the comparison; ties are counted.
"""

import copy
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_lsnns import FORMS, configs, lsnn, seeds, spikes

import lsnn_neuro.neurons
from lsnn_neuro import kernel
from lsnn_neuro.network import LSNN
from lsnn_neuro.recipe import LSNNConfig

pytestmark = pytest.mark.skipif(not kernel.available(), reason="native kernel not built")

NEURON_COLUMNS = ("alpha", "rho", "beta", "b0")
N_STEPS = 25
EPS = 2.0**-24  # rounding unit of float32


def single(config, seed, *, learn_neurons=True, **changes):
    """A float32 network whose neurons' constants may want gradients; ``changes`` go to its core."""
    network = lsnn(config, seed).float()
    if learn_neurons:
        for name in NEURON_COLUMNS:
            network._buffers[name] = getattr(network, name).clone().requires_grad_(True)
    plain = network.core
    network.core = lambda **options: replace(plain(**options), **changes)
    return network


def in_double(network):
    """The same network in float64, whose forward pass is the loop."""
    del network.core
    double = copy.deepcopy(network).double()
    for name in NEURON_COLUMNS:
        double._buffers[name] = getattr(network, name).detach().double().requires_grad_(True)
    return double


def loss_of(output, seed):
    """Readout at random steps with random weights, and a cost on firing rates."""
    generator = torch.Generator().manual_seed(seed + 1)
    y = output.readout
    chosen = torch.rand(y.shape, generator=generator) < 0.3
    weight = torch.randn(y.shape, generator=generator) * chosen
    return (weight.to(y) * y).mean() + 0.5 * ((output.rate - 0.05) ** 2).sum()


def gradients(network, output, seed):
    """Gradients of the loss by name; those of bias, theta, and the neurons' constants."""
    tensors = dict(network.named_parameters())
    tensors |= {name: getattr(network, name) for name in NEURON_COLUMNS}
    tensors = {name: t for name, t in tensors.items() if t.requires_grad}
    found = torch.autograd.grad(loss_of(output, seed), tensors.values(), allow_unused=True)
    return {
        name: np.zeros(t.shape) if g is None else g.double().numpy()
        for (name, t), g in zip(tensors.items(), found, strict=True)
    }


class Distances:
    """Runs a loop and keeps (v - A) / b0 of every step."""

    def __init__(self, network, x):
        seen, plain = [], lsnn_neuro.neurons.spike

        def spying(distance, allowed, gamma, **options):
            seen.append(distance.detach())
            return plain(distance, allowed, gamma, **options)

        lsnn_neuro.neurons.spike = spying
        try:
            self.output = network.forward_loop(x)
        finally:
            lsnn_neuro.neurons.spike = plain
        self.distance = torch.stack(seen)  # (time, sample, neuron)


def largest_terms(network, distance):
    """Membranes and thresholds in units of b0: what rounding is relative to."""
    with torch.no_grad():
        threshold = 1 + float((network.beta / network.b0).max())
    return threshold + float(distance.abs().max())


def first_differences(found, expected):
    """Where a sample's spikes differ for the first time, as a bool array."""
    differ = found != expected
    step = torch.arange(len(differ))[:, None, None]
    first = torch.where(differ, step, len(differ)).amin(dim=(0, 2), keepdim=True)
    return differ & (step == first)


def busy(**fields):
    """A network with enough synapses for something to happen."""
    dense = {"input_connectivity": 0.6, "recurrent_connectivity": 0.5, "readout_connectivity": 0.8}
    return LSNNConfig(**{"regular": 5, "adaptive": 5, "n_delays": 4} | dense | fields)


sizes = st.sampled_from([1, 3, 17])


@settings(max_examples=40, deadline=None)
@given(config=configs, seed=seeds, n_samples=sizes)
def test_spikes_differ_from_the_loop_only_at_ties(config, seed, n_samples):
    network = single(config, seed)
    x = spikes(seed, n_steps=N_STEPS, n_samples=n_samples)
    found = network.forward_kernel(x > 0)
    double = in_double(network)
    loop = Distances(double, x)
    tie = 16 * EPS * largest_terms(double, loop.distance)
    first = first_differences(found.spikes, loop.output.spikes)
    assert (loop.distance[first].abs() < tie).all()
    same = ~(found.spikes != loop.output.spikes).any(dim=2).any(dim=0)
    torch.testing.assert_close(
        found.readout[:, same].double(), loop.output.readout[:, same], rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_ties_are_rare(form):
    different = 0
    for seed in range(60):
        network = single(busy(**form), seed)
        x = spikes(seed, n_steps=N_STEPS, n_samples=5)
        found = network.forward_kernel(x > 0)
        different += not torch.equal(found.spikes.double(), in_double(network)(x).spikes)
    assert different <= 1


def higher_threshold(config):
    """Adapted thresholds of no more than a few b0, so that distances to them are well rounded."""
    return config.model_copy(update={"b0": 20 * config.b0, "beta": config.beta / 5})


@pytest.mark.parametrize(("compact", "tolerance"), [(False, 1e-5), (True, 1e-3)])
@settings(max_examples=50, deadline=None)
@given(config=st.one_of(configs, configs.map(higher_threshold)), seed=seeds, n_samples=sizes)
def test_gradients_equal_those_of_the_loop(compact, tolerance, config, seed, n_samples):
    network = single(config, seed, compact=compact)
    x = spikes(seed, n_steps=N_STEPS, n_samples=n_samples)
    output = network.forward_kernel(x > 0)
    found = gradients(network, output, seed)
    double = in_double(network)
    loop = Distances(double, x)
    assume(torch.equal(output.spikes.double(), loop.output.spikes))
    expected = gradients(double, loop.output, seed)
    # A distance is a difference of large terms and can't be more exact than they are; stored compact,
    # it has 16 bits. That tells most where the pseudo-derivative 1 - |distance| is smallest.
    rounding = 16 * EPS * largest_terms(double, loop.distance) + compact * 2.0**-16
    slope = 1 - loop.distance.abs()
    tolerance += rounding / min([1.0, *slope[slope > 1e-9].tolist()])
    for name, gradient in expected.items():
        error = np.linalg.norm(found[name] - gradient)
        assert error <= tolerance * np.linalg.norm(gradient) + 1e-9, name


FORMS_AND_RESETS = [{"reset": "zero"}, {"reset": "zero", **FORMS["current"]}, *FORMS.values()]


@pytest.mark.parametrize("form", FORMS_AND_RESETS, ids=str)
def test_gradients_typically_agree_to_six_digits(form):
    errors = []
    for seed in range(24):
        config = higher_threshold(busy(beta=1.0, **form))
        network = single(config, seed, compact=False)
        x = spikes(seed, n_steps=N_STEPS, n_samples=17)
        found = gradients(network, network.forward_kernel(x > 0), seed)
        double = in_double(network)
        for name, gradient in gradients(double, double(x), seed).items():
            size = np.linalg.norm(gradient)
            errors.append(np.linalg.norm(found[name] - gradient) / size if size else 0.0)
    assert np.median(errors) < 1e-6
    assert np.quantile(errors, 0.9) < 1e-5


def relative_errors(network, x, seed):
    """Of every gradient against the loop's, and of the spikes: they must be the same."""
    output = network.forward_kernel(x > 0)
    found = gradients(network, output, seed)
    double = in_double(network)
    expected = double(x)
    assert torch.equal(output.spikes.double(), expected.spikes)
    for name, gradient in gradients(double, expected, seed).items():
        yield name, np.linalg.norm(found[name] - gradient) / (np.linalg.norm(gradient) + 1e-12)


@pytest.mark.parametrize("form", FORMS_AND_RESETS, ids=str)
@pytest.mark.parametrize("quiet", [1, 15, 16, 17, 37])
def test_a_quiet_beginning_changes_nothing(form, quiet):
    network = single(higher_threshold(busy(beta=1.0, **form)), 5, compact=False)
    x = spikes(5, n_steps=60, n_samples=18)
    x[:quiet] = 0
    x[: quiet + 9, 16:] = 0  # the second block of samples begins later
    for name, error in relative_errors(network, x, 5):
        assert error < 1e-5, name


def test_an_input_without_spikes_gives_the_bias_and_no_gradients():
    network = single(busy(), 1)
    output = network.forward_kernel(
        torch.zeros(40, 3, spikes(1, n_steps=1, n_samples=1).shape[2]) > 0
    )
    assert torch.equal(output.readout, network.bias.expand_as(output.readout))
    assert output.spikes.sum() == 0
    found = gradients(network, output, 1)
    assert all(not gradient.any() for name, gradient in found.items() if name != "bias")


def test_gradients_reach_dormant_synapses_where_asked():
    network = single(higher_threshold(busy(beta=1.0)), 3, compact=False)
    for s in network.synapses():
        s.reaches_dormant = True
    for name, error in relative_errors(network, spikes(3, n_steps=60, n_samples=17), 3):
        assert error < 1e-5, name
    (loss := loss_of(network.forward_kernel(spikes(3, n_steps=60, n_samples=17) > 0), 3)).backward()
    assert loss.isfinite()
    for s in network.synapses():
        assert s.theta.grad[(s.theta == 0) & s.allowed].any()
        assert not s.theta.grad[~s.allowed].any()


def test_memory_that_is_used_again_holds_nothing_of_the_past():
    """Calls of several sizes, each result kept alive or dropped in turn."""
    network = single(busy(), 2)
    inputs = [spikes(i, n_steps=20 + 7 * (i % 3), n_samples=1 + 9 * (i % 2)) for i in range(12)]
    expected = [everything(network, x, 2) for x in inputs]
    kept = []
    for x, before in zip(inputs, expected, strict=True):
        again = everything(network, x, 2)
        kept = [*kept[-1:], again]
        for found, old in zip(again, before, strict=True):
            np.testing.assert_array_equal(np.asarray(_plain(found)), np.asarray(_plain(old)))


def _plain(value):
    return value.detach().numpy() if isinstance(value, torch.Tensor) else value


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_compared_gradients_are_not_zero(form):
    network = single(busy(**form), 1)
    output = network.forward_kernel(spikes(1, n_steps=N_STEPS, n_samples=5) > 0)
    for name, gradient in gradients(network, output, 1).items():
        assert np.linalg.norm(gradient) > 0, name


def everything(network, x, seed):
    output = network.forward_kernel(x > 0)
    return [output.readout, output.spikes, output.rate, *gradients(network, output, seed).values()]


@pytest.mark.parametrize("n_samples", [1, 15, 16, 17, 40])
def test_any_number_of_threads_gives_the_same_bits(n_samples):
    config = busy()
    x = spikes(3, n_steps=N_STEPS, n_samples=n_samples)
    one, *others = (everything(single(config, 3, threads=n), x, 3) for n in (1, 2, 3))
    for other in others:
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a if isinstance(a, np.ndarray) else a.detach(),
                                          b if isinstance(b, np.ndarray) else b.detach())  # fmt: skip


@pytest.mark.parametrize("n_samples", [1, 15, 16, 17, 40])
def test_a_sample_does_not_depend_on_its_company(n_samples):
    config = busy()
    x = spikes(4, n_steps=N_STEPS, n_samples=40) > 0
    network = single(config, 4)
    whole, part = network.forward_kernel(x), network.forward_kernel(x[:, :n_samples])
    assert torch.equal(whole.readout[:, :n_samples], part.readout)
    assert torch.equal(whole.spikes[:, :n_samples], part.spikes)


@pytest.mark.parametrize("n_samples", [1, 15, 16, 17, 40])
def test_samples_without_a_part_in_the_loss_and_empty_lanes_add_nothing(n_samples):
    config = busy()
    x = spikes(5, n_steps=N_STEPS, n_samples=40)[:, :n_samples] > 0
    network = single(config, 5)
    found = []
    for inputs in (x[:, :1], x):
        network.zero_grad()
        network.forward_kernel(inputs).readout[:, 0].square().sum().backward()
        found.append([s.theta.grad.clone() for s in network.synapses()])
    for alone, together in zip(*found, strict=True):
        assert torch.equal(alone, together)
        assert alone.any()


@settings(max_examples=30, deadline=None)
@given(config=configs, seed=seeds)
def test_the_rate_is_the_mean_of_the_spikes(config, seed):
    network = single(config, seed, learn_neurons=False)
    output = network.forward_kernel(spikes(seed, n_steps=20, n_samples=17) > 0)
    torch.testing.assert_close(output.rate, output.spikes.mean(dim=(0, 1)))


@pytest.mark.parametrize("n_ref", [0, 1, 5, 63])
def test_a_neuron_under_constant_drive_fires_every_n_ref_plus_one_steps(n_ref):
    config = LSNNConfig(
        regular=1, adaptive=0, n_ref=n_ref, n_delays=1, signs="free", excitatory=1.0, tau_m=1e-3,
        b0=0.5, input_connectivity=1.0, reset="zero",
    )  # fmt: skip
    network = single(config, 0, learn_neurons=False)
    with torch.no_grad():
        network.input.theta.fill_(1.0)
    z = network.forward_kernel(torch.ones(200, 1, 3, dtype=torch.bool)).spikes[:, 0, 0]
    assert z.nonzero().flatten().tolist() == list(range(0, 200, n_ref + 1))


@pytest.mark.parametrize(("beta", "reaches"), [(0.3, True), (0.0, False)])
@pytest.mark.parametrize("adaptation", ["threshold", "current"])
def test_gradient_flows_through_adaptation_over_time(beta, reaches, adaptation):
    """A memoryless ALIF neuron without recurrence: only adaptation links its steps.

    Its second input fires in the first step alone, the loss is on the readout of the last one; the
    readout forgets at once.
    """
    config = LSNNConfig(
        regular=0, adaptive=1, beta=beta, tau_m=1e-3, tau_a=20.0, tau_out=1e-3, b0=0.5, n_ref=0,
        n_delays=1, signs="free", excitatory=1.0, input_connectivity=1.0, readout_connectivity=1.0,
        adaptation=adaptation,
    )  # fmt: skip
    network = LSNN(config, 2, 1, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        network.input.theta.copy_(torch.tensor([[0.6, 0.01]]))
        network.readout.theta.fill_(1.0)
        network.readout.sign.fill_(1)
    x = torch.ones(6, 1, 2, dtype=torch.bool)
    x[1:, :, 1] = False
    network.forward_kernel(x).readout[-1].sum().backward()
    gradient = network.input.theta.grad[0, 1].item()
    assert (gradient < 0) == reaches
    assert reaches or gradient == 0


@pytest.mark.parametrize("n_delays", [1, 63])
def test_the_shortest_and_the_longest_delays_are_right(n_delays):
    config = LSNNConfig(regular=3, adaptive=3, n_delays=n_delays, input_connectivity=1.0,
                        recurrent_connectivity=1.0)  # fmt: skip
    network = single(config, 8, compact=False)
    x = spikes(8, n_steps=150, n_samples=3)
    output = network.forward_kernel(x > 0)
    found = gradients(network, output, 8)
    double = in_double(network)
    loop = double(x)
    assert torch.equal(output.spikes.double(), loop.spikes)
    for name, gradient in gradients(double, loop, 8).items():
        assert np.linalg.norm(found[name] - gradient) <= 1e-4 * np.linalg.norm(gradient), name


# --- instruction sets, and life without the extension ---------------------------------------------

FINGERPRINT = """
import hashlib, sys
sys.path.insert(0, "tests"); sys.path.insert(0, "tests/lsnn_neuro")
from lsnn_neuro import kernel
try:
    name = kernel.native.instruction_set()
except ValueError as error:
    print("refused", error); sys.exit()
import numpy as np
from test_kernel import everything, single
from random_lsnns import FORMS, spikes
from lsnn_neuro.recipe import LSNNConfig
from quantize.emulator import emulate
from random_networks import random_inputs, random_network
digest = hashlib.sha256()
for seed in range(12):
    form = list(FORMS.values())[seed // 2 % 3]
    if seed % 2 and form.get("neuron") != "atrlif":
        form = form | {"reset": "zero"}
    config = LSNNConfig(regular=9, adaptive=9, n_delays=4, input_connectivity=0.6, **form)
    network = single(config, seed, compact=seed % 3 > 0)
    for value in everything(network, spikes(seed, n_steps=40, n_samples=20), seed):
        digest.update(np.ascontiguousarray(
            value if isinstance(value, np.ndarray) else value.detach().numpy()).tobytes())
    integers = random_network(seed)
    record = emulate(integers, random_inputs(seed, integers, n_steps=30, n_samples=20))
    digest.update(record.readout.tobytes())
    for population in record.spikes:
        digest.update(np.ascontiguousarray(population.spikes).tobytes())
print(name, digest.hexdigest())
"""


def child(script, **environment):
    """What a script prints in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False,
        env=os.environ | {"OMP_WAIT_POLICY": "passive"} | environment,
        cwd=os.path.join(os.path.dirname(__file__), "..", ".."),  # noqa: PTH118, PTH120
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_all_instruction_sets_give_the_same_bits():
    names = ("avx512", "avx2", "baseline")
    answers = [child(FINGERPRINT, LSNN_NEURO_ISA=name) for name in names]
    ran = [answer.split() for answer in answers if not answer.startswith("refused")]
    assert [name for name, _ in ran][-1] == "baseline"
    assert len({digest for _, digest in ran}) == 1


def test_an_unknown_instruction_set_is_refused():
    assert child(FINGERPRINT, LSNN_NEURO_ISA="mmx").startswith("refused kernel: LSNN_NEURO_ISA")


WITHOUT = """
import sys, warnings
sys.modules["lsnn_neuro._kernel"] = None
sys.path.insert(0, "tests")
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    import numpy as np, torch
    from random_lsnns import lsnn, spikes
    from random_networks import random_inputs, random_network
    from lsnn_neuro import kernel
    from lsnn_neuro.recipe import LSNNConfig
    from quantize.aware import QuantizationAware
    from quantize.emulator import emulate
    network = lsnn(LSNNConfig(regular=3, adaptive=3), 1).float()
    for model in (network, QuantizationAware(network)):
        model(spikes(1, n_steps=10, n_samples=2)).readout.sum().backward()
    integers = random_network(1)
    emulate(integers, random_inputs(1, integers, n_steps=10, n_samples=2))
ours = [w for w in seen if issubclass(w.category, RuntimeWarning) and "lsnn-neuro" in str(w.message)]
print(len(ours), kernel.available(), kernel.description(), sep="|")
"""


def test_without_the_extension_one_warning_and_everything_works():
    assert child(WITHOUT) == "1|False|references (native kernel not built)"


def test_the_kernel_can_be_switched_off(monkeypatch):
    monkeypatch.setenv(kernel.SWITCH, "off")
    network = lsnn(LSNNConfig(regular=2, adaptive=2), 1).float()
    assert not kernel.available()
    assert "off" in kernel.description()
    assert not network.runs_on_kernel()
    network(spikes(1, n_steps=10, n_samples=2)).readout.sum().backward()


def test_double_precision_runs_on_the_loop():
    assert not lsnn(LSNNConfig(regular=2, adaptive=2), 1).runs_on_kernel()


# --- bad arguments -----------------------------------------------------------------------------------

N, IN, OUT, DELAY = 3, 2, 2, 4


def arguments():
    """Arguments of forward_float that are right."""
    f, i = np.float32, np.int32

    def synapses(sources, targets):
        return (
            np.array([0] + [1] * sources),
            np.array([targets - 1], i),
            np.zeros(1, i),
            np.ones(1, f),
        )

    neurons = (*(np.full(N, c, f) for c in (0.9, 0.9, 0.1, 0.1)), np.full(OUT, 0.9, f), np.ones(N, f),
               np.ones(N, i), np.zeros(N, np.uint8), np.full(N, 0.5, f), np.full(N, 0.5, f),
               np.arange(N, dtype=np.uint8))  # fmt: skip
    return {
        "x": np.ones((5, 2, IN), np.uint8), "neurons": neurons, "input": synapses(IN, N),
        "recurrent": synapses(N, N), "readout": synapses(N, OUT), "n": N, "outputs": OUT,
        "max_delay": DELAY, "keep": 3, "compact": True, "threads": 1,
    }  # fmt: skip


def test_good_arguments_are_taken():
    kernel.native.forward_float(**arguments())


def at(index, value):
    """Replace an item of a tuple."""
    return lambda old: (*old[:index], value, *old[index + 1 :])


I32, F32 = np.int32, np.float32
BAD = {
    "x of another type": ("x", lambda x: x.astype(float)),
    "x of two dimensions": ("x", lambda x: x[0]),
    "x without steps": ("x", lambda x: x[:0]),
    "x not contiguous": ("x", lambda x: x[:, :, ::-1]),
    "x with more inputs than synapses know": ("x", lambda x: np.ones((5, 2, IN + 1), np.uint8)),
    "too few neurons": ("n", lambda n: n - 1),
    "negative neurons": ("n", lambda n: -1),
    "too many outputs": ("outputs", lambda n: n + 1),
    "delay beyond 62": ("max_delay", lambda d: 63),
    "negative longest delay": ("max_delay", lambda d: -1),
    "short alpha": ("neurons", at(0, np.ones(N - 1, F32))),
    "alpha of another type": ("neurons", at(0, np.ones(N))),
    "short kappa": ("neurons", at(4, np.ones(OUT - 1, F32))),
    "negative refractory steps": ("neurons", at(6, np.full(N, -1, I32))),
    "too many refractory steps": ("neurons", at(6, np.full(N, 64, I32))),
    "short decay of the current": ("neurons", at(8, np.ones(N - 1, F32))),
    "decay of refractoriness of another type": ("neurons", at(9, np.ones(N))),
    "short kinds": ("neurons", at(10, np.zeros(N - 1, np.uint8))),
    "an unknown kind of neuron": ("neurons", at(10, np.full(N, 3, np.uint8))),
    "a neuron array missing": ("neurons", lambda old: old[:-1]),
    "a synapse array missing": ("input", lambda old: old[:-1]),
    "target out of range": ("recurrent", at(1, np.array([N], I32))),
    "negative target": ("recurrent", at(1, np.array([-1], I32))),
    "delay out of range": ("input", at(2, np.array([DELAY + 1], I32))),
    "negative delay": ("input", at(2, np.array([-1], I32))),
    "delayed readout": ("readout", at(2, np.array([1], I32))),
    "start that falls": ("recurrent", at(0, np.array([0, 2, 1, 1]))),
    "start beyond the end": ("recurrent", at(0, np.array([0, 1, 1, 2]))),
    "start not from 0": ("recurrent", at(0, np.array([1, 1, 1, 1]))),
    "start of another type": ("recurrent", at(0, np.array([0, 1, 1, 1], I32))),
    "weights of another type": ("input", at(3, np.ones(1))),
    "weights of another length": ("input", at(3, np.ones(2, F32))),
    "None for an array": ("input", at(3, None)),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments_raise_and_do_not_crash(name):
    key, change = BAD[name]
    good = arguments()
    with pytest.raises((ValueError, TypeError)):
        kernel.native.forward_float(**good | {key: change(good[key])})


def backward_arguments():
    good = arguments()
    kept = kernel.native.forward_float(**good)[1:]
    for name in ("keep", "compact"):
        del good[name]
    gradients = {"grad_readout": np.ones((5, OUT, 1, 16), F32), "grad_rate": np.ones(N, F32)}
    return good | gradients | {"kept": kept, "gamma": 0.3, "neurons_learn": True}


BAD_BACKWARD = {
    "gradient of another size": ("grad_readout", lambda g: g[:-1].copy()),
    "gradient of another type": ("grad_readout", lambda g: g.astype(float)),
    "rate of another size": ("grad_rate", lambda g: g[:-1].copy()),
    "spikes not kept": ("kept", at(0, None)),
    "distance not kept": ("kept", at(1, None)),
    "distance of another type": ("kept", lambda old: at(1, old[1].astype(np.int8))(old)),
    "distance of another size": ("kept", lambda old: at(1, old[1][:, :-1].copy())(old)),
    "distance not contiguous": ("kept", lambda old: at(1, old[1][..., ::-1])(old)),
    "adaptation not kept": ("kept", at(2, None)),
    "membrane not kept": ("kept", at(3, None)),
    "a kept array missing": ("kept", lambda old: old[:1]),
    "another run's inputs": ("x", lambda x: np.ones((6, 2, IN), np.uint8)),
}


@pytest.mark.parametrize("name", BAD_BACKWARD)
def test_bad_arguments_of_backward_raise_and_do_not_crash(name):
    key, change = BAD_BACKWARD[name]
    good = backward_arguments()
    kernel.native.backward(**good)
    with pytest.raises((ValueError, TypeError)):
        kernel.native.backward(**good | {key: change(good[key])})
