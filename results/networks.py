"""What a path holds: a trained network, an integer network, and the recipe that names its task."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from deploy.artifact import MANIFEST, load_artifact
from lsnn_neuro import __version__
from lsnn_neuro.checkpoint import BEST, Checkpoint, find_checkpoint
from lsnn_neuro.errors import NetworkError, RecipeError
from lsnn_neuro.files import kind_of, sha256
from lsnn_neuro.network.lstm import LSTM
from lsnn_neuro.network.module import SpikingNetwork
from lsnn_neuro.network.spec import NetworkSpec
from lsnn_neuro.recipe import Recipe, built_in, load_recipe
from lsnn_neuro.tasks import make_task
from quantize import file_format
from quantize.conversion import convert
from quantize.conversion_report import ConversionReport
from quantize.loihi import WEIGHT_BITS, WEIGHT_EXP_MAX
from quantize.network import Provenance, QuantizedNetwork


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """A trained network; ``file`` is where it was read from."""

    file: Path
    checkpoint: Checkpoint

    @property
    def recipe(self) -> Recipe:
        """What it was trained by."""
        return self.checkpoint.recipe

    @cached_property
    def task(self) -> Any:
        """What it was trained on. Reads the data, which the network itself does not need."""
        return make_task(self.recipe.task)

    @cached_property
    def network(self) -> SpikingNetwork | LSTM:
        """The network itself."""
        return self.checkpoint.network(self.file)

    @property
    def weight_bits(self) -> int:
        """The width of weights it was trained for."""
        trained_for = self.recipe.section("quantization")
        return trained_for.weight_bits if trained_for else WEIGHT_BITS

    @property
    def spikes(self) -> bool:
        """Whether its neurons spike, so that it can be quantized."""
        return self.checkpoint.spec is not None

    @property
    def spec(self) -> NetworkSpec:
        """The network's spec, or an error if it is none that could run on Loihi."""
        if self.checkpoint.spec is None:
            raise NetworkError(
                f"{self.file}: an LSTM can't be quantized; only spiking networks run on Loihi"
            )
        return self.checkpoint.spec

    @property
    def spiking_network(self) -> SpikingNetwork:
        """The network as one that spikes, or the same error."""
        return SpikingNetwork(self.spec)

    def quantized(
        self, weight_bits: int | None = None, *, max_exp: int = WEIGHT_EXP_MAX
    ) -> tuple[QuantizedNetwork, ConversionReport]:
        """The integer network and what was lost; by default as wide as it was trained for.

        ``max_exp``: largest exponent of weights.
        """
        provenance = Provenance(
            checkpoint_sha256=sha256(self.file),
            recipe=self.recipe.name,
            tool_version=__version__,
        )
        bits = weight_bits or self.weight_bits
        return convert(self.spec, weight_bits=bits, max_exp=max_exp, provenance=provenance)


def load_trained(path: Path) -> Trained:
    """The best network of a run, a model or an artifact, or the one of a checkpoint file."""
    file = find_checkpoint(path)
    return Trained(file=file, checkpoint=Checkpoint.load(file))


def load_imported(path: Path) -> QuantizedNetwork | None:
    """The integer network that was made elsewhere, if a path is its file or its artifact."""
    if (path / MANIFEST).is_file() and not (path / BEST).is_file():
        return load_artifact(path).network
    return file_format.load(path) if kind_of(path) == file_format.KIND.name else None


def load_quantized(
    path: Path, *, for_netx: bool = False
) -> tuple[QuantizedNetwork, ConversionReport | None]:
    """The integer network of an artifact or a network file, or a run's network quantized now.

    Of what is quantized now also what was lost. ``for_netx``: it gets weights as netx has them, even and
    without exponents.
    """
    if (path / MANIFEST).is_file():
        return load_artifact(path).network, None
    if (imported := load_imported(path)) is not None:
        return imported, None
    trained = load_trained(path)
    return trained.quantized(WEIGHT_BITS - 1, max_exp=0) if for_netx else trained.quantized()


def load_recipe_of(path: Path) -> Recipe:
    """The recipe of a run, checkpoint or artifact, or of a network file: it names the task."""
    imported = load_imported(path)
    if imported is None:
        return Checkpoint.load(find_checkpoint(path)).recipe
    name = imported.provenance.recipe
    if name not in built_in():
        raise RecipeError(
            f"{path}: its recipe is {name!r}, none of the built-in ones, so its task is not known; "
            "export the run or checkpoint it came from"
        )
    return load_recipe(name)
