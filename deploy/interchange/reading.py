"""How a NIR file is read: its dialect, what users say of what that leaves open, and what they put back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import nir
import numpy as np

from deploy.interchange.dialects import AGREE, DIALECTS, Dialect, Drive, Integration, ResetRule
from lsnn_neuro.arrays import FloatArray
from lsnn_neuro.data.npz import read_npy
from lsnn_neuro.errors import FileFormatError, NetworkError

RESET = "reset"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A dialect with everything that it leaves open said.

    - step: in the file's unit of time; dt: its true length in ms
    - reset: what a spike does, in the framework's words; reset_told: whether users said so
    - put: what the file has lost, by ``node.field``, or ``field`` for all nodes: a number, a word, true or
      false, an array
    - input_scale: what an input event of 1 stands for in the framework
    - used: the keys of ``put`` that a node has asked for
    """

    dialect: Dialect
    step: float
    dt: float
    integration: Integration
    reset: str
    reset_told: bool = False
    put: Mapping[str, Any] = field(default_factory=dict)
    input_scale: float = 1.0
    used: set[str] = field(default_factory=set, compare=False, repr=False)

    @classmethod
    def of(
        cls, dialect: Dialect, nodes: Mapping[str, nir.NIRNode], *, dt: float | None = None,
        integration: str | None = None, reset: str | None = None, one_spike: bool = False,
        put: Mapping[str, Any] | None = None, input_scale: float = 1.0,
    ) -> tuple[Reading, list[str]]:  # fmt: skip
        """A reading, and what is to be said of how it was found; NetworkError over what must be told."""
        step, ms, notes = _step(dialect, nodes, dt)
        if integration not in (None, "exponential", "euler"):
            raise NetworkError(
                f"--integration {integration!r}: allowed are 'exponential' and 'euler'"
            )
        spikes = any(hasattr(node, "v_threshold") for node in nodes.values())
        if dialect.several and spikes and not one_spike:
            raise NetworkError(
                f"{dialect.name}: its neurons send floor(v / threshold) spikes a step unless told "
                "otherwise, which no file says; say that they send one, or are to be taken so: --one-spike"
            )
        if one_spike and not dialect.several:
            names = ", ".join(d.name for d in DIALECTS.values() if d.several)
            raise NetworkError(
                f"--one-spike: {dialect.name}'s neurons never send several spikes a step, those of {names} "
                "may; leave it out"
            )
        if not (np.isfinite(input_scale) and input_scale > 0):
            raise NetworkError(f"--input-scale {input_scale}: must be a number above 0")
        made = cls(
            dialect=dialect, step=step, dt=ms, integration=cast(Any, integration or dialect.integration),
            reset=reset or dialect.usual_reset, reset_told=reset is not None, put=dict(put or {}),
            input_scale=float(input_scale),
        )  # fmt: skip
        made._check(nodes)
        return made, notes

    def _check(self, nodes: Mapping[str, nir.NIRNode]) -> None:
        """Refuse words and fields that this dialect doesn't have."""
        self.reset_rule(self.reset)
        known = {RESET, *self.dialect.lost}
        for key, value in self.put.items():
            node, _, name = key.rpartition(".")
            if name not in known:
                raise NetworkError(
                    f"--put {key}: {self.dialect.name} files lose no {name!r}; what they lose: "
                    f"{', '.join(sorted(known))}"
                )
            if node and node not in nodes:
                raise NetworkError(
                    f"--put {key}: there is no node {node!r}; there are {', '.join(nodes)}"
                )
            if name == RESET:
                self.reset_rule(value)

    def reset_rule(self, word: Any) -> ResetRule:
        """What a framework's word for a reset means."""
        if not isinstance(word, str) or word not in self.dialect.resets:
            raise NetworkError(
                f"reset {word!r}: {self.dialect.name} has {', '.join(self.dialect.resets)}"
            )
        return self.dialect.resets[word]

    def value(self, node: str, name: str) -> Any:
        """What users put back for a node's field; None where they did not."""
        for key in (f"{node}.{name}", name):
            if key in self.put:
                self.used.add(key)
                return self.put[key]
        return None

    def check_used(self) -> None:
        """Refuse what was put back and no node has asked for."""
        for key in self.put:
            if key not in self.used:
                raise NetworkError(
                    f"--put {key}: there is no node that has lost it (of another kind, with another reset, "
                    "or with a value of its own); leave it out"
                )

    def array(self, node: str, name: str) -> FloatArray | None:
        """What users put back for a node's field, as numbers."""
        value = self.value(node, name)
        if value is None:
            return None
        try:
            found = np.asarray(value)
        except ValueError:  # rows of several lengths
            found = np.asarray(None)
        if found.dtype.kind not in "iuf" or not np.isfinite(found).all():
            raise NetworkError(f"--put {node}.{name}: is {value!r}, expected finite numbers")
        return found.astype(np.float64)

    def number(self, node: str, name: str, size: int) -> Any:
        """The same as numbers, (neuron,)."""
        values = self.array(node, name)
        if values is None:
            return None
        if values.size not in (1, size):
            raise NetworkError(
                f"--put {node}.{name}: has {values.size} values, expected a number, or {size} of them"
            )
        return np.broadcast_to(values.ravel(), size)

    def rule(self, node: str) -> ResetRule:
        """What a spike of a node does."""
        return self.reset_rule(self.value(node, RESET) or self.reset)

    def drive(self, name: str, node: nir.NIRNode) -> Drive:
        """The factor on what a node integrates."""
        if isinstance(node, nir.IF):
            return self.dialect.drive_if
        norm = self.value(name, "norm_input")
        if norm is not None:
            if not isinstance(norm, bool):
                raise NetworkError(f"--put {name}.norm_input: is {norm!r}, allowed: true, false")
            return "equation" if norm else "one"
        return self.dialect.drive if hasattr(node, "v_threshold") else self.dialect.drive_li

    def check_r(self, node: nir.NIRNode, r: FloatArray) -> None:
        """Refuse an r, (neuron,), that the dialect's exporter can't have written."""
        if self.dialect.r is None or isinstance(node, nir.I):
            return
        wanted = np.broadcast_to(np.ravel(self.dialect.r(node, self.step)), r.shape)
        agree = np.isclose(r, wanted, rtol=AGREE, atol=0)
        if self.dialect.r_or_one:
            agree |= np.abs(r - 1) <= AGREE
        for index in np.flatnonzero(~agree)[:1]:
            raise NetworkError(
                f"r of neuron {index} is {r[index]:g}, {self.dialect.name} writes {wanted[index]:g} at a "
                f"step of {self.step:g}; give another --from or --dt"
            )

    def describe(self) -> dict[str, Any]:
        """The reading as JSON values, arrays as their shapes."""
        put = {k: list(v.shape) if isinstance(v, np.ndarray) else v for k, v in self.put.items()}
        return {
            "dialect": self.dialect.name, "source": self.dialect.source, "step": self.step, "dt": self.dt,
            "integration": self.integration, "reset": self.reset, "put": put,
            "input_scale": self.input_scale,
        }  # fmt: skip


def _step(
    dialect: Dialect, nodes: Mapping[str, nir.NIRNode], dt: float | None
) -> tuple[float, float, list[str]]:
    """The step in the file's unit, its true length in ms, and how it was found."""
    if dt is not None:
        if not (np.isfinite(dt) and dt > 0):
            raise NetworkError(f"--dt {dt}: must be a number of ms above 0")
        if dialect.counts_steps:
            return 1.0, dt, []
        step = dt * 1e-3
        true = {s: ms for s, ms in dialect.steps if np.isclose(s, step, rtol=1e-6)}
        return step, next(iter(true.values()), dt), []
    if dialect.counts_steps:
        return *dialect.steps[0], [
            "a step is taken to be 1 ms long; the file counts in steps (--dt)"
        ]
    found = dialect.find_step(nodes)
    if found is None and dialect.steps:
        step, ms = dialect.steps[0]
        said = f"no node says the step; it is {step:g} s in the file's time, {dialect.name}'s usual one"
        return step, ms, [f"{said} (--dt says another)"]
    if found is None:
        raise NetworkError(
            f"{dialect.name}: no file says how long a step is; say it in ms: --dt 1.0"
        )
    true = {s: ms for s, ms in dialect.steps if np.isclose(s, found, rtol=1e-6)}
    ms = next(iter(true.values()), float(f"{found * 1e3:.15g}"))
    return found, ms, [f"a step is {found:g} s in the file's time, by what its neurons say"]


def put_of_user(texts: Any) -> dict[str, Any]:
    """``--put`` options: ``[NODE.]FIELD=VALUE``, the value a number, true, false, a word or FILE.npy."""
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise NetworkError(f"--put {text!r}: expected [NODE.]FIELD=VALUE")
        if key in found:
            raise NetworkError(f"--put {key}: is given twice; give one value")
        found[key] = _value(value)
    return found


def _value(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    if text.endswith(".npy"):
        array = read_npy(Path(text), FileFormatError)
        if array.dtype.kind not in "iuf":
            raise FileFormatError(f"{text}: holds {array.dtype}, expected an array of numbers")
        return array.astype(np.float64)
    try:
        return float(text)
    except ValueError:
        return text
