"""Checkpoints: what goes in comes out, and nothing else is taken for one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from random_lsnns import tiny_recipe
from random_specs import random_spec
from rewired import shuffle_slots
from same import differences

from lsnn_neuro import __version__, files
from lsnn_neuro.checkpoint import (
    BEST,
    KIND,
    LAST,
    Checkpoint,
    find_checkpoint,
    module_tensors,
)
from lsnn_neuro.errors import FileFormatError, RecipeError
from lsnn_neuro.files import Kind
from lsnn_neuro.network.config import LSTMConfig

FROZEN = Path(__file__).parents[1] / "frozen" / "files"
N_INPUTS, N_OUTPUTS = 8, 2


def drawn(seed=3, **sections):
    recipe = tiny_recipe(**sections)
    generator = torch.Generator().manual_seed(seed)
    return recipe, recipe.network.build(N_INPUTS, N_OUTPUTS, generator)


def checkpoint(**sections):
    recipe, network = drawn(**sections)
    return Checkpoint(
        recipe=recipe, spec=network.to_spec(), progress={"iteration": 4},
        n_inputs=N_INPUTS, n_outputs=N_OUTPUTS,
    )  # fmt: skip


def lstm():
    recipe = tiny_recipe(network=None, deep_r=None)
    recipe = recipe.model_copy(update={"network": LSTMConfig(kind="lstm", units=3)})
    network = recipe.network.build(N_INPUTS, N_OUTPUTS, torch.Generator().manual_seed(1))
    return network, Checkpoint(
        recipe=recipe, arrays=module_tensors(network), n_inputs=N_INPUTS, n_outputs=N_OUTPUTS
    )


def refused(path, error=FileFormatError):
    """The one line that says why a file is no checkpoint, or holds no network."""
    with pytest.raises(error) as caught:
        Checkpoint.load(path).network(path)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"network": {"adaptive": 0}},
        {"network": {"tau_a": [5.0, 50.0], "learn": ["beta", "tau_m"]}},
        {"network": {"signs": "free"}},
        {"network": {"signs": "unconstrained"}, "deep_r": None},
        {"network": {"learning": "random-feedback"}},
    ],
)
def test_round_trip_gives_the_same_network(tmp_path, sections):
    """Rewired and learnt since it was drawn, and drawn from another seed than the recipe's."""
    recipe, network = drawn(**sections)
    shuffle_slots(network, 0)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if not name.endswith("theta"):
                parameter += 0.1
    saved = replace(checkpoint(**sections), spec=network.to_spec())
    saved.save(tmp_path / "a")
    loaded = Checkpoint.load(tmp_path / "a")
    assert (loaded.recipe, loaded.progress) == (recipe, saved.progress)
    assert (loaded.n_inputs, loaded.n_outputs, loaded.resumable) == (N_INPUTS, N_OUTPUTS, False)
    assert differences(loaded.spec, saved.spec) == []
    again = loaded.network(tmp_path / "a")
    x = torch.rand(10, 3, N_INPUTS) < 0.5
    assert torch.equal(again(x).readout, network(x).readout)


@pytest.mark.parametrize("seed", range(20))
def test_round_trip_gives_the_same_graph_of_any_kind(tmp_path, seed):
    replace(checkpoint(), spec=random_spec(seed)).save(tmp_path / "a")
    assert differences(Checkpoint.load(tmp_path / "a").spec, random_spec(seed)) == []


def test_round_trip_gives_the_same_lstm(tmp_path):
    network, saved = lstm()
    saved.save(tmp_path / "a")
    x = torch.rand(5, 2, N_INPUTS)
    again = Checkpoint.load(tmp_path / "a").network(tmp_path / "a")
    assert torch.equal(again(x).readout, network(x).readout)


def test_a_large_sparse_network_takes_little_room(tmp_path):
    shares = ("input_connectivity", "recurrent_connectivity", "readout_connectivity")
    large = {"regular": 350, "adaptive": 350} | dict.fromkeys(shares, 0.12)
    recipe = tiny_recipe(network=large)
    spec = recipe.network.build(80, 10, torch.Generator().manual_seed(1)).to_spec()
    Checkpoint(recipe=recipe, spec=spec, n_inputs=80, n_outputs=10).save(tmp_path / "a")
    assert spec.n_synapses == 66276
    assert (tmp_path / "a").stat().st_size < 10 * spec.n_synapses


def test_equal_checkpoints_give_equal_bytes(tmp_path):
    for name in ("a", "b"):
        checkpoint().save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


# --- what is none ------------------------------------------------------------------------------------


def test_a_flipped_bit_is_refused(tmp_path):
    checkpoint().save(tmp_path / "a")
    data = bytearray((tmp_path / "a").read_bytes())
    data[-40] ^= 1
    (tmp_path / "a").write_bytes(data)
    assert "changed since it was written (SHA-256)" in refused(tmp_path / "a")


def changed(path, *, arrays=(), drop=(), header=None, kind=KIND, saved=None):
    """A checkpoint with arrays or header fields replaced or left out, written with a hash that is right."""
    (saved or checkpoint()).save(path)
    found = files.read(path, KIND)
    contents = {k: v for k, v in (found.arrays | dict(arrays)).items() if k not in drop}
    fields = {k: v for k, v in (found.header | (header or {})).items() if v is not None}
    files.write(path, kind, fields, contents)
    return path


def test_a_newer_version_asks_for_a_newer_release(tmp_path):
    path = changed(tmp_path / "a", kind=Kind(name="checkpoint", version=5, oldest=1))
    text = refused(path)
    assert f"checkpoint version 5 by lsnn-neuro {__version__}" in text
    assert text.endswith("this release reads 1 to 4; upgrade lsnn-neuro")


def test_nan_is_refused(tmp_path):
    name = "spec.projections.0.weight"
    weight = checkpoint().spec.projections[0].weight.copy()
    weight[1] = np.nan
    text = refused(changed(tmp_path / "a", arrays={name: weight.astype(np.float32)}))
    assert f"{name} holds NaN" in text
    network, saved = lstm()
    bad = np.full(network.readout.bias.shape, np.inf, np.float32)
    path = changed(tmp_path / "b", arrays={"network.readout.bias": bad}, saved=saved)
    assert "readout.bias holds NaN or infinity" in refused(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"drop": ["spec.projections.0.weight"]}, "missing or unknown part"),
        ({"arrays": {"spec.projections.0.luck": np.zeros(3)}}, "missing or unknown part"),
        ({"arrays": {"spec.projections.0.delay": np.zeros(3, np.uint8)}}, "delay has shape (3,)"),
        ({"arrays": {"spec.populations.0.neuron.b0": np.zeros(3, np.float32)}}, "b0[0] is 0"),
        ({"header": {"n_inputs": None}}, "missing or unknown part: 'n_inputs'"),
        ({"header": {"spec": {}}}, "missing or unknown part"),
        ({"header": {"recipe": None}}, "without a recipe"),
        ({"header": {"progress": None}}, "without a recipe or without its progress"),
    ],
)
def test_a_part_that_is_missing_or_wrong_is_refused(tmp_path, change, words):
    assert words in refused(changed(tmp_path / "a", **change))


def test_a_neuron_that_is_not_installed_is_refused(tmp_path):
    checkpoint().save(tmp_path / "a")
    spec = files.read(tmp_path / "a", KIND).header["spec"]
    spec["populations"][0]["neuron"]["name"] = "quantum"
    text = refused(changed(tmp_path / "a", header={"spec": spec}))
    assert "there is no neuron 'quantum'" in text


@pytest.mark.parametrize(
    "change",
    [
        {"drop": ["network.readout.bias"]},
        {"arrays": {"network.readout.bias": np.zeros(5, np.float32)}},
    ],
)
def test_an_lstm_that_does_not_fit_its_recipe_is_refused(tmp_path, change):
    path = changed(tmp_path / "a", saved=lstm()[1], **change)
    assert "does not fit its own recipe" in refused(path)


def test_a_spiking_recipe_without_a_network_is_refused(tmp_path):
    checkpoint().save(tmp_path / "a")
    replace(Checkpoint.load(tmp_path / "a"), spec=None).save(tmp_path / "a")
    assert "holds no network, though its recipe says a spiking one" in refused(tmp_path / "a")


def test_a_recipe_that_makes_no_sense_is_refused(tmp_path):
    path = changed(tmp_path / "a", header={"recipe": {"name": "x"}})
    assert "required" in refused(path, RecipeError)


@pytest.mark.parametrize("pickled", ["checkpoint.pt", "checkpoint.safetensors"])
def test_a_torch_pickle_is_refused_whatever_its_name(tmp_path, pickled):
    torch.save({"w": torch.zeros(3)}, tmp_path / pickled)
    assert "not a readable checkpoint" in refused(tmp_path / pickled)


# --- what older releases wrote -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "version"),
    [("checkpoint-1", 1), ("checkpoint-2", 2), ("checkpoint-3-without-sizes", 3)],
)
@pytest.mark.parametrize("name", [BEST, LAST])
def test_older_checkpoints_are_read_and_written_anew(tmp_path, folder, version, name):
    path = FROZEN / "older" / folder / name
    assert files.read(path, KIND).version == version
    old = Checkpoint.load(path)
    assert not old.resumable
    assert (old.n_inputs, old.n_outputs) == (N_INPUTS, N_OUTPUTS)
    assert [p.name for p in old.spec.populations] == ["regular", "adaptive", "readout"]
    old.save(tmp_path / "a")
    new = Checkpoint.load(tmp_path / "a")
    assert new.recipe == old.recipe
    assert differences(new.spec, old.spec) == []


def test_an_lstm_of_an_older_release_is_read_and_written_anew(tmp_path):
    path = FROZEN / "trained" / "lstm" / BEST
    old = Checkpoint.load(path)
    old.save(tmp_path / "a")
    x = torch.rand(5, 2, old.n_inputs)
    new = Checkpoint.load(tmp_path / "a").network(tmp_path / "a")
    assert torch.equal(new(x).readout, old.network(path)(x).readout)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("input.index", np.array([3, 3], np.uint32), "indices must ascend within 0 to 39"),
        ("input.index", np.array([4, 2], np.uint32), "indices must ascend"),
        ("input.index", np.array([0, 40], np.uint32), "indices must ascend"),
        ("input.index", np.array([1], np.uint32), "shapes (1,), (2,) and (2,), expected equal"),
        ("input.weight", None, "does not fit its own recipe"),
        ("bias", None, "does not fit its own recipe"),
        ("b0", np.ones(4, np.float32), "4 neurons, the recipe has 5 + 0"),
    ],
)
def test_an_older_checkpoint_with_a_wrong_part_is_refused(tmp_path, name, value, words):
    found = files.read(FROZEN / "trained" / "lif" / BEST, KIND)
    arrays = found.arrays | {
        "network.input.index": np.array([1, 2], np.uint32),
        "network.input.weight": np.array([1, 2], np.float32),
        "network.input.delay": np.array([1, 0], np.uint8),
    }
    arrays[f"network.{name}"] = value
    contents = {k: v for k, v in arrays.items() if v is not None}
    files.write(
        tmp_path / "a", Kind(name="checkpoint", version=3, oldest=1), found.header, contents
    )
    text = refused(tmp_path / "a")
    assert "does not fit its own recipe" in text
    assert words in text


# --- which file a path means -------------------------------------------------------------------------


def test_a_run_folder_stands_for_its_best_checkpoint(tmp_path):
    with pytest.raises(FileFormatError, match="holds neither"):
        find_checkpoint(tmp_path)
    (tmp_path / LAST).touch()
    assert find_checkpoint(tmp_path) == tmp_path / LAST
    (tmp_path / BEST).touch()
    assert find_checkpoint(tmp_path) == tmp_path / BEST
    assert find_checkpoint(tmp_path / LAST) == tmp_path / LAST
    with pytest.raises(FileFormatError, match="no such file or folder"):
        find_checkpoint(tmp_path / "nowhere")
