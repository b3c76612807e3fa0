"""Inputs as a framework has them: real numbers, which come in as events of 8 bits times a scale."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deploy.imported import Imported
from deploy.samples import read_array
from lsnn_neuro.arrays import EVENT_MAX, Events, FloatArray, as_events
from lsnn_neuro.errors import DataError
from lsnn_neuro.network.double import run_in_double


def read_real(file: Path) -> FloatArray:
    """Inputs from an ``.npy`` file, or from the array ``inputs`` of an ``.npz`` file.

    - returns: (time, sample, input), finite; DataError names the file, and what is wrong with it
    """
    if not file.is_file():
        raise DataError(f"{file}: no such file of inputs; give an .npy or .npz file")
    return checked_real(read_array(file, "inputs"), str(file))


def checked_real(array: npt.NDArray[Any], name: str) -> FloatArray:
    """Inputs of shape (time, sample, input); DataError names what has them, and what is wrong with them."""
    if array.ndim != 3 or array.dtype.kind not in "buif" or 0 in array.shape:
        raise DataError(
            f"{name}: inputs are {array.dtype} of shape {array.shape}, expected numbers (time, sample, input)"
        )
    values = array.astype(np.float64)
    for at in np.argwhere(~np.isfinite(values))[:1]:
        where = tuple(int(i) for i in at)
        raise DataError(f"{name}: inputs[{where}] is {values[where]}, must be finite")
    return values


def scale_of(inputs: FloatArray) -> float:
    """What an event of 1 stands for: 1 for whole numbers of 8 bits, else the largest input over 127."""
    largest = float(np.abs(inputs).max())
    if largest <= EVENT_MAX and np.array_equal(inputs, np.rint(inputs)):
        return 1.0
    return largest / EVENT_MAX


def rounded_events(inputs: FloatArray, scale: float) -> Events:
    """Inputs rounded to events; bool where all are 0 and 1. DataError over what is beyond 8 bits."""
    whole = np.rint(inputs / scale)
    if np.abs(whole).max(initial=0) > EVENT_MAX:
        at = tuple(int(i) for i in np.argwhere(np.abs(whole) > EVENT_MAX)[0])
        raise DataError(
            f"inputs[{at}] is {inputs[at]:g}, {whole[at]:g} events at an input scale of {scale:g}, allowed "
            f"are -{EVENT_MAX} to {EVENT_MAX}; import it with a larger --input-scale"
        )
    return as_events(whole)


def measure(found: Imported, inputs: FloatArray, *, several: bool) -> Iterator[str]:
    """What a network's inputs lose by rounding, and its spikes where several a step are taken as one.

    - inputs: as the framework has them; several: whether its neurons may have sent several
    """
    if found.spec is None:
        return
    scale = found.input_scale
    if scale != 1.0:
        off = np.abs(rounded_events(inputs, scale) * scale - inputs).max()
        yield f"inputs: an event of 1 stands for {scale:g}; rounding is off by up to {off:g}"
    if not several:
        return
    one, _ = run_in_double(found.spec, inputs / scale)
    many, _ = run_in_double(found.spec, inputs / scale, several=True)
    for layer in found.layers:
        if layer.population in many:
            sent, kept = many[layer.population], one[layer.population]
            lost = 1 - kept.sum() / sent.sum() if sent.any() else 0.0
            yield (
                f"layer {layer.node!r}: up to {sent.max():g} spikes a step, {sent.mean():.4g} a neuron and "
                f"step; as one a step {kept.mean():.4g}, {100 * lost:.1f} % of the rate is lost, and "
                f"{int((sent != kept).sum())} steps of neurons differ"
            )
