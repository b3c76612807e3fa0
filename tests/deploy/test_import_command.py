"""From another tool's file to parity, training and an artifact, in commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from click.testing import CliRunner
from nir_graphs import each, graph_of, linear

import deploy
from cli import main
from deploy.api import player_of
from deploy.interchange.nir import read
from deploy.player import LatePlayer, TargetPlayer
from lsnn_neuro import load_recipe, make_task
from lsnn_neuro.network.double import run_in_double
from lsnn_neuro.player import FloatPlayer


def run(*words: Any, fails: bool = False) -> str:
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert (done.exit_code != 0) == fails, done.output
    return done.output


def snntorch_file(folder: Path, n_in: int, n_out: int, seed: int = 0) -> Path:
    """Two layers of Leaky neurons and a readout, as snntorch writes them: tau / r = 1e-4."""
    rng = np.random.default_rng(seed)

    def leaky(n: int, beta: float) -> nir.LIF:
        tau = 1e-4 / (1 - beta)
        return nir.LIF(*each(n, tau, tau / 1e-4, 0, 1))

    def affine(n: int, m: int) -> nir.Affine:
        return nir.Affine(rng.normal(0, 1 / np.sqrt(m), (n, m)), rng.normal(0, 0.1, n))

    graph = graph_of(
        input=n_in, fc1=affine(30, n_in), lif1=leaky(30, 0.9), fc2=affine(20, 30), lif2=leaky(20, 0.9),
        fc3=affine(n_out, 20), out=leaky(n_out, 0.95), output=n_out,
    )  # fmt: skip
    nir.write(folder / "net.nir", graph)
    return folder / "net.nir"


@pytest.fixture
def imported(tmp_path: Path) -> Path:
    run(
        "import",
        "nir",
        snntorch_file(tmp_path, 4, 2),
        "--put",
        "out.reset=none",
        "--out",
        tmp_path / "a",
    )
    return tmp_path / "a"


class WholeInputs:
    """A player that answers with the inputs of the step before, and notes what it is asked."""

    records = False

    def run(self, inputs: Any) -> Any:
        self.asked = inputs
        return np.concatenate([np.zeros_like(inputs[:1]), inputs[:-1]]).astype(float)


def test_answers_that_come_late_are_read_late() -> None:
    player = WholeInputs()
    inputs = np.random.default_rng(0).random((9, 2, 3)) < 0.5
    np.testing.assert_array_equal(LatePlayer(player, 1).run(inputs), inputs)
    np.testing.assert_array_equal(player.asked[:9], inputs)
    assert player.asked.dtype == np.bool_
    assert player.asked.shape == (10, 2, 3)


def test_an_imported_network_is_scored_as_its_framework_would(imported: Path) -> None:
    model = deploy.load(imported)
    late = model.imported.late if model.imported else 0
    assert late == 1  # a step from layer to layer, none from inputs and to the readout
    inputs = np.random.default_rng(0).random((40, 3, 4)) < 0.4
    padded = np.concatenate([inputs, np.zeros((late, 3, 4), bool)])
    for target in ("float", deploy.Emulator()):
        plain = (
            FloatPlayer(model.float_network)
            if target == "float"
            else TargetPlayer(model.integers, deploy.Emulator())
        )
        found = player_of(model, target).run(inputs)
        np.testing.assert_array_equal(found, plain.run(padded)[late:])
        assert found.any()


def test_import_says_how_it_read_and_what_the_file_may_have_lost(tmp_path: Path) -> None:
    said = run("import", "nir", snntorch_file(tmp_path, 4, 2), "--out", tmp_path / "a")
    assert "read as a file of snntorch: tau / r is 0.0001 s" in said
    assert "layers 'lif1', 'lif2', 'out': the file does not say their reset" in said
    assert "layer 'out': snntorch writes a readout that never spikes" in said


def test_an_imported_network_is_inspected_compared_reported_and_exported(
    imported: Path, tmp_path: Path
) -> None:
    model = deploy.load(imported)
    assert model.spec is not None
    assert model.imported is not None
    assert model.imported.reading["dialect"] == "snntorch"
    seen = run("inspect", imported)
    assert "dialect: snntorch" in seen
    assert "population lif2  node lif2  lag " in seen
    assert "P1: quantization-aware against emulator: exact" in run(
        "parity", imported, "--inputs", "random"
    )
    run("report", imported, "--inputs", "random", "--out", tmp_path / "page.html")
    assert "<html" in (tmp_path / "page.html").read_text()
    run("export", imported, "--target", "emulator", "--inputs", "random", "--out", tmp_path / "art")
    assert "P1: quantization-aware against emulator: exact" in run("parity", tmp_path / "art")


def record(file: Path, model: deploy.Model, *, wrong: bool = False) -> None:
    """What the source would have recorded: the network in double, in its own time."""
    assert model.imported is not None
    assert model.spec is not None
    x = (np.random.default_rng(3).random((40, 2, 4)) < 0.3).astype(float)
    spikes, readout = run_in_double(model.spec, np.concatenate([x, np.zeros((3, 2, 4))]))
    lag = {layer.node: layer.lag for layer in model.imported.layers}
    arrays = {
        f"spikes_{n}": spikes[n][lag[n] : lag[n] + 40].astype(np.uint8) for n in ("lif1", "lif2")
    }
    if wrong:
        arrays["spikes_lif2"][7, 1, 3] ^= 1
    np.savez(file, inputs=x, readout=readout[lag["out"] : lag["out"] + 40], **arrays)


def test_parity_compares_with_what_the_source_recorded(imported: Path, tmp_path: Path) -> None:
    record(tmp_path / "good.npz", deploy.load(imported))
    said = run("parity", imported, "--source", tmp_path / "good.npz")
    assert "source: its own framework against float: exact, 0 spikes differ" in said
    record(tmp_path / "bad.npz", deploy.load(imported), wrong=True)
    said = run("parity", imported, "--source", tmp_path / "bad.npz", fails=True)
    assert "no parity: source must be exact and is not" in said
    assert "step=7, sample=1, population='lif2', neuron=3" in said


def test_a_recording_that_does_not_fit_is_refused_by_its_layer(
    imported: Path, tmp_path: Path
) -> None:
    np.savez(tmp_path / "r.npz", inputs=np.ones((5, 1, 4)), spikes_other=np.ones((5, 1, 3)))
    said = run("parity", imported, "--source", tmp_path / "r.npz", fails=True)
    assert "spikes_other is the spikes of none of the layers" in said
    np.savez(tmp_path / "r.npz", inputs=np.ones((5, 1, 4)))
    assert "holds no array spikes_LAYER" in run(
        "parity", imported, "--source", tmp_path / "r.npz", fails=True
    )


def test_real_inputs_are_rounded_to_events_and_their_scale_is_in_the_weights(
    tmp_path: Path,
) -> None:
    x = np.random.default_rng(1).normal(0, 3.0, (20, 2, 2))
    np.savez(tmp_path / "x.npz", inputs=x)
    graph = graph_of(input=2, w=linear([1.0, 2.0], [3.0, 4.0]), output=2)
    nir.write(tmp_path / "a.nir", graph)
    file, out = tmp_path / "a.nir", tmp_path / "a"
    given = ("--from", "nir", "--dt", 1, "--inputs", tmp_path / "x.npz")
    said = run("import", "nir", file, *given, "--out", out)
    scale = np.abs(x).max() / 127
    assert f"an event of 1 stands for {scale:g}" in said
    spec = deploy.load(tmp_path / "a").spec
    assert spec is not None
    _, readout = run_in_double(spec, x / scale)
    np.testing.assert_allclose(readout, x @ np.array([[1.0, 3.0], [2.0, 4.0]]), atol=1e-12)


def test_training_starts_from_an_imported_network_on_integers_and_sparse(tmp_path: Path) -> None:
    made = make_task(load_recipe("delayed-xor").task)
    file = snntorch_file(tmp_path, made.n_inputs, made.n_outputs)
    run("import", "nir", file, "--put", "out.reset=none", "--out", tmp_path / "a")
    short = ("--set", "training.iterations=2", "--set", "training.batch_size=4",
             "--set", "training.validation_samples=8")  # fmt: skip
    run("train", "delayed-xor", "--start", tmp_path / "a", "--quantize", *short, "--set",
        "network.signs=free", "--out", tmp_path / "run")  # fmt: skip
    model = deploy.load(tmp_path / "run")
    (tmp_path / "a").unlink()  # the run stands on its own
    assert model.spec is not None
    assert [p.name for p in model.spec.populations] == ["lif1", "lif2", "readout", "bias"]
    before = read(file, put={"out.reset": "none"}).spec
    assert before is not None
    changed = [
        not np.array_equal(p.weight, q.weight)
        for p, q in zip(before.projections, model.spec.projections, strict=True)
        if p.n_synapses == q.n_synapses
    ]
    assert all(changed)
    assert "exact" in run("parity", tmp_path / "run", "--samples", 4)


def test_a_task_of_other_inputs_is_refused_by_number(imported: Path, tmp_path: Path) -> None:
    said = run("train", "smnist-rows", "--start", imported, "--set", "network.signs=free", "--out",
               tmp_path / "run", fails=True)  # fmt: skip
    assert "the network has 4 inputs, the task has" in said


def test_parity_names_the_layers_that_the_source_did_not_record(
    imported: Path, tmp_path: Path
) -> None:
    record(tmp_path / "whole.npz", deploy.load(imported))
    with np.load(tmp_path / "whole.npz") as found:
        arrays = dict(found)
    np.savez(tmp_path / "r.npz", inputs=arrays["inputs"], readout=arrays["readout"])
    said = run("parity", imported, "--source", tmp_path / "r.npz")
    assert "not recorded: lif1, lif2" in said
    del arrays["readout"], arrays["spikes_lif1"]
    np.savez(tmp_path / "s.npz", **arrays)
    assert "not recorded: lif1, readout" in run("parity", imported, "--source", tmp_path / "s.npz")


def test_inputs_that_are_no_file_are_refused_without_an_option_of_others(tmp_path: Path) -> None:
    file = snntorch_file(tmp_path, 4, 2)
    said = run("import", "nir", file, "--inputs", "random", "--out", tmp_path / "a", fails=True)
    assert "random: no such file of inputs; give an .npy or .npz file" in said
    assert "'random'" not in said
