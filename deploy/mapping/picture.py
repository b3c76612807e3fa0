"""The cores of a placement as an SVG picture, in colours that work on light and on dark pages."""

from __future__ import annotations

import io

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from deploy.mapping.filling import CORE_LIMITS
from deploy.mapping.placement import Placement

INK = "#010203"
"""Stands for the page's own text colour, which Matplotlib can't name."""

CHIPS_SHOWN = 4
"""A picture shows this many chips at most, to stay readable."""

_COLOURS = mpl.colormaps["viridis"]


def cores_svg(placement: Placement) -> str:
    """SVG text: every chip's cores in their mesh, coloured by the fullest resource, and a legend of
    how full the resources are."""
    shown = min(placement.n_chips, CHIPS_SHOWN)
    style = {
        "svg.fonttype": "none",
        "svg.hashsalt": "lsnn-neuro",  # the same placement gives the same file
        "font.family": "sans-serif",
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=(8, 3.1 * shown + 1.7), layout="constrained")
        axes = figure.subplots(
            shown + 1, 1, height_ratios=[3.1] * shown + [1.7], squeeze=False
        ).ravel()
        for index in range(shown):
            _draw_chip(axes[index], placement, index)
        _draw_resources(axes[shown], placement)
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{_words(placement)}" ', 1)


def _words(placement: Placement) -> str:
    limit, share = max((placement.fullest(core) for core in placement.cores), key=lambda f: f[1])
    return (
        f"{len(placement.cores)} cores in use on {placement.n_chips} chip(s) {placement.chip.name}; "
        f"the fullest resource of the fullest core is used to {share:.0%}: "
        f"{placement.chip.limits.describe(limit)}"
    )


def _draw_chip(axes: Axes, placement: Placement, chip: int) -> None:
    """One chip: tiles in their mesh, cores side by side in their tile."""
    limits = placement.chip.limits
    per_chip, per_tile = limits.cores.value, limits.cores_per_tile.value
    used = placement.cores[chip * per_chip : (chip + 1) * per_chip]
    for core in range(per_chip):
        column, row = placement.chip.tile(core)
        across = -(-per_tile // 2)  # two rows of cores to a tile
        down, right = divmod(core % per_tile, across)
        corner = (column * (across + 0.3) + right, row * 2.3 + down)
        share = placement.fullest(used[core])[1] if core < len(used) else None
        face = "none" if share is None else to_hex(_COLOURS(share))
        axes.add_patch(Rectangle(corner, 0.9, 0.9, facecolor=face, edgecolor=INK, linewidth=0.4))
        if share is not None:
            axes.text(
                corner[0] + 0.45, corner[1] + 0.45, f"{share:.0%}", ha="center", va="center",
                fontsize=5, color="white" if share < 0.6 else "black",
            )  # fmt: skip
    axes.autoscale_view()
    axes.set_aspect("equal")
    axes.invert_yaxis()
    axes.set_axis_off()
    named = dict.fromkeys(limits.describe(placement.fullest(core)[0]) for core in used)
    axes.set_title(
        f"{placement.chip.name}, chip {chip}: {len(used)} of {per_chip} cores, fullest resource: "
        f"{' or '.join(named)}",
        fontsize=9,
    )


def _draw_resources(axes: Axes, placement: Placement) -> None:
    """How full each resource is: the mean core and the fullest one."""
    names = [placement.chip.limits.describe(limit) for limit in CORE_LIMITS]
    shares = [[placement.utilization(c)[limit] for c in placement.cores] for limit in CORE_LIMITS]
    axes.barh(
        names, [100 * max(s) for s in shares], color=to_hex(_COLOURS(0.75)), label="fullest core"
    )
    axes.barh(
        names, [100 * sum(s) / len(s) for s in shares], height=0.4, color=to_hex(_COLOURS(0.25)),
        label="mean of cores in use",
    )  # fmt: skip
    axes.set_xlim(0, 100)
    axes.set_xlabel("percent of the limit", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.invert_yaxis()
    axes.legend(fontsize=7, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    axes.spines[["top", "right"]].set_visible(False)
