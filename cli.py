"""The ``lsnn-neuro`` command: every command parses, calls a verb and prints."""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import click

# Spinning OpenMP threads stall a small machine that has other work; must be set before torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# Notebooks set the backend of their own Matplotlib, which may be missing here; pictures need none.
os.environ.pop("MPLBACKEND", None)

import deploy
import lsnn_neuro
from deploy.commands import completion, convert, data, import_, publish, recipe
from deploy.console import (
    EXISTING,
    FILE,
    FOLDER,
    Commands,
    Given,
    TargetName,
    as_json,
    chip_option,
    chosen_target,
    data_option,
    described,
    given_options,
    overwrite,
    show,
    target_options,
    task_option,
    tell,
    warn,
)
from deploy.target import FLOAT
from lsnn_neuro.errors import LSNNError

GOLDEN_OR_TEST = (
    "Number of test samples, the first ones; default an artifact's golden ones and its probe, "
    "else 16."
)


def _version(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from lsnn_neuro.network import kernel

        click.echo(f"lsnn-neuro, version {lsnn_neuro.__version__}, {kernel.description()}")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version,
              help="Show the version and what computes here.")  # fmt: skip
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """Train spiking networks, quantize them to Loihi's integers, run them on Lava, compare spike by spike.

    \b
    A first run:
      lsnn-neuro train smnist-rows --out runs/first
      lsnn-neuro export runs/first --target loihi-sim --out artifacts/first
      lsnn-neuro parity artifacts/first
    """
    warnings.formatwarning = lambda message, *_: f"Warning: {message}\n"  # one line, no source


@main.command()
@click.argument("recipe")
@click.option(
    "--out",
    type=FOLDER,
    help="Run folder; default runs/<recipe name>, with --resume the recipe's own.",
)
@click.option("--set", "overrides", multiple=True, metavar="FIELD=VALUE",
              help="Override a field of the recipe, e.g. training.lr=0.005.")  # fmt: skip
@click.option("--start", type=EXISTING, help="Network to start from: one that import wrote, which becomes "
              "the recipe's, or a run, model or checkpoint of the same network.")  # fmt: skip
@click.option("--quantize", is_flag=True, help="Train with the integer model as forward pass.")
@click.option("--resume", is_flag=True, help="Go on where the run folder's last checkpoint stands.")
@data_option
@click.option("--device", default="cpu", show_default=True, help="A torch device.")
@as_json
def train(
    recipe: str, out: Path | None, overrides: tuple[str, ...], start: Path | None, quantize: bool,
    resume: bool, data: str | None, device: str, as_json: bool,
) -> None:  # fmt: skip
    """Train RECIPE: a .toml file, the name of a built-in recipe, or a run's folder.

    Which design rules of the chip the best network breaks, and what its quantization loses, is said at
    the end.

    \b
    Examples:
      lsnn-neuro train store-recall
      lsnn-neuro train recipes/smnist-rows.toml --set training.lr=0.005 --set seed=1
      lsnn-neuro train runs/smnist-rows --resume
      lsnn-neuro train runs/words --resume --data /mnt/words.h5
      lsnn-neuro train smnist-rows --start imported.safetensors --quantize --set training.lr=0.0005
    """
    from lsnn_neuro.checkpoint import LAST
    from lsnn_neuro.recipe import recipe_file
    from lsnn_neuro.training import summary
    from quantize.imported import start_overrides

    started = () if start is None else start_overrides(start)
    loaded = lsnn_neuro.load_recipe(
        recipe, (*started, *overrides), sections=["quantization"] if quantize else []
    )
    file = recipe_file(recipe)  # a run's recipe goes on in its own folder
    own = file.parent if resume and file and (file.parent / LAST).is_file() else None
    run_dir = out or own or Path("runs") / loaded.name
    trainer = lsnn_neuro.train(
        loaded, run_dir, resume=resume, device=device, progress=not as_json, data=data
    )
    warn(deploy.load(run_dir))
    show({"run": str(run_dir), **summary(trainer)}, as_json)


@main.command()
@click.argument("path", type=EXISTING)
@click.option("--target", type=TargetName(FLOAT),
              help="What runs the network; default an artifact's own target, else float, else the "
              "emulator.")  # fmt: skip
@click.option("--split", type=click.Choice(("validation", "test")), default="test",
              show_default=True)  # fmt: skip
@click.option("--samples", type=click.IntRange(min=1), help="Number of samples; default all.")
@click.option("--batch-size", type=click.IntRange(min=1), default=250, show_default=True)
@task_option
@data_option
@target_options
@as_json
def evaluate(
    path: Path, target: str | None, split: Any, samples: int | None, batch_size: int, task: str | None,
    data: str | None, options: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Score the network at PATH (run, model, checkpoint, artifact, network file) on held-out samples.

    \b
    Examples:
      lsnn-neuro evaluate runs/smnist-rows
      lsnn-neuro evaluate artifacts/first --target loihi-sim --samples 100 --json
    """
    from deploy.api import default_target, player_of
    from deploy.tasks import task_of_user

    model = deploy.load(path)
    in_float = FLOAT in (target, default_target(model) if target is None else None)
    if in_float and options:
        raise LSNNError(f"--target-option {options[0]}: target {FLOAT!r} has none")
    where = FLOAT if in_float else chosen_target(target, options, model)
    player_of(model, where)  # what is missing is said before anything else
    played = task_of_user(model, task, data) or model.task
    warn(model)
    start = time.perf_counter()
    found = deploy.evaluate(
        model,
        where,
        task=played,
        split=split,
        max_samples=samples,
        batch_size=batch_size,
        tell=tell,
    )
    seconds = time.perf_counter() - start
    about: dict[str, Any] = {
        "target": where if isinstance(where, str) else where.name,
        "split": split,
    }
    for of, baseline in played.baselines(split, samples).items():
        about[f"{baseline.metric.name}_{of.replace(' ', '_')}"] = baseline.value
    show(about | found.as_dict() | {"seconds": seconds}, as_json)


@main.command()
@click.argument("path", type=EXISTING)
@click.option("--target", type=TargetName(), required=True, help="Target to export for.")
@click.option("--out", type=FOLDER, required=True, help="Artifact folder to write.")
@given_options("Number of golden samples, whose spikes are kept; default 16, or all.")
@click.option("--weight-bits", type=click.IntRange(2, 8), help="Width of weights; default 8, or "
              "what the recipe trained with.")  # fmt: skip
@chip_option
@click.option("--allow", multiple=True, metavar="RULE",
              help="Export although this design rule is violated.")  # fmt: skip
@overwrite
@as_json
def export(
    path: Path, target: str, out: Path, given: Given, weight_bits: int | None, chip: str,
    allow: tuple[str, ...], overwrite: bool, as_json: bool,
) -> None:  # fmt: skip
    """Quantize the run, model or checkpoint at PATH and write an artifact folder for a target.

    What holds integers already (a network file, an artifact) is exported as it is. The network must keep
    the design rules, but for those that --allow names, and find a place on the chip.

    \b
    Examples:
      lsnn-neuro export runs/first --target loihi-sim --out artifacts/first
      lsnn-neuro export runs/first --target emulator --out a --chip loihi1 --allow neuron-model
    """
    from deploy.exporting import check_rules
    from deploy.mapping.chips import load_chip
    from deploy.targets import target_of_user

    check_rules(allow)
    placed_on, where = load_chip(chip), target_of_user(target)
    model = deploy.load(path, weight_bits=weight_bits)
    chosen = given.resolved(model)
    tell(model.notes)
    tell(f"quantization: {flag}" for flag in (model.report.flags() if model.report else ()))
    found = deploy.export(
        model, out, target=where, chip=placed_on, allow=allow, overwrite=overwrite, tell=tell, **chosen
    )  # fmt: skip
    show(found.summary(), as_json)


@main.command()
@click.argument("path", type=EXISTING)
@click.option("--target", type=TargetName(), help="Default: an artifact's own, else the emulator.")
@click.option("--source", type=FILE, metavar="FILE.npz", help="Of an imported network: what its own "
              "framework did, inputs and spikes, for the level source.")  # fmt: skip
@given_options(GOLDEN_OR_TEST)
@target_options
@as_json
def parity(
    path: Path, target: str | None, source: Path | None, given: Given, options: tuple[str, ...],
    as_json: bool,
) -> None:  # fmt: skip
    """Compare spike by spike what runs the artifact, run, model or network file at PATH.

    Against the emulator, each exact, or exit code 1: of an artifact the golden spikes kept in it and its
    probe, P1 the quantization-aware forward pass, P2 Lava, P3 the chip; P0, the float network, is a distance.
    With --source also what an imported network's own framework did against the float network, exact too.

    \b
    Examples:
      lsnn-neuro parity artifacts/first --target loihi-sim --json
      lsnn-neuro parity models/smnist-1ms --samples 200
      lsnn-neuro parity imported.safetensors --source recorded.npz
    """
    from deploy.reporting.summary import parity_json, print_parity

    model = deploy.load(path)
    where, chosen = chosen_target(target, options, model), given.resolved(model)
    warn(model, chosen["inputs"])
    found = deploy.parity(model, where, source=source, **chosen)
    tell(f"{level} left out: {reason}" for level, reason in found.skipped.items())
    tell(found.silent)
    if as_json:
        click.echo(json.dumps(parity_json(found), indent=2))
    else:
        print_parity(found)
    _demand(found.failed)


def _demand(failed: list[str]) -> None:
    """End with an error if a level that must be exact is not."""
    if failed:
        raise LSNNError(f"no parity: {', '.join(failed)} must be exact and is not")


@main.command()
@click.argument("path", type=EXISTING)
@click.option("--target", type=TargetName(), help="Default: an artifact's own, else the emulator.")
@given_options(GOLDEN_OR_TEST)
@chip_option
@click.option("--out", type=FILE, help="HTML file; an artifact's is by default its report.html.")
@click.option("--open", "open_it", is_flag=True, help="Show it in the browser.")
@target_options
def report(
    path: Path, target: str | None, given: Given, chip: str, out: Path | None, open_it: bool,
    options: tuple[str, ...],
) -> None:  # fmt: skip
    """Write the parity of the artifact, run, model or network file at PATH as one HTML file: verdict,
    spikes, states, distances, resources.

    Runs what `parity` runs. Where a level fails the report is written all the same, and the exit code is 1.

    \b
    Example:
      lsnn-neuro report artifacts/first --target loihi-sim --open
    """
    from deploy.mapping.chips import load_chip

    placed_on, model = load_chip(chip), deploy.load(path)
    where = chosen_target(target, options, model)
    chosen = given.resolved(model)
    tell(model.notes)
    written, found = deploy.report(model, where, out=out, chip=placed_on, **chosen)
    tell(found.silent)
    click.echo(written)
    if open_it:
        click.launch(str(written))
    _demand(found.failed)


@main.command()
@click.argument("path", type=EXISTING, required=False)
@click.option("--system", is_flag=True, help="Show versions and which targets can run here.")
@chip_option
@as_json
def inspect(path: Path | None, system: bool, chip: str, as_json: bool) -> None:
    """Show what a run, model, checkpoint, artifact or network file holds, what quantization makes of it, and
    where it goes on a chip; of an artifact also an estimate of energy and latency on its golden samples.

    \b
    Examples:
      lsnn-neuro inspect artifacts/first
      lsnn-neuro inspect artifacts/first --chip loihi1
      lsnn-neuro inspect --system
    """
    from deploy.api import system as describe_system
    from deploy.mapping.report import resources_json, resources_lines

    if path is None and not system:
        raise click.UsageError("give a PATH or --system")
    result: dict[str, Any] = describe_system() if system else {}
    if path is None:
        show(result, as_json)
        return
    model = deploy.load(path)
    tell(model.notes)
    result |= described(model)
    if model.network is None:
        show(result, as_json)
        raise LSNNError(model.why_not)
    found = deploy.inspect(model, chip)
    result["violations"] = [str(violation) for violation in found.violations]
    placed = found.resources
    result |= {"resources": resources_json(placed)} if as_json else resources_lines(placed)
    show(result, as_json)
    if placed.violations:
        raise LSNNError(f"design rule {placed.violations[0]}")


for command in (publish, convert, import_, recipe, data, completion):
    main.add_command(command)

if __name__ == "__main__":
    sys.exit(main())
