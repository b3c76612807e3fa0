"""The ``lsnn-neuro`` command: one thin function per command, on top of the three packages."""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from lsnn_neuro import __version__
from lsnn_neuro.errors import LSNNError

if TYPE_CHECKING:
    from deploy.model import Model
    from deploy.parity import Comparison
    from deploy.target import Target
    from lsnn_neuro.player import Player
    from lsnn_neuro.tasks.task import Task

# Spinning OpenMP threads stall a small machine that has other work; must be set before torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

WATCHED = 4
"""Samples of an export on which firing rates and saturated states are looked at."""
GOLDEN_SAMPLES = 16
FLOAT, DEFAULT_TARGET = "float", "emulator"


class TargetName(click.ParamType):  # type: ignore[type-arg]  # older clicks can't be subscripted
    """The name of a target: built in, installed, or ``FILE.py:Class``."""

    name = "target"

    def __init__(self, *further: str):
        self._further = further

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name itself; a usage error if there is no such target."""
        if ":" not in value and value not in self._names():
            self.fail(f"there is no target {value!r}; there are {', '.join(self._names())}")
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names that begin so."""
        return [CompletionItem(n) for n in self._names() if n.startswith(incomplete)]

    def _names(self) -> list[str]:
        from deploy.targets import TARGETS

        return [*self._further, *TARGETS]


FOLDER = click.Path(path_type=Path, file_okay=False)
EXISTING = click.Path(path_type=Path)

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
target_options = click.option(
    "--target-option", "target_options", multiple=True, metavar="KEY=VALUE",
    help="How the target runs, e.g. model=fused on loihi-sim.",
)  # fmt: skip
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
chip_option = click.option(
    "--chip", default="loihi2", show_default=True, metavar="NAME|FILE",
    help="Where it is to fit: loihi2, loihi1, or a chip file (TOML).",
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


def _version(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from lsnn_neuro.network import kernel

        click.echo(f"lsnn-neuro, version {__version__}, {kernel.description()}")
        ctx.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version,
              help="Show the version and what computes here.")  # fmt: skip
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

    Which design rules of the chip the best network breaks, and what its quantization loses, is said at
    the end.

    \b
    Examples:
      lsnn-neuro train store-recall
      lsnn-neuro train recipes/smnist-rows.toml --set training.lr=0.005 --set seed=1
      lsnn-neuro train runs/smnist-rows/recipe.toml --resume
    """
    from deploy.model import load
    from lsnn_neuro.checkpoint import LAST
    from lsnn_neuro.recipe import load_recipe
    from lsnn_neuro.training import summary
    from lsnn_neuro.training import train as run_training

    loaded = load_recipe(recipe, overrides, sections=["quantization"] if quantize else [])
    own = Path(recipe).parent  # a run's recipe.toml goes on in its own folder
    resumed = resume and Path(recipe).is_file() and (own / LAST).is_file()
    run_dir = out or (own if resumed else Path("runs") / loaded.name)
    trainer = run_training(
        loaded,
        run_dir,
        resume=resume,
        device=device,
        progress=not as_json,
    )
    _warn(load(run_dir))
    result = {"run": str(run_dir), **summary(trainer)}
    _show(result, as_json)


@main.command()
@click.argument("path", type=EXISTING)
@click.option("--target", type=TargetName(FLOAT),
              help="What runs the network; default float, of an artifact its own target.")  # fmt: skip
@click.option("--split", type=click.Choice(("validation", "test")), default="test",
              show_default=True)  # fmt: skip
@click.option("--samples", type=click.IntRange(min=1), help="First so many; default all.")
@click.option("--batch-size", type=click.IntRange(min=1), default=250, show_default=True)
@click.option("--data", help="Where the task's data come from, instead of the recipe's choice.")
@target_options
@as_json
def evaluate(
    path: Path, target: str | None, split: Any, samples: int | None, batch_size: int, data: str | None,
    target_options: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Score the network at PATH (run folder, checkpoint or artifact) on held-out samples.

    \b
    Examples:
      lsnn-neuro evaluate runs/smnist-rows
      lsnn-neuro evaluate artifacts/first --target loihi-sim --samples 100 --json
    """
    from deploy.model import load
    from deploy.player import TargetPlayer
    from lsnn_neuro.evaluation import evaluate as run_on
    from lsnn_neuro.player import FloatPlayer
    from lsnn_neuro.tasks import make_task

    where = _target_of_user(target, target_options) if target not in (None, FLOAT) else None
    model = load(path)
    if target is None and model.artifact is not None:
        where = _target_of_file(model.artifact.target, target_options)
    if where is None and target_options:
        raise LSNNError(f"--target-option {target_options[0]}: target {FLOAT!r} has none")
    config = model.recipe.task
    if data is not None:
        if "data" not in type(config).model_fields:
            raise LSNNError(f"{path}: task {config.name!r} reads no data; leave --data out")
        config = config.model_copy(update={"data": data})
    task = make_task(config)
    _check_samples(model, split, samples, task)
    player: Player
    if where is not None:
        player = TargetPlayer(model.integers, where)
    elif model.float_network is None:
        raise LSNNError(f"{path}: holds integers alone; choose another --target than {FLOAT}")
    else:
        player = FloatPlayer(model.float_network)
    _warn(model)
    start = time.perf_counter()
    result = run_on(task, player, split, batch_size=batch_size, max_samples=samples)
    seconds = time.perf_counter() - start
    about: dict[str, Any] = {"target": where.name if where else FLOAT, "split": split}
    for of, baseline in task.baselines(split, samples).items():
        about[f"{baseline.metric.name}_{of.replace(' ', '_')}"] = baseline.value
    _show(about | result.as_dict() | {"seconds": seconds}, as_json)


@main.command()
@click.argument("checkpoint", type=EXISTING)
@click.option("--target", type=TargetName(), required=True, help="What it is for.")
@click.option("--out", type=FOLDER, required=True, help="Artifact folder to write.")
@click.option("--samples", type=click.IntRange(min=1),
              help="Test samples whose spikes are kept as golden; default 16, or all.")  # fmt: skip
@click.option("--weight-bits", type=click.IntRange(2, 8), help="Width of weights; default 8, or "
              "what the recipe trained with.")  # fmt: skip
@chip_option
@click.option("--allow", multiple=True, metavar="RULE",
              help="Export although this design rule is violated.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace an artifact that is there.")
@as_json
def export(
    checkpoint: Path, target: str, out: Path, samples: int | None, weight_bits: int | None, chip: str,
    allow: tuple[str, ...], overwrite: bool, as_json: bool,
) -> None:  # fmt: skip
    """Quantize the run or checkpoint CHECKPOINT and write an artifact folder for a target.

    A network file that `import` made is exported as it is. The network must keep the design rules
    and find a place on the chip.

    \b
    Examples:
      lsnn-neuro export runs/first --target loihi-sim --out artifacts/first
      lsnn-neuro export runs/first --target emulator --out a --chip loihi1 --allow neuron-model
    """
    from deploy.artifact import write_artifact
    from deploy.mapping.chips import load_chip
    from deploy.mapping.report import resources, resources_files, rule_names
    from deploy.model import load
    from deploy.targets import target_of_user
    from lsnn_neuro.checkpoint import BEST
    from quantize.activity import measure_activity, rates_of
    from quantize.aware import record_torch
    from quantize.design_rules import check
    from quantize.emulator import emulate
    from quantize.network import value_range
    from results.levels import held_out

    placed_on, name = load_chip(chip), target_of_user(target).name
    unknown = sorted(set(allow) - rule_names())
    if unknown:
        raise LSNNError(
            f"--allow {unknown[0]}: there is no such design rule; there are {', '.join(sorted(rule_names()))}"
        )
    model = load(checkpoint, weight_bits=weight_bits)
    quantized, recipe, report = model.integers, model.recipe, model.report
    files: dict[str, bytes] = {"recipe.toml": recipe.to_toml().encode()}
    about: dict[str, Any] = {"name": recipe.name}
    if model.file is not None and report is not None:
        files[BEST], about["conversion"] = model.file.read_bytes(), asdict(report)
        _print_flags(report.flags())
    _check_samples(model, "test", samples)
    samples = samples or GOLDEN_SAMPLES
    inputs, _ = next(held_out(model.task, quantized, samples, samples))
    golden = emulate(quantized, inputs)
    few = inputs[:, :WATCHED]
    rates = None
    if report is not None:
        net = model.float_network
        rates = rates_of(record_torch(net, net, few, name="float").spikes, quantized.dt)
    for activity in measure_activity(quantized, few, rates):
        _print_flags(activity.flags())
    found = resources(quantized, placed_on, inputs, golden)
    violations = [*check(quantized, value_range(inputs)), *found.violations]
    for violation in violations:
        click.echo(f"design rule {violation}", err=True)
    broken = sorted({violation.rule for violation in violations} - set(allow))
    if broken:
        first = next(violation for violation in violations if violation.rule in broken)
        options = " ".join(f"--allow {rule}" for rule in broken)
        raise LSNNError(f"design rule {first}; {options} exports all the same")
    write_artifact(
        out,
        quantized,
        target=name,
        inputs=inputs,
        golden=golden,
        about=about | {"violations": [asdict(violation) for violation in violations]},
        files=files | resources_files(found),
        overwrite=overwrite,
    )
    result = {
        "artifact": str(out),
        "target": name,
        "neurons": quantized.n_neurons,
        "synapses": quantized.n_synapses,
        "golden_samples": inputs.shape[1],
        "chip": chip,
        "cores": len(found.placement.cores) if found.placement else None,
        "microjoule": found.estimate.joule * 1e6 if found.estimate else None,
    }
    _show(result, as_json)


@main.command()
@click.argument("path", type=EXISTING)
@click.option("--target", type=TargetName(), help="Default: what it was exported for.")
@click.option("--samples", type=click.IntRange(min=1),
              help="First so many test samples; default an artifact's golden ones.")  # fmt: skip
@target_options
@as_json
def parity(
    path: Path, target: str | None, samples: int | None, target_options: tuple[str, ...],
    as_json: bool,
) -> None:  # fmt: skip
    """Prove spike by spike that the artifact, run or model at PATH is the same network everywhere.

    P0 float against quantized (distance), P1 quantization-aware forward against emulator, P2 emulator
    against Lava, P3 emulator against the chip: exact, or exit code 1.

    \b
    Example:
      lsnn-neuro parity artifacts/first --target loihi-sim --json
      lsnn-neuro parity models/smnist-1ms --samples 200
    """
    from deploy.model import load
    from deploy.parity import compare_levels, join_levels
    from deploy.report.parity import parity_json, print_parity
    from deploy.target import REFERENCE
    from results.levels import parity_runs

    model = load(path)
    _warn(model)
    where = _chosen_target(target, model, target_options)
    _check_samples(model, "test", samples)
    runs = parity_runs(model, where, samples=samples)
    levels = join_levels([compare_levels(run.sides) for run in runs])
    if where.level == REFERENCE and target is None:
        click.echo("P2 left out: no --target", err=True)
    if as_json:
        click.echo(json.dumps(parity_json(levels), indent=2))
    else:
        print_parity(levels)
    _demand_parity(levels)


@main.command()
@click.argument("artifact", type=FOLDER)
@click.option("--target", type=TargetName(), help="Default: what it was exported for.")
@click.option("--samples", type=click.IntRange(min=1),
              help="First so many test samples; default the golden ones.")  # fmt: skip
@chip_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False),
              help="HTML file; default report.html in the artifact.")  # fmt: skip
@click.option("--open", "open_it", is_flag=True, help="Show it in the browser.")
@target_options
def report(
    artifact: Path, target: str | None, samples: int | None, chip: str, out: Path | None,
    open_it: bool, target_options: tuple[str, ...],
) -> None:  # fmt: skip
    """Write the parity of ARTIFACT as one HTML file: verdict, spikes, states, distances, resources.

    Runs what `parity` runs, and ends with exit code 1 where that does; the report is written all
    the same.

    \b
    Example:
      lsnn-neuro report artifacts/first --target loihi-sim --open
    """
    from deploy.artifact import MANIFEST
    from deploy.mapping.chips import load_chip
    from deploy.model import load
    from deploy.report.html import parity_page
    from deploy.report.page import render
    from lsnn_neuro.files import write_text
    from results.levels import gather_evidence, parity_runs

    if not (artifact / MANIFEST).is_file():
        raise LSNNError(
            f"{artifact}: not an artifact (no {MANIFEST}); make one with lsnn-neuro export"
        )
    model = load(artifact)
    assert model.artifact is not None
    where = _chosen_target(target, model, target_options)
    _check_samples(model, "test", samples)
    runs = parity_runs(model, where, samples=samples)
    evidence = gather_evidence(model.artifact, load_chip(chip), runs)
    file = out or artifact / "report.html"
    write_text(file, render(parity_page(evidence)))
    click.echo(file)
    if open_it:
        click.launch(str(file))
    _demand_parity(evidence.levels)


@main.command()
@click.argument("run", type=EXISTING)
@click.option("--out", type=FOLDER, required=True, help="Folder to write, e.g. models/NAME.")
@click.option("--lava-samples", type=click.IntRange(min=0), default=16, show_default=True,
              help="Test samples that Lava's graph runs too; 0 leaves parity level P2 out.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace a model that is there.")
@as_json
def publish(run: Path, out: Path, lava_samples: int, overwrite: bool, as_json: bool) -> None:
    """Make a small folder out of the finished RUN: network, recipe, log, and a card.

    The card says what the network reaches on the complete test set, in float and on integers. That
    is where the test set is looked at, so publish when nothing is left to choose.

    \b
    Example:
      lsnn-neuro publish runs/smnist-1ms --out models/smnist-1ms
    """
    from results.publish import publish as make_model

    card = make_model(run, out, lava_samples=lava_samples, overwrite=overwrite)
    _show({"model": str(out), **card.model_dump(mode="json")}, as_json)


@main.command()
@click.argument("path", type=EXISTING, required=False)
@click.option("--system", is_flag=True, help="Show versions and which targets can run here.")
@chip_option
@as_json
def inspect(path: Path | None, system: bool, chip: str, as_json: bool) -> None:
    """Show what a run, checkpoint or artifact holds, what quantization makes of it, and where it goes
    on a chip; of an artifact also energy and latency on its golden samples.

    \b
    Examples:
      lsnn-neuro inspect artifacts/first
      lsnn-neuro inspect artifacts/first --chip loihi1
      lsnn-neuro inspect --system
    """
    from deploy.artifact import versions
    from deploy.mapping.chips import load_chip
    from deploy.mapping.report import resources, resources_json, resources_lines
    from deploy.model import load
    from deploy.targets import TARGETS
    from lsnn_neuro.network import kernel
    from quantize.design_rules import check
    from quantize.network import SPIKES, value_range

    if path is None and not system:
        raise click.UsageError("give a PATH or --system")
    result: dict[str, Any] = {}
    if system:
        reasons = {name: TARGETS[name]().unavailable() for name in TARGETS}
        result |= {
            "kernel": kernel.description(),
            "versions": versions(),
            "targets": {k: v or "ready" for k, v in reasons.items()},
        }
    if path is not None:
        model = load(path)
        quantized = model.integers
        result |= _described(model)
        spikes: tuple[Any, ...] = ()
        values = SPIKES
        if model.artifact is not None:
            spikes = (model.artifact.inputs, model.artifact.golden)
            values = value_range(model.artifact.inputs)
        found = resources(quantized, load_chip(chip), *spikes)
        violations = [*check(quantized, values), *found.violations]
        result["violations"] = [str(violation) for violation in violations]
        result |= {"resources": resources_json(found)} if as_json else resources_lines(found)
    _show(result, as_json)
    if path is not None and found.violations:
        raise LSNNError(f"design rule {found.violations[0]}")


@main.command()
@click.argument("path", type=EXISTING)
@click.option("--to", type=click.Choice(("nir", "netx")), required=True, help="Format.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True,
              help="File to write.")  # fmt: skip
@click.option("--extended", is_flag=True, help="nir: carry what the format can't say, for lsnn-neuro "
              "alone to read, instead of refusing it.")  # fmt: skip
@overwrite_option
def convert(path: Path, to: str, out: Path, extended: bool, overwrite: bool) -> None:
    """Write the integer network at PATH (run, checkpoint, artifact, network file) for other tools.

    What the format can't say is refused by name and value. For netx a run or checkpoint is quantized anew,
    with 7-bit weights without exponents, since netx knows no others; artifacts and network files are
    written as they are.

    \b
    Example:
      lsnn-neuro convert artifacts/first --to nir --out first.nir --extended
    """
    from deploy.interchange import netx, nir
    from deploy.model import load

    _check_new(out, overwrite)
    network = load(path, for_netx=to == "netx").integers
    if to == "nir":
        nir.save(network, out, extended=extended)
    elif extended:
        raise LSNNError("--extended is for nir; netx would run another network, so it refuses")
    else:
        netx.save(network, out)
    click.echo(f"{out}: {network.n_synapses} synapses")


@main.command("import")
@click.argument("form", metavar="FORMAT", type=click.Choice(("loihi1-lsnn", "netx", "nir")))
@click.argument("path", type=EXISTING)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True,
              help="Network file to write.")  # fmt: skip
@click.option(
    "--recipe", help="Built-in recipe that names its task, for evaluate, parity and export."
)
@overwrite_option
def import_(form: str, path: Path, out: Path, recipe: str | None, overwrite: bool) -> None:
    """Make a network file, for evaluate, inspect, parity and export, out of what was made elsewhere.

    \b
    FORMAT and PATH:
      loihi1-lsnn  folder with the LSNN that was published for Loihi 1, as NumPy arrays
      netx         HDF5 file of lava-dl: one of ours as it was, or what slayer exported
      nir          NIR graph: one of ours as it was, or a foreign one of LIF neurons, quantized now
    \b
    Example:
      lsnn-neuro import nir other.nir --out other.safetensors --recipe smnist-1ms
    """
    from deploy.interchange import loihi1, netx, nir
    from lsnn_neuro.recipe import load_recipe
    from quantize import file_format

    _check_new(out, overwrite)
    network = {"loihi1-lsnn": loihi1.load, "netx": netx.load, "nir": nir.load}[form](path)
    if recipe is not None:
        name = load_recipe(recipe).name
        network = replace(network, provenance=replace(network.provenance, recipe=name))
    file_format.save(network, out)
    click.echo(f"{out}: {network.n_synapses} synapses")


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


def _described(model: Model) -> dict[str, Any]:
    """What a network is, and what became of it where it was quantized now."""
    network = model.integers
    found: dict[str, Any] = {"recipe": network.provenance.recipe}
    if model.checkpoint is not None:
        progress = model.checkpoint.progress
        found["recipe"] = model.recipe.to_dict("json")
        found["progress"] = {k: v for k, v in progress.items() if k != "rng"}
    found["synapses"] = network.n_synapses
    losses = asdict(model.report) if model.report else None
    if model.artifact is not None:
        losses = model.artifact.manifest.get("conversion")
    if losses is not None:
        return found | {
            "populations": [_population_json(p) for p in losses["populations"]],
            "projections": losses["projections"],
        }
    return found | {
        "populations": [
            {"name": p.name, "neurons": p.size, "neuron": p.neuron.name}
            for p in network.populations
        ],
        "projections": [
            {"name": p.name, "synapses": p.n_synapses, "weight_exp": p.weight_exp}
            for p in network.projections
        ],
    }


def _population_json(losses: Mapping[str, Any]) -> dict[str, Any]:
    """What became of a population; a time constant is a pair, wanted and got, in ms."""
    values = {k: v for k, v in losses.items() if k != "time_constants" and v is not None}
    return values | {t["name"]: (t["wanted"], t["got"]) for t in losses["time_constants"]}


def _chosen_target(named: str | None, model: Model, options: tuple[str, ...]) -> Target:
    """The target that a user names, else that of an artifact, else the emulator."""
    if named is not None:
        return _target_of_user(named, options)
    return _target_of_file(model.artifact.target if model.artifact else DEFAULT_TARGET, options)


def _target_of_user(name: str, options: tuple[str, ...]) -> Target:
    """The target that a user names, or why it can't run here."""
    from deploy.targets import target_of_user

    return _ready(target_of_user(name), options)


def _target_of_file(name: str, options: tuple[str, ...]) -> Target:
    """The same of a name in a file, which stands for what is in the table and nothing else."""
    from deploy.targets import get_target

    return _ready(get_target(name), options)


def _ready(target: Target, options: tuple[str, ...]) -> Target:
    from deploy.targets import with_options

    target = with_options(target, options)
    reason = target.unavailable()
    if reason:
        raise LSNNError(f"{target.name}: {reason}")
    return target


def _check_samples(model: Model, split: Any, samples: int | None, task: Task | None = None) -> None:
    """Refuse more samples than there are; ``task``: the model's, or it with other data."""
    if samples is None:
        return
    task = task or model.task
    if samples > task.n_samples(split):
        raise LSNNError(
            f"--samples {samples}: the {split} split of task {task.name!r} has {task.n_samples(split)}"
        )


def _check_new(path: Path, overwrite: bool) -> None:
    """Refuse to write over a file."""
    if path.exists() and not overwrite:
        raise LSNNError(f"{path}: already exists; use --overwrite or another --out")


def _warn(model: Model) -> None:
    """Say which design rules a network breaks, and what was lost, or why it can't be quantized."""
    from quantize.design_rules import check

    if model.network is None:
        if model.spec is not None:  # of an LSTM nobody expects it
            click.echo(f"quantization: {model.why_not}", err=True)
        return
    for violation in check(model.network):
        click.echo(f"design rule {violation}", err=True)
    if model.report is not None:
        _print_flags(model.report.flags())


def _print_flags(flags: Iterable[str]) -> None:
    """Say what was lost beyond the design's limits."""
    for flag in flags:
        click.echo(f"quantization: {flag}", err=True)


def _demand_parity(levels: Mapping[str, Comparison]) -> None:
    """End with an error if a level that must be exact is not."""
    from deploy.report.parity import failed_levels

    failed = failed_levels(levels)
    if failed:
        raise LSNNError(f"no parity: {', '.join(failed)} must be exact and is not")


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
