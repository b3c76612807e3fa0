"""One step from every combination of boundary states: oracle, emulator, kernel and Lava's processes agree.

What the combinations are says :mod:`boundary_steps`. The quick tests take a part of the samples, the slow
ones all of them.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from boundary_steps import (
    CASES,
    DECAYS,
    ENGINES,
    assert_equal,
    boundary_grid,
    choices,
    compare,
    in_the_oracle,
    on_loop,
)

from lsnn_neuro.registry import NEURONS
from quantize import file_format

ROOT = Path(__file__).parents[2]
AT_ONCE = 500
"""Samples that are compared at once."""
STOCK_LIF = {"reset": "to", "at_threshold": False}
OWN = [case for case in CASES if case[0] != "atrlif"]


def on_lava(grids, folder):
    """States after the step of each grid, by name; its synaptic current is ``i``."""
    for name, grid in grids.items():
        row = grid.in_a_row()
        file_format.save(
            row.network(np.zeros(row.population.size, int), 1), folder / f"{name}.safetensors"
        )
        given = row.states | {"i": row.current, "arrived": grid.arrived}
        np.savez(
            folder / f"{name}.npz", **{k: v.reshape(-1).astype(np.int32) for k, v in given.items()}
        )
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("one_step_in_lava.py")), str(folder)],
        capture_output=True, text=True, timeout=600, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return {
        name: {
            k: v.reshape(grid.current.shape)
            for k, v in np.load(folder / f"{name}.after.npz", allow_pickle=False).items()
        }
        for name, grid in grids.items()
    }


def check_on_lava(grids, folder, reference=in_the_oracle):
    """Lava's processes give what the reference says, in every state variable."""
    found = on_lava(grids, folder)
    for name, grid in grids.items():
        states, current = reference(grid)
        for variable, values in found[name].items():
            if variable == "i":
                if grid.population.decay_i is not None:
                    assert_equal(values, current, f"Lava, {name}: current", grid)
            else:
                assert_equal(values, states[variable], f"Lava, {name}: {variable}", grid)


# --- a part ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(NEURONS))
def test_a_part_of_the_boundary_states_takes_the_same_step_on_all_engines(kind):
    for case in CASES:
        if case[0] == kind:
            compare(boundary_grid(*case, 12))


def test_the_grid_reaches_the_threshold_of_every_neuron_from_below_and_from_above():
    for kind in NEURONS:
        if not NEURONS[kind].spiking:
            continue
        after = [
            on_loop(boundary_grid(kind, chosen, True, 200))[0]["z"] for chosen in choices(kind)
        ]
        assert all(0.05 < z.mean() < 0.95 for z in after)
        if len(after) > 1:  # > and >= differ, so membranes stand at the threshold
            assert len({z.tobytes() for z in after}) > 1


def test_a_wrong_step_is_noticed_and_named(monkeypatch):
    grid = boundary_grid("lif", choices("lif")[0], True, 50)

    def one_off(grid):
        states, current = on_loop(grid)
        return states | {"v": states["v"] + (states["v"] == 2**23 - 1)}, current

    monkeypatch.setitem(ENGINES, "loop", one_off)
    with pytest.raises(
        AssertionError, match=r"loop: v of lif is 8388608, by definition 8388607 \("
    ):
        compare(grid)


@pytest.mark.parametrize("kind", ["lif", "if", "alif", "ahp", "li", "resetting-li"])
def test_our_lava_processes_take_the_same_step(kind, tmp_path):
    cases = [case for case in OWN if case[0] == kind][:: 5 if NEURONS[kind].spiking else 1]
    grids = {f"own{n}": boundary_grid(*case, 20) for n, case in enumerate(cases)}
    check_on_lava(grids, tmp_path)


def stock_grids(n_samples, decays):
    """What Lava's own processes can compute: one value of each constant for all neurons."""
    grids = {}
    for decay_v, decay_i, vth in decays:
        fixed = {"decay_v": decay_v, "vth": vth, "n_ref": 0, "reset_to": 0, "reset_by": 0}
        grid = boundary_grid("lif", STOCK_LIF, True, n_samples, **fixed, decay_i=decay_i)
        grids[f"stock-lif-{decay_v}-{decay_i}-{vth}"] = grid
    return grids


def atrlif_grids(n_samples, constants):
    """Likewise of ATRLIF."""
    grids = {}
    for values in constants:
        names = ("decay_v", "decay_a", "decay_r", "decay_i", "vth", "step_a")
        grid = boundary_grid(
            "atrlif", choices("atrlif")[0], True, n_samples, **dict(zip(names, values, strict=True))
        )
        grids["stock-atrlif-" + "-".join(map(str, values))] = grid
    return grids


def test_lavas_own_lif_takes_the_same_step(tmp_path):
    check_on_lava(stock_grids(150, [(4095, 1, 64), (0, 4095, 64 * (2**17 - 1))]), tmp_path)


def test_lavas_own_atrlif_takes_the_same_step(tmp_path):
    most = 64 * 4095
    grids = atrlif_grids(150, [(1, 4095, 1, 4096, 64, most), (4095, 1, 4095, 1, most, 64)])
    check_on_lava(grids, tmp_path)


# --- all ---------------------------------------------------------------------------------------------------


def label(case):
    kind, chosen, current = case
    return " ".join([kind, *map(str, chosen.values()), "current" if current else ""])


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=label)
def test_all_boundary_states_take_the_same_step_on_all_engines(case, tmp_path):
    count = 0
    for first in itertools.count(0, AT_ONCE):
        grid = boundary_grid(*case, slice(first, first + AT_ONCE))
        if not len(grid.sent):
            break
        compare(grid)
        count += grid.current.size
    if case in OWN:  # the loop has just been compared with the oracle
        check_on_lava({"own": boundary_grid(*case)}, tmp_path, on_loop)
    print(f"\n{label(case)}: {count:,} states", end=" ")


@pytest.mark.slow
def test_lavas_own_lif_takes_the_same_step_from_all_boundary_states(tmp_path):
    decays = itertools.product([0, 1, 4095], [1, 4095, 4096], [0, 64, 64 * (2**17 - 1)])
    grids = stock_grids(10**9, decays)
    check_on_lava(grids, tmp_path)
    print(f"\nstock LIF: {sum(g.current.size for g in grids.values()):,} states", end=" ")


@pytest.mark.slow
def test_lavas_own_atrlif_takes_the_same_step_from_many_boundary_states(tmp_path):
    constants = list(itertools.product(*[DECAYS] * 4, [64, 64 * 4095], [64, 64 * 4095]))
    chosen = np.random.default_rng(0).choice(len(constants), 48, replace=False)
    grids = atrlif_grids(400, [constants[k] for k in chosen])
    check_on_lava(grids, tmp_path)
    print(f"\nstock ATRLIF: {sum(g.current.size for g in grids.values()):,} states", end=" ")
