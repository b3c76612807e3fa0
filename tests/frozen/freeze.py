"""Writes everything else in this folder: what commit b9809bc computes, and files of every format it reads.

It ran with the code of that commit and is kept so that one can see how the numbers came about; later
code need not be able to run it. In a checkout of the commit, with the native kernel built and the
complete MNIST fetched::

    PYTHONPATH=. python PATH/TO/tests/frozen/freeze.py

The first 16 hexadecimal digits of SHA-256 stand for arrays. Arrays are hashed as little-endian bytes
in C order: integers as int32, floats as they were computed (float32, or float64 where the README says
so), spikes as ``np.packbits`` of bool (time, sample, neuron).
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tomli_w
import torch
from results.networks import Trained, forward_for, load_trained
from torch import Tensor, nn

import lsnn_neuro
from cli import main as command_line
from deploy.artifact import load_artifact
from deploy.interchange import netx, nir
from deploy.manifest import NETWORK
from lsnn_neuro import kernel
from lsnn_neuro.checkpoint import BEST, LAST, Checkpoint
from lsnn_neuro.network import LSNN
from lsnn_neuro.recipe import load_recipe, parse_recipe
from lsnn_neuro.training import Trainer, train
from quantize import file_format
from quantize.aware import QuantizationAware
from quantize.emulator import emulate
from quantize.network import QuantizedNetwork
from quantize.record import SpikeRecord

Json = dict[str, Any]
Bools = npt.NDArray[np.bool_]

COMMIT = "b9809bc"
STEPS, SAMPLES, DENSITY = 150, 20, 0.05
"""The batch that every network is run on; see :func:`batch`."""
RATE_COST = 0.1
RETRAINED = ("delayed-xor", "fsdd", "smnist-1ms")
"""Models that later code trains anew: their networks of today are kept."""
UNREPEATABLE = "smnist-1ms-paper"
"""Its log was written with an older kernel, so a run of today's code takes the log's place."""
LOGGED = 50
"""The iteration whose line of the log is kept."""

POPULATION_ARRAYS = ("decay_v", "decay_a", "step_a", "vth_mant", "decay_i", "decay_r")
POPULATION_SCALARS = ("n_ref", "reset", "neuron", "adaptation", "scale")
PROJECTION_ARRAYS = ("source_index", "target_index", "weight_mant", "delay")
PROJECTION_SCALARS = ("weight_exp", "sign_mode")

# --- digests -----------------------------------------------------------------------------------------


def digest(array: npt.NDArray[Any], dtype: str) -> str:
    """The hash that stands for an array; ``dtype`` is what it must have, or be made of exactly."""
    exact = np.ascontiguousarray(array, dtype)
    assert np.array_equal(exact, array)
    return hashlib.sha256(exact.tobytes()).hexdigest()[:16]


def digest_bools(array: Bools) -> str:
    """The same for spikes, eight to a byte."""
    assert array.dtype == np.bool_
    return digest(np.packbits(array), "u1")


def batch(n_inputs: int) -> Bools:
    """The input spikes of every comparison, shape (time, sample, input)."""
    return np.random.default_rng(0).random((STEPS, SAMPLES, n_inputs)) < DENSITY


def conversion(network: QuantizedNetwork) -> Json:
    """Every integer of a network, by part and field."""
    found: Json = {
        "populations": [p.name for p in network.populations],
        "projections": [p.name for p in network.projections],
    }
    for parts, arrays, scalars in (
        (network.populations, POPULATION_ARRAYS, POPULATION_SCALARS),
        (network.projections, PROJECTION_ARRAYS, PROJECTION_SCALARS),
    ):
        for part in parts:
            found |= {f"{part.name}.{k}": digest(getattr(part, k), "<i4") for k in arrays}
            found |= {f"{part.name}.{k}": getattr(part, k) for k in scalars}
    readout = network.readout
    found |= {f"readout.{k}": digest(getattr(readout, k), "<i4") for k in ("decay", "bias")}
    return found | {"readout.scale": readout.scale}


def spikes(trains: dict[str, Bools]) -> Json:
    """Hash and number of each population's spikes."""
    return {
        name: {"sha256": digest_bools(train), "count": int(train.sum())}
        for name, train in trains.items()
    }


def recorded(record: SpikeRecord) -> Json:
    """What the emulator made of a batch; the readout is the integer state, without bias."""
    return {
        "spikes": spikes({p.name: p.spikes for p in record.spikes}),
        "readout": digest(record.readout, "<i4"),
    }


def floats(tensor: Tensor) -> Json:
    """Hash of floats, and numbers to compare within a tolerance; these are summed in float64."""
    array = tensor.detach().numpy()
    wide = array.astype(np.float64)
    return {
        "sha256": digest(array, {4: "<f4", 8: "<f8"}[array.itemsize]),
        "count": array.size,
        "sum": float(wide.sum()),
        "norm": float(np.sqrt(np.square(wide).sum())),
    }


def gradients(network: nn.Module) -> Iterator[tuple[str, Tensor | None]]:
    """Each parameter's gradient; of a matrix those of active synapses, by target, then source.

    None where nothing is learnt.
    """
    for name, parameter in network.named_parameters():
        matrix, theta, _ = name.partition(".theta")
        gradient = parameter.grad
        if theta and gradient is not None:
            gradient = gradient[network.get_submodule(matrix).active()]
        yield matrix, gradient


def differentiated(model: nn.Module, network: nn.Module, inputs: Bools) -> Json:
    """Spikes, readout, a loss and its gradients; ``model`` is the network or wraps it.

    The loss is mean(w * readout) + 0.1 * sum(rate^2) with fixed normal weights w.
    """
    network.zero_grad(set_to_none=True)
    output = model(torch.from_numpy(inputs))
    readout, found = output.readout, {}
    weight = np.random.default_rng(1).standard_normal(tuple(readout.shape)).astype(np.float32)
    loss = (readout * torch.from_numpy(weight).to(readout.dtype)).mean()
    if output.rate is not None:
        assert isinstance(network, LSNN)
        loss = loss + RATE_COST * (output.rate**2).sum()
        z = output.spikes.bool().numpy()
        found["spikes"] = spikes({name: z[..., at] for name, at in network.populations()})
    loss.backward()
    return found | {
        "readout": floats(readout),
        "loss": loss.item(),
        "gradients": {k: None if g is None else floats(g) for k, g in gradients(network)},
    }


def described(trained: Trained, *, brief: bool = False) -> Json:
    """Everything that is frozen of a checkpoint's network.

    ``brief``: only so much that a network that was read wrongly is noticed.
    """
    network = trained.network
    lsnn = isinstance(network, LSNN)
    n_inputs = network.input.theta.shape[1] if lsnn else network.lstm.input_size
    inputs = batch(n_inputs)
    found: Json = {
        "checkpoint": hashlib.sha256(trained.file.read_bytes()).hexdigest()[:16],
        "n_inputs": n_inputs,
        "inputs": digest_bools(inputs),
    }
    if not lsnn:
        return found | {"float": differentiated(network, network, inputs)}
    quantized, _ = trained.quantized()
    found["weight_bits"] = trained.weight_bits
    if not brief:
        found["conversion"] = conversion(quantized)
    found["emulator"] = recorded(emulate(quantized, inputs))
    found["float"] = differentiated(network, network, inputs)
    if not brief:
        aware = QuantizationAware(network, weight_bits=trained.weight_bits)
        found["aware"] = differentiated(aware, network, inputs)
    return found


def described_integers(network: QuantizedNetwork) -> Json:
    """Everything that is frozen of a network file."""
    inputs = batch(network.n_inputs)
    return {
        "n_inputs": network.n_inputs,
        "inputs": digest_bools(inputs),
        "weight_bits": network.provenance.weight_bits,
        "conversion": conversion(network),
        "emulator": recorded(emulate(network, inputs)),
    }


def about() -> Json:
    """What computed all this."""
    return {
        "commit": COMMIT,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "torch_cpu": torch.backends.cpu.get_cpu_capability(),
        "kernel": kernel.native.instruction_set(),
        "threads": torch.get_num_threads(),
    }


def write_json(path: Path, value: Json) -> None:
    """One field a line; innermost groups share one."""
    path.write_text(_lines(value, "") + "\n")


def _lines(value: Any, indent: str) -> str:
    if not isinstance(value, dict) or not any(isinstance(v, dict) for v in value.values()):
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        if len(text) + len(indent) <= 200 or not isinstance(value, dict):
            return text
    inner = indent + " "
    fields = (f"{inner}{json.dumps(k)}: {_lines(v, inner)}" for k, v in value.items())
    return "{\n" + ",\n".join(fields) + f"\n{indent}}}"


# --- models ------------------------------------------------------------------------------------------


def log_of(model: Path) -> Json:
    """The log's first line and that of iteration 50, by iteration, without the time they took."""
    with gzip.open(model / "metrics.jsonl.gz", "rt") as file:
        lines = [json.loads(line) for line in file]
    kept = {line["iteration"]: line for line in lines if line["iteration"] == LOGGED}
    kept = {lines[0]["iteration"]: lines[0]} | kept
    for line in kept.values():
        del line["seconds"]
    return {str(iteration): line for iteration, line in kept.items()}


def log_of_own_run(model: Path) -> Json:
    """Iterations 1 and 50 of a run by today's code, as a log would have them."""
    recipe = load_recipe(str(model / "recipe.toml"))
    trainer = Trainer(recipe, wrap=forward_for(recipe))
    lines = {str(i): {"iteration": i, **trainer.train_step()} for i in range(1, LOGGED + 1)}
    published = log_of(model)[str(LOGGED)]
    assert list(published) == list(lines["1"]) == list(lines[str(LOGGED)])
    return {i: lines[i] for i in ("1", str(LOGGED))}


def freeze_models(out: Path) -> None:
    """``digests.json`` and ``checkpoints/``."""
    models: Json = {}
    for model in sorted(Path("models").iterdir()):
        if model.name.endswith("-lstm") or not (model / BEST).is_file():
            continue
        print(model, flush=True)
        log = log_of_own_run if model.name == UNREPEATABLE else log_of
        models[model.name] = described(load_trained(model)) | {"log": log(model)}
    write_json(out / "digests.json", {"about": about(), "models": models})
    (out / "checkpoints").mkdir()
    for name in RETRAINED:
        shutil.copyfile(Path("models", name, BEST), out / "checkpoints" / f"{name}.safetensors")


# --- files of every format ---------------------------------------------------------------------------

TINY: Json = {
    "seed": 5,
    "task": {
        "name": "store-recall", "group_size": 2, "rate": 400.0, "symbol_steps": 4, "symbols": 4,
        "expected_delay": 1.0, "validation": 16, "test": 16,
    },
    "network": {
        "kind": "lsnn", "regular": 5, "adaptive": 5, "tau_a": 30.0, "n_ref": 1, "n_delays": 3,
        "input_connectivity": 0.5, "recurrent_connectivity": 0.5, "readout_connectivity": 0.5,
    },
    "deep_r": {"l1": 0.02, "temperature": 1e-4},
    "training": {
        "iterations": 8, "batch_size": 16, "logit_scale": 20.0, "validate_every": 4,
        "validation_samples": 16,
    },
}  # fmt: skip
"""The smallest LIF and ALIF run; only fields that every commit of :data:`OLDER` has."""

KINDS: dict[str, Json] = {
    "alif": {"deep_r": {"redraw_delays": True}},
    "lif": {  # also what netx can run: no recurrent delays, reset to zero, no refractory time
        "network": {"adaptive": 0, "n_ref": 0, "reset": "zero", "n_delays": 1},
    },
    "current": {
        "network": {"adaptation": "current", "reset": "zero", "signs": "free"},
        "quantization": {"weight_bits": 6},
    },
    "atrlif": {
        "network": {"neuron": "atrlif", "n_ref": 0, "tau_i": 3.0, "tau_r": 12.0},
        "deep_r": {"gradient_every": 2},
    },
    "learnt": {
        "network": {
            "learn": ["tau_m", "tau_a", "beta", "b0"], "tau_a": [20.0, 60.0], "input_delays": 5,
        },
    },
    "random-feedback": {"network": {"learning": "random-feedback"}},
    "liquid": {"network": {"learning": "liquid"}},
    "dense": {
        "network": {
            "signs": "unconstrained", "input_connectivity": 1.0, "recurrent_connectivity": 1.0,
            "readout_connectivity": 1.0,
        },
        "deep_r": None,
    },
    "lstm": {"network": {"kind": "lstm", "units": 6, "bin_steps": 2}, "deep_r": None},
}  # fmt: skip
"""What each tiny run has other than TINY; None leaves a section out."""
NETWORK_FILES = ("alif", "lif", "current", "atrlif", "learnt", "dense")
ARTIFACT, OLD_ARTIFACT = "artifact", "older/artifact-1-network-1"
SMALL_CHIP = {
    'name = "loihi2"': 'name = "loihi2-tile"',
    "cores = { value = 128": "cores = { value = 4",
    "mesh_columns = { value = 8": "mesh_columns = { value = 1",
    "mesh_rows = { value = 4": "mesh_rows = { value = 1",
}
"""What a chip file of one tile has other than Loihi 2's; it keeps the artifact's picture small."""

OLDER = {
    "checkpoint-1": "7da62c0",
    "checkpoint-2": "9d846e8",
    "checkpoint-3-without-sizes": "ec795ed",
}
"""Which commit wrote which older format; n_inputs and n_outputs came into version 3 later."""
OLDEST = "checkpoint-1"


def tiny(kind: str) -> Json:
    """The recipe of a tiny run."""
    recipe = {"name": f"tiny-{kind}"} | TINY
    for section, fields in KINDS.get(kind, {}).items():
        lstm = fields and fields.get("kind") == "lstm"
        recipe[section] = fields if lstm else fields and recipe.get(section, {}) | fields
    return {k: v for k, v in recipe.items() if v is not None}


def keep_run(run: Path, folder: Path) -> None:
    """Copy what a run folder holds, but for TensorBoard's events."""
    folder.mkdir(parents=True)
    for name in ("recipe.toml", "metrics.jsonl", BEST, LAST):
        shutil.copyfile(run / name, folder / name)


def continued(run: Path) -> list[Json]:
    """The metrics of the two iterations that follow a run's last checkpoint."""
    saved = Checkpoint.load(run / LAST)
    trainer = Trainer(saved.recipe, wrap=forward_for(saved.recipe))
    trainer.restore(saved)
    return [{"iteration": trainer.iteration + 1, **trainer.train_step()} for _ in range(2)]


def run_tool(*arguments: object) -> None:
    """A command of today's command line."""
    command_line([str(a) for a in arguments], standalone_mode=False)


def run_older_tool(source: Path, *arguments: object) -> None:
    """A command of an older commit's command line, without a kernel: none is built there."""
    environment = os.environ | {"PYTHONPATH": ".", "LSNN_NEURO_KERNEL": "off"}
    command = [sys.executable, "cli.py", *(str(a) for a in arguments)]
    subprocess.run(command, cwd=source, env=environment, check=True, stdout=subprocess.DEVNULL)


def check_out(commit: str, folder: Path) -> Path:
    """Unpack the files of another commit."""
    archive = subprocess.run(["git", "archive", commit], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder)
    return folder


def freeze_files(out: Path) -> None:
    """``files/``."""
    files = out / "files"
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        write_runs(files, scratch)
        write_older_files(files, scratch)
        write_networks(files, scratch)
        describe_files(files, scratch)
    (files / "recipes").mkdir()
    for recipe in sorted(Path("recipes").glob("*.toml")):
        shutil.copyfile(recipe, files / "recipes" / recipe.name)


def write_runs(files: Path, scratch: Path) -> None:
    """``trained/``: a run of each kind."""
    for kind in KINDS:
        print(kind, flush=True)
        recipe = parse_recipe(tiny(kind), kind)
        train(recipe, scratch / kind, wrap=forward_for(recipe), progress=False)
        keep_run(scratch / kind, files / "trained" / kind)


def write_older_files(files: Path, scratch: Path) -> None:
    """``older/``: a run of each older version of checkpoints; an artifact with a network of version 1."""
    recipe = scratch / "older.toml"
    recipe.write_text(tomli_w.dumps(tiny("older")))
    for name, commit in OLDER.items():
        print(name, flush=True)
        source, run = check_out(commit, scratch / commit), scratch / name
        run_older_tool(source, "train", recipe, "--out", run)
        keep_run(run, files / "older" / name)
        if name == OLDEST:
            run_older_tool(
                source, "export", run, "--target", "loihi-sim", "--samples", 2,
                "--out", files / OLD_ARTIFACT,
            )  # fmt: skip


def write_networks(files: Path, scratch: Path) -> None:
    """``networks/``, ``interchange/``, ``artifact/``: runs on integers, in every format."""
    networks, trained = files / "networks", files / "trained"
    for kind in NETWORK_FILES:
        quantized, _ = load_trained(trained / kind).quantized()
        file_format.save(quantized, networks / f"{kind}.safetensors")
    shutil.copyfile(files / OLD_ARTIFACT / NETWORK, networks / "version-1.safetensors")
    (files / "interchange").mkdir()
    for form, file, *extended in (("nir", "lif.nir", "--extended"), ("netx", "lif.net")):
        run_tool("convert", trained / "lif", "--to", form, *extended, "--out", scratch / file)
        packed = gzip.compress((scratch / file).read_bytes(), mtime=0)
        (files / "interchange" / f"{file}.gz").write_bytes(packed)
    chip = Path("deploy/mapping/loihi2.toml").read_text()
    for old, new in SMALL_CHIP.items():
        assert chip.count(old) == 1
        chip = chip.replace(old, new)
    (files / "chip.toml").write_text(chip)
    run_tool(
        "export", trained / "alif", "--target", "loihi-sim", "--samples", 2,
        "--chip", files / "chip.toml", "--out", files / ARTIFACT,
    )  # fmt: skip


def describe_files(files: Path, scratch: Path) -> None:
    """``files/digests.json``."""

    def named(pattern: str) -> dict[str, Path]:
        return {path.relative_to(files).as_posix(): path for path in sorted(files.glob(pattern))}

    checkpoints = named("trained/*/*.safetensors") | named("older/checkpoint-*/*.safetensors")
    networks = {k: file_format.load(p) for k, p in named("networks/*").items()}
    networks |= {
        f"interchange/{file}.gz": reader.load(scratch / file)
        for file, reader in (("lif.net", netx), ("lif.nir", nir))
    }
    artifacts: Json = {}
    for name, same in ((ARTIFACT, "alif"), (OLD_ARTIFACT, "version-1")):
        network = f"networks/{same}.safetensors"
        assert (files / name / NETWORK).read_bytes() == (files / network).read_bytes()
        artifact = load_artifact(files / name)
        golden = {"inputs": digest_bools(artifact.inputs), **recorded(artifact.golden)}
        artifacts[name] = {"network": network, "golden": golden}
    found = {
        "about": about(),
        "checkpoints": {
            name: described(load_trained(path), brief=path.name == LAST)
            for name, path in checkpoints.items()
        },
        "continued": {name: continued(path) for name, path in named("trained/*").items()},
        "networks": {name: described_integers(network) for name, network in networks.items()},
        "artifacts": artifacts,
    }
    write_json(files / "digests.json", found)


def main() -> None:
    """Freeze everything; what is there already is replaced."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    out = parser.parse_args().out.resolve()
    head = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    if not head.stdout.startswith(COMMIT) or Path(lsnn_neuro.__file__).parents[1] != Path.cwd():
        sys.exit(f"run this in a checkout of {COMMIT}, with PYTHONPATH=.")
    if not kernel.available():
        sys.exit("the native kernel is not built; run: python setup.py build_ext --inplace")
    torch.set_num_threads(1)
    for name in ("checkpoints", "files"):
        shutil.rmtree(out / name, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    freeze_files(out)
    freeze_models(out)


if __name__ == "__main__":
    main()
