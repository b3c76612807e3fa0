"""What a path holds, read once: ``load(path)`` is the one way in for every command."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from deploy.artifact import GOLDEN, MANIFEST, NETWORK, Artifact, load_artifact
from lsnn_neuro import __version__
from lsnn_neuro.checkpoint import BEST, Checkpoint, find_checkpoint
from lsnn_neuro.errors import FileFormatError, NetworkError, RecipeError
from lsnn_neuro.files import kind_of, sha256
from lsnn_neuro.network.spec import NetworkSpec
from lsnn_neuro.recipe import Recipe, built_in, load_recipe
from lsnn_neuro.tasks import make_task
from lsnn_neuro.tasks.task import Task
from quantize import file_format
from quantize.conversion import convert
from quantize.conversion_report import ConversionReport
from quantize.loihi import WEIGHT_BITS, WEIGHT_EXP_MAX
from quantize.network import Provenance, QuantizedNetwork

RECIPE = "recipe.toml"


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A network, in integers and in float as far as there are both, and where it comes from.

    - network: None where there is none, and ``why_not`` says why
    - report: what its quantization lost, if that was now
    - artifact: where it was exported; checkpoint: where it was trained; file: the checkpoint's
    """

    path: Path
    network: QuantizedNetwork | None = None
    why_not: str = ""
    report: ConversionReport | None = None
    recipe_found: Recipe | None = None
    artifact: Artifact | None = None
    checkpoint: Checkpoint | None = None
    file: Path | None = None

    @property
    def integers(self) -> QuantizedNetwork:
        """The integer network; NetworkError where there is none."""
        if self.network is None:
            raise NetworkError(self.why_not)
        return self.network

    @cached_property
    def float_network(self) -> Any:
        """The trained network as a torch module; None where only integers are known."""
        if self.checkpoint is None or self.file is None:
            return None
        return self.checkpoint.network(self.file)

    @property
    def spec(self) -> NetworkSpec | None:
        """The trained network, if it spikes."""
        return None if self.checkpoint is None else self.checkpoint.spec

    @property
    def recipe(self) -> Recipe:
        """The recipe, which names the task; RecipeError where it is not known."""
        if self.recipe_found is None:
            assert self.network is not None
            raise RecipeError(
                f"{self.path}: its recipe is {self.network.provenance.recipe!r}, none of the built-in ones, "
                "so its task is not known; export the run or checkpoint it came from"
            )
        return self.recipe_found

    @cached_property
    def task(self) -> Task:
        """The task. Reads its data, which the network itself does not need."""
        task: Task = make_task(self.recipe.task)
        return task


def load(path: Path, *, weight_bits: int | None = None, for_netx: bool = False) -> Model:
    """What a path holds: an artifact, an integer network, or a run, model or checkpoint, quantized now.

    - weight_bits: width of the weights of what is quantized now; by default the one it was trained for
    - for_netx: then its weights are as netx has them, even and without exponents
    """
    if (path / MANIFEST).is_file():
        found = _of_artifact(path)
    elif any((path / name).is_file() for name in (NETWORK, GOLDEN)):
        raise FileFormatError(f"{path}: an artifact without its {MANIFEST}; export it again")
    elif path.is_file() and kind_of(path) == file_format.KIND.name:
        network = file_format.load(path)
        name = network.provenance.recipe
        recipe = load_recipe(name) if name in built_in() else None
        found = Model(path=path, network=network, recipe_found=recipe)
    else:
        return _of_run(
            path, WEIGHT_BITS - 1 if for_netx else weight_bits, 0 if for_netx else WEIGHT_EXP_MAX
        )
    if weight_bits is not None:
        raise NetworkError(f"{path}: is quantized already; leave --weight-bits out")
    return found


def _of_artifact(path: Path) -> Model:
    """An artifact, every file of it checked; float as it was when that is inside."""
    artifact, file = load_artifact(path), path / BEST
    checked = artifact.manifest[
        "sha256"
    ]  # of what stands beside it nobody knows where it comes from
    if BEST in checked:
        checkpoint = Checkpoint.load(file)
        return Model(
            path=path, network=artifact.network, artifact=artifact, checkpoint=checkpoint, file=file,
            recipe_found=checkpoint.recipe,
        )  # fmt: skip
    recipe = load_recipe(str(path / RECIPE)) if RECIPE in checked else None
    return Model(path=path, network=artifact.network, artifact=artifact, recipe_found=recipe)


def _of_run(path: Path, weight_bits: int | None, max_exp: int) -> Model:
    """The best network of a run or model, or the one of a checkpoint."""
    file = find_checkpoint(path)
    checkpoint = Checkpoint.load(file)
    recipe = checkpoint.recipe
    network, report, why_not = None, None, ""
    if checkpoint.spec is None:
        why_not = f"{file}: an LSTM can't be quantized; only spiking networks run on Loihi"
    else:
        trained_for = recipe.section("quantization")
        bits = weight_bits or (trained_for.weight_bits if trained_for else WEIGHT_BITS)
        provenance = Provenance(
            checkpoint_sha256=sha256(file), recipe=recipe.name, tool_version=__version__
        )
        try:
            network, report = convert(
                checkpoint.spec, weight_bits=bits, max_exp=max_exp, provenance=provenance
            )
        except NetworkError as error:
            why_not = str(error)
    return Model(
        path=path, network=network, report=report, why_not=why_not, recipe_found=recipe,
        checkpoint=checkpoint, file=file,
    )  # fmt: skip
