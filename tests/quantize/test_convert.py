"""Post-training quantization and its report."""

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from random_lsnns import configs, lsnn, seeds

from lsnn_neuro.errors import NetworkError
from lsnn_neuro.spec import LSNNSpec, PopulationSpec, ProjectionSpec, ReadoutSpec
from quantize.convert import convert
from quantize.network import Provenance


def spec(weight, *, dale=False, delay=0, beta=1.8, n_ref=5, bias=(0.25,), out=((1.0,),), **form):
    """Inputs onto adaptive neurons, one output."""
    weight = np.array(weight, float)
    n = len(weight)
    return LSNNSpec(
        n_inputs=weight.shape[1],
        populations=(
            PopulationSpec(
                name="pop", alpha=np.full(n, np.exp(-1 / 20)), rho=np.full(n, np.exp(-1 / 700)),
                beta=np.full(n, beta), b0=np.full(n, 0.01), n_ref=n_ref, reset="subtract",
                **form,
            ),
        ),
        projections=(
            ProjectionSpec(
                source="input", target="pop", weight=weight, delay=np.full(weight.shape, delay),
                dale=dale,
            ),
            ProjectionSpec(
                source="pop", target="readout", weight=np.tile(out, (1, n)),
                delay=np.zeros((1, n), int), dale=False,
            ),
        ),
        readout=ReadoutSpec(kappa=[np.exp(-1 / 20)], bias=bias),
    )  # fmt: skip


def test_dale_splits_a_projection_by_sign_and_keeps_8_bits():
    network, report = convert(spec([[0.5, -0.25], [0.25, 0]], dale=True))
    excitatory, inhibitory, _ = network.projections
    assert excitatory.name == "input->pop (excitatory)"
    assert inhibitory.name == "input->pop (inhibitory)"
    assert (excitatory.sign_mode, inhibitory.sign_mode) == ("excitatory", "inhibitory")
    assert excitatory.source_index.tolist() == [0, 0]
    assert inhibitory.source_index.tolist() == [1]
    assert [r.bits for r in report.projections[:2]] == [8, 8]


def test_without_dale_a_projection_is_of_mixed_sign():
    network, _ = convert(spec([[0.5, -0.25]]))
    assert network.projections[0].sign_mode == "mixed"
    assert not (network.projections[0].weight_mant % 2).any()


def test_the_report_tells_what_was_asked_for_and_what_came_out():
    network, report = convert(spec([[0.5, -0.25], [0.25, 0]]))
    population = report.populations[0]
    assert population.scale == network.populations[0].scale
    assert population.tau_m == pytest.approx((20, 19.98), abs=0.01)
    assert population.tau_a == pytest.approx((700, 682.17), abs=0.01)
    step_a = int(network.populations[0].step_a[0])
    assert population.step_a == (step_a, step_a)
    assert population.linear_below == pytest.approx(4096 / 6 / step_a)
    projection = report.projections[0]
    assert projection.name == "input->pop"
    assert projection.weight_exp == network.projections[0].weight_exp
    assert (projection.synapses, projection.clipped, projection.zeroed) == (3, 0, 0)
    assert projection.error < 0.01
    assert report.readout_scale == network.readout.scale


def test_without_adaptation_the_report_says_so():
    _, report = convert(spec([[0.5]], beta=0.0))
    assert report.populations[0].tau_a is None
    assert report.populations[0].step_a is None
    assert report.populations[0].linear_below is None


def test_synapses_that_round_to_nothing_are_left_out_and_counted():
    network, report = convert(spec([[1.0, 1e-4, -1e-4, 0]]))
    assert network.projections[0].n_synapses == 1
    assert report.projections[0].synapses == 3
    assert report.projections[0].zeroed == 2
    assert report.projections[0].error == pytest.approx(np.sqrt(2) * 1e-4, rel=0.5, abs=0.01)


def test_clipped_synapses_are_counted():
    _, report = convert(spec([[127.0]], dale=True, beta=0), weight_bits=2)
    coarse, _ = report.projections[:2]
    network, _ = convert(spec([[127.0]], dale=True, beta=0), weight_bits=2)
    gain = network.populations[0].scale * network.populations[0].decay_v[0] / 4096 / 64
    top = 192 * 2**coarse.weight_exp
    assert coarse.clipped == int(127.0 * gain > top + 32 * 2**coarse.weight_exp)


def test_a_projection_without_synapses_is_left_out():
    network, report = convert(spec([[0.5, 0.5]], dale=True))
    assert [p.name for p in network.projections] == ["input->pop (excitatory)", "pop->readout"]
    assert [r.synapses for r in report.projections] == [2, 0, 1]


@pytest.mark.parametrize("bits", range(2, 9))
def test_weight_bits_coarsen_the_grid_and_keep_the_range(bits):
    rng = np.random.default_rng(0)
    mixed, _ = convert(spec(rng.normal(size=(6, 8))), weight_bits=bits)
    dale, _ = convert(spec(np.abs(rng.normal(size=(6, 8))), dale=True), weight_bits=bits)
    assert not (mixed.projections[0].weight_mant % 2 ** (9 - bits)).any()
    assert not (dale.projections[0].weight_mant % 2 ** (8 - bits)).any()
    assert np.abs(mixed.projections[0].weight_mant).max() >= 64
    assert dale.projections[0].weight_mant.max() >= 64


@pytest.mark.parametrize("bits", [1, 9])
def test_weight_bits_outside_2_to_8_are_refused(bits):
    with pytest.raises(NetworkError, match=f"weight_bits is {bits}"):
        convert(spec([[0.5]]), weight_bits=bits)


def test_delays_beyond_the_chips_are_refused():
    with pytest.raises(NetworkError, match=r"'input->pop': delay\[0\] is 63, allowed are 0 to 62"):
        convert(spec([[0.5]], delay=63))


def test_refractory_times_beyond_the_chips_are_refused():
    with pytest.raises(NetworkError, match="n_ref is 64"):
        convert(spec([[0.5]], n_ref=64))


def test_the_bias_is_in_readout_units():
    network, _ = convert(spec([[0.5]], bias=(-0.3,)))
    assert network.readout.bias[0] == round(-0.3 * network.readout.scale)


def test_provenance_is_kept():
    provenance = Provenance(checkpoint_sha256="ab", recipe="r", tool_version="1")
    assert convert(spec([[0.5]]), provenance=provenance)[0].provenance == provenance


def test_an_adaptation_current_passes_the_membranes_leak():
    threshold, current = (
        convert(spec([[0.5]], adaptation=form))[0].populations[0]
        for form in ("threshold", "current")
    )
    assert current.adaptation == "current"
    assert current.scale == threshold.scale
    assert current.step_a[0] == round(current.scale * 200 / 4096 * 1.8 * 6 / 4096)
    assert threshold.step_a[0] == round(threshold.scale * 1.8 * 6 / 4096)


def test_the_report_tells_atrlifs_own_time_constants():
    kappas = {"kappa_i": np.exp(-1 / 5), "kappa_r": np.exp(-1 / 30)}
    _, report = convert(spec([[0.5]], n_ref=0, neuron="atrlif", **kappas))
    (population,) = report.populations
    assert population.tau_i == pytest.approx((5, 5), abs=0.01)
    assert population.tau_r == pytest.approx((30, 30), abs=0.2)
    assert convert(spec([[0.5]]))[1].populations[0].tau_r is None


def test_atrlif_gets_what_lavas_process_takes():
    atrlif = {"neuron": "atrlif", "kappa_i": np.exp(-1 / 5), "kappa_r": np.exp(-1 / 20)}
    (population,) = convert(spec([[0.5]], n_ref=0, **atrlif))[0].populations
    assert (population.decay_i[0], population.decay_r[0]) == (742, 200)
    assert population.step_a[0] == 64 * round(population.scale * 1.8 * 6 / 4096 / 64)
    assert population.vth_mant[0] == round(population.scale * 0.01 / 64)
    (plain,) = convert(spec([[0.5]], n_ref=0, beta=0, **atrlif))[0].populations
    assert 2047 < plain.vth_mant[0] <= 4095


@settings(max_examples=40, deadline=None)
@given(config=configs, seed=seeds, bits=st.integers(2, 8))
def test_every_weight_is_within_half_a_step_unless_reported(config, seed, bits):
    float_spec = lsnn(config, seed).to_spec()
    network, report = convert(float_spec, weight_bits=bits)
    scales = {p.name: p for p in network.populations}
    for projection in float_spec.projections:
        parts = [p for p in network.projections if p.name.split(" ")[0] == projection.name]
        found = np.zeros_like(projection.weight)
        steps = np.full_like(projection.weight, np.inf)
        for part in parts:
            mant = part.weight_mant * 2.0**part.weight_exp
            found[part.target_index, part.source_index] += mant
            step = 2.0 ** (part.weight_exp + 8 - bits + (part.sign_mode == "mixed"))
            steps[part.target_index, part.source_index] = step
        if projection.target == "readout":
            gain = network.readout.scale * network.readout.decay[:, None] / 4096 / 64
        else:
            target = scales[projection.target]
            gain = (target.scale * target.decay_v / 4096 * target.decay_i / 4096 / 64)[:, None]
        reports = [r for r in report.projections if r.name.split(" ")[0] == projection.name]
        beyond = np.abs(found - gain * projection.weight) > steps / 2
        assert beyond.sum() == sum(r.clipped for r in reports)
        assert sum(r.synapses for r in reports) == np.count_nonzero(projection.weight)
        kept = sum(p.n_synapses for p in parts)
        assert kept == sum(r.synapses - r.zeroed for r in reports)
        for part in parts:
            assert (part.delay == projection.delay[part.target_index, part.source_index]).all()


@given(configs, seeds, st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_no_exponent_is_above_the_limit_and_nothing_is_clipped_by_it(config, seed, limit):
    float_network = lsnn(config, seed).to_spec()
    free, _ = convert(float_network)
    try:
        network, report = convert(float_network, max_exp=limit)
    except NetworkError:  # a weight so far above the threshold that that rounds to 0
        reject()
    assert all(p.weight_exp <= limit for p in network.projections)
    assert all(p.clipped == 0 for p in report.projections)
    for one, other in zip(free.populations, network.populations, strict=True):
        assert other.scale <= one.scale
