"""The native kernel against the readable time loop.

Both add up in another order, so a spike may differ where the membrane stands on the threshold to
within rounding: a *tie*. Everything a tie touches is left out of the comparison; ties are counted.
"""

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from exact_kernel import exact_distances
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_networks import random_inputs
from random_specs import random_spec
from rewired import shuffle_slots
from same import differences

from lsnn_neuro.network import kernel, real
from lsnn_neuro.network.module import SpikingNetwork
from lsnn_neuro.network.spec import NetworkSpec, Population, Projection
from lsnn_neuro.registry import NEURONS

pytestmark = pytest.mark.skipif(not kernel.available(), reason="native kernel not built")

N_STEPS = 25
EPS = 2.0**-24  # rounding unit of float32
seeds = st.integers(0, 10**6)
sizes = st.sampled_from([1, 3, 17])
KINDS = [kind for kind in NEURONS if NEURONS[kind].spiking]
LEARNT = {"tau_m", "tau_a", "b0", "beta"}
FORMS = [(kind, reset) for kind in KINDS for reset in ("subtract", "to", "hold")
         if "reset" in NEURONS[kind].parameters() or reset == "subtract"]  # fmt: skip


def busy(seed, kind="alif", *, n=5, n_inputs=3, delays=4, b0=0.2, **fields):
    """LIF neurons and neurons of a kind, with enough synapses for something to happen; all learns.

    ``fields`` are the second population's.
    """
    rng = np.random.default_rng(seed)
    values = {
        "tau_m": 20.0,
        "tau_a": 60.0,
        "tau_r": 6.0,
        "beta": 0.2,
        "b0": b0,
        "n_ref": 2,
    } | fields
    ends = {"input": n_inputs, "regular": n, "adaptive": n, "readout": 2}
    populations = []
    for name, neuron in (("regular", NEURONS["lif"]), ("adaptive", NEURONS[kind])):
        known = {*neuron.learnable(), *neuron.parameters()}
        given_ = {k: v for k, v in values.items() if k in known}
        learn = tuple(LEARNT & set(neuron.learnable()))
        populations.append(Population(name=name, neuron=neuron.of(n, 1.0, **given_), learn=learn))
    li = NEURONS["li"].of(2, 1.0, tau_out=15.0)
    populations.append(Population(name="readout", neuron=li, offset=[-0.5, 0.7], learn=("offset",)))

    def projection(source, target):
        shape = (ends[target], ends[source])
        here = rng.random(shape) < 0.7
        if source == target:
            np.fill_diagonal(here, False)
        unit = 0.05 if target == "adaptive" and kind == "if" else 1.0
        longest = 1 if target == "readout" else delays
        return Projection.of_matrix(
            source, target, np.float32(rng.normal(0.3, 0.6, shape) * here * unit),
            delay=rng.integers(0, longest, shape), max_delay=longest - 1,
        )  # fmt: skip

    spiking = ("regular", "adaptive")
    return NetworkSpec(
        n_inputs=n_inputs, populations=tuple(populations),
        projections=tuple(
            projection(source, target)
            for target in (*spiking, "readout")
            for source in (*(["input"] if target != "readout" else []), *spiking)
        ),
    )  # fmt: skip


def spikes(seed, spec, *, n_steps=N_STEPS, n_samples=5):
    return torch.from_numpy(random_inputs(seed, spec, n_steps=n_steps, n_samples=n_samples))


def on_kernel(spec, x):
    """The network in single precision and what the kernel makes of it."""
    net = SpikingNetwork(spec)
    assert net.kernel_obstacle(x) is None, net.kernel_obstacle(x)
    return net, net.forward_kernel(x)


class Loop:
    """The loop in double precision, with (v - A) / b0 of every step, (time, sample, neuron)."""

    def __init__(self, spec, x):
        self.net = SpikingNetwork(spec, dtype=torch.float64)
        seen, plain = [], real.spike

        def spying(distance, allowed, gamma, **options):
            seen.append(distance.detach())
            return plain(distance, allowed, gamma, **options)

        with patch.object(real, "spike", spying):
            self.output = self.net.forward_loop(x)
        n = len(spec.spiking)
        steps = [torch.cat(seen[i : i + n], dim=1) for i in range(0, len(seen), n)]
        self.distance = torch.stack(steps)
        # membranes and thresholds in units of b0: what rounding is relative to
        highest = max(float(np.max(p.neuron.peak() / p.neuron.b0)) for p in spec.spiking)
        self.largest = highest + float(self.distance.abs().max())


def loss_of(output, seed, *, through_spikes=False):
    """Readout at random steps with random weights, and a cost on firing rates."""
    generator = torch.Generator().manual_seed(seed + 1)
    y = output.readout
    chosen = torch.rand(y.shape, generator=generator) < 0.3
    weight = torch.randn(y.shape, generator=generator) * chosen
    loss = (weight.to(y) * y).mean() + 0.5 * ((output.rate - 0.05) ** 2).sum()
    if through_spikes:
        z = output.spikes
        loss = loss + (torch.randn(z.shape, generator=generator).to(z) * z).mean()
    return loss


def gradients(net, output, seed, **options):
    """Gradients of the loss by the name of what learns."""
    named = {name: p for name, p in net.named_parameters() if p.requires_grad}
    loss = loss_of(output, seed, **options)
    found = torch.autograd.grad(loss, named.values(), allow_unused=True, retain_graph=True)
    return {
        name: np.zeros(p.shape) if g is None else g.double().numpy()
        for (name, p), g in zip(named.items(), found, strict=True)
    }


def errors(found, expected):
    """Of each gradient, relative to its size."""
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        size = np.linalg.norm(gradient)
        yield name, np.linalg.norm(found[name] - gradient) / size if size else 0.0


def first_differences(found, expected):
    """Where a sample's spikes differ for the first time, as a bool array."""
    differ = found != expected
    step = torch.arange(len(differ))[:, None, None]
    first = torch.where(differ, step, len(differ)).amin(dim=(0, 2), keepdim=True)
    return differ & (step == first)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, n_samples=sizes)
def test_spikes_differ_from_the_loop_only_at_ties(seed, n_samples):
    spec = random_spec(seed)
    x = spikes(seed, spec, n_samples=n_samples)
    _, found = on_kernel(spec, x)
    loop = Loop(spec, x)
    first = first_differences(found.spikes, loop.output.spikes)
    assert (loop.distance[first].abs() < 16 * EPS * loop.largest).all()
    same = ~(found.spikes != loop.output.spikes).any(dim=2).any(dim=0)
    expected = loop.output.readout[:, same]
    scale = 1 + float(expected.detach().abs().max()) if expected.numel() else 1
    torch.testing.assert_close(
        found.readout[:, same].double(), expected, rtol=1e-5, atol=1e-6 * scale
    )


def test_ties_are_rare():
    different = 0
    for seed in range(60):
        spec = random_spec(seed)
        x = spikes(seed, spec)
        _, found = on_kernel(spec, x)
        different += not torch.equal(found.spikes.double(), Loop(spec, x).output.spikes)
    assert different <= 2


@pytest.mark.parametrize("seed", range(30))
def test_the_loop_in_single_precision_gives_the_same_spikes(seed):
    spec = busy(seed, KINDS[seed % len(KINDS)])
    x = spikes(seed, spec)
    net, found = on_kernel(spec, x)
    loop = net.forward_loop(x)
    assert torch.equal(found.spikes, loop.spikes)
    torch.testing.assert_close(found.readout, loop.readout, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.rate, loop.rate)


@pytest.mark.parametrize(("exact", "tolerance"), [(True, 1e-5), (False, 1e-2)])
@settings(max_examples=20, deadline=None)
@given(seed=seeds, n_samples=sizes, through_spikes=st.booleans())
def test_gradients_equal_those_of_the_loop(exact, tolerance, seed, n_samples, through_spikes):
    spec = random_spec(seed)
    x = spikes(seed, spec, n_samples=n_samples)
    options = {"through_spikes": through_spikes}
    with exact_distances() if exact else contextlib.nullcontext():
        net, output = on_kernel(spec, x)
        found = gradients(net, output, seed, **options)
    loop = Loop(spec, x)
    assume(torch.equal(output.spikes.double(), loop.output.spikes))
    expected = gradients(loop.net, loop.output, seed, **options)
    # A distance is a difference of large terms and can't be more exact than they are; stored compact,
    # it has 16 bits. That tells most where the pseudo-derivative 1 - |distance| is smallest.
    rounding = 16 * EPS * loop.largest + (not exact) * 2.0**-16
    slope = 1 - loop.distance.abs()
    tolerance += rounding / min([1.0, *slope[slope > 1e-9].tolist()])
    for name, gradient in expected.items():
        error = np.linalg.norm(found[name] - gradient)
        assert error <= tolerance * np.linalg.norm(gradient) + 1e-9, name


@pytest.mark.parametrize("through_spikes", [False, True])
@pytest.mark.parametrize(("kind", "reset"), FORMS)
def test_gradients_typically_agree_to_six_digits(kind, reset, through_spikes):
    """Where thresholds are high, so that distances to them are well rounded."""
    sizes = []
    for seed in range(8):
        spec = busy(seed, kind, reset=reset, b0=0.6)
        x = spikes(seed, spec, n_samples=17)
        with exact_distances():
            net, output = on_kernel(spec, x)
            found = gradients(net, output, seed, through_spikes=through_spikes)
        loop = Loop(spec, x)
        expected = gradients(loop.net, loop.output, seed, through_spikes=through_spikes)
        sizes += [error for _, error in errors(found, expected)]
    assert np.median(sizes) < 2e-6
    assert np.quantile(sizes, 0.9) < 1e-5


@pytest.mark.parametrize(("kind", "reset"), FORMS)
@pytest.mark.parametrize("quiet", [1, 15, 16, 17, 37])
def test_a_quiet_beginning_changes_nothing(kind, reset, quiet):
    spec = busy(5, kind, reset=reset, b0=0.6)
    x = spikes(5, spec, n_steps=60, n_samples=18)
    x[:quiet] = False
    x[: quiet + 9, 16:] = False  # the second block of samples begins later
    with exact_distances():
        net, output = on_kernel(spec, x)
        found = gradients(net, output, 5)
    loop = Loop(spec, x)
    assert torch.equal(output.spikes.double(), loop.output.spikes)
    for name, error in errors(found, gradients(loop.net, loop.output, 5)):
        assert error < 1e-5, name


def test_an_input_without_spikes_gives_the_offset_and_no_gradients():
    net, output = on_kernel(busy(1), torch.zeros(40, 3, 3, dtype=torch.bool))
    assert torch.equal(output.readout, net.offset().expand_as(output.readout))
    assert output.spikes.sum() == 0
    found = gradients(net, output, 1)
    assert all(not g.any() for name, g in found.items() if not name.endswith("offset"))


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_random_feedback_is_that_of_the_loop(n_outputs):
    spec = busy(2)
    feedback = np.random.default_rng(0).normal(size=(2, 10))
    outputs = ("readout", "adaptive")[:n_outputs]
    spec = NetworkSpec(**(vars(spec) | {"feedback": feedback, "outputs": outputs}))
    x = spikes(2, spec)
    with exact_distances():
        net, output = on_kernel(spec, x)
        found = gradients(net, output, 2)
    loop = Loop(spec, x)
    for name, error in errors(found, gradients(loop.net, loop.output, 2)):
        assert error < 1e-4, name


@pytest.mark.parametrize(
    "outputs", [("adaptive",), ("readout", "regular"), ("adaptive", "regular")]
)
def test_outputs_that_spike_are_differentiable(outputs):
    spec = NetworkSpec(**(vars(busy(3, b0=0.6)) | {"outputs": outputs}))
    x = spikes(3, spec)
    with exact_distances():
        net, output = on_kernel(spec, x)
        found = gradients(net, output, 3)
    places = spec.places()
    at = 0
    for name in outputs:
        n = spec.size_of(name)
        if name != "readout":
            read = output.readout[..., at : at + n]
            assert torch.equal(read, output.spikes[..., places[name]].to(read))
        at += n
    loop = Loop(spec, x)
    for name, error in errors(found, gradients(loop.net, loop.output, 3)):
        assert error < 1e-4, name


def test_readouts_of_two_populations_are_apart():
    spec = busy(4)
    second = NEURONS["li"].of(3, 1.0, tau_out=4.0)
    more = Projection.of_matrix(
        "adaptive", "second", np.float32(np.random.default_rng(0).normal(size=(3, 5)))
    )
    both = NetworkSpec(
        n_inputs=3, populations=(*spec.populations, Population(name="second", neuron=second)),
        projections=(*spec.projections, more), outputs=("second", "readout"),
    )  # fmt: skip
    x = spikes(4, both)
    _, output = on_kernel(both, x)
    loop = Loop(both, x)
    torch.testing.assert_close(output.readout.double(), loop.output.readout, rtol=1e-5, atol=1e-5)
    _, alone = on_kernel(spec, x)
    assert torch.equal(output.readout[..., 3:], alone.readout)


def test_memory_that_is_used_again_holds_nothing_of_the_past():
    """Calls of several sizes, each result kept alive or dropped in turn."""
    spec = busy(2)
    inputs = [
        spikes(i, spec, n_steps=20 + 7 * (i % 3), n_samples=1 + 9 * (i % 2)) for i in range(12)
    ]
    expected = [everything(spec, x, 2) for x in inputs]
    kept = []
    for x, before in zip(inputs, expected, strict=True):
        again = everything(spec, x, 2)
        kept = [*kept[-1:], again]
        for found, old in zip(again, before, strict=True):
            np.testing.assert_array_equal(found, old)


def everything(spec, x, seed, *, exact=False):
    """Readout, spikes, rate and all gradients, as arrays."""
    with exact_distances() if exact else contextlib.nullcontext():
        net, output = on_kernel(spec, x)
        found = gradients(net, output, seed)
    tensors = output.readout, output.spikes, output.rate
    return [*(t.detach().numpy() for t in tensors), *found.values()]


@pytest.mark.parametrize(("kind", "reset"), FORMS)
def test_the_compared_gradients_are_not_zero(kind, reset):
    spec = busy(1, kind, reset=reset)
    net, output = on_kernel(spec, spikes(1, spec))
    for name, gradient in gradients(net, output, 1).items():
        assert np.linalg.norm(gradient) > 0, name


@pytest.mark.parametrize("n_samples", [1, 15, 16, 17, 40])
def test_any_number_of_threads_gives_the_same_bits(n_samples):
    spec = busy(3)
    x = spikes(3, spec, n_samples=n_samples)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(everything(spec, x, 3))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("n_samples", [1, 15, 16, 17, 40])
def test_a_sample_does_not_depend_on_its_company(n_samples):
    spec = busy(4)
    x = spikes(4, spec, n_samples=40)
    (_, whole), (_, part) = on_kernel(spec, x), on_kernel(spec, x[:, :n_samples])
    assert torch.equal(whole.readout[:, :n_samples], part.readout)
    assert torch.equal(whole.spikes[:, :n_samples], part.spikes)


@pytest.mark.parametrize("n_samples", [1, 15, 16, 17, 40])
def test_samples_without_a_part_in_the_loss_and_empty_lanes_add_nothing(n_samples):
    spec = busy(5)
    x = spikes(5, spec, n_samples=40)[:, :n_samples]
    found = []
    for inputs in (x[:, :1], x):
        net, output = on_kernel(spec, inputs)
        output.readout[:, 0].square().sum().backward()
        found.append([g.theta.grad for g in net.groups])
    for alone, together in zip(*found, strict=True):
        assert torch.equal(alone, together)
    assert sum(bool(alone.any()) for alone in found[0]) > len(found[0]) / 2


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_the_rate_is_the_mean_of_the_spikes(seed):
    spec = random_spec(seed)
    _, output = on_kernel(spec, spikes(seed, spec, n_samples=17))
    torch.testing.assert_close(output.rate, output.spikes.mean(dim=(0, 1)))


@pytest.mark.parametrize("n_ref", [0, 1, 5, 63])
def test_a_neuron_under_constant_drive_fires_every_n_ref_plus_one_steps(n_ref):
    neuron = NEURONS["lif"].of(1, 1.0, tau_m=1e-3, b0=0.5, n_ref=n_ref, reset="to")
    spec = NetworkSpec(
        n_inputs=1, populations=(Population(name="pop", neuron=neuron),), outputs=("pop",),
        projections=(Projection.of_matrix("input", "pop", np.array([[1.0]])),),
    )  # fmt: skip
    _, output = on_kernel(spec, torch.ones(200, 1, 1, dtype=torch.bool))
    fired = output.spikes[:, 0, 0].nonzero().flatten().tolist()
    assert fired == list(range(0, 200, n_ref + 1))


def test_neurons_side_by_side_have_refractory_times_of_their_own():
    neuron = NEURONS["lif"].of(4, 1.0, tau_m=1e-3, b0=0.5, n_ref=[0, 7, 1, 63], reset="to")
    spec = NetworkSpec(
        n_inputs=1, populations=(Population(name="pop", neuron=neuron),), outputs=("pop",),
        projections=(Projection.of_matrix("input", "pop", np.ones((4, 1))),),
    )  # fmt: skip
    _, output = on_kernel(spec, torch.ones(128, 1, 1, dtype=torch.bool))
    assert output.spikes[:, 0].sum(dim=0).tolist() == [128, 16, 64, 2]


@pytest.mark.parametrize(("beta", "reaches"), [(0.3, True), (0.0, False)])
@pytest.mark.parametrize("kind", ["alif", "ahp"])
def test_gradient_flows_through_adaptation_over_time(beta, reaches, kind):
    """A memoryless neuron without recurrence: only adaptation links its steps.

    Its second input fires in the first step alone, the loss is on the readout of the last one; the
    readout forgets at once.
    """
    neuron = NEURONS[kind].of(1, 1.0, beta=beta, tau_m=1e-3, tau_a=20.0, b0=0.5)
    li = NEURONS["li"].of(1, 1.0, tau_out=1e-3)
    spec = NetworkSpec(
        n_inputs=2,
        populations=(Population(name="pop", neuron=neuron), Population(name="readout", neuron=li)),
        projections=(
            Projection.of_matrix("input", "pop", np.array([[0.6, 0.01]])),
            Projection.of_matrix("pop", "readout", np.array([[1.0]])),
        ),
    )
    x = torch.ones(6, 1, 2, dtype=torch.bool)
    x[1:, :, 1] = False
    net, output = on_kernel(spec, x)
    output.readout[-1].sum().backward()
    gradient = net.groups[0].theta.grad[1].item()
    assert (gradient < 0) == reaches
    assert reaches or gradient == 0


@pytest.mark.parametrize("delays", [1, 63])
def test_the_shortest_and_the_longest_delays_are_right(delays):
    spec = busy(8, delays=delays, b0=0.6)
    x = spikes(8, spec, n_steps=150, n_samples=3)
    with exact_distances():
        net, output = on_kernel(spec, x)
        found = gradients(net, output, 8)
    loop = Loop(spec, x)
    assert torch.equal(output.spikes.double(), loop.output.spikes)
    for name, error in errors(found, gradients(loop.net, loop.output, 8)):
        assert error <= 1e-4, name


# --- instruction sets, and life without the extension ---------------------------------------------

ROOT = Path(__file__).parents[3]
FINGERPRINT = """
import hashlib, sys
sys.path += ["tests", "tests/lsnn_neuro/network"]
from lsnn_neuro.network import kernel
try:
    name = kernel.native.instruction_set()
except ValueError as error:
    print("refused", error); sys.exit()
import numpy as np
from test_kernel import FORMS, busy, everything, spikes
from quantize.emulator import emulate
from random_graphs import random_graph
from random_networks import random_inputs
digest = hashlib.sha256()
for seed in range(14):
    kind, reset = FORMS[seed % len(FORMS)]
    spec = busy(seed, kind, n=9, reset=reset)
    x = spikes(seed, spec, n_steps=40, n_samples=20)
    for value in everything(spec, x, seed, exact=seed % 3 > 0):
        digest.update(np.ascontiguousarray(value).tobytes())
    integers = random_graph(seed, fast=True)
    record = emulate(integers, random_inputs(seed, integers, n_steps=30, n_samples=20))
    digest.update(np.ascontiguousarray(record.readout).tobytes())
    for population in record.spikes:
        digest.update(np.ascontiguousarray(population.spikes).tobytes())
print(name, digest.hexdigest())
"""


def child(script, **environment):
    """What a script prints in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False,
        env=os.environ | {"OMP_WAIT_POLICY": "passive"} | environment, cwd=ROOT,
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
sys.path += ["tests"]
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    import numpy as np, torch
    from random_graphs import random_graph
    from random_networks import random_inputs
    from random_specs import random_spec
    from lsnn_neuro.network import kernel
    from lsnn_neuro.network.module import SpikingNetwork
    from quantize.aware import QuantizationAware
    from quantize.emulator import emulate
    spec = random_spec(1)
    network = SpikingNetwork(spec)
    x = torch.from_numpy(random_inputs(1, spec, n_steps=10, n_samples=2))
    for model in (network, QuantizationAware(network)):
        model(x).readout.sum().backward()
    integers = random_graph(1, fast=True)
    emulate(integers, random_inputs(1, integers, n_steps=10, n_samples=2))
ours = [w for w in seen if issubclass(w.category, RuntimeWarning) and "lsnn-neuro" in str(w.message)]
print(len(ours), kernel.available(), kernel.description(), sep="|")
"""


def test_without_the_extension_one_warning_and_everything_works():
    assert child(WITHOUT) == "1|False|references (native kernel not built)"


def test_the_kernel_can_be_switched_off(monkeypatch):
    monkeypatch.setenv(kernel.SWITCH, "off")
    spec = busy(1)
    net = SpikingNetwork(spec)
    assert not kernel.available()
    assert "off" in kernel.description()
    assert "switched off" in net.kernel_obstacle()
    output = net(spikes(1, spec))
    output.readout.sum().backward()
    assert output.engine == "loop"


@pytest.mark.parametrize("seed", range(20))
def test_rewired_synapses_are_on_the_kernel_what_they_are_on_the_loop(seed):
    spec = random_spec(seed)
    x = spikes(seed, spec)
    net = SpikingNetwork(spec)
    before = net.forward_kernel(x)
    shuffle_slots(net, seed)
    output = net.forward_kernel(x)
    assert torch.equal(output.readout, before.readout)
    assert torch.equal(output.spikes, before.spikes)
    assert differences(net.to_spec(), spec) == []
    with exact_distances():
        found = gradients(net, net.forward_kernel(x), seed)
    double = net.double()
    loop = double.forward_loop(x)
    if torch.equal(output.spikes.double(), loop.spikes):  # no tie
        for name, error in errors(found, gradients(double, loop, seed)):
            assert error < 1e-2, name


def test_double_precision_runs_on_the_loop():
    assert "float64" in SpikingNetwork(busy(1), dtype=torch.float64).kernel_obstacle()
