"""Matrices with delays as projections of a spec."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from deploy.interchange.nir_linear import Matrix
from lsnn_neuro.arrays import FloatArray
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.spec import DELAY_MAX, Projection


def as_projections(
    source: str, target: str, parts: list[tuple[int, Matrix]]
) -> Iterator[Projection]:
    """Synapses with their delays; a pair that has several stands in several projections."""
    entries = [(d, m.tocoo()) for d, m in parts]
    row = np.concatenate([m.row for _, m in entries]).astype(np.int64)
    column = np.concatenate([m.col for _, m in entries]).astype(np.int64)
    weight = np.concatenate([m.data for _, m in entries])
    delay = np.concatenate([np.full(m.nnz, d) for d, m in entries])
    for index in np.flatnonzero(delay > DELAY_MAX)[:1]:
        raise NetworkError(
            f"projection {source}->{target}: a synapse from {column[index]} to {row[index]} has a delay of "
            f"{delay[index]} steps, allowed are 0 to {DELAY_MAX}"
        )
    kept = weight != 0
    row, column, weight, delay = (a[kept] for a in (row, column, weight, delay))
    order = np.lexsort((delay, column, row))
    row, column, weight, delay = (a[order] for a in (row, column, weight, delay))
    first = np.r_[True, (np.diff(row) != 0) | (np.diff(column) != 0)] if len(row) else row == 0
    rank = np.arange(len(row)) - np.maximum.accumulate(np.where(first, np.arange(len(row)), 0))
    for turn in range(int(rank.max(initial=-1)) + 1):
        here = rank == turn
        yield _projection(
            source, target, column[here], row[here], weight[here], delay[here], turn,
            n_source=parts[0][1].shape[1],
        )  # fmt: skip


def _projection(
    source: str,
    target: str,
    column: Any,
    row: Any,
    weight: FloatArray,
    delay: Any,
    turn: int,
    *,
    n_source: int,
) -> Projection:
    """One projection; with Dale's law where all synapses of each source have one sign (8 bits each)."""
    positive = np.bincount(column, weight > 0, n_source) > 0
    negative = np.bincount(column, weight < 0, n_source) > 0
    return Projection(
        source=source, target=target, source_index=column.astype(np.int32),
        target_index=row.astype(np.int32), weight=weight, delay=delay.astype(np.int32),
        signs="free" if (positive & negative).any() else np.where(negative, -1, 1).astype(np.int8),
        name=f"{source}->{target}" + (f" {turn + 1}" if turn else ""),
    )  # fmt: skip
