"""The target ``recorded``: recordings, what is compared of them, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from random_networks import random_inputs, random_network
from tiny_runs import lsnn_neuro, said, succeed

import deploy
from deploy.recorded import Recorded, RecordedOptions
from deploy.recording import Recording, read_recording, write_recording
from lsnn_neuro.errors import DataError, NetworkError, TargetUnavailableError
from quantize import file_format
from quantize.emulator import emulate, trace
from quantize.replay import trace_with_resets

SEED, STEPS, SAMPLES = 3, 30, 5


@pytest.fixture
def network():
    return random_network(SEED)


@pytest.fixture
def chip(network):
    """What a chip that computes as the emulator does would have given, refractory readings included."""
    inputs = random_inputs(SEED, network, n_steps=STEPS, n_samples=SAMPLES)
    record = emulate(network, inputs)
    first = record.spikes[0]
    v = np.stack(
        [[s[0]["v"] for s in trace(network, inputs[:, i])] for i in range(SAMPLES)], axis=1
    )
    time = network.population(first.name).constants.n_ref + 1
    return Recording(
        inputs=inputs, chip="a chip", run="run 1", spikes={first.name: first.spikes},
        states={(first.name, "v"): np.where(first.spikes, 128 * time, v)},
        labels=network.to_float(record.readout[-3:]).sum(axis=0).argmax(axis=1),
        label_steps=(STEPS - 3, STEPS), refractory_reading=128,
    )  # fmt: skip


@pytest.fixture
def on(tmp_path):
    """The target that answers with a recording."""

    def made(recording, name="chip.npz"):
        write_recording(tmp_path / name, recording)
        return Recorded(RecordedOptions(recording=str(tmp_path / name)))

    return made


def level(network, target, inputs):
    return deploy.parity(network, target, inputs=inputs).levels["P3"]


def test_a_recording_is_read_as_it_was_written(tmp_path, chip):
    path = tmp_path / "chip.npz"
    whole = replace(chip, readout=np.ones((STEPS, SAMPLES, 2), int), resets={"pop0": (3, 9)})
    write_recording(path, whole)
    found = read_recording(path)
    for name in ("inputs", "readout", "labels"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))
    for name in ("chip", "run", "label_steps", "refractory_reading", "resets"):
        assert getattr(found, name) == getattr(whole, name)
    for name in ("spikes", "states"):
        one, two = getattr(found, name), getattr(whole, name)
        assert set(one) == set(two)
        assert all(np.array_equal(one[key], two[key]) for key in one)


def test_what_was_recorded_is_compared_and_what_was_not_is_named(network, chip, on):
    found = level(network, on(chip), chip.inputs)
    (name,) = chip.spikes
    assert found.exact
    assert [p.name for p in found.populations] == [name]
    (probe,) = found.probes
    n_spikes = int(chip.spikes[name].sum())
    assert n_spikes > 0
    assert (probe.refractory, probe.compared) == (n_spikes, chip.spikes[name].size - n_spikes)
    assert (found.labels, found.label_mismatches, found.readout_compared) == (SAMPLES, 0, 0)
    others = [p.name for p in network.spiking if p.name != name]
    assert list(found.not_recorded) == [*others, "readout"]


def test_samples_are_found_in_any_order_and_as_any_type(network, chip, on):
    some = chip.inputs[:, [3, 0, 3]].astype(np.int8)
    assert level(network, on(chip), some).exact


def test_a_reading_is_the_refractory_time_in_a_spike_step_alone(network, chip, on):
    """Elsewhere the same number is a state that differs, and so is another number in a spike step."""
    (name,) = chip.spikes
    fired, v = chip.spikes[name], chip.states[name, "v"]
    reading = 128 * (network.population(name).constants.n_ref + 1)
    quiet = np.argwhere(~fired & (v != reading))[0]
    loud = np.argwhere(fired)[0]
    for at, value in ((quiet, reading[quiet[2]]), (loud, v[tuple(loud)] + 128)):
        wrong = v.copy()
        wrong[tuple(at)] = value
        found = level(
            network, on(replace(chip, states={(name, "v"): wrong}), "wrong.npz"), chip.inputs
        )
        assert found.probes[0].mismatches == 1
        where = found.first_divergence
        assert (where.step, where.sample, where.neuron) == tuple(at)
        assert (where.variable, where.other_value) == ("v", value)


def test_a_wrong_spike_readout_or_label_is_a_mismatch(network, chip, on):
    (name,) = chip.spikes
    spikes = chip.spikes[name].copy()
    spikes[4, 2, 0] ^= True
    found = level(network, on(replace(chip, spikes={name: spikes}, states={})), chip.inputs)
    assert (found.mismatches, found.first_divergence.step, found.exact) == (1, 4, False)
    labels = chip.labels.copy()
    labels[2] += 1
    found = level(network, on(replace(chip, labels=labels)), chip.inputs)
    where = found.first_divergence
    assert (found.label_mismatches, found.exact) == (1, False)
    assert (where.population, where.sample, where.other_value) == ("label", 2, labels[2])
    readout = emulate(network, chip.inputs).readout.copy()
    readout[7, 1, 0] += 1
    found = level(network, on(replace(chip, readout=readout)), chip.inputs)
    assert (found.readout_mismatches, found.readout_compared) == (1, readout.size)


def test_a_reset_clears_all_states_and_the_emulator_repeats_it(network, chip, on):
    names = [p.name for p in network.populations]
    first, again = chip.inputs[:, :1], np.concatenate([chip.inputs[:, :1]] * 2)
    resets = dict.fromkeys(names, (STEPS,))
    states = list(trace_with_resets(network, again[:, 0], resets))
    rest = list(trace_with_resets(network, first[:, 0], {}))
    assert [s["v"].tolist() for s in rest[0]] != [s["v"].tolist() for s in rest[-1]]
    chip = Recording(
        inputs=again, chip="a chip", run="run 2", resets=resets,
        states={(p.name, "v"): np.stack([s[i]["v"] for s in states])[:, None]
                for i, p in enumerate(network.spiking)},
    )  # fmt: skip
    assert level(network, on(chip), again).exact
    assert not level(network, on(replace(chip, resets={})), again).exact


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"inputs": np.zeros((3, 2), bool)}, "inputs is bool of shape .3, 2., expected bool or int8"),
        ({"chip": ""}, "chip and run must say what was recorded"),
        ({"spikes": {}, "states": {}, "labels": None}, "holds no answer; expected spikes"),
        ({"spikes": {"pop0": np.zeros((30, 4, 1), bool)}}, r"spikes/pop0 is bool of shape .30, 4, 1., "
         r"expected bool .30, 5, neuron"),
        ({"states": {("pop0", "v"): np.zeros((30, 5, 1))}}, "states/pop0/v is float64"),
        ({"labels": np.zeros(4, int)}, "labels is int64 of shape .4,., expected integers .5,."),
        ({"label_steps": (29, 31)}, "label_steps holds 31, expected whole numbers from 0 to 30"),
        ({"label_steps": (30, 29)}, "label_steps is 30 to 29, expected some of the 30 steps"),
        ({"label_steps": (1, 2, 3)}, "label_steps is 1 to 2 to 3"),
        ({"label_steps": (29.0, 30.0)}, "label_steps holds 29.0, expected whole numbers"),
        ({"resets": {"pop0": (-5, 3)}}, "resets/pop0 holds -5, expected whole numbers from 0 to 29"),
        ({"resets": {"pop0": (3, 30)}}, "resets/pop0 holds 30, expected whole numbers from 0 to 29"),
        ({"resets": {"pop0": (2.5,)}}, "resets/pop0 holds 2.5"),
        ({"resets": {"pop0": ("a",)}}, "resets/pop0 holds 'a'"),
        ({"resets": {"pop0": (True,)}}, "resets/pop0 holds True"),
        ({"refractory_reading": -1}, "refractory_reading holds -1"),
        ({"refractory_reading": 0.5}, "refractory_reading holds 0.5"),
        ({"readout": np.full((30, 5, 2), 2**31)}, r"readout.0, 0, 0. is 2147483648, expected -2147483647"),
        ({"states": {("pop0", "v"): np.full((30, 5, 1), -(2**32))}}, r"pop0/v.0, 0, 0. is -4294967296"),
        ({"labels": np.full(5, 2**63 + 5, np.uint64)}, r"labels.0. is 9223372036854775813, expected 0 to"),
        ({"labels": np.full(5, -1)}, r"labels.0. is -1, expected 0 to"),
    ],
)  # fmt: skip
def test_a_wrong_recording_is_refused_by_array(chip, change, words):
    with pytest.raises(DataError, match=words):
        replace(chip, **change)


def test_a_reading_of_more_than_32_bits_is_not_cut_to_them(network, chip):
    readout = emulate(network, chip.inputs).readout.astype(np.int64)
    replace(chip, readout=readout)
    readout[7, 1, 0] += 2**32
    with pytest.raises(DataError, match=r"readout\[7, 1, 0\] is \d+, expected"):
        replace(chip, readout=readout)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"resets/pop0": [-5, 100000]}, "resets/pop0 holds -5"),
        ({"resets/pop0": ["a"]}, "resets/pop0 holds 'a'"),
        ({"resets/pop0": [2.5]}, "resets/pop0 holds 2.5"),
        ({"resets/pop0": [[1, 2]]}, r"resets/pop0 holds \[1, 2\]"),
        ({"refractory_reading": -128}, "refractory_reading holds -128"),
        ({"refractory_reading": 128.5}, "refractory_reading holds 128.5"),
        ({"refractory_reading": [128, 256]}, r"refractory_reading holds \[128, 256\]"),
        ({"label_steps": [29.0, 30.0]}, "label_steps holds 29.0"),
        ({"label_steps": 30}, "label_steps is 30, expected some of the 30 steps"),
    ],
)
def test_a_file_of_wrong_steps_is_refused_by_name_and_value(tmp_path, chip, arrays, words):
    write_recording(tmp_path / "chip.npz", chip)
    with np.load(tmp_path / "chip.npz") as file:
        whole = dict(file)
    np.savez(tmp_path / "wrong.npz", **{**whole, **arrays})
    with pytest.raises(DataError, match=f"wrong.npz: {words}"):
        read_recording(tmp_path / "wrong.npz")


def test_one_answer_alone_belongs_to_the_same_inputs(chip):
    inputs, (name,) = chip.inputs.copy(), chip.spikes
    inputs[:, 4] = inputs[:, 1]
    with pytest.raises(
        DataError, match="samples 1 and 4 have the same inputs and different answers"
    ):
        replace(chip, inputs=inputs)
    spikes = chip.spikes[name].copy()
    spikes[:, 4] = spikes[:, 1]
    replace(chip, inputs=inputs, spikes={name: spikes}, states={}, labels=None)


def test_inputs_that_were_not_recorded_are_refused_by_sample_and_file(network, chip, on):
    target, inputs = on(chip), chip.inputs.copy()
    inputs[0, 3] ^= True
    with pytest.raises(
        TargetUnavailableError, match=r"chip\.npz: sample 3 is none of the 5 recorded"
    ):
        target.run(network, inputs)
    with pytest.raises(TargetUnavailableError, match=r"has 30 steps of .* inputs, not 29 of"):
        target.run(network, inputs[1:])
    for call in (lambda: target.session(network, 1, 1), lambda: target.states(network, inputs, 0)):
        with pytest.raises(TargetUnavailableError, match="target 'recorded'"):
            call()


def test_a_recording_of_another_network_is_refused_by_what_does_not_fit(network, chip, on):
    (name,) = chip.spikes
    size = network.population(name).size
    for change, words in (
        ({"spikes": {"other": chip.spikes[name]}}, "population 'other' of"),
        ({"states": {(name, "v"): chip.states[name, "v"][..., 1:]}}, f"population '{name}' of {size - 1}"),
        ({"states": {(name, "u"): chip.states[name, "v"]}}, f"state 'u' of '{name}', its neurons have v"),
        ({"states": {(name, "i"): chip.states[name, "v"]}}, f"state 'i' of '{name}'"),
        ({"resets": {"other": (1,)}}, "resets 'other'"),
        ({"readout": np.zeros((STEPS, SAMPLES, 99), int)}, "a readout of 99"),
    ):  # fmt: skip
        with pytest.raises(NetworkError, match=words) as caught:
            on(replace(chip, **change)).run(network, chip.inputs)
        assert "\n" not in str(caught.value)


def test_from_the_command_line_with_a_file_or_a_folder(tmp_path, network, chip):
    file, folder = tmp_path / "net.safetensors", tmp_path / "recordings"
    file_format.save(network, file)
    other = replace(chip, inputs=~chip.inputs, run="run 2")
    write_recording(folder / "a.npz", other)
    write_recording(folder / "b.npz", chip)
    words = [
        "parity",
        file,
        "--inputs",
        folder / "b.npz",
        "--target",
        "recorded",
        "--target-option",
    ]
    for where in (folder, folder / "b.npz"):
        found = json.loads(succeed(*words, f"recording={where}", "--json").stdout)["P3"]
        assert (found["exact"], found["other"]) == (True, "a chip, run 1")
    text = succeed(*words, f"recording={folder}").stdout
    assert "readings are the refractory time" in text
    assert "not recorded" in text
    page = tmp_path / "page.html"
    succeed("report", *words[1:], f"recording={folder}", "--out", page)
    assert "readings are the refractory time" in page.read_text()
    random = said(*words[:3], "random", *words[4:], f"recording={folder}")
    assert "b.npz: has 30 steps of" in random
    assert random.endswith(f"--inputs {folder / 'a.npz'}")
    assert "no recording is named" in said(*words[:-1])
    assert "no such file" in said(*words, f"recording={tmp_path / 'none'}")
    (tmp_path / "text.npz").write_text("nothing")
    assert "text.npz: can't be read as .npz" in said(*words, f"recording={tmp_path / 'text.npz'}")
    np.savez(tmp_path / "odd.npz", inputs=chip.inputs, odd=1)
    assert "odd.npz: holds 'odd'; expected inputs" in said(
        *words, f"recording={tmp_path / 'odd.npz'}"
    )
    np.savez(tmp_path / "less.npz", inputs=chip.inputs)
    assert "less.npz: is no recording, it holds no array 'chip'" in said(
        *words, f"recording={tmp_path / 'less.npz'}"
    )


def test_a_page_about_a_label_that_differs_can_be_written(tmp_path, network, chip):
    labels = chip.labels.copy()
    labels[1] += 1
    alone = replace(chip, labels=labels, spikes={}, states={})
    write_recording(tmp_path / "labels.npz", alone)
    file_format.save(network, tmp_path / "net.safetensors")
    result = lsnn_neuro(
        "report", tmp_path / "net.safetensors", "--inputs", tmp_path / "labels.npz", "--target", "recorded",
        "--target-option", f"recording={tmp_path / 'labels.npz'}", "--out", tmp_path / "page.html",
    )  # fmt: skip
    assert result.exit_code == 1
    assert "1 of 5 labels differ" in (tmp_path / "page.html").read_text()


def test_parity_says_where_a_chip_would_round_other_than_lava(tmp_path, network):
    lower = replace(
        network, projections=tuple(replace(q, weight_exp=-7) for q in network.projections)
    )
    file_format.save(lower, tmp_path / "net.safetensors")
    words = ["parity", tmp_path / "net.safetensors", "--target", "emulator", "--inputs"]
    for name, inputs, said_so in (
        ("spikes", np.ones((9, 2, network.n_inputs), bool), False),
        ("graded", np.full((9, 2, network.n_inputs), 40, np.int8), True),
    ):
        np.save(tmp_path / f"{name}.npy", inputs)
        result = lsnn_neuro(*words, tmp_path / f"{name}.npy")
        assert ("design rule graded-exponent: projection" in result.output) == said_so


@pytest.mark.parametrize("steps", [(-5,), (STEPS,), ("a",), (2.5,), (True,)])
def test_a_reset_before_no_step_of_the_inputs_is_refused(chip, steps):
    name = next(iter(chip.spikes))
    with pytest.raises(DataError, match=f"resets/{name} holds .* from 0 to {STEPS - 1}"):
        replace(chip, resets={name: steps})


@pytest.mark.parametrize("reading", [-1, 1.5, True])
def test_a_refractory_reading_that_counts_nothing_is_refused(chip, reading):
    with pytest.raises(
        DataError, match=r"refractory_reading holds .* expected whole numbers from 0"
    ):
        replace(chip, refractory_reading=reading)


@pytest.mark.parametrize(
    ("name", "value"), [("resets/pop0", [2.5]), ("resets/pop0", ["a"]), ("refractory_reading", 2.5)]
)
def test_a_file_with_such_steps_is_refused_by_name(chip, tmp_path, name, value):
    write_recording(tmp_path / "a.npz", chip)
    with np.load(tmp_path / "a.npz") as found:
        arrays = dict(found) | {name: np.array(value)}
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=rf"a\.npz: {name}"):
        read_recording(tmp_path / "a.npz")
