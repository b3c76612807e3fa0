"""Live modules of the frameworks, in one process with ours: exported, read, run, and compared by spikes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from environments import FRAMEWORKS, OURS
from readings import COUNT, SEED, Readings

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "interchange.md"
LIVE = ("snntorch", "norse", "rockpool", "spikingjelly")
"""Without sinabs, whose release asks for a nir that is too old for us."""


def skip_without(framework: str) -> None:
    for needed in (FRAMEWORKS[framework], OURS):
        if obstacle := needed.obstacle():
            pytest.skip(obstacle)


@pytest.mark.parametrize("framework", LIVE)
def test_a_live_module_and_its_network_here_send_the_same_spikes(
    framework: str, pytestconfig: pytest.Config, readings: Readings
) -> None:
    skip_without(framework)
    seed, count = (
        str(pytestconfig.getoption(f"--{name}", usual))
        for name, usual in (("seed", SEED), ("count", COUNT))
    )
    arguments = (framework, "--seed", seed, "--count", count)
    printed = FRAMEWORKS[framework].run("live.py", *arguments, with_ours=True)
    found = json.loads(printed.splitlines()[-1])
    assert len(found) == int(count)
    for name, said in found.items():
        assert said["spikes"] > 200, name
        assert (said["differ"], said["not_recorded"], said["failed"]) == (0, [], []), (name, said)
    spikes = sum(said["spikes"] for said in found.values())
    readings.lines.append(f"{framework:14} {count} live modules, {spikes} spikes, none differs")


@pytest.mark.parametrize("framework", LIVE)
def test_a_live_module_that_was_changed_after_its_export_is_told_apart(framework: str) -> None:
    skip_without(framework)
    arguments = (framework, "--count", "1", "--weights", "1.02")
    printed = FRAMEWORKS[framework].run("live.py", *arguments, with_ours=True)
    (said,) = json.loads(printed.splitlines()[-1]).values()
    assert said["differ"] > 0
    assert said["failed"] == ["source"]


@pytest.mark.parametrize("framework", LIVE[:3])
def test_the_example_in_the_page_runs(framework: str, tmp_path: Path) -> None:
    skip_without(framework)
    (block,) = re.findall(rf"```python\n(# {framework}\n.*?)```", PAGE.read_text(), re.S)
    script = tmp_path / "example.py"
    script.write_text(block)
    spikes, exact, failed = FRAMEWORKS[framework].run(str(script), with_ours=True).split()[-3:]
    assert int(spikes) > 200
    assert (exact, failed) == ("True", "[]")
