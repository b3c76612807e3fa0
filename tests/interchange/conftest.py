"""Options of ``make interchange``, and its table of readings."""

from __future__ import annotations

import pytest
from readings import COUNT, SEED, Readings


def pytest_addoption(parser: pytest.Parser) -> None:
    """Read only where these tests are named on the command line."""
    parser.addoption("--seed", type=int, default=SEED, help="what the networks are drawn from")
    parser.addoption("--count", type=int, default=COUNT, help="networks of each framework")


READINGS = pytest.StashKey[Readings]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[READINGS] = Readings()


@pytest.fixture
def readings(request: pytest.FixtureRequest) -> Readings:
    """Where outcomes are counted."""
    return request.config.stash[READINGS]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """One line for each framework."""
    found = config.stash[READINGS]
    if not (found.outcomes or found.lines):
        return
    terminalreporter.section("files of other frameworks")
    kinds = ("read exactly", "refused as it must be", "mismatched")
    for framework, outcomes in found.outcomes.items():
        said = ", ".join(f"{outcomes[kind]} {kind}" for kind in kinds)
        terminalreporter.line(f"{framework:14} {said}; {found.spikes[framework]} spikes compared")
    for line in found.lines:
        terminalreporter.line(line)
