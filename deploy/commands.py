"""Commands for files: other tools' networks, recipes, data sets, and the shell's completion."""

from __future__ import annotations

from pathlib import Path

import click

from deploy.console import EXISTING, FILE, check_new, overwrite


@click.command()
@click.argument("path", type=EXISTING)
@click.option("--to", type=click.Choice(("nir", "netx")), required=True, help="Format.")
@click.option("--out", type=FILE, required=True, help="File to write.")
@click.option("--extended", is_flag=True, help="nir: carry what the format can't say, for lsnn-neuro "
              "alone to read, instead of refusing it.")  # fmt: skip
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


@click.command("import")
@click.argument("form", metavar="FORMAT", type=click.Choice(("loihi1-lsnn", "netx", "nir")))
@click.argument("path", type=EXISTING)
@click.option("--out", type=FILE, required=True, help="Network file to write.")
@click.option("--recipe", help="Built-in recipe of its task, for evaluate, parity and export.")
@overwrite
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
    from deploy.interchange import read_network
    from deploy.tasks import with_recipe
    from quantize import file_format

    check_new(out, overwrite)
    network = read_network(form, path)
    network = network if recipe is None else with_recipe(network, recipe)
    file_format.save(network, out)
    click.echo(f"{out}: {network.n_synapses} synapses")


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
