"""Commands for files: other tools' networks, models, recipes, data sets, and the shell's completion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from deploy.console import (
    EXISTING,
    FILE,
    FOLDER,
    as_json,
    check_new,
    data_option,
    overwrite,
    show,
    tell,
)


@click.command()
@click.argument("path", type=EXISTING)
@click.option("--to", type=click.Choice(("nir", "netx")), required=True, help="Format.")
@click.option("--out", type=FILE, required=True, help="File to write.")
@click.option("--extended", is_flag=True, help="nir: with the integer network itself inside, for "
              "lsnn-neuro alone to read, and so with what the format can't say.")  # fmt: skip
@overwrite
def convert(path: Path, to: str, out: Path, extended: bool, overwrite: bool) -> None:
    """Write the integer network at PATH (run, checkpoint, artifact, network file) for other tools.

    What the format can't say is refused by name and value. For netx a run or checkpoint is quantized anew,
    with 7-bit weights without exponents, since netx knows no others; artifacts and network files are
    written as they are.

    \b
    Example:
      lsnn-neuro convert artifacts/first --to nir --out first.nir --extended
    """
    from deploy.interchange import PLAIN_WEIGHTS, write_network
    from deploy.model import load

    check_new(out, overwrite)
    network = load(path, for_netx=to in PLAIN_WEIGHTS).integers
    write_network(network, to, out, extended=extended)
    click.echo(f"{out}: {network.n_synapses} synapses")


class ImageShape(click.ParamType):  # type: ignore[type-arg]  # older clicks can't be subscripted
    """The shape of images: channels, rows and columns."""

    name = "shape"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Three whole numbers; a usage error over anything else."""
        words = str(value).split(",")
        if len(words) != 3 or not all(w.isdecimal() and len(w) < 10 for w in words):
            self.fail(f"{value!r} is no shape of images, expected C,H,W such as 2,34,34")
        return tuple(map(int, words))


NIR_OPTIONS = (
    click.option("--from", "dialect", metavar="NAME", help="nir: which framework wrote it (snntorch, "
                 "norse, sinabs, rockpool, spikingjelly, lsnn-neuro; nir: none, as NIR says); by default "
                 "guessed."),
    click.option("--dt", type=float, metavar="MS", help="nir: length of a step, in the file's time."),
    click.option("--integration", type=click.Choice(("exponential", "euler")),
                 help="nir: how a step integrates, in place of the dialect's way."),
    click.option("--reset", metavar="WORD", help="nir: what a spike does, in the framework's words."),
    click.option("--one-spike", is_flag=True, help="nir: neurons send one spike a step, or are taken "
                 "so, where a framework's may send several."),
    click.option("--put", multiple=True, metavar="[NODE.]FIELD=VALUE", help="nir: give back what the "
                 "file has lost; VALUE is a number, true, false, a word or FILE.npy."),
    click.option("--input-scale", type=float, metavar="X", help="nir: what an input event of 1 stands "
                 "for, where inputs are real numbers."),
    click.option("--inputs", type=FILE, metavar="FILE", help="nir: inputs as the framework has them "
                 "(.npz, .npy): chooses the input scale, and measures what --one-spike loses."),
)  # fmt: skip


def nir_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say how a NIR file is to be read."""
    for option in reversed(NIR_OPTIONS):
        command = option(command)
    return command


@click.command("import")
@click.argument("form", metavar="FORMAT", type=click.Choice(("loihi1-lsnn", "netx", "nir")))
@click.argument("path", type=EXISTING)
@click.option("--out", type=FILE, required=True, help="File to write.")
@click.option(
    "--recipe", help="Built-in recipe of its task, for evaluate, parity, report and export."
)
@click.option("--input-shape", type=ImageShape(), metavar="C,H,W", help="netx: channels, rows and columns "
              "of the images that come in, where the file does not say it.")  # fmt: skip
@nir_options
@overwrite
def import_(
    form: str, path: Path, out: Path, recipe: str | None, overwrite: bool, put: tuple[str, ...],
    inputs: Path | None, **reading: Any,
) -> None:  # fmt: skip
    """Make a network file of a network that was made elsewhere.

    inspect and convert take it as it is; evaluate wants a task too (--recipe here, or --task), parity, report
    and export a task or --inputs. `train --start` trains it on.

    \b
    FORMAT and PATH:
      loihi1-lsnn  folder with the LSNN that was published for Loihi 1, as NumPy arrays
      netx         HDF5 file of lava-dl: one of ours as it was, or what slayer exported
      nir          NIR graph: one of ours as it was, or a foreign one, in float and in integers
    \b
    Examples:
      lsnn-neuro import nir other.nir --from snntorch --reset zero --out other.safetensors
      lsnn-neuro import nir other.nir --from nir --dt 0.1 --out other.safetensors --recipe smnist-1ms
      lsnn-neuro import netx slayer.net --out other.safetensors
    """
    from deploy.interchange import read_network
    from deploy.interchange.reading import put_of_user
    from deploy.interchange.real_inputs import measure, read_real, rounded_events, scale_of
    from deploy.tasks import with_recipe

    check_new(out, overwrite)
    given = None if inputs is None else read_real(inputs)
    if given is not None and reading["input_scale"] is None:
        reading["input_scale"] = scale_of(given)
    if given is not None:
        reading["largest_event"] = int(np.abs(rounded_events(given, reading["input_scale"])).max())
    found = read_network(form, path, put=put_of_user(put), **reading)
    if recipe is not None:
        found = replace(found, network=with_recipe(found.network, recipe))
    tell(found.notes)
    if given is not None:
        tell(measure(found, given, several=reading["one_spike"]))
    tell(f"quantization: {flag}" for flag in (found.report.flags() if found.report else ()))
    found.save(out)
    click.echo(f"{out}: {found.network.n_synapses} synapses")


@click.command()
@click.argument("name", required=False)
@click.option("--set", "overrides", multiple=True, metavar="FIELD=VALUE", help="See train.")
def recipe(name: str | None, overrides: tuple[str, ...]) -> None:
    """Show the recipe NAME (.toml file or built-in) with every field and what it means.

    Without NAME: the names of the built-in recipes.

    \b
    Example:
      lsnn-neuro recipe smnist-rows
    """
    from lsnn_neuro.recipe import built_in, load_recipe
    from lsnn_neuro.recipe_page import explained

    click.echo("\n".join(built_in()) if name is None else explained(load_recipe(name, overrides)))


@click.command()
@click.argument("run", type=EXISTING)
@click.option("--out", type=FOLDER, required=True, help="Folder to write, e.g. models/NAME.")
@click.option("--lava-samples", type=click.IntRange(min=0), default=16, show_default=True,
              help="Test samples that Lava's graph runs too; 0 leaves parity level P2 out.")  # fmt: skip
@data_option
@overwrite
@as_json
def publish(
    run: Path, out: Path, lava_samples: int, data: str | None, overwrite: bool, as_json: bool
) -> None:
    """Make a small folder out of the finished RUN: network, recipe, log, and a card.

    The card says what the network reaches on the complete test set, in float and on integers. So publish
    when nothing is left to choose; until then `evaluate --split validation` leaves the test set alone.

    \b
    Example:
      lsnn-neuro publish runs/smnist-1ms --out models/smnist-1ms
    """
    from deploy.publishing.folder import publish as make_model
    from lsnn_neuro.silence import silence

    card = make_model(run, out, lava_samples=lava_samples, data=data, overwrite=overwrite)
    tell(silence(card.integers.rates_hz, "the test split") if card.integers else ())
    show({"model": str(out), **card.model_dump(mode="json")}, as_json)


@click.group()
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


@click.command()
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
    main = click.get_current_context().find_root().command
    click.echo(complete(main, {}, "lsnn-neuro", "_LSNN_NEURO_COMPLETE").source())
