"""What a comparison says of two records."""

from dataclasses import replace

import numpy as np
import pytest

from deploy.comparison import compare, explain, join, van_rossum
from deploy.parity_report import ParityReport
from deploy.reporting.summary import parity_json
from lsnn_neuro.errors import TargetFailedError
from lsnn_neuro.neurons.neuron import State
from quantize.record import PopulationSpikes, PopulationState, SpikeRecord


def record(spikes, readout=None, target="one"):
    readout = np.zeros((*spikes.shape[:2], 2), np.int32) if readout is None else readout
    population = PopulationSpikes(name="cells", spikes=spikes)
    return SpikeRecord(spikes=(population,), readout=readout, target=target, seconds=0.0)


@pytest.fixture
def spikes():
    return np.random.default_rng(0).random((20, 5, 4)) < 0.3


def test_equal_records_are_exact(spikes):
    comparison = compare(record(spikes), record(spikes.copy()))
    assert comparison.exact
    assert comparison.spikes == spikes.sum()
    assert comparison.first_divergence is None
    assert comparison.populations[0].van_rossum == 0


def test_the_first_divergence_is_the_earliest_step(spikes):
    other = spikes.copy()
    for place in ((9, 0, 0), (4, 3, 2), (15, 1, 1)):
        other[place] ^= True
    comparison = compare(record(spikes), record(other))
    where = comparison.first_divergence
    assert comparison.mismatches == 3
    assert (where.step, where.sample, where.population, where.neuron) == (4, 3, "cells", 2)
    assert where.reference_value == spikes[4, 3, 2] != where.other_value


def test_a_readout_that_differs_alone_is_found(spikes):
    readout = np.zeros((20, 5, 2), np.int32)
    readout[7, 1, 1] = -3
    comparison = compare(record(spikes), record(spikes, readout))
    assert not comparison.exact
    assert comparison.mismatches == 0
    assert comparison.readout_mismatches == 1
    assert comparison.first_divergence.readout
    assert comparison.first_divergence.population == "readout"
    assert comparison.first_divergence.other_value == -3


def test_a_population_that_is_called_readout_is_one_that_spikes(spikes):
    other = spikes.copy()
    other[6, 2, 1] ^= True
    records = [
        replace(record(s), spikes=(PopulationSpikes(name="readout", spikes=s),))
        for s in (spikes, other)
    ]
    where = compare(*records).first_divergence
    assert (where.population, where.neuron, where.readout) == ("readout", 1, False)


def test_a_shifted_record_is_not_aligned_but_reported(spikes):
    assert not compare(record(spikes), record(np.roll(spikes, 1, axis=0))).exact


def test_records_of_different_networks_are_refused(spikes):
    with pytest.raises(TargetFailedError, match="not the same network"):
        compare(record(spikes), record(spikes[:, :, :3]))


def test_explain_asks_both_sides_for_the_states_of_that_neuron(spikes):
    other = spikes.copy()
    other[6, 2, 1] ^= True

    def side(offset, *names):
        def states(sample, step):
            assert (sample, step) == (2, 6)
            column = np.arange(4) + offset
            variables = State(**dict.fromkeys(names, column))
            return (PopulationState(name="cells", variables=variables),)

        return states

    sides = side(10, "v", "a", "r", "z"), side(20, "w", "r", "v")
    where = explain(compare(record(spikes), record(other)), *sides).first_divergence
    assert (where.reference, where.other) == ({"v": 11, "r": 11}, {"v": 21, "r": 21})


def test_van_rossum_of_one_late_spike_is_that_of_its_kernel():
    one, two = np.zeros((300, 1), bool), np.zeros((300, 1), bool)
    one[0] = True
    distance, norm = van_rossum(one, two, tau=10.0)
    kernel = np.exp(-np.arange(300) / 10.0)
    assert distance == pytest.approx((kernel**2).sum())
    assert norm == pytest.approx(distance)


def test_joined_batches_equal_one_comparison_of_all_samples(spikes):
    other = spikes.copy()
    other[3, 4, 0] ^= True
    whole = compare(record(spikes), record(other))
    parts = [compare(record(spikes[:, at]), record(other[:, at])) for at in (slice(2), slice(2, 5))]
    joined = join(parts)
    assert joined.first_divergence == whole.first_divergence
    assert (joined.samples, joined.spikes, joined.mismatches) == (5, whole.spikes, 1)
    assert joined.populations[0].van_rossum == pytest.approx(whole.populations[0].van_rossum)


def test_only_p0_may_differ(spikes):
    bad = compare(record(spikes), record(~spikes))
    good = compare(record(spikes), record(spikes))
    levels = {"P0": bad, "P1": good, "P2": bad}
    inputs = np.zeros((20, 5, 1), bool)
    report = ParityReport(levels=levels, sides={}, inputs=inputs, skipped={"P3": "no chip"})
    assert report.failed == ["P2"]
    assert parity_json(report)["P2"]["exact"] is False
    assert parity_json(report)["P1"]["first_divergence"] is None
    assert parity_json(report)["P3"] == {"exact": None, "skipped": "no chip"}
