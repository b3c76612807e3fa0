"""Other people's numbers, and which of their claims ours bear out.

Accuracies on the complete MNIST test set, as fractions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from experiments.families import Families

PAPER = "Bellec et al. 2018"
INTEL = "Intel's Loihi 1 module"


@dataclass(frozen=True, kw_only=True)
class Published:
    """A published accuracy: of the best run, and over all runs where that was said."""

    source: str
    best: float
    mean: float | None = None
    sd: float | None = None
    parameters: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A network that others or we have results for.

    - family: name of our models; published: theirs, if there is one
    """

    family: str
    network: str
    published: Published | None = None


PAPERS_BEST = 0.947
"""Of the LSNN at 1 ms a pixel."""
_LSNN_1MS = Published(
    source=PAPER, best=PAPERS_BEST, mean=0.942, sd=0.003, parameters="8,185 of 68,210"
)

ROWS = (
    Row(family="smnist-1ms", network="LSNN, 120 + 100, DEEP R 12 %", published=_LSNN_1MS),
    Row(
        family="smnist-1ms",
        network="beside it on a Loihi 1: LSNN, 140 + 100, 19.8 %",
        published=Published(source=INTEL, best=0.941, mean=0.935, sd=0.01),
    ),
    Row(
        family="smnist-1ms-paper",
        network="LSNN, 120 + 100, DEEP R 12 %, in the paper's own setting, shorter schedule",
        published=_LSNN_1MS,
    ),
    Row(
        family="smnist-2ms",
        network="LSNN, 120 + 100, DEEP R 12 %, 2 ms a pixel",
        published=Published(
            source=PAPER, best=0.964, mean=0.938, sd=0.058, parameters="8,185 of 68,210"
        ),
    ),
    Row(
        family="smnist-1ms-large",
        network="LSNN, 350 + 350, DEEP R 12 %",
        published=Published(source=PAPER, best=0.961, parameters="66,360 of 553,000"),
    ),
    Row(
        family="smnist-dense",
        network="LSNN, 120 + 100, fully connected",
        published=Published(source=PAPER, best=0.93, parameters="68,210"),
    ),
    Row(
        family="smnist-lif",
        network="LIF, 220, no adaptation",
        published=Published(source=PAPER, best=0.633, mean=0.609),
    ),
    Row(
        family="smnist-lstm",
        network="LSTM, 128 units (ours hears counts of 8 ms)",
        published=Published(source=PAPER, best=0.985, mean=0.798, sd=0.266, parameters="67,850"),
    ),
    Row(
        family="smnist-best",
        network="ours for the least error: LSNN, 150 + 150, 40 %, images shifted by up to a pixel",
    ),
    Row(family="smnist-1ms-current", network="LSNN, 120 + 100, adaptation current (as on Loihi 1)"),
    Row(family="smnist-1ms-atrlif", network="LSNN, 120 + 100, Lava's ATRLIF neurons"),
    Row(family="psmnist", network="LSNN, 150 + 150, DEEP R 40 %, pixels permuted"),
)

LSNN_FAMILIES = ("smnist-1ms", "smnist-1ms-paper")
"""Families that are the paper's network at 1 ms."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Something others found, and how far we find it too.

    - published: their number; ours: gives our number, None if a run is missing
    - both in points of per cent, or per cent; the claim holds if ours is at least theirs
    """

    text: str
    source: str
    published: float
    ours: Callable[[Families], float | None]

    def verdict(self, families: Families) -> tuple[str, str]:
        """Our number and what it says of the claim, in words."""
        ours = self.ours(families)
        if ours is None:
            return "", "not run"
        if round(ours, 1) >= self.published:
            return f"{ours:.2f}", "**holds**"
        return f"{ours:.2f}", f"**does not hold**: {self.published - ours:.2f} short"


def _best(families: Families, *names: str) -> float | None:
    """The highest accuracy, in per cent, that families of these names reached."""
    found = [100 * families[name].reached.best for name in names if name in families]
    return max(found, default=None)


def _mean(families: Families, *names: str) -> float | None:
    """The highest mean over runs, in per cent; a single run has none."""
    reached = [families[name].reached for name in names if name in families]
    return max((100 * spread.mean for spread in reached if spread.n > 1), default=None)


def _best_on_integers(families: Families, *names: str) -> float | None:
    spreads = [families[name].on_integers for name in names if name in families]
    return max((100 * s.best for s in spreads if s is not None), default=None)


def _lead(families: Families, over: str) -> float | None:
    """How many points smnist-1ms is ahead of a network made from it, best against best."""
    lsnn, other = _best(families, "smnist-1ms"), _best(families, over)
    return None if lsnn is None or other is None else lsnn - other


def _gain(families: Families, by: str) -> float | None:
    lead = _lead(families, by)
    return None if lead is None else -lead


CLAIMS = (
    Claim(
        text="An LSNN of 220 neurons with 12 % of its synapses reaches 94.7 % (best run)",
        source=PAPER,
        published=94.7,
        ours=lambda families: _best(families, *LSNN_FAMILIES),
    ),
    Claim(
        text="... in the paper's own setting, delays and refractory period too",
        source=PAPER,
        published=94.7,
        ours=lambda families: _best(families, "smnist-1ms-paper"),
    ),
    Claim(
        text="... and 94.2 % in the mean over runs",
        source=PAPER,
        published=94.2,
        ours=lambda families: _mean(families, *LSNN_FAMILIES),
    ),
    Claim(
        text="Shown 2 ms a pixel it reaches 96.4 %",
        source=PAPER,
        published=96.4,
        ours=lambda families: _best(families, "smnist-2ms"),
    ),
    Claim(
        text="With 700 neurons it reaches 96.1 %",
        source=PAPER,
        published=96.1,
        ours=lambda families: _best(families, "smnist-1ms-large"),
    ),
    Claim(
        text="More neurons help: 700 are 1.4 points ahead of 220",
        source=PAPER,
        published=1.4,
        ours=lambda families: _gain(families, "smnist-1ms-large"),
    ),
    Claim(
        text="Sparse beats dense: 12 % of the synapses are 1.7 points ahead of all of them",
        source=PAPER,
        published=1.7,
        ours=lambda families: _lead(families, "smnist-dense"),
    ),
    Claim(
        text="Adaptation is what matters: without it, 31.4 points are lost",
        source=PAPER,
        published=31.4,
        ours=lambda families: _lead(families, "smnist-lif"),
    ),
    Claim(
        text="The best LSTM is 3.8 points ahead of the LSNN",
        source=PAPER,
        published=3.8,
        ours=lambda families: _gain(families, "smnist-lstm"),
    ),
    Claim(
        text="On Loihi's integers an LSNN reaches 94.1 %",
        source=INTEL,
        published=94.1,
        ours=lambda families: _best_on_integers(families, *LSNN_FAMILIES),
    ),
)
