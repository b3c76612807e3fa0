"""What would be wrong without a word: values, labels, silence, and networks that never learnt."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from data_files import recipe as recipe_of
from data_files import task_of, words
from scipy.io import savemat
from speech_folders import fsdd, timit, utterance
from test_faults import small
from tiny_runs import lsnn_neuro, said, succeed

import deploy
from lsnn_neuro import load_recipe, train
from lsnn_neuro.data.samples import groups_of
from lsnn_neuro.data.speech import read_samples
from lsnn_neuro.errors import DataError
from lsnn_neuro.recipe import parse_recipe
from lsnn_neuro.silence import silence
from lsnn_neuro.tasks.phones import fold_labels, folding_to
from lsnn_neuro.training import Callback

# --- not finite


def spoilt(file: Path, at: int, value: float) -> Path:
    """A recording whose sample at an index is no sound, in floats."""
    samples, rate = soundfile.read(file, dtype="float32")
    samples[at] = value
    soundfile.write(file, samples, rate, format="WAV", subtype="FLOAT")
    return file


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("part", ["TRAIN", "TEST"])
def test_a_sample_of_speech_that_is_not_finite_is_named(
    part: str, value: float, tmp_path: Path
) -> None:
    data = timit(tmp_path / "data")
    file = spoilt(sorted((data / part).rglob("SX*.WAV"))[0], 801, value)
    line = said("train", "phones", "--out", tmp_path / "run", "--set", f"task.data={data}")
    assert f"{file}: samples[801] is {value}, expected a finite number" in line
    assert not (tmp_path / "run").exists()


def test_a_digit_that_is_not_finite_or_far_too_loud_is_named(tmp_path: Path) -> None:
    for value, what in ((np.nan, "samples[5] is nan"), (1e30, "features[0, 0] is")):
        data = fsdd(tmp_path / f"{value}")
        file = spoilt(data / "recordings" / "7_ann_6.wav", 5, value)
        line = said("train", "fsdd", "--out", tmp_path / "run", "--set", f"task.data={data}")
        assert f"{file}: {what}" in line


def test_a_users_own_sounds_are_whole_numbers_and_other_values_finite(tmp_path: Path) -> None:
    sounds = words(tmp_path / "words")
    file = spoilt(sounds / "left" / "bob_4.wav", 7, np.nan)
    values = np.ones((6, 20, 2), np.float32)
    values[4, 3, 1] = np.inf
    savemat(tmp_path / "x.mat", {"x": values, "y": np.arange(6) % 2})
    about: dict[str, dict[str, Any]] = {
        f"{file}: its samples are FLOAT, expected PCM_16": {
            "data": str(sounds), "sound": {"rate": 8000, "bands": 13}, "encoder": {"name": "level"},
        },
        f"{tmp_path / 'x.mat'}, sample 4: value [3, 1] is inf": {
            "data": str(tmp_path / "x.mat"), "inputs": "x", "labels": "y", "encoder": {"name": "level"},
        },
    }  # fmt: skip
    for line, task in about.items():
        recipe = tmp_path / "own.toml"
        made = parse_recipe(recipe_of({"name": "arrays", **task}), "own")
        recipe.write_text(made.to_toml())
        assert line in said("train", recipe, "--out", tmp_path / "run")
        assert not (tmp_path / "run").exists()


def test_a_recording_that_was_cut_off_is_named(tmp_path: Path) -> None:
    """libsndfile reads what is there as a shorter sound."""
    digits, phones = fsdd(tmp_path / "digits"), timit(tmp_path / "phones")
    for recipe, data, file in (
        ("fsdd", digits, digits / "recordings" / "7_ann_6.wav"),
        ("phones", phones, sorted((phones / "TRAIN").rglob("SX*.WAV"))[0]),
    ):
        file.write_bytes(file.read_bytes()[:-200])
        line = said("train", recipe, "--out", tmp_path / "run", "--set", f"task.data={data}")
        assert f"{file}: 200 bytes that its header says are missing; copy it again" in line


def test_what_an_encoder_is_given_is_named_by_sample_and_index(tmp_path: Path) -> None:
    digits = task_of({"name": "spoken-digits", "data": str(fsdd(tmp_path / "digits"))})
    phones = task_of({"name": "phones", "data": str(timit(tmp_path / "timit"))})
    sounds = task_of(
        {"name": "arrays", "data": str(words(tmp_path / "words")), "sound": {"rate": 8000, "bands": 13},
         "encoder": {"name": "level"}}
    )  # fmt: skip
    bad = np.zeros(1000, np.float32)
    bad[7] = np.nan
    for task in (digits, phones, sounds):
        with pytest.raises(DataError, match=r"sample 1: samples\[7\] is nan"):
            task.encoder.encode([np.zeros(1000, np.float32), bad])


def test_a_sound_in_memory_that_is_not_finite_is_named(tmp_path: Path) -> None:
    pairs = [(np.ones(2000, np.float32), i % 2) for i in range(20)]
    pairs[3][0][9] = np.inf
    with pytest.raises(DataError, match=r"data set 'train', sample 3: samples\[9\] is inf"):
        task_of(
            {"name": "arrays", "data": "memory", "sound": {"rate": 8000, "bands": 13},
             "encoder": {"name": "level"}}, train=pairs,
        )  # fmt: skip


def test_a_group_that_is_no_number_is_named() -> None:
    with pytest.raises(DataError, match=r"file: groups\[1\] is nan"):
        groups_of(np.array([1.0, np.nan]), 2, "file: groups")


# --- labels that differ by case


def folder_of(folder: Path, phones: list[str]) -> Path:
    for part, number in (("TRAIN", 3), ("TEST", 1)):
        for i in range(number):
            utterance(folder / part / "DR1" / "MAAA0" / f"SX{i}.WAV", phones)
    return folder


def test_labels_that_differ_by_case_only_are_classes_of_their_own(tmp_path: Path) -> None:
    data = folder_of(tmp_path, ["E", "e", "O", "o", "S", "s"])
    task = task_of({"name": "phones", "data": str(data)})
    assert task.class_names == ("E", "O", "S", "e", "o", "s")
    assert set(next(task.batches("test", 1)).labels.target) == set(range(6))


def test_timits_labels_in_upper_case_are_still_timits(tmp_path: Path) -> None:
    upper, lower = (
        task_of({"name": "phones", "data": str(folder_of(tmp_path / f"{i}", names))})
        for i, names in enumerate((["H#", "IY", "Q", "S"], ["h#", "iy", "q", "s"]))
    )
    assert upper.class_names == lower.class_names
    one, two = (next(task.batches("test", 1)).labels.target for task in (upper, lower))
    np.testing.assert_array_equal(one, two)


def test_which_case_counts_is_the_networks_not_that_of_a_part_of_its_labels() -> None:
    classes = fold_labels({"S", "s", "click"}, 39).classes
    assert classes == ("S", "click", "s")
    assert folding_to(classes, 39).class_of("S") == 0  # though "S" alone could be TIMIT's
    assert not folding_to(("click", "s"), 39).knows("S")


def test_a_label_of_another_case_than_the_networks_is_refused_by_name(tmp_path: Path) -> None:
    known = task_of({"name": "phones", "data": str(folder_of(tmp_path / "a", ["e", "o"]))})
    other = task_of({"name": "phones", "data": str(folder_of(tmp_path / "b", ["E", "o"]))})
    with pytest.raises(DataError, match="the data have the class 'E', which the network was not"):
        other.relabelled(known.class_names)


# --- silence


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run whose neurons never reach their threshold, and what training said."""
    folder = tmp_path_factory.mktemp("quiet")
    high = ("--set", "network.b0=1000", "--set", "training.iterations=4")
    result = succeed("train", small(folder), "--out", folder / "run", *high, "--json")
    return folder / "run", result.stderr


def test_training_says_once_that_nothing_spikes(quiet: tuple[Path, str]) -> None:
    found = [line for line in quiet[1].splitlines() if line.startswith("silent:")]
    assert found == ["silent: no neuron spikes in the training batch of iteration 2"]


def test_evaluate_says_that_nothing_spikes(quiet: tuple[Path, str]) -> None:
    for target in ("float", "emulator"):
        result = succeed("evaluate", quiet[0], "--target", target, "--json")
        assert "silent: no neuron spikes in the first 8 samples" in result.stderr.splitlines()


def test_an_equality_of_no_spikes_is_not_called_a_proof(
    quiet: tuple[Path, str], tmp_path: Path
) -> None:
    result = succeed("parity", quiet[0], "--samples", 4)
    where = "in what is compared (P0, P1), so equality proves nothing there"
    assert f"silent: no neuron spikes {where}" in result.stderr.splitlines()
    assert "P1: quantization-aware against emulator: exact, but no neuron spikes" in result.stdout
    found = json.loads(succeed("parity", quiet[0], "--samples", 4, "--json").stdout)
    assert found["P1"]["exact"]
    assert found["P1"]["silent"] == ["regular", "adaptive"]
    page = tmp_path / "report.html"
    told = succeed("report", quiet[0], "--samples", 4, "--out", page)
    assert "silent: no neuron spikes" in told.stderr
    assert "Nothing differs, but no neuron spikes" in page.read_text()
    assert "The same network, spike by spike" not in page.read_text()


def test_export_says_that_nothing_spikes(quiet: tuple[Path, str], tmp_path: Path) -> None:
    options = ("--target", "emulator", "--out", tmp_path / "a", "--samples", 4)
    result = succeed("export", quiet[0], *options, "--allow", "adaptation", "--json")
    assert "silent: no neuron spikes in the 4 golden samples" in result.stderr.splitlines()


def test_one_silent_population_is_named() -> None:
    assert silence({"a": 3, "b": 0, "c": 0}, "them") == ["silent: b, c do not spike in them"]
    assert silence({"a": 3, "b": 0}, "it") == ["silent: b does not spike in it"]
    assert silence({"a": 3, "b": 1}, "it") == silence({}, "it") == []


def test_commands_name_the_one_population_that_is_silent(tmp_path: Path) -> None:
    """Three inputs, a layer that spikes and one whose threshold nothing reaches."""
    import nir

    def lif(threshold: float) -> nir.LIF:
        of = {"tau": 0.02, "r": 1.0, "v_leak": 0.0, "v_threshold": threshold}
        return nir.LIF(**{name: np.full(2, value) for name, value in of.items()})

    nodes = {
        "input": nir.Input({"input": np.array([3])}), "w1": nir.Linear(np.full((2, 3), 20.0)),
        "first": lif(0.5), "w2": nir.Linear(np.ones((2, 2))), "second": lif(1000.0),
        "output": nir.Output({"output": np.array([2])}),
    }  # fmt: skip
    names = list(nodes)
    nir.write(tmp_path / "f.nir", nir.NIRGraph(nodes, list(pairwise(names))))
    out, inputs = tmp_path / "n.safetensors", tmp_path / "inputs.npy"
    succeed("import", "nir", tmp_path / "f.nir", "--from", "nir", "--dt", "1", "--out", out)
    np.save(inputs, np.random.default_rng(0).random((40, 2, 3)) < 0.5)
    given = ("--inputs", inputs, "--target", "emulator")
    for command in (("parity", out), ("export", out, "--out", tmp_path / "a")):
        printed = succeed(*command, *given).output
        assert "silent: second does not spike in" in printed
        assert "first" not in printed.partition("silent:")[2].splitlines()[0]


def test_where_all_populations_spike_nothing_is_said() -> None:
    model = deploy.load(Path(__file__).parents[1] / "models" / "delayed-xor")
    report = deploy.parity(model, max_samples=4)
    assert report.silent == []
    assert not report.proves_nothing


# --- networks that never learnt


@pytest.mark.parametrize(
    ("network", "field"),
    [
        (("network.input_connectivity=0.001",), "network.input_connectivity is 0.001"),
        (("network.recurrent_connectivity=0.001",), "network.recurrent_connectivity is 0.001"),
        (("network.readout_connectivity=0.001",), "network.readout_connectivity is 0.001"),
    ],
)
def test_a_connectivity_of_no_synapses_is_named_by_its_field(
    network: tuple[str, ...], field: str, tmp_path: Path
) -> None:
    change = [part for text in network for part in ("--set", text)]
    line = said("train", small(tmp_path), "--out", tmp_path / "run", *change)
    assert field in line
    assert re.search(r"which of the \d+ pairs of group '\w+' rounds to 0 synapses; raise it", line)


class Killed(Callback):
    """Ends a run as an error does, after some iterations, without a checkpoint."""

    def __init__(self, after: int):
        self.after = after

    def after_iteration(self, trainer: Any, metrics: dict[str, float]) -> None:
        if trainer.iteration == self.after:
            raise RuntimeError("killed")


def killed_run(folder: Path) -> Path:
    with pytest.raises(RuntimeError, match="killed"):
        train(load_recipe(small(folder)), folder / "run", callbacks=[Killed(1)], progress=False)
    return folder / "run"


UNTRAINED = "was never trained: this is the network that its run began with, iteration 0 of 4"


@pytest.mark.parametrize("file", ["", "last.safetensors"])
def test_a_network_that_was_never_trained_is_said_to_be_so(file: str, tmp_path: Path) -> None:
    run = killed_run(tmp_path) / file
    for command in (
        ("evaluate", run, "--samples", 2), ("parity", run, "--samples", 2), ("inspect", run),
        ("report", run, "--samples", 2, "--out", tmp_path / "report.html"),
    ):  # fmt: skip
        assert f"{run}: {UNTRAINED}" in succeed(*command).stderr.splitlines()


def test_a_network_that_was_never_trained_is_not_exported_or_published(tmp_path: Path) -> None:
    run = killed_run(tmp_path)
    line = said("export", run, "--target", "emulator", "--out", tmp_path / "a")
    assert f"{run}: its run has made no iteration, so its network is not trained" in line
    assert "was never validated" in said("publish", run, "--out", tmp_path / "b")
    assert not (tmp_path / "a").exists()


def test_a_checkpoint_that_was_never_validated_says_so_by_itself(tmp_path: Path) -> None:
    class Stopped(Callback):
        def after_iteration(self, trainer: Any, metrics: dict[str, float]) -> None:
            trainer.stop("enough")

    train(load_recipe(small(tmp_path)), tmp_path / "run", callbacks=[Stopped()], progress=False)
    file = tmp_path / "run" / "last.safetensors"
    result = lsnn_neuro("evaluate", file, "--samples", 2)
    assert f"{file}: was never validated; this is the network of iteration 1 of 4" in result.stderr


def test_the_readers_own_check_names_the_index(tmp_path: Path) -> None:
    file = utterance(tmp_path / "a.WAV")
    assert np.isfinite(read_samples(file, 16_000)).all()
    with pytest.raises(DataError, match=r"a.WAV: samples\[3\] is -inf"):
        read_samples(spoilt(file, 3, -np.inf), 16_000)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_inputs_that_are_not_finite_are_named(value: float, tmp_path: Path) -> None:
    model = deploy.load(Path(__file__).parents[1] / "models" / "delayed-xor")
    inputs = np.zeros((5, 2, model.integers.n_inputs))
    inputs[3, 1, 0] = value
    np.save(tmp_path / "in.npy", inputs)
    line = said("parity", model.path, "--inputs", tmp_path / "in.npy")
    assert f"in.npy: inputs[3, 1, 0] is {value}, expected whole numbers" in line
