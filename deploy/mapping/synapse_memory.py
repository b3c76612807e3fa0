r"""How many words of a core's memory synapses take.

A spike that arrives at an input axon starts the reading of a list of synapses: those of one source
onto the neurons of this core. The list is made of blocks of up to 64 synapses of one format, each
block rounded up to whole words of 64 bit::

    words = sum over blocks of ceil((header + n (weight + delay + index)) / 64)

- header: 4 bits format, 6 bits length
- weight: the narrowest width the chip has for the mantissas in use: 8 bits, less the low bits that
  are 0 in all of them; a mixed sign is one of the bits
- delay: ceil(log2(longest delay + 1)) of the format; 0 without delays
- index: stored sparsely, every synapse names its compartment on the core, in the narrowest width
  that reaches the last one; stored densely there is no index, but an entry for every neuron of the
  population on this core. The format's owner takes what is smaller.

Source: nengo-loihi, ``block.py``, ``bits_per_axon``. Assumed: that a format's dense lists may start
anywhere on the core, and that a projection is one format.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deploy.mapping.chips import Chip
from lsnn_neuro.errors import NetworkError
from quantize.loihi import WEIGHT_BITS
from quantize.network import QuantizedProjection

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class SynapseFormat:
    """Widths in bits of what is stored per synapse, index apart."""

    weight_bits: int
    delay_bits: int


def format_of(projection: QuantizedProjection, chip: Chip) -> SynapseFormat:
    """The narrowest format the chip has for a projection."""
    return SynapseFormat(
        weight_bits=_narrowest(
            _used_bits(projection), chip.memory.weight_bits.value, f"{projection.name}: weights"
        ),
        delay_bits=projection.reach.bit_length(),
    )


def _used_bits(projection: QuantizedProjection) -> int:
    """Width of the mantissas without the low bits that are 0 in all of them, sign included."""
    used = int(np.bitwise_or.reduce(np.abs(projection.weight_mant), initial=0))
    low_zeros = (used & -used).bit_length() - 1 if used else WEIGHT_BITS
    return max(WEIGHT_BITS + (projection.sign_mode == "mixed") - low_zeros, 1)


def _narrowest(bits: int, widths: tuple[int, ...], what: str) -> int:
    for width in widths:
        if width >= bits:
            return width
    raise NetworkError(f"{what} need {bits} bits, the chip stores up to {widths[-1]}")


def words(
    counts: Counts, form: SynapseFormat, n_neurons: int, last_compartment: int, chip: Chip
) -> tuple[int, bool]:
    """Words that one format takes on a core, and whether it is stored densely.

    ``counts``: synapses of every source onto the population's neurons of this core, shape (source,);
    n_neurons: how many those are; last_compartment: the highest compartment they take.
    """
    entry = form.weight_bits + form.delay_bits
    index = _narrowest(last_compartment.bit_length(), chip.memory.index_bits.value, "indices")
    active = counts[counts > 0]
    sparse = _blocks(active, entry + index, chip)
    dense = len(active) * int(_blocks(np.array([n_neurons]), entry, chip))
    return (dense, True) if dense < sparse else (sparse, False)


def _blocks(counts: Counts, entry_bits: int, chip: Chip) -> int:
    """Words of all blocks of lists of these numbers of entries."""
    memory = chip.memory
    header, word = memory.block_header_bits.value, memory.word_bits.value
    full, rest = np.divmod(counts, memory.block_synapses.value)
    whole = -(-(header + memory.block_synapses.value * entry_bits) // word)
    last = np.where(rest > 0, -(-(header + rest * entry_bits) // word), 0)
    return int((full * whole + last).sum())
