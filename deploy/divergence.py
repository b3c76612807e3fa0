"""Where two records of the same inputs part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from quantize.record import SpikeRecord

READOUT = "readout"
"""What a comparison calls the network's outputs, side by side."""
LABEL = "label"
"""And the class that was decided for a sample."""

NeuronStates = Mapping[str, int]
"""State variables of one neuron at the end of a step, by name."""


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """The first place where two records part: earliest step, then sample, population, neuron.

    - readout: whether the readout parts, not a spike; then population is "readout", and neuron an output
    - variable: the state variable that parts, "" for a spike; of a decided class "label", as is population
    - reference_value, other_value: spike or, for the readout, its value
    - reference, other: the neuron's states on both sides where they could be had, those that both have
    """

    step: int
    sample: int
    population: str
    neuron: int
    reference_value: float
    other_value: float
    readout: bool = False
    variable: str = ""
    reference: NeuronStates | None = None
    other: NeuronStates | None = None


def first_divergence(reference: SpikeRecord, other: SpikeRecord) -> Divergence | None:
    """Earliest step; within it states, then spikes, then the readout they drive, then sample, then neuron.

    A decided class comes last: all else that was recorded is equal.
    """
    pairs: list[tuple[str, str, npt.NDArray[Any], npt.NDArray[Any]]] = [
        (a.population, a.variable, np.where(b.refractory, b.values, a.values), b.values)
        for a, b in zip(reference.probes, other.probes, strict=True)
    ]
    pairs += [
        (a.name, "", a.spikes, b.spikes)
        for a, b in zip(reference.spikes, other.spikes, strict=True)
    ]
    pairs.append((READOUT, "", reference.readout, other.readout))
    found: Divergence | None = None
    for name, variable, one, two in pairs:
        differs = one != two  # (time, sample, neuron)
        steps = np.flatnonzero(differs.any(axis=(1, 2)))
        if steps.size and (found is None or steps[0] < found.step):
            step = int(steps[0])
            sample, neuron = (int(i) for i in np.argwhere(differs[step])[0])
            found = Divergence(
                step=step,
                sample=sample,
                population=name,
                neuron=neuron,
                reference_value=_value(one[step, sample, neuron]),
                other_value=_value(two[step, sample, neuron]),
                readout=one is reference.readout,
                variable=variable,
            )
    return found or _first_label(reference, other)


def _value(found: Any) -> float:
    """A spike as 0 or 1, an integer, or a real number."""
    return float(found) if isinstance(found, np.floating) else int(found)


def _first_label(reference: SpikeRecord, other: SpikeRecord) -> Divergence | None:
    """The first sample for which another class was decided."""
    for sample in differing_labels(reference, other)[:1].tolist():
        assert reference.decisions is not None
        assert other.decisions is not None
        return Divergence(
            step=other.decisions.stop - 1, sample=sample, population=LABEL, neuron=0, variable=LABEL,
            reference_value=int(reference.decisions.labels[sample]),
            other_value=int(other.decisions.labels[sample]),
        )  # fmt: skip
    return None


def differing_labels(reference: SpikeRecord, other: SpikeRecord) -> npt.NDArray[np.intp]:
    """The samples for which another class was decided."""
    if reference.decisions is None or other.decisions is None:
        return np.zeros(0, np.intp)
    return np.flatnonzero(reference.decisions.labels != other.decisions.labels)
