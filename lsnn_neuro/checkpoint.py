"""Checkpoints: a network's parameters and the recipe that made them, in one safetensors file.

A run folder holds two: ``best.safetensors`` (highest validation accuracy) and ``last.safetensors``,
which also carries optimizer and random-number state, so that a resumed run continues exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor, nn

from lsnn_neuro import tensor_file
from lsnn_neuro.baselines import LSTM
from lsnn_neuro.errors import FileFormatError
from lsnn_neuro.network import LSNN
from lsnn_neuro.recipe import LSNNConfig, Recipe, parse_recipe

Array = npt.NDArray[Any]

KIND = "checkpoint"
VERSION = 1
BEST, LAST = "best.safetensors", "last.safetensors"


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """A network at one iteration of a run.

    - arrays: the network's tensors by name; in ``last`` also those of optimizer and generators
    - progress: iteration, best validation accuracy and the like; JSON values only
    """

    recipe: Recipe
    arrays: Mapping[str, Array]
    progress: Mapping[str, Any] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write atomically."""
        header = {"recipe": self.recipe.model_dump(mode="json"), "progress": dict(self.progress)}
        tensor_file.write(path, KIND, VERSION, header, self.arrays)

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read a checkpoint; the recipe inside is checked like any other."""
        header, arrays = tensor_file.read(path, KIND, VERSION)
        if not {"recipe", "progress"} <= header.keys():
            raise FileFormatError(f"{path}: {KIND} without a recipe or without its progress")
        recipe = parse_recipe(header["recipe"], str(path))
        return cls(recipe=recipe, arrays=arrays, progress=header["progress"])


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
    """The network's tensors by name, with the prefix ``network.``."""
    return {f"network.{name}": to_numpy(t) for name, t in network.state_dict().items()}


def restore_network(
    checkpoint: Checkpoint, path: Path, n_inputs: int, n_outputs: int
) -> LSNN | LSTM:
    """The trained network of a checkpoint; ``path`` names it in errors."""
    network = build_network(checkpoint.recipe, n_inputs, n_outputs, torch.Generator())
    state = {
        name.removeprefix("network."): torch.from_numpy(array.copy())
        for name, array in checkpoint.arrays.items()
        if name.startswith("network.")
    }
    for name, tensor in state.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise FileFormatError(f"{path}: {name} holds NaN or infinity; use another checkpoint")
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise FileFormatError(f"{path}: does not fit its own recipe: {reason}") from error
    return network


def to_numpy(tensor: Tensor) -> Array:
    """A copy of a tensor as a NumPy array on the host."""
    array: Array = tensor.detach().cpu().numpy().copy()
    return array
