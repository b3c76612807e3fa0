"""A network drawn at random in a framework, its NIR file, and the spikes that the framework computes.

Runs in a framework's own environment and knows none: the ``drawn_in_*.py`` beside this file do. A folder
of networks holds, for each,

- ``NAME.nir``: as the framework's own exporter writes it
- ``NAME.npz``: ``inputs`` (time, batch, channels), ``spikes_<layer>`` (time, batch, n), ``readout`` where
  there is one, ``lost_<node>.<field>`` for what the exporter drops. Images are flattened in C order.
- its entry in ``meta.json``: code in one line, layers with their nodes, rates, how the file is to be read
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nir
import numpy as np
import torch

STEPS, BATCH = 200, 4
RATES = 0.02, 0.4
"""Allowed share of neurons that spike in a step, for each layer."""
READOUT = "readout"


class TooQuietOrTooLoudError(Exception):
    """A drawn network whose layers can't be brought to spike within RATES."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Spiking neurons: their node in the file, and the weights and biases that drive them."""

    node: str
    driven_by: Sequence[torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A network of a framework.

    - code: it in one line; input_shape: without time and batch
    - run: inputs (time, batch, *input_shape) -> by layer, (time, batch, *shape); the readout's values too
    - graph: the framework's own export
    - module, play, entries: the same as :meth:`deploy.SourceRun.of_module` takes it
    - readout: node of the readout
    - reading: what a reader must be told, by the names of the options of ``lsnn-neuro import nir``
    - lost: what the exporter drops, by ``node.field``; lost_by_exporter: the same in words
    """

    code: str
    input_shape: tuple[int, ...]
    layers: Mapping[str, Layer]
    run: Callable[[torch.Tensor], Mapping[str, torch.Tensor]]
    graph: Callable[[], nir.NIRGraph]
    module: torch.nn.Module | None = None
    play: Callable[[torch.Tensor], object] | None = None
    entries: Mapping[str, int] = field(default_factory=dict)
    readout: str | None = None
    reading: Mapping[str, Any] = field(default_factory=dict)
    lost: Mapping[str, Any] = field(default_factory=dict)
    lost_by_exporter: Sequence[str] = ()


Kinds = Mapping[str, Callable[[np.random.Generator], Drawn]]


def record_all(framework: str, kinds: Kinds) -> None:
    """The command of each generator: FOLDER --seed --count --dtype; the kinds take turns."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=len(kinds))
    # in double precision no spike depends on the order of sums
    parser.add_argument("--dtype", choices=("float64", "float32"), default="float64")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.set_default_dtype(getattr(torch, options.dtype))
    meta = {}
    for i in range(options.count):
        kind = list(kinds)[i % len(kinds)]
        name = f"{framework}_{kind}_{options.seed}_{i}"
        meta[name] = record(name, framework, kinds[kind], options.folder, [options.seed, i])
        print(json.dumps({name: {k: meta[name][k] for k in ("code", "rates", "reading")}}))
    (options.folder / "meta.json").write_text(json.dumps(meta, indent=1))


def record(
    name: str, framework: str, kind: Callable[[np.random.Generator], Drawn], folder: Path,
    seed: Sequence[int],
) -> dict[str, Any]:  # fmt: skip
    """Draw until every layer spikes, write the files, give the entry of meta.json."""
    drawn, inputs, found = draw(name, kind, seed)
    return write(name, framework, drawn, inputs, found, folder)


def draw(
    name: str, kind: Callable[[np.random.Generator], Drawn], seed: Sequence[int]
) -> tuple[Drawn, torch.Tensor, Mapping[str, torch.Tensor]]:
    """A network whose layers all spike, inputs for it, and what it does with them."""
    for attempt in range(20):
        rng = np.random.default_rng([*seed, attempt])
        torch.manual_seed(int(rng.integers(2**31)))
        drawn = kind(rng)
        inputs = random_inputs(drawn.input_shape, rng)
        try:
            with torch.no_grad():
                calibrate(drawn, inputs[:100], rng)
                found = drawn.run(inputs)
            rates = {layer: rate_of(found[layer]) for layer in drawn.layers}
            check(rates)
        except TooQuietOrTooLoudError:
            continue
        return drawn, inputs, found
    raise SystemExit(f"{name}: 20 draws, and none spikes in {RATES[0]:.0%} to {RATES[1]:.0%}")


def random_inputs(
    shape: tuple[int, ...], rng: np.random.Generator, batch: int = BATCH
) -> torch.Tensor:
    """Events of one rate between 5 and 40 % for all channels, (time, batch, *shape)."""
    events = rng.random((STEPS, batch, *shape)) < rng.uniform(0.05, 0.4)
    return torch.as_tensor(events).to(torch.get_default_dtype())


def calibrate(drawn: Drawn, inputs: torch.Tensor, rng: np.random.Generator) -> None:
    """Scale what drives each layer, from the first to the last, until it spikes at a random rate."""
    for name, layer in drawn.layers.items():
        wanted = rng.uniform(0.06, 0.25)
        low, high = -6.0, 6.0  # powers of two
        at = 0.0
        for _ in range(12):
            middle = (low + high) / 2
            scale(layer, 2.0 ** (middle - at))
            at = middle
            rate = rate_of(drawn.run(inputs)[name])
            if abs(rate - wanted) < 0.01:
                break
            low, high = (low, middle) if rate > wanted else (middle, high)


def scale(layer: Layer, factor: float) -> None:
    """Multiply all that drives a layer."""
    for values in layer.driven_by:
        values.mul_(factor)


def rate_of(spikes: torch.Tensor) -> float:
    """Share of neurons that spike in a step."""
    return float((spikes > 0).double().mean())


def check(rates: Mapping[str, float]) -> None:
    """Refuse networks that hardly spike, or spike nearly always."""
    for name, rate in rates.items():
        if not RATES[0] <= rate <= RATES[1]:
            raise TooQuietOrTooLoudError(f"{name}: {rate:.1%}")


def write(
    name: str, framework: str, drawn: Drawn, inputs: torch.Tensor,
    found: Mapping[str, torch.Tensor], folder: Path,
) -> dict[str, Any]:  # fmt: skip
    """Write NAME.nir and NAME.npz; gives the entry of meta.json."""
    graph = drawn.graph()
    nir.write(folder / f"{name}.nir", graph)
    arrays = {"inputs": flat(inputs).astype(np.int8)}
    for layer in drawn.layers:
        arrays[f"spikes_{layer}"] = flat(found[layer]).astype(np.int16)
    if drawn.readout is not None:
        arrays[READOUT] = flat(found[READOUT]).astype(np.float64)
    arrays |= {f"lost_{what}": np.asarray(values) for what, values in drawn.lost.items()}
    np.savez_compressed(folder / f"{name}.npz", **arrays)
    most = {layer: int(found[layer].max()) for layer in drawn.layers}
    entry = {
        "name": name, "framework": framework, "version": f"{version(framework)} (nir {version('nir')})",
        "file": f"{name}.nir", "code": drawn.code, "input_shape": list(drawn.input_shape),
        "steps": inputs.shape[0], "batch": inputs.shape[1],
        "layers": {
            key: {"nir": layer.node, "shape": list(found[key].shape[2:])}
            for key, layer in drawn.layers.items()
        },
        "lost_by_exporter": list(drawn.lost_by_exporter), "lost": sorted(drawn.lost),
        "reading": dict(drawn.reading),
        "spikes": {key: int((found[key] > 0).sum()) for key in drawn.layers},
        "rates": {key: round(rate_of(found[key]), 4) for key in drawn.layers},
        "multi_spike": {key: n for key, n in most.items() if n > 1},
    }  # fmt: skip
    if drawn.readout is not None:
        entry["readout_node"] = drawn.readout
    return entry


def flat(values: torch.Tensor) -> np.ndarray:
    """(time, batch, *shape) -> (time, batch, n)."""
    return values.detach().reshape(*values.shape[:2], -1).numpy()


def outputs_of(
    module: torch.nn.Module, layers: Mapping[str, str], play: Callable[[], object]
) -> dict[str, list[Any]]:
    """What modules inside a network give while ``play`` runs it, one entry a call.

    - layers: a name for each, and the module's name in the network
    """
    heard: dict[str, list[Any]] = {name: [] for name in layers}

    def listener(name: str) -> Callable[..., None]:
        return lambda _module, _inputs, output: heard[name].append(output)

    handles = [
        module.get_submodule(path).register_forward_hook(listener(name))
        for name, path in layers.items()
    ]
    try:
        play()
    finally:
        for handle in handles:
            handle.remove()
    return heard


def in_one_precision(network: torch.nn.Module) -> torch.nn.Module:
    """The network, with what enters each module cast to the precision of its parameters.

    Spikes are 32-bit in some frameworks whatever the network is, and 0 and 1 in every precision.
    """
    dtype = torch.get_default_dtype()

    def cast(_module: torch.nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(x.to(dtype) if isinstance(x, torch.Tensor) else x for x in inputs)

    for module in network.modules():
        module.register_forward_pre_hook(cast)
    return network


def uniform(rng: np.random.Generator, low: float, high: float, n: int) -> torch.Tensor:
    """n numbers between two, one a neuron."""
    return torch.as_tensor(rng.uniform(low, high, n)).to(torch.get_default_dtype())


def sizes(rng: np.random.Generator, layers: int) -> list[int]:
    """Widths of the inputs and of some layers."""
    return [int(rng.integers(8, 25)) for _ in range(layers + 1)]
