"""The LSNN for sequential MNIST that Intel published for Loihi 1, from its weight matrices.

A folder holds them as NumPy files: ``w_in.npy`` (80, 240), ``w_rec.npy`` (240, 240) and ``w_out.npy``
(240, 10), each (source, target), whole numbers. Neurons 0 to 139 are regular, 140 to 239 adaptive.
All other constants are those with which the published module sets the network up on the chip: no
delays, no refractory time, reset to zero, an after-hyperpolarizing current from an auxiliary
compartment as adaptation, a readout that is read after the last step.

Source: intel-nrc-ecosystem/models, module ``lsnn`` (Intel, 2018 to 2021, BSD-3-Clause).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lsnn_neuro import __version__
from lsnn_neuro.errors import FileFormatError
from lsnn_neuro.spec import INPUT, READOUT
from quantize.loihi import STATE_SHIFT, WEIGHT_MAX
from quantize.network import (
    Population,
    Projection,
    Provenance,
    QuantizedNetwork,
    Readout,
    SignMode,
)

IntArray = npt.NDArray[np.int32]

RECIPE = "loihi1-lsnn"
"""The built-in recipe with the task as the published network knows it."""

N_INPUTS, N_REGULAR, N_ADAPTIVE, N_OUTPUTS = 80, 140, 100, 10
DECAY_V = 204
"""Membranes and readout, 20 ms."""
DECAY_A = 5
STEP_A = (96 << STATE_SHIFT) >> 4
"""A synapse of weight -96 and exponent -4 from the neuron onto its auxiliary compartment."""
VTH_MANT = 127
ADAPTIVE_EXP = 2
"""Weights onto adaptive neurons, and their threshold, are 2^2 times as large."""

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
    projections: list[Projection] = []
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
            _population("regular", N_REGULAR, step_a=0, vth_mant=VTH_MANT),
            _population("adaptive", N_ADAPTIVE, step_a=STEP_A, vth_mant=VTH_MANT << ADAPTIVE_EXP),
        ),
        projections=tuple(projections),
        readout=Readout(
            decay=np.full(N_OUTPUTS, DECAY_V), bias=np.zeros(N_OUTPUTS, np.int32), scale=1.0
        ),
        provenance=Provenance(recipe=RECIPE, tool_version=__version__),
    )


def _matrix(path: Path, shape: tuple[int, int]) -> IntArray:
    """Whole-numbered weights (source, target) that a mantissa can hold."""
    try:
        found = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise FileFormatError(f"{path}: no such file; expected weights {shape}") from error
    except (OSError, ValueError) as error:
        raise FileFormatError(f"{path}: not a readable NumPy array ({error})") from error
    if not isinstance(found, np.ndarray) or found.shape != shape:
        raise FileFormatError(
            f"{path}: has shape {getattr(found, 'shape', None)}, the published network's is {shape}"
        )
    if found.dtype.kind not in "iuf" or not np.array_equal(found, np.rint(found)):
        raise FileFormatError(f"{path}: holds {found.dtype} that are not all whole numbers")
    largest = float(np.abs(found).max())
    if largest > WEIGHT_MAX:
        raise FileFormatError(
            f"{path}: its largest weight is {largest:g}, Loihi's mantissas end at {WEIGHT_MAX}"
        )
    return found.astype(np.int32)


def _population(name: str, size: int, *, step_a: int, vth_mant: int) -> Population:
    return Population(
        name=name,
        adaptation="current",
        decay_v=np.full(size, DECAY_V),
        decay_a=np.full(size, DECAY_A),
        step_a=np.full(size, step_a),
        vth_mant=np.full(size, vth_mant),
        n_ref=0,
        reset="zero",
        scale=1.0,  # trained in these very units
    )


def _by_sign(source: str, target: str, weight: IntArray, exponent: int) -> Iterator[Projection]:
    """The excitatory and the inhibitory synapses of a matrix (source, target), 8 bits each."""
    parts: tuple[tuple[SignMode, IntArray], ...] = (
        ("excitatory", np.maximum(weight.T, 0)),
        ("inhibitory", np.minimum(weight.T, 0)),
    )
    for sign_mode, mant in parts:
        if mant.any():
            name = f"{source}->{target} ({sign_mode})"
            yield Projection.of_matrix(
                name, source, target, mant, np.zeros_like(mant), exponent, sign_mode
            )
