"""What quantization loses is measured and said; each fault that was once seen, with its number."""

from dataclasses import replace

import numpy as np
import pytest
from random_networks import li, neurons

from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.spec import NetworkSpec, Population, Projection
from lsnn_neuro.registry import NEURONS
from quantize.activity import measure_activity
from quantize.conversion import convert, to_spec
from quantize.network import QuantizedNetwork, QuantizedProjection


def network(kind="lif", *, size=2, weight=None, offset=0.0, dt=1.0, **values):
    """Neurons of a kind, driven by inputs, and a readout."""
    values = {"tau_m": 20.0, "b0": 0.01} | values
    weight = np.full((size, 3), 0.02) if weight is None else weight
    n_inputs = weight.shape[1]
    neuron = NEURONS[kind].of(size, dt, **values)
    readout = NEURONS["li"].of(1, dt, tau_out=20.0)
    return NetworkSpec(
        n_inputs=n_inputs, dt=dt,
        populations=(
            Population(name="pop", neuron=neuron),
            Population(name="readout", neuron=readout, offset=offset),
        ),
        projections=(
            Projection.of_matrix("input", "pop", weight),
            Projection.of_matrix("pop", "readout", np.ones((1, size))),
        ),
    )  # fmt: skip


def flags(spec, **how):
    return convert(spec, **how)[1].flags()


def test_nothing_is_said_where_nothing_is_lost():
    assert flags(network("alif", tau_a=200.0, beta=1.8)) == []


@pytest.mark.parametrize("kind", ["alif", "ahp"])
def test_a_long_adaptation_does_not_vanish_and_is_said(kind):
    """A tau_a above 8,192 ms rounded to a decay of 0, and with it the step."""
    taus = np.array([700.0, 12000.0])  # a single neuron behind a mean
    spec = network(kind, tau_a=taus, beta=1.8)
    quantized, report = convert(spec)
    constants = quantized.population("pop").constants
    assert constants.decay_a.tolist() == [6, 1]
    assert (constants.step_a > 0).all()
    said = [f for f in report.flags() if "tau_a of neuron 1" in f]
    assert said == ["population 'pop': tau_a of neuron 1 is 4095 ms, asked for 1.2e+04 ms"]


def test_a_long_membrane_is_not_dead_and_is_said():
    quantized, report = convert(network(tau_m=20000.0, b0=0.001))
    assert (quantized.population("pop").constants.decay_v == 1).all()
    assert quantized.into("pop")
    assert any("tau_m of neuron 0 is 4095 ms" in f for f in report.flags())


def test_what_keeps_all_still_keeps_all():
    quantized, _ = convert(network(tau_m=1e300))
    assert (quantized.population("pop").constants.decay_v == 0).all()


def test_adaptation_that_decays_linearly_is_simulated():
    """tau_a = 700 ms at a small step: 1/e after some 580 steps, where the decay says 682."""
    weight = np.full((1, 3), 40.0)  # strong inputs leave the threshold few bits
    report = convert(network("alif", size=1, weight=weight, tau_a=700.0, beta=0.5))[1]
    tau = report.populations[0].tau("tau_a")
    assert tau.got == pytest.approx(682.17, abs=0.1)
    assert tau.simulated < 0.9 * tau.got


def test_time_constants_that_share_a_decay_are_said():
    said = flags(network(tau_m=np.array([900.0, 800.0])))
    assert "population 'pop': neurons with tau_m from 800 to 900 ms share one decay" in said


def test_one_outlier_is_clipped_and_named_and_the_others_keep_their_bits():
    """225 of 227 synapses rounded to nothing at a reported error of 3.4 %."""
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(1, 227)) * 0.01
    weight[0, 5] = 30.0
    report = convert(network(size=1, weight=weight, b0=1.0))[1]
    (projection,) = (p for p in report.projections if p.name == "input->pop")
    assert projection.zeroed < 25
    assert projection.clipped == 1
    (said,) = projection.flags()
    assert "the weight from 5 to 0 is" in said
    assert "clipped" in said


def test_an_outlier_onto_the_readout_costs_the_others_nothing():
    spec = network(size=250)
    weight = np.full((1, 250), 0.1)
    weight[0, 7] = 500.0
    read = Projection.of_matrix("pop", "readout", weight)
    report = convert(replace(spec, projections=(spec.projections[0], read)))[1]
    (projection,) = (p for p in report.projections if p.name == "pop->readout")
    assert projection.zeroed == 0
    assert len(projection.outliers) == 1


def test_a_large_offset_takes_no_bits_of_the_readout():
    (one, _), (two, _) = (convert(network(offset=offset)) for offset in (0.0, 1e4))
    assert one.population("readout").scale == two.population("readout").scale
    assert two.output_offset[0] == pytest.approx(1e4)


def test_few_bits_that_drop_synapses_are_said():
    rng = np.random.default_rng(1)
    spec = network(size=20, weight=rng.normal(size=(20, 10)) * 0.01)
    assert not any("round to 0" in f for f in flags(spec))
    assert any("synapses round to 0" in f for f in flags(spec, weight_bits=2))


def driven(mant, *, kind="lif", **fields):
    """One neuron that inputs drive, and a readout."""
    pop = neurons(kind, decay_v=[200], vth=[64 * 1000], **fields)
    into = QuantizedProjection.of_matrix(
        "in", "input", "pop", np.array([[mant]]), np.zeros((1, 1), int), 7,
        "excitatory" if mant > 0 else "inhibitory",
    )  # fmt: skip
    return QuantizedNetwork(n_inputs=1, populations=(pop, li("readout", [5])), projections=(into,))


def test_states_at_their_limit_are_counted_and_said():
    inputs = np.ones((50, 2, 1), bool)
    pop, readout = measure_activity(driven(-255), inputs)
    assert pop.saturated > 0.5
    assert readout.saturated == 0
    assert "states are at their limit in" in next(pop.flags())
    calm, _ = measure_activity(driven(1), inputs)
    assert calm.saturated == 0
    assert list(calm.flags()) == []


def test_a_population_that_falls_silent_or_changes_its_rate_is_said():
    inputs = np.ones((1000, 1, 1), bool)
    silent, _ = measure_activity(driven(-1), inputs, {"pop": 12.0})
    assert list(silent.flags()) == [
        "population 'pop': is silent in integers, in float it fires at 12 Hz"
    ]
    firing, _ = measure_activity(driven(200), inputs)
    assert firing.rate > 100
    near, _ = measure_activity(driven(200), inputs, {"pop": 1.1 * firing.rate})
    far, _ = measure_activity(driven(200), inputs, {"pop": 2 * firing.rate})
    assert not any("Hz" in f for f in near.flags())
    assert any("Hz in integers" in f for f in far.flags())


def test_constants_that_round_to_something_else_are_said():
    said = flags(network(size=3, b0=np.array([1.0, 1.1 / 2**16, 1.4 / 2**16])))
    assert any("vth of neuron 2 is" in f for f in said)


def test_weights_beyond_a_range_that_came_with_the_network_are_said():
    quantized, _ = convert(network(size=4, weight=np.full((4, 3), 0.02)))
    spec = to_spec(quantized)
    grown = replace(
        spec,
        projections=tuple(replace(p, weight=40 * p.weight) for p in spec.projections),
    )
    assert any("lie beyond the range of their weights and are clipped" in f for f in flags(grown))


def test_a_projection_of_integers_with_both_signs_keeps_both():
    spec = network(size=1, weight=np.array([[0.5, -0.25, 0.125]]))
    (first, second) = spec.projections
    mixed = replace(first, weight_exp=2, signs=np.array([1, -1, 1], np.int8))
    quantized, report = convert(replace(spec, projections=(mixed, second)))
    assert [p.sign_mode for p in quantized.into("pop")] == ["excitatory", "inhibitory"]
    assert all(p.zeroed == 0 for p in report.projections)


@pytest.mark.parametrize("max_exp", [-1, 8])
def test_exponents_outside_0_to_7_are_refused(max_exp):
    with pytest.raises(
        NetworkError, match=f"max_exp is {max_exp}, allowed are the integers 0 to 7"
    ):
        convert(network(), max_exp=max_exp)


def test_a_module_is_no_spec():
    with pytest.raises(NetworkError, match=r"takes a NetworkSpec, got int; use \.to_spec\(\)"):
        convert(3)
