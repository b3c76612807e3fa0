"""Options of ``make interchange``, and its table of readings."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest

SEED, COUNT = 0, 5


def pytest_addoption(parser: pytest.Parser) -> None:
    """Read only where these tests are named on the command line."""
    parser.addoption("--seed", type=int, default=SEED, help="what the networks are drawn from")
    parser.addoption("--count", type=int, default=COUNT, help="networks of each framework")


@dataclass
class Readings:
    """By framework: how many files came out how, and spikes compared."""

    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    spikes: Counter[str] = field(default_factory=Counter)

    def add(self, framework: str, outcome: str, spikes: int = 0) -> None:
        """One file more."""
        self.outcomes.setdefault(framework, Counter())[outcome] += 1
        self.spikes[framework] += spikes


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
    if not found.outcomes:
        return
    terminalreporter.section("files of other frameworks")
    kinds = ("read exactly", "refused as it must be", "mismatched")
    for framework, outcomes in found.outcomes.items():
        said = ", ".join(f"{outcomes[kind]} {kind}" for kind in kinds)
        terminalreporter.line(
            f"{framework:14} {said}; {found.spikes[framework]} spikes compared"
        )
