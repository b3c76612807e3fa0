"""Files of older releases, brought to today's form: the only place that knows old names.

Each function takes what a file of some version holds and gives what today's version would hold, so that the
readers know one form. What can't be brought over is refused with what to do.

- recipes of release 0.1.0: ``neuron``, ``adaptation`` and ``reset = "zero"`` of a network; ``lr_decay`` and
  two schedules of training; names of fields of tasks and of reinforcement
- checkpoints 1 to 3: tensors of a network of two populations, matrices or lists of active synapses
- artifacts of format 1: their conversion report
- quantized networks 1 and 2: a readout of its own, one set of constants for all neurons
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro.errors import FileFormatError
from lsnn_neuro.network.spec import NetworkSpec, Population, Projection
from lsnn_neuro.neurons.neuron import Neuron
from lsnn_neuro.registry import NEURONS

Header = dict[str, Any]
Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]
READOUT = "readout"
SHIFT = 6


REINFORCEMENT = {
    "trace": "gae_lambda",
    "noise_iterations": "noise_decay_iterations",
    "longest": "max_speed",
    "excess_weight": "speed_penalty",
    "hint_weight": "auxiliary_weight",
}


# --- recipes -----------------------------------------------------------------------------------------

_SPEECH = {"drop": "drop_spikes"}
_EPISODES = {"hints": "auxiliary_targets"}
_TASK_FIELDS = {
    "navigation": {"stay": "dwell_actions", "persistence": "noise_correlation", **_EPISODES},
    "phones": _SPEECH,
    "sequential-mnist": {"shift": "translation", "turn": "rotation", "stretch": "scaling"},
    "sinusoids": _EPISODES,
    "spoken-digits": _SPEECH,
    "teacher-networks": _EPISODES,
}
"""New names of fields of the section task, by the task's name and the field's old name."""


def recipe(data: Mapping[str, Any]) -> Header:
    """A recipe of any release with today's names."""
    new = {name: value for name, value in data.items() if value is not None}  # sections left out
    if isinstance(network := data.get("network"), dict):
        new["network"] = _recipe_network(network)
    if isinstance(task := data.get("task"), dict):
        new["task"] = _renamed(task, _TASK_FIELDS.get(str(task.get("name")), {}))
    deep_r = data.get("deep_r")
    if isinstance(deep_r, dict):  # rewired synapses draw their delays now, always
        new["deep_r"] = {k: v for k, v in deep_r.items() if k != "redraw_delays"}
        if "gradient_every" in deep_r:
            new["deep_r"]["rigl_every"] = new["deep_r"].pop("gradient_every")
    if isinstance(training := data.get("training"), dict):
        new["training"] = _recipe_training(training)
    if isinstance(reinforcement := data.get("reinforcement"), dict):
        new["reinforcement"] = _renamed(reinforcement, REINFORCEMENT)
    return new


def _renamed(old: Mapping[str, Any], names: Mapping[str, str]) -> Header:
    """Old names replaced; one whose new name stands there too is left, to be refused."""
    return {names[k] if k in names and names[k] not in old else k: v for k, v in old.items()}


def _recipe_training(old: Mapping[str, Any]) -> Header:
    """The section training; 0.1.0 knew two schedules, in steps where nothing was said."""
    kind = old.get("schedule", "steps")
    new = {k: v for k, v in old.items() if k not in ("lr_decay", "lr_decay_every", "schedule")}
    if kind == "cosine":
        return new | {"schedule": {"name": "CosineAnnealingLR"}}
    if kind != "steps":
        return dict(old)
    if old.get("lr_decay", 1.0) == 1.0:
        return new
    every = old.get("lr_decay_every", 2500)
    return new | {"schedule": {"name": "StepLR", "step_size": every, "gamma": old["lr_decay"]}}


def _recipe_network(old: Mapping[str, Any]) -> Header:
    """The section network; what release 0.1.0 knew of neurons are names now."""
    new = {k: v for k, v in old.items() if k not in ("neuron", "adaptation")}
    if old.get("kind", "lsnn") != "lsnn":
        return dict(old)
    if old.get("neuron") == "atrlif":
        new |= {"regular_neuron": "atrlif", "adaptive_neuron": "atrlif"}
        new = {k: v for k, v in new.items() if k not in ("n_ref", "reset")}
    elif old.get("neuron") not in (None, "lif"):
        new["neuron"] = old["neuron"]  # refused by name
    elif old.get("adaptation") == "current":
        new["adaptive_neuron"] = "ahp"
    elif old.get("adaptation") not in (None, "threshold"):
        new["adaptation"] = old["adaptation"]
    if old.get("reset") == "zero":
        new["reset"] = "to"
    return new


def run_state(arrays: Arrays) -> Arrays:
    """The state of a run in a resumable checkpoint, under today's names."""
    return _renamed(arrays, {"objective.found": "objective.goal_known"})


def score(fields: Mapping[str, Any]) -> Header:
    """A score in a checkpoint of any release."""
    new = dict(fields)
    if "measure" in new:  # 0.1.0 and before had metrics by name alone
        name = new.pop("measure")
        new["metric"] = {
            "name": name, "higher_is_better": name not in ("squared_error", "error_rate"),
            "percent": name in ("accuracy", "error_rate"),
        }  # fmt: skip
        new["extra"] = new.pop("also", {})
    return new


# --- quantized networks ------------------------------------------------------------------------------


def network(header: Mapping[str, Any], arrays: Arrays, version: int) -> tuple[Header, Arrays]:
    """A quantized network of any version as today's (JSON values, arrays)."""
    if version >= 3:
        return dict(header), arrays
    new: dict[str, Array] = {k: v for k, v in arrays.items() if k.startswith("projections.")}
    populations = []
    for i, old in enumerate(header["populations"]):
        prefix = f"populations.{i}"
        found = {k.removeprefix(f"{prefix}."): v for k, v in arrays.items() if k.startswith(prefix)}
        populations.append(_population(dict(old), found, prefix, new))
    readout = header["readout"]
    prefix = f"populations.{len(populations)}"
    new[f"{prefix}.constants.decay_v"] = arrays["readout.decay"]
    new[f"{prefix}.offset"] = arrays["readout.bias"] / readout["scale"]
    populations.append(
        {"name": READOUT, "neuron": "li", "scale": readout["scale"], "decay_i": None, "bias": 0,
         "constants": {}}
    )  # fmt: skip
    return {
        "n_inputs": header["n_inputs"],
        "dt": 1.0,
        "outputs": [READOUT],
        "provenance": header["provenance"],
        "populations": populations,
        "projections": header["projections"],
    }, new


def _population(old: Header, found: Arrays, prefix: str, new: dict[str, Array]) -> Header:
    """A population of version 1 or 2: its scalars; its arrays are added to ``new``."""
    atrlif = old.get("neuron", "lif") == "atrlif"
    adapts = bool(found["step_a"].any())
    kind = "atrlif" if atrlif else "lif"
    if adapts and not atrlif:
        kind = "ahp" if old.get("adaptation") == "current" else "alif"
    constants = {"decay_v": found["decay_v"], "vth": found["vth_mant"].astype(np.int32) << SHIFT}
    if adapts or atrlif:
        constants |= {"decay_a": found["decay_a"], "step_a": found["step_a"]}
    scalars: Header = {"at_threshold": atrlif}
    if atrlif:
        constants["decay_r"] = found["decay_r"]
        new[f"{prefix}.decay_i"] = found["decay_i"]
    else:
        zero = old["reset"] == "zero"
        constants["n_ref"] = np.full(len(found["decay_v"]), old["n_ref"], np.int32)
        scalars |= {"reset": "to" if zero else "subtract", "reset_by": 0, "reset_to": 0}
    new |= {f"{prefix}.constants.{name}": array for name, array in constants.items()}
    population = {"name": old["name"], "neuron": kind, "scale": old["scale"], "bias": 0,
                  "offset": 0.0, "constants": scalars}  # fmt: skip
    return population if atrlif else population | {"decay_i": None}


# --- artifacts ---------------------------------------------------------------------------------------


def conversion_report(manifest: Mapping[str, Any]) -> Header | None:
    """The conversion report in an artifact's manifest as today's; None if there is none.

    Manifests of format 1 told neither of the readout nor of the neurons' names.
    """
    old = manifest.get("conversion")
    if old is None or manifest.get("format_version") != 1:
        return old
    populations = []
    for p in old["populations"]:
        times = [
            {"name": name, "wanted": p[name][0], "got": p[name][1]}
            for name in ("tau_m", "tau_a", "tau_i", "tau_r")
            if p.get(name)
        ]
        kept = {k: p[k] for k in ("name", "scale", "vth_mant", "step_a", "linear_below")}
        populations.append(kept | {"neuron": "", "time_constants": times})
    return {"populations": populations, "projections": old["projections"]}


# --- checkpoints -------------------------------------------------------------------------------------


def checkpoint_spec(config: Any, arrays: Arrays, n_inputs: int, label: str) -> NetworkSpec:
    """The network of a checkpoint of version 1 to 3.

    - config: the recipe's section network, as release 0.1.0 knew it
    - arrays: its tensors by name, "network." left out; label: names the file in errors
    """
    try:
        return _OldCheckpoint(config, dict(arrays), n_inputs).spec()
    except (KeyError, IndexError, ValueError) as error:
        raise FileFormatError(f"{label}: does not fit its own recipe: {error}") from error


class _OldCheckpoint:
    """A network of regular and adaptive neurons, input, recurrent and readout matrices."""

    def __init__(self, config: Any, arrays: dict[str, Array], n_inputs: int):
        self.config, self.arrays, self.n_inputs = config, arrays, n_inputs
        self.n, self.n_outputs = len(arrays["b0"]), len(arrays["bias"])
        regular = config.regular
        if config.regular + config.adaptive != self.n:
            raise ValueError(
                f"{self.n} neurons, the recipe has {config.regular} + {config.adaptive}"
            )
        places = {"regular": slice(0, regular), "adaptive": slice(regular, self.n)}
        self.places = {k: s for k, s in places.items() if s.stop > s.start}

    def spec(self) -> NetworkSpec:
        """The network in today's form."""
        c = self.config
        inputs = {"input": slice(0, self.n_inputs)}
        readouts = {READOUT: slice(0, self.n_outputs)}
        plastic, free = c.learning != "liquid", c.signs != "unconstrained"
        readout_signs = "free" if free else "unconstrained"
        common = {"plastic": plastic, "signs": c.signs, "excitatory": c.excitatory}
        delays = {"input": c.input_delays or c.n_delays, "recurrent": c.n_delays}
        projections = [
            *self._projections("input", inputs, self.places, max_delay=delays["input"] - 1, **common),
            *self._projections("recurrent", self.places, self.places, autapses=False,
                               max_delay=delays["recurrent"] - 1, **common),
            *self._projections("readout", self.places, readouts, max_delay=0, signs=readout_signs),
        ]  # fmt: skip
        kappa = np.full(self.n_outputs, math.exp(-1.0 / c.tau_out))
        readout = Population(
            name=READOUT, neuron=NEURONS["li"](alpha=kappa), offset=self.arrays["bias"],
            learn=("offset",),
        )  # fmt: skip
        populations = (*(self._neurons(name, at) for name, at in self.places.items()), readout)
        return NetworkSpec(
            n_inputs=self.n_inputs, populations=populations, projections=tuple(projections),
            feedback=self.arrays.get("feedback"),
        )  # fmt: skip

    def _shape(self, matrix: str) -> tuple[int, int]:
        shapes = {"input": (self.n, self.n_inputs), "recurrent": (self.n, self.n)}
        shape = shapes.get(matrix, (self.n_outputs, self.n))
        dense = self.arrays.get(f"{matrix}.theta")
        if dense is not None and dense.shape != shape:
            raise ValueError(f"{matrix}.theta has shape {dense.shape}, expected {shape}")
        return shape

    def _neurons(self, name: str, at: slice) -> Population:
        c = self.config
        values = {k: self._learnt(k)[at] for k in ("alpha", "rho", "beta", "b0")}
        neuron = old_neuron(c, adaptive=name == "adaptive", **values)
        learn = tuple(k for k in c.learn if k in neuron.learnable())
        kappa_i = np.full(neuron.size, math.exp(-1.0 / c.tau_i) if c.tau_i else 0.0)
        return Population(name=name, neuron=neuron, kappa_i=kappa_i, learn=learn)

    def _learnt(self, field: str) -> Array:
        """A constant after learning, as release 0.1.0 computed it, in float32."""
        name, sign = {"alpha": ("tau_m", -1), "rho": ("tau_a", -1)}.get(field, (field, 1))
        value = self.arrays[field]
        if f"log_factor.{name}" not in self.arrays:
            return value
        import torch

        factor = torch.exp(sign * torch.from_numpy(self.arrays[f"log_factor.{name}"].copy()))
        tensor = torch.from_numpy(value.copy())
        learnt: Array = (tensor**factor if sign < 0 else tensor * factor).numpy()
        return learnt

    def _projections(
        self, matrix: str, sources: dict[str, slice], targets: dict[str, slice], *, signs: str,
        **more: Any,
    ) -> Iterator[Projection]:  # fmt: skip
        """A matrix (target, source) cut into one projection per pair of populations."""
        row, column, weight, delay, sign = self._synapses(matrix)
        for target, rows in targets.items():
            for source, columns in sources.items():
                here = (row >= rows.start) & (row < rows.stop)
                here &= (column >= columns.start) & (column < columns.stop)
                rule: Any = sign[columns] if signs == "dale" else signs
                yield Projection(
                    source=source, target=target, group=matrix,
                    source_index=(column[here] - columns.start).astype(np.int32),
                    target_index=(row[here] - rows.start).astype(np.int32),
                    weight=weight[here].astype(np.float64), delay=delay[here].astype(np.int32),
                    signs=rule, **more,
                )  # fmt: skip

    def _synapses(self, matrix: str) -> tuple[Array, Array, Array, Array, Array]:
        """Target, source, weight and delay of the active synapses, and a sign for each source.

        Sources without a synapse that was kept get the sign +1.
        """
        a, free = self.arrays, self.config.signs == "unconstrained"
        shape = self._shape(matrix)
        if f"{matrix}.index" in a:
            index, weight, delay = (a[f"{matrix}.{k}"] for k in ("index", "weight", "delay"))
            index = self._checked(matrix, index.astype(np.int64), weight, delay, shape)
        else:
            theta = a[f"{matrix}.theta"]
            value = (
                theta * a[f"{matrix}.allowed"]
                if free
                else a[f"{matrix}.sign"] * np.maximum(theta, 0)
            )
            index = np.flatnonzero(value)
            weight, delay = value.flat[index], a[f"{matrix}.delay"].flat[index]
        row, column = np.unravel_index(index, shape)
        sign = np.ones(shape[1], np.int8)
        if f"{matrix}.sign" in a:
            sign[:] = a[f"{matrix}.sign"][0]
        else:
            sign[column] = np.sign(weight)
        return row, column, weight, delay, sign

    def _checked(
        self, matrix: str, index: Array, weight: Array, delay: Array, shape: tuple[int, int]
    ) -> Array:
        if not (index.shape == weight.shape == delay.shape and index.ndim == 1):
            raise ValueError(
                f"{matrix}: index, weight and delay have shapes {index.shape}, {weight.shape} and "
                f"{delay.shape}, expected equal ones (synapse,)"
            )
        size = shape[0] * shape[1]
        if (np.diff(index) <= 0).any() or (len(index) and not 0 <= index[0] <= index[-1] < size):
            raise ValueError(f"{matrix}: indices must ascend within 0 to {size - 1}")
        return index


def old_neuron(
    c: Any, *, adaptive: bool, alpha: Array, rho: Array, beta: Array, b0: Array
) -> Neuron:
    """The neurons of release 0.1.0's section network, of given constants."""
    kind = NEURONS[c.adaptive_neuron if adaptive else c.regular_neuron]
    keep_r = np.full(len(alpha), math.exp(-1.0 / (c.tau_r or c.tau_m)))
    values: dict[str, Any] = {
        "alpha": alpha, "rho": rho, "beta": beta, "b0": b0, "keep_r": keep_r, "gamma": c.gamma,
        "n_ref": c.n_ref, "reset": c.reset,
    }  # fmt: skip
    taken = {k: v for k, v in values.items() if k in kind.parameters()}
    return kind(**taken)  # type: ignore[no-any-return]


# --- cards of models ---------------------------------------------------------------------------------

_CARD = {
    "measure": "metric",
    "start": "initialized_from",
    "planned": "max_iterations",
    "best": "best_iteration",
    "parameters": "active_parameters",
    "places": "total_parameters",
}


def card(fields: Mapping[str, Any]) -> Header:
    """The card of a model of any release."""
    return _renamed(fields, _CARD)
