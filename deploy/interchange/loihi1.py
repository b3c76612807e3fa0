"""The LSNN for sequential MNIST that Intel published for Loihi 1, from its weight matrices.

A folder holds them as NumPy files: ``w_in.npy`` (80, 240), ``w_rec.npy`` (240, 240) and ``w_out.npy``
(240, 10), each (source, target), whole numbers. Neurons 0 to 139 are regular, 140 to 239 adaptive.
All other constants are those with which the published module sets the network up on the chip: no
delays, no refractory time, reset to zero, an after-hyperpolarizing current from an auxiliary
compartment as adaptation, a readout that is read after the last step. That readout is a LIF too, whose
threshold is as high as the chip takes, (2^17 - 1) * 64: where it is passed, the state goes back to 0,
which gives one of 200 images another label (docs/silicon.md).

Source: intel-nrc-ecosystem/models, module ``lsnn`` (Intel, 2018 to 2021, BSD-3-Clause).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lsnn_neuro import __version__
from lsnn_neuro.arrays import IntArray
from lsnn_neuro.data.npz import read_npy
from lsnn_neuro.errors import FileFormatError
from lsnn_neuro.network.graph import INPUT
from lsnn_neuro.neurons.ahp import AHP
from lsnn_neuro.neurons.alif import ALIFConstants
from lsnn_neuro.neurons.lif import LIF, LIFConstants
from lsnn_neuro.neurons.neuron import Neuron
from lsnn_neuro.neurons.resetting_li import ResettingLI, ResettingLIConstants
from quantize.loihi import STATE_SHIFT, VTH_MANT_MAX, WEIGHT_MAX
from quantize.network import (
    Provenance,
    QuantizedNetwork,
    QuantizedPopulation,
    QuantizedProjection,
    SignMode,
)

READOUT = "readout"
RECIPE = "loihi1-lsnn"
"""The built-in recipe with the task as the published network knows it."""

N_INPUTS, N_REGULAR, N_ADAPTIVE, N_OUTPUTS = 80, 140, 100, 10
DECAY_V = 204
"""Membranes and readout, 20 ms."""
DECAY_A = 5
STEP_A = (96 << STATE_SHIFT) >> 4
"""A synapse of weight -96 and exponent -4 from the neuron onto its auxiliary compartment."""
VTH = 127 << STATE_SHIFT
ADAPTIVE_EXP = 2
"""Weights onto adaptive neurons, and their threshold, are 2^2 times as large."""
FIRING: dict[str, Any] = {
    "n_ref": 0, "reset": "to", "reset_by": 0, "reset_to": 0, "at_threshold": False
}  # fmt: skip

_MATRICES = {
    "w_in": (N_INPUTS, N_REGULAR + N_ADAPTIVE),
    "w_rec": (N_REGULAR + N_ADAPTIVE, N_REGULAR + N_ADAPTIVE),
    "w_out": (N_REGULAR + N_ADAPTIVE, N_OUTPUTS),
}


def load(folder: Path) -> QuantizedNetwork:
    """The published network from the weight matrices in ``folder``."""
    w_in, w_rec, w_out = (_matrix(folder / f"{name}.npy", _MATRICES[name]) for name in _MATRICES)
    places = {"regular": slice(0, N_REGULAR), "adaptive": slice(N_REGULAR, None)}
    exponents = {"regular": 0, "adaptive": ADAPTIVE_EXP}
    projections: list[QuantizedProjection] = []
    for target, columns in places.items():
        exponent = exponents[target]
        projections += _by_sign(INPUT, target, w_in[:, columns], exponent)
        for source, rows in places.items():
            projections += _by_sign(source, target, w_rec[rows, columns], exponent)
    for source, rows in places.items():
        projections += _by_sign(source, READOUT, w_out[rows], 0)
    return QuantizedNetwork(
        n_inputs=N_INPUTS,
        populations=(
            _population("regular", LIF, LIFConstants(decay_v=_each(N_REGULAR), vth=VTH, **FIRING)),
            _population(
                "adaptive",
                AHP,
                ALIFConstants(
                    decay_v=_each(N_ADAPTIVE),
                    decay_a=DECAY_A,
                    step_a=STEP_A,
                    vth=VTH << ADAPTIVE_EXP,
                    **FIRING,
                ),
            ),
            _population(
                READOUT,
                ResettingLI,
                ResettingLIConstants(decay_v=_each(N_OUTPUTS), vth=VTH_MANT_MAX << STATE_SHIFT),
            ),
        ),
        projections=tuple(projections),
        provenance=Provenance(recipe=RECIPE, tool_version=__version__),
    )


def _matrix(path: Path, shape: tuple[int, int]) -> IntArray:
    """Whole-numbered weights (source, target) that a mantissa can hold."""
    if not path.is_file():
        raise FileFormatError(f"{path}: no such file; expected weights {shape}")
    found = read_npy(path, FileFormatError)
    if found.shape != shape:
        raise FileFormatError(
            f"{path}: has shape {found.shape}, the published network's is {shape}"
        )
    if found.dtype.kind not in "iuf" or not np.array_equal(found, np.rint(found)):
        raise FileFormatError(f"{path}: holds {found.dtype} that are not all whole numbers")
    largest = float(np.abs(found).max())
    if largest > WEIGHT_MAX:
        raise FileFormatError(
            f"{path}: its largest weight is {largest:g}, Loihi's mantissas end at {WEIGHT_MAX}"
        )
    return found.astype(np.int32)


def _each(size: int) -> IntArray:
    """The one decay of all membranes, once for each neuron."""
    return np.full(size, DECAY_V, np.int32)


def _population(name: str, neuron: type[Neuron], constants: Any) -> QuantizedPopulation:
    scale = 1.0  # trained in these very units
    return QuantizedPopulation(name=name, neuron=neuron, constants=constants, scale=scale)


def _by_sign(
    source: str, target: str, weight: IntArray, exponent: int
) -> Iterator[QuantizedProjection]:
    """The excitatory and the inhibitory synapses of a matrix (source, target), 8 bits each."""
    parts: tuple[tuple[SignMode, IntArray], ...] = (
        ("excitatory", np.maximum(weight.T, 0)),
        ("inhibitory", np.minimum(weight.T, 0)),
    )
    for sign_mode, mant in parts:
        if mant.any():
            name = f"{source}->{target} ({sign_mode})"
            yield QuantizedProjection.of_matrix(
                name, source, target, mant, np.zeros_like(mant), exponent, sign_mode
            )
