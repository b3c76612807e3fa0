"""Training goes on from integers: the first step computes the same network, and a run stands on its own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from nir_graphs import each, graph_of
from same import differences
from slayer_files import NEVER, write
from tiny_runs import said, succeed

import deploy
from deploy.interchange.netx import read
from deploy.interchange.nir_read import from_nir
from lsnn_neuro import load_recipe, lsnn, make_task, train
from lsnn_neuro.checkpoint import LAST, Checkpoint
from lsnn_neuro.recipe import Recipe, parse_recipe
from lsnn_neuro.training import Callback, Trainer
from quantize import file_format
from quantize.conversion import convert
from quantize.imported import KEPT, start_overrides
from quantize.network import QuantizedNetwork

TASK = "delayed-xor"
SHORT = (
    "training.iterations=4", "training.validate_every=2", "training.batch_size=4",
    "training.validation_samples=8", "training.rate_cost=0",
)  # fmt: skip
N_IN, N_OUT = (getattr(make_task(load_recipe(TASK).task), n) for n in ("n_inputs", "n_outputs"))


def slayer_file(path: Path, **more: Any) -> Path:
    """Recurrent, adaptive and current neurons, delays, and a readout, as slayer writes them."""
    rng = np.random.default_rng(1)

    def weight(n: int, m: int) -> Any:
        return 2.0 * rng.integers(-30, 31, (n, m))

    return write(
        path,
        {"type": "dense_rec", "shape": [12], "weight": weight(12, N_IN), "weight_rec": weight(12, 12),
         "delay": rng.integers(0, 9, 12).astype(float), "bias": rng.integers(0, 9, 12).astype(float)} | more,
        {"shape": [9], "weight": weight(9, 12) + 1, "neuron/type": "ALIF", "neuron/iDecay": 900,
         "neuron/thDecay": 40, "neuron/refDecay": 400, "neuron/vThStep": 7},
        {"shape": [N_OUT], "weight": weight(N_OUT, 9), "neuron/iDecay": 2048, **NEVER},
    )  # fmt: skip


@pytest.fixture
def imported(tmp_path: Path) -> Path:
    """A network of slayer's, imported."""
    out = tmp_path / "a.safetensors"
    succeed("import", "netx", slayer_file(tmp_path / "a.net"), "--out", out)
    return out


def recipe_of(start: Path, *overrides: str) -> Recipe:
    return load_recipe(TASK, (*start_overrides(start), *SHORT, *overrides))


def first_integers(recipe: Recipe) -> QuantizedNetwork:
    """What the first forward pass of a run on integers computes with."""
    return convert(Trainer(recipe).network.to_spec())[0]


@pytest.mark.parametrize("signs", ["free", "unconstrained"])
@pytest.mark.parametrize("kind", ["slayer", "network file", "ours"])
def test_the_integers_before_the_first_step_are_the_ones_that_came_in(
    tmp_path: Path, imported: Path, kind: str, signs: str
) -> None:
    start = imported
    if kind == "network file":
        start = tmp_path / "b.safetensors"
        file_format.save(deploy.load(imported).integers, start)
    elif (
        kind == "ours"
    ):  # projections of one sign, 8 bits each, delays, refractory neurons, an offset
        start = tmp_path / "c.safetensors"
        spec = lsnn(n_inputs=N_IN, n_outputs=N_OUT, regular=9, adaptive=8, max_delay=5, generator=3)
        read_out = replace(spec.populations[-1], offset=np.linspace(-1, 1, N_OUT))
        spec = replace(spec, populations=(*spec.populations[:-1], read_out))
        file_format.save(convert(spec)[0], start)
    network = deploy.load(start).integers
    assert any((q.weight_mant % 2).any() for q in network.projections) == (kind == "ours")
    recipe = recipe_of(start, "network.signs=free")
    if signs == "unconstrained":
        fields = {k: v for k, v in recipe.to_dict().items() if k != "deep_r"}
        recipe = parse_recipe(fields | {"network": fields["network"] | {"signs": signs}}, "test")
    again = first_integers(recipe)
    assert differences(again, network, but=("provenance",)) == []


def test_the_lsnn_of_loihi_1_comes_back_in_its_own_integers(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, shape in {"w_in": (80, 240), "w_rec": (240, 240), "w_out": (240, 10)}.items():
        size = rng.integers(0, 256, shape) * (rng.random(shape) < 0.1)
        np.save(tmp_path / name, (size * rng.choice([-1, 1], (shape[0], 1))).astype(np.float32))
    out = tmp_path / "a.safetensors"
    succeed("import", "loihi1-lsnn", tmp_path, "--out", out)
    recipe = load_recipe("loihi1-lsnn", (*start_overrides(out), "network.signs=free"))
    again, _ = convert(recipe.network.build(80, 10, None).to_spec())
    assert differences(again, deploy.load(out).integers, but=("provenance",)) == []


@pytest.mark.parametrize(
    ("layer", "named"),
    [
        ({"neuron/iDecay": 0}, "population 'layer0': kappa_i is 1, must lie in 0 to below 1"),
        ({"neuron/vThMant": 0}, "population 'layer0': "),
        (
            {"neuron/type": "ALIF", "neuron/thDecay": 0, "neuron/refDecay": 40, "neuron/vThStep": 7},
            "population 'layer0': an adaptation that never decays has no beta",
        ),
    ],
)  # fmt: skip
def test_integers_without_a_float_form_are_refused_by_population(
    tmp_path: Path, layer: dict[str, Any], named: str
) -> None:
    file, out = tmp_path / "a.net", tmp_path / "a.safetensors"
    succeed("import", "netx", slayer_file(file, **{"bias": None} | layer), "--out", out)
    line = said(
        "train", TASK, "--start", out, "--set", "network.signs=free", "--out", tmp_path / "r"
    )
    assert f"{out}: its integers can't be trained on: {named}" in line
    assert not (tmp_path / "r").exists()


def options(*fields: str) -> list[str]:
    return [word for field in (*SHORT, "network.signs=free", *fields) for word in ("--set", field)]


@pytest.mark.slow
def test_a_network_of_slayers_is_trained_on_exported_and_the_same_everywhere(
    tmp_path: Path, imported: Path
) -> None:
    before, run = deploy.load(imported).integers, tmp_path / "run"
    succeed("train", TASK, "--start", imported, "--quantize", *options(), "--out", run)
    after = deploy.load(run).integers
    assert [(p.name, p.neuron) for p in after.populations] == [
        (p.name, p.neuron) for p in before.populations
    ]
    assert differences(after, before, but=("provenance",))  # it has learnt
    succeed("export", run, "--target", "emulator", "--out", tmp_path / "art", "--samples", "4")
    for path in (run, tmp_path / "art"):
        levels = json.loads(succeed("parity", path, "--json").stdout)
        assert levels["P1"]["exact"]
        assert levels["P1"]["spikes"] > 100


class StopAfter(Callback):
    """Ends a run early, as an interruption does."""

    def __init__(self, iteration: int):
        self.iteration = iteration

    def after_iteration(self, trainer: Trainer, metrics: dict[str, float]) -> None:
        if trainer.iteration == self.iteration:
            trainer.stop("enough")


def float_file(out: Path) -> Path:
    """A float network of another tool's, imported."""
    rng = np.random.default_rng(2)
    lif = nir.LIF(*each(9, 5e-3, 1, 0, 1))
    graph = graph_of(
        input=N_IN, w=nir.Linear(rng.normal(0, 3, (9, N_IN))), lif=lif,
        v=nir.Linear(rng.normal(0, 1, (N_OUT, 9))), out=nir.LI(*each(N_OUT, 9e-3, 1, 0)), output=N_OUT,
    )  # fmt: skip
    from_nir(graph, "nir", dt=1.0).save(out)
    return out


@pytest.mark.parametrize("form", ["float", pytest.param("integers", marks=pytest.mark.slow)])
@pytest.mark.parametrize("fate", ["moved", pytest.param("changed", marks=pytest.mark.slow)])
def test_a_run_goes_on_wherever_one_stands_whatever_became_of_the_file_it_began_from(
    tmp_path: Path, imported: Path, monkeypatch: pytest.MonkeyPatch, form: str, fate: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if form == "float":
        float_file(imported)
    recipe = recipe_of(Path(imported.name), "network.signs=free")
    train(recipe, tmp_path / "whole", progress=False)
    train(recipe, tmp_path / "run", progress=False, callbacks=[StopAfter(2)])
    if fate == "moved":
        imported.unlink()
    else:
        read(slayer_file(tmp_path / "b.net", **{"neuron/vDecay": 999})).save(imported)
    (elsewhere := tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").rename(run := tmp_path / "renamed")
    monkeypatch.chdir(elsewhere)
    succeed("train", run / "recipe.toml", "--resume")
    whole, again = (Checkpoint.load(folder / LAST) for folder in (tmp_path / "whole", run))
    assert again.progress["iteration"] == 4
    assert whole.arrays.keys() == again.arrays.keys()
    assert all(np.array_equal(whole.arrays[k], again.arrays[k]) for k in whole.arrays)
    assert differences(whole.spec, again.spec) == []
    assert "accuracy" in succeed("evaluate", run, "--samples", "8").output
    succeed("export", run, "--target", "emulator", "--out", "art", "--samples", "4")
    assert "P1: quantization-aware against emulator: exact" in succeed("parity", "art").output


@pytest.mark.slow
def test_a_run_that_kept_no_copy_reads_the_file_itself(tmp_path: Path, imported: Path) -> None:
    """As runs began before the copy was made."""
    recipe = recipe_of(imported, "network.signs=free")
    train(recipe, tmp_path / "run", progress=False, callbacks=[StopAfter(2)])
    (tmp_path / "run" / KEPT).unlink()
    assert train(recipe, tmp_path / "run", progress=False, resume=True).iteration == 4
