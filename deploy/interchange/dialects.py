"""Dialects of NIR: what the file of each framework means, one table entry each.

NIR says neither the time step nor how its equations become steps, and every framework's exporter means
something else by it. With ``d`` the share that a step of length dt keeps of a membrane, ``k`` that of a
synaptic current, and ``x`` what arrives in a step::

    d = exp(-dt/tau)  or  1 - dt/tau                                               decay
    i[t] = k i[t-1] + (1 - k) w_in x[t],  k i[t-1] + w_in x[t],  k (i[t-1] + w_in x[t])     jump
    v[t] = d v[t-1] + g i[t],   g = (1 - d) r,  r dt/tau,  or 1                    drive
    a spike where v > threshold, or where v >= threshold; then the reset

Sources: the exporters of the libraries named in the table, whose own spikes all entries were compared
with; Pedersen et al. 2024 for NIR itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import nir
import numpy as np

from lsnn_neuro.arrays import FloatArray, plain
from lsnn_neuro.errors import NetworkError

Integration = Literal["exponential", "euler"]
Drive = Literal["equation", "step", "one"]
Jump = Literal["equation", "jump", "before-decay"]
ResetRule = Literal["to", "late-to", "subtract", "late-subtract", "none"]
Nodes = Mapping[str, nir.NIRNode]

CUBA = (nir.CubaLIF, nir.CubaLI)
LEAKY = (nir.LIF, nir.LI, *CUBA)
AGREE = 1e-4
"""Relative; how far apart the steps that the nodes of a file say may lie. They are 32-bit floats."""


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """What the NIR files of one framework mean.

    - name: as users say it (``--from``); source: library, version and exporter
    - steps: (step in the file's own unit of time, its true length in ms), the usual one first; none: must be
      told
    - find_step: what the nodes say of the step, in the file's unit; None where they say nothing
    - integration: how a membrane decays
    - drive, drive_if, drive_li: the factor on what spiking neurons, IF neurons and readouts integrate; "one"
      is the weights as they are, "step" r dt/tau, "equation" the factor of the equation's own solution
    - jump: how what arrives enters a synaptic current
    - at_threshold: whether a membrane at the threshold spikes
    - resets: what a spike does to the membrane, in the framework's words, the usual one first; "late": in
      the next step (to a value: then the membrane misses what arrives in that step, but where it is plain, a
      LIF that does not feed itself)
    - says_reset: whether its files say what a spike does: v is set to v_reset
    - several: whether neurons may send several spikes a step, which no file says
    - hop: steps that a spike takes from one layer to the next
    - starts_at_leak: whether membranes start at v_leak, not at 0
    - remarks: what is to be said of a file that is read with a reset, by its word; "": of every file
    - r: what the exporter writes as a node's r, at a step; a file that says another is none of the dialect
    - r_or_one: whether it may write 1 in its place
    - lost: what the exporter drops of a neuron and ``--put`` gives back: field -> what it is
    """

    name: str
    source: str
    steps: tuple[tuple[float, float], ...] = ()
    find_step: Callable[[Nodes], float | None] = lambda nodes: None
    integration: Integration = "exponential"
    drive: Drive = "equation"
    drive_if: Drive = "equation"
    drive_li: Drive = "equation"
    jump: Jump = "equation"
    at_threshold: bool = False
    resets: Mapping[str, ResetRule] = field(default_factory=lambda: {"to": "to"})
    says_reset: bool = False
    several: bool = False
    hop: int = 0
    starts_at_leak: bool = False
    remarks: Mapping[str, str] = field(default_factory=dict)
    r: Callable[[Any, float], FloatArray] | None = None
    r_or_one: bool = False
    lost: Mapping[str, str] = field(default_factory=dict)

    @property
    def counts_steps(self) -> bool:
        """Whether time constants are numbers of steps."""
        return self.steps[:1] == ((1.0, 1.0),)

    @property
    def usual_reset(self) -> str:
        """What a spike does where nobody says otherwise, in the framework's words."""
        return next(iter(self.resets))


def neurons_of(nodes: Nodes) -> Iterable[tuple[str, Any]]:
    """The nodes that have an r, by name."""
    return ((name, n) for name, n in nodes.items() if isinstance(n, (*LEAKY, nir.IF)))


def tau_of(node: Any) -> FloatArray:
    """A node's membrane time constants in the file's unit."""
    return np.asarray(node.tau_mem if isinstance(node, CUBA) else node.tau, np.float64)


def _agreed(found: Iterable[FloatArray]) -> float | None:
    """The one step that all neurons say; None where none says any, NetworkError where they differ."""
    values = np.concatenate([np.zeros(0), *(np.ravel(f) for f in found)])
    values = values[np.isfinite(values) & (values > 0)]
    if not len(values):
        return None
    low, high = float(values.min()), float(values.max())
    if high > low * (1 + AGREE):
        raise NetworkError(
            f"NIR graph: its neurons say steps from {low:g} to {high:g} s, allowed is one; give --dt, or "
            "another --from"
        )
    return float(f"{np.median(values):.5g}")


def tau_over_r(nodes: Nodes) -> float | None:
    """The step for which r dt/tau is 1 (r dt of IF neurons); neurons with r = 1 say nothing."""
    found = []
    for _, node in neurons_of(nodes):
        r = np.asarray(node.r, np.float64)
        tau = np.ones_like(r) if isinstance(node, nir.IF) else tau_of(node)
        with np.errstate(divide="ignore", invalid="ignore"):
            found.append((tau / r)[r != 1])
    return _agreed(found)


def r_of_tau(node: Any, step: float) -> FloatArray:
    """The r that cancels the factor r dt/tau (r dt of IF neurons)."""
    return np.asarray(1 / step) if isinstance(node, nir.IF) else tau_of(node) / step


def r_of_rockpool(node: Any, step: float) -> FloatArray:
    """The r that rockpool writes."""
    tau = tau_of(node)
    found: FloatArray = tau / step * np.exp(-step / tau)
    return found


def r_of_one(node: Any, step: float) -> FloatArray:
    """The r of exporters that leave it at 1."""
    return np.ones(())


def step_of_rockpool(nodes: Nodes) -> float | None:
    """The step dt that rockpool hides in r = (tau/dt) exp(-dt/tau).

    u = dt/tau solves u exp(u) = 1/r, by Newton's method from above, where it converges without a detour.
    """
    found = []
    for _, node in neurons_of(nodes):
        if isinstance(node, LEAKY):
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                y = 1 / np.asarray(node.r, np.float64)
                u = np.log1p(y)
                for _ in range(50):
                    u = u - (u - y * np.exp(-u)) / (1 + u)
                found.append(tau_of(node) * u)
    return _agreed(found)


def step_of_norse(nodes: Nodes) -> float | None:
    """1e-6 s, as ``to_nir`` writes it, or 1e-3 s of ``to_nir(dt=1.)``, by the time constants.

    True ones lie between 1 ms and 1 s; written by default, they are a thousandth of that.
    """
    found = [tau_of(node) for _, node in neurons_of(nodes) if isinstance(node, LEAKY)]
    if not found:
        return None
    return 1e-3 if float(np.min(np.concatenate([np.ravel(f) for f in found]))) > 1e-3 else 1e-6


def step_of_ours(nodes: Nodes) -> float | None:
    """The metadata "dt" of the neurons."""
    known = [getattr(node, "metadata", {}) for node in nodes.values()]
    said = [metadata["dt"] for metadata in known if "dt" in metadata]
    for value in said:
        if not (isinstance(value, float) and np.isfinite(value) and value > 0 and value == said[0]):
            raise NetworkError(
                f"NIR graph: the metadata dt of its nodes are {plain(said)}, expected one number of s above 0"
            )
    return float(said[0]) if said else None


DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        Dialect(
            name="snntorch", source="snntorch 1.0.0 export_to_nir", steps=((1e-4, 0.1),),
            find_step=tau_over_r, integration="euler", drive="one", r=r_of_tau,
            resets={
                "subtract": "late-subtract", "zero": "late-to", "none": "none",
                "subtract-at-once": "subtract", "zero-at-once": "to",
            },
            remarks={
                "subtract-at-once": "reset_delay=False and 'subtract': exact while membranes stay below "
                "twice the threshold, above which snntorch takes off the threshold twice",
            },
        ),
        Dialect(
            name="norse", source="norse 1.1.0 to_nir", steps=((1e-6, 1.0), (1e-3, 1.0)),
            find_step=step_of_norse, integration="euler", drive_if="one", jump="jump", r=r_of_one,
            resets={"value": "to", "subtract": "subtract"}, starts_at_leak=True,
            lost={"v_reset": "value that a membrane is reset to, written as 0"},
        ),
        Dialect(
            name="sinabs", source="sinabs 3.1.3 to_nir", steps=((1.0, 1.0),), drive_li="one",
            at_threshold=True, jump="before-decay", several=True, r=r_of_one,
            resets={"subtract": "subtract", "zero": "to"},
            lost={
                "tau_syn": "time constant of its synaptic current, in steps",
                "norm_input": "choice whether inputs are divided by tau (true or false)",
            },
        ),
        Dialect(
            name="rockpool", source="rockpool 3.1.0 to_nir", steps=((1e-3, 1.0),),
            find_step=step_of_rockpool, drive="one", drive_li="step", jump="before-decay",
            at_threshold=True, several=True, resets={"subtract": "subtract"}, r=r_of_rockpool,
            lost={
                "w_rec": "recurrent weights, (target, source)",
                "bias": "bias of its membranes",
            },
        ),
        Dialect(
            name="spikingjelly", source="spikingjelly 2.0.0 export_to_nir", steps=((1e-4, 0.1),),
            find_step=tau_over_r, integration="euler", at_threshold=True, starts_at_leak=True, r=r_of_tau,
            r_or_one=True,
        ),
        Dialect(
            name="nir", source="the equations of NIR 1.0.8, what arrives held within a step",
            resets={"to": "to", "subtract": "subtract"}, says_reset=True,
        ),
        Dialect(
            name="lsnn-neuro", source="lsnn-neuro convert --to nir", steps=((1e-3, 1.0),),
            find_step=step_of_ours, hop=1,
            remarks={
                "": "the file holds real numbers, no integers: they are quantized anew, at scales and with "
                "exponents of the converter's choice, and populations are called after their nodes; "
                "convert --extended keeps all of it",
            },
        ),
    )
}  # fmt: skip
"""The framework that wrote a file -> what its file means."""
