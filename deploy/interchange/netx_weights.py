"""What netx and Lava make of a layer's weights, and whether that is what was written.

Source: lava-dl 0.6.0, ``lava/lib/dl/netx/utils.py``; lava-nc 0.10.0, ``lava/utils/weightutils.py``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from lsnn_neuro.errors import NetworkError
from quantize.loihi import MIXED_MAX, MIXED_MIN, WEIGHT_MAX

Ints = npt.NDArray[np.int64]


def check_weights(name: str, weight: Ints, weight_rec: Ints | None) -> None:
    """Raise NetworkError if netx would run a layer with other weights than written.

    - name: of the layer; weight: (neuron, before); weight_rec: (neuron, neuron) or None
    """
    parts = [weight] if weight_rec is None else [weight, weight_rec]
    joint = np.hstack(parts)
    if not joint.any():
        raise NetworkError(f"{name}: no weight is other than 0, over which netx fails")
    low, high = (0, WEIGHT_MAX) if joint.min() >= 0 else (MIXED_MIN, MIXED_MAX)
    for weight in joint[(joint < low) | (joint > high)][:1]:
        raise NetworkError(
            f"{name}: a weight is {weight} (mantissa and exponent), netx holds {low} to {high}"
        )
    for part, used in zip(parts, rounded_by_netx(parts), strict=True):
        for index in np.flatnonzero(part != used)[:1]:
            raise NetworkError(
                f"{name}: a weight is {part.flat[index]}, netx would run it as "
                f"{used.flat[index]:g}; even weights, the largest in size no power of 2, are safe"
            )


def rounded_by_netx(parts: list[Ints]) -> Iterator[npt.NDArray[np.float64]]:
    """A layer's weights as netx runs them: netx scales them up to 8 bits, Lava clips and truncates.

    netx chooses one shift and one width for all of a layer's matrices, Lava's Dense then finds the
    sign mode of each matrix anew, so that one without both signs can lose what it had. (lava-dl
    0.6.0, ``optimize_weight_bits``; lava-nc 0.10.0, ``clip_weights`` and ``truncate_weights``.)
    """
    joint = np.hstack(parts)
    low, high = int(joint.min()), int(joint.max())
    with np.errstate(divide="ignore"):
        if high < 0:
            scale, signed = -256 / low, 0
        elif low >= 0:
            scale, signed = 255 / high, 0
        else:
            scale, signed = min(np.divide(127, high), -128 / low), 1
    shift = int(np.floor(np.log2(scale))) + signed
    common = max(n for n in range(9) if not (joint % 2**n).any())  # powers of 2 in every weight
    bits = 8 - shift - (common - signed)
    for part in parts:
        scaled = part << shift
        mixed = int(scaled.min() < 0 < scaled.max())
        sign = -1 if not mixed and scaled.max() <= 0 and scaled.min() < 0 else 1
        clipped = np.clip(sign * scaled, -256 * mixed, 255)
        lost = 8 - bits + mixed
        kept = (clipped >> lost) << lost if lost >= 0 else np.zeros_like(clipped)
        yield sign * kept / 2.0**shift
