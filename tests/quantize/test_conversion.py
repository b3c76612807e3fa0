"""Float to integers and back: post-training quantization, its report, and the way back."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from random_graphs import convertible, random_graph
from random_networks import li, neurons, random_network
from random_specs import random_spec
from same import differences

from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.spec import NetworkSpec, Population, Projection
from lsnn_neuro.registry import NEURONS
from quantize.conversion import convert, to_spec
from quantize.design_rules import graded_inputs_are_not_shifted_down
from quantize.network import ANY_EVENT, Provenance, QuantizedNetwork, QuantizedProjection

seeds = st.integers(0, 10**6)


def spec(weight, kind="alif", *, signs="free", delay=0, offset=0.25, out=1.0, fields=(), **more):
    """Inputs onto one population, one output; ``more`` are the neuron's parameters."""
    weight = np.array(weight, float)
    n = len(weight)
    values = {"tau_m": 20.0, "tau_a": 700.0, "beta": 1.8, "b0": 0.01, "n_ref": 5} | more
    known = {*NEURONS[kind].learnable(), *NEURONS[kind].parameters()}
    values = {k: v for k, v in values.items() if k in known or k in more}
    return NetworkSpec(
        n_inputs=weight.shape[1],
        populations=(
            Population(name="pop", neuron=NEURONS[kind].of(n, 1.0, **values), **dict(fields)),
            Population(
                name="readout", neuron=NEURONS["li"].of(1, 1.0, tau_out=20.0), offset=offset
            ),
        ),
        projections=(
            Projection.of_matrix("input", "pop", weight, delay=delay, signs=signs),
            Projection.of_matrix("pop", "readout", np.full((1, n), out)),
        ),
    )


def dale(weight):
    """Signs of the sources of a matrix; + for those without a synapse."""
    return np.where((np.array(weight) < 0).any(axis=0), -1, 1)


def test_dale_splits_a_projection_by_sign_and_keeps_8_bits():
    weight = [[0.5, -0.25], [0.25, 0]]
    network, report = convert(spec(weight, signs=dale(weight)))
    excitatory, inhibitory, _ = network.projections
    assert excitatory.name == "input->pop (excitatory)"
    assert inhibitory.name == "input->pop (inhibitory)"
    assert (excitatory.sign_mode, inhibitory.sign_mode) == ("excitatory", "inhibitory")
    assert excitatory.source_index.tolist() == [0, 0]
    assert inhibitory.source_index.tolist() == [1]
    assert [r.bits for r in report.projections[:2]] == [8, 8]


@pytest.mark.parametrize("signs", ["free", "unconstrained"])
def test_without_dale_a_projection_is_of_mixed_sign(signs):
    network, _ = convert(spec([[0.5, -0.25]], signs=signs))
    assert network.projections[0].sign_mode == "mixed"
    assert not (network.projections[0].weight_mant % 2).any()


def test_the_report_tells_what_was_asked_for_and_what_came_out():
    network, report = convert(spec([[0.5, -0.25], [0.25, 0]]))
    population, readout = report.populations
    assert population.scale == network.populations[0].scale
    tau_m, tau_a = population.tau("tau_m"), population.tau("tau_a")
    assert (tau_m.wanted, tau_m.got) == pytest.approx((20, 19.98), abs=0.01)
    assert (tau_a.wanted, tau_a.got) == pytest.approx((700, 682.17), abs=0.01)
    step_a = int(network.populations[0].constants.step_a[0])
    assert population.step_a == (step_a, step_a)
    assert population.linear_below == pytest.approx(4096 / 6 / step_a)
    assert population.vth_mant == (network.populations[0].vth[0] // 64,) * 2
    assert readout.scale == network.population("readout").scale
    assert readout.tau("tau_out").got == pytest.approx(19.98, abs=0.01)
    assert (readout.vth_mant, readout.step_a) == (None, None)
    projection = report.projections[0]
    assert projection.name == "input->pop"
    assert projection.weight_exp == network.projections[0].weight_exp
    assert (projection.synapses, projection.clipped, projection.zeroed) == (3, 0, 0)
    assert projection.error < 0.01


@pytest.mark.parametrize(("kind", "beta"), [("alif", 0.0), ("lif", None)])
def test_without_adaptation_the_report_says_so(kind, beta):
    more = {} if beta is None else {"beta": beta}
    (population, _) = convert(spec([[0.5]], kind, **more))[1].populations
    assert population.step_a is None
    assert population.linear_below is None
    assert (population.tau("tau_a") is None) == (kind == "lif")


def test_time_constants_are_in_milliseconds():
    network = replace(spec([[0.5]], "lif"), dt=0.5)
    tau = convert(network)[1].populations[0].tau("tau_m")
    assert (tau.wanted, tau.got) == pytest.approx((10, 9.99), abs=0.01)


def test_the_report_tells_the_time_constants_of_every_state():
    kappa = {"kappa_i": np.exp(-1 / 5)}
    (population, _) = convert(spec([[0.5]], "atrlif", tau_r=30.0, fields=kappa))[1].populations
    assert {t.name for t in population.time_constants} == {"tau_m", "tau_a", "tau_r", "tau_i"}
    assert population.tau("tau_i").got == pytest.approx(5, abs=0.01)
    assert population.tau("tau_r").got == pytest.approx(30, abs=0.2)
    assert convert(spec([[0.5]]))[1].populations[0].tau("tau_r") is None


def test_synapses_that_round_to_nothing_are_left_out_and_counted():
    network, report = convert(spec([[1.0, 1e-4, -1e-4, 0]]))
    assert network.projections[0].n_synapses == 1
    assert report.projections[0].synapses == 3
    assert report.projections[0].zeroed == 2
    assert report.projections[0].error == pytest.approx(np.sqrt(2) * 1e-4, rel=0.5, abs=0.01)


def test_clipped_synapses_are_counted():
    network, report = convert(spec([[127.0]], signs=[1], beta=0.0), weight_bits=2)
    coarse = report.projections[0]
    population = network.populations[0]
    gain = population.scale * population.constants.decay_v[0] / 4096 / 64
    top = 192 * 2**coarse.weight_exp
    assert coarse.clipped == int(127.0 * gain > top + 32 * 2**coarse.weight_exp)


def test_a_projection_without_synapses_is_left_out():
    network, report = convert(spec([[0.5, 0.5]], signs=[1, 1]))
    assert [p.name for p in network.projections] == ["input->pop (excitatory)", "pop->readout"]
    assert [r.synapses for r in report.projections] == [2, 0, 1]


@pytest.mark.parametrize("bits", range(2, 9))
def test_weight_bits_coarsen_the_grid_and_keep_the_range(bits):
    weight = np.random.default_rng(0).normal(size=(6, 8))
    mixed, _ = convert(spec(weight), weight_bits=bits)
    split, _ = convert(spec(np.abs(weight), signs=np.ones(8)), weight_bits=bits)
    assert not (mixed.projections[0].weight_mant % 2 ** (9 - bits)).any()
    assert not (split.projections[0].weight_mant % 2 ** (8 - bits)).any()
    assert np.abs(mixed.projections[0].weight_mant).max() >= 64
    assert split.projections[0].weight_mant.max() >= 64
    assert mixed.provenance.weight_bits == bits


@pytest.mark.parametrize("bits", [1, 9])
def test_weight_bits_outside_2_to_8_are_refused(bits):
    with pytest.raises(NetworkError, match=f"weight_bits is {bits}"):
        convert(spec([[0.5]]), weight_bits=bits)


def test_the_offset_is_rounded_to_the_readouts_units():
    readout = convert(spec([[0.5]], offset=-0.3))[0].population("readout")
    assert readout.offset[0] * readout.scale == round(-0.3 * readout.scale)


def test_provenance_is_kept():
    provenance = Provenance(checkpoint_sha256="ab", recipe="r", tool_version="1")
    assert convert(spec([[0.5]]), provenance=provenance)[0].provenance == provenance


def test_a_network_without_inputs_is_refused():
    network = NetworkSpec(n_inputs=0, populations=spec([[0.5]]).populations, projections=())
    with pytest.raises(NetworkError, match="n_inputs is 0"):
        convert(network)


# --- constants by their roles, against formulas written out ------------------------------------------------


def rounded(x):
    return np.rint(x)


def kept(share):
    """A share as the chip has it."""
    return 1 - rounded(4096 * (1 - np.asarray(share))) / 4096


def written_out(neuron, scale):
    """Each constant of a neuron that the converter should find."""
    constants = {}
    for field, name in (("alpha", "decay_v"), ("rho", "decay_a"), ("keep_r", "decay_r")):
        if hasattr(neuron, field):
            constants[name] = rounded(4096 * (1 - getattr(neuron, field)))
    if hasattr(neuron, "b0"):
        constants["vth"] = 64 * rounded(scale * neuron.b0 / 64)
    for name in ("reset_by", "reset_to"):
        if hasattr(neuron, name):
            constants[name] = rounded(scale * getattr(neuron, name))
    if hasattr(neuron, "beta"):
        step = scale * neuron.beta * (1 - kept(neuron.rho))
        constants["step_a"] = rounded(
            step * (1 - kept(neuron.alpha) if neuron.name == "ahp" else 1)
        )
        if neuron.name == "atrlif":
            constants["step_a"] = 64 * rounded(step / 64)
    for name in ("n_ref", "reset", "at_threshold"):
        if hasattr(neuron, name):
            constants[name] = getattr(neuron, name)
    return constants


@pytest.mark.parametrize("seed", range(40))
def test_every_constant_is_rounded_as_its_role_says(seed):
    float_network = random_spec(seed)
    network, _ = convert(float_network)
    for p, q in zip(float_network.populations, network.populations, strict=True):
        assert (q.name, q.neuron) == (p.name, type(p.neuron))
        for name, expected in written_out(p.neuron, q.scale).items():
            assert np.array_equal(getattr(q.constants, name), expected), (p.name, name)
        unit = getattr(p.neuron, "unit_gain", False)
        gain = np.ones(p.size) if unit else 1 - kept(p.neuron.alpha)
        bias = q.scale * gain * p.bias
        np.testing.assert_allclose(q.bias, bias, rtol=2**-12, atol=0.5)
        if p.kappa_i.any():
            assert np.array_equal(q.decay_i, rounded(4096 * (1 - p.kappa_i)))
        np.testing.assert_allclose(q.offset, p.offset, atol=0.5 / q.scale)
    assert (network.outputs, network.dt) == (float_network.outputs, float_network.dt)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, bits=st.integers(2, 8))
def test_every_weight_is_within_half_a_step_unless_reported(seed, bits):
    float_network = random_spec(seed)
    network, report = convert(float_network, weight_bits=bits)
    for p in float_network.projections:
        parts = [q for q in network.projections if q.name.split(" (")[0] == p.name]
        size = (float_network.size_of(p.target), float_network.size_of(p.source))
        found, steps = np.zeros(size), np.full(size, np.inf)
        for part in parts:
            where = part.target_index, part.source_index
            found[where] += part.weight_mant * 2.0**part.weight_exp
            steps[where] = 2.0 ** (part.weight_exp + 8 - bits + (part.sign_mode == "mixed"))
        target, quantized = (n.population(p.target) for n in (float_network, network))
        unit = getattr(target.neuron, "unit_gain", False)
        gain = np.ones(target.size) if unit else 1 - kept(target.neuron.alpha)
        gain = gain * (1 - kept(target.kappa_i)) * quantized.scale / 64
        exact = np.zeros(size)
        exact[p.target_index, p.source_index] = gain[p.target_index] * p.weight
        reports = [r for r in report.projections if r.name.split(" (")[0] == p.name]
        beyond = np.abs(found - exact) > steps / 2 * (1 + 1e-9)
        assert beyond.sum() <= sum(r.clipped for r in reports)
        assert sum(r.synapses for r in reports) == p.n_synapses
        assert sum(q.n_synapses for q in parts) == sum(r.synapses - r.zeroed for r in reports)
        delay = np.zeros(size, int)
        delay[p.target_index, p.source_index] = p.delay
        for part in parts:
            assert (part.delay == delay[part.target_index, part.source_index]).all()


@given(seeds, st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_no_exponent_is_above_the_limit_and_nothing_is_clipped_by_it(seed, limit):
    float_network = random_spec(seed)
    free, _ = convert(float_network)
    try:
        network, report = convert(float_network, max_exp=limit)
    except NetworkError:  # a weight so far above the threshold that that rounds to 0
        reject()
    assert all(p.weight_exp <= limit for p in network.projections)
    assert all(p.clipped == 0 for p in report.projections)
    for one, other in zip(free.populations, network.populations, strict=True):
        assert other.scale <= one.scale


# --- and back ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(100))
def test_integers_to_spec_to_integers_is_the_same_network(seed):
    network = convertible(random_graph(seed))
    again, report = convert(to_spec(network))
    assert differences(again, network) == []
    assert not any(r.clipped or r.zeroed for r in report.projections)


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("forms", [("threshold",), ("current", "atrlif")], ids=" ".join)
def test_so_is_what_lava_runs(seed, forms):
    network = convertible(random_network(seed, forms))
    assert differences(convert(to_spec(network))[0], network) == []


@pytest.mark.parametrize("seed", range(40))
def test_float_to_integers_to_float_to_integers_changes_nothing_more(seed):
    network, _ = convert(random_spec(seed, any_readout=True))
    assert differences(convert(to_spec(network))[0], network) == []


@pytest.mark.parametrize("kind", ["lif", "alif", "ahp", "li"])
def test_a_membrane_that_keeps_all_takes_its_weights_as_they_are(kind):
    fields = {} if kind == "li" else {"vth": [640, 640]}
    target = neurons(kind, decay_v=[0, 9], **fields)
    into = QuantizedProjection.of_matrix(
        "in", "input", "pop", np.array([[3], [5]]), np.zeros((2, 1), int), 2, "excitatory"
    )
    network = QuantizedNetwork(
        n_inputs=1, populations=(target,), projections=(into,), outputs=("pop",)
    )
    found = to_spec(network)
    assert found.populations[0].neuron.unit_gain is True
    assert found.projections[0].weight.tolist() == [64 * 3 * 4, 64 * 5 * 4]
    assert differences(convert(found)[0], network) == []


@pytest.mark.parametrize("kind", ["alif", "ahp", "atrlif"])
def test_an_adaptation_that_never_decays_has_no_float_network(kind):
    fields = {"decay_i": 9} if kind == "atrlif" else {}
    population = neurons(kind, vth=[64], step_a=64, decay_v=3, decay_a=0, **fields)
    network = QuantizedNetwork(
        n_inputs=1, populations=(population, li("readout", [5])), projections=()
    )
    with pytest.raises(NetworkError, match="never decays") as caught:
        to_spec(network)
    assert "\n" not in str(caught.value)


def test_no_threshold_has_no_float_network():
    network = QuantizedNetwork(
        n_inputs=1, populations=(neurons("lif", vth=[0]), li("readout", [5])), projections=()
    )
    with pytest.raises(NetworkError, match="b0") as caught:
        to_spec(network)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("seed", range(20))
def test_the_converter_chooses_no_exponent_below_0_where_a_chip_and_lava_round_differently(seed):
    network, _ = convert(random_spec(seed, any_readout=True))
    assert min(q.weight_exp for q in network.projections) >= 0
    assert not graded_inputs_are_not_shifted_down(network, ANY_EVENT)


def test_an_exponent_that_came_in_below_0_stays_and_a_rule_names_it_for_graded_inputs():
    target = neurons("lif", decay_v=9, vth=[640])
    into = QuantizedProjection.of_matrix(
        "in", "input", "pop", np.array([[6]]), np.zeros((1, 1), int), -7, "excitatory"
    )
    network = QuantizedNetwork(
        n_inputs=1, populations=(target,), projections=(into,), outputs=("pop",)
    )
    again, _ = convert(to_spec(network))
    assert again.projections[0].weight_exp == -7
    (violation,) = graded_inputs_are_not_shifted_down(again, (0, 40))
    assert (violation.rule, violation.value) == ("graded-exponent", -7)
    assert not graded_inputs_are_not_shifted_down(again)
