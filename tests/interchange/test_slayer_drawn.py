"""Networks that lava-dl's slayer draws, beside us in one environment: their files give slayer's spikes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from readings import COUNT, SEED, Readings
from same import differences
from slayer_runs import draw, mismatches, needs_lava_dl

from deploy.imported import Imported
from deploy.interchange.netx import load
from quantize.emulator import emulate

pytestmark = [pytest.mark.slow, needs_lava_dl]

FAMILIES = ("chain", "recurrent", "norms", "images", "jitter", "graded", "dense")
"""They take turns."""
LEAST = 4
APART = 1000
"""Seeds of networks from one ``--seed`` to the next."""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> list[Path]:
    """The files of as many networks as are asked for, just drawn, run and exported."""
    count = max(LEAST, int(pytestconfig.getoption("--count", COUNT)))
    first = APART * int(pytestconfig.getoption("--seed", SEED))
    turns = [FAMILIES[i % len(FAMILIES)] for i in range(count)]
    counts = {family: turns.count(family) for family in dict.fromkeys(turns)}
    return sorted(draw(tmp_path_factory.mktemp("slayer"), counts, first=first).glob("*.net"))


def test_their_spikes_come_out(drawn: list[Path], readings: Readings) -> None:
    """Every block's, and the readout's integers."""
    differ, loud = {}, 0
    for file in drawn:
        network, ran = load(file), np.load(file.with_suffix(".npz"))
        wrong, spikes = mismatches(emulate(network, ran["inputs"][:, None]), ran)
        readings.add("lava-dl", "mismatched" if wrong else "read exactly", spikes)
        differ[file.stem], loud = wrong, loud + (spikes > 0)
    assert {name: wrong for name, wrong in differ.items() if wrong} == {}
    assert len(differ) >= LEAST
    assert loud >= 0.75 * len(differ)


def test_a_live_network_is_the_one_that_it_exports(drawn: list[Path], readings: Readings) -> None:
    for file in drawn:
        live, found = Imported.load(file.with_suffix(".safetensors")).network, load(file)
        assert differences(live, found, but=("provenance", "scale")) == []  # not in a file
    readings.lines.append(f"{'lava-dl':14} {len(drawn)} live modules, as their files say")
