"""Checkpoints: what goes in comes out, and nothing else is taken for one."""

import numpy as np
import pytest
import torch
from random_lsnns import tiny_recipe

from lsnn_neuro import tensor_file
from lsnn_neuro.checkpoint import (
    BEST,
    KIND,
    LAST,
    VERSION,
    Checkpoint,
    build_network,
    compact_arrays,
    find_checkpoint,
    network_arrays,
    restore_network,
)
from lsnn_neuro.errors import FileFormatError, RecipeError
from lsnn_neuro.recipe import LSTMConfig

N_INPUTS, N_OUTPUTS = 8, 2


def checkpoint(*, arrays_of=network_arrays, seed=3, **sections):
    recipe = tiny_recipe(**sections)
    generator = torch.Generator().manual_seed(seed)
    network = build_network(recipe, N_INPUTS, N_OUTPUTS, generator)
    return Checkpoint(recipe=recipe, arrays=arrays_of(network), progress={"iteration": 4}), network


def restore(path):
    return restore_network(Checkpoint.load(path), path, N_INPUTS, N_OUTPUTS)


every_kind = pytest.mark.parametrize(
    "sections",
    [
        {},
        {"network": {"adaptive": 0}},
        {"network": {"tau_a": [5.0, 50.0], "learn": ["beta", "tau_m"]}},
        {"network": {"signs": "free"}},
        {"network": {"signs": "unconstrained"}, "deep_r": None},
    ],
)


@every_kind
def test_round_trip_gives_the_same_lsnn(tmp_path, sections):
    saved, network = checkpoint(**sections)
    saved.save(tmp_path / "a")
    loaded = Checkpoint.load(tmp_path / "a")
    assert loaded.recipe == saved.recipe
    assert loaded.progress == saved.progress
    again = restore(tmp_path / "a")
    assert again.state_dict().keys() == network.state_dict().keys()
    for name, tensor in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)
        assert again.state_dict()[name].dtype == tensor.dtype
    x = (torch.rand(10, 3, N_INPUTS) < 0.5).float()
    assert torch.equal(again(x).readout, network(x).readout)


@every_kind
def test_active_synapses_alone_give_the_same_lsnn(tmp_path, sections):
    """Rewired since it was drawn, and drawn from another seed than the recipe's."""
    saved, network = checkpoint(arrays_of=lambda network: rewired(network), **sections)
    saved.save(tmp_path / "a")
    again = restore(tmp_path / "a")
    x = (torch.rand(10, 3, N_INPUTS) < 0.5).float()
    assert torch.equal(again(x).readout, network(x).readout)
    for one, two in zip(network.synapses(), again.synapses(), strict=True):
        assert torch.equal(one.active(), two.active())
        assert torch.equal(one.weight(), two.weight())
        for name in ("delay", "sign") if one.constrained else ("delay",):
            same = getattr(one, name) == getattr(two, name)
            assert same[one.active()].all(), name
    again_spec, spec = again.to_spec(), network.to_spec()
    for one, two in zip(spec.populations, again_spec.populations, strict=True):
        for name in ("alpha", "rho", "beta", "b0"):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def rewired(network):
    """Compact arrays of a network some of whose synapses have moved and changed their weight."""
    with torch.no_grad():
        for i, s in enumerate(network.synapses()):
            flat = s.theta.view(-1)
            place = torch.nonzero(s.active().flatten()).flatten()
            flat[place] *= 1.5
            if s.constrained:
                free = torch.nonzero((~s.active() & s.allowed).flatten()).flatten()
                flat[free[:2]], flat[place[:2]] = 1e-12 if i else 0.3, 0.0
        for parameter in network.log_factor.values():
            parameter += 0.1
        network.bias += 0.2
    return compact_arrays(network)


def test_dormant_synapses_come_back_as_the_seed_drew_them(tmp_path):
    saved, network = checkpoint(arrays_of=compact_arrays, seed=tiny_recipe().seed)
    saved.save(tmp_path / "a")
    again = restore(tmp_path / "a").state_dict()
    for name, tensor in network.state_dict().items():
        assert torch.equal(again[name], tensor), name


def test_a_large_sparse_network_takes_little_room(tmp_path):
    recipe = tiny_recipe(network={"regular": 350, "adaptive": 350} | dict.fromkeys(SHARES, 0.12))
    network = build_network(recipe, 80, 10, torch.Generator().manual_seed(1))
    Checkpoint(recipe=recipe, arrays=compact_arrays(network)).save(tmp_path / "a")
    assert (tmp_path / "a").stat().st_size < 640_000  # 9 bytes for each of 66,276 synapses


SHARES = ("input_connectivity", "recurrent_connectivity", "readout_connectivity")


def test_a_dense_checkpoint_of_version_1_is_still_read(tmp_path):
    saved, network = checkpoint()
    header = {"recipe": saved.recipe.model_dump(mode="json"), "progress": {}}
    tensor_file.write(tmp_path / "a", KIND, 1, header, saved.arrays)
    again = restore(tmp_path / "a").state_dict()
    for name, tensor in network.state_dict().items():
        assert torch.equal(again[name], tensor), name


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("index", np.array([3, 3], np.uint32), "indices must ascend within 0 to 47"),
        ("index", np.array([4, 2], np.uint32), "indices must ascend"),
        ("index", np.array([0, 48], np.uint32), "indices must ascend"),
        ("index", np.array([1], np.uint32), r"shapes \(1,\), \(2,\) and \(2,\), expected equal"),
        ("weight", None, "input: does not fit its own recipe: no 'network.input.weight'"),
    ],
)
def test_a_list_of_synapses_that_fits_nothing_is_refused(tmp_path, name, value, message):
    saved, _ = checkpoint(arrays_of=compact_arrays)
    arrays = dict(saved.arrays) | {
        "network.input.index": np.array([1, 2], np.uint32),
        "network.input.weight": np.array([1, 2], np.float32),
        "network.input.delay": np.array([1, 0], np.uint8),
    }
    arrays[f"network.input.{name}"] = value
    header = {"recipe": saved.recipe.model_dump(mode="json"), "progress": {}}
    contents = {k: v for k, v in arrays.items() if v is not None}
    tensor_file.write(tmp_path / "a", KIND, VERSION, header, contents)
    with pytest.raises(FileFormatError, match=message) as caught:
        restore(tmp_path / "a")
    assert str(tmp_path / "a") in str(caught.value)


def test_round_trip_gives_the_same_lstm(tmp_path):
    recipe = tiny_recipe(network=None, deep_r=None)
    recipe = recipe.model_copy(update={"network": LSTMConfig(kind="lstm", units=3)})
    network = build_network(recipe, N_INPUTS, N_OUTPUTS, torch.Generator().manual_seed(1))
    Checkpoint(recipe=recipe, arrays=network_arrays(network)).save(tmp_path / "a")
    x = torch.rand(5, 2, N_INPUTS)
    assert torch.equal(restore(tmp_path / "a")(x).readout, network(x).readout)


def test_equal_checkpoints_give_equal_bytes(tmp_path):
    for name in ("a", "b"):
        checkpoint()[0].save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def changed(path, *, arrays=(), drop=(), header=None):
    """A checkpoint with some arrays or header fields replaced, written to ``path``."""
    saved, _ = checkpoint()
    fields = {"recipe": saved.recipe.model_dump(mode="json"), "progress": {}}
    contents = {k: v for k, v in (dict(saved.arrays) | dict(arrays)).items() if k not in drop}
    tensor_file.write(path, KIND, VERSION, header if header is not None else fields, contents)
    return path


def test_nan_in_a_tensor_is_refused(tmp_path):
    bad = np.full((6, N_INPUTS), np.nan, np.float32)
    path = changed(tmp_path / "a", arrays={"network.input.theta": bad})
    with pytest.raises(FileFormatError, match=r"a: input\.theta holds NaN"):
        restore(path)


def test_a_wrong_shape_is_refused(tmp_path):
    path = changed(tmp_path / "a", arrays={"network.bias": np.zeros(5, np.float32)})
    with pytest.raises(FileFormatError, match=r"does not fit its own recipe.*bias") as caught:
        restore(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_tensor_is_refused(tmp_path):
    path = changed(tmp_path / "a", drop=["network.bias"])
    with pytest.raises(FileFormatError, match="does not fit its own recipe"):
        restore(path)


def test_a_checkpoint_without_a_recipe_is_refused(tmp_path):
    path = changed(tmp_path / "a", header={"progress": {}})
    with pytest.raises(FileFormatError, match="without a recipe") as caught:
        Checkpoint.load(path)
    assert str(path) in str(caught.value)


def test_a_recipe_that_makes_no_sense_is_refused(tmp_path):
    path = changed(tmp_path / "a", header={"progress": {}, "recipe": {"name": "x"}})
    with pytest.raises(RecipeError, match="required") as caught:
        Checkpoint.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("pickled", ["checkpoint.pt", "checkpoint.safetensors"])
def test_a_torch_pickle_is_refused_whatever_its_name(tmp_path, pickled):
    torch.save({"w": torch.zeros(3)}, tmp_path / pickled)
    with pytest.raises(FileFormatError, match="not a readable checkpoint"):
        Checkpoint.load(tmp_path / pickled)


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
