"""Checkpoints: a network and the recipe that made it, in one safetensors file.

A run folder holds two: ``best.safetensors`` (best on the validation split) and ``last.safetensors``,
which also carries the module's tensors, optimizer and random-number state, so that a resumed run continues
exactly. A spiking network stands in the file as a spec (:mod:`lsnn_neuro.network.spec_file`), an LSTM as
its tensors. What older releases wrote is read too, but their runs can't be resumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro import files, migrations
from lsnn_neuro.arrays import whole_number
from lsnn_neuro.errors import FileFormatError
from lsnn_neuro.network import spec_file
from lsnn_neuro.network.spec import INDEX_MAX, NetworkSpec
from lsnn_neuro.recipe import Recipe, parse_recipe
from lsnn_neuro.tasks import as_trained, make_task
from lsnn_neuro.tasks.encoder import EncoderConstants

if TYPE_CHECKING:
    from torch import Tensor, nn

    from lsnn_neuro.network.lstm import LSTM
    from lsnn_neuro.network.module import SpikingNetwork

Array = npt.NDArray[Any]

KIND = files.CHECKPOINT
BEST, LAST = "best.safetensors", "last.safetensors"
_SPEC, _MODULE, _ENCODER = "spec.", "network.", "encoder."


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """A network at one iteration of a run.

    - spec: the network, if it spikes
    - arrays: tensors by name: an LSTM's; in ``last`` the module's, the optimizer's and the generators'
    - progress: iteration, best validation accuracy and the like; JSON values only
    - n_inputs, n_outputs: the network's
    - class_names: what the outputs stand for, where the task's classes have names
    - encoder: what made its inputs in training; None where the task makes them, or an older release wrote it
    - resumable: whether this release wrote it with all that a run needs to go on

    Read with ``Checkpoint.load(find_checkpoint(run))``; FileFormatError over what is none.
    """

    recipe: Recipe
    n_inputs: int
    n_outputs: int
    spec: NetworkSpec | None = None
    arrays: Mapping[str, Array] = field(default_factory=dict)
    progress: Mapping[str, Any] = field(default_factory=dict)
    class_names: tuple[str, ...] = ()
    encoder: EncoderConstants | None = None
    resumable: bool = False

    def save(self, path: Path | str) -> None:
        """Write atomically."""
        header: dict[str, Any] = {
            "recipe": self.recipe.to_dict("json"), "progress": dict(self.progress),
            "n_inputs": self.n_inputs, "n_outputs": self.n_outputs, "resumable": self.resumable,
        }  # fmt: skip
        if self.class_names:
            header["class_names"] = list(self.class_names)
        arrays = dict(self.arrays)
        if self.encoder is not None:
            header["encoder"] = {"name": self.encoder.name, "settings": dict(self.encoder.settings)}
            arrays |= {f"{_ENCODER}{name}": a for name, a in self.encoder.arrays.items()}
        if self.spec is not None:
            header["spec"], packed = spec_file.pack(self.spec)
            arrays |= {f"{_SPEC}{name}": array for name, array in packed.items()}
        files.write(Path(path), KIND, header, arrays)

    @classmethod
    def load(cls, path: Path | str) -> Checkpoint:
        """Read a checkpoint; the recipe and the network inside are checked like any other."""
        path = Path(path)
        found = files.read(path, KIND)
        header, arrays = found.header, found.arrays
        if not all(isinstance(header.get(part), dict) for part in ("recipe", "progress")):
            raise FileFormatError(f"{path}: {KIND.name} without a recipe or without its progress")
        recipe = parse_recipe(header["recipe"], str(path))
        _check_finite(arrays, path)
        with files.parts_of(str(path), KIND.name):
            if found.version < KIND.version:
                return _of_older_release(recipe, header, arrays, path)
            spec = encoder = None
            if "spec" in header:
                spec = spec_file.unpack(header["spec"], _part(arrays, _SPEC))
            if "encoder" in header:
                encoder = EncoderConstants(**header["encoder"], arrays=_part(arrays, _ENCODER))
            others = {k: v for k, v in arrays.items() if not k.startswith((_SPEC, _ENCODER))}
            return cls(
                recipe=recipe, spec=spec, encoder=encoder, progress=header["progress"],
                arrays=migrations.run_state(others),
                n_inputs=_size("n_inputs", header["n_inputs"]),
                n_outputs=_size("n_outputs", header["n_outputs"]),
                class_names=tuple(map(str, header.get("class_names", ()))),
                resumable=header["resumable"] is True,
            )  # fmt: skip

    def network(self, path: Path) -> SpikingNetwork | LSTM:
        """The trained network; ``path`` names the file in errors."""
        if self.spec is not None:
            return module_of(self.spec)
        if self.recipe.network.spiking:
            raise FileFormatError(f"{path}: holds no network, though its recipe says a spiking one")
        import torch

        arrays = self.module_arrays()
        axes = {length for array in arrays.values() for length in array.shape}
        config: Any = self.recipe.network
        if not {self.n_inputs, self.n_outputs, config.units} <= axes:
            raise FileFormatError(f"{path}: has no tensors of the sizes that it says it has")
        generator = torch.Generator().manual_seed(self.recipe.seed)
        network: LSTM = config.build(self.n_inputs, self.n_outputs, generator)
        load_tensors(network, arrays, path)
        return network

    @property
    def never_validated(self) -> bool:
        """Whether its run was not yet scored."""
        return self.resumable and self.progress.get("best") is None

    @property
    def is_untrained(self) -> bool:
        """Whether its run has not made an iteration: the network is as it was drawn, or started from."""
        return self.progress.get("iteration") == 0

    def module_arrays(self) -> dict[str, Array]:
        """The tensors of the module, by their names in it."""
        return _part(self.arrays, _MODULE)

    def as_trained(self, task: Any) -> Any:
        """A task with the encoder's constants and the classes of training; see :mod:`lsnn_neuro.tasks`."""
        return as_trained(task, self.encoder, self.class_names)


def _part(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    """The arrays whose names begin so, without that."""
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


def _size(name: str, value: Any) -> int:
    return whole_number(KIND.name, name, value, 1, INDEX_MAX)


def module_of(spec: NetworkSpec) -> SpikingNetwork:
    """A network as a torch module."""
    from lsnn_neuro.network.module import SpikingNetwork

    return SpikingNetwork(spec)


def _check_finite(arrays: Mapping[str, Array], path: Path) -> None:
    for name, array in arrays.items():
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            raise FileFormatError(
                f"{path}: {name.removeprefix(_MODULE)} holds NaN or infinity; use another checkpoint"
            )


def _of_older_release(
    recipe: Recipe, header: Mapping[str, Any], arrays: Mapping[str, Array], path: Path
) -> Checkpoint:
    """A checkpoint of version 1 to 3, which holds a network's tensors."""
    tensors = {k: v for k, v in arrays.items() if k.startswith(_MODULE)}
    n_inputs, n_outputs = header.get("n_inputs"), header.get("n_outputs")
    if n_inputs is None or n_outputs is None:  # from before they were kept
        n_inputs = getattr(recipe.task, "n_inputs", None)  # known without the task's data
        if n_inputs is None:
            n_inputs = make_task(recipe.task).n_inputs
        n_outputs = len(tensors[f"{_MODULE}bias"])
    spec = None
    if recipe.network.spiking:
        bare = {k.removeprefix(_MODULE): v for k, v in tensors.items()}
        spec, tensors = migrations.checkpoint_spec(recipe.network, bare, n_inputs, str(path)), {}
    return Checkpoint(
        recipe=recipe, spec=spec, arrays=tensors, progress=header["progress"],
        n_inputs=n_inputs, n_outputs=n_outputs,
    )  # fmt: skip


def find_checkpoint(path: Path | str) -> Path:
    """The checkpoint file meant by a path: the file itself, or the best one of a folder."""
    path = Path(path)
    if not path.exists():
        raise FileFormatError(f"{path}: no such file or folder; expected a checkpoint or a run")
    if path.is_dir():
        for name in (BEST, LAST):
            if (path / name).is_file():
                return path / name
        raise FileFormatError(f"{path}: holds neither {BEST} nor {LAST}; has the run started?")
    return path


def module_tensors(network: nn.Module) -> dict[str, Array]:
    """The network's tensors by name, with the prefix ``network.``, every one of them."""
    return {f"{_MODULE}{name}": to_numpy(t) for name, t in network.state_dict().items()}


def load_tensors(network: nn.Module, arrays: Mapping[str, Array], path: Path) -> None:
    """Put tensors into a module, whose every tensor must be there; ``path`` names the file in errors."""
    import torch

    with files.parts_of(str(path), KIND.name):
        state = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise FileFormatError(f"{path}: does not fit its own recipe: {reason}") from error


def to_numpy(tensor: Tensor) -> Array:
    """A copy of a tensor as a NumPy array on the host."""
    array: Array = tensor.detach().cpu().numpy().copy()
    return array
