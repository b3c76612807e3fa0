"""The integer model against real chips: Loihi 1 and Loihi 2, each run named."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from silicon import (
    LIF_CSV,
    READ_AT,
    REFRACTORY,
    SILICON,
    needs,
    one_lif,
    published_lsnn,
    two_layers,
    without_reset,
)
from tiny_runs import succeed

import deploy
from deploy.interchange.loihi1 import READOUT, load
from deploy.recorded import Recorded, RecordedOptions
from deploy.recording import write_recording
from quantize.arithmetic import round_each_product, shift
from quantize.emulator import emulate, trace
from quantize.replay import trace_with_resets


def recorded(path, recording):
    write_recording(path, recording)
    return Recorded(RecordedOptions(recording=str(path)))


def probes(comparison):
    return {(p.population, p.variable): p for p in comparison.probes}


# --- Loihi 2: one LIF ------------------------------------------------------------------------------------


@needs(LIF_CSV)
def test_one_lif_has_the_spikes_of_loihi_2_in_all_1000_steps_and_its_membrane_in_996():
    network, chip = one_lif()
    spikes = emulate(network, chip.inputs).spikes[0].spikes
    assert np.flatnonzero(spikes).tolist() == [461, 511, 711, 761]
    assert (spikes == chip.spikes["lif"]).sum() == 1000
    v = np.array([step[0]["v"] for step in trace(network, chip.inputs[:, 0])])
    equal = v == chip.states["lif", "v"][:, 0]
    assert equal.sum() == 996
    assert np.array_equal(
        ~equal, spikes[:, 0]
    )  # the others are the spike steps, which read 1 x 128
    assert set(chip.states["lif", "v"][spikes]) == {REFRACTORY}


@needs(LIF_CSV)
def test_parity_knows_the_refractory_readings_of_one_lif_and_counts_them(tmp_path):
    network, chip = one_lif()
    target = recorded(tmp_path / "lif.npz", chip)
    found = deploy.parity(network, target, inputs=chip.inputs)
    level = found.levels["P3"]
    assert not found.failed
    assert (level.mismatches, level.spikes, level.other_spikes) == (0, 4, 4)
    probe = probes(level)["lif", "v"]
    assert (probe.compared, probe.mismatches, probe.refractory) == (996, 0, 4)
    assert "996 states differ, 4 readings are the refractory time" in level.beyond_spikes
    strict = recorded(tmp_path / "strict.npz", replace(chip, refractory_reading=0))
    level = deploy.parity(network, strict, inputs=chip.inputs).levels["P3"]
    assert (probes(level)["lif", "v"].mismatches, level.first_divergence.step) == (4, 461)


# --- Loihi 2: two layers with bias -----------------------------------------------------------------------


@needs(SILICON)
def test_two_layers_have_all_3_x_1440_values_of_loihi_2(tmp_path):
    network, chip = two_layers()
    target = recorded(tmp_path / "layers.npz", chip)
    level = deploy.parity(network, target, inputs=chip.inputs).levels["P3"]
    assert level.exact
    assert sum(p.compared for p in level.populations) == 1440
    assert (level.spikes, level.mismatches) == (57, 0)
    for variable, refractory in (("i", 0), ("v", 57)):
        found = [p for p in level.probes if p.variable == variable]
        assert sum(p.compared for p in found) == 1440 - refractory
        assert sum(p.refractory for p in found) == refractory
        assert sum(p.mismatches for p in found) == 0


@needs(SILICON)
def test_without_the_reset_between_images_two_layers_are_another_run(tmp_path):
    network, chip = two_layers()
    target = recorded(tmp_path / "layers.npz", replace(chip, resets={}))
    level = deploy.parity(network, target, inputs=chip.inputs).levels["P3"]
    assert not level.exact
    assert level.first_divergence.step == 7
    states = list(trace_with_resets(network, chip.inputs[:, 0], chip.resets))
    plain = list(trace(network, chip.inputs[:, 0]))
    assert (states[6][0]["v"] == plain[6][0]["v"]).all()
    assert (states[7][0]["v"] != plain[7][0]["v"]).any()


# --- Loihi 1: the published LSNN --------------------------------------------------------------------------


@needs(SILICON)
def test_the_published_lsnn_has_200_of_200_labels_of_loihi_1_by_the_command(tmp_path):
    file, recording = tmp_path / "loihi1.safetensors", tmp_path / "performance.npz"
    succeed("import", "loihi1-lsnn", SILICON / "loihi1_smnist", "--out", file)
    write_recording(recording, published_lsnn("performance"))
    words = ["parity", file, "--target", "recorded", "--target-option", f"recording={recording}"]
    level = json.loads(succeed(*words, "--inputs", recording, "--json").stdout)["P3"]
    assert (level["exact"], level["labels"], level["label_mismatches"]) == (True, 200, 0)
    assert level["not_recorded"] == ["regular", "adaptive", "readout"]
    assert level["other"] == "Loihi 1, the performance run"


@needs(SILICON)
def test_three_of_the_200_reach_the_readouts_reset_before_it_is_read_which_makes_a_7_a_9():
    network, chip = load(SILICON / "loihi1_smnist"), published_lsnn("performance")
    assert network.population(READOUT).constants.vth.tolist() == [8_388_544] * 10
    one, two = (emulate(n, chip.inputs).readout for n in (network, without_reset(network)))
    differ = (one != two).any(axis=2)  # (time, sample)
    assert np.flatnonzero(differ[: READ_AT + 1].any(axis=0)).tolist() == [56, 143, 176]
    assert np.flatnonzero(differ.any(axis=0)).tolist() == [35, 52, 56, 74, 143, 176]
    labels = [readout[READ_AT].argmax(axis=1) for readout in (one, two)]
    assert np.flatnonzero(labels[0] != labels[1]).tolist() == [143]
    assert (labels[1][143], labels[0][143], chip.labels[143]) == (7, 9, 9)


@pytest.mark.slow
@needs(SILICON)
def test_lava_resets_the_readout_in_the_same_step():
    network, chip = load(SILICON / "loihi1_smnist"), published_lsnn("performance")
    inputs = chip.inputs[:, [56, 143]]
    level = deploy.parity(network, deploy.LoihiSim(), inputs=inputs).levels["P2"]
    assert level.exact
    assert level.spikes > 5000


@needs(SILICON)
def test_another_run_of_the_published_lsnn_is_not_reproduced_and_parity_says_so(tmp_path):
    network, chip = load(SILICON / "loihi1_smnist"), published_lsnn("tutorial")
    target = recorded(tmp_path / "tutorial.npz", chip)
    found = deploy.parity(network, target, inputs=chip.inputs)
    level = found.levels["P3"]
    assert (level.labels, level.label_mismatches) == (100, 7)
    assert found.failed == ["P3"]
    assert (level.first_divergence.population, level.first_divergence.sample) == ("label", 3)


# --- Loihi 2: graded inputs under a negative exponent ------------------------------------------------------


def graded():
    """Mantissas, values, exponent and printed integers of every product with a vector."""
    facts = json.loads((SILICON / "loihi2_lava_va" / "chip_outputs.json").read_text())

    def mantissas(weights):
        whole = (128 * np.array(weights)).astype(np.int64)  # toward zero, as astype does
        return whole // 2 * 2  # a mixed sign costs a bit

    for part in facts.values():
        if isinstance(part, dict):
            scales = np.array(part.get("scales", [1]))
            pairs = [(mantissas(part["weights"]), np.outer(part["x"], scales))]
            if "weights2" in part:
                x = part.get("x2", part["x"])
                pairs.append((mantissas(part["weights2"]), np.outer(x, scales)))
            yield pairs, -part["weight_exp"], np.array(part["chip"])


def given_by(rule):
    """How many of the printed integers a rule gives, and of how many."""
    equal, all_ = 0, 0
    for pairs, exponent, chip in graded():
        if pairs[0][0].shape[1] == 1:  # one weight each: an elementwise product of two vectors
            brought = [rule(m, x.reshape(1, -1), exponent) for m, x in pairs]
            found = np.prod(brought, axis=0)
        else:
            found = sum(rule(m, x, exponent) for m, x in pairs)
        equal, all_ = equal + int((found == chip).sum()), all_ + chip.size
    return equal, all_


@needs(SILICON)
def test_graded_values_are_rounded_by_loihi_2_for_each_synapse_and_by_lava_for_their_sum():
    assert given_by(round_each_product) == (40, 40)
    assert given_by(lambda m, x, exponent: shift(m @ x, exponent)) == (23, 40)
