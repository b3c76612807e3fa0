"""The ``lsnn-neuro`` command: one thin function per command, on top of the three packages."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lsnn_neuro import __version__
from lsnn_neuro.errors import LSNNError

if TYPE_CHECKING:
    from deploy.lava.options import LavaOptions
    from deploy.parity import Comparison
    from deploy.targets import Target
    from lsnn_neuro.checkpoint import Checkpoint
    from lsnn_neuro.network import LSNN
    from lsnn_neuro.recipe import Recipe
    from quantize.convert import ConversionReport
    from quantize.network import QuantizedNetwork

# Spinning OpenMP threads stall a small machine that has other work; must be set before torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

TARGETS = ("emulator", "loihi-sim", "loihi2")
BATCH = 128
"""Samples that run side by side when many are compared."""

FOLDER = click.Path(path_type=Path, file_okay=False)
EXISTING = click.Path(path_type=Path)

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
lava_model = click.option(
    "--lava-model", type=click.Choice(("graph", "fused")), default="graph", show_default=True,
    help="On loihi-sim: a Lava process per population and connection, or one fast one for all, "
    "with the emulator's arithmetic.",
)  # fmt: skip
lava_synapses = click.option(
    "--lava-synapses", type=click.Choice(("event", "stock")), default="event", show_default=True,
    help="On loihi-sim: our event-driven models of connections, or Lava's own.",
)  # fmt: skip


class _Commands(click.Group):
    """Shows users' errors as one line; everything else is a bug and keeps its traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LSNNError as error:
            if ctx.params.get("debug"):
                raise
            raise click.ClickException(" ".join(str(error).split())) from error
        except OSError as error:  # a full disk, no permission ...
            if ctx.params.get("debug"):
                raise
            where = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{where}{error.strerror or error}") from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lsnn-neuro")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """Train LSNNs, quantize them, run them on Loihi through Lava, prove it is the same network.

    \b
    A first run:
      lsnn-neuro train smnist-rows --out runs/first
      lsnn-neuro export runs/first --target loihi-sim --out artifacts/first
      lsnn-neuro parity artifacts/first
    """
    warnings.formatwarning = lambda message, *_: f"Warning: {message}\n"  # one line, no source


@main.command()
@click.argument("recipe")
@click.option("--out", type=FOLDER, help="Run folder; default runs/<recipe name>.")
@click.option("--set", "overrides", multiple=True, metavar="FIELD=VALUE",
              help="Override a field of the recipe, e.g. training.lr=0.005.")  # fmt: skip
@click.option("--quantize", is_flag=True, help="Train with the integer model as forward pass.")
@click.option("--resume", is_flag=True, help="Go on where the run folder's last checkpoint stands.")
@click.option("--device", default="cpu", show_default=True, help="A torch device.")
@as_json
def train(
    recipe: str, out: Path | None, overrides: tuple[str, ...], quantize: bool, resume: bool,
    device: str, as_json: bool,
) -> None:  # fmt: skip
    """Train RECIPE: a .toml file, or the name of a built-in recipe.

    \b
    Examples:
      lsnn-neuro train store-recall
      lsnn-neuro train recipes/smnist-rows.toml --set training.lr=0.005 --set seed=1
      lsnn-neuro train runs/smnist-rows/recipe.toml --resume
    """
    from lsnn_neuro.recipe import load_recipe
    from lsnn_neuro.training import summary
    from lsnn_neuro.training import train as run_training

    if quantize:
        overrides = (*overrides, "quantization.weight_bits=8")
    loaded = load_recipe(recipe, overrides)
    run_dir = out or Path("runs") / loaded.name
    trainer = run_training(
        loaded, run_dir, resume=resume, wrap=_wrapper(loaded), device=device, progress=not as_json
    )
    result = {"run": str(run_dir), **summary(trainer)}
    _show(result, as_json)


@main.command()
@click.argument("path", type=EXISTING)
@click.option("--target", type=click.Choice(("float", *TARGETS)), default="float",
              show_default=True, help="What runs the network.")  # fmt: skip
@click.option("--split", type=click.Choice(("validation", "test")), default="test",
              show_default=True)  # fmt: skip
@click.option("--samples", type=click.IntRange(min=1), help="First so many; default all.")
@click.option("--batch-size", type=click.IntRange(min=1), default=250, show_default=True)
@click.option("--data", help="Where the task's data come from, instead of the recipe's choice.")
@lava_model
@lava_synapses
@as_json
def evaluate(
    path: Path, target: str, split: Any, samples: int | None, batch_size: int, data: str | None,
    lava_model: Any, lava_synapses: Any, as_json: bool,
) -> None:  # fmt: skip
    """Score the network at PATH (run folder, checkpoint or artifact) on held-out samples.

    \b
    Examples:
      lsnn-neuro evaluate runs/smnist-rows
      lsnn-neuro evaluate artifacts/first --target loihi-sim --samples 100 --json
    """
    import torch

    from deploy.emulated import EmulatorTarget
    from deploy.targets import get_target
    from lsnn_neuro.evaluation import evaluate as score
    from lsnn_neuro.evaluation import float_runner
    from lsnn_neuro.tasks import make_task

    lava = _lava_options(target, lava_model, lava_synapses)
    checkpoint, network = _trained(path)
    recipe = checkpoint.recipe
    ran = target
    task_config = recipe.task if data is None else recipe.task.model_copy(update={"data": data})
    if target == "float":
        run = float_runner(network, torch.device("cpu"))
    else:
        quantized = _quantized(path)
        where: Target = (
            EmulatorTarget(spikes=False) if target == "emulator" else get_target(target, lava)
        )

        def run(inputs: Any) -> Any:
            nonlocal ran
            record = where.run(quantized, inputs)
            ran = record.target
            return record.readout + quantized.readout.bias

    result = score(make_task(task_config), split, run, batch_size=batch_size, limit=samples)
    about = {"target": target, "ran": ran, "split": split}
    _show({**about, **asdict(result), "accuracy": result.accuracy}, as_json)


@main.command()
@click.argument("checkpoint", type=EXISTING)
@click.option("--target", type=click.Choice(TARGETS), required=True, help="What it is for.")
@click.option("--out", type=FOLDER, required=True, help="Artifact folder to write.")
@click.option("--samples", type=click.IntRange(min=1), default=16, show_default=True,
              help="Test samples whose spikes are kept as golden.")  # fmt: skip
@click.option("--weight-bits", type=click.IntRange(2, 8), help="Width of weights; default 8, or "
              "what the recipe trained with.")  # fmt: skip
@click.option("--allow", is_flag=True, help="Export although design rules are violated.")
@click.option("--overwrite", is_flag=True, help="Replace an artifact that is there.")
@as_json
def export(
    checkpoint: Path, target: str, out: Path, samples: int, weight_bits: int | None, allow: bool,
    overwrite: bool, as_json: bool,
) -> None:  # fmt: skip
    """Quantize the run or checkpoint CHECKPOINT and write an artifact folder for a target.

    \b
    Example:
      lsnn-neuro export runs/first --target loihi-sim --out artifacts/first
    """
    from deploy.artifact import write_artifact
    from lsnn_neuro.checkpoint import BEST, find_checkpoint
    from lsnn_neuro.tasks import make_task
    from quantize.design_rules import check
    from quantize.emulator import emulate

    file = find_checkpoint(checkpoint)
    trained, network = _trained(file)
    quantized, report = _convert(file, trained, network, weight_bits)
    violations = check(quantized)
    for violation in violations:
        click.echo(f"design rule {violation}", err=True)
    if violations and not allow:
        raise LSNNError(
            f"{len(violations)} design rules are violated; --allow exports all the same"
        )
    task = make_task(trained.recipe.task)
    batch = next(task.batches("test", samples, samples))
    write_artifact(
        out,
        quantized,
        target=target,
        inputs=batch.inputs,
        golden=emulate(quantized, batch.inputs),
        about={
            "name": trained.recipe.name,
            "conversion": asdict(report),
            "violations": [asdict(violation) for violation in violations],
        },
        files={BEST: file.read_bytes(), "recipe.toml": trained.recipe.to_toml().encode()},
        overwrite=overwrite,
    )
    result = {
        "artifact": str(out),
        "target": target,
        "neurons": sum(p.size for p in quantized.populations),
        "synapses": quantized.n_synapses,
        "golden_samples": batch.size,
    }
    _show(result, as_json)


@main.command()
@click.argument("artifact", type=FOLDER)
@click.option("--target", type=click.Choice(TARGETS), help="Default: what it was exported for.")
@click.option("--samples", type=click.IntRange(min=1),
              help="First so many test samples; default the golden ones.")  # fmt: skip
@lava_model
@lava_synapses
@as_json
def parity(
    artifact: Path, target: str | None, samples: int | None, lava_model: Any, lava_synapses: Any,
    as_json: bool,
) -> None:  # fmt: skip
    """Prove spike by spike that ARTIFACT is the same network on every level.

    P0 float against quantized (distance), P1 quantization-aware forward against emulator, P2 emulator
    against Lava, P3 emulator against the chip: exact, or exit code 1.

    \b
    Example:
      lsnn-neuro parity artifacts/first --target loihi-sim --json
    """
    from deploy.artifact import load_artifact
    from deploy.parity import compare, join
    from deploy.report.parity import failed_levels, parity_json, print_parity
    from deploy.targets import get_target
    from lsnn_neuro.tasks import make_task

    loaded = load_artifact(artifact)
    checkpoint, network = _trained(artifact)
    name = target or loaded.target
    where = get_target(name, _lava_options(name, lava_model, lava_synapses))
    reason = where.unavailable()
    if reason:
        raise LSNNError(f"{where.name}: {reason}")
    levels: dict[str, Comparison] = {}
    batches: Iterable[Any]
    if samples is None:
        batches = [loaded.inputs]
        now = get_target("emulator").run(loaded.network, loaded.inputs)
        levels["golden"] = compare(loaded.golden, now)
    else:
        task = make_task(checkpoint.recipe.task)
        batches = (batch.inputs for batch in task.batches("test", BATCH, samples))
    parts = [_parity_levels(loaded.network, network, inputs, where) for inputs in batches]
    levels |= {level: join([part[level] for part in parts]) for level in parts[0]}
    if as_json:
        click.echo(json.dumps(parity_json(levels), indent=2))
    else:
        print_parity(levels)
    failed = failed_levels(levels)
    if failed:
        raise LSNNError(f"no parity: {', '.join(failed)} must be exact and is not")


@main.command()
@click.argument("path", type=EXISTING, required=False)
@click.option("--system", is_flag=True, help="Show versions and which targets can run here.")
@as_json
def inspect(path: Path | None, system: bool, as_json: bool) -> None:
    """Show what a run, checkpoint or artifact holds, and what quantization makes of it.

    \b
    Examples:
      lsnn-neuro inspect artifacts/first
      lsnn-neuro inspect --system
    """
    from deploy.artifact import versions
    from deploy.targets import get_target
    from lsnn_neuro import kernel
    from quantize.design_rules import check

    if path is None and not system:
        raise click.UsageError("give a PATH or --system")
    result: dict[str, Any] = {}
    if system:
        reasons = {name: get_target(name).unavailable() for name in TARGETS}
        result |= {
            "kernel": kernel.description(),
            "versions": versions(),
            "targets": {k: v or "ready" for k, v in reasons.items()},
        }
    if path is not None:
        checkpoint, network = _trained(path)
        quantized, report = _convert(path, checkpoint, network, None)
        result |= {
            "recipe": checkpoint.recipe.model_dump(mode="json", exclude_none=True),
            "progress": {k: v for k, v in checkpoint.progress.items() if k != "rng"},
            "synapses": quantized.n_synapses,
            "populations": [asdict(p) for p in report.populations],
            "projections": [asdict(p) for p in report.projections],
            "violations": [str(violation) for violation in check(quantized)],
        }
    _show(result, as_json)


@main.group()
def data() -> None:
    """Data sets that don't come with the package."""


@data.command()
@click.argument("name", type=click.Choice(("mnist",)))
def fetch(name: str) -> None:
    """Download the complete MNIST set into the cache, checked by SHA-256.

    \b
    Example:
      lsnn-neuro data fetch mnist
    """
    from lsnn_neuro.data.mnist import fetch_mnist

    folder = fetch_mnist(progress=lambda text: click.echo(text, err=True))
    click.echo(f"{name} is complete in {folder}")


@main.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> None:
    """Print shell completion code, to be put into the shell's start-up file.

    \b
    Example:
      lsnn-neuro completion bash >> ~/.bashrc
    """
    from click.shell_completion import get_completion_class

    complete = get_completion_class(shell)
    assert complete is not None
    click.echo(complete(main, {}, "lsnn-neuro", "_LSNN_NEURO_COMPLETE").source())


def _wrapper(recipe: Recipe) -> Any:
    """The forward pass a recipe asks for: float, or quantization-aware."""
    if recipe.quantization is None:
        return lambda network: network
    from quantize.aware import QuantizationAware

    bits = recipe.quantization.weight_bits
    return lambda network: QuantizationAware(network, weight_bits=bits)


def _trained(path: Path) -> tuple[Checkpoint, LSNN]:
    """Checkpoint and network of a run folder, artifact or checkpoint file."""
    from lsnn_neuro.checkpoint import Checkpoint, find_checkpoint, restore_network
    from lsnn_neuro.tasks import make_task

    file = find_checkpoint(path)
    checkpoint = Checkpoint.load(file)
    task = make_task(checkpoint.recipe.task)
    network: Any = restore_network(checkpoint, file, task.n_inputs, task.n_outputs)
    return checkpoint, network


def _convert(
    path: Path, checkpoint: Checkpoint, network: LSNN, weight_bits: int | None
) -> tuple[QuantizedNetwork, ConversionReport]:
    """Quantize a trained network, with its provenance."""
    from lsnn_neuro.checkpoint import find_checkpoint
    from lsnn_neuro.network import LSNN
    from lsnn_neuro.tensor_file import sha256
    from quantize.convert import convert
    from quantize.network import Provenance

    if not isinstance(network, LSNN):
        raise LSNNError(f"{path}: an LSTM can't be quantized; only LSNNs run on Loihi")
    recipe = checkpoint.recipe
    trained_bits = recipe.quantization.weight_bits if recipe.quantization else 8
    provenance = Provenance(
        checkpoint_sha256=sha256(find_checkpoint(path)),
        recipe=recipe.name,
        tool_version=__version__,
    )
    return convert(
        network.to_spec(), weight_bits=weight_bits or trained_bits, provenance=provenance
    )


def _quantized(path: Path) -> QuantizedNetwork:
    """The integer network of an artifact, or a run's network quantized now."""
    from deploy.artifact import MANIFEST, load_artifact

    if (path / MANIFEST).is_file():
        return load_artifact(path).network
    return _convert(path, *_trained(path), None)[0]


def _lava_options(target: str, model: Any, synapses: Any) -> LavaOptions | None:
    """What was chosen for loihi-sim; None, a target's own defaults, if nothing was."""
    from deploy.lava.options import LavaOptions

    options = LavaOptions(model=model, synapses=synapses)
    if options == LavaOptions():
        return None
    if target != "loihi-sim":
        raise LSNNError(
            f"--lava-model and --lava-synapses choose how loihi-sim computes; target is {target}"
        )
    return options


def _parity_levels(
    quantized: QuantizedNetwork, network: LSNN, inputs: Any, target: Target
) -> dict[str, Comparison]:
    """All levels the target allows, each with both sides' states where they part."""
    from deploy.parity import compare, explain
    from deploy.targets import get_target
    from quantize.aware import QuantizationAware, record_torch

    aware = QuantizationAware(network, weight_bits=quantized.provenance.weight_bits)
    emulator = get_target("emulator")
    ours = emulator.run(quantized, inputs)

    def states(side: Any) -> Any:
        return lambda sample, step: side.states(quantized, inputs[:, sample], step)

    levels = {
        "P0": compare(record_torch(network, network, inputs, name="float"), ours),
        "P1": explain(
            compare(record_torch(aware, network, inputs, name="quantization-aware"), ours),
            lambda sample, step: aware.states(inputs[:, sample], step),
            states(emulator),
        ),
    }
    if target.name != "emulator":
        level = "P3" if target.name == "loihi2" else "P2"
        levels[level] = explain(
            compare(ours, target.run(quantized, inputs)), states(emulator), states(target)
        )
    return levels


def _show(result: dict[str, Any], as_json: bool) -> None:
    """Print a result as JSON, or one field a line."""
    if as_json:
        click.echo(json.dumps(result, indent=2))
        return
    for key, value in result.items():
        if isinstance(value, list):
            click.echo(f"{key}:")
            for item in value:
                text = (
                    item
                    if isinstance(item, str)
                    else "  ".join(f"{k}={v}" for k, v in item.items())
                )
                click.echo(f"  {text}")
        else:
            click.echo(f"{key}: {value}")


if __name__ == "__main__":
    sys.exit(main())
