"""What a path holds, read once: ``load(path)`` is the one way in for every command."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from deploy.artifact import SOURCE, Artifact, load_artifact
from deploy.imported import Imported
from deploy.manifest import GOLDEN, MANIFEST, NETWORK
from lsnn_neuro import __version__
from lsnn_neuro.checkpoint import BEST, LAST, Checkpoint, find_checkpoint, module_of
from lsnn_neuro.errors import DataError, FileFormatError, NetworkError, RecipeError
from lsnn_neuro.files import IMPORTED, kind_of, sha256
from lsnn_neuro.network.spec import NetworkSpec
from lsnn_neuro.places import is_default_place
from lsnn_neuro.recipe import Recipe, built_in, load_recipe
from lsnn_neuro.tasks import as_trained, make_task
from lsnn_neuro.tasks.encoder import EncoderConstants
from lsnn_neuro.tasks.task import Task
from quantize import file_format
from quantize.conversion import convert
from quantize.conversion_report import ConversionReport
from quantize.loihi import WEIGHT_BITS, WEIGHT_EXP_MAX
from quantize.network import Provenance, QuantizedNetwork

RECIPE = "recipe.toml"


class Model:
    """A network, in integers and in float as far as there are both, and where it comes from.

    ``load`` makes them of files; of networks of one's own: ``Model(network=network, float_network=net)``.

    - network: in integers; None where there is none, and ``why_not`` says why
    - float_network: a torch module; one of a checkpoint is read when it is asked for, which needs torch
    - report: what its quantization lost, if that was now
    - path: where it was found; artifact: as which it was exported; checkpoint: of its training, in ``file``
    - imported: in float and in integers as another tool's file had it, in ``file``
    - notes: what a user should know of how it was read
    """

    def __init__(
        self, *, network: QuantizedNetwork | None = None, float_network: Any = None,
        why_not: str = "there is no integer network", report: ConversionReport | None = None,
        path: Path | None = None, recipe: Recipe | None = None, artifact: Artifact | None = None,
        checkpoint: Checkpoint | None = None, imported: Imported | None = None,
        file: Path | None = None, notes: Iterable[str] = (),
    ):  # fmt: skip
        self.network, self.why_not, self.report = network, why_not, report
        self.path, self.artifact, self.checkpoint, self.file = path, artifact, checkpoint, file
        self.known_recipe, self.notes, self.imported = recipe, tuple(notes), imported
        self._float_network = float_network

    @property
    def name(self) -> str:
        """What messages call it."""
        return "the network" if self.path is None else str(self.path)

    @property
    def integers(self) -> QuantizedNetwork:
        """The integer network; NetworkError where there is none."""
        if self.network is None:
            raise NetworkError(self.why_not)
        return self.network

    @property
    def has_float(self) -> bool:
        """Whether a float network is known."""
        return (
            self._float_network is not None or self.checkpoint is not None or self.spec is not None
        )

    @property
    def float_network(self) -> Any:
        """The trained network as a torch module; None where only integers are known."""
        if self._float_network is None and self.checkpoint is not None and self.file is not None:
            self._float_network = self.checkpoint.network(self.file)
        elif self._float_network is None and self.spec is not None:
            self._float_network = module_of(self.spec)
        return self._float_network

    @property
    def spec(self) -> NetworkSpec | None:
        """The float network, if a checkpoint or an imported network's file holds it and it spikes."""
        if self.imported is not None:
            return self.imported.spec
        return None if self.checkpoint is None else self.checkpoint.spec

    @property
    def class_names(self) -> tuple[str, ...]:
        """What its outputs stand for, as far as that is known."""
        if self.artifact is not None and self.artifact.class_names:
            return self.artifact.class_names
        return () if self.checkpoint is None else self.checkpoint.class_names

    @property
    def encoder_constants(self) -> EncoderConstants | None:
        """What made its inputs in training, as far as that is known."""
        if self.artifact is not None and self.artifact.encoder_constants is not None:
            return self.artifact.encoder_constants
        return None if self.checkpoint is None else self.checkpoint.encoder

    @property
    def recipe(self) -> Recipe:
        """The recipe, which names the task; RecipeError where it is not known."""
        if self.known_recipe is None:
            raise RecipeError(
                f"{self.name}: its task is not known; name one (--task RECIPE); parity, report and export "
                "take inputs without a task too (--inputs FILE, or --inputs random)"
            )
        return self.known_recipe

    @cached_property
    def task(self) -> Task:
        """The task. Reads its data, which the network itself does not need.

        A file may not say which of its user's folders is opened: only the places that the package's own
        recipes name are, else DataError asks for ``--data``.
        """
        if (place := self.place_to_name) is not None:
            raise DataError(
                f"{self.name}: its recipe reads {place!r}; files open no folders by themselves, so name it, "
                f"wherever it is now: --data {shlex.quote(place)}"
            )
        return self.with_task(make_task(self.recipe.task))

    @property
    def place_to_name(self) -> str | None:
        """Where its recipe has its data from, if that is a place which users have to name."""
        config = self.recipe.task
        place = getattr(config, "data", None)
        default = place is None or is_default_place(config, self.recipe.name)
        return None if default else str(place)

    def with_task(self, task: Task) -> Task:
        """A task with what the network's encoder learnt in training, and with its own classes, in its order.

        DataError where that can't be.
        """
        constants, encoder = self.encoder_constants, task.encoder
        if constants is None and encoder is not None and encoder.arrays() and self._moved(task):
            said = (
                f"{self.name}: an older release wrote it, without the constants of its encoder; they are "
                "computed from these data, which changes inputs"
            )
            self.notes = tuple(dict.fromkeys([*self.notes, said]))
        trained: Task = as_trained(task, constants, self.class_names)
        return trained

    def _moved(self, task: Task) -> bool:
        """Whether a task reads other data than the recipe says, as far as that is known."""
        theirs, ours = (
            getattr(config, "data", None)
            for config in (
                getattr(task, "config", None),
                self.known_recipe and self.known_recipe.task,
            )
        )
        return theirs != ours


Network = Model | Imported | QuantizedNetwork
"""What ``load`` and ``from_nir`` give, or integers alone."""


def model_of(given: Network) -> Model:
    """A model as it is, or of a network; NetworkError says what to give for anything else."""
    if isinstance(given, Model):
        return given
    if isinstance(given, Imported):
        return Model(network=given.network, report=given.report, imported=given)
    if isinstance(given, QuantizedNetwork):
        return Model(network=given)
    raise NetworkError(
        f"model is a {type(given).__name__}, expected what deploy.load(path) or deploy.from_nir(graph) "
        "gives, deploy.Model(network=..., float_network=...), or an integer network of quantize.convert"
    )


def load(path: Path | str, *, weight_bits: int | None = None, for_netx: bool = False) -> Model:
    """What a path holds: an artifact, an integer network, or a run, model or checkpoint, quantized now.

    - weight_bits: width of the weights of what is quantized now; by default the one it was trained for
    - for_netx: then its weights are as netx has them, even and without exponents
    """
    path = Path(path)
    if (path / MANIFEST).is_file():
        found = _of_artifact(path)
    elif any((path / name).is_file() for name in (NETWORK, GOLDEN)):
        raise FileFormatError(f"{path}: an artifact without its {MANIFEST}; export it again")
    elif path.is_file() and kind_of(path) == file_format.KIND.name:
        network = file_format.load(path)
        name = network.provenance.recipe
        recipe = load_recipe(name) if name in built_in() else None
        found = Model(path=path, network=network, recipe=recipe)
    elif path.is_file() and kind_of(path) == IMPORTED.name:
        found = _of_import(path)
    else:
        return _of_run(
            path, WEIGHT_BITS - 1 if for_netx else weight_bits, 0 if for_netx else WEIGHT_EXP_MAX
        )
    if weight_bits is not None:
        raise NetworkError(f"{path}: is quantized already; leave --weight-bits out")
    return found


def _of_import(path: Path) -> Model:
    """A network that another tool made, as ``import`` wrote it."""
    imported = Imported.load(path)
    name = imported.network.provenance.recipe
    recipe = load_recipe(name) if name in built_in() else None
    return Model(
        path=path, network=imported.network, report=imported.report, imported=imported, recipe=recipe,
        file=path,
    )  # fmt: skip


def _of_artifact(path: Path) -> Model:
    """An artifact, every file of it checked; float as it was when that is inside."""
    artifact, file = load_artifact(path), path / BEST
    checked = artifact.manifest["sha256"]  # what stands beside it unlisted is not part of it
    if BEST in checked:
        checkpoint = Checkpoint.load(file)
        return Model(
            path=path, network=artifact.network, artifact=artifact, checkpoint=checkpoint, file=file,
            recipe=checkpoint.recipe,
        )  # fmt: skip
    recipe = load_recipe(str(path / RECIPE)) if RECIPE in checked else None
    imported = Imported.load(path / SOURCE) if SOURCE in checked else None
    return Model(
        path=path, network=artifact.network, artifact=artifact, recipe=recipe, imported=imported,
        file=None if imported is None else path / SOURCE,
    )  # fmt: skip


def _of_run(path: Path, weight_bits: int | None, max_exp: int) -> Model:
    """The best network of a run or model, or the one of a checkpoint."""
    file = find_checkpoint(path)
    checkpoint = Checkpoint.load(file)
    recipe = checkpoint.recipe
    network, report, why_not = None, None, ""
    notes = [] if path == file else _edited(path / RECIPE, recipe)
    if checkpoint.is_untrained:
        notes.append(
            f"{path}: was never trained: this is the network that its run began with, iteration 0 of "
            f"{recipe.training.iterations}"
        )
    elif (file.name == LAST and path != file) or checkpoint.never_validated:
        notes.append(
            f"{path}: was never validated; this is the network of iteration "
            f"{checkpoint.progress.get('iteration', 0)} of {recipe.training.iterations}"
        )
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
        path=path, network=network, report=report, why_not=why_not, recipe=recipe,
        checkpoint=checkpoint, file=file, notes=notes,
    )  # fmt: skip


def _edited(file: Path, trained: Recipe) -> list[str]:
    """What is to be said of a recipe beside a checkpoint that is not the one it was trained by."""
    if not file.is_file():
        return []
    try:
        beside = load_recipe(str(file))
    except RecipeError as error:
        return [f"{error}; the recipe inside the checkpoint counts"]
    ours, theirs = (
        _flat({name: r.to_dict("json")[name] for name in ("task", "network")})
        for r in (trained, beside)
    )
    changed = [f for f in ours | theirs if ours.get(f) != theirs.get(f)]
    return [
        f"{file}: {field} is {theirs.get(field)!r}, but the network was trained with {ours.get(field)!r}, "
        "which counts unless --data or --task says another"
        for field in changed[:1]
    ]


def _flat(fields: Mapping[str, Any], within: str = "") -> dict[str, Any]:
    """Fields by their whole names."""
    found: dict[str, Any] = {}
    for name, value in fields.items():
        found |= (
            _flat(value, f"{within}{name}.") if isinstance(value, dict) else {within + name: value}
        )
    return found
