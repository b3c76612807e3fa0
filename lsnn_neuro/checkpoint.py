"""Checkpoints: a network's parameters and the recipe that made them, in one safetensors file.

A run folder holds two: ``best.safetensors`` (best on the validation split) and ``last.safetensors``,
which also carries optimizer and random-number state, so that a resumed run continues exactly.

The second one is dense and exact. The first one only needs to be the same network, so it lists the
active synapses of each matrix and leaves the dormant ones out:

- index: place in the flattened (target, source) matrix, ascending, shape (synapse,)
- weight: w, whose sign is the synapse's; delay: in steps

Version 1 kept every network dense, version 2 knew no score but accuracy. Their networks can still be
read; their runs can't be resumed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lsnn_neuro import tensor_file
from lsnn_neuro.baselines import LSTM
from lsnn_neuro.errors import FileFormatError
from lsnn_neuro.network import LSNN
from lsnn_neuro.recipe import LSNNConfig, Recipe, parse_recipe
from lsnn_neuro.synapses import Synapses

Array = npt.NDArray[Any]

KIND = "checkpoint"
VERSION, OLDEST = 3, 1
BEST, LAST = "best.safetensors", "last.safetensors"
_PREFIX = "network."


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """A network at one iteration of a run.

    - arrays: the network's tensors by name; in ``last`` also those of optimizer and generators
    - progress: iteration, best validation accuracy and the like; JSON values only
    - n_inputs, n_outputs: the network's, so that it can be read without the task's data; None in
      files from before they were kept
    """

    recipe: Recipe
    arrays: Mapping[str, Array]
    progress: Mapping[str, Any] = field(default_factory=dict)
    n_inputs: int | None = None
    n_outputs: int | None = None

    def save(self, path: Path) -> None:
        """Write atomically."""
        header = {
            "recipe": self.recipe.model_dump(mode="json"), "progress": dict(self.progress),
            "n_inputs": self.n_inputs, "n_outputs": self.n_outputs,
        }  # fmt: skip
        tensor_file.write(path, KIND, VERSION, header, self.arrays)

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read a checkpoint; the recipe inside is checked like any other."""
        header, arrays = tensor_file.read(path, KIND, VERSION, oldest=OLDEST)
        if not {"recipe", "progress"} <= header.keys():
            raise FileFormatError(f"{path}: {KIND} without a recipe or without its progress")
        recipe = parse_recipe(header["recipe"], str(path))
        return cls(
            recipe=recipe, arrays=arrays, progress=header["progress"],
            n_inputs=header.get("n_inputs"), n_outputs=header.get("n_outputs"),
        )  # fmt: skip


def find_checkpoint(path: Path) -> Path:
    """The checkpoint file meant by a path: the file itself, or the best one of a folder."""
    if not path.exists():
        raise FileFormatError(f"{path}: no such file or folder; expected a checkpoint or a run")
    if path.is_dir():
        for name in (BEST, LAST):
            if (path / name).is_file():
                return path / name
        raise FileFormatError(f"{path}: holds neither {BEST} nor {LAST}; has the run started?")
    return path


def build_network(
    recipe: Recipe, n_inputs: int, n_outputs: int, generator: torch.Generator
) -> LSNN | LSTM:
    """Draw the network a recipe asks for."""
    if isinstance(recipe.network, LSNNConfig):
        return LSNN(recipe.network, n_inputs, n_outputs, generator=generator)
    return LSTM(recipe.network, n_inputs, n_outputs, generator=generator)


def network_arrays(network: nn.Module) -> dict[str, Array]:
    """The network's tensors by name, with the prefix ``network.``, every one of them."""
    return {f"{_PREFIX}{name}": to_numpy(t) for name, t in network.state_dict().items()}


def compact_arrays(network: nn.Module) -> dict[str, Array]:
    """The same with matrices of synapses as lists of active ones; see the module's docstring."""
    arrays = network_arrays(network)
    for matrix, synapses in _matrices(network):
        for name in synapses.state_dict():
            del arrays[f"{matrix}.{name}"]
        index = to_numpy(synapses.active().flatten().nonzero().flatten())
        arrays[f"{matrix}.index"] = index.astype(np.uint32)
        arrays[f"{matrix}.weight"] = to_numpy(synapses.weight()).ravel()[index]
        arrays[f"{matrix}.delay"] = to_numpy(synapses.delay).ravel()[index]
    return arrays


def restore_network(
    checkpoint: Checkpoint, path: Path, n_inputs: int, n_outputs: int
) -> LSNN | LSTM:
    """The trained network of a checkpoint; ``path`` names it in errors.

    Dormant synapses that were left out come back as the recipe's seed draws them.
    """
    generator = torch.Generator().manual_seed(checkpoint.recipe.seed)
    network = build_network(checkpoint.recipe, n_inputs, n_outputs, generator)
    arrays = {k: v for k, v in checkpoint.arrays.items() if k.startswith(_PREFIX)}
    for name, array in arrays.items():
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            raise FileFormatError(
                f"{path}: {name.removeprefix(_PREFIX)} holds NaN or infinity; use another checkpoint"
            )
    for matrix, synapses in _matrices(network):
        if f"{matrix}.index" in arrays:
            arrays |= _dense(matrix, synapses, arrays, path)
    state = {
        name.removeprefix(_PREFIX): torch.from_numpy(array.copy()) for name, array in arrays.items()
    }
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise FileFormatError(f"{path}: does not fit its own recipe: {reason}") from error
    return network


def _matrices(network: nn.Module) -> Iterator[tuple[str, Synapses]]:
    """Each matrix of synapses with the name its arrays go by."""
    for name, module in network.named_modules():
        if isinstance(module, Synapses):
            yield f"{_PREFIX}{name}", module


def _dense(matrix: str, drawn: Synapses, arrays: dict[str, Array], path: Path) -> dict[str, Array]:
    """Take a matrix's list of active synapses out of ``arrays``; give what it stands for.

    Signs and delays of dormant synapses are those of the network as ``drawn``.
    """
    label = f"{path}: {matrix.removeprefix(_PREFIX)}"
    try:
        index, weight, delay = (arrays.pop(f"{matrix}.{k}") for k in ("index", "weight", "delay"))
    except KeyError as error:
        raise FileFormatError(f"{label}: does not fit its own recipe: no {error}") from error
    dense = {name: to_numpy(tensor) for name, tensor in drawn.state_dict().items()}
    size = dense["theta"].size
    if not (index.shape == weight.shape == delay.shape and index.ndim == 1):
        raise FileFormatError(
            f"{label}: index, weight and delay have shapes {index.shape}, {weight.shape} and "
            f"{delay.shape}, expected equal ones (synapse,)"
        )
    place = index.astype(np.int64)
    if (np.diff(place) <= 0).any() or (len(place) and not 0 <= place[0] <= place[-1] < size):
        raise FileFormatError(
            f"{label}: does not fit its own recipe: indices must ascend within 0 to {size - 1}"
        )
    theta = np.zeros(dense["theta"].shape, weight.dtype)
    theta.flat[place] = np.abs(weight) if drawn.constrained else weight
    dense["delay"].flat[place] = delay
    if drawn.constrained:
        dense["sign"].flat[place] = np.sign(weight)
    else:
        dense["allowed"] = np.zeros_like(dense["allowed"])
        dense["allowed"].flat[place] = True
    return {f"{matrix}.{name}": array for name, array in (dense | {"theta": theta}).items()}


def to_numpy(tensor: Tensor) -> Array:
    """A copy of a tensor as a NumPy array on the host."""
    array: Array = tensor.detach().cpu().numpy().copy()
    return array
