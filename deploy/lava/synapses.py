"""Projections as Lava connections, and event-driven models for them.

Lava's own models of ``Sparse`` and ``DelaySparse`` look at every synapse in every step, and
``DelaySparse`` even sorts them by delay anew each time. The models here look only at the synapses
of the neurons that spiked. They compute the same integers: a test runs both.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.sparse.models import PyDelaySparseModelBitAcc, PySparseModelBitAcc
from lava.proc.sparse.process import DelaySparse, Sparse
from lava.utils.weightutils import SignMode
from scipy.sparse import block_diag, csr_matrix

from deploy.lava.options import SynapseModel
from lsnn_neuro.arrays import IntArray
from quantize.arithmetic import Ints, shift
from quantize.loihi import WEIGHT_BITS
from quantize.network import QuantizedProjection

# An explicit sign mode, because Lava otherwise guesses it per matrix and clips by its guess.
_SIGN_MODE = {
    "excitatory": SignMode.EXCITATORY,
    "inhibitory": SignMode.INHIBITORY,
    "mixed": SignMode.MIXED,
}


def _side_by_side(
    projection: QuantizedProjection, values: IntArray, samples: int, dtype: npt.DTypeLike
) -> csr_matrix:
    """One value per synapse as a matrix (target, source), repeated along the diagonal."""
    # csr_matrix, never csr_array: Lava does not clip, shift or read csr_array as a sparse matrix
    matrix = csr_matrix(
        (values.astype(dtype), (projection.target_index, projection.source_index)),
        shape=(projection.n_target, projection.n_source),
    )
    return csr_matrix(block_diag([matrix] * samples, format="csr"), dtype=dtype)


def build_connection(
    projection: QuantizedProjection, samples: int, *, extra_delay: int = 0, message_bits: int = 0
) -> Sparse:
    """``samples`` of a projection side by side: ``Sparse``, or ``DelaySparse`` if it has delays.

    - extra_delay: steps on top of every synapse's own delay
    - message_bits: width of what an event carries; with 0 whatever is sent counts as 1
    """
    # QuantizedProjection has checked range, sign and (mixed) evenness: nothing is left for Lava to
    # clip or floor
    weights = _side_by_side(projection, projection.weight_mant, samples, np.int32)
    sign_mode = _SIGN_MODE[projection.sign_mode]
    reach = projection.reach + extra_delay
    if reach == 0:
        return Sparse(
            weights=weights,
            weight_exp=projection.weight_exp,
            num_weight_bits=WEIGHT_BITS,
            sign_mode=sign_mode,
            num_message_bits=message_bits,
            name=projection.name,
        )
    return DelaySparse(
        weights=weights,
        delays=_side_by_side(
            projection, projection.delay + np.int32(extra_delay), samples, int
        ),  # Lava takes only int
        max_delay=reach,
        weight_exp=projection.weight_exp,
        num_weight_bits=WEIGHT_BITS,
        sign_mode=sign_mode,
        num_message_bits=message_bits,
        name=projection.name,
    )


def connection_model(connection: Sparse, synapses: SynapseModel) -> type[PyLoihiProcessModel]:
    """The model class that runs a connection."""
    if isinstance(connection, DelaySparse):
        return EventDelaySparse if synapses == "event" else PyDelaySparseModelBitAcc
    return EventSparse if synapses == "event" else PySparseModelBitAcc


class AbstractEventModel(PyLoihiProcessModel):  # type: ignore[misc]
    """Events arrive, the synapses of their sources are gathered, their weights wait in a ring.

    Per time step t, for a synapse of weight w and delay d, in the order Lava uses (what is sent was
    complete one step before, so that recurrent networks can't deadlock)::

        a_out[t]         = ring[t]
        ring[t + 1 + d] += (sum of w s over the events s of step t) << weight_exp    for each d on its own

    s is 1 for whatever is sent where num_message_bits is 0.
    """

    s_in = LavaPyType(PyInPort.VEC_DENSE, np.int8, precision=8)
    a_out = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=16)
    a_buff: IntArray = LavaPyType(np.ndarray, np.int32, precision=16)
    weights: csr_matrix = LavaPyType(csr_matrix, np.int32, precision=8)
    num_message_bits: Ints = LavaPyType(np.ndarray, np.int64, precision=5)

    # a_buff, the Var, only gives the ring its content at the start; the ring is what waits.
    _ready = False

    def delay_of_synapses(self, rows: Ints, columns: Ints) -> IntArray:
        """Delay of each synapse, given by target and source index."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Sort the synapses by source, once."""
        by_source = self.weights.tocsc()
        self.first = by_source.indptr[:-1].astype(np.int64)  # (source,): where its synapses begin
        self.count = np.diff(by_source.indptr).astype(np.int64)  # (source,): how many it has
        self.target = by_source.indices.astype(np.int64)  # (synapse,)
        self.weight = by_source.data.astype(np.int64)  # (synapse,)
        n_target, n_source = self.weights.shape
        source = np.repeat(np.arange(n_source), self.count)
        self.delay = self.delay_of_synapses(self.target, source).astype(np.int64)  # (synapse,)
        self.ring = self.a_buff.reshape(n_target, -1).T.copy()  # (slot, target)
        self.head = 0
        self.sums = np.zeros(self.ring.size, np.int64)  # scratch, zero between steps
        self.weight_exp: int = self.proc_params["weight_exp"]
        self._ready = True

    def run_spk(self) -> None:
        """One time step."""
        if not self._ready:
            self.prepare()
        self.a_out.send(self.ring[self.head])
        self.ring[self.head] = 0
        self.head = (self.head + 1) % len(self.ring)
        events = self.s_in.recv()
        self.add_events(events if self.num_message_bits.item() else events != 0)

    def add_events(self, events: Ints) -> None:
        """Put the weights of the synapses of active sources, times the events, where their delay says."""
        sources = np.flatnonzero(events)
        count = self.count[sources]
        offset = np.repeat(self.first[sources] - np.cumsum(count) + count, count)
        synapses = offset + np.arange(len(offset))
        slots = (self.head + self.delay[synapses]) % len(self.ring)
        places = slots * self.ring.shape[1] + self.target[synapses]
        np.add.at(self.sums, places, self.weight[synapses] * np.repeat(events[sources], count))
        # The exponent acts on the sum of each place, and each place is hit by a single delay. A
        # place listed twice is written twice with the same value.
        ring = self.ring.reshape(-1)
        ring[places] = ring[places] + shift(self.sums[places], self.weight_exp)
        self.sums[places] = 0


@implements(proc=Sparse, protocol=LoihiProtocol)
@requires(CPU)
@tag("bit_accurate_loihi", "fixed_pt")
class EventSparse(AbstractEventModel):
    """Event-driven ``Sparse``."""

    def delay_of_synapses(self, rows: Ints, columns: Ints) -> IntArray:
        """No delays."""
        return np.zeros(len(rows), np.int32)


@implements(proc=DelaySparse, protocol=LoihiProtocol)
@requires(CPU)
@tag("bit_accurate_loihi", "fixed_pt")
class EventDelaySparse(AbstractEventModel):
    """Event-driven ``DelaySparse``."""

    delays: csr_matrix = LavaPyType(csr_matrix, np.int32, precision=6)

    def delay_of_synapses(self, rows: Ints, columns: Ints) -> IntArray:
        """Read from the matrix of delays; a synapse it does not list has none."""
        return np.asarray(self.delays[rows, columns], np.int32).reshape(-1)
