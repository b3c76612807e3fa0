"""Readers of networks, runs and what belongs to them: how small good files are made and how they are read."""

from __future__ import annotations

import gzip
import json
import shutil
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
from data_files import signals
from random_graphs import random_graph

import deploy
from deploy.artifact import load_golden, save_golden
from deploy.console import described
from deploy.imported import Imported, Layer
from deploy.manifest import MANIFEST, OWN_HASH, hash_of
from deploy.mapping.chips import load_chip
from deploy.model import load
from deploy.publishing.card import Card
from deploy.publishing.log import read_metrics, write_thinned
from deploy.reporting.conversion import conversion_section
from lsnn_neuro.checkpoint import BEST, LAST, Checkpoint
from lsnn_neuro.files import sha256
from lsnn_neuro.recipe import Recipe, load_recipe, parse_recipe
from lsnn_neuro.training.callbacks import Log
from lsnn_neuro.training.trainer import Trainer
from quantize import file_format
from quantize.emulator import emulate
from quantize.imported import read_spec
from quantize.network import QuantizedNetwork

ROOT = Path(__file__).parents[2]
FROZEN = ROOT / "tests" / "frozen" / "files"
TASK = {
    "name": "store-recall", "group_size": 2, "symbol_steps": 4, "symbols": 4, "expected_delay": 1,
    "validation": 8, "test": 8,
}  # fmt: skip
SMALL = {"regular": 4, "adaptive": 2, "input_connectivity": 0.5, "readout_connectivity": 0.5}
TRAINING = {"iterations": 4, "batch_size": 4, "validate_every": 2}


@lru_cache
def recipe(kind: str = "lsnn") -> Recipe:
    """A recipe that trains in a moment."""
    network = SMALL if kind == "lsnn" else {"kind": "lstm", "units": 3}
    return parse_recipe(
        {"name": "small", "task": TASK, "network": network, "training": TRAINING}, "small"
    )


@lru_cache
def trainer(kind: str = "lsnn") -> Trainer:
    """A run that has made one iteration."""
    made = Trainer(recipe(kind))
    made.train_step()
    return made


def used(network: QuantizedNetwork) -> None:
    """Run a network for some steps, if it is a small one."""
    if network.n_inputs < 1000 and network.n_neurons < 1000 and network.n_synapses < 10_000:
        emulate(network, np.ones((3, 1, network.n_inputs), np.bool_))


# --- our own files --------------------------------------------------------------------------------


def make_network(folder: Path) -> None:
    """Of today, and of version 1."""
    file_format.save(random_graph(3), folder / "a.safetensors")
    shutil.copy(FROZEN / "networks" / "version-1.safetensors", folder / "b.safetensors")


def read_network(folder: Path) -> None:
    """Load and run them."""
    for file in sorted(folder.iterdir()):
        used(load(file).integers if file.stem == "a" else file_format.load(file))


def make_checkpoint(folder: Path, kind: str = "lsnn") -> None:
    """A run's best network."""
    trainer(kind).checkpoint(resumable=False).save(folder / BEST)


def make_lstm(folder: Path) -> None:
    """One that does not spike."""
    make_checkpoint(folder, "lstm")


def make_old(folder: Path) -> None:
    """As release 0.1.0 wrote one."""
    shutil.copy(FROZEN / "older" / "checkpoint-2" / BEST, folder / BEST)


def read_checkpoint(folder: Path) -> None:
    """Load it as commands do, make it a module, and describe it."""
    model = load(folder / BEST)
    if model.float_network is not None and model.network is not None:
        used(model.integers)
    described(model)


def make_run(folder: Path) -> None:
    """What a run goes on from."""
    trainer().checkpoint(resumable=True).save(folder / LAST)


def read_run(folder: Path) -> None:
    """Go on from there."""
    saved = Checkpoint.load(folder / LAST)
    if saved.resumable and saved.recipe == recipe():
        trainer().restore(saved)


def spec() -> Any:
    """A float network."""
    return trainer().network.to_spec()


def make_imported(folder: Path) -> None:
    """As import writes it."""
    layers = (Layer(population="regular", node="a", lag=0),)
    found = Imported.of_spec(spec(), reading={"dialect": "nir", "input_scale": 2.0}, layers=layers)
    found.save(folder / "i.safetensors")


def read_imported(folder: Path) -> None:
    """By both readers, and use what is told."""
    file = folder / "i.safetensors"
    found = load(file)
    read_spec(file)
    assert found.imported is not None
    assert found.imported.late >= 0
    assert found.imported.input_scale > 0
    used(found.integers)


def golden() -> tuple[Any, Any]:
    """Inputs and spikes."""
    network = random_graph(3)
    inputs = np.random.default_rng(0).random((5, 2, network.n_inputs)) < 0.5
    return inputs, emulate(network, inputs)


def make_golden(folder: Path) -> None:
    """Golden spikes."""
    save_golden(folder / "g.safetensors", *golden())


def read_golden(folder: Path) -> None:
    """Load them."""
    load_golden(folder / "g.safetensors")


def make_artifact(folder: Path) -> None:
    """An artifact with all of its parts."""
    with TemporaryDirectory() as other:
        run, data = Path(other) / "run", Path(other) / "s.npz"
        signals(data, n=8)
        coded = {"name": "level", "levels": 4}
        task = {"name": "arrays", "data": str(data), "test": 0.25, "encoder": coded}
        made = Trainer(
            parse_recipe(
                {"name": "small", "task": task, "network": SMALL, "training": TRAINING}, "small"
            )
        )
        made.train_step()  # else it is no network to export
        made.checkpoint(resumable=False).save(run / BEST)
        model = load(run / BEST)
        found = deploy.export(
            model, folder / "a", target=deploy.Emulator(), max_samples=2, task=made.task
        )
    assert found.artifact.encoder is not None
    for name in ("mapping.svg", "resources.json"):
        (folder / "a" / name).unlink(missing_ok=True)
    mend_artifact(folder)


def mend_artifact(folder: Path) -> None:
    """Make the hashes in a manifest right."""
    path = folder / "a" / MANIFEST
    try:
        manifest = json.loads(path.read_text())
        manifest.pop(OWN_HASH, None)
        listed = manifest["sha256"]
        manifest["sha256"] = {
            name: sha256(path.parent / name) for name in listed if (path.parent / name).is_file()
        }
        manifest[OWN_HASH] = hash_of(manifest)
        path.write_text(json.dumps(manifest))
    except Exception:  # it is no manifest any more, and stays as it is
        return


def read_artifact(folder: Path) -> None:
    """Load it, and look at every part."""
    model = load(folder / "a")
    artifact = model.artifact
    assert artifact is not None
    described(model)
    list(conversion_section(artifact.manifest))
    assert all(isinstance(name, str) for name in artifact.class_names)
    assert artifact.encoder is None or artifact.encoder.name


# --- what stands beside them ----------------------------------------------------------------------


def lines() -> str:
    """A log."""
    numbers = [{"iteration": i, "loss": 1 / i, "seconds": 0.1 * i} for i in range(1, 5)]
    return "".join(json.dumps(line | {"validation_accuracy": 0.5}) + "\n" for line in numbers)


def make_log(folder: Path) -> None:
    """As training writes it."""
    (folder / "metrics.jsonl").write_text(lines())


def make_packed_log(folder: Path) -> None:
    """As publish writes it."""
    (folder / "metrics.jsonl.gz").write_bytes(gzip.compress(lines().encode(), mtime=0))


def read_log(folder: Path) -> None:
    """Read it, and write it thinned."""
    out = folder.parent / "thinned"
    write_thinned(read_metrics(folder), out)
    out.unlink()


def read_resumed_log(folder: Path) -> None:
    """As a resumed run does."""
    log = Log(folder)
    log.start(SimpleNamespace(iteration=3))  # type: ignore[arg-type]
    log.file.close()


def make_card(folder: Path) -> None:
    """Of a published model."""
    shutil.copy(ROOT / "models" / "delayed-xor" / "card.json", folder)


def read_card(folder: Path) -> None:
    """Load it, and look at what it belongs to."""
    Card.load(folder).belongs_to(folder)


def make_recipe(folder: Path) -> None:
    """Of a built-in task with most sections, and of data of one's own."""
    shutil.copy(ROOT / "recipes" / "store-recall.toml", folder / "a.toml")
    shutil.copy(FROZEN / "older" / "checkpoint-1" / "recipe.toml", folder / "b.toml")
    shutil.copy(ROOT / "recipes" / "ecg.toml", folder / "c.toml")


def read_recipe(folder: Path) -> None:
    """Load them."""
    for file in sorted(folder.iterdir()):
        load_recipe(file, ["training.lr=0.01"]).to_toml()


def make_chip(folder: Path) -> None:
    """A chip file."""
    shutil.copy(ROOT / "deploy" / "mapping" / "loihi1.toml", folder / "c.toml")


def read_chip(folder: Path) -> None:
    """Load it."""
    load_chip(str(folder / "c.toml"))
