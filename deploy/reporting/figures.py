"""Rasters, traces and scatter plots as SVG paths that fit any width of a page.

Only marks are drawn here, in the coordinates of the data; the template stretches them to the width
of the page, keeps strokes thin, and sets the text of the axes beside them in the page's own type.
Colours come from the page's style, so that one picture serves light, dark and paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import MaxNLocator

Spikes = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]
Style = Literal[
    "match", "missing", "extra", "line", "other", "threshold", "winner", "here", "output"
]

NEAR = 150
"""Steps a raster may have for its spikes to be drawn bold."""

HEIGHT = 1000
"""Vertical resolution of panels that show values; a raster has its neurons."""

SPIKES_MAX = 30_000
NEURONS_MAX = 250
"""A raster shows so many spikes and neurons of a population at most, to bound the file's size."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Marks of one style: SVG path data.

    - points: zero-length strokes, drawn as dots, or as squares for what is extra
    """

    style: Style
    path: str
    points: bool = False


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A number on an axis; ``at`` in percent from the left or from the top."""

    at: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes.

    - title: what the vertical axis shows; text: the picture in words
    - view: SVG viewBox (left, top, width, height); pixels: height on the page
    - near: shows few steps, and has room for bold marks
    """

    title: str
    text: str
    view: tuple[float, float, float, float]
    pixels: int
    layers: tuple[Layer, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    near: bool = False


@dataclass(frozen=True, kw_only=True)
class LegendItem:
    """What a style of marks means."""

    style: Style
    text: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """Values at some steps, joined by a line or as points; arrays (step,)."""

    style: Style
    steps: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64] | npt.NDArray[np.int64]
    points: bool = False


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Panels above one another that share the horizontal axis.

    - narrow: doesn't gain from the whole width of a page
    """

    title: str
    caption: str
    panels: tuple[Panel, ...]
    x_title: str
    legend: tuple[LegendItem, ...] = ()
    narrow: bool = False


def raster(
    name: str,
    reference: Spikes,
    other: Spikes,
    *,
    first_step: int = 0,
    here: tuple[int, int] | None = None,
) -> Panel:
    """Spikes of both sides, shape (time, neuron), laid over each other.

    - first_step: step of the first row; here: (step, neuron) to point at
    """
    n_steps, n = reference.shape
    shown = _neurons_to_show(reference | other, reference ^ other, here)
    one, two = reference[:, shown], other[:, shown]
    kinds: tuple[tuple[Style, Spikes], ...] = (
        ("match", one & two),
        ("missing", one & ~two),
        ("extra", ~one & two),
    )
    few = int((one ^ two).sum()) <= max(200, len(shown))
    layers = []
    for style, spikes in kinds:
        if spikes.any():
            as_points = few and style != "match"
            layers.append(Layer(style=style, path=_spike_path(spikes, as_points), points=as_points))
    if here:
        layers.append(Layer(style="here", path=f"M{here[0] - first_step} 0V{len(shown)}"))
    counts = {style: int(spikes.sum()) for style, spikes in kinds}
    part = "" if len(shown) == n else f", {len(shown)} of its {n:,} neurons shown"
    return Panel(
        title=f"{name}{part}",
        text=f"Spike raster of {name}, steps {first_step} to {first_step + n_steps - 1}{part}: "
        f"{counts['match']} matching spikes, {counts['missing']} missing, {counts['extra']} extra.",
        view=(-0.5, 0, n_steps, len(shown)),
        pixels=int(np.clip(2.5 * len(shown), 56, 320)),
        layers=tuple(layers),
        x_ticks=_ticks(first_step, first_step + n_steps),
        y_ticks=(Tick(at=0, text=str(shown[0])), Tick(at=100, text=str(shown[-1]))),
        near=n_steps <= NEAR,
    )


def traces(
    title: str,
    text: str,
    curves: Sequence[Curve],
    *,
    spikes: Iterable[tuple[Style, npt.NDArray[np.int64]]] = (),
    here: int | None = None,
    pixels: int = 150,
) -> Panel:
    """Curves over time; the first one spans the axis.

    - spikes: steps at which to draw a tick along the upper edge; here: step to point at
    """
    low, high = _room(np.concatenate([curve.values for curve in curves]))
    left, right = int(curves[0].steps[0]), int(curves[0].steps[-1])
    layers = [Layer(style="here", path=f"M{here - left} 0V{HEIGHT}")] if here is not None else []
    for curve in curves:
        if not len(curve.steps):
            continue
        y = np.rint((high - curve.values) / (high - low) * HEIGHT).astype(int)
        places = [f"{x} {down}" for x, down in zip(curve.steps - left, y, strict=True)]
        path = "".join(f"M{p}h0" for p in places) if curve.points else "M" + " ".join(places)
        layers.append(Layer(style=curve.style, path=path, points=curve.points))
    for row, (style, at) in enumerate(spikes):
        ticks = "".join(f"M{t - left} {row * 60}v50" for t in at)
        layers.append(Layer(style=style, path=ticks))
    return Panel(
        title=title,
        text=text,
        view=(-0.5, 0, right - left + 1, HEIGHT),
        pixels=pixels,
        layers=tuple(layers),
        x_ticks=_ticks(left, right + 1),
        y_ticks=_value_ticks(low, high),
    )


def scatter(title: str, text: str, groups: Sequence[tuple[Style, Values, Values]]) -> Panel:
    """Points against the line on which both values are equal; both axes have the same range."""
    low, high = _room(np.concatenate([v for _, x, y in groups for v in (x, y)]))

    def scale(v: Values) -> Values:
        return (v - low) / (high - low) * HEIGHT

    layers = [Layer(style="threshold", path=f"M0 {HEIGHT}L{HEIGHT} 0")]
    for style, x, y in groups:
        path = "".join(
            f"M{round(a)} {HEIGHT - round(b)}h0" for a, b in zip(scale(x), scale(y), strict=True)
        )
        layers.append(Layer(style=style, path=path, points=True))
    return Panel(
        title=title,
        text=text,
        view=(0, 0, HEIGHT, HEIGHT),
        pixels=300,
        layers=tuple(layers),
        x_ticks=_value_ticks(low, high, from_left=True),
        y_ticks=_value_ticks(low, high),
    )


def _neurons_to_show(
    spikes: Spikes, mismatches: Spikes, here: tuple[int, int] | None
) -> npt.NDArray[np.int64]:
    """All neurons, or as many as fit: first those that differ, then others evenly spread."""
    n = spikes.shape[1]
    limit = min(NEURONS_MAX, max(20, SPIKES_MAX * n // max(int(spikes.sum()), 1)))
    if n <= limit:
        return np.arange(n)
    wanted = [here[1]] if here else []
    wanted += np.flatnonzero(mismatches.any(axis=0))[: limit // 2].tolist()
    wanted += np.linspace(0, n - 1, limit - len(wanted)).astype(int).tolist()
    return np.unique(np.array(wanted, np.int64))


def _spike_path(spikes: Spikes, as_points: bool) -> str:
    mark = "h0" if as_points else "v.8"
    shift = 0.5 if as_points else 0.1
    neurons, steps = np.nonzero(spikes.T)
    return "".join(f"M{t} {j + shift:g}{mark}" for j, t in zip(neurons, steps, strict=True))


def _room(values: Values) -> tuple[float, float]:
    """A range that holds all values, with some room."""
    low, high = float(values.min()), float(values.max())
    margin = 0.08 * (high - low) or max(abs(high) * 0.1, 1.0)
    return low - margin, high + margin


def _ticks(first: int, end: int) -> tuple[Tick, ...]:
    """Ticks of the time axis, whose first step stands half a step from the left."""
    at = MaxNLocator(5, integer=True).tick_values(first, end - 1)
    return tuple(
        Tick(at=(t - first + 0.5) / (end - first) * 100, text=f"{t:,.0f}")
        for t in at
        if first <= t <= end - 1
    )


def _value_ticks(low: float, high: float, *, from_left: bool = False) -> tuple[Tick, ...]:
    at = [float(v) for v in MaxNLocator(4).tick_values(low, high) if low <= v <= high]
    span = high - low
    return tuple(
        Tick(at=((v - low) if from_left else (high - v)) / span * 100, text=_short(v)) for v in at
    )


def _short(value: float) -> str:
    """A number in few letters: 1.2k, 3.4M."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"
