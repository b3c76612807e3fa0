"""How far apart two sets of spike trains are, where they need not be equal (P0)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import quantities as pq
from elephant.spike_train_dissimilarity import victor_purpura_distance

from deploy.comparison import van_rossum
from lsnn_neuro.arrays import BoolArray, FloatArray
from quantize.record import PopulationSpikes

TAU = 20.0
"""Time scale of both distances in ms: the paper's membrane time constant."""

TRAINS_MAX = 1000
"""Victor-Purpura takes milliseconds a pair: so many pairs are spread evenly over all there are."""


@dataclass(frozen=True, kw_only=True)
class Distances:
    """One population on two sides, summed up over neurons and samples.

    - rate, other_rate: mean firing rates in Hz
    - rate_difference: mean over neurons of the absolute difference of their rates, in Hz
    - coincident: share of the reference's spikes that the other side has in the same step
    - van_rossum: distance relative to the reference's norm (tau of :data:`TAU`); 0 is equal
    - victor_purpura: cost of turning one train into the other (q = 1 / :data:`TAU`) per spike of both:
      0 is equal, 1 as much as deleting all spikes and inserting the others
    - trains: pairs of spike trains that Victor-Purpura was computed of
    - first_spike: mean absolute difference of the times of the first spike in ms, of trains that
      spike on both sides; None without such
    - one_sided: trains that spike on one side only
    """

    name: str
    rate: float
    other_rate: float
    rate_difference: float
    coincident: float
    van_rossum: float
    victor_purpura: float
    trains: int
    first_spike: float | None
    one_sided: int


def distances(one: PopulationSpikes, two: PopulationSpikes, dt: float) -> Distances:
    """Distances of a population's spikes on two sides; ``one`` is the reference, ``dt`` a step in ms."""
    a, b = one.spikes, two.spikes  # (time, sample, neuron)
    rates = [rate_hz(side, dt) for side in (a, b)]
    spikes_on = [side.any(axis=0) for side in (a, b)]
    both = spikes_on[0] & spikes_on[1]
    first = np.abs(a.argmax(axis=0) - b.argmax(axis=0))[both] * dt
    squared, norm = van_rossum(a, b, TAU / dt)
    cost, trains = _victor_purpura(a, b, dt)
    return Distances(
        name=one.name,
        rate=float(rates[0].mean()),
        other_rate=float(rates[1].mean()),
        rate_difference=float(np.abs(rates[0] - rates[1]).mean()),
        coincident=float((a & b).sum() / max(a.sum(), 1)),
        van_rossum=float(np.sqrt(squared / norm)) if norm else 0.0 if squared == 0 else np.inf,
        victor_purpura=cost,
        trains=trains,
        first_spike=float(first.mean()) if both.any() else None,
        one_sided=int((spikes_on[0] ^ spikes_on[1]).sum()),
    )


def rate_hz(spikes: BoolArray, dt: float) -> FloatArray:
    """Firing rate of every neuron in Hz; spikes have shape (time, sample, neuron), steps ``dt`` ms."""
    rate: FloatArray = spikes.mean(axis=(0, 1)) * (1000 / dt)
    return rate


def _victor_purpura(a: BoolArray, b: BoolArray, dt: float) -> tuple[float, int]:
    """Summed Victor-Purpura distance per spike of both sides, and the number of pairs.

    Source: Victor and Purpura 1996, Journal of Neurophysiology 76(2), the metric D^spike[q].
    """
    trains = [side.reshape(len(side), -1) for side in (a, b)]  # (time, sample x neuron)
    n = trains[0].shape[1]
    chosen = np.unique(np.linspace(0, n - 1, min(n, TRAINS_MAX)).astype(int))
    cost, spikes = 0.0, 0
    for column in chosen:
        times = [np.flatnonzero(side[:, column]) * dt for side in trains]
        if not np.array_equal(times[0], times[1]):
            pair = [pq.Quantity(t, "ms") for t in times]
            matrix = victor_purpura_distance(pair, 1 / pq.Quantity(TAU, "ms"), sort=False)
            cost += float(matrix[0, 1])
        spikes += sum(len(t) for t in times)
    return cost / max(spikes, 1), len(chosen)
