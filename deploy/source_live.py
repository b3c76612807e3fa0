"""What a framework's own module gives, heard by hooks while it runs: level *source* without a file.

A layer is the submodule that bears its node's name. Exporters write a dot as "_", torch.fx puts a "_" before
a number, and a layer that is a subgraph holds its neurons as ``NAME.lif``: all of these are found. Torch is
all that is known of a framework here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from deploy.imported import Imported
from deploy.interchange.real_inputs import checked_real
from lsnn_neuro.arrays import FloatArray
from lsnn_neuro.errors import DataError


def as_array(inputs: Any, name: str, n_inputs: int) -> FloatArray:
    """Inputs as numbers, (time, sample, ...), of so many inputs; DataError says what is wrong with them."""
    array = np.asarray(inputs.detach().cpu() if isinstance(inputs, torch.Tensor) else inputs)
    several = array.ndim > 3 and array.size
    flat = checked_real(array.reshape(*array.shape[:2], -1) if several else array, name)
    if flat.shape[2] != n_inputs:
        raise DataError(f"{name}: inputs have shape {array.shape}, the network {n_inputs} inputs")
    return flat.reshape(array.shape)


def hear(
    module: nn.Module, inputs: FloatArray, found: Imported, *, play: Callable[[torch.Tensor], object] | None,
    modules: Mapping[str, str], entries: Mapping[str, int],
) -> dict[str, FloatArray]:  # fmt: skip
    """What each layer gives, by node, (time, sample, neuron); see :meth:`.source.SourceRun.of_module`."""
    sizes = {layer.node: found.network.size_of(layer.population) for layer in found.layers}
    for node in (*modules, *entries):
        if node not in sizes:
            raise DataError(f"{node!r} is no layer; there are {', '.join(sizes)}")
    paths = _paths(module, found, modules)
    labels = {node: f"layer {node!r} (submodule {path!r})" for node, path in paths.items()}
    heard: dict[str, list[torch.Tensor]] = {node: [] for node in sizes}
    handles = _kept_in_double(module)
    try:
        for node, values in heard.items():
            hook = _listener(labels[node], values, entries.get(node, 0))
            handles.append(module.get_submodule(paths[node]).register_forward_hook(hook))
        with torch.no_grad():
            x = torch.from_numpy(inputs).to(_like(module))
            play(x) if play is not None else [module(now) for now in x]
    finally:
        for handle in handles:
            handle.remove()
    n_steps, n_samples = inputs.shape[:2]
    return {
        node: _in_steps(labels[node], values, n_steps, n_samples, sizes[node])
        for node, values in heard.items()
    }


def _paths(module: nn.Module, found: Imported, told: Mapping[str, str]) -> dict[str, str]:
    """The submodule of each layer's node."""
    names = [str(path) for path, _ in module.named_modules() if path]
    for node, path in told.items():
        if path not in ("", *names):
            raise DataError(f"layer {node!r}: there is no submodule {path!r}")
    silent = {p.name for p in found.network.readouts}
    paths = {
        layer.node: told[layer.node]
        if layer.node in told
        else _path(layer.node, names, whole=layer.population in silent)
        for layer in found.layers
    }
    for path in paths.values():
        same = [node for node in paths if paths[node] == path]
        if len(same) > 1:
            raise DataError(f"layers {same}: would all be submodule {path!r}; say which: modules=")
    return paths


def _path(node: str, names: list[str], *, whole: bool) -> str:
    """The one submodule that bears a node's name.

    - whole: whether it is the whole module where there is none, as of what is read behind the last neurons
    """
    said, name = f"say which it is: modules={{{node!r}: PATH}}", node
    while name:
        found = [n for n in names if n == name] or [n for n in names if _plain(n) == _plain(name)]
        if len(found) == 1:
            return found[0]
        if found:
            raise DataError(f"layer {node!r}: could be submodule {' or '.join(found)}; {said}")
        name = name.rpartition(".")[0]
    if whole:
        return ""
    raise DataError(f"layer {node!r}: no submodule bears its name, of {', '.join(names)}; {said}")


def _plain(name: str) -> str:
    return re.sub(r"\W", "_", name).strip("_")


def _listener(label: str, heard: list[torch.Tensor], entry: int) -> Callable[..., None]:
    """A hook that keeps what a module gives; of several things, one."""

    def listen(module: nn.Module, given: Any, output: Any) -> None:
        if isinstance(output, tuple | list):
            if entry not in range(len(output)):
                raise DataError(f"{label}: gives {len(output)} things, none is number {entry}")
            output = output[entry]
        if not isinstance(output, torch.Tensor):
            raise DataError(f"{label}: gives a {type(output).__name__}, expected a tensor")
        dense = output.detach() if output.layout == torch.strided else output.detach().to_dense()
        heard.append(dense.to("cpu", torch.float64, copy=True))

    return listen


def _like(module: nn.Module) -> torch.Tensor:
    """A tensor of the module's own precision, where its parameters are."""
    own = (p for p in nn.Module.parameters(module) if p.is_floating_point())  # rockpool has its own
    return next(own, torch.zeros(0))


def _kept_in_double(module: nn.Module) -> list[RemovableHandle]:
    """Hooks that keep a module of double precision in it: frameworks make 32-bit spikes of everything."""
    if _like(module).dtype != torch.float64:
        return []

    def double(value: Any) -> Any:
        real = isinstance(value, torch.Tensor) and value.is_floating_point()
        return value.double() if real else value

    def cast(module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(map(double, given))

    return [part.register_forward_pre_hook(cast) for _, part in module.named_modules()]


def _in_steps(
    label: str, values: list[torch.Tensor], n_steps: int, n_samples: int, size: int
) -> FloatArray:
    """One value a step, or all at once in either order of time and sample, as (time, sample, neuron)."""
    if len(values) not in (1, n_steps):
        raise DataError(
            f"{label}: ran {len(values)} times, expected once in each of {n_steps} steps, or once for all; "
            "give play=, which takes the inputs (time, sample, ...)"
        )
    at_once = n_steps > 1 and len(values) == 1
    whole = values[0] if at_once else torch.stack(values)
    if at_once and whole.shape[:2] == (n_samples, n_steps):
        if n_samples == n_steps:
            raise DataError(
                f"{label}: gives shape {tuple(whole.shape)}, of which time could be the first or the second; "
                "take another number of samples"
            )
        whole = whole.transpose(0, 1)
    if whole.shape[:2] != (n_steps, n_samples) or whole[0, 0].numel() != size:
        raise DataError(
            f"{label}: gives shape {tuple(whole.shape)}, expected {n_steps} steps, {n_samples} samples and "
            f"{size} neurons"
        )
    return np.asarray(whole.reshape(n_steps, n_samples, size).numpy(), np.float64)
