"""The published Loihi 1 LSNN, from its weight files to its accuracy and to Lava."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from random_networks import neurons
from silicon import without_reset

from cli import main
from deploy.artifact import load_artifact
from deploy.comparison import compare
from deploy.emulated import Emulator
from deploy.interchange import write_network
from deploy.interchange.loihi1 import load
from deploy.lava.options import LavaOptions
from deploy.lava.target import LoihiSim
from deploy.player import TargetPlayer
from lsnn_neuro.errors import DataError, FileFormatError, NetworkError
from lsnn_neuro.evaluation import evaluate
from lsnn_neuro.recipe import load_recipe
from lsnn_neuro.tasks import make_task
from quantize import file_format
from quantize.emulator import emulate
from quantize.emulator_kernel import kernel_obstacle
from quantize.network import QuantizedNetwork, QuantizedProjection

PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "loihi1-lsnn"
needs_weights = pytest.mark.skipif(
    not PUBLISHED.is_dir(), reason=f"the published weights are not in {PUBLISHED}"
)


def matrices(rng):
    """Random weights of the published shapes: a sign per source."""
    shapes = {"w_in": (80, 240), "w_rec": (240, 240), "w_out": (240, 10)}
    return {
        name: (
            rng.integers(0, 256, shape)
            * (rng.random(shape) < 0.2)
            * rng.choice([-1, 1], (shape[0], 1))
        ).astype(np.float32)
        for name, shape in shapes.items()
    }


def write(folder, arrays):
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path, matrices(np.random.default_rng(0)))


def dense(network, source, target):
    """All synapses between two ends as a matrix (source, target), exponents applied."""
    total = 0
    for p in network.projections:
        if (p.source, p.target) == (source, target):
            matrix = np.zeros((p.n_source, p.n_target), np.int64)
            matrix[p.source_index, p.target_index] = p.weight_mant << p.weight_exp
            total = total + matrix
    return total


def test_every_weight_arrives_where_it_belongs(folder):
    w_in, w_rec, w_out = (np.load(folder / f"{n}.npy") for n in ("w_in", "w_rec", "w_out"))
    network = load(folder)
    np.testing.assert_array_equal(dense(network, "input", "regular"), w_in[:, :140])
    np.testing.assert_array_equal(dense(network, "input", "adaptive"), 4 * w_in[:, 140:])
    np.testing.assert_array_equal(dense(network, "adaptive", "regular"), w_rec[140:, :140])
    np.testing.assert_array_equal(dense(network, "regular", "adaptive"), 4 * w_rec[:140, 140:])
    np.testing.assert_array_equal(dense(network, "regular", "readout"), w_out[:140])
    np.testing.assert_array_equal(dense(network, "adaptive", "readout"), w_out[140:])
    assert network.n_synapses == sum(int(np.count_nonzero(w)) for w in (w_in, w_rec, w_out))


def test_its_neurons_follow_the_published_equations_step_by_step(folder):
    """The network once more in plain NumPy, from the description of the chip's set-up."""
    w_in, w_rec, w_out = (
        np.load(folder / f"{n}.npy").astype(np.int64) for n in ("w_in", "w_rec", "w_out")
    )
    inputs = np.random.default_rng(1).random((60, 1, 80)) < 0.1
    record = emulate(load(folder), inputs)
    adaptive = np.arange(240) >= 140
    factor = np.where(adaptive, 256, 64)

    def decayed(state, d):
        return np.sign(state) * (np.abs(state) * (4096 - d) // 4096)

    v, a, z = np.zeros(240, np.int64), np.zeros(240, np.int64), np.zeros(240, bool)
    y = np.zeros(10, np.int64)
    largest = 2**23 - 1
    for t in range(60):
        a = decayed(a, 5) - 384 * (z & adaptive)
        v = np.clip(
            decayed(v, 204) + (inputs[t, 0] @ w_in + z @ w_rec) * factor + a, -largest, largest
        )
        z = v > np.where(adaptive, 4 * 127, 127) * 64
        v[z] = 0
        y = np.clip(decayed(y, 204) + (z @ w_out) * 64, -largest, largest)
        y[y > (2**17 - 1) * 64] = 0
        found = np.concatenate([p.spikes[t, 0] for p in record.spikes])
        np.testing.assert_array_equal(found, z)
        np.testing.assert_array_equal(record.readout[t, 0], y)
    assert record.n_spikes > 100


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: None, "no such file; expected weights (80, 240)"),
        (lambda w: w.T, "has shape (240, 80), the published network's is (80, 240)"),
        (lambda w: w / 2, "not all whole numbers"),
        (lambda w: w * np.nan, "not all whole numbers"),
        (lambda w: w.astype(str), "not all whole numbers"),
        (lambda w: np.where(w == w.max(), 256, w), "largest weight is 256"),
    ],
)
def test_other_weights_are_refused_by_file_and_value(folder, change, words):
    changed = change(np.load(folder / "w_in.npy"))
    (folder / "w_in.npy").unlink()
    if changed is not None:
        np.save(folder / "w_in.npy", changed)
    with pytest.raises(FileFormatError) as caught:
        load(folder)
    assert str(folder / "w_in.npy") in str(caught.value)
    assert words in str(caught.value)


def test_an_array_that_is_no_array_is_refused(folder):
    (folder / "w_rec.npy").write_bytes(b"\x93NUMPY nothing")
    with pytest.raises(FileFormatError, match=r"can.t be read as \.npy"):
        load(folder)


def succeed(*arguments):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == 1, result.output
    return result.output


@pytest.fixture
def small_mnist(tmp_path, monkeypatch):
    """The recipe of the import, on the digits that come with a dependency."""
    text = (Path(__file__).parents[2] / "recipes" / "loihi1-lsnn.toml").read_text()
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(text.replace('data = "mnist"', 'data = "mnist-5k"'))
    small = load_recipe(str(recipe))
    monkeypatch.setattr("deploy.model.load_recipe", lambda *_: small)


@pytest.mark.usefixtures("small_mnist")
def test_an_imported_network_goes_through_every_command(folder, tmp_path):
    file, artifact = tmp_path / "out" / "loihi1.safetensors", tmp_path / "artifact"
    succeed("import", "loihi1-lsnn", folder, "--out", file)
    assert file_format.load(file).n_synapses == load(folder).n_synapses
    about = json.loads(succeed("inspect", file, "--json"))
    assert [p["neuron"] for p in about["populations"]][:2] == ["lif", "ahp"]
    assert any(v.startswith("adaptation: population 'adaptive'") for v in about["violations"])
    score = json.loads(succeed("evaluate", file, "--target", "emulator", "--samples", 20, "--json"))
    assert score["samples"] == 20
    assert "holds integers alone" in refused("evaluate", file, "--target", "float", "--samples", 2)
    export = ["export", file, "--target", "loihi-sim", "--out", artifact, "--samples", 2]
    assert "--allow adaptation" in refused(*export)
    rules = {violation.split(":")[0] for violation in about["violations"]}
    succeed(*export, *(part for rule in rules for part in ("--allow", rule)))
    assert load_artifact(artifact).golden.n_spikes > 0
    levels = json.loads(succeed("parity", artifact, "--target", "emulator", "--json"))
    assert {name for name, level in levels.items() if level["exact"]} == {"golden", "probe"}
    assert "no float network" in refused("parity", file, "--samples", 2)
    assert json.loads(succeed("inspect", artifact, "--json"))["synapses"] == about["synapses"]
    assert "is quantized already" in refused(*export, "--overwrite", "--weight-bits", 4)


def published_task():
    """Sequential MNIST as the network knows it, or a reason to skip."""
    try:
        return make_task(load_recipe("loihi1-lsnn").task)
    except DataError as error:
        pytest.skip(f"the complete MNIST is not here: {error}")


@needs_weights
def test_the_published_network_keeps_its_synapses_and_runs_where_its_readout_is_known():
    network = load(PUBLISHED)
    assert network.n_synapses == 15_675
    assert kernel_obstacle(network).endswith("has no header for neuron 'resetting-li'")


@pytest.mark.slow
@needs_weights
def test_the_published_network_reaches_its_published_accuracy_without_its_readouts_reset():
    task, network = published_task(), load(PUBLISHED)

    def accuracy(network: QuantizedNetwork, n: int | None) -> float:
        player = TargetPlayer(network, Emulator())
        return evaluate(task, player, "test", batch_size=256, max_samples=n).value

    assert accuracy(without_reset(network), None) == pytest.approx(
        0.9375, abs=1e-9
    )  # published: 94.1 %
    assert accuracy(without_reset(network), 1000) == pytest.approx(0.921, abs=1e-9)
    assert accuracy(network, 1000) == pytest.approx(0.910, abs=1e-9)  # of all: 92.09 %, on the loop


@pytest.mark.slow
@needs_weights
def test_lava_gives_the_published_network_the_same_spikes():
    network = load(PUBLISHED)
    batch = next(published_task().batches("test", 4, 4))
    reference = emulate(network, batch.inputs)
    found = LoihiSim(LavaOptions()).run(network, batch.inputs)
    assert "AHP + stock LIF" in found.target
    comparison = compare(reference, found)
    assert comparison.exact
    assert comparison.spikes > 10_000


@pytest.mark.parametrize(
    ("to", "words"), [("nir", "is not written as plain NIR"), ("netx", "it reads out 'li' alone")]
)
def test_a_readout_that_resets_is_not_written_as_one_that_does_not(tmp_path, to, words):
    network = QuantizedNetwork(
        n_inputs=1,
        populations=(
            neurons("lif", decay_v=9, vth=[640], reset="to"),
            neurons("resetting-li", "readout", decay_v=9, vth=[6400]),
        ),
        projections=tuple(
            QuantizedProjection.of_matrix(
                name, source, target, np.array([[2]]), np.zeros((1, 1), int), 0, "mixed"
            )
            for name, source, target in (("in", "input", "pop"), ("out", "pop", "readout"))
        ),
    )
    file = tmp_path / "network"
    with pytest.raises(NetworkError, match="'readout'.*" + words):
        write_network(network, to, file, extended=False)
    assert not file.exists()
