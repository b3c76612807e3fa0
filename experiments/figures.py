"""The figures of the results page, as SVG. Equal models give equal bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deploy.model import load
from deploy.publishing.log import read_metrics
from deploy.publishing.measurement import IN_FLOAT, ON_INTEGERS
from experiments.families import Families, Family, Model
from experiments.literature import LSNN_FAMILIES
from experiments.navigation import first_episodes, paths_and_trials, random_walks
from lsnn_neuro.neurons.alif import ALIF
from lsnn_neuro.neurons.atrlif import ATRLIF
from lsnn_neuro.tasks.labels import ClassLabels
from lsnn_neuro.tasks.navigation.episodes import Episodes
from lsnn_neuro.tasks.navigation.task import Navigation
from quantize.emulator import emulate, trace
from quantize.network import QuantizedNetwork

TRACED = 6
"""How many neurons' thresholds are drawn."""
ADAPTS_THRESHOLD = (ALIF, ATRLIF)
"""Neurons whose state a is added to the threshold."""

_STYLE = {
    "svg.hashsalt": "lsnn-neuro",  # else names inside the file are random
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
}


def svg(figure: Figure) -> str:
    """A figure as SVG text."""
    buffer = io.StringIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(buffer, format="svg", dpi=200, metadata={"Date": None}, bbox_inches="tight")
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def figures(families: Families) -> dict[str, str]:
    """All figures there are models for: file name -> SVG."""
    drawn = {
        "learning-curves.svg": learning_curves(families),
        "connectivity.svg": connectivity(families),
        "weight-bits.svg": weight_bits(families),
        "raster.svg": raster(families),
        "learning-to-learn.svg": learning_to_learn(families),
        "navigation.svg": navigation(families),
    }
    return {name: svg(figure) for name, figure in drawn.items() if figure is not None}


def learning_curves(families: Families) -> Figure | None:
    """Validation accuracy against iterations: a colour for each family, a line for each seed."""
    digits = [f for f in families.values() if f.first.recipe.task.name == "sequential-mnist"]
    if not digits:
        return None
    figure, axes = _axes("iteration", "validation accuracy (%)")
    low = 100.0
    for i, family in enumerate(digits):
        for j, model in enumerate(family.models):
            lines = [m for m in read_metrics(model.folder) if "validation_accuracy" in m]
            x = [m["iteration"] for m in lines]
            y = [100 * m["validation_accuracy"] for m in lines]
            label = None if j else family.name
            axes.plot(x, y, color=f"C{i % 10}", ls=_dash(i), lw=1.2, label=label)
            low = min(low, float(np.median(y[: len(y) // 2 + 1])))
    axes.set_ylim(low - 5, 100)
    _legend(axes)
    return figure


def connectivity(families: Families) -> Figure | None:
    """Test accuracy against the share of active synapses, for networks alike but for that."""
    alike: dict[str, list[Family]] = {}
    for family in families.values():
        if family.first.card.integers is not None:
            alike.setdefault(_but_for_connectivity(family.first), []).append(family)
    lines = [
        sorted(group, key=_share) for group in alike.values() if len(set(map(_share, group))) > 1
    ]
    if not lines:
        return None
    figure, axes = _axes("active parameters (%)", "test accuracy (%)")
    for group in lines:
        _spread_line(axes, [_share(f) for f in group], group, min((f.name for f in group), key=len))
    axes.set_xscale("log")
    shares = sorted({_share(f) for group in lines for f in group})
    axes.set_xticks(shares, [f"{share:.3g}" for share in shares])
    axes.minorticks_off()
    _legend(axes)
    return figure


def weight_bits(families: Families) -> Figure | None:
    """Emulated test accuracy of the LSNN_FAMILIES against the bits their weights may have.

    A line for each family whose weights were rounded after training, a marker for each that was
    trained with so many bits.
    """
    ours = [family for family in families.values() if _is_the_papers(family, families)]
    if not ours:
        return None
    figure, axes = _axes("weight bits, sign not counted", "test accuracy on integers (%)")
    for i, family in enumerate(ours):
        cards = [m.card.integers for m in family.models if m.card.integers]
        bits = sorted(set.intersection(*(set(card.by_weight_bits) for card in cards)))
        means = [100 * np.mean([card.by_weight_bits[b] for card in cards]) for b in bits]
        axes.plot(bits, means, "o-", color=f"C{i % 10}", ms=4, lw=1.2,
                  label=f"{family.name}, rounded afterwards")  # fmt: skip
        if family.trained_on_integers:
            trained = family.first.card.trained_bits or 0
            axes.plot([trained], [100 * family.reached.mean], "*", color=f"C{i % 10}", ms=14,
                      label=f"{family.name}, trained with {trained} bits")  # fmt: skip
    _legend(axes)
    return figure


def learning_to_learn(families: Families) -> Figure | None:
    """Squared error against the examples seen, a panel for each family of functions."""
    shown = [family for family in families.values() if family.first.card.curves]
    tasks = sorted({family.first.recipe.task.name for family in shown})
    if not tasks:
        return None
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(4.5 * len(tasks), 3.6), layout="constrained")
        panels = figure.subplots(1, len(tasks), squeeze=False)[0]
    for axes, task in zip(panels, tasks, strict=True):
        rivals: dict[str, list[float]] = {}
        for i, family in enumerate(f for f in shown if f.first.recipe.task.name == task):
            for name, curve in family.first.card.curves.items():
                if name in (IN_FLOAT, ON_INTEGERS):
                    label = f"{family.name}, {name.removeprefix('network, ')}"
                    axes.plot(
                        curve, color=f"C{i}", ls="--" if name == IN_FLOAT else "-", label=label
                    )
                else:
                    rivals[name] = curve
        for j, (name, curve) in enumerate(rivals.items()):
            axes.plot(curve, color="0.55", ls=("-", "--", ":")[j % 3], lw=1, label=name)
        axes.set(xlabel="examples seen", ylabel="mean squared error", title=task, yscale="log")
        axes.legend(fontsize=7)
    return figure


def navigation(families: Families) -> Figure | None:
    """Paths early and late in an episode, and how long the trials of an episode take."""
    models = [f.first for f in families.values() if f.first.recipe.task.name == Navigation.name]
    if not models:
        return None
    models.sort(key=lambda m: len(m.name))  # the paths of "navigation" itself are shown
    episodes: dict[str, Episodes] = {}
    for model in models:
        task, episodes[model.name] = first_episodes(model.folder)
    return paths_and_trials(task, episodes | {"random walk": random_walks(task)})


def raster(families: Families) -> Figure | None:
    """What one of the LSNN_FAMILIES does with one test sample, on integers."""
    model = next((families[n].first for n in LSNN_FAMILIES if n in families), None)
    if model is None:
        return None
    trained = load(model.folder)
    task: Any = trained.task
    batch, network = next(task.batches("test", 1, 1)), trained.integers
    record = emulate(network, batch.inputs)
    trains = {"input": batch.inputs[:, 0]} | {p.name: p.spikes[:, 0] for p in record.spikes}
    thresholds = _thresholds(network, batch.inputs[:, 0])
    heights = [*(t.shape[1] for t in trains.values()), *([60] * (1 + bool(len(thresholds))))]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8, 8))
        rows = figure.subplots(
            len(heights), 1, sharex=True, height_ratios=heights, gridspec_kw={"hspace": 0.12}
        )
    for axes, (name, train) in zip(rows, trains.items(), strict=False):
        _spikes(axes, train)
        axes.set_ylabel(f"{name}\n({train.shape[1]})")
    if len(thresholds):
        axes = rows[len(trains)]
        for series in thresholds:
            axes.plot(series, lw=1, rasterized=True)
        axes.set_ylabel("threshold\n(x baseline)")
    assert isinstance(batch.labels, ClassLabels)
    target, *_ = batch.labels.target
    for output, series in enumerate(network.to_float(record.readout[:, 0]).T):
        right = output == target
        rows[-1].plot(
            series, lw=2 if right else 0.8, color="C3" if right else "0.6", rasterized=True,
            label=f"output {output}, the right one" if right else None,
        )  # fmt: skip
    rows[-1].axvspan(batch.labels.start[0], batch.labels.stop[0], color="C2", alpha=0.2, lw=0)
    rows[-1].set_ylabel("readout")
    rows[-1].set_xlabel("step (1 ms); shaded: where the class is read")
    rows[-1].legend(loc="upper left", fontsize="small")
    return figure


def _thresholds(
    network: QuantizedNetwork, inputs: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Adapted thresholds, relative to the baseline, of neurons whose threshold adapts: (neuron, time).

    Of all neurons that adapt, the ones between the least and the most adapted, evenly.
    """
    populations = {
        p.name: p for p in network.spiking if p.adaptive and p.neuron in ADAPTS_THRESHOLD
    }
    if not populations:
        return np.zeros((0, len(inputs)))
    series = np.stack(
        [
            np.concatenate(
                [1 + s["a"] / populations[s.name].vth for s in states if s.name in populations]
            )
            for states in trace(network, inputs)
        ]
    )  # (time, neuron)
    order = np.argsort(series.max(axis=0), kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, min(TRACED, len(order))).astype(int)]
    traced: npt.NDArray[np.float64] = series[:, chosen].T
    return traced


def _spikes(axes: Axes, train: npt.NDArray[np.bool_]) -> None:
    """A raster, as an image inside the SVG: thousands of lines would make a large file."""
    time, neuron = np.nonzero(train)
    nothing = np.full(len(time), np.nan)
    x = np.stack([time, time, nothing], axis=1).ravel()
    y = np.stack([neuron - 0.4, neuron + 0.4, nothing], axis=1).ravel()
    axes.plot(x, y, color="k", lw=0.7, rasterized=True)
    axes.set_ylim(-1, train.shape[1])
    axes.grid(visible=False)


def _axes(x: str, y: str) -> tuple[Figure, Axes]:
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7, 4.2))
        axes = figure.subplots()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes


def _legend(axes: Axes) -> None:
    axes.legend(loc="lower right", fontsize="small", frameon=False)


def _dash(i: int) -> str:
    """After ten colours, another kind of line."""
    return ("-", "--", ":", "-.")[i // 10 % 4]


def _spread_line(axes: Axes, x: Sequence[float], group: Sequence[Family], label: str) -> None:
    spreads = [family.reached for family in group]
    axes.errorbar(
        x, [100 * s.mean for s in spreads], [100 * (s.sd or 0) for s in spreads],
        fmt="o-", ms=4, lw=1.2, capsize=3, label=label,
    )  # fmt: skip


def _share(family: Family) -> float:
    """Active parameters in per cent."""
    return 100 * family.first.card.active_parameters / family.first.card.total_parameters


_GOES_WITH_CONNECTIVITY: dict[str, Any] = {
    "name": True,
    "seed": True,
    "further": {"deep_r"},
    "network": {
        "signs", "input_connectivity", "recurrent_connectivity", "readout_connectivity",
        "input_scale", "recurrent_scale",
    },
    "training": {"lr", "clip_gradient", "iterations", "validate_every"},
}  # fmt: skip
"""Where the recipes of two points on one line may differ: dense networks take other steps, and fewer."""


def _but_for_connectivity(model: Model) -> str:
    """Everything of a recipe that must be equal for two points to lie on one line."""
    fields = model.recipe.model_dump(exclude=_GOES_WITH_CONNECTIVITY)
    return repr(sorted(fields.items()))


def _is_the_papers(family: Family, families: Families) -> bool:
    """Whether it is one of the LSNN_FAMILIES, or the same network trained another way."""
    networks = [families[name].first.recipe for name in LSNN_FAMILIES if name in families]
    recipe = family.first.recipe
    return any((recipe.network, recipe.task) == (r.network, r.task) for r in networks)
